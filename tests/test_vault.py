"""The vault: its format is frozen here, and whatever is not exactly as it was sealed stays closed."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orgtui.domain.errors import OrgtuiError, StoreRefused
from orgtui.master_keys import MasterKeys, VaultError
from orgtui.secret import Secret, mask
from orgtui.vault import Binding, Vault
from tests.conftest import kid_of

CANARY = "sk-ant-api03-canary-THIS-MUST-NEVER-BE-SEEN-wxyz"
HOME = Binding("org_acme", "openai", "key_1")
PROVIDERS = ("openai", "anthropic", "google", "mistral", "grok")


class Counted:
    """Randomness that is the same every time: 00 01 02 …, each byte once in 256."""

    def __init__(self) -> None:
        self.next = 0

    def __call__(self, size: int) -> bytes:
        drawn = bytes((self.next + index) % 256 for index in range(size))
        self.next += size
        return drawn


def made(directory: Path, source: Callable[[int], bytes] = os.urandom) -> Vault:
    """A vault with a key file of its own."""
    return Vault(MasterKeys.open(directory / "keys" / "master.key", random=source, create=True), source)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return made(tmp_path)


def tells_nothing(error: OrgtuiError) -> None:
    assert "\n" not in error.message
    assert CANARY not in repr(error)


def closed(vault: Vault, sealed: str, binding: Binding = HOME) -> bool:
    """Whether a sealed text is refused, in words that tell nothing."""
    for attempt in (vault.open, vault.rewrap):
        try:
            opened = attempt(sealed, binding)
        except VaultError as error:
            tells_nothing(error)
            continue
        # Re-wrapping what is under the current key already is no work and no claim.
        if attempt == vault.open or opened != sealed:
            return False
    return True


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def derived(key: bytes, purpose: str, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=f"orgtui {purpose} v1".encode()).derive(key)


# The format, frozen: what one version sealed, every later one opens.

KEY_FILE = """\
# orgtui master keys, format 1. They open every provider key: keep them apart from backups of the database.
fingerprint kf9b6ddddb0a9 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8
master k0e74e94afcca AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
"""
SEALED = (
    "v1.k0e74e94afcca.bG1ub3BxcnN0dXZ3maOJLwTHx1wZFPpcZqfjpdPWrAMhv77C0Bi2-coqqWuY25FY3S00NWPp_OvNfJXa"
    ".YGFiY2RlZmdoaWpr.30MkcWLn5Is5sEsFMbNqPDcVj3N0WvRoMtgld6w4J-XX8yP4_azhPw"
)
FINGERPRINT = "cfda201f509dadad9c14b737da91bd444ea6b4a112d72f3046e04a48d7c232d5"
CHAINED = "47350a9cb5aba7bbb8d7279cb16c46d78d62761cf7e0b190a79847f6a49eaee0"


def chained(keys: MasterKeys) -> str:
    """What one row of the audit log would carry."""
    mac = keys.chain()
    mac.update(b"row")
    return mac.hexdigest()


def test_the_formats_are_frozen(tmp_path: Path) -> None:
    vault = made(tmp_path, Counted())
    assert (tmp_path / "keys" / "master.key").read_text() == KEY_FILE
    assert vault.seal("sk-test-0123456789abcdef", HOME) == SEALED
    assert vault.fingerprint("sk-test-0123456789abcdef") == FINGERPRINT
    assert chained(vault.keys) == CHAINED


def test_what_was_sealed_by_an_earlier_version_opens(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(0o700)
    write(tmp_path / "keys" / "master.key", KEY_FILE)
    vault = made(tmp_path)
    assert vault.open(SEALED, HOME) == "sk-test-0123456789abcdef"
    assert kid_of(SEALED) == "k0e74e94afcca"
    assert vault.keys.kids == ("k0e74e94afcca",)


def test_the_format_is_what_the_documentation_says() -> None:
    """The vector, opened by hand."""
    master, fingerprint = bytes(range(32)), bytes(range(32, 64))
    version, kid, wrapped, nonce, ciphertext = SEALED.split(".")
    assert version == "v1"
    assert kid == f"k{derived(master, 'kid', 6).hex()}"
    where = b'"key_id":"key_1"'
    outer = b"{" + where + b',"kid":"' + kid.encode() + b'","layer":"data key","organization":"org_acme",'
    outer += b'"provider":"openai","v":1}'
    inner = b"{" + where + b',"layer":"secret","organization":"org_acme","provider":"openai","v":1}'
    data_key = AESGCM(master).decrypt(bytes_of(wrapped)[:12], bytes_of(wrapped)[12:], outer)
    assert len(data_key) == 32
    assert AESGCM(data_key).decrypt(bytes_of(nonce), bytes_of(ciphertext), inner) == b"sk-test-0123456789abcdef"
    prints = hmac.new(derived(fingerprint, "fingerprint", 32), b"sk-test-0123456789abcdef", hashlib.sha256)
    assert prints.hexdigest() == FINGERPRINT
    assert hmac.new(derived(fingerprint, "audit chain", 32), b"row", hashlib.sha256).hexdigest() == CHAINED


@pytest.mark.parametrize("secret", ["", "x", CANARY, "ключ 🔑 鍵", "x" * 10_000, "line\nline\0"])
def test_what_is_sealed_opens(vault: Vault, secret: str) -> None:
    sealed = vault.seal(secret, HOME)
    assert re.fullmatch(r"v1\.k[0-9a-f]{12}(\.[A-Za-z0-9_-]+){3}", sealed)
    assert vault.open(sealed, HOME) == secret
    assert vault.open(vault.seal(Secret(secret), HOME), HOME) == secret
    assert vault.seal(secret, HOME) != sealed


# What was touched stays closed.


def test_no_bit_can_be_flipped(vault: Vault) -> None:
    chance = random.Random(11)
    sealed = [vault.seal(CANARY, replace(HOME, provider=provider)) for provider in PROVIDERS]
    for _ in range(10_000):
        number = chance.randrange(len(sealed))
        data = bytearray(sealed[number].encode())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        flipped = data.decode("utf-8", "surrogateescape")
        assert closed(vault, flipped, replace(HOME, provider=PROVIDERS[number])), flipped


def test_no_bit_of_the_decoded_bytes_can_be_flipped(vault: Vault) -> None:
    version, kid, *fields = vault.seal(CANARY, HOME).split(".")
    for number, whole in enumerate(map(bytes_of, fields)):
        for bit in range(len(whole) * 8):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            changed = [*fields[:number], unpadded(bytes(data)), *fields[number + 1 :]]
            assert closed(vault, ".".join([version, kid, *changed]))


def test_there_is_one_way_to_write_a_sealed_text(vault: Vault) -> None:
    sealed = vault.seal("k" * 20, HOME)
    head, _, last = sealed.rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    variants = [f"{head}.{last[:-1]}{other}" for other in alphabet if other != last[-1]]
    variants += [sealed + end for end in ("=", "==", "\n", " ", ".", ".x", "A", "AA", "\0")]
    variants += [
        " " + sealed,
        sealed.upper(),
        sealed.replace("_", "/").replace("-", "+") + "/",
        sealed.replace("v1", "V1"),
    ]
    variants += ["\uff56" + sealed[1:], sealed.replace(".", ".\u200b", 1)]
    assert all(closed(vault, variant) for variant in variants)


def test_unknown_versions_and_shapes_stay_closed(vault: Vault) -> None:
    sealed = vault.seal(CANARY, HOME)
    for other in ("v0", "v2", "v10", "v", "", "1"):
        assert closed(vault, sealed.replace("v1", other, 1))
    for text in (
        "",
        ".",
        "v1",
        "v1....",
        CANARY,
        # Too little is left for the tag alone. What is cut less has the shape of a sealed text where the bits fall so.
        sealed[:-70],
        sealed * 2,
        sealed.rsplit(".", 1)[0],
        "v1." + "A" * 500,
    ):
        assert closed(vault, text)


def test_what_is_cut_short_stays_closed_wherever_it_is_cut(vault: Vault) -> None:
    sealed = vault.seal(CANARY, HOME)
    for end in range(len(sealed)):
        assert closed(vault, sealed[:end])


def test_an_unknown_master_key_is_named_and_nothing_opens(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal(CANARY, HOME)
    stranger = made(tmp_path / "other")
    with pytest.raises(VaultError, match=f"needs master key {kid_of(sealed)}, which .*master.key lacks"):
        stranger.open(sealed, HOME)
    renamed = sealed.replace(kid_of(sealed), kid_of(stranger.seal("x", HOME)))
    assert closed(vault, renamed)
    assert closed(stranger, renamed)


def test_fields_and_rows_cannot_be_swapped(vault: Vault) -> None:
    vault.keys.rotate()
    bindings = [Binding(org, provider, key) for org in "ab" for provider in PROVIDERS for key in ("k1", "k2")]
    rows = {binding: vault.seal(CANARY, binding) for binding in bindings}
    for (here, mine), (_, theirs) in permutations(rows.items(), 2):
        assert closed(vault, theirs, here)
        for field in range(1, 5):
            parts, others = mine.split("."), theirs.split(".")
            if parts[field] != others[field]:
                parts[field] = others[field]
                assert closed(vault, ".".join(parts), here)
    binding, sealed = next(iter(rows.items()))
    for mixed in map(".".join, permutations(sealed.split("."))):
        assert mixed == sealed or closed(vault, mixed, binding)


def test_no_two_bindings_are_alike(vault: Vault) -> None:
    """Values that run into each other where they are only joined."""
    tricky = [
        "",
        "a",
        "b",
        "ab",
        'a"',
        'a","provider":"b',
        "a|b",
        "|",
        "a\0b",
        "\\",
        "\\u0061",
        "é",
        "e\u0301",
        "\ud800",
    ]
    tricky += ["org_acme", "1", "true", "null", "secret", "data key"]
    chance = random.Random(5)
    bindings = {Binding(*(chance.choice(tricky) for _ in range(3))) for _ in range(120)}
    for binding in bindings:
        sealed = vault.seal("x", binding)
        assert vault.open(sealed, binding) == "x"
        assert all(closed(vault, sealed, other) for other in bindings if other != binding)


def test_a_field_of_the_binding_is_not_another(vault: Vault) -> None:
    sealed = vault.seal(CANARY, Binding("a", "b", "c"))
    assert all(closed(vault, sealed, Binding(*mixed)) for mixed in permutations("abc") if mixed != ("a", "b", "c"))


def test_layers_cannot_be_swapped(vault: Vault) -> None:
    """A data key is no secret and a secret no data key, even where their lengths agree."""
    version, kid, wrapped, nonce, ciphertext = vault.seal("s" * 32, HOME).split(".")
    crossed = ".".join((version, kid, unpadded(bytes_of(nonce) + bytes_of(ciphertext)), nonce, ciphertext))
    assert closed(vault, crossed)
    data = bytes_of(wrapped)
    assert closed(vault, ".".join((version, kid, wrapped, unpadded(data[:12]), unpadded(data[12:]))))


# Randomness.


def test_no_nonce_and_no_data_key_comes_twice(tmp_path: Path) -> None:
    drawn: list[bytes] = []

    def watched(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    vault = made(tmp_path, watched)
    drawn.clear()
    nonces, wraps, times = set(), set(), 100_000
    for _ in range(times):
        parts = vault.seal("x", HOME).split(".")
        nonces.add(parts[3])
        wraps.add(parts[2][:16])
    assert len(nonces) == len(wraps) == len(nonces | wraps) / 2 == times
    assert len(drawn) == len(set(drawn)) == 3 * times
    assert sorted({len(one) for one in drawn}) == [12, 32]
    assert {len(one) for one in drawn[::3]} == {32}


def test_poor_randomness_seals_nothing(tmp_path: Path) -> None:
    keys = MasterKeys.open(tmp_path / "keys" / "k", random=os.urandom, create=True)
    for short in (lambda size: b"", lambda size: os.urandom(size - 1), lambda size: os.urandom(size + 1)):
        with pytest.raises(VaultError, match="randomness"):
            Vault(keys, short).seal(CANARY, HOME)
        with pytest.raises(VaultError, match="randomness"):
            MasterKeys.open(tmp_path / "more" / "k", random=short, create=True)
    assert not (tmp_path / "more" / "k").exists()


# Rotation.


def test_rewrapping_keeps_the_ciphertext(vault: Vault) -> None:
    sealed = vault.seal(CANARY, HOME)
    old, mark = vault.keys.current, vault.fingerprint(CANARY)
    assert vault.rewrap(sealed, HOME) == sealed
    new = vault.keys.rotate()
    assert (vault.keys.kids, vault.keys.current, vault.keys.retired) == ((old, new), new, (old,))
    again = vault.rewrap(sealed, HOME)
    assert again.split(".")[3:] == sealed.split(".")[3:]
    assert again.split(".")[2] != sealed.split(".")[2]
    assert (kid_of(sealed), kid_of(again), kid_of(vault.seal("x", HOME))) == (old, new, new)
    assert vault.open(sealed, HOME) == vault.open(again, HOME) == CANARY
    vault.keys.drop(old)
    vault.keys.drop(old)
    assert vault.keys.kids == (new,)
    assert vault.open(again, HOME) == CANARY
    assert closed(vault, sealed)
    assert vault.fingerprint(CANARY) == mark


def test_the_current_key_cannot_be_dropped(vault: Vault) -> None:
    with pytest.raises(StoreRefused, match="is the current one; rotate first"):
        vault.keys.drop(vault.keys.current)
    assert len(vault.keys.kids) == 1


def test_a_rotation_that_was_cut_off_is_finished_by_the_next_run(tmp_path: Path) -> None:
    chance = random.Random(3)
    vault = made(tmp_path)
    rows = {Binding("org", "openai", f"key_{n}"): "" for n in range(300)}
    for binding in rows:
        rows[binding] = vault.seal(binding.key_id, binding)
    vault.keys.rotate()
    for _ in range(20):
        # Each run stops somewhere; nothing is remembered but the rows and the file.
        vault = made(tmp_path)
        for binding in chance.sample(sorted(rows, key=repr), 30):
            rows[binding] = vault.rewrap(rows[binding], binding)
        assert all(vault.open(sealed, binding) == binding.key_id for binding, sealed in rows.items())
    vault = made(tmp_path)
    rows = {binding: vault.rewrap(sealed, binding) for binding, sealed in rows.items()}
    for kid in vault.keys.retired:
        assert kid not in map(kid_of, rows.values())
        vault.keys.drop(kid)
    vault = made(tmp_path)
    assert len(vault.keys.kids) == 1
    assert all(vault.open(sealed, binding) == binding.key_id for binding, sealed in rows.items())


def test_other_processes_see_a_rotation(tmp_path: Path) -> None:
    mine, theirs = made(tmp_path), made(tmp_path)
    before = mine.seal(CANARY, HOME)
    new = theirs.keys.rotate()
    after = theirs.seal(CANARY, HOME)
    assert mine.open(after, HOME) == CANARY
    assert kid_of(mine.seal("x", HOME)) == new == mine.keys.current
    theirs.keys.drop(kid_of(before))
    assert kid_of(mine.seal("x", HOME)) == new
    assert closed(mine, before)


def test_a_killed_write_leaves_the_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = made(tmp_path)
    path = vault.keys.path
    before = path.read_bytes()
    left = path.parent / ".master.key.abcd1234.new"
    write(left, "half a file of a process that was killed")
    unrelated = path.parent / ".master.key.backup"
    write(unrelated, "somebody's own")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("orgtui.master_keys.os.fsync", full)
        with pytest.raises(StoreRefused, match="cannot be changed: No space left"):
            vault.keys.rotate()
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [unrelated, path]


# The key file.


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def refused(path: Path, words: str, *, create: bool = False) -> None:
    with pytest.raises(StoreRefused, match=words) as caught:
        MasterKeys.open(path, random=os.urandom, create=create)
    assert "\n" not in caught.value.message
    for key in re.findall(r"[A-Za-z0-9_-]{43}", KEY_FILE):
        assert key not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory as it must be."""
    (tmp_path / "keys").mkdir(0o700)
    return tmp_path / "keys"


