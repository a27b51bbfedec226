"""JSON of any size and framing is read record by record in bounded memory, up to where it is cut or broken."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from orgtui.sources.fields import Unusable, mapping

# Its values, not its text, are what fills memory: thirty times as much at worst.
LARGEST = 32 * 2**20
_AHEAD, _FAR_AHEAD = 64, 64 * 2**10
_INK = re.compile("[^ \t\r\n\ufeff]")
_PAGE = re.compile(r'\{\s*"data"\s*:\s*\[')
_OPEN, _CLOSE, _COMMA, _COLON, _END = map(re.compile, (r"\[", r"\]", ",", ":", r"\}"))
_OBJECT_LINE = re.compile(r'^\{[ \t]*"', re.MULTILINE)
# What may be left over of a number or an escape when a text is cut; of a word; of nothing.
_UNFINISHED = re.compile(r"\s*|[.eE][-+]?\d*|[\da-fA-F]{1,3}")
_WORDS = ("null", "true", "false", "NaN", "Infinity", "-Infinity")
_LONGEST_INTEGER, _LONGEST_NUMBER = 30, 1000


class _Cut(Unusable):
    """The input ends where a value should go on."""


class _Lost(Exception):
    def __init__(self, place: str, why: Unusable) -> None:
        super().__init__(str(why) if isinstance(why, _Cut) else f"{why}; the rest is not read")
        self.place = place


def _exactly(literal: str) -> Decimal:
    """The number as written; what no quantity needs is no number, so that its digits cost nothing later."""
    try:
        return Decimal(literal) if len(literal) <= _LONGEST_NUMBER else Decimal("NaN")
    except InvalidOperation:
        return Decimal("NaN")


def _integer(literal: str) -> int | Decimal:
    return int(literal) if len(literal) <= _LONGEST_INTEGER else _exactly(literal)


_DECODER = json.JSONDecoder(parse_float=_exactly, parse_int=_integer, parse_constant=Decimal)


def values(chunks: Iterator[bytes]) -> Iterator[tuple[str, object]]:
    """Each record with its place: elements of arrays and of `{"data": […]}` pages, else whole values.

    What cannot be read comes as an `Unusable` in its place; *chunks* may raise one where the bytes end too early.
    """
    window = _Window(chunks)
    try:
        yield from _documents(window)
    except _Lost as lost:
        yield lost.place, Unusable(str(lost))
    else:
        if window.damage:
            yield f"line {window.line}", window.damage


def _documents(window: _Window) -> Iterator[tuple[str, object]]:
    numbers = itertools.count(1)
    untouched = True
    while opening := window.peek():
        if opening == "[":
            window.skip(_OPEN)
            yield from _elements(window, numbers)
        elif window.skip(_PAGE):
            yield from _elements(window, numbers)
            _end_page(window)
        else:
            place = f"line {window.line}"
            try:
                value = window.value()
            except Unusable as broken:
                window.skip_line()
                if untouched and not window.contains(_OBJECT_LINE):
                    raise _Lost(place, broken) from None
                yield place, broken
                yield from _lines(window)
                return
            yield from _unfolded(place, value)
        untouched = False


def _elements(window: _Window, numbers: Iterator[int]) -> Iterator[tuple[str, object]]:
    if window.skip(_CLOSE):
        return
    for number in numbers:
        place = f"record {number}"
        try:
            yield place, window.value()
        except Unusable as broken:
            raise _Lost(place, broken) from None
        if window.skip(_CLOSE):
            return
        if not window.skip(_COMMA):
            raise _Lost(f"record {number + 1}", window.failure())


def _end_page(window: _Window) -> None:
    """Pass over what follows a page's data: the cursor, the counts."""
    try:
        while window.skip(_COMMA):
            window.value()
            if not window.skip(_COLON):
                raise window.failure()
            window.value()
        if not window.skip(_END):
            raise window.failure()
    except Unusable as broken:
        raise _Lost(f"line {window.line}", broken) from None


def _lines(window: _Window) -> Iterator[tuple[str, object]]:
    """After a broken value only the line is a frame to trust."""
    while window.peek():
        place = f"line {window.line}"
        try:
            value = _whole(window.take_line())
        except Unusable as broken:
            yield place, broken
        else:
            yield from _unfolded(place, value)


