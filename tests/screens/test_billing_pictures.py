"""Pictures of Billing: both tabs in every theme and state, a change of plan, and paying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import Clock
from tests.screens.billing_help import (
    compared,
    everything,
    not_ready,
    overdrawn,
    plan_midway,
    stands,
    states,
    to_credits,
    to_pay_screen,
    to_plan,
)
from tests.screens.harness import USUAL, WIDE, Drive, make_app, press, sees, settled, sizes, typed, until

Compare = Callable[..., bool]
Before = Callable[[Drive], Awaitable[None]]


def after(*steps: Callable[[Drive], Awaitable[Any]] | str) -> Before:
    """The screen once it is read, the provider was asked, and these keys were pressed or steps made."""

    async def run(pilot: Drive) -> None:
        await settled(pilot)
        await compared(pilot)
        for step in steps:
            await (press(pilot, step) if isinstance(step, str) else step(pilot))
        await settled(pilot)

    return run


@sizes
@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
@pytest.mark.parametrize("before", [after("enter", "up"), after(to_credits)], ids=["subscription", "credits"])
def test_tab(snap_compare: Compare, demo_database: SqliteDatabase, before: Before, theme: str, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "billing", theme), terminal_size=size, run_before=before)


@pytest.mark.parametrize("plan", ["starter", "pro"])
def test_plan(snap_compare: Compare, demo_database: SqliteDatabase, plan: str) -> None:
    async def change(pilot: Drive) -> None:
        await stands(demo_database, plan=plan)
        await press(pilot, "r")

    assert snap_compare(make_app(demo_database, "billing"), terminal_size=USUAL, run_before=after(change))


@pytest.mark.parametrize(
    "state",
    ["trialing", "past_due", "incomplete", "incomplete_expired", "unpaid", "paused", "canceled", "ends", "changes"],
)
def test_state(snap_compare: Compare, demo_database: SqliteDatabase, state: str) -> None:
    async def change(pilot: Drive) -> None:
        running = await stands(demo_database)
        await stands(demo_database, **states(running.end)[state])
        await press(pilot, "r")

    size = WIDE if state in ("past_due", "changes") else USUAL
    assert snap_compare(make_app(demo_database, "billing"), terminal_size=size, run_before=after(change))


@sizes
def test_upgrade(snap_compare: Compare, demo_database: SqliteDatabase, size: Any) -> None:
    async def preview(pilot: Drive) -> None:
        await to_plan(pilot, "business")
        await press(pilot, "enter")
        await sees(pilot, "Due now")

    plan_midway(demo_database, "pro")
    assert snap_compare(make_app(demo_database, "billing"), terminal_size=size, run_before=after(preview))


def test_downgrade(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    async def ask(pilot: Drive) -> None:
        await to_plan(pilot, "starter")
        await press(pilot, "enter")

    assert snap_compare(make_app(demo_database, "billing"), terminal_size=USUAL, run_before=after(ask))


@sizes
def test_pay(snap_compare: Compare, demo_database: SqliteDatabase, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "billing"), terminal_size=size, run_before=after(to_pay_screen))


@pytest.mark.parametrize("theme", ["light", "ansi", "no-color"])
def test_pay_in_other_colours(snap_compare: Compare, demo_database: SqliteDatabase, theme: str) -> None:
    app = make_app(demo_database, "billing", theme)
    assert snap_compare(app, terminal_size=USUAL, run_before=after(to_pay_screen))


@pytest.mark.parametrize(("key", "words"), [("p", "Paid"), ("x", "was declined"), ("s", "Processing")], ids=str)
def test_paying(snap_compare: Compare, demo_database: SqliteDatabase, key: str, words: str) -> None:
    async def run(pilot: Drive) -> None:
        await to_pay_screen(pilot)
        await press(pilot, key)
        await sees(pilot, words)

    assert snap_compare(make_app(demo_database, "billing"), terminal_size=USUAL, run_before=after(run))


def test_history(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    everything(demo_database)
    app = make_app(demo_database, "billing", billing=not_ready)
    assert snap_compare(app, terminal_size=(120, 50), run_before=after(to_credits, "down"))


async def custom(pilot: Drive) -> None:
    await to_credits(pilot)
    await press(pilot, "end", "enter")
    await typed(pilot, "4,99")


async def ledger(pilot: Drive) -> None:
    await to_credits(pilot)
    await press(pilot, "l")
    await sees(pilot, "movements")


@pytest.mark.parametrize("before", [after(custom), after(ledger)], ids=["custom", "ledger"])
def test_credits(snap_compare: Compare, demo_database: SqliteDatabase, before: Before) -> None:
    assert snap_compare(make_app(demo_database, "billing"), terminal_size=USUAL, run_before=before)


def test_below_zero_and_read_only(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    overdrawn(demo_database)
    app = make_app(demo_database, "billing", actor="jonas.weber@acme.example")
    assert snap_compare(app, terminal_size=USUAL, run_before=after(to_credits))


def test_nothing_bought_yet(snap_compare: Compare, acme: SqliteDatabase, clock: Clock) -> None:
    app = make_app(acme, "billing", ambient=clock.ambient())
    assert snap_compare(app, terminal_size=USUAL, run_before=after(to_credits))


@pytest.mark.parametrize("kind", ["failed", "forbidden"])
def test_trouble(snap_compare: Compare, demo_database: SqliteDatabase, kind: str) -> None:
    fault = "billing.show" if kind == "failed" else "billing.show:forbidden"
    assert snap_compare(make_app(demo_database, "billing", fail={fault}), terminal_size=WIDE, run_before=settled)


def test_failed_after_it_was_read(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    faults = {"nothing"}

    async def fail(pilot: Drive) -> None:
        faults.add("billing.show")
        await press(pilot, "r")
        await until(pilot, lambda: pilot.app.screen.has_class("-stale"))

    app = make_app(demo_database, "billing", fail=faults)
    assert snap_compare(app, terminal_size=USUAL, run_before=after(fail))


def test_loading(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    async def wait(pilot: Drive) -> None:
        await sees(pilot, "Loading")

    assert snap_compare(make_app(demo_database, "billing", slow=3600), terminal_size=WIDE, run_before=wait)
