"""AI credits: what they are sold in, what they are worth in tokens, and how a person writes an amount."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from orgtui.domain.errors import Invalid
from orgtui.domain.money import Money
from orgtui.domain.text import clean

CURRENCY = "EUR"
# What one purchase may be: narrower than what a card can be charged.
LEAST, MOST = Money(500), Money(200_000)
# The seed's €10 for about 500,000 tokens of GPT-4o.
_TOKENS_PER_CENT = 500
_MILLION, _THOUSAND = 1_000_000, 1_000
# A balance below the smallest package wants attention.
LOW = Decimal(10)

_AMOUNT = re.compile(r"(?P<euros>\d{1,9})(?:\.(?P<point>\d{1,2})|,(?P<comma>\d{2}))?")


@dataclass(frozen=True, slots=True)
class Package:
    """One of the seed's four ways to buy; `cents` is None where any amount may be entered."""

    key: str
    name: str
    price: str
    tokens: str
    cents: int | None


PACKAGES = (
    Package("standard", "Standard", "€10", "~500K tokens (GPT-4o)", 1_000),
    Package("popular", "Popular", "€25", "~1.25M tokens (GPT-4o)", 2_500),
    Package("large", "Large", "€50", "~2.5M tokens (GPT-4o)", 5_000),
    Package("custom", "Custom", "Any amount", "Enter any amount", None),
)
_BY_CENTS = {package.cents: package for package in PACKAGES}


def package_of(amount: Money) -> Package:
    """The package that an amount is the price of; Custom for any other."""
    return _BY_CENTS.get(amount.minor, _BY_CENTS[None])


def parse_amount(text: str) -> Money:
    """Euros as people type them, for credits; raises Invalid outside what can be bought, too."""
    return checked(euros(text))


def euros(text: str) -> Money:
    """Euros as people type them: `12`, `12.34`, `12,34`, `€12`, `12 €`; raises Invalid for anything else."""
    bare = text.strip()
    bare = re.sub(r"^(?:€|EUR)\s*|\s*(?:€|EUR)$", "", bare, count=1, flags=re.IGNORECASE)
    match = _AMOUNT.fullmatch(bare) if bare.isascii() else None
    if match is None:
        said = f"“{clean(text.strip()[:40])}” is not an amount" if text.strip() else "An amount is missing"
        raise Invalid(f"{said}; write euros like 12, 12.34 or 12,34.", field="amount")
    cents = (match["point"] or match["comma"] or "").ljust(2, "0")
    return Money(int(match["euros"]) * 100 + int(cents))


def checked(amount: Money) -> Money:
    """*amount*; raises Invalid where it cannot be bought at once."""
    if amount.currency != CURRENCY:
        raise Invalid(f"Credits are bought in {CURRENCY}, not in {clean(amount.currency)}.", field="amount")
    if not LEAST.minor <= amount.minor <= MOST.minor:
        raise Invalid(f"{amount} cannot be bought at once; choose from {LEAST} to {MOST}.", field="amount")
    return amount


def tokens(amount: Money) -> str:
    """About how many tokens of GPT-4o an amount buys, as the packages write it: `~1.25M tokens (GPT-4o)`."""
    count = amount.minor * _TOKENS_PER_CENT
    unit, size = ("M", _MILLION) if count >= _MILLION else ("K", _THOUSAND)
    figure = f"{Decimal(count) / size:.2f}".rstrip("0").rstrip(".")
    return f"~{figure}{unit} tokens (GPT-4o)"


class EntryKind(StrEnum):
    """Why a ledger's balance moved."""

    PURCHASE = "purchase"
    GRANT = "grant"
    CONSUMPTION = "consumption"
    REFUND = "refund"
    DISPUTE = "dispute"
    ADJUSTMENT = "adjustment"
