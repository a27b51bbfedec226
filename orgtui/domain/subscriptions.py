"""A subscription as a payment provider has it: its states, what it costs, and what is about to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orgtui.domain.money import Money


class SubscriptionStatus(StrEnum):
    """Stripe's eight states (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses)."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"

    @property
    def has_plan(self) -> bool:
        """Whether the plan's limits are granted: also while a failed payment is tried again."""
        return self in (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)

    @property
    def ended(self) -> bool:
        """Whether nothing can bring it back."""
        return self in (SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED)


@dataclass(frozen=True, slots=True)
class Card:
    """What the subscription is paid with; `expires` is (year, month), None for what is no card."""

    brand: str
    last4: str
    expires: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Owing:
    """An invoice that was not paid: where to pay it, how often it was tried, and when it is tried again."""

    amount: Money
    # A bearer secret that no books keep, so it makes no difference between two of them.
    url: str | None = field(repr=False, compare=False)
    attempts: int
    next_attempt: datetime | None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A change that waits for the end of the period; `plan` is None for a product that is not in our price list."""

    plan: str | None
    price: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the provider has it now; `others` are further ones of the same customer that run beside it.

    `plan` is found by product, never by price: who keeps an old price keeps the plan. It is None for a product that is
    not in our price list.
    """

    id: str
    customer: str
    status: SubscriptionStatus
    plan: str | None
    price: Money
    start: datetime
    end: datetime
    cancel_at_period_end: bool = False
    scheduled: Scheduled | None = None
    card: Card | None = None
    owing: Owing | None = None
    others: tuple[str, ...] = ()
