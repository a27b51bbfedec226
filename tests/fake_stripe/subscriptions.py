"""Subscriptions of one item: upgrades with proration, renewals, failed payments, schedules for downgrades."""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import stripe

from tests.fake_stripe import invoices, payments
from tests.fake_stripe.invoices import Bill, Line
from tests.fake_stripe.refusals import Refused, declined
from tests.fake_stripe.routes import done, listed, matching, merged, route
from tests.fake_stripe.world import Due, Object, World, changed

_RENEWING = ("active", "past_due", "trialing", "unpaid")
_ENDED = ("canceled", "incomplete_expired")
_INCOMPLETE_FOR = 23 * 3600
_AUTOMATIC_TAX = {"disabled_reason": None, "enabled": False, "liability": None}
_NEEDS_ACTION = (
    "Payment for this subscription requires additional user action before it can be completed successfully. Payment "
    "can be completed using the PaymentIntent associated with `subscription.latest_invoice`."
)


# Time and money.


def months_after(anchor: int, count: int) -> int:
    """The same day and time *count* months after *anchor*, or the month's last day where it has no such day."""
    at = datetime.fromtimestamp(anchor, UTC)
    year, month = divmod(at.year * 12 + at.month - 1 + count, 12)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return int(at.replace(year=year, month=month + 1, day=day).timestamp())


def next_end(subscription: Object, start: int) -> int:
    """When the period ends that begins at *start*, counted from the anchor and not from the period before."""
    anchor = subscription["billing_cycle_anchor"]
    count = 0
    while (end := months_after(anchor, count)) <= start:
        count += 1
    return end


def prorated(amount: int, item: Object, at: int) -> int:
    """The part of *amount* for what is left of the item's period after *at*: the nearest cent, a half goes down."""
    start, end = item["current_period_start"], item["current_period_end"]
    return math.ceil(Fraction(amount * (end - at), end - start) - Fraction(1, 2))


def proration(world: World, item: Object, new: Object, at: int) -> list[Line]:
    """Credit for the rest of the old price, charge for the rest of the new one."""
    old, end = item["price"], item["current_period_end"]
    if not item["current_period_start"] <= at <= end:
        said = "Invalid proration_date: it must be within the current billing period of the subscription."
        raise Refused(said, param="proration_date")
    if old is new or at == end:
        return []
    date = datetime.fromtimestamp(at, UTC).strftime("%d %b %Y")

    def line(amount: int, price: Object, what: str) -> Line:
        name = world.get("product", price["product"])["name"]
        return Line(amount, f"{what} time on {name} after {date}", price, at, end, proration=True, item=item)

    return [
        line(prorated(-old["unit_amount"], item, at), old, "Unused"),
        line(prorated(new["unit_amount"], item, at), new, "Remaining"),
    ]


def _renewal_line(world: World, item: Object, price: Object, start: int, end: int) -> Line:
    name = world.get("product", price["product"])["name"]
    amount = f"{price['unit_amount'] / 100:.2f}"
    text = f"1 × {name} (at €{amount} / month)"
    return Line(price["unit_amount"], text, price, start, end, item=item)


# Beginning.


