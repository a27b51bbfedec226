"""What Stripe's objects say, in our own terms: nothing of Stripe's passes this module.

The SDK's objects have no `get`: what may be absent is asked for with `getattr`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from orgtui.billing.provider import (
    ChangePreview,
    Checkout,
    CheckoutStatus,
    Dispute,
    DisputeStatus,
    Invoice,
    PreviewLine,
    Refund,
    RefundStatus,
)
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS
from orgtui.domain.subscriptions import Card, Owing, Scheduled, Subscription, SubscriptionStatus
from orgtui.domain.text import clean

# A StripeObject; the SDK is not imported here, not even for types.
Thing = Any
Link = Callable[[str | None], str | None]

APP: Final = "orgtui"
CREDITS: Final = "orgtui_ai_credits"
PRODUCTS: Final = {f"orgtui_{plan.key}": plan.key for plan in PLANS if plan.cents}
_BRANDS: Final = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}
_DISPUTES: Final = {"won": DisputeStatus.WON, "lost": DisputeStatus.LOST, "prevented": DisputeStatus.INQUIRY}


def product_of(plan: str) -> str:
    """The id of a plan's product."""
    return f"orgtui_{plan}"


def lookup_key(plan: str) -> str:
    """The name under which a plan's price of today is found."""
    return f"orgtui_{plan}_month_eur"


def metadata(thing: Thing, name: str) -> str:
    """A value of our own metadata; empty for things that another application made."""
    held = getattr(thing, "metadata", None)
    if getattr(held, "app", None) != APP:
        return ""
    return clean(str(getattr(held, name, "")))


def money(minor: int, currency: str) -> Money:
    """An amount as Stripe writes it."""
    return Money(minor, currency.upper())


def at(stamp: int) -> datetime:
    """An instant as Stripe writes it."""
    return datetime.fromtimestamp(stamp, UTC)


def _maybe_at(stamp: int | None) -> datetime | None:
    return None if stamp is None else at(stamp)


def _text(given: str | None) -> str | None:
    return None if given is None else clean(" ".join(given.split()))


def identifier(thing: Thing | str | None) -> str | None:
    """The id of what may be expanded or not."""
    return thing if thing is None or isinstance(thing, str) else str(thing.id)


# Checkout.


def checkout(session: Thing, link: Link) -> Checkout:
    """A session, with `payment_intent.latest_charge` and `invoice` expanded."""
    intent, invoice = session.payment_intent, session.invoice
    charge = intent.latest_charge if intent is not None else None
    error = intent.last_payment_error if intent is not None else None
    status = _checkout_status(session, intent)
    paid = status is CheckoutStatus.PAID
    return Checkout(
        id=session.id,
        kind="purchase" if session.mode == "payment" else "subscription",
        reference=metadata(session, "reference"),
        organization=metadata(session, "organization"),
        status=status,
        amount=money(session.amount_subtotal, session.currency),
        created=at(session.created),
        expires=at(session.expires_at),
        url=link(session.url) if status is CheckoutStatus.OPEN else None,
        payment=identifier(intent),
        receipt=_text(invoice.number if invoice is not None else charge.receipt_number if charge else None),
        receipt_url=link(charge.receipt_url) if paid and charge is not None else None,
        subscription=identifier(session.subscription),
        trouble=_text(error.message) if error is not None else None,
    )


def _checkout_status(session: Thing, intent: Thing | None) -> CheckoutStatus:
    if session.status == "open":
        return CheckoutStatus.OPEN
    if session.status == "expired":
        return CheckoutStatus.EXPIRED
    if session.payment_status in ("paid", "no_payment_required"):
        return CheckoutStatus.PAID
    failed = intent is not None and intent.status in ("requires_payment_method", "canceled")
    return CheckoutStatus.FAILED if failed else CheckoutStatus.PROCESSING


def link_checkout(plink: Thing, link: Link) -> Checkout:
    """A payment link that nobody has paid, with its `line_items` expanded."""
    (item,) = plink.line_items.data
    return Checkout(
        id=plink.id,
        kind="purchase",
        reference=metadata(plink, "reference"),
        organization=metadata(plink, "organization"),
        status=CheckoutStatus.OPEN if plink.active else CheckoutStatus.EXPIRED,
        amount=money(item.amount_subtotal, item.currency),
        created=None,
        url=link(plink.url) if plink.active else None,
    )


# Subscriptions.


