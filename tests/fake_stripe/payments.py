"""Cards, payment intents, charges, refunds and disputes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe

from tests.fake_stripe.refusals import Refused, declined
from tests.fake_stripe.routes import listed, matching, merged, route
from tests.fake_stripe.world import DAY, Object, World, changed


@dataclass(frozen=True)
class Card:
    """One of Stripe's test cards: its number decides what happens to whoever pays with it."""

    number: str
    brand: str = "visa"
    decline: str | None = None
    authenticate: bool = False


CARDS = {
    card.number: card
    for card in (
        Card("4242424242424242"),
        Card("5555555555554444", "mastercard"),
        Card("378282246310005", "amex"),
        Card("4000000000000002", decline="generic_decline"),
        Card("4000000000009995", decline="insufficient_funds"),
        # Can be saved, but not charged.
        Card("4000000000000341", decline="generic_decline"),
        # Needs its owner's consent to every payment.
        Card("4000002500003155", authenticate=True),
    )
}
GOOD, BAD, SAVED_BUT_BAD, ASKS = "4242424242424242", "4000000000000002", "4000000000000341", "4000002500003155"
SEPA = "sepa_debit"
_MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
}


# Payment methods.


def make_method(world: World, number: str, customer: str | None, billing: Object | None = None) -> Object:
    """A saved card, or a bank account for SEPA, of *customer*."""
    kind, details = (SEPA, _account()) if number == SEPA else ("card", _card(CARDS[number], world))
    method = world.make(
        stripe.PaymentMethod,
        "pm",
        allow_redisplay="limited",
        billing_details=billing or billing_details(),
        customer=customer,
        metadata={},
        type=kind,
    )
    for name in [
        name for name, value in method.items() if value is None and name not in ("customer", "customer_account")
    ]:
        del method[name]
    method[kind] = details
    world.card_numbers[method["id"]] = number
    if customer:
        world.emit("payment_method.attached", method)
    return method


def billing_details(email: str | None = None, name: str | None = None) -> Object:
    """Whose the card is."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": email, "name": name, "phone": None, "tax_id": None}


def _account() -> Object:
    return dict.fromkeys(("bank_code", "branch_code", "fingerprint", "generated_from")) | {
        "country": "DE",
        "last4": "3000",
    }


def _card(card: Card, world: World) -> Object:
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    return {
        "brand": card.brand,
        "checks": checks,
        "country": "US",
        "display_brand": {"amex": "american_express"}.get(card.brand, card.brand),
        "exp_month": 12,
        "exp_year": world.instant().year + 2,
        "fingerprint": "fingerprint" + card.number[-4:],
        "funding": "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


@route("GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams")
def get_method(world: World, params: dict[str, Any], id: str) -> Object:
    """One payment method."""
    return world.get("payment_method", id)


@route("GET", "/v1/payment_methods", "PaymentMethodListParams")
def list_methods(world: World, params: dict[str, Any]) -> Object:
    """The payment methods of a customer."""
    found = matching(params, list(world.table("payment_method").values()), "customer", "type")
    return listed(world, params, "/v1/payment_methods", found)


# Payments.


@dataclass
class Payment:
    """What is to be paid, by whom, and what the payment intent shall say of it."""

    amount: int
    currency: str
    customer: str | None
    method: Object | None
    metadata: dict[str, str]
    description: str | None = None
    email: str | None = None


def refusal(world: World, method: Object | None, *, present: bool) -> Refused | None:
    """Why the method cannot pay; *present* tells whether its owner is there to consent."""
    if method is None:
        said = (
            "This customer has no attached payment source or default payment method. Please consider adding a default "
        )
        return Refused(said + "payment method.", code="resource_missing")
    number = world.card_numbers[method["id"]]
    if number == SEPA:
        return None
    card = CARDS[number]
    if card.decline:
        return declined("card_declined", card.decline, _MESSAGES[card.decline])
    if card.authenticate and not present:
        return declined("authentication_required", "authentication_required", "This card requires authentication.")
    return None


def make_intent(world: World, payment: Payment, status: str) -> Object:
    """A payment intent; only one that succeeds has received anything."""
    method = payment.method
    intent = world.make(
        stripe.PaymentIntent,
        "pi",
        amount=payment.amount,
        amount_capturable=0,
        amount_received=0,
        capture_method="automatic",
        confirmation_method="automatic",
        currency=payment.currency,
        customer=payment.customer,
        description=payment.description,
        metadata=dict(payment.metadata),
        payment_method=method["id"] if method else None,
        payment_method_types=[method["type"] if method else "card"],
        receipt_email=payment.email,
        status=status,
    )
    intent["client_secret"] = f"{intent['id']}_secret_{world.new_id('s')[2:]}"
    world.emit("payment_intent.created", intent)
    return intent


def succeed(world: World, intent: Object) -> Object:
    """Charge what the intent asks for."""
    charge = _charge(world, intent, "succeeded")
    intent |= {"amount_received": intent["amount"], "latest_charge": charge["id"], "status": "succeeded"}
    intent["last_payment_error"] = None
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)
    return charge


def fail(world: World, intent: Object, why: Refused) -> None:
    """Note that the intent's method did not pay."""
    said = why.body["error"]
    charge = _charge(world, intent, "failed")
    charge |= {"failure_code": said["code"], "failure_message": said["message"]}
    error = {"type": said["type"], "code": said["code"], "message": said["message"], "charge": charge["id"]}
    error |= {"decline_code": said.get("decline_code"), "payment_method": world.find(intent["payment_method"])}
    intent |= {"latest_charge": charge["id"], "status": "requires_payment_method", "last_payment_error": error}
    intent["payment_method"] = None
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def _charge(world: World, intent: Object, status: str) -> Object:
    method = world.get("payment_method", intent["payment_method"])
    paid = status == "succeeded"
    charge = world.make(
        stripe.Charge,
        "ch",
        amount=intent["amount"],
        amount_captured=intent["amount"] if paid else 0,
        amount_refunded=0,
        billing_details=method["billing_details"],
        captured=paid,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        metadata=dict(intent["metadata"]),
        paid=paid,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"type": method["type"], method["type"]: _paid_with(method)},
        receipt_email=intent["receipt_email"],
        refunded=False,
        status=status,
    )
    charge.pop("refunds", None)
    if paid:
        charge["receipt_number"] = f"{1000 + len(world.table('charge'))}-{len(world.table('charge')):04d}"
        charge["receipt_url"] = f"{world.base}/receipts/{charge['id']}"
    return charge


