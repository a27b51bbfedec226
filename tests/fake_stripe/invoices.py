"""Invoices: what they are made of, what remains to be paid after the customer's balance, and paying them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe

from tests.fake_stripe import payments
from tests.fake_stripe.refusals import Refused
from tests.fake_stripe.routes import listed, matching, route
from tests.fake_stripe.world import DAY, Object, World, changed


@dataclass(frozen=True)
class Line:
    """One line: what for, from when to when, how much."""

    amount: int
    description: str
    price: Object
    start: int
    end: int
    proration: bool = False
    item: Object | None = None


@dataclass(frozen=True)
class Bill:
    """What an invoice is made from."""

    customer: Object
    lines: list[Line]
    reason: str
    currency: str
    subscription: Object | None = None
    metadata: dict[str, str] | None = None
    proration_date: int | None = None

    @property
    def total(self) -> int:
        """The sum of the lines."""
        return sum(line.amount for line in self.lines)


def amounts(world: World, bill: Bill) -> tuple[int, int]:
    """What is due now, and the customer's balance after: a sum too small to charge waits there, as does a credit."""
    owed = bill.total + bill.customer["balance"]
    return (owed, 0) if owed >= world.settings.minimum_charge else (0, owed)


def form(world: World, bill: Bill, *, identifier: str) -> Object:
    """The invoice as it would be; kept nowhere."""
    due, balance = amounts(world, bill)
    now = world.now()
    customer = bill.customer
    lines = [_line(world, line, bill, identifier) for line in bill.lines]
    invoice = world.form(
        stripe.Invoice,
        id=identifier,
        amount_due=due,
        amount_overpaid=0,
        amount_paid=0,
        amount_remaining=due,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
        billing_reason=bill.reason,
        collection_method="charge_automatically",
        currency=bill.currency,
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_tax_exempt="none",
        customer_tax_ids=[],
        default_tax_rates=[],
        discounts=[],
        ending_balance=balance,
        issuer={"type": "self"},
        lines={"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{identifier}/lines"},
        metadata=dict(bill.metadata or {}),
        parent=_parent(bill),
        payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        period_end=now,
        period_start=now,
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=customer["balance"],
        status="draft",
        status_transitions=dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        subtotal=bill.total,
        subtotal_excluding_tax=bill.total,
        total=bill.total,
        total_discount_amounts=[],
        total_excluding_tax=bill.total,
        total_pretax_credit_amounts=[],
        total_taxes=[],
    )
    # Includable only.
    del invoice["payments"]
    return invoice


def _parent(bill: Bill) -> Object | None:
    if bill.subscription is None:
        return None
    details: Object = {"metadata": bill.subscription["metadata"], "subscription": bill.subscription["id"]}
    if bill.proration_date is not None:
        details["subscription_proration_date"] = bill.proration_date
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def _line(world: World, line: Line, bill: Bill, invoice: str) -> Object:
    price, item = line.price, line.item
    parent = None
    if item is not None:
        details = {
            "invoice_item": world.new_id("ii") if line.proration else None,
            "proration": line.proration,
            "proration_details": {"credited_items": None},
            "subscription": item["subscription"],
            "subscription_item": item["id"],
        }
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        }
    made = world.form(
        stripe.InvoiceLineItem,
        id=world.new_id("il"),
        amount=line.amount,
        currency=bill.currency,
        description=line.description,
        discount_amounts=[],
        discountable=not line.proration,
        discounts=[],
        invoice=invoice,
        metadata={},
        parent=parent,
        period={"start": line.start, "end": line.end},
        pretax_credit_amounts=[],
        pricing={
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": None if line.proration else price["unit_amount_decimal"],
        },
        quantity=1,
        quantity_decimal="1",
        subtotal=line.amount,
        taxes=[],
    )
    return made


