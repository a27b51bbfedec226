"""The master keys of an organization, in a file of their own that is changed as a whole and read by its owner alone."""

from __future__ import annotations

import base64
import hmac
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NoReturn

from orgtui.domain.errors import OrgtuiError, StoreRefused
from orgtui.domain.text import clean, harmless
from orgtui.secret import guard_memory

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Random = Callable[[int], bytes]

KEY: Final = 32
_HEADING = "# orgtui master keys, format 1. They open every provider key: keep them apart from backups of the database."
_LINE = re.compile(r"(fingerprint|master) (k[0-9a-f]{12}) ([A-Za-z0-9_-]{43})")
_FILE_LIMIT = 1 << 20


class VaultError(OrgtuiError):
    """A secret that cannot be sealed or opened; what it was stands nowhere in the error."""

    code, status, exit_code = "vault", 500, 1


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a key file says; the last master key is the current one."""

    masters: dict[str, bytes] = field(repr=False)
    fingerprint: bytes = field(repr=False)

    def text(self) -> bytes:
        """The file."""
        lines = [_line("fingerprint", self.fingerprint), *(_line("master", key) for key in self.masters.values())]
        return "\n".join((_HEADING, *lines, "")).encode()


@dataclass(frozen=True, slots=True)
class _Ring:
    """Keys ready for use, and the stamp of the file they were read from: no raw key stays in memory under a name."""

    masters: dict[str, AESGCM]
    prints: hmac.HMAC
    chain: hmac.HMAC
    requests: hmac.HMAC
    stamp: tuple[int, int, int]


class MasterKeys:
    """The master keys of a file: the last one wraps, all of them unwrap. Other processes' changes are noticed."""

    def __init__(self, path: Path, random: Random) -> None:
        self.path = path
        self._random = random
        self._ring = _ring(path)

    @classmethod
    def open(cls, path: Path, *, random: Random, create: bool) -> MasterKeys:
        """The keys at *path*, which are made if *create* and there is no file yet.

        Raises StoreRefused for a file or directory that others can read, and for anything but a whole key file. Where
        sealed secrets exist already, *create* must be False: a new key would only hide that theirs is missing.
        """
        if create and not os.path.lexists(path):
            _create(path, random)
        return cls(path, random)

    def __repr__(self) -> str:
        return f"MasterKeys({str(self.path)!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("master keys are not pickled")

    @property
    def kids(self) -> tuple[str, ...]:
        """Ids of the keys, the oldest first, as the file has them now; raises StoreRefused if it is gone or unfit."""
        return tuple(self._fresh().masters)

    @property
    def current(self) -> str:
        """Id of the key that wraps."""
        return self.kids[-1]

    @property
    def retired(self) -> tuple[str, ...]:
        """Ids of the keys that only unwrap: while there are any, a rotation is not finished."""
        return self.kids[:-1]

    def rotate(self) -> str:
        """Add a key, current from now on, and answer its id; the others stay until they are dropped."""

        def add(contents: _Contents) -> _Contents:
            key = drawn(self._random, KEY)
            return _Contents(contents.masters | {_kid(key): key}, contents.fingerprint)

        self._change(add)
        return self.current

    def drop(self, kid: str) -> None:
        """Forget a retired key for good; nothing happens where it is gone already.

        Only what keeps others from storing secrets meanwhile, and has seen that no stored one needs the key, may do it.
        """

        def remove(contents: _Contents) -> _Contents:
            if kid == list(contents.masters)[-1]:
                raise StoreRefused(f"Master key {kid} is the current one; rotate first.")
            rest = {other: key for other, key in contents.masters.items() if other != kid}
            return _Contents(rest, contents.fingerprint)

        self._change(remove)

    def wrapping(self) -> tuple[str, AESGCM]:
        """The current key's id and the key."""
        return list(self._fresh().masters.items())[-1]

    def unwrapping(self, kid: str) -> AESGCM:
        """The key of an id; raises VaultError where there is none."""
        if (key := self._ring.masters.get(kid) or self._fresh().masters.get(kid)) is None:
            raise VaultError(f"This needs master key {kid}, which {_shown(self.path)} lacks; restore it.")
        return key

    def prints(self) -> hmac.HMAC:
        """What fingerprints are made with: the same through every rotation."""
        return self._ring.prints.copy()

    def chain(self) -> hmac.HMAC:
        """What audit rows are chained with: the same through every rotation, and no key that seals."""
        return self._ring.chain.copy()

    def requests(self) -> hmac.HMAC:
        """What hides requests that carry an idempotency key, and their answers: the same through every rotation."""
        return self._ring.requests.copy()

    def _fresh(self) -> _Ring:
        """The keys, read again if another process changed the file."""
        try:
            status = self.path.stat(follow_symlinks=False)
        except OSError as error:
            raise _unreadable(error, self.path) from error
        if _stamp(status) != self._ring.stamp:
            self._ring = _ring(self.path)
        return self._ring

    def _change(self, change: Callable[[_Contents], _Contents]) -> None:
        try:
            with _locked(self.path):
                contents, _ = _read(self.path)
                _write(self.path, change(contents).text(), os.replace)
        except OSError as error:
            raise StoreRefused(f"The master key {_shown(self.path)} cannot be changed: {error.strerror}.") from error
        self._fresh()