def subscription(thing: Thing, scheduled: Scheduled | None, link: Link, others: tuple[str, ...] = ()) -> Subscription:
    """A subscription, with its payment method, its customer's and its last invoice expanded."""
    (item,) = thing["items"].data
    price = item.price
    return Subscription(
        id=thing.id,
        customer=str(identifier(thing.customer)),
        status=SubscriptionStatus(thing.status),
        plan=PRODUCTS.get(str(identifier(price.product))),
        price=money(price.unit_amount, price.currency),
        start=at(item.current_period_start),
        end=at(item.current_period_end),
        cancel_at_period_end=thing.cancel_at_period_end,
        scheduled=scheduled,
        card=_card(thing),
        owing=_owing(thing.latest_invoice, link),
        others=others,
    )


def _card(thing: Thing) -> Card | None:
    method = thing.default_payment_method or thing.customer.invoice_settings.default_payment_method
    if method is None:
        return None
    held: Thing = getattr(method, method.type, None)
    if method.type != "card":
        return Card(_words(method.type), clean(str(getattr(held, "last4", ""))), None)
    brand = _BRANDS.get(held.brand) or _words(held.brand)
    return Card(brand, clean(str(held.last4)), (held.exp_year, held.exp_month))


def _words(name: str) -> str:
    """`sepa_debit` as a person reads it."""
    return clean(str(name)).replace("_", " ").capitalize()


def _owing(invoice: Thing | None, link: Link) -> Owing | None:
    if invoice is None or invoice.status != "open" or not invoice.amount_remaining:
        return None
    return Owing(
        amount=money(invoice.amount_remaining, invoice.currency),
        url=link(invoice.hosted_invoice_url),
        attempts=invoice.attempt_count,
        next_attempt=_maybe_at(invoice.next_payment_attempt),
    )


def scheduled(schedule: Thing, plan: str | None) -> Scheduled | None:
    """What a schedule (with `phases.items.price` expanded) will change about a subscription to *plan*."""
    current = schedule.current_phase
    if schedule.status != "active" or current is None:
        return None
    for phase in schedule.phases:
        price = phase["items"][0].price
        following = PRODUCTS.get(str(identifier(price.product)))
        if phase.start_date >= current.end_date and following != plan:
            return Scheduled(following, money(price.unit_amount, price.currency), at(phase.start_date))
    return None


def preview(invoice: Thing, now: Subscription, plan: str, price: Thing, moment: datetime) -> ChangePreview:
    """A previewed invoice for a change of *now* to *plan*."""
    lines = tuple(
        PreviewLine(_text(line.description) or "", money(line.amount, line.currency)) for line in invoice.lines.data
    )
    return ChangePreview(
        subscription=now.id,
        current=now.plan or "",
        plan=plan,
        at=moment,
        due=money(invoice.amount_due, invoice.currency),
        lines=lines,
        price=money(price.unit_amount, price.currency),
        start=now.start,
        renews=now.end,
    )


def invoice(thing: Thing, link: Link) -> Invoice:
    """An invoice."""
    lines = [_text(line.description) or "" for line in thing.lines.data]
    return Invoice(
        id=thing.id,
        number=_text(thing.number),
        created=at(thing.created),
        status=thing.status,
        total=money(thing.total, thing.currency),
        paid=money(thing.amount_paid, thing.currency),
        text=lines[-1] if lines else "",
        url=link(thing.hosted_invoice_url),
        pdf=link(thing.invoice_pdf),
    )


# Money that goes back.


def refund(thing: Thing) -> Refund | None:
    """A refund, with `payment_intent` expanded; None if it is of something that we did not sell."""
    intent = thing.payment_intent
    if intent is None or not metadata(intent, "reference"):
        return None
    status = "pending" if thing.status == "requires_action" else thing.status
    return Refund(
        id=thing.id,
        payment=intent.id,
        reference=metadata(intent, "reference"),
        organization=metadata(intent, "organization"),
        amount=money(thing.amount, thing.currency),
        status=RefundStatus(status),
        created=at(thing.created),
    )


def dispute(thing: Thing) -> Dispute | None:
    """A dispute, with `payment_intent` expanded; None if it is of something that we did not sell."""
    intent = thing.payment_intent
    if intent is None or not metadata(intent, "reference"):
        return None
    inquiry = thing.status.startswith("warning_")
    status = DisputeStatus.INQUIRY if inquiry else _DISPUTES.get(thing.status, DisputeStatus.OPEN)
    return Dispute(
        id=thing.id,
        payment=intent.id,
        reference=metadata(intent, "reference"),
        organization=metadata(intent, "organization"),
        amount=money(thing.amount, thing.currency),
        status=status,
        created=at(thing.created),
    )
