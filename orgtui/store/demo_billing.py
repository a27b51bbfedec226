"""The demo's past at its payment provider: a subscription, and credits bought as they were used up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from orgtui.domain.credits import LEAST, MOST
from orgtui.domain.money import ZERO, Money
from orgtui.domain.months import Month, local_day
from orgtui.domain.plans import BY_KEY
from orgtui.domain.proration import period_at
from orgtui.domain.subscriptions import Card, Subscription, SubscriptionStatus
from orgtui.domain.usage import Call, Funding
from orgtui.store.contract.billing import NewPayment, PaymentStatus, Reversal, Settlement

if TYPE_CHECKING:
    from orgtui.store.sql.store import SqlStore

UntilDay = Callable[[date, time], Awaitable[None]]

CUSTOMER: Final = "demo_customer_1"
_PLAN = "business"
_RATE = Decimal("3.2")
# What a quarter should end with, and what is bought in its second and third month.
_LEFT, _LATER = 60_00, ((11, 50_00), (16, 25_00))
_FIRST = 4
# Beside what was needed: (months back, day, cents, what became of it).
_ODD = ((1, 28, 120_00, PaymentStatus.FAILED), (2, 27, 10_00, PaymentStatus.PAID), (5, 9, 75_00, PaymentStatus.EXPIRED))


@dataclass(frozen=True, slots=True)
class _Purchase:
    day: date
    cents: int
    status: PaymentStatus = PaymentStatus.PAID
    given_back: bool = False


async def subscribe(opened: SqlStore, now: datetime, timezone: ZoneInfo) -> None:
    """The plan, renewed at the first of every month since the winter before last."""
    await opened.platform.billing.keep_customer(CUSTOMER, "demo")
    here = now.astimezone(timezone)
    # A month that begins in winter: counted in UTC, its midnight is the last day of every month.
    period = period_at(datetime(here.year - 1, 2, 1, tzinfo=timezone), now)
    plan = BY_KEY[_PLAN]
    await opened.platform.billing.keep_subscription(
        Subscription(
            id="demo_subscription_1",
            customer=CUSTOMER,
            status=SubscriptionStatus.ACTIVE,
            plan=plan.key,
            price=Money(plan.cents or 0),
            start=period.start,
            end=period.end,
            card=Card("Visa", "4242", (here.year + 2, 12)),
        ),
        read=None,
    )


async def buy(
    opened: SqlStore,
    until_day: UntilDay,
    today: date,
    until: date,
    spending: dict[Month, int],
) -> None:
    """Everything that was bought in the month of *until*, in that half of it."""
    purchases = sorted(_purchases(Month.of(until), today, spending), key=lambda one: one.day)
    for number, purchase in enumerate(purchases):
        if (purchase.day <= middle(until)) == (until <= middle(until)):
            await _bought(opened, until_day, purchase, f"{Month.of(until)}-{number}")


def middle(day: date) -> date:
    """The last day of the first half of a month."""
    return day.replace(day=15)


def spending_of(calls: Iterable[Call], timezone: ZoneInfo) -> dict[Month, int]:
    """What calls take from the credits, in cents by month."""
    sums: dict[Month, Decimal] = defaultdict(lambda: ZERO)
    for call in calls:
        if call.funding is Funding.CREDITS:
            sums[Month.of(local_day(call.at, timezone))] += (call.cost or ZERO) * _RATE
    return {month: int(amount * 100) for month, amount in sums.items()}


def _purchases(month: Month, today: date, spending: dict[Month, int]) -> list[_Purchase]:
    back = (today.year - month.year) * 12 + today.month - month.month
    # Quarters end with the month of today.
    place = (2 - back) % 3
    if place:
        day, cents = _LATER[place - 1]
        found = [_Purchase(month.first.replace(day=day), cents)]
    else:
        found = [_Purchase(month.first.replace(day=_FIRST), cents) for cents in _quarter(month, spending)]
    odd = [one for one in _ODD if one[0] == back]
    found += [_Purchase(month.first.replace(day=day), cents, status, back == 2) for _, day, cents, status in odd]
    return [one for one in found if one.day < today]


def _quarter(month: Month, spending: dict[Month, int]) -> list[int]:
    """What is bought at its beginning, in parts that one purchase may have."""
    ahead = sum(spending.get(month.shift(later), 0) for later in range(3))
    beginning = min(spending, default=month) >= month
    left = ahead - sum(cents for _, cents in _LATER) + (_LEFT if beginning else 0)
    left = max(round(left / 1_000) * 1_000, LEAST.minor)
    return [MOST.minor] * (left // MOST.minor) + [left % MOST.minor] * (left % MOST.minor >= LEAST.minor)


async def _bought(opened: SqlStore, until_day: UntilDay, purchase: _Purchase, number: str) -> None:
    amount, platform = Money(purchase.cents), opened.platform.billing
    await until_day(purchase.day, time(10, 12))
    made = await opened.store.billing.order(NewPayment(mode="demo", amount=amount, short=True))
    await platform.opened(made.id, f"demo_page_{number}")
    await until_day(purchase.day, time(10, 15))
    paid = purchase.status is PaymentStatus.PAID
    told = Settlement(
        status=purchase.status,
        amount=amount,
        page=f"demo_page_{number}",
        payment=f"demo_paid_{number}" if paid else None,
        receipt=f"DEMO-{number.replace('-', '')[2:]}" if paid else None,
        trouble="Your card was declined." if purchase.status is PaymentStatus.FAILED else None,
    )
    await platform.settle(made.id, told)
    if purchase.given_back:
        await until_day(purchase.day + timedelta(days=1), time(9, 2))
        await platform.reverse(
            Reversal(
                kind="refund",
                id=f"demo_refund_{number}",
                payment=made.id,
                money=str(told.payment),
                amount=amount,
                taken=True,
            )
        )
