"""Changing the plan: the price is shown before it is charged, and what costs nothing can be undone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from orgtui.billing.words import day, plan_name
from orgtui.cli.billing_paying import settle
from orgtui.cli.billing_serving import Desk, complain, serving
from orgtui.cli.billing_words import PORTAL, local, subscription_values, to_come
from orgtui.cli.output import confirm, jsonable, print_json, say
from orgtui.domain.errors import Conflict, Invalid
from orgtui.domain.money import Money
from orgtui.domain.plans import BY_KEY, PLANS, Move, Plan, misfits, move
from orgtui.domain.subscriptions import Subscription
from orgtui.domain.text import clean

if TYPE_CHECKING:
    from orgtui.billing.provider import ChangePreview

FREE = BY_KEY["free"]
SALES = "Enterprise is a contract of its own: contact sales."


def plan(text: str) -> Plan:
    """A plan as an argument; raises Invalid for one that is not there, or not for sale here."""
    found = BY_KEY.get(text.strip().lower())
    if found is None:
        raise Invalid(
            f"“{clean(text)}” is not a plan; take one of {', '.join(one.key for one in PLANS)}.", field="plan"
        )
    if found.cents is None:
        raise Invalid(SALES, field="plan")
    return found


def change(arguments: argparse.Namespace) -> int:
    """Change the plan, by whatever way leads there."""
    if arguments.keep:
        return _keep(arguments)
    to: Plan = arguments.plan
    with serving(arguments) as desk:
        running: Subscription | None = desk.wait(desk.service.refresh())
        page = desk.wait(desk.store.billing.show())
        if running is None or running.status.ended:
            return _begin(desk, to, page.plan, arguments)
        current = running.plan or page.plan
        way = move(current, to.key) if current in BY_KEY else Move.CONTACT
        if way is Move.CURRENT:
            raise Conflict(f"{to.name} is the plan already{_and_stays(running, desk)}.")
        if way is Move.CONTACT:
            raise Conflict(SALES)
        if way is Move.UPGRADE:
            return _upgrade(desk, to, arguments)
        return _downgrade(desk, running, to, misfits(current, to, page.runs.used), arguments)


def _and_stays(running: Subscription, desk: Desk) -> str:
    """How to undo what stands in the way of it."""
    if running.cancel_at_period_end:
        return f", and {to_come(running, desk.zone)}; to go on with it: orgtui billing resume"
    if running.scheduled is not None:
        return f", and {to_come(running, desk.zone)}; to keep it: orgtui billing change --keep"
    return ""


# To a paid plan, from none.


def _begin(desk: Desk, to: Plan, current: str, arguments: argparse.Namespace) -> int:
    if to is FREE or current == "enterprise":
        raise Conflict("Free is the plan already." if current == FREE.key else SALES)
    if not arguments.dry_run:
        paying = desk.wait(desk.service.subscribe(to.key))
        return settle(desk, paying, arguments, wait=not arguments.no_wait)
    price = desk.wait(desk.service.prices()).get(to.key)
    if price is None:
        from orgtui.billing.provider import BillingNotReady

        raise BillingNotReady(f"Stripe has no price for {to.name}; run `orgtui billing setup`.")
    if arguments.json:
        print_json(_values("subscribe", to, done=False, due=price, price=price))
    else:
        say(f"{to.name} costs {price} a month. The first is paid on Stripe's page, and the plan begins then.")
        say("Nothing was changed.")
    return 0


# Upwards: charged at once.


def _upgrade(desk: Desk, to: Plan, arguments: argparse.Namespace) -> int:
    preview: ChangePreview = desk.wait(desk.service.preview(to.key))
    if not arguments.json:
        _show(preview, to, desk)
    if arguments.dry_run:
        return _told(arguments, "Nothing was changed.", _preview_values(preview, to, desk, done=False))
    _agree(preview, to, arguments)
    running = _charged(desk, preview)
    ends = f" It still {to_come(running, desk.zone)}: orgtui billing resume" if running.cancel_at_period_end else ""
    said = f"{to.name} is the plan now. {preview.due} was charged.{ends}"
    found = {"subscription": subscription_values(running, desk.zone)}
    return _told(arguments, said, _preview_values(preview, to, desk, done=True) | found)


def _show(preview: ChangePreview, to: Plan, desk: Desk) -> None:
    rows = [(line.text, str(line.amount)) for line in preview.lines]
    rows += [("Due now", str(preview.due))]
    width, figures = (max(len(row[column]) for row in rows) for column in (0, 1))
    for text, amount in rows:
        say(f"{text:<{width}}  {amount:>{figures}}")
    say(f"Then {preview.price} a month for {to.name}, from {day(preview.renews, desk.zone)} on.")


def _agree(preview: ChangePreview, to: Plan, arguments: argparse.Namespace) -> None:
    """Raises unless exactly what is due was agreed to."""
    agreed: Money | None = arguments.due
    if agreed is not None and agreed != preview.due:
        raise Conflict(f"{preview.due} is due now, not {agreed}. Nothing was changed.", due=jsonable(preview.due))
    if agreed is None and not arguments.yes:
        confirm(f"Change to {to.name} and pay {preview.due} now?")


def _charged(desk: Desk, preview: ChangePreview) -> Subscription:
    from orgtui.billing.provider import Declined

    try:
        changed: Subscription = desk.wait(desk.service.upgrade(preview))
    except Declined as error:
        hint = f"Nothing was changed; to pay with another card: {PORTAL}"
        raise Declined(f"{error.message} {hint}", **error.details) from None
    return changed


# Downwards: at the end of the period.


def _downgrade(desk: Desk, running: Subscription, to: Plan, lost: list[str], arguments: argparse.Namespace) -> int:
    for line in lost:
        complain(line)
    action = "cancel" if to is FREE else "downgrade"
    told = {"lost": lost, "effective": local(running.end, desk.zone), "due": Money(0), "price": Money(to.cents or 0)}
    if arguments.dry_run:
        said = f"{plan_name(running.plan)} would stay until {day(running.end, desk.zone)}, and {to.name} follow."
        return _told(arguments, f"{said} Nothing was changed.", _values(action, to, done=False, **told))
    do = desk.service.cancel() if to is FREE else desk.service.downgrade(to.key)
    changed: Subscription = desk.wait(do)
    found = {"subscription": subscription_values(changed, desk.zone)}
    said = f"{plan_name(changed.plan)} {to_come(changed, desk.zone)}. Until then: {_undo(changed)}"
    return _told(arguments, said, _values(action, to, done=True, **told) | found)


def _undo(changed: Subscription) -> str:
    if changed.cancel_at_period_end:
        return "orgtui billing resume takes it back."
    return f"orgtui billing change --keep keeps {plan_name(changed.plan)}."


def cancel(arguments: argparse.Namespace) -> int:
    """End the subscription with its period."""
    with serving(arguments) as desk:
        running = _running(desk)
        if running.cancel_at_period_end:
            said = f"{plan_name(running.plan)} {to_come(running, desk.zone)} already; nothing was changed."
            return _unchanged(desk, running, said, arguments)
        page = desk.wait(desk.store.billing.show())
        for line in misfits(running.plan or page.plan, FREE, page.runs.used):
            complain(line)
        changed: Subscription = desk.wait(desk.service.cancel())
        said = f"{plan_name(changed.plan)} {to_come(changed, desk.zone)}, and Free follows. {_undo(changed)}"
        return _done(desk, changed, said, arguments)


# Back.


def resume(arguments: argparse.Namespace) -> int:
    """Take back `cancel`."""
    with serving(arguments) as desk:
        running = _running(desk)
        if not running.cancel_at_period_end:
            said = f"It was not cancelled: {plan_name(running.plan)} {to_come(running, desk.zone)}."
            return _unchanged(desk, running, said, arguments)
        changed: Subscription = desk.wait(desk.service.resume())
        said = f"{plan_name(changed.plan)} goes on, and {to_come(changed, desk.zone)}."
        return _done(desk, changed, said, arguments)


def _keep(arguments: argparse.Namespace) -> int:
    with serving(arguments) as desk:
        running = _running(desk)
        if running.scheduled is None:
            said = f"No change is scheduled: {plan_name(running.plan)} {to_come(running, desk.zone)}."
            return _unchanged(desk, running, said, arguments)
        if arguments.dry_run:
            said = f"{plan_name(running.plan)} would stay. Nothing was changed."
            return _unchanged(desk, running, said, arguments)
        changed: Subscription = desk.wait(desk.service.keep())
        return _done(desk, changed, f"{plan_name(changed.plan)} stays.", arguments)


def _running(desk: Desk) -> Subscription:
    running: Subscription | None = desk.wait(desk.service.refresh())
    if running is None or running.status.ended:
        raise Conflict("No subscription is running.")
    return running


# The provider's own pages.


def portal(arguments: argparse.Namespace) -> int:
    """Print the address of the customer portal."""
    from orgtui.billing.provider import PortalPage

    page = PortalPage.PAYMENT_METHOD if arguments.payment_method else PortalPage.HOME
    with serving(arguments) as desk:
        url = desk.wait(desk.service.manage(page))
    return _told(arguments, url, {"url": url})


# What is printed.


def _values(action: str, to: Plan, *, done: bool, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "due": None,
        "price": None,
        "lines": [],
        "effective": None,
        "lost": [],
        "subscription": None,
    }
    return {"action": action, "plan": to.key, "changed": done} | told | more


def _preview_values(preview: ChangePreview, to: Plan, desk: Desk, *, done: bool) -> dict[str, Any]:
    at, lines = local(preview.at, desk.zone), list(preview.lines)
    return _values("upgrade", to, done=done, due=preview.due, price=preview.price, lines=lines, effective=at)


def _done(desk: Desk, running: Subscription, said: str, arguments: argparse.Namespace) -> int:
    told = {"changed": True, "subscription": subscription_values(running, desk.zone)}
    return _told(arguments, said, told)


def _unchanged(desk: Desk, running: Subscription, said: str, arguments: argparse.Namespace) -> int:
    told = {"changed": False, "subscription": subscription_values(running, desk.zone)}
    return _told(arguments, said, told)


def _told(arguments: argparse.Namespace, said: str, told: dict[str, Any]) -> int:
    if arguments.json:
        print_json(told)
    else:
        say(said)
    return 0
