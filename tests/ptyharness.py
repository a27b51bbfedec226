"""A program in a real pseudo-terminal, and a strict judge of what it sent there."""

from __future__ import annotations

import fcntl
import os
import random
import re
import select
import signal
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pyte

ROOT = Path(__file__).parents[1]
KEYS = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "home": "\x1b[H", "end": "\x1b[F",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "shift+tab": "\x1b[Z",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "delete": "\x1b[3~",
}  # fmt: skip
MODES = {
    "1049": "alternate screen", "1000": "mouse", "1003": "mouse", "1006": "mouse", "1015": "mouse", "1016": "mouse",
    "1004": "focus", "2004": "paste", "2026": "synchronized", "2048": "resize reports",
}  # fmt: skip
_QUERY = re.compile(rb"\x1b\[\?(2026|2048)\$p")
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])|\x1b\[([><])\d*u")
# pyte would print these.
_BEYOND_PYTE = re.compile(rb"\x1b[P\]_^X][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[<=>][\d;]*u|\x1b\[\?\d+\$p", re.S)
# It knows one screen only: to change it is to clear it.
_OTHER_SCREEN = re.compile(rb"\x1b\[\?1049[hl]")
_INCOMPLETE = re.compile(rb"\x1b(?:[P\]_^X][^\x07\x1b]*\x1b?|\[[ -?]*)?\Z")

# Everything Textual sends on purpose: colours, cursor, its modes, the pointer's shape, links to web and mail.
_ALLOWED = re.compile(
    r"\x1b\[[\d;]*m"
    r"|\x1b\[\d+;\d+H"
    r"|\x1b\[\?(?:7|25|1000|1003|1004|1006|1015|1016|1049|2004|2026|2048)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p"
    r"|\x1b\[>\d+u|\x1b\[<u"
    r"|\x1b\]22;[a-z-]*\x07"
    r"|\x1b\]8;id=[\d-]+;(?:https?://|mailto:)[!-~]+\x1b\\|\x1b\]8;;\x1b\\"
    r"|\x18(?=\x1b\[\?2026l)"
    r"|\r\n"
)
_CLIPBOARD = re.compile(r"\x1b\]52;c;[\w+/=]*\x07")
_SEQUENCE = re.compile(r"\x1b(?:\[[ -?]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?|.", re.S)
_COLOR = re.compile(r"\x1b\[([\d;]*)m")


def foreign(data: bytes, *, clipboard: bool = False) -> list[bytes]:
    """Every order to the terminal, and every invisible character, that Textual itself would not have sent."""
    text, found, place = data.decode("utf-8", "surrogateescape"), [], 0
    while place < len(text):
        if text[place].isascii() and text[place].isprintable():
            place += 1
        elif match := _ALLOWED.match(text, place) or (clipboard and _CLIPBOARD.match(text, place)) or None:
            place = match.end()
        elif _is_visible(text, place):
            place += 1
        else:
            sequence = _SEQUENCE.match(text, place)
            assert sequence
            found.append(sequence[0][:60].encode("utf-8", "surrogateescape"))
            place = sequence.end()
    return found


def _is_visible(text: str, place: int) -> bool:
    """Judged from Unicode's categories, not from the product's own tables."""
    char, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    category = unicodedata.category(char)
    if char == "\u200d":
        return _is_picture(before) and _is_picture(after)
    if category[0] == "M":
        return not all(unicodedata.category(each)[0] == "M" for each in text[max(0, place - 4) : place])
    nothing = ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
    return category not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and not nothing


def _is_picture(char: str) -> bool:
    return char == "\ufe0f" or (char != "" and unicodedata.category(char) in {"So", "Sk", "Cn", "Sm"})


def colors(data: bytes) -> list[str]:
    """Every SGR parameter list that asks for a colour."""
    return [codes for codes in _COLOR.findall(data.decode("utf-8", "replace")) if _asks_for_color(codes)]


def _asks_for_color(codes: str) -> bool:
    return any(30 <= int(code) <= 49 or 90 <= int(code) <= 107 for code in codes.split(";") if code)


class Terminal:
    """The program *argv* in a pseudo-terminal of *size* (columns, rows), answered as a terminal would."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str | None] | None = None,
        ignore: Sequence[signal.Signals] = (),
        modern: bool = False,
        cwd: Path = ROOT,
    ) -> None:
        self.size, self.modern = size, modern
        self.raw, self.modes = bytearray(), set[str]()
        self.cursor_hidden = self.wraps_off = False
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = self._judged = 0
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        termios.tcsetwinsize(slave, size[::-1])
        self._slave: int | None = slave
        self._attributes = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=_environment(env or {}),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal(ignore),
        )

    @classmethod
    def python(cls, *arguments: str, **options: object) -> Terminal:
        """This interpreter with *arguments*."""
        return cls([sys.executable, *arguments], **options)  # type: ignore[arg-type]

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.hang_up()

    @property
    def text(self) -> str:
        """What is on the screen."""
        data = bytes(self.raw[self._fed :])
        cut = _INCOMPLETE.search(data)
        whole = data[: cut.start()] if cut else data
        self._fed += len(whole)
        self._stream.feed(_BEYOND_PYTE.sub(b"", _OTHER_SCREEN.sub(b"\x1b[2J", whole)))
        return "\n".join(line.rstrip() for line in self._screen.display)

    def send(self, *keys: str) -> None:
        """Press keys by name (`down`, `ctrl+x`), or type literal text."""
        for key in keys:
            code = chr(ord(key[-1].upper()) & 31) if re.fullmatch(r"ctrl\+.", key) else KEYS.get(key, key)
            os.write(self.master, code.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.size = columns, rows
        self._screen.resize(rows, columns)
        termios.tcsetwinsize(self.master, (rows, columns))
        if "resize reports" in self.modes:
            self._report_size()

    def read(self, seconds: float) -> bool:
        """Take what comes within *seconds*, returning at its first silence; False once the terminal is closed."""
        if not self.master or not select.select([self.master], [], [], seconds)[0]:
            return bool(self.master)
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        self._follow()
        return bool(data)

    def quiet(self, silence: float = 0.15, limit: float = 5.0) -> None:
        """Read until nothing came for *silence* seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            size = len(self.raw)
            if not self.read(silence) or len(self.raw) == size:
                return

    def until(self, condition: str | Callable[[], bool], limit: float = 15.0) -> None:
        """Read until a text is on the screen or a condition holds."""
        end = time.monotonic() + limit
        while not self._holds(condition):
            open_ = self.read(0.05)
            if time.monotonic() > end or (not open_ and not self._holds(condition)):
                raise AssertionError(f"{condition!r} did not come; status {self.process.poll()}; screen:\n{self.text}")

    def _holds(self, condition: str | Callable[[], bool]) -> bool:
        return condition in self.text if isinstance(condition, str) else condition()

    def kill(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self.process.pid, number)

    def hang_up(self) -> None:
        """Close the terminal, as a lost line does."""
        for descriptor in (self._slave, self.master):
            if descriptor:
                os.close(descriptor)
        self._slave, self.master = None, 0

    def wait(self, limit: float = 10.0) -> tuple[int, float]:
        """The exit status, and the seconds it took to come."""
        begin = time.monotonic()
        while self.process.poll() is None:
            if time.monotonic() - begin > limit:
                raise AssertionError(f"still running after {limit} s; screen:\n{self.text if self.master else ''}")
            if not (self.master and self.read(0.005)):
                time.sleep(0.005)
        took = time.monotonic() - begin
        if self.master:
            self.quiet(0.02, 0.5)
        return self.process.returncode, took

    def leftovers(self) -> set[str]:
        """What the program left switched on in the terminal."""
        left = set(self.modes)
        left |= {"hidden cursor"} if self.cursor_hidden else set()
        left |= {"no line wrap"} if self.wraps_off else set()
        if self._slave and termios.tcgetattr(self._slave)[:4] != self._attributes[:4]:
            left.add("line discipline")
        return left

    def _follow(self) -> None:
        """Note the modes set since the last look, and answer queries."""
        data = bytes(self.raw[self._judged :])
        cut = _INCOMPLETE.search(data)
        end = cut.start() if cut else len(data)
        for codes, to, kitty in _MODE.findall(data[:end]):
            self._mode(codes.decode().split(";"), to == b"h", kitty.decode())
        for mode in _QUERY.findall(data[:end]):
            os.write(self.master, f"\x1b[?{mode.decode()};{2 if self.modern else 0}$y".encode())
        if self.modern and b"\x1b[?2048h" in data[:end]:
            self._report_size()
        self._judged += end

    def _report_size(self) -> None:
        columns, rows = self.size
        os.write(self.master, f"\x1b[48;{rows};{columns};{rows * 16};{columns * 8}t".encode())

    def _mode(self, codes: list[str], on: bool, kitty: str) -> None:
        names = {MODES[code] for code in codes if code in MODES} | ({"kitty keyboard"} if kitty else set())
        self.modes = self.modes | names if on or kitty == ">" else self.modes - names
        if "25" in codes:
            self.cursor_hidden = not on
        if "7" in codes:
            self.wraps_off = not on


def _take_terminal(ignore: Sequence[signal.Signals]) -> Callable[[], None]:
    def prepare() -> None:
        for number in ignore:
            signal.signal(number, signal.SIG_IGN)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return prepare


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Nothing of the developer's own terminal decides a test."""
    own = ("LINES", "COLUMNS", "NO_COLOR", "COLORTERM", "SSH_CONNECTION", "SSH_TTY", "TERM_PROGRAM")
    base = {key: value for key, value in os.environ.items() if key not in own and not key.startswith("TEXTUAL")}
    merged = base | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | dict(changes)
    return {key: value for key, value in merged.items() if value is not None}


PAYLOADS = {
    "clipboard": "\x1b]52;c;aGFja2Vk\x07",
    "clipboard with ST": "\x1b]52;c;aGFja2Vk\x1b\\",
    "C1 clipboard": "\x9d52;c;aGFja2Vk\x9c",
    "link": "\x1b]8;;http://evil.example\x07here\x1b]8;;\x07",
    "title": "\x1b]0;owned\x07",
    "palette": "\x1b]4;1;#ff0000\x07",
    "DCS": "\x1bP$q q\x1b\\",
    "sixel": "\x1bPq#0;2;0;0;0~-\x1b\\",
    "APC": "\x1b_Gf=100,a=T;AAAA\x1b\\",
    "PM": "\x1b^private\x1b\\",
    "SOS": "\x1bXstring\x1b\\",
    "report": "\x1b[6n",
    "attributes": "\x1b[c",
    "reset": "\x1bc",
    "clear": "\x1b[2J\x1b[H",
    "leave the screen": "\x1b[?1049l",
    "red": "\x1b[31mred",
    "C1 CSI": "\x9b31m",
    "C1 NEL IND RI": "\x85\x84\x8d",
    "carriage return": "admin\rowner",
    "backspace": "user\x08\x08\x08\x08root",
    "bell, tab, feeds": "\x07\t\n\v\f",
    "delete and NUL": "\x7f\x00",
    "shift out": "\x0e\x0f",
    "bidi": "\u202eresu\u202c\u2066x\u2069",
    "marks of direction": "\u200e\u200f\u061c",
    "zero width": "ad\u200bmi\u2060n\ufeff",
    "stray joiners": "a\u200db\u200cc\ufe0fd",
    "tags": "".join(chr(0xE0000 + ord(char)) for char in "owner"),
    "combining storm": "Z" + "\u0301\u0316\u0322" * 60,
    "mark first": "\u0301\u0489a",
    "lone surrogates": "\ud800x\udfff",
    "private use": "\ue000\U000f0000\U0010fffd",
    "noncharacters": "\ufdd0\ufffe\U0001ffff",
    "separators": "a\u2028b\u2029c",
    "blank letters": "\u3164\u115f\u1160\uffa0\u2800",
    "soft hyphen": "ad\u00admin",
    "variations": "g\U000e0101\ufe01",
    "markup": "[/nope][@click=app.exit()]x[/] [$x]@r [red on",
    "emoji": "👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪 1\ufe0f\u20e3 👍🏽",
    "wide": "日本語ﾃｽﾄ한국어",
    "long": "W" * 300,
}  # fmt: skip


def hostile_names(seed: int, count: int) -> list[str]:
    """*count* names, each of one to three payloads among ordinary words; the same for the same seed."""
    rng = random.Random(seed)
    words = ["Ada", "Grace", "owner", " ", "Müller", "a@b.example", "", "'; --", "Łukasz"]
    kinds = list(PAYLOADS.values())
    names = []
    for index in range(count):
        parts = [kinds[index % len(kinds)], *rng.choices(kinds, k=rng.randrange(3)), *rng.choices(words, k=2)]
        rng.shuffle(parts)
        names.append("".join(parts))
    return names