def issue(world: World, bill: Bill) -> Object:
    """Make and finalize an invoice: its sums are final, the customer's balance is used."""
    invoice = form(world, bill, identifier=world.new_id("in"))
    customer = bill.customer
    world.table("invoice")[invoice["id"]] = invoice
    world.emit("invoice.created", invoice)
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    changed(world, customer, "customer.updated", balance=invoice["ending_balance"], currency=bill.currency)
    invoice |= {
        "status": "open",
        "effective_at": world.now(),
        "hosted_invoice_url": f"{world.base}/i/{invoice['id']}",
        "invoice_pdf": f"{world.base}/i/{invoice['id']}/pdf",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": world.now()},
    }
    world.emit("invoice.finalized", invoice)
    if bill.subscription is not None:
        bill.subscription["latest_invoice"] = invoice["id"]
    return invoice


def settle_with(world: World, invoice: Object, intent: Object | None) -> None:
    """The invoice is paid, by *intent* or because nothing was left to pay."""
    if intent is not None:
        _payment(world, invoice, intent, paid=True)
    paid = invoice["amount_due"] if intent is not None else 0
    invoice |= {
        "amount_paid": paid,
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": invoice["status_transitions"] | {"paid_at": world.now()},
    }
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)


def _payment(world: World, invoice: Object, intent: Object, *, paid: bool) -> None:
    world.make(
        stripe.InvoicePayment,
        "inpay",
        amount_paid=invoice["amount_due"] if paid else None,
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="paid" if paid else "open",
        status_transitions={"canceled_at": None, "paid_at": world.now() if paid else None},
    )


def collect(world: World, invoice: Object, method: Object | None, *, present: bool = False) -> Refused | None:
    """Try once to be paid; answers why not."""
    if not invoice["amount_due"]:
        settle_with(world, invoice, None)
        return None
    invoice["attempt_count"] += 1
    invoice["attempted"] = True
    why = payments.refusal(world, method, present=present)
    payment = payments.Payment(
        invoice["amount_due"],
        invoice["currency"],
        invoice["customer"],
        method,
        {},
        description="Subscription update" if invoice["billing_reason"] == "subscription_update" else None,
        email=invoice["customer_email"],
    )
    intent = payments.make_intent(world, payment, "requires_confirmation")
    if why is None:
        payments.succeed(world, intent)
        settle_with(world, invoice, intent)
        return None
    if method is not None:
        payments.fail(world, intent, why)
    attempts = invoice["attempt_count"]
    waits = world.settings.retry_after_days
    invoice["next_payment_attempt"] = world.now() + waits[attempts - 1] * DAY if attempts <= len(waits) else None
    world.unpaid[invoice["id"]] = invoice
    world.emit("invoice.payment_failed", invoice)
    return why


def payments_of(world: World, invoice: Object) -> Object:
    """What was paid on an invoice, as a list object."""
    found = [one for one in world.table("invoice_payment").values() if one["invoice"] == invoice["id"]]
    return {
        "object": "list",
        "data": found,
        "has_more": False,
        "url": f"/v1/invoice_payments?invoice={invoice['id']}",
    }


@route("GET", "/v1/invoices/{id}", "InvoiceRetrieveParams")
def get_invoice(world: World, params: dict[str, Any], id: str) -> Object:
    """One invoice."""
    return world.get("invoice", id)


@route("GET", "/v1/invoices", "InvoiceListParams")
def list_invoices(world: World, params: dict[str, Any]) -> Object:
    """Invoices, the newest first."""
    found = matching(params, list(world.table("invoice").values()), "customer", "status", "collection_method")
    if (subscription := params.pop("subscription", None)) is not None:
        found = [one for one in found if _subscription_of(one) == subscription]
    return listed(world, params, "/v1/invoices", found)


def _subscription_of(invoice: Object) -> str | None:
    parent = invoice["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


@route("GET", "/v1/invoice_payments", "InvoicePaymentListParams")
def list_invoice_payments(world: World, params: dict[str, Any]) -> Object:
    """What was paid on invoices."""
    found = matching(params, list(world.table("invoice_payment").values()), "invoice", "status")
    if (payment := params.pop("payment", None)) is not None:
        found = [one for one in found if one["payment"]["payment_intent"] == payment.get("payment_intent")]
    return listed(world, params, "/v1/invoice_payments", found)