class KeyFile:
    """Where the master keys of a database are; they are read when they are first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: MasterKeys | None = None

    def open(self, random: Random, *, create: bool = False) -> MasterKeys:
        """The keys, as `MasterKeys.open` answers them."""
        if self._keys is None:
            self._keys = MasterKeys.open(self.path, random=random, create=create)
        return self._keys


def beside(database: Path) -> Path:
    """Where the master keys of a database file are kept unless said otherwise: in a directory of their own."""
    return database.with_name(f"{database.name}.keys") / "master.key"


def carried(path: Path, to: Path) -> bool:
    """Whether *to* holds the keys of *path*, which must be there; raises StoreRefused where it holds others."""
    contents, _ = _read(path)
    if not os.path.lexists(to):
        return False
    there, _ = _read(to)
    if there.text() != contents.text():
        raise StoreRefused(
            f"{_shown(to)} holds other master keys than {_shown(path)}, which are needed there: move it away, or set "
            "ORGTUI_MASTER_KEY_FILE to use one file for both."
        )
    return True


def carry(path: Path, to: Path, kids: tuple[str, ...]) -> None:
    """Put the keys of *path*, which are *kids*, at *to* as well; raises StoreRefused where others are, at either."""
    contents, _ = _read(path)
    if tuple(contents.masters) != kids:
        raise StoreRefused(f"The master keys in {_shown(path)} were changed meanwhile; nothing was copied. Try again.")
    _put(to, contents)
    carried(path, to)


def _ring(path: Path) -> _Ring:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    guard_memory()
    contents, stamp = _read(path)

    def mac(purpose: str) -> hmac.HMAC:
        return hmac.new(_derived(contents.fingerprint, purpose, KEY), digestmod="sha256")

    masters = {kid: AESGCM(key) for kid, key in contents.masters.items()}
    return _Ring(masters, mac("fingerprint"), mac("audit chain"), mac("requests"), stamp)


def drawn(random: Random, size: int) -> bytes:
    """So many random bytes; raises VaultError where there are fewer."""
    drawn = random(size)
    if len(drawn) != size:
        raise VaultError("The machine's randomness ran dry; nothing was sealed.")
    return drawn


def _derived(key: bytes, purpose: str, size: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=size, salt=None, info=f"orgtui {purpose} v1".encode()).derive(key)


def _kid(key: bytes) -> str:
    """An id that tells nothing of the key but whether it is the same, so that a damaged line is noticed."""
    return f"k{_derived(key, 'kid', 6).hex()}"


def encoded(data: bytes) -> str:
    """Bytes as letters and digits."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes | None:
    """The bytes, or None where another text would say the same: a sealed text has one form."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""
    return data if encoded(data) == text else None


# The file.


def _line(word: str, key: bytes) -> str:
    return f"{word} {_kid(key)} {encoded(key)}"


def _shown(path: Path) -> str:
    return clean(str(path))


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_ctime_ns, status.st_size


def _read(path: Path) -> tuple[_Contents, tuple[int, int, int]]:
    try:
        _check_private(path.parent.stat(), path.parent, "700")
        # A pipe must not make this wait, and a link could lead to where others write.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StoreRefused(f"The master key {_shown(path)} is not a plain file; name the file it is in.")
            _check_private(status, path, "600")
            data = os.read(descriptor, _FILE_LIMIT)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(error, path) from error
    return _parsed(data, path), _stamp(status)


def _check_private(status: os.stat_result, path: Path, wanted: str) -> None:
    if status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        shown = _shown(path)
        raise StoreRefused(f"{shown} is open to other users (mode {mode}); run: chmod {wanted} {quote(shown)}")
    if os.geteuid() not in (0, status.st_uid) and status.st_uid != 0:
        raise StoreRefused(f"{_shown(path)} belongs to another user; the master key must be yours alone.")


def _unreadable(error: OSError, path: Path) -> StoreRefused:
    if isinstance(error, FileNotFoundError):
        return StoreRefused(f"There is no master key at {_shown(path)}; restore it or set ORGTUI_MASTER_KEY_FILE.")
    if path.is_symlink():
        return StoreRefused(f"The master key {_shown(path)} is a symbolic link; name the file it leads to.")
    return StoreRefused(f"The master key {_shown(path)} cannot be read: {error.strerror}.")


def _parsed(data: bytes, path: Path) -> _Contents:
    """A file of ours, or a key as other tools make one: 32 random bytes as they are, in hex or in base64."""
    text = data.decode("ascii", "replace")
    if not text.startswith("# orgtui"):
        return _bare(data, text.strip(), path)
    heading, *lines = text.splitlines()
    keys: dict[str, dict[str, bytes]] = {"fingerprint": {}, "master": {}}
    for number, line in enumerate(lines, start=2):
        match = _LINE.fullmatch(line)
        key = decoded(match[3]) if match else None
        if match is None or key is None or _kid(key) != match[2]:
            raise StoreRefused(f"Line {number} of {_shown(path)} is damaged; restore the master key from your copy.")
        keys[match[1]][match[2]] = key
    if heading != _HEADING or not keys["master"] or len(keys["fingerprint"]) != 1 or not text.endswith("\n"):
        raise StoreRefused(f"{_shown(path)} is cut short or of a newer orgtui; restore the master key from your copy.")
    return _Contents(keys["master"], next(iter(keys["fingerprint"].values())))


def _bare(data: bytes, text: str, path: Path) -> _Contents:
    key = b""
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        key = bytes.fromhex(text)
    elif re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", text):
        key = base64.urlsafe_b64decode(text.translate({43: "-", 47: "_"}).rstrip("=") + "=")
    elif not harmless(text):
        key = data
    if len(key) != KEY:
        raise StoreRefused(f"{_shown(path)} does not hold a key of {KEY} bytes; restore it from your copy.")
    return _Contents({_kid(key): key}, _derived(key, "own fingerprint", KEY))


def _create(path: Path, random: Random) -> None:
    key, fingerprint = drawn(random, KEY), drawn(random, KEY)
    _put(path, _Contents({_kid(key): key}, fingerprint))


def _put(path: Path, contents: _Contents) -> None:
    """Write a new key file, unless somebody else is faster: then theirs counts."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(path.parent.stat(), path.parent, "700")
        with _locked(path):
            if not os.path.lexists(path):
                _write(path, contents.text(), os.link)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreRefused(f"The master key {_shown(path)} cannot be made: {error.strerror}.") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time changes the file."""
    import fcntl

    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(path: Path, data: bytes, publish: Callable[[Path, Path], None]) -> None:
    """Write beside *path*, then *publish*: nobody sees half a file, and no crash leaves one."""
    from tempfile import mkstemp

    # Left by a process that was killed here; nobody else writes while this one has the lock.
    for left in path.parent.glob(f".{escape(path.name)}.????????.new"):
        left.unlink()
    # mkstemp makes it with O_EXCL, for this user alone.
    descriptor, beside = mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        publish(Path(beside), path)
    finally:
        Path(beside).unlink(missing_ok=True)
