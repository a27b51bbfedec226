"""Addresses as they are pasted: each is read once, none is lost, and none is made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtui.domain.addresses import checked_email, split_addresses
from orgtui.domain.errors import Invalid


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", []),
        (" ,;\n", []),
        ("a@x.example b@x.example,c@x.example;d@x.example\ne@x.example", [f"{n}@x.example" for n in "abcde"]),
        ("Kim Lee <kim@x.example>", ["kim@x.example"]),
        ('"Doe, John" <john@x.example>, Jane Roe <jane@x.example>', ["john@x.example", "jane@x.example"]),
        ('"says \\"<no@x.example>\\"" <yes@x.example>', ["yes@x.example"]),
        (
            "Kim <kim@x.example>; Lee <lee@x.example>\nmax@x.example",
            ["kim@x.example", "lee@x.example", "max@x.example"],
        ),
        ("<a@x.example> <b@x.example>", ["a@x.example", "b@x.example"]),
        ("kim@x.example <KIM@x.example>", ["KIM@x.example"]),
        ("lee@x.example Kim <kim@x.example>", ["lee@x.example", "kim@x.example"]),
        ("kim@x.example, <>", ["kim@x.example", "<>"]),
        ("Kim <kim@x.example", ["Kim", "<kim@x.example"]),
        # Nothing that could be written to is cut out of what could not.
        ("Kim <kim@x.example>, a[31m@x.example", ["kim@x.example", "a[31m@x.example"]),
        ("Kim <kim@x.example>, bad@@x.example", ["kim@x.example", "bad@@x.example"]),
        ("Kim <kim@x.example>, [/nope]@x.example", ["kim@x.example", "[/nope]@x.example"]),
        ('<kim"x"@x.example>', ['<kim"x"@x.example>']),
        ("Kim <kim@x.example>, a(b)c@x.example", ["kim@x.example", "a(b)c@x.example"]),
        ("Kim <kim@x.example>\nBcc: evil@x.example", ["kim@x.example", "Bcc:", "evil@x.example"]),
    ],
)
def test_addresses_are_read_as_people_and_mail_programs_write_them(text: str, addresses: list[str]) -> None:
    assert split_addresses(text) == addresses


@given(st.text(alphabet='ab@.<>",;()[]:\\ \n', max_size=40))
def test_no_address_is_made_up(text: str) -> None:
    for address in split_addresses(text):
        assert address
        assert address in text


@pytest.mark.parametrize(
    "address",
    ["ada@acme.example", "Ünï@straße.example", "имя@acme.example", "имя@почта.example", "山田taro@acme.example"],
)
def test_letters_of_every_alphabet_are_taken(address: str) -> None:
    assert checked_email(f" {address}\n") == address


@pytest.mark.parametrize(
    ("address", "letter"),
    [
        ("\N{CYRILLIC SMALL LETTER A}da@acme.example", "CYRILLIC SMALL LETTER A"),
        ("ada@\N{CYRILLIC SMALL LETTER A}cme.example", "CYRILLIC SMALL LETTER A"),
        ("ada@xn--cme-5cd.example", "CYRILLIC SMALL LETTER A"),
        ("ad\N{GREEK SMALL LETTER ALPHA}@acme.example", "GREEK SMALL LETTER ALPHA"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}da@acme.example", "FULLWIDTH LATIN SMALL LETTER A"),
    ],
)
def test_an_address_that_only_looks_like_another_is_refused(address: str, letter: str) -> None:
    with pytest.raises(Invalid, match=letter):
        checked_email(address)