def test_a_new_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        vault = made(tmp_path / "data" / "orgtui")
    finally:
        os.umask(before)
    path = vault.keys.path
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]
    assert made(tmp_path / "data" / "orgtui").keys.kids == vault.keys.kids


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o666, 0o777])
def test_a_file_that_others_can_open_is_refused(keys: Path, mode: int, create: bool) -> None:
    path = write(keys / "k", KEY_FILE, mode)
    refused(path, rf"k is open to other users \(mode {mode:04o}\); run: chmod 600 .*k$", create=create)


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o705, 0o770, 0o711, 0o777])
def test_a_directory_that_others_can_enter_is_refused(keys: Path, mode: int, create: bool) -> None:
    if not create:
        write(keys / "k", KEY_FILE)
    keys.chmod(mode)
    refused(keys / "k", rf"keys is open to other users \(mode {mode:04o}\); run: chmod 700 .*keys$", create=create)
    assert create is not (keys / "k").exists()


def test_a_missing_file_is_missing(keys: Path) -> None:
    refused(keys / "k", "There is no master key at .*k; restore it or set ORGTUI_MASTER_KEY_FILE")
    refused(keys / "nowhere" / "k", "There is no master key at")
    assert not list(keys.iterdir())


@pytest.mark.parametrize("create", [False, True])
def test_links_pipes_and_directories_are_no_key_files(keys: Path, create: bool) -> None:
    write(keys / "real", KEY_FILE)
    (keys / "link").symlink_to("real")
    (keys / "dangling").symlink_to("nowhere")
    os.mkfifo(keys / "pipe", 0o600)
    (keys / "directory").mkdir(0o700)
    refused(keys / "link", "link is a symbolic link; name the file it leads to", create=create)
    refused(keys / "dangling", "dangling is a symbolic link", create=create)
    refused(keys / "pipe", "pipe is not a plain file", create=create)
    refused(keys / "directory", "directory is not a plain file", create=create)
    refused(keys / "real" / "k", "cannot be read: Not a directory|cannot be made: Not a directory", create=create)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"short",
        b"a passphrase of thirty-two chars",
        b"\x80" * 31,
        b"\x80" * 33,
        b"00" * 16,
        b"00" * 31,
        b"0" * 65,
        base64.b64encode(bytes(31)),
        base64.b64encode(bytes(33)),
        b"correct horse battery staple, the usual passphrase",
        b"SQLite format 3\0" + bytes(100),
    ],
)
def test_what_is_no_key_of_32_bytes_is_refused(keys: Path, content: bytes) -> None:
    for create in (False, True):
        refused(write(keys / "k", content), "does not hold a key of 32 bytes", create=create)
        assert (keys / "k").read_bytes() == content


