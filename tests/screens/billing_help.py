"""An organization's billing in whatever state a test wants, and the demo's payment provider behind the screens."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from textual.pilot import Pilot

from orgtui.app import OrgTui
from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import BillingNotReady
from orgtui.billing.service import BillingService
from orgtui.domain.ambient import Ambient
from orgtui.domain.money import Money
from orgtui.domain.plans import BY_KEY
from orgtui.domain.subscriptions import Owing, Scheduled, Subscription, SubscriptionStatus
from orgtui.store import demo
from orgtui.store.contract.billing import BillingPage, Payment, PaymentStatus
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.conftest import TODAY
from tests.contract.arguments import keep
from tests.screens.harness import elsewhere, press, sees, until


async def page_of(database: SqliteDatabase) -> BillingPage:
    """What the books say."""
    page: BillingPage = await elsewhere(database, lambda opened: opened.store.billing.show())
    return page


async def stands(database: SqliteDatabase, **changes: Any) -> Subscription:
    """Let the provider have said that the subscription is like this."""

    async def change(opened: SqlStore) -> Subscription:
        running = (await opened.store.billing.show()).subscription
        assert running is not None
        if "plan" in changes:
            changes.setdefault("price", Money(BY_KEY[changes["plan"]].cents or 0))
        running = replace(running, **changes)
        await keep(opened.platform, running)
        return running

    subscription: Subscription = await elsewhere(database, change)
    return subscription


def states(end: datetime) -> dict[str, dict[str, Any]]:
    """Stripe's eight, and what may be to come beside them."""
    status = SubscriptionStatus
    owing = Owing(Money(67_000), "https://demo.invalid/invoice/1", 2, end)
    return {
        "active": {},
        "trialing": {"status": status.TRIALING},
        "past_due": {"status": status.PAST_DUE, "owing": owing},
        "incomplete": {"status": status.INCOMPLETE},
        "incomplete_expired": {"status": status.INCOMPLETE_EXPIRED},
        "unpaid": {"status": status.UNPAID, "owing": replace(owing, attempts=4, next_attempt=None)},
        "paused": {"status": status.PAUSED, "card": None},
        "canceled": {"status": status.CANCELED},
        "ends": {"cancel_at_period_end": True},
        "changes": {"scheduled": Scheduled("starter", Money(2_900), end)},
    }


async def provider_of(pilot: Pilot[Any]) -> DemoBilling:
    """Who seems to be paid."""
    assert isinstance(pilot.app, OrgTui)
    provider = (await pilot.app.billing_service()).provider
    assert isinstance(provider, DemoBilling)
    return provider


async def compared(pilot: Pilot[Any]) -> None:
    """The provider was asked what happened meanwhile."""
    await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers if worker.group == "reconcile"))


async def to_credits(pilot: Pilot[Any]) -> None:
    """The other tab, on its packages."""
    await press(pilot, "n")
    await sees(pilot, "Purchase AI Credits")


async def to_plan(pilot: Pilot[Any], plan: str) -> None:
    """The cursor on that plan."""
    pilot.app.screen.query_one("#plans").focus()
    await press(pilot, "home", *["down"] * list(BY_KEY).index(plan))


async def to_pay_screen(pilot: Pilot[Any]) -> Payment:
    """Buy what is chosen, up to the link."""
    await to_credits(pilot)
    await press(pilot, "enter", "enter")
    await sees(pilot, "Waiting for payment")
    payment: Payment = pilot.app.screen.page.payment  # type: ignore[attr-defined]
    return payment


def rewrite(database: SqliteDatabase, statement: str, *rows: tuple[Any, ...]) -> None:
    """Change the file itself: for states that take the provider months."""
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.executemany(statement, rows)


async def midway(database: SqliteDatabase, plan: str) -> Subscription:
    """In the middle of a period, so that a change costs something."""
    now = demo.seeded_ambient(TODAY, 1).now().replace(microsecond=0)
    return await stands(database, plan=plan, start=now - timedelta(days=12), end=now + timedelta(days=18))


def plan_midway(database: SqliteDatabase, plan: str) -> None:
    """The same before anything runs."""
    asyncio.run(midway(database, plan))


def everything(database: SqliteDatabase) -> None:
    """Give the newest purchases one status each."""
    newest = "(SELECT id FROM payments WHERE kind = 'credits' ORDER BY created_at DESC LIMIT 1 OFFSET ?)"
    rewrite(
        database,
        f"UPDATE payments SET status = ?, slot = id WHERE id = {newest}",
        *((status.value, at) for at, status in enumerate(PaymentStatus)),
    )


def overdrawn(database: SqliteDatabase) -> None:
    """Let the last movement have left the balance below zero."""
    rewrite(database, "UPDATE ledger SET balance = ? WHERE seq = (SELECT max(seq) FROM ledger)", ("-12.5",))


def not_ready(_opened: SqlStore, _ambient: Ambient) -> BillingService:
    """Where nobody set up a payment provider."""
    raise BillingNotReady("No payment provider is set up here: set ORGTUI_STRIPE_SECRET_KEY.")
