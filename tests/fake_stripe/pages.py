"""What a person sees and does in a browser: pay, be declined, cancel; and the fake's own index."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fake_stripe import checkout, payments, portal
from tests.fake_stripe.refusals import Refused
from tests.fake_stripe.world import DAY, Object, World

if TYPE_CHECKING:
    from tests.fake_stripe.server import Server


@dataclass(frozen=True)
class Page:
    """An HTML page, or the way to another one."""

    html: str
    status: int = 200
    location: str | None = None


def text(said: str) -> str:
    """A page that says one thing."""
    return f"<!doctype html><meta charset=utf-8><title>fake Stripe</title><p>{html.escape(said)}</p>"


def answer(server: Server, method: str, path: str, form: dict[str, Any]) -> Page:
    """The page for a path; raises Refused where a person is turned away."""
    world = server.world
    if path == "/":
        return Page(_index(world))
    for pattern, page in _PAGES:
        if match := re.fullmatch(pattern, path):
            return page(world, method, match[1], form)
    if path.startswith("/_fake/") and method == "POST":
        return _control(server, path.removeprefix("/_fake/"), form)
    raise Refused(f"There is no page {path}.", status=404)


def _button(action: str, label: str, **fields: str) -> str:
    hidden = "".join(
        f'<input type=hidden name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    return f'<form method=post action="{html.escape(action)}">{hidden}<button>{html.escape(label)}</button></form>'


def _money(amount: int, currency: str) -> str:
    return f"{amount / 100:.2f} {currency.upper()}"


# Checkout.


def _checkout(world: World, method: str, identifier: str, form: dict[str, Any]) -> Page:
    session = world.get("checkout.session", identifier)
    if session["status"] != "open":
        raise Refused(f"This session is {session['status']}.")
    if method == "GET":
        return Page(_checkout_page(world, session))
    card = form.get("card", payments.GOOD)
    if card not in payments.CARDS and card != payments.SEPA:
        return Page(text("Your card number is incorrect."), status=402)
    if card == payments.SEPA:
        world.later[identifier] = "fails" not in form
    if why := checkout.pay(world, identifier, card, form.get("email", "payer@example.com")):
        return Page(text(str(why)), status=402)
    back = session["success_url"].replace("{CHECKOUT_SESSION_ID}", identifier)
    return Page(text("Paid."), status=303, location=back)


def _checkout_page(world: World, session: Object) -> str:
    here = f"/c/pay/{session['id']}"
    items = "".join(
        f"<li>{html.escape(item['description'])}: {_money(item['amount_total'], item['currency'])}</li>"
        for item in world.line_items[session["id"]]
    )
    ways = [
        _button(here, "Pay with Visa", card=payments.GOOD),
        _button(here, "Pay with a card that is declined", card=payments.BAD),
    ]
    if session["mode"] == "payment":
        ways += [
            _button(here, "Pay by SEPA: arrives in three days", card=payments.SEPA),
            _button(here, "Pay by SEPA: fails in three days", card=payments.SEPA, fails="1"),
        ]
    if session["cancel_url"]:
        ways.append(f'<p><a href="{html.escape(session["cancel_url"])}">Back without paying</a></p>')
    return text("Checkout") + f"<ul>{items}</ul>" + "".join(ways)


def _link(world: World, method: str, code: str, form: dict[str, Any]) -> Page:
    for link in world.table("payment_link").values():
        if link["url"].endswith(f"/b/{code}"):
            return Page("", status=303, location=checkout.open_link(world, link)["url"])
    raise Refused("There is no such link.", status=404)


# The portal.


def _portal(world: World, method: str, code: str, form: dict[str, Any]) -> Page:
    found = [one for one in world.table("billing_portal.session").values() if one["url"].endswith(f"/p/session/{code}")]
    if not found:
        raise Refused("There is no such portal session.", status=404)
    (session,) = found
    if method == "GET":
        return Page(_portal_page(f"/p/session/{code}"))
    action = form.get("action", "")
    if action == "card":
        portal.use_card(world, session, form.get("number", payments.GOOD))
    elif action in ("cancel", "resume"):
        portal.cancel(world, session, action == "cancel")
    else:
        raise Refused(f"The portal cannot do “{action}”.", status=404)
    return Page(text("Done."), status=303, location=session["return_url"] or world.base)


def _portal_page(here: str) -> str:
    ways = [
        _button(here, "Use another Visa", action="card", number=payments.GOOD),
        _button(here, "Use a card that cannot be charged", action="card", number=payments.SAVED_BUT_BAD),
        _button(here, "Cancel the subscription", action="cancel"),
        _button(here, "Keep the subscription", action="resume"),
    ]
    return text("Customer portal") + "".join(ways)


def _document(world: World, method: str, identifier: str, form: dict[str, Any]) -> Page:
    found = world.find(identifier)
    if found is None:
        raise Refused(f"There is no {identifier}.", status=404)
    amount = found.get("amount_paid", found.get("amount"))
    return Page(text(f"{found['object']} {identifier}: {_money(amount, found['currency'])}, {found['status']}"))


_PAGES = (
    (r"/c/pay/([^/]+)", _checkout),
    (r"/b/([^/]+)", _link),
    (r"/p/session/([^/]+)", _portal),
    (r"/i/([^/]+)(?:/pdf)?", _document),
    (r"/receipts/([^/]+)", _document),
)


# The fake's own.


def _index(world: World) -> str:
    rows = [f"<p>It is {world.instant():%d %b %Y %H:%M:%S} UTC.</p>"]
    for days, label in ((1, "A day passes"), (32, "A month passes")):
        rows.append(_button("/_fake/advance", label, seconds=str(days * DAY)))
    for session in world.table("checkout.session").values():
        what = f"{session['id'][:20]}…: {_money(session['amount_total'], session['currency'])}, {session['status']}"
        if session["status"] == "open":
            what += f' <a href="/c/pay/{session["id"]}">pay</a>'
        elif session["id"] in world.later:
            what += _button("/_fake/settle", "The money arrives", session=session["id"])
        elif session["payment_intent"]:
            what += _button("/_fake/refund", "Refund", intent=session["payment_intent"])
            what += _button("/_fake/dispute", "Dispute", intent=session["payment_intent"])
        rows.append(f"<li>{what}</li>")
    for link in world.table("payment_link").values():
        rows.append(f'<li>link <a href="{html.escape(link["url"])}">{html.escape(link["url"])}</a></li>')
    for subscription in world.table("subscription").values():
        rows.append(f"<li>{subscription['id']}: {subscription['status']}</li>")
    return text("fake Stripe") + "".join(rows)


def _control(server: Server, what: str, form: dict[str, Any]) -> Page:
    world = server.world
    if what == "advance":
        world.advance(int(form["seconds"]))
    elif what == "settle":
        checkout.settle(world, form["session"], succeeds=form.get("fails") is None)
    elif what == "refund":
        params = {"payment_intent": form["intent"]} | ({"amount": int(form["amount"])} if "amount" in form else {})
        payments.create_refund(world, params)
    elif what == "dispute":
        payments.dispute(world, form["intent"])
    else:
        raise Refused(f"The fake cannot do “{what}”.", status=404)
    return Page(text("Done."), status=303, location="/")
