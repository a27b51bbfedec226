"""Checkout Sessions and Payment Links: from the request to what a person does on the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import stripe

from tests.fake_stripe import catalogue, invoices, payments, subscriptions
from tests.fake_stripe.invoices import Bill, Line
from tests.fake_stripe.refusals import Refused, invalid
from tests.fake_stripe.routes import done, listed, matching, merged, route
from tests.fake_stripe.world import DAY, Due, Object, World, changed

_LARGEST = 99_999_999
_SHORTEST, _LONGEST = 30 * 60, DAY
# What follows the # of a real session's address is about this long, and is needed.
_FRAGMENT = 300
_SETTLES_AFTER = 3 * DAY


# Sessions.


@route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create_session(world: World, params: dict[str, Any]) -> Object:
    """An open session with the address of its page."""
    mode = params.pop("mode", "payment")
    _check_mode(params, mode)
    customer = params.pop("customer", None)
    if customer is not None:
        world.get("customer", customer, "customer")
    urls = {name: url(params.pop(name, None), name) for name in ("success_url", "cancel_url")}
    if urls["success_url"] is None:
        raise Refused("Missing required param: success_url.", code="parameter_missing", param="success_url")
    expires = _expiry(world, params.pop("expires_at", world.now() + DAY))
    metadata = _only_metadata(params, "payment_intent_data" if mode == "payment" else "subscription_data")
    items = _items(world, params.pop("line_items", []), mode)
    return _session(
        world,
        mode,
        items,
        metadata,
        cancel_url=urls["cancel_url"],
        client_reference_id=params.pop("client_reference_id", None),
        customer=customer,
        customer_email=params.pop("customer_email", None),
        expires_at=expires,
        invoice_creation=_invoice_creation(params.pop("invoice_creation", None), mode),
        locale=params.pop("locale", None),
        metadata=merged({}, params.pop("metadata", None)),
        submit_type=params.pop("submit_type", None),
        success_url=urls["success_url"],
    )


def _check_mode(params: dict[str, Any], mode: str) -> None:
    if mode == "setup":
        raise NotImplementedError("fake_stripe does not do setup sessions")
    wrong = ("subscription_data",) if mode == "payment" else ("payment_intent_data", "invoice_creation", "submit_type")
    for name in wrong:
        if name in params:
            raise Refused(f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _only_metadata(params: dict[str, Any], name: str) -> dict[str, str]:
    """The metadata for what the session will make."""
    data = params.pop(name, {})
    metadata = merged({}, data.pop("metadata", None))
    done(data, name)
    return metadata


def url(given: str | None, param: str) -> str | None:
    """A web address, or None where none was given; raises Refused for anything else."""
    if given is not None and (urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).netloc):
        raise invalid("Not a valid URL", param, "url_invalid")
    return given


def _expiry(world: World, at: int) -> int:
    if at < world.now() + _SHORTEST:
        said = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise Refused(said, param="expires_at")
    if at > world.now() + _LONGEST:
        said = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise Refused(said, param="expires_at")
    return at


def _items(world: World, wanted: list[Object], mode: str) -> list[Object]:
    if not wanted:
        raise Refused("Missing required param: line_items.", code="parameter_missing", param="line_items")
    made = [_item(world, item, f"line_items[{place}]") for place, item in enumerate(wanted)]
    recurring = [item["price"]["type"] == "recurring" for item in made]
    if mode == "payment" and any(recurring):
        raise Refused(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices.",
            param="line_items",
        )
    if mode == "subscription" and not any(recurring):
        said = "You must provide at least one recurring price in `subscription` mode when using prices."
        raise Refused(said, param="line_items")
    _check_total(world, sum(item["amount_total"] for item in made))
    return made


def _check_total(world: World, total: int) -> None:
    if total < world.settings.minimum_charge:
        raise Refused(
            "The Checkout Session's total amount must convert to at least 50 cents. "
            f"€{total / 100:.2f} converts to approximately €{total / 100:.2f}.",
            code="amount_too_small",
        )
    if total > _LARGEST:
        raise Refused("The Checkout Session's total amount must be no more than €999,999.99.", code="amount_too_large")


def _item(world: World, item: Object, where: str) -> Object:
    price, data = item.pop("price", None), item.pop("price_data", None)
    if (price is None) == (data is None):
        raise Refused("You must specify either `price` or `price_data`.", param=where)
    if "quantity" not in item:
        raise Refused("Quantity is required. Add `quantity` to `line_items[0]`", param=where)
    quantity = item.pop("quantity")
    done(item, where)
    chosen = world.get("price", price, f"{where}[price]") if price else _inline(world, data, f"{where}[price_data]")
    if price and not chosen["active"]:
        raise Refused(
            "The price specified is inactive. This field only accepts active prices.", param=f"{where}[price]"
        )
    amount = chosen["unit_amount"] * quantity
    return world.form(
        stripe.LineItem,
        id=world.new_id("li"),
        amount_discount=0,
        amount_subtotal=amount,
        amount_tax=0,
        amount_total=amount,
        currency=chosen["currency"],
        description=world.get("product", chosen["product"])["name"],
        price=chosen,
        quantity=quantity,
    )


def _inline(world: World, data: Object, where: str) -> Object:
    """A price made for one session: nobody else can use it."""
    if "product" not in data:
        raise NotImplementedError("fake_stripe does not do product_data")
    world.get("product", data["product"], f"{where}[product]")
    price = catalogue.make_price(world, data, active=False)
    done(data, where)
    return price


def _invoice_creation(wanted: Object | None, mode: str) -> Object | None:
    if mode != "payment":
        return None
    wanted = wanted or {"enabled": False}
    data = wanted.pop("invoice_data", {})
    metadata = merged({}, data.pop("metadata", None))
    done(data, "invoice_creation[invoice_data]")
    nothing = dict.fromkeys(
        ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options")
    )
    return {"enabled": wanted["enabled"], "invoice_data": nothing | {"metadata": metadata}}


def _session(world: World, mode: str, items: list[Object], passed_on: dict[str, str], /, **fields: Any) -> Object:
    live = "live" if world.settings.livemode else "test"
    total = sum(item["amount_total"] for item in items)
    identifier = world.new_id(f"cs_{live}", 58)
    session = world.make(
        stripe.checkout.Session,
        "cs",
        id=identifier,
        amount_subtotal=total,
        amount_total=total,
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        currency=items[0]["currency"],
        custom_fields=[],
        custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        mode=mode,
        payment_method_collection="if_required" if mode == "payment" else "always",
        payment_method_options={},
        payment_method_types=["card", payments.SEPA],
        payment_status="unpaid",
        shipping_options=[],
        status="open",
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode="hosted_page",
        url=f"{world.base}/c/pay/{identifier}#{world.new_id('fid', _FRAGMENT)}",
        **fields,
    )
    # Includable only.
    del session["line_items"]
    world.line_items[identifier] = items
    world.notes[identifier] = passed_on
    world.undecided[identifier] = session
    return session


@route("GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams")
def get_session(world: World, params: dict[str, Any], id: str) -> Object:
    """One session."""
    return world.get("checkout.session", id)


@route("GET", "/v1/checkout/sessions", "checkout.SessionListParams")
def list_sessions(world: World, params: dict[str, Any]) -> Object:
    """Sessions, the newest first."""
    names = ("customer", "payment_intent", "payment_link", "status", "subscription")
    found = matching(params, list(world.table("checkout.session").values()), *names)
    return listed(world, params, "/v1/checkout/sessions", found)


@route("GET", "/v1/checkout/sessions/{id}/line_items", "checkout.SessionListLineItemsParams")
def list_line_items(world: World, params: dict[str, Any], id: str) -> Object:
    """What the session sells."""
    world.get("checkout.session", id)
    params.pop("limit", None)
    return line_items(world, id)


def line_items(world: World, identifier: str) -> Object:
    """The list object of what a session or link sells."""
    kind = "payment_links" if identifier.startswith("plink_") else "checkout/sessions"
    place = f"/v1/{kind}/{identifier}/line_items"
    return {"object": "list", "data": world.line_items[identifier], "has_more": False, "url": place}


@route("POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams")
def expire_session(world: World, params: dict[str, Any], id: str) -> Object:
    """Close an open session before its time."""
    session = world.get("checkout.session", id)
    if session["status"] != "open":
        raise Refused(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`."
        )
    _expire(world, session)
    return session


def _expire(world: World, session: Object) -> None:
    session |= {"status": "expired", "url": None, "expires_at": min(session["expires_at"], world.now())}
    world.emit("checkout.session.expired", session)


def due(world: World) -> Iterator[Due]:
    """Sessions whose time is over, and slow payments that arrive or fail."""
    for session in list(world.undecided.values()):
        if session["status"] == "open":
            yield session["expires_at"], lambda session=session: _expire(world, session)
        elif session["id"] in world.later:
            made = world.get("payment_intent", session["payment_intent"])["created"]
            yield made + _SETTLES_AFTER, lambda session=session: settle(world, session["id"])
        else:
            del world.undecided[session["id"]]


# What a person does on the page.


def pay(world: World, identifier: str, number: str, email: str = "payer@example.com") -> Refused | None:
    """Pay an open session with a card; answers why the card was declined, and then the session stays open."""
    session = world.get("checkout.session", identifier)
    if session["status"] != "open":
        raise Refused(f"This session is {session['status']}.")
    link = world.find(session["payment_link"]) if session["payment_link"] else None
    if link is not None and not link["active"]:
        raise Refused("This link is no longer active.")
    customer = _payer(world, session, email)
    method = payments.make_method(world, number, customer["id"] if customer else None, payments.billing_details(email))
    if why := payments.refusal(world, method, present=True):
        _declined(world, session, method, why)
        return why
    if session["mode"] == "subscription":
        _subscribe(world, session, customer, method)
    else:
        _purchase(world, session, customer, method, later=number == payments.SEPA)
    details = dict.fromkeys(("address", "business_name", "individual_name", "name", "phone", "tax_exempt", "tax_ids"))
    session |= {"status": "complete", "url": None, "customer_details": details | {"email": email}}
    if link is not None:
        _count(world, link)
    world.emit("checkout.session.completed", session)
    return None


def _payer(world: World, session: Object, email: str) -> Object | None:
    if session["customer"]:
        return world.get("customer", session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] != "always":
        return None
    customer = catalogue.create_customer(world, {"email": email})
    session["customer"] = customer["id"]
    return customer


def _purchase(world: World, session: Object, customer: Object | None, method: Object, *, later: bool) -> None:
    """One payment for all that the session sells; a slow one is decided after three days, or by `settle`."""
    intent = _intent(world, session, customer, method, "processing" if later else "requires_confirmation")
    session["payment_intent"] = intent["id"]
    if later:
        world.later.setdefault(session["id"], True)
        world.emit("payment_intent.processing", intent)
        return
    _paid(world, session, intent, customer)


def _paid(world: World, session: Object, intent: Object, customer: Object | None) -> None:
    payments.succeed(world, intent)
    session["payment_status"] = "paid"
    if session["invoice_creation"] and session["invoice_creation"]["enabled"]:
        if customer is None:
            raise NotImplementedError("fake_stripe invoices customers only: ask for customer_creation")
        _invoice(world, session, intent, customer)


def _invoice(world: World, session: Object, intent: Object, customer: Object) -> None:
    now = world.now()
    items = world.line_items[session["id"]]
    lines = [Line(item["amount_total"], item["description"], item["price"], now, now) for item in items]
    metadata = session["invoice_creation"]["invoice_data"]["metadata"]
    # What was paid on the page does not touch what the customer owes otherwise.
    owed, customer["balance"] = customer["balance"], 0
    invoice = invoices.issue(world, Bill(customer, lines, "manual", session["currency"], metadata=metadata))
    invoices.settle_with(world, invoice, intent)
    customer["balance"] = owed
    session["invoice"] = invoice["id"]


def _intent(world: World, session: Object, customer: Object | None, method: Object, status: str) -> Object:
    if session["payment_intent"]:
        intent = world.get("payment_intent", session["payment_intent"])
        intent |= {"payment_method": method["id"], "payment_method_types": [method["type"]], "status": status}
        return intent
    payment = payments.Payment(
        session["amount_total"],
        session["currency"],
        customer["id"] if customer else None,
        method,
        world.notes[session["id"]],
        email=method["billing_details"]["email"],
    )
    return payments.make_intent(world, payment, status)


def _declined(world: World, session: Object, method: Object, why: Refused) -> None:
    if session["mode"] == "payment":
        customer = world.find(session["customer"]) if session["customer"] else None
        intent = _intent(world, session, customer, method, "requires_confirmation")
        session["payment_intent"] = intent["id"]
        payments.fail(world, intent, why)


def _subscribe(world: World, session: Object, customer: Object | None, method: Object) -> None:
    assert customer is not None
    (item,) = world.line_items[session["id"]]
    metadata = dict(world.notes[session["id"]])
    subscription, invoice = subscriptions.begin(world, customer, item["price"], method, metadata)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"], "payment_status": "paid"}


def settle(world: World, identifier: str, *, succeeds: bool | None = None) -> None:
    """The end of a slow payment: as was chosen on the page, or as *succeeds* says."""
    session = world.get("checkout.session", identifier)
    chosen = world.later.pop(identifier)
    intent = world.get("payment_intent", session["payment_intent"])
    customer = world.find(session["customer"]) if session["customer"] else None
    if chosen if succeeds is None else succeeds:
        _paid(world, session, intent, customer)
        world.emit("checkout.session.async_payment_succeeded", session)
    else:
        payments.fail(world, intent, Refused("The bank account has insufficient funds.", code="insufficient_funds"))
        world.emit("checkout.session.async_payment_failed", session)


# Payment Links.


@route("POST", "/v1/payment_links", "PaymentLinkCreateParams")
def create_link(world: World, params: dict[str, Any]) -> Object:
    """A short address; each time it is opened it makes a session."""
    items = _items(world, params.pop("line_items"), "payment")
    metadata = _only_metadata(params, "payment_intent_data")
    restrictions = params.pop("restrictions", None)
    if restrictions:
        restrictions["completed_sessions"]["count"] = 0
    live = "" if world.settings.livemode else "test_"
    link = world.make(
        stripe.PaymentLink,
        "plink",
        active=True,
        after_completion=params.pop("after_completion", {"type": "hosted_confirmation"}),
        allow_promotion_codes=False,
        automatic_tax={"enabled": False, "liability": None},
        billing_address_collection="auto",
        currency=items[0]["currency"],
        custom_fields=[],
        custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        customer_creation=params.pop("customer_creation", "if_required"),
        invoice_creation=_invoice_creation(params.pop("invoice_creation", None), "payment"),
        metadata=merged({}, params.pop("metadata", None)),
        payment_intent_data={"metadata": metadata},
        payment_method_collection="always",
        phone_number_collection={"enabled": False},
        restrictions=restrictions,
        shipping_options=[],
        submit_type=params.pop("submit_type", "auto"),
        tax_id_collection={"enabled": False, "required": "never"},
    )
    # Stripe's own are `https://buy.stripe.com/` and about as much.
    link["url"] = f"{world.base}/b/{live}{world.new_id('l', 22)[2:]}"
    del link["line_items"]
    world.line_items[link["id"]] = items
    world.emit("payment_link.created", link)
    return link


@route("GET", "/v1/payment_links/{id}", "PaymentLinkRetrieveParams")
def get_link(world: World, params: dict[str, Any], id: str) -> Object:
    """One link."""
    return world.get("payment_link", id)


@route("GET", "/v1/payment_links", "PaymentLinkListParams")
def list_links(world: World, params: dict[str, Any]) -> Object:
    """Links, the newest first."""
    found = matching(params, list(world.table("payment_link").values()), "active")
    # A link does not tell when it was made, but pages of links come in that order all the same.
    return listed(world, params, "/v1/payment_links", found)


@route("POST", "/v1/payment_links/{id}", "PaymentLinkUpdateParams")
def update_link(world: World, params: dict[str, Any], id: str) -> Object:
    """Switch a link off, or on again."""
    link = world.get("payment_link", id)
    fields = {name: params.pop(name) for name in ("active",) if name in params}
    changed(
        world, link, "payment_link.updated", **fields, metadata=merged(link["metadata"], params.pop("metadata", None))
    )
    return link


def open_link(world: World, link: Object) -> Object:
    """A session for whoever opens the link."""
    if not link["active"]:
        raise Refused("This link is no longer active.")
    return _session(
        world,
        "payment",
        world.line_items[link["id"]],
        dict(link["payment_intent_data"]["metadata"]),
        customer_creation=link["customer_creation"],
        expires_at=world.now() + DAY,
        invoice_creation=link["invoice_creation"],
        metadata=dict(link["metadata"]),
        payment_link=link["id"],
        success_url=(link["after_completion"].get("redirect") or {}).get("url", f"{world.base}/done"),
    )


def _count(world: World, link: Object) -> None:
    if not link["restrictions"]:
        return
    completed = link["restrictions"]["completed_sessions"]
    completed["count"] += 1
    if completed["count"] >= completed["limit"]:
        changed(world, link, "payment_link.updated", active=False)
