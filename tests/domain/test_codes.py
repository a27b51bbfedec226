"""Codes: 256 random bits, none of them lost, in letters and digits; kept as a hash that pasting does not change."""

from __future__ import annotations

import hashlib
import os
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orgtui.domain.codes import INVITATION, code_hash, is_token, new_code, new_token

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BITS = st.binary(min_size=32, max_size=32)


def number(code: str) -> int:
    """What is written in a code, read digit by digit."""
    value = 0
    for digit in code.removeprefix(INVITATION):
        value = value * 62 + DIGITS.index(digit)
    return value


def drawn(code_bits: bytes) -> str:
    def random(size: int) -> bytes:
        assert size == len(code_bits)
        return code_bits

    return new_code(INVITATION, random)


@settings(deadline=None)
@given(bits=BITS)
def test_every_bit_is_in_the_code(bits: bytes) -> None:
    code = drawn(bits)
    assert re.fullmatch("orgtui_inv_[0-9A-Za-z]{43}", code)
    assert number(code) == int.from_bytes(bits)


@pytest.mark.parametrize(
    ("bits", "ends"),
    [(bytes(32), "0" * 43), (bytes(31) + b"\1", "0" * 42 + "1"), (bytes(31) + b"\x3e", "0" * 41 + "10")],
)
def test_small_numbers_have_all_their_digits(bits: bytes, ends: str) -> None:
    assert drawn(bits) == INVITATION + ends


def test_the_largest_number_fits() -> None:
    assert number(drawn(b"\xff" * 32)) == (1 << 256) - 1


def test_codes_do_not_repeat() -> None:
    assert len({new_code(INVITATION, os.urandom) for _ in range(10_000)}) == 10_000


def test_what_is_kept_is_a_plain_hash() -> None:
    code = INVITATION + "0" * 43
    assert code_hash(code) == hashlib.sha256(code.encode()).hexdigest()


@settings(deadline=None)
@given(code=st.text(), before=st.text(" \t\r\n"), after=st.text(" \t\r\n"))
def test_what_pasting_adds_changes_nothing(code: str, before: str, after: str) -> None:
    assert code_hash(before + code + after) == code_hash(code)


@settings(deadline=None)
@given(bits=BITS, other=BITS)
def test_another_code_has_another_hash(bits: bytes, other: bytes) -> None:
    assert (code_hash(drawn(bits)) == code_hash(drawn(other))) == (bits == other)


@pytest.mark.parametrize("text", ["", "\ud800", "\0", "é" * 10_000])
def test_anything_typed_has_a_hash(text: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", code_hash(text))


@given(st.binary(min_size=27, max_size=27))
def test_a_token_is_known_by_its_checksum(drawn: bytes) -> None:
    token = new_token("orgtui_pat_", lambda _: drawn)
    assert re.fullmatch(r"orgtui_pat_[0-9A-Za-z]{43}", token)
    assert is_token(token)
    for place in range(len("orgtui_pat_"), len(token)):
        other = "x" if token[place] != "x" else "y"
        assert not is_token(token[:place] + other + token[place + 1 :])
    assert not is_token(token.replace("pat", "plt"))
    assert not any(
        is_token(wrong) for wrong in (token + "0", token[:-1], token + "\n", "", new_code(INVITATION, os.urandom))
    )