def begin(
    world: World, customer: Object, price: Object, method: Object, metadata: dict[str, str]
) -> tuple[Object, Object]:
    """A subscription whose first period is paid, and the invoice of it."""
    now = world.now()
    subscription = world.make(
        stripe.Subscription,
        "sub",
        automatic_tax=dict(_AUTOMATIC_TAX),
        billing_cycle_anchor=now,
        billing_mode=_billing_mode(now),
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        collection_method="charge_automatically",
        currency=price["currency"],
        customer=customer["id"],
        default_payment_method=method["id"],
        default_tax_rates=[],
        discounts=[],
        invoice_settings={
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        metadata=metadata,
        payment_settings={
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        start_date=now,
        status="active",
        trial_settings={"end_behavior": {"billing_cycle_anchor": "now", "missing_payment_method": "create_invoice"}},
    )
    del subscription["presentment_details"]
    item = world.form(
        stripe.SubscriptionItem,
        id=world.new_id("si"),
        current_period_end=months_after(now, 1),
        current_period_start=now,
        discounts=[],
        metadata={},
        quantity=1,
        subscription=subscription["id"],
        tax_rates=[],
    )
    _set_price(world, item, price)
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    subscription["items"] = {"object": "list", "data": [item], "has_more": False, "url": url}
    line = _renewal_line(world, item, price, now, item["current_period_end"])
    invoice = invoices.issue(world, Bill(customer, [line], "subscription_create", price["currency"], subscription))
    invoices.collect(world, invoice, method, present=True)
    world.emit("customer.subscription.created", subscription)
    return subscription, invoice


def _billing_mode(now: int) -> Object:
    return {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": now}


def _set_price(world: World, item: Object, price: Object) -> None:
    """The very price, not a copy: a lookup key that is taken from it is gone here too."""
    recurring = price["recurring"]
    plan = world.form(
        stripe.Plan,
        id=price["id"],
        active=price["active"],
        amount=price["unit_amount"],
        amount_decimal=price["unit_amount_decimal"],
        billing_scheme="per_unit",
        currency=price["currency"],
        interval=recurring["interval"],
        interval_count=recurring["interval_count"],
        metadata={},
        product=price["product"],
        usage_type="licensed",
    )
    plan.pop("tiers", None)
    item |= {"price": price, "plan": plan}


def item_of(subscription: Object) -> Object:
    """The one item."""
    (item,) = subscription["items"]["data"]
    found: Object = item
    return found


def method_of(world: World, subscription: Object) -> Object | None:
    """What the subscription is paid with: its own method, else the customer's."""
    customer = world.get("customer", subscription["customer"])
    identifier = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    return world.find(identifier) if identifier else None


# Changing.


@route("GET", "/v1/subscriptions/{id}", "SubscriptionRetrieveParams")
def get_subscription(world: World, params: dict[str, Any], id: str) -> Object:
    """One subscription."""
    return world.get("subscription", id)


@route("GET", "/v1/subscriptions", "SubscriptionListParams")
def list_subscriptions(world: World, params: dict[str, Any]) -> Object:
    """Subscriptions, the newest first; without `status` those that have not ended."""
    found = matching(params, list(world.table("subscription").values()), "customer")
    status = params.pop("status", None)
    if status is None:
        found = [one for one in found if one["status"] != "canceled"]
    elif status == "ended":
        found = [one for one in found if one["status"] in _ENDED]
    elif status != "all":
        found = [one for one in found if one["status"] == status]
    return listed(world, params, "/v1/subscriptions", found)


@route("POST", "/v1/subscriptions/{id}", "SubscriptionUpdateParams")
def update_subscription(world: World, params: dict[str, Any], id: str) -> Object:
    """Change the price now, or end with the period, or what it is paid with."""
    subscription = world.get("subscription", id)
    if subscription["status"] in _ENDED and set(params) - {"metadata", "cancellation_details"}:
        raise Refused("A canceled subscription can only update its cancellation_details and metadata.")
    fields: Object = {"metadata": merged(subscription["metadata"], params.pop("metadata", None))}
    if "default_payment_method" in params:
        fields["default_payment_method"] = params.pop("default_payment_method")
        world.get("payment_method", fields["default_payment_method"], "default_payment_method")
    if "cancel_at_period_end" in params:
        fields |= _ending(world, subscription, params.pop("cancel_at_period_end"))
    behavior = params.pop("proration_behavior", "create_prorations")
    payment_behavior = params.pop("payment_behavior", "allow_incomplete")
    at = params.pop("proration_date", world.now())
    if payment_behavior not in ("allow_incomplete", "error_if_incomplete"):
        raise NotImplementedError(f"fake_stripe does not do payment_behavior {payment_behavior}")
    if items := params.pop("items", None):
        _change_price(world, subscription, _new_price(world, subscription, items), behavior, payment_behavior, at)
    changed(world, subscription, "customer.subscription.updated", **fields)
    return subscription


def _ending(world: World, subscription: Object, ends: bool) -> Object:
    if subscription["schedule"] and ends != subscription["cancel_at_period_end"]:
        raise Refused(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead.",
            param="cancel_at_period_end",
        )
    details = subscription["cancellation_details"] | {"reason": "cancellation_requested" if ends else None}
    return {
        "cancel_at_period_end": ends,
        "cancel_at": item_of(subscription)["current_period_end"] if ends else None,
        "canceled_at": world.now() if ends else None,
        "cancellation_details": details,
    }


def _new_price(world: World, subscription: Object, items: list[Object]) -> Object:
    (wanted,) = items
    item = item_of(subscription)
    if wanted.pop("id", None) != item["id"]:
        raise NotImplementedError("fake_stripe knows subscriptions of one item: name its id")
    price = world.get("price", wanted.pop("price"), "items[0][price]")
    done(wanted, "items[0]")
    if not price["active"]:
        raise Refused(
            "The price specified is inactive. This field only accepts active prices.", param="items[0][price]"
        )
    if price["recurring"] is None:
        raise Refused("The price specified is set to `type=one_time` but this field only accepts `type=recurring`.")
    if subscription["schedule"] and price is not item["price"]:
        raise Refused(
            f"You cannot migrate a subscription that is already attached to a schedule: `{subscription['schedule']}`."
        )
    return price


def _change_price(
    world: World, subscription: Object, price: Object, behavior: str, payment_behavior: str, at: int
) -> None:
    item = item_of(subscription)
    lines = proration(world, item, price, at) if behavior != "none" else []
    if price is item["price"]:
        return
    customer = world.get("customer", subscription["customer"])
    bill = Bill(customer, lines, "subscription_update", price["currency"], subscription, proration_date=at)
    method = method_of(world, subscription)
    if behavior == "always_invoice" and payment_behavior == "error_if_incomplete" and invoices.amounts(world, bill)[0]:
        _check_payable(world, method)
    old = item["plan"]
    _set_price(world, item, price)
    world.emit("customer.subscription.updated", subscription, plan=old)
    if behavior == "create_prorations":
        world.pending_items.setdefault(subscription["id"], []).extend(lines)
    elif lines:
        invoice = invoices.issue(world, bill)
        if invoices.collect(world, invoice, method):
            changed(world, subscription, "customer.subscription.updated", status="past_due")


def _check_payable(world: World, method: Object | None) -> None:
    """Refuse, with nothing changed, what would not be paid."""
    why = payments.refusal(world, method, present=False)
    if why is not None and why.body["error"]["code"] == "authentication_required":
        raise declined("subscription_payment_intent_requires_action", None, _NEEDS_ACTION)
    if why is not None:
        raise why


@route("DELETE", "/v1/subscriptions/{id}", "SubscriptionCancelParams")
def cancel_subscription(world: World, params: dict[str, Any], id: str) -> Object:
    """End it at once; nothing is given back."""
    subscription = world.get("subscription", id)
    if subscription["status"] in _ENDED:
        raise Refused(f"No such subscription: '{id}'", status=404, code="resource_missing", param="id")
    _end(world, subscription, "cancellation_requested")
    return subscription


def _end(world: World, subscription: Object, reason: str) -> None:
    schedule = subscription["schedule"]
    if schedule:
        world.get("subscription_schedule", schedule)["status"] = "canceled"
    subscription |= {"status": "canceled", "ended_at": world.now(), "schedule": None}
    subscription["canceled_at"] = subscription["canceled_at"] or world.now()
    subscription["cancellation_details"]["reason"] = reason
    world.emit("customer.subscription.deleted", subscription)


# What time brings.


def periods(world: World) -> Iterator[Due]:
    """Ends of periods, and of the patience with a first payment."""
    for subscription in list(world.table("subscription").values()):
        if subscription["status"] in _RENEWING:
            end = item_of(subscription)["current_period_end"]
            yield end, lambda subscription=subscription: _period_ends(world, subscription)
        elif subscription["status"] == "incomplete":
            yield (
                subscription["created"] + _INCOMPLETE_FOR,
                lambda subscription=subscription: _expire(world, subscription),
            )


def _expire(world: World, subscription: Object) -> None:
    changed(world, subscription, "customer.subscription.updated", status="incomplete_expired")


def _period_ends(world: World, subscription: Object) -> None:
    if subscription["cancel_at_period_end"]:
        _end(world, subscription, "cancellation_requested")
        return
    item = item_of(subscription)
    start = item["current_period_end"]
    _next_phase(world, subscription, start)
    item |= {"current_period_start": start, "current_period_end": next_end(subscription, start)}
    world.emit("customer.subscription.updated", subscription, current_period_start=start)
    lines = world.pending_items.pop(subscription["id"], [])
    lines.append(_renewal_line(world, item, item["price"], start, item["current_period_end"]))
    customer = world.get("customer", subscription["customer"])
    bill = Bill(customer, lines, "subscription_cycle", subscription["currency"], subscription)
    invoice = invoices.issue(world, bill)
    if subscription["status"] == "unpaid":
        return
    failed = invoices.collect(world, invoice, method_of(world, subscription))
    changed(world, subscription, "customer.subscription.updated", status="past_due" if failed else "active")


def retries(world: World) -> Iterator[Due]:
    """Open invoices that are tried again."""
    for invoice in list(world.unpaid.values()):
        if invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], lambda invoice=invoice: _try_again(world, invoice)
        else:
            del world.unpaid[invoice["id"]]


def _try_again(world: World, invoice: Object) -> None:
    """Another attempt at an invoice that was not paid; after the last one the account's setting decides."""
    subscription = world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if invoices.collect(world, invoice, method_of(world, subscription)) is None:
        changed(world, subscription, "customer.subscription.updated", status="active")
    elif invoice["next_payment_attempt"] is None:
        after = world.settings.after_last_retry
        if after == "canceled":
            _end(world, subscription, "payment_failed")
        else:
            changed(world, subscription, "customer.subscription.updated", status=after)


# Previews.


@route("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def preview(world: World, params: dict[str, Any]) -> Object:
    """The invoice that a change would make at once, or else the next one."""
    subscription = world.get("subscription", params.pop("subscription", ""), "subscription")
    customer = world.get("customer", params.pop("customer", subscription["customer"]), "customer")
    details = params.pop("subscription_details", {})
    behavior, at = details.pop("proration_behavior", "create_prorations"), details.pop("proration_date", world.now())
    item = item_of(subscription)
    items = details.pop("items", None)
    done(details, "subscription_details")
    price = _new_price(world, subscription, items) if items else item["price"]
    lines = proration(world, item, price, at) if behavior != "none" else []
    if behavior != "always_invoice":
        start = item["current_period_end"]
        lines = world.pending_items.get(subscription["id"], []) + lines
        lines.append(_renewal_line(world, item, price, start, next_end(subscription, start)))
    reason = "subscription_update" if behavior == "always_invoice" else "upcoming"
    bill = Bill(customer, lines, reason, price["currency"], subscription, proration_date=at)
    return invoices.form(world, bill, identifier=world.new_id("upcoming_in"))


# Schedules.


@route("POST", "/v1/subscription_schedules", "SubscriptionScheduleCreateParams")
def create_schedule(world: World, params: dict[str, Any]) -> Object:
    """A schedule that takes over a running subscription and says what is so now."""
    identifier = params.pop("from_subscription", None)
    if identifier is None:
        raise NotImplementedError("fake_stripe makes schedules from subscriptions only")
    if params:
        said = f"You cannot set `{next(iter(params))}` if `from_subscription` is set."
        raise Refused(said, param=next(iter(params)))
    subscription = world.get("subscription", identifier, "from_subscription")
    if subscription["schedule"]:
        raise Refused(
            f"You cannot migrate a subscription that is already attached to a schedule: `{subscription['schedule']}`."
        )
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise Refused(f"You cannot migrate a subscription in the `{subscription['status']}` status to a schedule.")
    if subscription["cancel_at_period_end"]:
        raise NotImplementedError("fake_stripe makes no schedule from a subscription that ends")
    item = item_of(subscription)
    schedule = world.make(
        stripe.SubscriptionSchedule,
        "sub_sched",
        billing_mode=_billing_mode(world.now()),
        current_phase={"start_date": item["current_period_start"], "end_date": item["current_period_end"]},
        customer=subscription["customer"],
        default_settings={
            "automatic_tax": dict(_AUTOMATIC_TAX),
            "billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically",
            "default_payment_method": subscription["default_payment_method"],
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
        },
        end_behavior="release",
        metadata={},
        pause_schedules=[],
        phases=[
            _phase(item["price"], item["current_period_start"], item["current_period_end"], "create_prorations", {})
        ],
        status="active",
        subscription=subscription["id"],
    )
    changed(world, subscription, "customer.subscription.updated", schedule=schedule["id"])
    world.emit("subscription_schedule.created", schedule)
    return schedule


def _phase(price: Object, start: int, end: int, behavior: str, metadata: dict[str, str]) -> Object:
    item = {"discounts": [], "metadata": {}, "plan": price["id"], "price": price["id"], "quantity": 1, "tax_rates": []}
    return {
        "add_invoice_items": [],
        "currency": price["currency"],
        "discounts": [],
        "end_date": end,
        "items": [item],
        "metadata": metadata,
        "proration_behavior": behavior,
        "start_date": start,
    }


@route("POST", "/v1/subscription_schedules/{id}", "SubscriptionScheduleUpdateParams")
def update_schedule(world: World, params: dict[str, Any], id: str) -> Object:
    """Say what comes after the current phase."""
    schedule = _active_schedule(world, id, "update")
    fields: Object = {"metadata": merged(schedule["metadata"], params.pop("metadata", None))}
    if "end_behavior" in params:
        fields["end_behavior"] = params.pop("end_behavior")
    params.pop("proration_behavior", None)
    if (phases := params.pop("phases", None)) is not None:
        fields["phases"] = _phases(world, schedule, phases)
    changed(world, schedule, "subscription_schedule.updated", **fields)
    return schedule


def _phases(world: World, schedule: Object, wanted: list[Object]) -> list[Object]:
    made: list[Object] = []
    for place, phase in enumerate(wanted):
        start = phase.pop("start_date", made[-1]["end_date"] if made else None)
        if place == 0 and start != schedule["current_phase"]["start_date"]:
            said = "The start date of the current phase cannot be modified."
            raise Refused(said, param="phases[0][start_date]")
        if made and start != made[-1]["end_date"]:
            raise Refused("The start date of a phase must equal the end date of the phase before.", param="phases")
        (item,) = phase.pop("items")
        price = world.get("price", item.pop("price"), f"phases[{place}][items][0][price]")
        if item.pop("quantity", 1) != 1:
            raise NotImplementedError("fake_stripe knows one of each")
        done(item, "phases[items]")
        end = _phase_end(phase, start, place)
        behavior, metadata = phase.pop("proration_behavior", "create_prorations"), phase.pop("metadata", {})
        done(phase, "phases")
        made.append(_phase(price, start, end, behavior, metadata))
    return made


def _phase_end(phase: Object, start: int, place: int) -> int:
    end, duration = phase.pop("end_date", None), phase.pop("duration", None)
    if (end is None) == (duration is None):
        raise Refused(f"Exactly one of end_date and duration is needed in phases[{place}].", param=f"phases[{place}]")
    if duration is None:
        return int(end)
    if duration.pop("interval") != "month":
        raise NotImplementedError("fake_stripe counts months")
    return months_after(start, duration.pop("interval_count", 1))


@route("POST", "/v1/subscription_schedules/{id}/release", "SubscriptionScheduleReleaseParams")
def release_schedule(world: World, params: dict[str, Any], id: str) -> Object:
    """Let the subscription go on as it is."""
    schedule = _active_schedule(world, id, "release")
    _release(world, schedule)
    return schedule


def _release(world: World, schedule: Object) -> None:
    subscription = world.get("subscription", schedule["subscription"])
    changed(world, subscription, "customer.subscription.updated", schedule=None)
    schedule |= {
        "status": "released",
        "released_at": world.now(),
        "released_subscription": subscription["id"],
        "subscription": None,
        "current_phase": None,
    }
    world.emit("subscription_schedule.released", schedule)


def _active_schedule(world: World, identifier: str, verb: str) -> Object:
    schedule = world.get("subscription_schedule", identifier)
    if schedule["status"] != "active":
        raise Refused(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` status."
        )
    return schedule


@route("GET", "/v1/subscription_schedules/{id}", "SubscriptionScheduleRetrieveParams")
def get_schedule(world: World, params: dict[str, Any], id: str) -> Object:
    """One schedule."""
    return world.get("subscription_schedule", id)


@route("GET", "/v1/subscription_schedules", "SubscriptionScheduleListParams")
def list_schedules(world: World, params: dict[str, Any]) -> Object:
    """Schedules, the newest first."""
    found = matching(params, list(world.table("subscription_schedule").values()), "customer")
    return listed(world, params, "/v1/subscription_schedules", found)


def _next_phase(world: World, subscription: Object, now: int) -> None:
    """The price of the phase that begins; a schedule without more phases lets go."""
    if not subscription["schedule"]:
        return
    schedule = world.get("subscription_schedule", subscription["schedule"])
    phase = next((one for one in schedule["phases"] if one["start_date"] <= now < one["end_date"]), None)
    if phase is None:
        _release(world, schedule)
        return
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    _set_price(world, item_of(subscription), world.get("price", phase["items"][0]["price"]))
    world.emit("subscription_schedule.updated", schedule)
