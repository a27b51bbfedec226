"""What banks and people do to the demo's payments that nobody does in the demo itself."""

from __future__ import annotations

from dataclasses import replace

from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import (
    Checkout,
    CheckoutStatus,
    Dispute,
    DisputeStatus,
    Refund,
    RefundStatus,
    Subject,
)
from orgtui.domain.money import Money


def use_card(demo: DemoBilling, customer: str, *, good: bool) -> None:
    """Let the customer pay with a card that works, or one that is declined."""
    with demo._world():
        demo._customer(customer).good = good


def refund(demo: DemoBilling, payment: str, amount: Money | None = None) -> str:
    """Give a payment back, or part of it."""
    with demo._world() as now:
        paid = _paid(demo, payment)
        given = sum(
            one.amount.minor
            for one in demo._refunds.values()
            if one.payment == payment and one.status is not RefundStatus.FAILED
        )
        made = Refund(
            id=demo._id("refund"),
            payment=payment,
            reference=paid.reference,
            organization=paid.organization,
            amount=amount or Money(paid.amount.minor - given),
            status=RefundStatus.SUCCEEDED,
            created=now,
        )
        assert 0 < made.amount.minor <= paid.amount.minor - given
        demo._refunds[made.id] = made
        demo._tell(Subject.REFUND, made.id)
        return made.id


def fail_refund(demo: DemoBilling, id: str) -> None:
    """Let the customer's bank send a refund back."""
    with demo._world():
        demo._refunds[id] = replace(demo._refunds[id], status=RefundStatus.FAILED)
        demo._tell(Subject.REFUND, id)


def dispute(demo: DemoBilling, payment: str) -> str:
    """Let the customer's bank take a payment back."""
    with demo._world() as now:
        paid = _paid(demo, payment)
        made = Dispute(
            id=demo._id("dispute"),
            payment=payment,
            reference=paid.reference,
            organization=paid.organization,
            amount=paid.amount,
            status=DisputeStatus.OPEN,
            created=now,
        )
        demo._disputes[made.id] = made
        demo._tell(Subject.DISPUTE, made.id)
        return made.id


def close_dispute(demo: DemoBilling, id: str, *, won: bool) -> None:
    """End a dispute."""
    with demo._world():
        demo._disputes[id] = replace(demo._disputes[id], status=DisputeStatus.WON if won else DisputeStatus.LOST)
        demo._tell(Subject.DISPUTE, id)


def _paid(demo: DemoBilling, payment: str) -> Checkout:
    (paid,) = (one for one in demo._checkouts.values() if one.payment == payment and one.status is CheckoutStatus.PAID)
    return paid
