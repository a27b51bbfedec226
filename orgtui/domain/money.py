"""Money that is charged is integer minor units; metered cost is an exact Decimal; floats never touch either."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

# ISO 4217 exponents that differ from 2, among the currencies Stripe charges.
_EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
# Sums of 21-digit fractions over ten million calls need about 30 digits; the default context rounds at 28.
EXACT = Context(prec=80)
ZERO = Decimal(0)


def exponent(currency: str) -> int:
    """Digits of the currency's minor unit (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def times(amount: Decimal, factor: Decimal) -> Decimal:
    """The exact product."""
    return EXACT.multiply(amount, factor)


def plain(amount: Decimal) -> str:
    """The exact decimal as text, without exponent and without trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Money:
    """A charged amount: `minor` counts the currency's smallest unit (cents)."""

    minor: int
    currency: str = "EUR"

    def major(self) -> Decimal:
        """In the currency's major unit."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return Cost(self.major(), self.currency).exact()


@dataclass(frozen=True, slots=True)
class Cost:
    """A metered amount of any precision, in a currency's major unit."""

    amount: Decimal
    currency: str = "EUR"

    def rounded(self) -> Decimal:
        """To the currency's minor unit, half up."""
        return self.amount.quantize(Decimal(1).scaleb(-exponent(self.currency)), ROUND_HALF_UP)

    def exact(self) -> str:
        """`€1,234.50`: symbol, groups, minor units."""
        amount = self.rounded()
        sign = "−" if amount < 0 else ""
        symbol = _SYMBOLS.get(self.currency)
        figures = f"{abs(amount):,}"
        return f"{sign}{symbol}{figures}" if symbol else f"{sign}{figures} {self.currency}"

    def __str__(self) -> str:
        """As a person reads it: `<€0.01` for what rounds to nothing but is something."""
        if self.amount > 0 and self.rounded() == 0:
            return f"<{Cost(Decimal(1).scaleb(-exponent(self.currency)), self.currency).exact()}"
        return self.exact()