def test_a_damaged_file_is_refused_and_the_line_named(keys: Path) -> None:
    lines = KEY_FILE.splitlines(keepends=True)
    master = lines[2]
    for number, column in ((2, 14), (2, 40), (3, 9), (3, 25), (3, 62)):
        line = lines[number - 1]
        damaged = [*lines]
        damaged[number - 1] = line[:column] + ("B" if line[column] != "B" else "C") + line[column + 1 :]
        refused(write(keys / "k", "".join(damaged)), f"Line {number} of .*k is damaged; restore")
    refused(write(keys / "k", "".join(lines[:1])), "cut short")
    refused(write(keys / "k", "".join(lines[:2])), "cut short")
    refused(write(keys / "k", lines[0] + master), "cut short")
    refused(write(keys / "k", KEY_FILE[:-1]), "cut short")
    refused(write(keys / "k", KEY_FILE[:-10]), "Line 3 .*damaged")
    refused(write(keys / "k", KEY_FILE.replace("format 1", "format 2")), "newer orgtui")
    refused(write(keys / "k", KEY_FILE + "\n"), "Line 4 .*damaged")
    refused(write(keys / "k", KEY_FILE + "master k0 x\n"), "Line 4 .*damaged")


def test_no_cut_and_no_flipped_bit_of_the_file_goes_unnoticed(keys: Path) -> None:
    chance = random.Random(2)
    for cut in range(len(KEY_FILE)):
        refused(write(keys / "k", KEY_FILE[:cut]), "does not hold|cut short|damaged")
    for _ in range(200):
        data = bytearray(KEY_FILE.encode())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        refused(write(keys / "k", bytes(data)), "does not hold|cut short|damaged")


