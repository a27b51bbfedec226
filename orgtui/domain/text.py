"""Text from outside, made fit for one line of a terminal, a spreadsheet cell or a name."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from orgtui.domain.errors import Invalid

REPLACEMENT: Final = "\ufffd"
MARKS_PER_BASE: Final = 4

# What Unicode calls Extended_Pictographic, by the blocks it lives in: where U+200D and U+FE0F have a meaning.
_PICTURE = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Cc, Cf, Zl, Zp, Cs, Co, noncharacters, and every character that Unicode lets a renderer ignore.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff"
    "\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 15))
)
# Letters and symbols that draw nothing: no danger to a terminal (charts use U+2800), but a name made of them is empty.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159"
_STRAY_JOINER = f"(?<![{_PICTURE}])(?<![{_PICTURE}]\ufe0f)\u200d|\u200d(?![{_PICTURE}])|(?<![{_PICTURE}0-9#*])\ufe0f"

DANGEROUS: Final = re.compile(f"[{_HIDDEN}]|{_STRAY_JOINER}")
"""Each single character that must not reach a terminal: to it, an order or nothing to see."""

_UNWANTED = re.compile(f"[{_HIDDEN}{_BLANK}]|{_STRAY_JOINER}")
_HALF = re.compile("[\ud800-\udfff]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_REPLACEMENTS = re.compile(f"{REPLACEMENT}{{2,}}")
_NEWLINES = re.compile("\r\n?")
# OWASP's list, and the wide forms that spreadsheets in East Asian locales take for the same signs.
_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")


def keepable(text: str) -> bool:
    """Whether every database and every JSON can hold *text*: it has no NUL, and no half of a character."""
    return "\0" not in text and (text.isascii() or _HALF.search(text) is None)


def harmless(text: str) -> bool:
    """Whether *text* is plain printable ASCII, which is nearly all text: the answer costs nanoseconds."""
    return text.isascii() and text.isprintable()


def clean(text: str) -> str:
    """One line that is safe to show: what a terminal must not get is U+FFFD, spaces are plain, accents are few."""
    if harmless(text):
        return text
    text = _UNWANTED.sub(REPLACEMENT, unicodedata.normalize("NFC", text))
    text = thin_marks(_SPACES.sub(" ", text))
    if _is_mark(text[0]):
        # It would sit on whatever the screen has to the left.
        text = REPLACEMENT + text[1:]
    return _REPLACEMENTS.sub(REPLACEMENT, text)


def clean_block(text: str) -> str:
    """The same for text of several lines: newlines stay, tabs are four spaces."""
    lines = _NEWLINES.sub("\n", text).replace("\t", "    ").split("\n")
    return "\n".join(map(clean, lines))


def name(text: str, *, field: str, label: str, limit: int = 60) -> str:
    """A name as it is stored; raises Invalid on *field* when it is empty, hides something or is too long."""
    cleaned = _checked(clean(text.strip()), field, label, limit)
    if not cleaned:
        raise Invalid(f"{label} cannot be empty.", field=field)
    return cleaned


def block(text: str, *, field: str, label: str, limit: int = 280) -> str:
    """A description as it is stored, which may be empty; raises Invalid as `name` does."""
    return _checked(clean_block(text.strip()), field, label, limit)


def csv_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (OWASP's rule); numbers must not pass here."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def thin_marks(text: str) -> str:
    """*text* with at most four accents on a letter; two hundred would climb over the lines above."""
    if max(text, default="") < "\u0300":
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if _is_mark(char) else 0
        if marks <= MARKS_PER_BASE:
            kept.append(char)
    return "".join(kept)


def graphemes(text: str) -> int:
    """How many characters a person sees: accents, emoji sequences, flags and Hangul syllables count once."""
    if text.isascii():
        return len(text)
    count, previous, half_flag = 0, "", False
    for char in text:
        if "\U0001f1e6" <= char <= "\U0001f1ff":
            count, half_flag = count + (not half_flag), not half_flag
        else:
            count, half_flag = count + (not _extends(previous, char)), False
        previous = char
    return count


def _checked(cleaned: str, field: str, label: str, limit: int) -> str:
    cleaned = cleaned.strip()
    if REPLACEMENT in cleaned:
        raise Invalid(f"{label} contains hidden characters; type it again without them.", field=field)
    if (length := graphemes(cleaned)) > limit:
        raise Invalid(f"{label} is {length} characters long; at most {limit} fit.", field=field, limit=limit)
    return cleaned


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def _extends(previous: str, char: str) -> bool:
    """Whether *char* continues the grapheme that ends with *previous*."""
    if not previous:
        return False
    if char == "\u200d" or previous == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if "\u1160" <= char <= "\u11ff":
        return "\u1100" <= previous <= "\u11ff" or "\uac00" <= previous <= "\ud7a3"
    return _is_mark(char)
