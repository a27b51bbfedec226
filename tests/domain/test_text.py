"""Text from outside is harmless, stays readable, and cleaning it twice changes nothing."""

from __future__ import annotations

import csv
import io
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.text import DANGEROUS, block, clean, clean_block, csv_cell, graphemes, harmless, name
from tests.ptyharness import PAYLOADS, foreign, hostile_names

FAMILY = "👩\u200d👩\u200d👧"
EMOJI = f"Team {FAMILY} ❤\ufe0f 🇩🇪 1\ufe0f\u20e3 👍🏽 🏳\ufe0f\u200d🌈"
READABLE = {
    "Zoë Müller": "Zoë Müller",
    "Zoe\u0308": "Zoë",
    "Łukasz O’Brien-Ñandú": "Łukasz O’Brien-Ñandú",
    "日本語 株式会社": "日本語 株式会社",
    "न\u0947\u092a\u093e\u0932\u0940": "न\u0947\u092a\u093e\u0932\u0940",
    "a\u00a0b\u3000c": "a b c",
    EMOJI: EMOJI,
    "█▌│─╰ €29/mo → 100 %": "█▌│─╰ €29/mo → 100 %",
    "\U0001fae8 newer than this Python": "\U0001fae8 newer than this Python",
    "[/nope] [b]": "[/nope] [b]",
    "": "",
}
HARMLESS_PAYLOADS = {"markup", "emoji", "wide", "long"}
HIDING = PAYLOADS.keys() - HARMLESS_PAYLOADS - {"combining storm", "mark first"}
# Hypothesis seldom draws what is dangerous only in context.
texts = st.text(st.characters(codec=None) | st.sampled_from("\u200d\ufe0f\u0301\u0489❤👩1#ab\ufffd \x1b\r\n\t"))


@given(texts)
def test_cleaned_text_is_safe(text: str) -> None:
    cleaned = clean(text)
    assert not DANGEROUS.search(cleaned)
    assert not foreign(cleaned.encode("utf-8"))
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert all(char == " " for char in cleaned if unicodedata.category(char) == "Zs")


@given(texts)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_block(clean_block(text)) == clean_block(text)
    assert csv_cell(csv_cell(text)) == csv_cell(text)


def test_every_character_there_is() -> None:
    """The tables name no category wrongly, for this Python's Unicode."""
    for code in range(0x110000):
        char = chr(code)
        category = unicodedata.category(char)
        hidden = category in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        if hidden:
            assert DANGEROUS.search(f"a{char}b"), hex(code)
        elif category not in {"Mn", "Cn"}:
            assert not DANGEROUS.search(f"a{char}b"), hex(code)


@pytest.mark.parametrize(("text", "expected"), READABLE.items())
def test_readable_text_stays(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize("kind", PAYLOADS)
def test_payloads_are_defused(kind: str) -> None:
    text = f"Ada {PAYLOADS[kind]} Lovelace"
    cleaned = clean(text)
    assert not foreign(cleaned.encode("utf-8"))
    assert cleaned.startswith("Ada ")
    assert cleaned.endswith(" Lovelace")
    assert not foreign(clean_block(text).replace("\n", "").encode("utf-8"))


@pytest.mark.parametrize("kind", sorted(HIDING))
def test_a_name_that_hides_something_is_refused(kind: str) -> None:
    with pytest.raises(Invalid, match="Name contains hidden characters; type it again without them") as refusal:
        name(f"Ada {PAYLOADS[kind]} Lovelace", field="name", label="Name")
    assert refusal.value.field == "name"
    assert harmless(refusal.value.message)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u3000\u00a0"])
def test_an_empty_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="Team name cannot be empty"):
        name(text, field="team", label="Team name")


@pytest.mark.parametrize("text", ["\u3164", "\u2800", "\u115f", "\u200b", "\u202e", "\u0301", "\ufffd", "\U000e0041"])
def test_a_name_of_nothing_visible_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="hidden"):
        name(text, field="name", label="Name")


def test_names_are_measured_as_people_see_them() -> None:
    assert name(f"  {FAMILY * 60} ", field="name", label="Name") == FAMILY * 60
    with pytest.raises(Invalid, match="61 characters long; at most 60 fit"):
        name(FAMILY * 61, field="name", label="Name")
    with pytest.raises(Invalid, match="at most 3"):
        name("four", field="name", label="Name", limit=3)


@given(texts)
def test_an_accepted_name_is_accepted_again_unchanged(text: str) -> None:
    try:
        accepted = name(text, field="name", label="Name")
    except Invalid:
        return
    assert name(accepted, field="name", label="Name") == accepted
    assert accepted == clean(accepted) == accepted.strip() != ""
    assert graphemes(accepted) <= 60


def test_blocks_keep_their_lines() -> None:
    assert clean_block("one\r\ntwo\rthree\n\tfour\x1b[m") == "one\ntwo\nthree\n    four\ufffd[m"
    assert block(" first\n\nsecond ", field="description", label="Description") == "first\n\nsecond"
    assert block("", field="description", label="Description") == ""
    with pytest.raises(Invalid, match="Description contains hidden"):
        block("a\n\x1b]0;x\x07", field="description", label="Description")
    with pytest.raises(Invalid, match="at most 280"):
        block("x" * 281, field="description", label="Description")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301a", 2),
        (FAMILY, 1),
        ("👍🏽", 1),
        ("🇩🇪🇫🇷", 2),
        ("🇩🇪🇫", 2),
        ("1\ufe0f\u20e3", 1),
        ("한국어", 3),
        ("\u1112\u1161\u11ab", 1),
        ("日本", 2),
        ("\u0301", 1),
    ],
)
def test_graphemes(text: str, count: int) -> None:
    assert graphemes(text) == count


@pytest.mark.parametrize("start", [*"=+-@\t\r\n\0＝＋－＠"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert csv_cell(f"{start}1+1") == f"'{start}1+1"


def test_cells_come_back_from_csv_harmless() -> None:
    names = hostile_names(4, 3_000)
    file = io.StringIO()
    csv.writer(file).writerows([csv_cell(clean(each)), 12.5] for each in names)
    file.seek(0)
    for (cell, number), each in zip(csv.reader(file), names, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell.removeprefix("'") == clean(each).removeprefix("'")
        assert float(number) == 12.5


def test_cleaning_costs_next_to_nothing() -> None:
    """Ordinary names in about a microsecond each: generous by fifty, for a busy machine."""
    plain, foreign_names = ["Ada Lovelace"] * 10_000, ["Zoë Müller 日本"] * 10_000
    begin = time.perf_counter()
    for each in plain:
        clean(each)
    middle = time.perf_counter()
    for each in foreign_names:
        clean(each)
    assert middle - begin < 0.25
    assert time.perf_counter() - middle < 1.25
    assert clean("\x1b" * 100_000) == "\ufffd"
    assert len(clean("a" + "\u0301" * 100_000)) == 5
    assert time.perf_counter() - middle < 2