KEY = bytes(range(100, 132))


@pytest.mark.parametrize(
    "content",
    [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"]
    + [form(KEY) + end for form in (base64.b64encode, base64.urlsafe_b64encode) for end in (b"", b"\n")],
)
def test_a_key_as_other_tools_make_one_is_understood_and_can_be_rotated(keys: Path, content: bytes) -> None:
    path = write(keys / "k", content)
    vault = Vault(MasterKeys.open(path, random=os.urandom, create=False), os.urandom)
    assert vault.keys.kids == (f"k{derived(KEY, 'kid', 6).hex()}",)
    sealed, mark, mac = vault.seal(CANARY, HOME), vault.fingerprint(CANARY), chained(vault.keys)
    assert path.read_bytes() == content
    vault.keys.rotate()
    moved = vault.rewrap(sealed, HOME)
    vault.keys.drop(kid_of(sealed))
    again = Vault(MasterKeys.open(path, random=os.urandom, create=False), os.urandom)
    assert again.open(moved, HOME) == CANARY
    assert again.fingerprint(CANARY) == mark
    assert chained(again.keys) == chained(vault.keys) == mac
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_user_is_refused(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(keys / "k", KEY_FILE)
    me = path.stat().st_uid
    monkeypatch.setattr("orgtui.master_keys.os.geteuid", lambda: me + 1)
    if me:
        refused(path, "belongs to another user")
    else:
        # Root's own file is where a service manager puts it.
        MasterKeys.open(path, random=os.urandom, create=False)
        os.chown(path, 12345, 12345)
        refused(path, "belongs to another user")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everywhere")
def test_files_and_directories_without_permission(keys: Path) -> None:
    refused(write(keys / "k", KEY_FILE, 0o000), "cannot be read: Permission denied")
    keys.chmod(0o500)
    refused(keys / "new", "cannot be made: Permission denied", create=True)
    keys.chmod(0o700)


def test_a_key_file_that_goes_away_or_opens_up_stops_sealing(vault: Vault) -> None:
    path = vault.keys.path
    sealed = vault.seal(CANARY, HOME)
    path.chmod(0o644)
    with pytest.raises(StoreRefused, match="open to other users"):
        vault.seal(CANARY, HOME)
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreRefused, match="There is no master key"):
        vault.seal(CANARY, HOME)
    path.with_name("elsewhere").rename(path)
    assert vault.open(sealed, HOME) == CANARY


def test_names_are_shown_harmlessly(keys: Path) -> None:
    refused(keys / "k\x1b]0;x\x07", "There is no master key at .*\ufffd")
    refused(write(keys / "my key", KEY_FILE, 0o644), "chmod 600 '.*my key'$")


def _open_at_once(path: str, start: Any, answers: Any) -> None:
    start.wait()
    try:
        answers.put(MasterKeys.open(Path(path), random=os.urandom, create=True).kids)
    except OrgtuiError as error:
        answers.put(error.message)


def test_of_many_processes_that_make_the_key_at_once_one_wins(tmp_path: Path) -> None:
    context = get_context("fork")
    for round_ in range(5):
        path = tmp_path / str(round_) / "keys" / "k"
        start, answers = context.Event(), context.SimpleQueue()
        processes = [context.Process(target=_open_at_once, args=(str(path), start, answers)) for _ in range(8)]
        for process in processes:
            process.start()
        start.set()
        heard = {answers.get() for _ in processes}
        for process in processes:
            process.join()
        assert heard == {MasterKeys.open(path, random=os.urandom, create=False).kids}
        assert list(path.parent.iterdir()) == [path]


def _rotate_for_ever(path: str) -> None:
    keys = MasterKeys.open(Path(path), random=os.urandom, create=True)
    while True:
        keys.rotate()
        for kid in keys.retired[:-2]:
            keys.drop(kid)


def test_a_process_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    chance, context, path = random.Random(4), get_context("fork"), tmp_path / "keys" / "k"
    vault = Vault(MasterKeys.open(path, random=os.urandom, create=True), os.urandom)
    mark = vault.fingerprint(CANARY)
    for _ in range(30):
        process = context.Process(target=_rotate_for_ever, args=(str(path),))
        process.start()
        process.join(chance.uniform(0.001, 0.04))
        process.kill()
        process.join()
        again = Vault(MasterKeys.open(path, random=os.urandom, create=False), os.urandom)
        assert again.fingerprint(CANARY) == mark
        assert again.open(again.seal(CANARY, HOME), HOME) == CANARY
    again.keys.rotate()
    assert list(path.parent.iterdir()) == [path]


def test_threads_that_make_and_rotate_at_once(tmp_path: Path) -> None:
    def work() -> None:
        vault = made(tmp_path)
        sealed = vault.seal(CANARY, HOME)
        vault.keys.rotate()
        opened.append(vault.open(vault.rewrap(sealed, HOME), HOME))

    opened: list[str] = []
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [CANARY] * 12
    assert len(made(tmp_path).keys.kids) == 13


# Fingerprints and masks.


def test_fingerprints_tell_the_same_secret_and_nothing_else(vault: Vault, tmp_path: Path) -> None:
    mark = vault.fingerprint(CANARY)
    assert re.fullmatch("[0-9a-f]{64}", mark)
    assert mark == vault.fingerprint(Secret(CANARY)) == made(tmp_path).fingerprint(CANARY)
    assert len({mark, vault.fingerprint(CANARY + " "), vault.fingerprint(""), vault.fingerprint(mark)}) == 4
    assert made(tmp_path / "other").fingerprint(CANARY) != mark
    assert mark != hashlib.sha256(CANARY.encode()).hexdigest()


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("sk-0123456789abcdefwxyz", "sk-…wxyz"),
        ("sk-proj-0123456789abcdefwxyz", "sk-…wxyz"),
        ("sk-ant-api03-0123456789wxyz", "sk-ant-…wxyz"),
        ("AIzaSyA0123456789abcdwxyz", "AIza…wxyz"),
        ("xai-0123456789abcdefwxyz", "xai-…wxyz"),
        ("0123456789abcdefghijklmnopqrwxyz", "…wxyz"),
        ("x" * 16 + "wxyz", "…wxyz"),
        ("x" * 15 + "wxyz", "••••"),
        ("sk-12345678", "••••"),
        ("", "••••"),
        ("x" * 30 + "\x1b[0m", "••••"),
        ("x" * 30 + "字字字字", "••••"),
    ],
)
def test_masks_show_little(secret: str, expected: str) -> None:
    assert mask(secret) == mask(Secret(secret)) == expected


