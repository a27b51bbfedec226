"""`orgtui billing`: status, plans, change, cancel, resume, portal, buy, purchases, ledger, reconcile, setup."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orgtui.billing.words import STATUSES, package_name, plan_name
from orgtui.cli import billing_changes as changes
from orgtui.cli import billing_paying as paying
from orgtui.cli import billing_words as words
from orgtui.cli.billing_serving import complain, serving
from orgtui.cli.output import ask, csv_columns, print_json, say, table, write_csv
from orgtui.domain.ambient import system_ambient
from orgtui.domain.credits import euros
from orgtui.domain.errors import Invalid
from orgtui.domain.figures import some
from orgtui.domain.money import Cost
from orgtui.domain.months import zone_or_utc
from orgtui.domain.plans import PLANS
from orgtui.store.contract import Store
from orgtui.store.contract.billing import LONGEST_PAGE, BillingPage, LedgerEntry, LedgerPage, Payment, PaymentsPage

if TYPE_CHECKING:
    from orgtui.billing.provider import SetupReport
    from orgtui.billing.results import Reconciled

_ATTENTION = "Exit code 0 when nothing wants attention, 1 when something does (for cron). No network is used."
_PAYING = "Exit code 0 when it is paid (with --no-wait: when it can be), 1 when it failed, expired or was cancelled."


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    status = verbs.add_parser("status", help="plan, runs, credits, what wants attention", description=_ATTENTION)
    status.set_defaults(run=_status)
    plans = verbs.add_parser("plans", help="the five plans")
    plans.set_defaults(run=_plans)
    change = _add_change(verbs)
    cancel = verbs.add_parser("cancel", help="end the subscription with its period; resume takes it back")
    cancel.set_defaults(run=changes.cancel)
    resume = verbs.add_parser("resume", help="take back cancel")
    resume.set_defaults(run=changes.resume)
    portal = verbs.add_parser("portal", help="the address of Stripe's pages: cards, invoices; works for whoever has it")
    portal.add_argument("--payment-method", action="store_true", help="where the card is changed")
    portal.set_defaults(run=changes.portal)
    buy = verbs.add_parser("buy", help="buy AI credits", description=f"Buy AI credits. {_PAYING}")
    buy.add_argument("amount", metavar="AMOUNT", help="in euros: 10, 12.34, 12,34, €12")
    buy.add_argument("--qr", action="store_true", help="a short address, and its QR code on a terminal")
    buy.set_defaults(run=paying.buy)
    for verb in (change, buy):
        verb.add_argument("--no-wait", action="store_true", help="print where to pay, and end")
    purchases = _add_purchases(verbs)
    ledger = verbs.add_parser("ledger", help="every movement of the balance, the newest first")
    ledger.set_defaults(run=_ledger)
    for verb in (purchases, ledger):
        verb.add_argument("--limit", type=_count, metavar="N", help="the newest so many (all)")
    told = "Exit code 1 when something was paid that the books have never heard of."
    reconcile = verbs.add_parser("reconcile", help="bring the books up to what Stripe has", description=told)
    reconcile.set_defaults(run=_reconcile)
    setup = _add_setup(verbs)
    _add_shapes((plans, purchases, ledger), (status, change, cancel, resume, portal, buy, reconcile, setup))


def _add_change(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    about = (
        "An upgrade is charged at once: the price is shown first, and asked about on a terminal. A downgrade comes "
        "with the end of the period, and so does free. Without a subscription, the first month is paid "
        "on Stripe's page."
    )
    change = verbs.add_parser("change", help="change the plan", description=about)
    what = change.add_mutually_exclusive_group(required=True)
    keys = ", ".join(plan.key for plan in PLANS if plan.cents is not None)
    what.add_argument("plan", nargs="?", type=changes.plan, metavar="PLAN", help=keys)
    what.add_argument("--keep", action="store_true", help="keep the plan: forget the change that is scheduled")
    how = change.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="pay what is due, without being asked")
    how.add_argument("--due", type=euros, metavar="AMOUNT", help="pay if exactly this is due, without being asked")
    how.add_argument("--dry-run", action="store_true", help="only say what would happen")
    change.set_defaults(run=changes.change)
    return change


def _add_purchases(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    purchases = verbs.add_parser("purchases", help="purchases of AI credits, the newest first; or one payment")
    purchases.add_argument("purchase", nargs="?", metavar="ID", help="this payment only")
    what = purchases.add_mutually_exclusive_group()
    what.add_argument("--wait", action="store_true", help="show again where it is paid, and wait for that")
    what.add_argument("--cancel", action="store_true", help="it is not wanted any more: close its page")
    purchases.set_defaults(run=_purchases)
    return purchases


def _add_setup(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    about = (
        "Make products, prices and the customer portal in the Stripe account of ORGTUI_STRIPE_SECRET_KEY, and mend "
        "what differs. A second time changes nothing. Look first, with --dry-run."
    )
    setup = verbs.add_parser("setup", help="make the catalogue in a Stripe account", description=about)
    setup.add_argument("--dry-run", action="store_true", help="only say what would be changed")
    setup.add_argument("--live", action="store_true", help="needed with a live key, refused with any other")
    setup.add_argument("--webhook-url", metavar="URL", help="let Stripe report there; its secret is printed this once")
    setup.set_defaults(run=_setup)
    return setup


def _add_shapes(lists: tuple[argparse.ArgumentParser, ...], others: tuple[argparse.ArgumentParser, ...]) -> None:
    for verb in lists:
        shape = verb.add_mutually_exclusive_group()
        shape.add_argument("--csv", action="store_true", help="print CSV")
        shape.add_argument("--json", action="store_true", help="print one JSON value")
    for verb in others:
        verb.add_argument("--json", action="store_true", help="print one JSON value")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of entries, from 1 on")
    return int(text)


# How it stands.


async def _page(store: Store) -> BillingPage:
    return await store.billing.show()


def _status(arguments: argparse.Namespace) -> int:
    page = ask(arguments, _page)
    if arguments.json:
        print_json(words.page_values(page))
    else:
        if page.mode == "test":
            say(words.TEST_MODE)
        for label, line in words.page_lines(page, system_ambient().now()):
            say(f"{label:<15}{line}".rstrip())
        for attention in page.attention:
            say(f"! {words.attention_line(attention, page)}")
    return int(bool(page.attention))


def _plans(arguments: argparse.Namespace) -> None:
    current = ask(arguments, _page).plan
    rows = [words.plan_values(plan, current) for plan in PLANS]
    if arguments.json:
        print_json({"plan": current, "plans": rows})
    elif arguments.csv:
        write_csv(rows, [*list(rows[0])[:3], "price_currency", *list(rows[0])[3:]], sys.stdout)
    else:
        header = ("Plan", "Price", "Workflow Runs", "Nodes", "Hosting", "")
        table(header, [words.plan_row(plan, current) for plan in PLANS])


# The history.


def _purchases(arguments: argparse.Namespace) -> int:
    if arguments.purchase is None and (arguments.wait or arguments.cancel):
        raise Invalid("Say which payment: orgtui billing purchases ID.", field="purchase")
    if arguments.wait:
        return paying.again(arguments)
    if arguments.cancel:
        return paying.cancel(arguments)
    zone, listed, payments = ask(arguments, lambda store: _found(store, arguments))
    rows = [words.payment_values(one, zone) for one in payments]
    if arguments.csv:
        write_csv(rows, _payment_columns(), sys.stdout)
    elif arguments.json:
        print_json(rows[0] if listed is None else {"total": listed.total, "timezone": zone.key, "purchases": rows})
    elif listed is None:
        paying.show(payments[0], zone)
    else:
        _print_purchases(payments, zone)
    return 0


async def _found(store: Store, arguments: argparse.Namespace) -> tuple[ZoneInfo, PaymentsPage | None, list[Payment]]:
    """The one that was named; or the page of all."""
    if arguments.purchase is not None:
        zone = zone_or_utc((await _page(store)).timezone)
        return zone, None, [await store.billing.payment(arguments.purchase)]
    page = await _all(store.billing.payments, lambda page: page.payments, arguments.limit)
    return zone_or_utc(page.timezone), page, page.payments


async def _all(
    question: Callable[[Any, int], Awaitable[Any]], rows: Callable[[Any], list[Any]], limit: int | None
) -> Any:
    """Pages joined to one of at most *limit* rows."""
    found: list[Any] = []
    before = None
    while True:
        page = await question(before, min(LONGEST_PAGE, limit - len(found)) if limit else LONGEST_PAGE)
        found += rows(page)
        before = page.next
        if before is None or len(found) == limit:
            rows(page)[:] = found
            return page


def _payment_columns() -> list[str]:
    """As in payment_values, money with its currency beside it."""
    names = "purchase date for package plan amount amount_currency status mode expires withdrawn refunded"
    return [*names.split(), "refunded_currency", "receipt", "receipt_url", "trouble", "by"]


def _print_purchases(payments: list[Payment], zone: ZoneInfo) -> None:
    if not payments:
        say("No credits were bought yet: orgtui billing buy AMOUNT")
        return
    table(
        ("Date", "Amount", "Package", "Status", "Refunded", "Receipt", "Purchase"),
        [
            (
                f"{one.created.astimezone(zone):%-d %b %Y, %H:%M}",
                str(one.amount),
                package_name(one),
                STATUSES[one.status].word,
                str(one.refunded) if one.refunded.minor else "",
                one.receipt or "",
                one.id,
            )
            for one in payments
        ],
        right=(1, 4),
    )


def _ledger(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> LedgerPage:
        page: LedgerPage = await _all(store.billing.ledger, lambda page: page.entries, arguments.limit)
        return page

    page = ask(arguments, question)
    zone = zone_or_utc(page.timezone)
    entries = [replace(entry, at=entry.at.astimezone(zone)) for entry in page.entries]
    if arguments.json:
        head = {"balance": page.balance, "total": page.total, "timezone": page.timezone}
        print_json(head | {"entries": entries})
    elif arguments.csv:
        write_csv(entries, csv_columns(LedgerEntry), sys.stdout)
    else:
        say(f"Balance {page.balance}")
        if entries:
            _print_ledger(entries)


def _print_ledger(entries: list[LedgerEntry]) -> None:
    table(
        ("Date", "Kind", "What", "Amount", "Balance", "Payment"),
        [
            (
                f"{entry.at:%-d %b %Y, %H:%M}",
                entry.kind.value.capitalize(),
                entry.text,
                _signed(entry.amount),
                str(entry.balance),
                entry.payment or "",
            )
            for entry in entries
        ],
        right=(3, 4),
    )


def _signed(amount: Cost) -> str:
    """`+€10.00`, `−€0.42`; what rounds to nothing is something still."""
    if amount.amount < 0:
        return f"−{Cost(-amount.amount, amount.currency)}"
    return f"+{amount}"


# The provider.


def _reconcile(arguments: argparse.Namespace) -> int:
    with serving(arguments, to_look=True) as desk:
        found: Reconciled = desk.wait(desk.service.reconcile())
        zone = desk.zone
    if arguments.json:
        decided = {
            "paid": [words.payment_values(one, zone) for one in found.paid],
            "ended": [words.payment_values(one, zone) for one in found.ended],
        }
        subscription = words.subscription_values(found.subscription, zone)
        rest = {"reversals": found.reversals, "unknown": found.unknown, "subscription": subscription}
        print_json(decided | rest)
    else:
        _print_reconciled(found, zone)
    for checkout in found.unknown:
        complain(
            f"{checkout} was paid for this organization, but these books have never heard of it (an old backup, "
            "perhaps). No credits were given for it: look at it in Stripe's Dashboard."
        )
    return int(bool(found.unknown))


def _print_reconciled(found: Reconciled, zone: ZoneInfo) -> None:
    for one in (*found.paid, *found.ended):
        say(f"{one.amount} for {words.thing(one)}: {STATUSES[one.status].word.lower()} ({one.id})")
    if found.reversals:
        say(f"{some(found.reversals, 'refund or dispute', 'refunds or disputes')} entered in the ledger.")
    if not (found.paid or found.ended or found.reversals or found.unknown):
        say("No payment had changed.")
    if found.subscription is not None:
        say(f"{plan_name(found.subscription.plan)}: {words.standing(found.subscription, zone)}.")


def _setup(arguments: argparse.Namespace) -> None:
    from orgtui.billing.service import BillingService

    with serving(arguments) as desk:
        if not isinstance(desk.service, BillingService):
            raise Invalid("Stripe is set up where the server runs, with its --store.", field="store")
        mode = desk.service.mode
        if arguments.live and mode != "live":
            raise Invalid(f"--live is for a live key, and this is one of {mode} mode.", field="live")
        if mode == "live" and not arguments.live:
            raise Invalid("This is a live key, for real money; if that is meant, add --live.", field="live")
        setup = desk.service.setup(dry_run=arguments.dry_run, webhook_url=arguments.webhook_url)
        report: SetupReport = desk.wait(setup)
    secret = report.webhook_secret.reveal() if report.webhook_secret else None
    if arguments.json:
        print_json({"mode": mode, "dry_run": report.dry_run, "steps": report.steps, "webhook_secret": secret})
        return
    for step in report.steps:
        say(f"{step.action} {step.thing} {step.name}: {step.text}")
    if not report.steps:
        say("Stripe is set up as it should be; nothing to change.")
    elif report.dry_run:
        say("Nothing was changed: --dry-run.")
    if secret:
        say("The webhook's secret, shown this once:")
        say(f"ORGTUI_STRIPE_WEBHOOK_SECRET={secret}")
