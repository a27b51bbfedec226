"""AI credits: the seed's packages, amounts as people type them, and what about billing wants attention."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtui.domain.attention import Attention, Standing, attention
from orgtui.domain.credits import LEAST, MOST, PACKAGES, package_of, parse_amount, tokens
from orgtui.domain.errors import Invalid
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS, Move, move, paid_plan
from orgtui.domain.subscriptions import SubscriptionStatus


def test_the_seeds_packages_and_what_they_are_worth() -> None:
    assert [(one.name, one.price, one.tokens) for one in PACKAGES] == [
        ("Standard", "€10", "~500K tokens (GPT-4o)"),
        ("Popular", "€25", "~1.25M tokens (GPT-4o)"),
        ("Large", "€50", "~2.5M tokens (GPT-4o)"),
        ("Custom", "Any amount", "Enter any amount"),
    ]
    for package in PACKAGES[:3]:
        assert tokens(Money(package.cents or 0)) == package.tokens
        assert package_of(Money(package.cents or 0)) is package
    assert package_of(Money(2_501)).key == "custom"
    assert tokens(Money(1_234)) == "~617K tokens (GPT-4o)"
    assert tokens(Money(200_000)) == "~100M tokens (GPT-4o)"


AMOUNTS = {
    "10": 1_000,
    "12.34": 1_234,
    "12,34": 1_234,
    "10.5": 1_050,
    "€12": 1_200,
    "12 €": 1_200,
    "€ 12,50": 1_250,
    "EUR 12": 1_200,
    "12eur": 1_200,
    "  12  ": 1_200,
    "007": 700,
    "5": 500,
    "2000": 200_000,
    "2000.00": 200_000,
}


@pytest.mark.parametrize("text", AMOUNTS)
def test_amounts_as_people_type_them(text: str) -> None:
    assert parse_amount(text) == Money(AMOUNTS[text])


REFUSED = (
    "", " ", "€", "abc", "-5", "+5", "1e3", "1e9", "10.001", "10,5", "1,234", "1.234", "1,234.50", "1.234,50",
    "12.3.4", "12 34", "$12", "€12€", "0x10", "١٢", "１２", "NaN", "inf", "9" * 40, "12.", ",50",
)  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_amount_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Invalid, match=r"write euros like 12, 12\.34 or 12,34") as refused:
        parse_amount(text)
    assert refused.value.field == "amount"
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 120


@pytest.mark.parametrize("text", ["0.49", "4.99", "0", "2000.01", "999999999"])
def test_what_cannot_be_bought_at_once_says_what_can(text: str) -> None:
    with pytest.raises(Invalid, match=r"choose from €5\.00 to €2,000\.00"):
        parse_amount(text)


@given(st.integers(LEAST.minor, MOST.minor))
def test_every_sum_is_read_as_it_is_written(cents: int) -> None:
    euros = Decimal(cents) / 100
    for text in (f"{euros:.2f}", f"{euros:.2f}".replace(".", ","), f"€{euros:.2f}"):
        assert parse_amount(text) == Money(cents)


@given(st.text(max_size=20))
def test_nothing_that_is_typed_breaks_it(text: str) -> None:
    try:
        found = parse_amount(text)
    except Invalid:
        return
    assert LEAST.minor <= found.minor <= MOST.minor


def test_how_plans_stand_to_each_other() -> None:
    keys = [plan.key for plan in PLANS]
    assert [move("pro", key) for key in keys] == [
        Move.DOWNGRADE, Move.DOWNGRADE, Move.CURRENT, Move.UPGRADE, Move.CONTACT,
    ]  # fmt: skip
    assert [move("enterprise", key) for key in keys] == [Move.CONTACT] * 4 + [Move.CURRENT]
    assert paid_plan("starter").cents == 2_900
    for key in ("free", "enterprise", "gold", "\x1b[2J"):
        with pytest.raises(Invalid, match="choose from starter, pro, business"):
            paid_plan(key)


def test_the_most_urgent_comes_first() -> None:
    assert attention(Standing(SubscriptionStatus.PAST_DUE, Decimal(-1), 50_000, 50_000)) == (
        Attention.PAST_DUE, Attention.CREDITS_OVERDRAWN, Attention.RUNS_USED_UP,
    )  # fmt: skip
    assert attention(Standing(None, None, 10**9, None)) == ()