# Nothing speaks of the secret.


def test_a_held_secret_is_not_seen() -> None:
    secret = Secret(CANARY)
    assert str(secret) == repr(secret) == "%s" % secret == "***"  # noqa: UP031
    assert CANARY not in repr([secret, {"key": secret}, (secret,)])
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret("x")
    assert secret != CANARY
    assert not hasattr(secret, "__dict__")
    attempts: list[Callable[[], object]] = [
        lambda: f"{secret}",
        lambda: "{}".format(secret),  # noqa: UP032
        lambda: format(secret, ">9"),
        lambda: pickle.dumps(secret),
        lambda: copy.copy(secret),
        lambda: copy.deepcopy([secret]),
        lambda: json.dumps(secret),
        lambda: hash(secret),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError) as caught:
            attempt()
        assert CANARY not in str(caught.value)


def test_no_representation_holds_a_key(vault: Vault) -> None:
    raw = [bytes_of(line.split()[2]) for line in vault.keys.path.read_text().splitlines()[1:]]
    vault.seal(CANARY, HOME)
    seen = " ".join(
        map(repr, (vault, vault.keys, vars(vault), vars(vault.keys), vault.keys.prints(), vault.keys.chain()))
    )
    for key in raw:
        for form in (repr(key), key.hex(), unpadded(key), str(list(key))):
            assert form not in seen
    assert CANARY not in seen
    for thing in (vault, vault.keys):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def told(error: BaseException) -> str:
    """All that a crash could print, locals included, without those of this module."""
    stack = traceback.TracebackException.from_exception(error, capture_locals=True)
    while stack.stack and stack.stack[0].filename == __file__:
        stack.stack.pop(0)
    return "".join(stack.format()) + repr(error) + repr(vars(error)) + repr(error.__context__) + repr(error.__cause__)


