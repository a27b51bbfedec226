"""Keys that sing: shaped as each provider makes them, all different, and found again in whatever they were written."""

from __future__ import annotations

import base64
import os
import random
import string
from collections.abc import Iterator
from pathlib import Path

PREFIXES = {"openai": "sk-proj-", "anthropic": "sk-ant-api03-", "google": "AIza", "mistral": "", "grok": "xai-"}
LENGTHS = {"openai": 164, "anthropic": 108, "google": 39, "mistral": 32, "grok": 84}
# In every canary, again and again, so that any piece of one of 20 characters holds it whole. By chance it stands in a
# gigabyte of ciphertext, in any of the forms, less than once in ten thousand.
SONG = "Kn4RyBq7W"
_EVERY = 3


def canary(provider: str, number: int) -> str:
    """The key of that number: none is another's, and each looks like one of its provider."""
    chance = random.Random(f"{provider} {number}")
    letters = string.ascii_letters + string.digits
    key = PREFIXES[provider]
    while len(key) < LENGTHS[provider] - 8:
        key += "".join(chance.choices(letters, k=_EVERY)) + SONG
    # The end, which masks show, differs too.
    key = key[: LENGTHS[provider] - 8]
    return key + "".join(chance.choices(letters, k=LENGTHS[provider] - len(key)))


def _base64(data: bytes) -> Iterator[bytes]:
    """What base64 makes of it at each place in a text, without the letters that its neighbours have a part in."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        start = -(-before * 8 // 6)
        yield whole[start : (before + len(data)) * 8 // 6]


def _forms() -> dict[str, bytes]:
    plain = SONG.encode()
    forms = {
        "hexadecimal": plain.hex().encode(),
        "percent": b"".join(b"%%%02x" % byte for byte in plain),
        "escaped bytes": b"".join(b"\\x%02x" % byte for byte in plain),
        "escaped JSON": b"".join(b"\\u%04x" % byte for byte in plain),
        "UTF-16 LE": SONG.encode("utf-16-le"),
        "UTF-16 BE": SONG.encode("utf-16-be"),
        "UTF-32 LE": SONG.encode("utf-32-le"),
        "UTF-32 BE": SONG.encode("utf-32-be"),
        "backwards": plain[::-1],
        "clear": plain,
    }
    # These are looked for whatever their case, base64 as it is.
    return {name: form.lower() for name, form in forms.items()}


_ANY_CASE = _forms()
_EXACT = {f"base64 +{place}": form for place, form in enumerate(_base64(SONG.encode()))}


def heard(data: bytes) -> list[str]:
    """The forms in which a canary stands in *data*, each with what is around it."""
    low = data.lower()
    found = [(name, low.find(form)) for name, form in _ANY_CASE.items()]
    found += [(name, data.find(form)) for name, form in _EXACT.items()]
    return [f"{name}: {data[max(0, at - 60) : at + 60]!r}" for name, at in found if at >= 0]


def heard_below(directory: Path) -> list[str]:
    """The same for every file there, for its name, and for where a link leads."""
    told = []
    for parent, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(parent, name)
            told += [f"the name {path}" for _ in heard(os.fsencode(path))]
            if path.is_symlink():
                told += [f"{path} leads to: {hit}" for hit in heard(os.fsencode(path.readlink()))]
            elif path.is_file():
                try:
                    told += [f"{path}: {hit}" for hit in heard(path.read_bytes())]
                except FileNotFoundError:
                    # A journal that was done with in between.
                    continue
    return told


def heard_in_processes() -> tuple[list[str], list[bytes]]:
    """What any process here shows of itself, as `ps` reads it: its words and its environment; and all the words."""
    told, words = [], []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        for file in ("cmdline", "environ", "comm", "status", "wchan"):
            try:
                data = (process / file).read_bytes()
            except OSError:
                # It has ended, or shows itself to nobody.
                continue
            told += [f"{process / file}: {hit}" for hit in heard(data)]
            if file == "cmdline":
                words.append(data)
    return told, words
