"""Stripe's webhooks: who sent them is proven on the raw body, what they say is only which object to read again."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Any, Final

from orgtui.billing.provider import BadWebhook, Event, NoWebhooks, Subject
from orgtui.secret import Secret

TOLERANCE: Final = 300
# What may change a purchase or a subscription. One question for events names at most 20 types.
TYPES: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.paid",
    "invoice.payment_failed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
_SUBJECTS: Final = {
    "checkout.session": Subject.CHECKOUT,
    "subscription": Subject.SUBSCRIPTION,
    "invoice": Subject.INVOICE,
    "refund": Subject.REFUND,
    "dispute": Subject.DISPUTE,
}


def verified(body: bytes, header: str | None, secret: Secret | None, now: datetime) -> dict[str, Any]:
    """The event in *body*; raises BadWebhook, NoWebhooks without a secret (https://docs.stripe.com/webhooks#verify-manually)."""
    if secret is None or not secret.reveal().strip():
        raise NoWebhooks("No webhook is accepted without a secret; set ORGTUI_STRIPE_WEBHOOK_SECRET.")
    stamp, signatures = _parts(header or "")
    expected = hmac.new(secret.reveal().encode(), str(stamp).encode() + b"." + body, "sha256").hexdigest()
    if not any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures):
        raise BadWebhook("The webhook's signature does not fit its body; check ORGTUI_STRIPE_WEBHOOK_SECRET.")
    if abs(now.timestamp() - stamp) > TOLERANCE:
        raise BadWebhook(f"The webhook was signed more than {TOLERANCE // 60} minutes from now; check the clock.")
    try:
        event = json.loads(body)
        # Half a character is no text anywhere else.
        json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadWebhook("The webhook's body is not JSON.") from error
    if not isinstance(event, dict):
        raise BadWebhook("The webhook's body is not an event.")
    return event


def _parts(header: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdecimal() and len(stamps[0]) <= 15):
        raise BadWebhook("The webhook has no Stripe-Signature header.")
    return int(stamps[0]), [value for name, _, value in pairs if name == "v1"]


def read(event: dict[str, Any], *, livemode: bool) -> Event:
    """What an event, from a webhook or from the list, is about; raises BadWebhook for what is none, or not for us."""
    try:
        identifier, kind, subject, created = event["id"], event["object"], event["data"]["object"], event["created"]
        about = subject.get("id")
        customer = subject.get("customer")
        if kind != "event" or event["livemode"] is not livemode:
            raise BadWebhook(f"The webhook is not of {'live' if livemode else 'test'} mode; check the keys.")
        return Event(
            id=str(identifier),
            subject=_SUBJECTS.get(subject["object"], Subject.OTHER),
            about=about if isinstance(about, str) else "",
            customer=customer if isinstance(customer, str) else None,
            at=datetime.fromtimestamp(created, UTC),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BadWebhook("The webhook's body is not an event.") from error