def test_no_traceback_holds_a_secret(vault: Vault) -> None:
    def dry(size: int) -> bytes:
        raise RuntimeError("no randomness")

    sealed = vault.seal(CANARY, HOME)
    attempts: list[Callable[[], object]] = [
        lambda: Vault(vault.keys, dry).seal(CANARY, HOME),
        lambda: Vault(vault.keys, lambda size: b"").seal(CANARY, HOME),
        lambda: vault.seal(CANARY + "\ud800", HOME),
        lambda: vault.fingerprint(CANARY + "\ud800"),
        lambda: vault.seal(Secret(CANARY + "\ud800"), HOME),
        lambda: vault.open(sealed, replace(HOME, provider="grok")),
        lambda: vault.open(sealed[:-2] + "AA", HOME),
        lambda: vault.open(CANARY, HOME),
        lambda: vault.rewrap(CANARY, HOME),
    ]
    for number, attempt in enumerate(attempts):
        with pytest.raises((OrgtuiError, RuntimeError)) as caught:
            attempt()
        said = told(caught.value)
        assert CANARY not in str(caught.value)
        assert sealed[-30:] not in str(caught.value)
        # Texts to open are not secret; that somebody passes a secret as one shows in locals only.
        assert CANARY not in said or number >= 7


def test_cryptography_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, orgtui.vault; print('cryptography' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
