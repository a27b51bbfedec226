"""What Billing says: each state of plan, credits and payment in words, with what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orgtui.billing.words import card_name, day, package_name, plan_name
from orgtui.domain import figures
from orgtui.domain.attention import Attention
from orgtui.domain.figures import some
from orgtui.domain.money import ZERO, Money
from orgtui.domain.months import local_day, zone_or_utc
from orgtui.domain.plans import BY_KEY, PLANS, Move, Plan, move
from orgtui.domain.subscriptions import Subscription, SubscriptionStatus
from orgtui.domain.text import clean
from orgtui.store.contract.billing import BillingPage, CreditBalance, Payment, PaymentStatus, RunsUsed
from orgtui.widgets.banners import Banner
from orgtui.widgets.billing_panels import CURRENT, Gauge, PlanFacts
from orgtui.widgets.plan_table import PlanRow

_NEARLY = Decimal("0.8")
_MANAGE, _PAY = ("m", "Manage Subscription"), ("o", "Pay it")
SECURELY = "Payments are processed securely through Stripe"
CARDS = "(Visa, Mastercard, American Express)"
NEVER_EXPIRE = "Credits never expire and work across all AI providers."


def _when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    days = (local_day(moment, zone) - local_day(now, zone)).days
    near = {0: "today", 1: "tomorrow"}.get(days, f"in {some(days, 'day')}" if days > 1 else "")
    return f"{day(moment, zone)}, {near}" if near else day(moment, zone)


# The plan.


def plan_facts(page: BillingPage, now: datetime) -> PlanFacts:
    """The plan, what is to know about it, and its runs."""
    zone, plan, running = zone_or_utc(page.timezone), BY_KEY.get(page.plan), page.subscription
    price = plan.price if plan else ""
    if running is not None and running.status.has_plan and plan and running.price.minor != plan.cents:
        # Who keeps an old price keeps it.
        price = f"{running.price}/mo"
    return PlanFacts(plan_name(page.plan), price, _about(page, zone), _runs(page.runs, now, zone))


def _about(page: BillingPage, zone: ZoneInfo) -> str:
    running = page.subscription
    told = [CURRENT]
    if running is None or running.status.ended:
        told.append("paid plans have more runs and need a card" if page.plan == "free" else "no subscription")
    elif running.status is SubscriptionStatus.PAST_DUE:
        told.append("payment past due")
    elif not running.status.has_plan:
        told.append(f"{plan_name(running.plan)} rests")
    else:
        told.append(_goes_on(running, zone))
    if running is not None and running.card is not None and not running.status.ended:
        told.append(card_name(running.card))
    return " · ".join(told)


def _goes_on(running: Subscription, zone: ZoneInfo) -> str:
    at = day(running.end, zone)
    if running.cancel_at_period_end:
        return f"ends {at}"
    if running.scheduled is not None:
        return f"changes to {plan_name(running.scheduled.plan)} on {day(running.scheduled.at, zone)}"
    if running.status is SubscriptionStatus.TRIALING:
        return f"trial until {at}, then {running.price} a month"
    return f"renews {at}"


def _runs(runs: RunsUsed, now: datetime, zone: ZoneInfo) -> Gauge:
    resets = f"Resets {_when(runs.end, now, zone)}"
    if runs.limit is None:
        return Gauge("Workflow Runs", 0, "", f"{runs.used:,}", f"Custom volume · {resets}")
    share = runs.used / runs.limit
    left = runs.limit - runs.used
    words = f"{resets} · {some(left, 'run')} left" if left >= 0 else f"{resets} · {some(-left, 'run')} over the limit"
    tone = "err" if share >= 1 else "warn" if share >= _NEARLY else "accent"
    return Gauge("Workflow Runs", share, figures.percent(share), f"{runs.used:,} / {runs.limit:,}", words, tone)


def plan_rows(page: BillingPage) -> tuple[PlanRow, ...]:
    """The five plans, with what can be done about each."""
    zone = zone_or_utc(page.timezone)
    return tuple(
        PlanRow(
            plan.key,
            plan.name,
            plan.price,
            plan.runs_text,
            plan.nodes,
            plan.hosting,
            button=_BUTTONS[move(page.plan, plan.key)] if page.plan in BY_KEY else "Contact sales",
            said=_coming(page.subscription, plan, zone),
            current=plan.key == page.plan,
        )
        for plan in PLANS
    )


_BUTTONS = {Move.CURRENT: "", Move.UPGRADE: "Upgrade", Move.DOWNGRADE: "Downgrade", Move.CONTACT: "Contact sales"}


def _coming(running: Subscription | None, plan: Plan, zone: ZoneInfo) -> str:
    """When a plan begins that was chosen already."""
    if running is None or running.status.ended:
        return ""
    if running.scheduled is not None and running.scheduled.plan == plan.key:
        return f"from {day(running.scheduled.at, zone)}"
    return f"from {day(running.end, zone)}" if running.cancel_at_period_end and plan.key == "free" else ""


def undo_words(running: Subscription | None) -> str:
    """What the change that is to come can be undone with: Resume, Keep Business, or nothing."""
    if running is None or running.status.ended:
        return ""
    if running.cancel_at_period_end:
        return "Resume"
    return f"Keep {plan_name(running.plan)}" if running.scheduled is not None else ""


# What is to be told first.


def subscription_banners(page: BillingPage) -> Iterator[Banner]:
    """What is wrong with the plan, or about to change."""
    zone, running = zone_or_utc(page.timezone), page.subscription
    for payment in page.waiting:
        if payment.kind == "plan":
            yield _waits_for_plan(payment)
    if running is not None:
        yield from _standing(running, zone)
    for attention in page.attention:
        if attention in (Attention.RUNS_USED_UP, Attention.RUNS_NEARLY_USED_UP):
            yield _runs_banner(attention, page, zone)


def _waits_for_plan(payment: Payment) -> Banner:
    name = package_name(payment)
    if payment.status is PaymentStatus.PROCESSING:
        return Banner("accent", f"{name} was paid", "The bank has yet to confirm; the plan begins when it does.")
    return Banner("accent", f"{name} waits for its payment", f"{payment.amount} for the first month.", "o", "Pay it")


def _standing(running: Subscription, zone: ZoneInfo) -> Iterator[Banner]:
    name, at = plan_name(running.plan), day(running.end, zone)
    if running.status is SubscriptionStatus.PAST_DUE:
        yield Banner("err", "Payment past due", f"{_owing(running, zone)} {name} stays meanwhile.", *_PAY)
    elif running.status is SubscriptionStatus.UNPAID:
        words = f"{_owing(running, zone)} {name} rests and the limits of Free count until it is paid."
        yield Banner("err", "Unpaid", words, *_PAY)
    elif running.status is SubscriptionStatus.INCOMPLETE:
        words = f"{name} begins when its first payment is confirmed; the bank may want your consent. Free until then."
        yield Banner("warn", "First payment incomplete", words, *_MANAGE)
    elif running.status is SubscriptionStatus.INCOMPLETE_EXPIRED:
        words = "Its first payment was not confirmed in time; nothing was charged. Choose a plan to begin again."
        yield Banner("dim", f"{name} did not begin", words)
    elif running.status is SubscriptionStatus.PAUSED:
        words = f"The trial of {name} ended without a card, so the limits of Free count until there is one."
        yield Banner("warn", "Paused", words, *_MANAGE)
    elif running.status is SubscriptionStatus.CANCELED:
        yield Banner("dim", f"{name} has ended", "Choose a plan to begin again.")
    if running.status.ended:
        return
    if running.cancel_at_period_end:
        yield Banner("warn", f"Ends {at}", f"{name} stays until then; Free follows.", "u", "Resume")
    elif (change := running.scheduled) is not None:
        words = f"{change.price} a month from then on; {name} stays until then."
        yield Banner(
            "accent", f"Changes to {plan_name(change.plan)} on {day(change.at, zone)}", words, "u", f"Keep {name}"
        )
    if running.others:
        words = f"{', '.join(map(clean, running.others))}: cancel what you do not want."
        yield Banner("warn", f"{some(len(running.others), 'more subscription')} beside this one", words, *_MANAGE)


def _owing(running: Subscription, zone: ZoneInfo) -> str:
    if (owing := running.owing) is None:
        return "An invoice was not paid."
    tried = f"{owing.amount} could not be charged at attempt {owing.attempts}"
    if owing.next_attempt is None:
        return f"{tried}, and is not tried again by itself."
    return f"{tried}; next try {day(owing.next_attempt, zone)}. Pay it now, or change the card with m."


def _runs_banner(attention: Attention, page: BillingPage, zone: ZoneInfo) -> Banner:
    resets = f"They reset on {day(page.runs.end, zone)}."
    if attention is Attention.RUNS_USED_UP:
        return Banner("err", "All runs of this cycle are used", resets)
    return Banner("warn", "Four fifths of the runs are used", resets)


def credit_banners(page: BillingPage) -> Iterator[Banner]:
    """What the balance lacks, and purchases that wait."""
    # That more than all is used, the card below says itself.
    for attention in page.attention:
        if attention is Attention.CREDITS_EMPTY:
            yield Banner("err", "No credits are left", "Calls without a key of your own need some.")
        elif attention is Attention.CREDITS_LOW:
            yield Banner("warn", "Credits are low", "Less than the smallest package is left.")
    waiting = [payment for payment in page.waiting if payment.kind == "credits"]
    if len(waiting) == 1:
        yield _waits(waiting[0])
    elif waiting:
        total = Money(sum(payment.amount.minor for payment in waiting), waiting[0].amount.currency)
        words = f"{total} in all. Open one in the history with enter, or"
        yield Banner("accent", f"{len(waiting)} purchases wait", words, "o", "the newest")


def _waits(payment: Payment) -> Banner:
    if payment.status is PaymentStatus.PROCESSING:
        return Banner("accent", f"{payment.amount} was paid", "The credits arrive when the bank confirms.")
    return Banner("accent", f"{payment.amount} waits for its payment", "", "o", "Pay it")


# The credits.


def balance_gauge(balance: CreditBalance, *, short: bool = False) -> Gauge:
    """The balance card: in `percent` what remains, which is the figure that counts."""
    left, pool = balance.balance, balance.pool
    if left.amount < ZERO:
        words = "More was used than was bought; the next purchase pays that first."
        return Gauge("below zero", 1, left.exact(), f"{balance.used} used", words, "err")
    share = float(balance.used.amount / pool.amount) if pool.amount > ZERO else 0.0
    used = f"{balance.used} of {pool.exact()} used" if pool.amount > ZERO else "nothing bought yet"
    shared = "Shared by all workspaces." if short else "Shared across all workspaces, never expires."
    tone = "warn" if left.amount < 10 else "accent"
    return Gauge("remaining", share, str(left), used, f"{_lasts(balance)}{shared}", tone)


def _lasts(balance: CreditBalance) -> str:
    if balance.daily is None or balance.daily.amount <= ZERO:
        return "Nothing is used at the moment. " if balance.pool.amount > ZERO else ""
    if balance.days_left is None:
        return f"{balance.daily} a day. "
    left = some(balance.days_left, "day") if balance.days_left else "less than a day"
    return f"About {left} at {balance.daily} a day. "
