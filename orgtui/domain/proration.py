"""What a change of plan costs in the middle of a period, and where periods end: Stripe's arithmetic, without Stripe.

By the second, and each line rounded on its own: to the nearest cent, an exact half downwards. That is what Stripe's own
answers show, a credit of 364.2 becoming −364, of 2.5 becoming −3, a charge of 4.5 becoming 4
(https://docs.stripe.com/billing/subscriptions/prorations). What Stripe itself previews and charges is always Stripe's.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orgtui.domain.errors import Invalid
from orgtui.domain.money import Money

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period, from `start` until before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What changing the price costs: `credit` (not above zero) for what is left of the old, `charge` for the new."""

    credit: Money
    charge: Money

    @property
    def due(self) -> Money:
        """The sum of the rounded lines, which is not the rounded sum."""
        return Money(self.credit.minor + self.charge.minor, self.charge.currency)


def change(old: Money, new: Money, period: Period, at: datetime) -> Change:
    """What it costs to go from *old* to *new* at *at*; raises Invalid outside the period and for two currencies."""
    if old.currency != new.currency:
        raise Invalid(f"A plan in {old.currency} cannot become one in {new.currency}.", field="plan")
    return Change(rest(Money(-old.minor, old.currency), period, at), rest(new, period, at))


def rest(amount: Money, period: Period, at: datetime) -> Money:
    """The part of *amount* for what is left of the period after *at*; raises Invalid outside the period."""
    left, whole = (period.end - at) // _SECOND, (period.end - period.start) // _SECOND
    if not 0 <= left <= whole or not whole:
        raise Invalid("A change can be priced within the running period only.", field="at")
    # The ceiling of x − ½, in whole numbers: the nearest, and of two equally near ones the smaller.
    return Money(-((whole - 2 * amount.minor * left) // (2 * whole)), amount.currency)


def months_after(anchor: datetime, count: int) -> datetime:
    """The same day and time *count* months after *anchor*, in UTC; a month without that day gives its last one."""
    anchor = anchor.astimezone(UTC)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + count, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def period_at(anchor: datetime, moment: datetime) -> Period:
    """The monthly period around *moment*, counted from the anchor: a 28 February on the way does not stick."""
    anchor, moment = anchor.astimezone(UTC), moment.astimezone(UTC)
    count = (moment.year - anchor.year) * 12 + moment.month - anchor.month
    if months_after(anchor, count) > moment:
        count -= 1
    return Period(months_after(anchor, count), months_after(anchor, count + 1))