def _unfolded(place: str, value: object) -> Iterator[tuple[str, object]]:
    elements = value if isinstance(value, list) else mapping(value).get("data")
    if not isinstance(elements, list):
        yield place, value
        return
    for number, element in enumerate(elements, 1):
        yield f"{place} record {number}", element


class _Window:
    """The decoded text around the place of reading."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.line = 1
        self.damage: Unusable | None = None
        self._chunks = chunks
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is not blank, "" at the end."""
        while True:
            ink = _INK.search(self._text, self._at)
            self._advance(ink.start() if ink else len(self._text))
            if ink or not self._more():
                return self._text[self._at : self._at + 1]

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Whether *pattern* comes next; then it is passed."""
        self.peek()
        self._fill(_AHEAD)
        if match := pattern.match(self._text, self._at):
            self._advance(match.end())
        return match is not None

    def contains(self, pattern: re.Pattern[str]) -> bool:
        """Whether *pattern* is found not far ahead."""
        self._fill(_FAR_AHEAD)
        return pattern.search(self._text, self._at) is not None

    def value(self) -> object:
        """The JSON value that begins here: an Unusable when it is not UTF-8; raises one when its end is unknown."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise Unusable("is nested too deeply") from None
            except json.JSONDecodeError as error:
                if not self._may_go_on(error):
                    raise Unusable("is not JSON") from None
                if self._ended:
                    raise self._cut() from None
            else:
                # A number that touches the end may go on behind it.
                if end < len(self._text) or self._ended:
                    encoding_error = _encoding_error(self._text[self._at : end])
                    self._advance(end)
                    return encoding_error or value
            if len(self._text) - self._at > LARGEST:
                raise _too_large()
            self._more()

    def take_line(self) -> str:
        """The rest of the line, passed; raises Unusable when it is too large."""
        while (end := self._text.find("\n", self._at)) < 0 and not self._ended:
            if len(self._text) - self._at > LARGEST:
                self.skip_line()
                raise _too_large()
            self._more()
        line = self._text[self._at : end if end >= 0 else None]
        self.skip_line()
        return line

    def skip_line(self) -> None:
        """Pass the rest of the line, of any size."""
        while (end := self._text.find("\n", self._at)) < 0 and not self._ended:
            self._at = len(self._text)
            self._more()
        self._advance(end + 1 if end >= 0 else len(self._text))

    def failure(self) -> Unusable:
        """Why there is not what should come next."""
        return Unusable("is not JSON") if self.peek() else self._cut()

    def _cut(self) -> Unusable:
        damage, self.damage = self.damage, None
        return damage or _Cut("the input ends in the middle of it")

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether more text could mend it: the error is at the end, or is a string without one."""
        if error.msg.startswith("Unterminated string"):
            return True
        rest = self._text[error.pos : error.pos + len(_WORDS[-1])]
        if not self._ended:
            return error.pos + len(rest) == len(self._text)
        return bool(_UNFINISHED.fullmatch(rest)) or any(word.startswith(rest) for word in _WORDS)

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _fill(self, length: int) -> None:
        while len(self._text) - self._at < length and self._more():
            pass

    def _more(self) -> bool:
        """Read as much again as is held, so that a large value is not tried at every chunk."""
        held = len(self._text) - self._at
        chunks, size = [], 0
        while not self._ended and size <= min(held, LARGEST - held):
            chunk = self._next_chunk()
            chunks.append(chunk)
            size += len(chunk)
        self._text = self._text[self._at :] + self._decode(b"".join(chunks), self._ended)
        self._at = 0
        return size > 0

    def _next_chunk(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except Unusable as damage:
            self.damage, chunk = damage, b""
        self._ended = not chunk
        return chunk


def _whole(line: str) -> object:
    try:
        value, end = _DECODER.raw_decode(line)
    except RecursionError:
        raise Unusable("is nested too deeply") from None
    except json.JSONDecodeError:
        raise Unusable("is not JSON") from None
    if line[end:].strip():
        raise Unusable("is not JSON")
    return _encoding_error(line) or value


def _encoding_error(text: str) -> Unusable | None:
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return Unusable("is not UTF-8")
    return None


def _too_large() -> Unusable:
    return Unusable(f"is larger than {LARGEST // 2**20} MiB")
