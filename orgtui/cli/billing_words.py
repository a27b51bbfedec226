"""What Billing says on the command line: values for scripts, and the same in words for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.billing.words import card_name, day, plan_name
from orgtui.domain.attention import Attention
from orgtui.domain.figures import percent, some
from orgtui.domain.money import Cost, Money
from orgtui.domain.months import zone_or_utc
from orgtui.domain.plans import BY_KEY, Move, Plan, move
from orgtui.domain.subscriptions import Card, Subscription, SubscriptionStatus
from orgtui.store.contract.billing import BillingPage, CreditBalance, Payment, PaymentStatus, RunsUsed

PORTAL = "orgtui billing portal --payment-method"
TEST_MODE = "Test mode: no real money."
_SUBSCRIPTION = {
    SubscriptionStatus.TRIALING: "Trial",
    SubscriptionStatus.ACTIVE: "Active",
    SubscriptionStatus.PAST_DUE: "Payment past due",
    SubscriptionStatus.INCOMPLETE: "First payment incomplete",
    SubscriptionStatus.INCOMPLETE_EXPIRED: "Did not begin: its first payment was not confirmed in time",
    SubscriptionStatus.UNPAID: "Unpaid",
    SubscriptionStatus.PAUSED: "Paused: its trial ended without a card",
}
_ATTENTION = {
    Attention.UNPAID: f"The last invoice is unpaid, and the limits of Free count until it is paid: {PORTAL}",
    Attention.INCOMPLETE: f"The first payment is not confirmed; the bank may want your consent: {PORTAL}",
    Attention.PAUSED: f"The trial ended without a card, and the limits of Free count until there is one: {PORTAL}",
    Attention.CREDITS_EMPTY: "No AI credits are left: orgtui billing buy AMOUNT",
    Attention.CREDITS_LOW: "AI credits are low: less than the smallest package is left.",
    Attention.RUNS_USED_UP: "All workflow runs of this cycle are used; a larger plan has more.",
    Attention.RUNS_NEARLY_USED_UP: "Four fifths of this cycle's workflow runs are used.",
}
_CHANGES = {
    Move.CURRENT: "Current plan",
    Move.UPGRADE: "Upgrade",
    Move.DOWNGRADE: "Downgrade",
    Move.CONTACT: "Contact sales",
}


# Values.


def local(when: datetime | None, zone: ZoneInfo) -> datetime | None:
    """An instant as *zone* writes it."""
    return when.astimezone(zone) if when else None


def payment_values(payment: Payment, zone: ZoneInfo) -> dict[str, Any]:
    """A payment under the names that scripts rely on."""
    return {
        "purchase": payment.id,
        "date": local(payment.created, zone),
        "for": payment.kind,
        "package": payment.package or None,
        "plan": payment.plan,
        "amount": payment.amount,
        "status": payment.status,
        "mode": payment.mode,
        "expires": local(payment.expires, zone),
        "withdrawn": payment.withdrawn,
        "refunded": payment.refunded,
        "receipt": payment.receipt,
        "receipt_url": payment.receipt_url,
        "trouble": payment.trouble,
        "by": payment.created_by,
    }


def subscription_values(running: Subscription | None, zone: ZoneInfo) -> dict[str, Any] | None:
    """A subscription under the names that scripts rely on; `renews` or `ends` or neither is there."""
    if running is None:
        return None
    stays = not (running.status.ended or running.cancel_at_period_end)
    card, change, owing = running.card, running.scheduled, running.owing
    expires = f"{card.expires[0]}-{card.expires[1]:02}" if card and card.expires else None
    return {
        "status": running.status,
        "plan": running.plan,
        "price": running.price,
        "start": local(running.start, zone),
        "renews": local(running.end, zone) if stays else None,
        "ends": None if stays else local(running.end, zone),
        "scheduled": change and {"plan": change.plan, "price": change.price, "at": local(change.at, zone)},
        "card": card and {"brand": card.brand, "last4": card.last4, "expires": expires},
        "owing": owing
        and {
            "amount": owing.amount,
            "attempts": owing.attempts,
            "next_attempt": local(owing.next_attempt, zone),
        },
        "others": running.others,
    }


def page_values(page: BillingPage) -> dict[str, Any]:
    """All that `status` says, under the names that scripts rely on."""
    zone = zone_or_utc(page.timezone)
    runs = page.runs
    return {
        "plan": page.plan,
        "price": _paid(page),
        "mode": page.mode,
        "subscription": subscription_values(page.subscription, zone),
        "workflow_runs": {
            "used": runs.used,
            "limit": runs.limit,
            "start": local(runs.start, zone),
            "resets": local(runs.end, zone),
        },
        "credits": page.credits,
        "waiting": [payment_values(payment, zone) for payment in page.waiting],
        "attention": page.attention,
        "read": local(page.read, zone),
        "timezone": page.timezone,
    }


def plan_values(plan: Plan, current: str) -> dict[str, Any]:
    """A row of Available Plans under the names that scripts rely on."""
    return {
        "plan": plan.key,
        "name": plan.name,
        "price": None if plan.cents is None else Money(plan.cents),
        "workflow_runs": plan.runs,
        "nodes": plan.nodes,
        "hosting": plan.hosting,
        "change": _move(current, plan),
    }


def _move(current: str, plan: Plan) -> Move:
    return move(current, plan.key) if current in BY_KEY else Move.CONTACT


def _paid(page: BillingPage) -> Money | None:
    """What is paid a month: who keeps an old price keeps it."""
    running, plan = page.subscription, BY_KEY.get(page.plan)
    if running is not None and running.status.has_plan:
        return running.price
    return None if plan is None or plan.cents is None else Money(plan.cents)


# Words.


def thing(payment: Payment) -> str:
    """What a payment is for, in a sentence."""
    return plan_name(payment.plan) if payment.kind == "plan" else "AI credits"


def plan_row(plan: Plan, current: str) -> tuple[str, ...]:
    """A row of Available Plans."""
    return plan.name, plan.price, plan.runs_text, plan.nodes, plan.hosting, _CHANGES[_move(current, plan)]


def standing(running: Subscription | None, zone: ZoneInfo) -> str:
    """How a subscription is, and what is about to happen to it."""
    if running is None:
        return "None"
    if running.status is SubscriptionStatus.CANCELED:
        return f"Ended on {day(running.end, zone)}"
    said = _SUBSCRIPTION[running.status]
    return f"{said}; {to_come(running, zone)}" if running.status.has_plan else said


def to_come(running: Subscription, zone: ZoneInfo) -> str:
    """`renews on 1 Dec 2026`, or what happens instead."""
    if running.cancel_at_period_end:
        return f"ends on {day(running.end, zone)}"
    if (change := running.scheduled) is not None:
        return f"changes to {plan_name(change.plan)} ({change.price} a month) on {day(change.at, zone)}"
    return f"renews on {day(running.end, zone)}"


def page_lines(page: BillingPage, now: datetime) -> list[tuple[str, str]]:
    """All that `status` says, label and words; what goes on from the line above has no label."""
    zone, running = zone_or_utc(page.timezone), page.subscription
    plan = BY_KEY.get(page.plan)
    paid = _paid(page)
    price = plan.price if plan and (paid is None or paid.minor == plan.cents) else f"{paid}/mo"
    lines = [("Plan", f"{plan_name(page.plan)}, {price}"), ("Subscription", standing(running, zone))]
    if running is not None and running.card is not None and not running.status.ended:
        lines.append(("Paid with", _card(running.card)))
    if running is not None and running.others:
        lines.append(("", f"{some(len(running.others), 'more subscription')} beside it: {', '.join(running.others)}"))
    lines.append(("Workflow Runs", _runs(page.runs, zone)))
    lines += [("AI Credits", _balance(page.credits)), ("", _lasts(page.credits))]
    lines += [("Waiting" if not index else "", _waits(one, now, zone)) for index, one in enumerate(page.waiting)]
    if page.read is not None:
        lines.append(("As of", f"{page.read.astimezone(zone):%-d %b %Y, %H:%M} ({page.timezone})"))
    return [line for line in lines if line[1]]


def _card(card: Card) -> str:
    expires = f", valid until {card.expires[1]:02}/{card.expires[0]}" if card.expires else ""
    return f"{card_name(card)}{expires}"


def _runs(runs: RunsUsed, zone: ZoneInfo) -> str:
    resets = f"reset on {day(runs.end, zone)}"
    if runs.limit is None:
        return f"{runs.used:,}, of a custom volume; {resets}"
    share = percent(runs.used / runs.limit)
    return f"{runs.used:,} / {runs.limit:,} ({share}); {resets}"


def _balance(held: CreditBalance) -> str:
    if held.balance.amount < 0:
        return f"{_positive(held.balance)} are owed: more was used or taken back than was bought"
    if held.pool.amount <= 0:
        return f"{held.balance}; nothing was bought yet"
    return f"{held.balance} left; {held.used} of {held.pool.exact()} used"


def _positive(cost: Cost) -> str:
    return Cost(abs(cost.amount), cost.currency).exact()


def _lasts(held: CreditBalance) -> str:
    if held.daily is None or not held.daily.amount:
        return ""
    if held.days_left is None:
        return f"{held.daily} a day"
    left = some(held.days_left, "day") if held.days_left else "less than a day"
    return f"about {left} at {held.daily} a day"


def _waits(payment: Payment, now: datetime, zone: ZoneInfo) -> str:
    what = f"{payment.amount} for {thing(payment)}"
    if payment.status is PaymentStatus.PROCESSING:
        return f"{what}: was paid, and the bank has yet to confirm ({payment.id})"
    if payment.withdrawn:
        return f"{what}: is being cancelled ({payment.id})"
    if payment.expires <= now:
        return f"{what}: its page has closed; orgtui billing reconcile tells how it ended ({payment.id})"
    return f"{what}: can be paid until {payment.expires.astimezone(zone):%H:%M} ({payment.id})"


def attention_line(attention: Attention, page: BillingPage) -> str:
    """What is wrong, and what can be done about it."""
    if attention is Attention.PAST_DUE:
        return f"{_owing(page)} Pay it or change the card, or the plan ends: {PORTAL}"
    if attention is Attention.CREDITS_OVERDRAWN:
        return f"{_positive(page.credits.balance)} of AI credits are owed; the next credits go there first."
    return _ATTENTION[attention]


def _owing(page: BillingPage) -> str:
    owing = page.subscription.owing if page.subscription else None
    if owing is None:
        return "An invoice was not paid."
    again = f"; next try {day(owing.next_attempt, zone_or_utc(page.timezone))}" if owing.next_attempt else ""
    return f"{owing.amount} could not be charged (attempt {owing.attempts}{again})."