def _paid_with(method: Object) -> Object:
    held = method[method["type"]]
    if method["type"] == SEPA:
        kept = ("bank_code", "branch_code", "country", "fingerprint", "last4")
        return {name: held[name] for name in kept} | {"mandate": None}
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {name: held[name] for name in kept} | {"network": held["brand"], "three_d_secure": None}


@route("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams")
def get_intent(world: World, params: dict[str, Any], id: str) -> Object:
    """One payment intent."""
    return world.get("payment_intent", id)


@route("GET", "/v1/payment_intents", "PaymentIntentListParams")
def list_intents(world: World, params: dict[str, Any]) -> Object:
    """Payment intents, the newest first."""
    found = matching(params, list(world.table("payment_intent").values()), "customer")
    return listed(world, params, "/v1/payment_intents", found)


@route("GET", "/v1/charges/{id}", "ChargeRetrieveParams")
def get_charge(world: World, params: dict[str, Any], id: str) -> Object:
    """One charge."""
    return world.get("charge", id)


@route("GET", "/v1/charges", "ChargeListParams")
def list_charges(world: World, params: dict[str, Any]) -> Object:
    """Charges, the newest first."""
    found = matching(params, list(world.table("charge").values()), "customer", "payment_intent")
    return listed(world, params, "/v1/charges", found)


# Refunds.


@route("POST", "/v1/refunds", "RefundCreateParams")
def create_refund(world: World, params: dict[str, Any]) -> Object:
    """Give back what was paid, or part of it."""
    charge = _charge_of(world, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.pop("amount", left)
    if not left:
        raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["disputed"]:
        raise Refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if not 0 < amount <= left:
        said = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise Refused(said, code="amount_too_large", param="amount")
    refund = world.make(
        stripe.Refund,
        "re",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=merged({}, params.pop("metadata", None)),
        payment_intent=charge["payment_intent"],
        reason=params.pop("reason", None),
        status="succeeded",
    )
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    return refund


def _charge_of(world: World, params: dict[str, Any]) -> Object:
    identifier, intent = params.pop("charge", None), params.pop("payment_intent", None)
    if intent:
        identifier = world.get("payment_intent", intent, "payment_intent")["latest_charge"]
    if not identifier:
        raise Refused("One of the following params should be provided for this request: payment_intent or charge.")
    charge = world.get("charge", identifier, "charge")
    if not charge["paid"]:
        raise Refused("This PaymentIntent does not have a successful charge to refund.", code="charge_not_refundable")
    return charge


def fail_refund(world: World, identifier: str) -> None:
    """A refund that the customer's bank sent back: the money is ours again."""
    refund = world.get("refund", identifier)
    charge = world.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    changed(world, refund, "refund.failed", status="failed", failure_reason="lost_or_stolen_card")


@route("GET", "/v1/refunds/{id}", "RefundRetrieveParams")
def get_refund(world: World, params: dict[str, Any], id: str) -> Object:
    """One refund."""
    return world.get("refund", id)


@route("GET", "/v1/refunds", "RefundListParams")
def list_refunds(world: World, params: dict[str, Any]) -> Object:
    """Refunds, the newest first."""
    found = matching(params, list(world.table("refund").values()), "charge", "payment_intent")
    return listed(world, params, "/v1/refunds", found)


# Disputes.


def dispute(world: World, intent: str, amount: int | None = None) -> Object:
    """The customer's bank takes a payment back."""
    charge = world.get("charge", world.get("payment_intent", intent)["latest_charge"])
    made = world.make(
        stripe.Dispute,
        "du",
        amount=charge["amount"] if amount is None else amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={"enhanced_evidence": {}},
        evidence_details={
            "due_by": world.now() + 7 * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        is_charge_refundable=False,
        metadata={},
        payment_intent=intent,
        reason="fraudulent",
        status="needs_response",
    )
    charge["disputed"] = True
    world.emit("charge.dispute.created", made)
    world.emit("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(world: World, identifier: str, *, won: bool) -> None:
    """The end of a dispute; what was taken comes back to whoever wins it."""
    found = world.get("dispute", identifier)
    changed(world, found, "charge.dispute.closed", status="won" if won else "lost")
    if won:
        world.emit("charge.dispute.funds_reinstated", found)


@route("GET", "/v1/disputes/{id}", "DisputeRetrieveParams")
def get_dispute(world: World, params: dict[str, Any], id: str) -> Object:
    """One dispute."""
    return world.get("dispute", id)


@route("GET", "/v1/disputes", "DisputeListParams")
def list_disputes(world: World, params: dict[str, Any]) -> Object:
    """Disputes, the newest first."""
    found = matching(params, list(world.table("dispute").values()), "charge", "payment_intent")
    return listed(world, params, "/v1/disputes", found)
