"""Keeps provider keys unreadable for whoever has the database but not the master key, and useless in another row."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from glob import escape
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NoReturn

from orgtui.domain.errors import OrgtuiError, StoreRefused
from orgtui.domain.text import clean, harmless

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Random = Callable[[int], bytes]

VERSION: Final = 1
_KEY, _NONCE = 32, 12
_HEADING = "# orgtui master keys, format 1. They open every provider key: keep them apart from backups of the database."
_LINE = re.compile(r"(fingerprint|master) (k[0-9a-f]{12}) ([A-Za-z0-9_-]{43})")
_FILE_LIMIT = 1 << 20
# v1.<kid>.<wrapped data key>.<nonce>.<ciphertext>: each secret has a data key of its own, wrapped by the master key, so
# that rotation re-wraps 32 bytes a row and handles no secret.
_SEALED = re.compile(r"v1\.(k[0-9a-f]{12})\.([A-Za-z0-9_-]{80})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_NOT_OURS = "The sealed key is not one of this vault's; restore the row from a backup."
_CHANGED = "The sealed key was changed, or belongs to another organization, provider or row; it stays closed."
# The longer ones first: each begins with a shorter one.
_PREFIXES = ("sk-ant-", "sk-", "AIza", "xai-")
_HIDDEN = "••••"
_SHORTEST_SHOWN = 20
# From <linux/prctl.h>.
_PR_SET_DUMPABLE = 4
# What keys begin with, or letters and digits in one: hardly anything else that is typed is as long.
_KEY_LIKE = r"(?:sk|pk|rk|xai|gsk|whsec|AIza)[-_][\w-]{8,}|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{%d,}"


class VaultError(OrgtuiError):
    """A secret that cannot be sealed or opened; what it was stands nowhere in the error."""

    code, status, exit_code = "vault", 500, 1


class Secret:
    """Carries a secret through code that prints, logs or pickles what it carries."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        guard_memory()
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret is not formatted; reveal() it where it is used")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """As an argument it travels in clear: the connection is what keeps it."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls.reveal, return_schema=core_schema.str_schema()
            ),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (secret._value.encode("utf-8", "surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, theirs)


@cache
def guard_memory() -> None:
    """Keep what this process holds out of core files and, on Linux, from other processes of the same user."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        import ctypes

        # The limit does not count where the kernel pipes core files to a program; this does.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a secret belongs; sealed with one binding it opens with no other."""

    organization: str
    provider: str
    key_id: str


# Master keys.


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
            key = _drawn(self._random, _KEY)
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
        return hmac.new(_derived(contents.fingerprint, purpose, _KEY), digestmod="sha256")

    masters = {kid: AESGCM(key) for kid, key in contents.masters.items()}
    return _Ring(masters, mac("fingerprint"), mac("audit chain"), mac("requests"), stamp)


def _drawn(random: Random, size: int) -> bytes:
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


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes | None:
    """The bytes, or None where another text would say the same: a sealed text has one form."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""
    return data if _encoded(data) == text else None


# The file of the master keys.


def _line(word: str, key: bytes) -> str:
    return f"{word} {_kid(key)} {_encoded(key)}"


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
        key = _decoded(match[3]) if match else None
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
    if len(key) != _KEY:
        raise StoreRefused(f"{_shown(path)} does not hold a key of {_KEY} bytes; restore it from your copy.")
    return _Contents({_kid(key): key}, _derived(key, "own fingerprint", _KEY))


def _create(path: Path, random: Random) -> None:
    key, fingerprint = _drawn(random, _KEY), _drawn(random, _KEY)
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


# Sealing.


@dataclass(frozen=True, slots=True)
class _Parts:
    """A sealed text, taken apart."""

    kid: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    def text(self) -> str:
        """The sealed text."""
        return ".".join(("v1", self.kid, *map(_encoded, (self.wrapped, self.nonce, self.ciphertext))))


class Vault:
    """Seals and opens secrets with the master keys of a file."""

    def __init__(self, keys: MasterKeys, random: Random) -> None:
        self.keys = keys
        self._random = random

    def seal(self, secret: str | Secret, binding: Binding) -> str:
        """The text to store; it opens with the same binding only."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        secret = _held(secret)
        data_key, nonce = _drawn(self._random, _KEY), _drawn(self._random, _NONCE)
        ciphertext = AESGCM(data_key).encrypt(nonce, _plain(secret), _associated(binding, "secret"))
        return self._wrapped(data_key, nonce, ciphertext, binding).text()

    def open(self, sealed: str, binding: Binding) -> str:
        """The secret of a sealed text; raises VaultError if anything about it is not as it was sealed."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        parts = _parts(sealed)
        cipher = AESGCM(self._unwrapped(parts, binding))
        return _decrypted(cipher, parts.nonce, parts.ciphertext, _associated(binding, "secret")).decode()

    def rewrap(self, sealed: str, binding: Binding) -> str:
        """The same secret under the current master key; what is under it already is answered as it is."""
        parts = _parts(sealed)
        if parts.kid == self.keys.current:
            return sealed
        return self._wrapped(self._unwrapped(parts, binding), parts.nonce, parts.ciphertext, binding).text()

    def fingerprint(self, secret: str | Secret) -> str:
        """The same for the same secret, and of no use without the master key file; rotation does not change it."""
        secret = _held(secret)
        prints = self.keys.prints()
        prints.update(_plain(secret))
        return prints.hexdigest()

    def _wrapped(self, data_key: bytes, nonce: bytes, ciphertext: bytes, binding: Binding) -> _Parts:
        kid, master = self.keys.wrapping()
        own = _drawn(self._random, _NONCE)
        wrapped = own + master.encrypt(own, data_key, _associated(binding, "data key", kid=kid))
        return _Parts(kid, wrapped, nonce, ciphertext)

    def _unwrapped(self, parts: _Parts, binding: Binding) -> bytes:
        master = self.keys.unwrapping(parts.kid)
        associated = _associated(binding, "data key", kid=parts.kid)
        return _decrypted(master, parts.wrapped[:_NONCE], parts.wrapped[_NONCE:], associated)


def kid_of(sealed: str) -> str:
    """The master key that a sealed text needs; raises VaultError if it is none."""
    return _parts(sealed).kid


def mask(secret: str | Secret) -> str:
    """What may be shown of a key: `sk-…wxyz`, or only dots where that would be much of it."""
    text = _held(secret).reveal()
    if len(text) < _SHORTEST_SHOWN or not harmless(text):
        return _HIDDEN
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), "")
    return f"{prefix}…{text[-4:]}"


def key_like(text: str, *, shortest: int = _SHORTEST_SHOWN) -> bool:
    """Whether *text* may hold a key of at least so many characters: then it is not to be repeated."""
    return re.search(_KEY_LIKE % shortest, text) is not None


def _held(secret: str | Secret) -> Secret:
    """Takes the secret's place among a function's locals, which tracebacks may print."""
    return secret if isinstance(secret, Secret) else Secret(secret)


def _plain(secret: Secret) -> bytes:
    try:
        return secret.reveal().encode()
    except UnicodeEncodeError:
        pass
    # Not raised above: that error holds the secret, and this one would hold that error.
    raise VaultError("The key contains characters that no key has; paste it again.")


def _associated(binding: Binding, layer: str, **more: str) -> bytes:
    """Canonical JSON: no two bindings make the same bytes. The secret's has no kid: re-wrapping must not touch it."""
    fields = {
        "v": VERSION,
        "layer": layer,
        "organization": binding.organization,
        "provider": binding.provider,
        "key_id": binding.key_id,
    }
    return _CANONICAL.encode(fields | more).encode()


def _decrypted(cipher: AESGCM, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise VaultError(_CHANGED) from None


def _parts(sealed: str) -> _Parts:
    match = _SEALED.fullmatch(sealed)
    if match is None:
        raise VaultError(_NOT_OURS)
    wrapped, nonce, ciphertext = (_decoded(match[group]) for group in (2, 3, 4))
    if wrapped is None or nonce is None or ciphertext is None:
        raise VaultError(_NOT_OURS)
    return _Parts(match[1], wrapped, nonce, ciphertext)
