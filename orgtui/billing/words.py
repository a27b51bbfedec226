"""What Billing says in the same words on every face: days, plans, packages, cards, and how a payment stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from orgtui.domain.credits import PACKAGES
from orgtui.domain.plans import BY_KEY
from orgtui.domain.subscriptions import Card
from orgtui.domain.text import clean
from orgtui.store.contract.billing import Payment, PaymentStatus


@dataclass(frozen=True, slots=True)
class Told:
    """A status as people read it: its glyph, in which tone, the word that is always with it, and what it means."""

    glyph: str
    tone: str
    word: str
    means: str


STATUSES = {
    PaymentStatus.CREATING: Told("○", "warn", "Waiting", "Its payment page is being made."),
    PaymentStatus.OPEN: Told("○", "warn", "Waiting", "It can be paid on its page; nothing was charged."),
    PaymentStatus.PROCESSING: Told(
        "○", "warn", "Processing", "It was paid, and the bank has yet to confirm, which can take days."
    ),
    PaymentStatus.FAILED: Told("✗", "err", "Failed", "The payment did not arrive; nothing was charged."),
    PaymentStatus.EXPIRED: Told("—", "dim", "Expired", "Its page closed before anybody paid; nothing was charged."),
    PaymentStatus.CANCELLED: Told("—", "dim", "Cancelled", "It was cancelled before it was paid; nothing was charged."),
    PaymentStatus.MISMATCH: Told(
        "✗", "err", "Amount mismatch", "Another amount arrived than was ordered, so no credits were given."
    ),
    PaymentStatus.PAID: Told("✓", "ok", "Paid", "The credits are in the balance."),
    PaymentStatus.PARTLY_REFUNDED: Told("↩", "dim", "Partly refunded", "Part of it was given back."),
    PaymentStatus.REFUNDED: Told("↩", "dim", "Refunded", "All of it was given back."),
    PaymentStatus.DISPUTED: Told("↩", "err", "Disputed", "The payer's bank took it back."),
}


def day(moment: datetime, zone: ZoneInfo) -> str:
    """`1 Dec 2026`."""
    return f"{moment.astimezone(zone):%-d %b %Y}"


def plan_name(key: str | None) -> str:
    """As the price list has it."""
    if key is None:
        return "a product that is not in the price list"
    return BY_KEY[key].name if key in BY_KEY else clean(key)


def package_name(payment: Payment) -> str:
    """What was bought."""
    if payment.kind == "plan":
        return plan_name(payment.plan)
    return next((package.name for package in PACKAGES if package.key == payment.package), clean(payment.package))


def card_name(card: Card) -> str:
    """`Visa ending 4242`."""
    return f"{clean(card.brand)} ending {clean(card.last4)}"
