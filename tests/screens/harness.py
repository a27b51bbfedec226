"""The screens over a throw-away organization, driven by the keyboard and read as a person reads them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache, wraps
from typing import Any, cast

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from orgtui.app import Connection, OrgTui
from orgtui.billing.payments import Payments
from orgtui.billing.service import BillingService
from orgtui.composition import demo_billing_service
from orgtui.domain.ambient import Ambient
from orgtui.key_check import KeyChecker
from orgtui.key_service import DemoChecker, KeyService
from orgtui.key_tests import KeyTests
from orgtui.secret import Secret
from orgtui.settings import Settings
from orgtui.store import demo
from orgtui.store.faults import faulty
from orgtui.store.remote import open_remote_store
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests import served
from tests.conftest import TODAY, profile

Drive = Pilot[None]
WIDE, USUAL, SMALL = (120, 36), (80, 24), (60, 20)
sizes = pytest.mark.parametrize("size", [WIDE, USUAL, SMALL], ids="{0[0]}x{0[1]}".format)


def make_app(
    database: SqliteDatabase,
    section: str = "general",
    theme: str = "dark",
    *,
    actor: str | None = None,
    slow: float = 0.0,
    fail: Iterable[str] = (),
    keys: Mapping[str, str] | None = None,
    refresh_seconds: float = 3600.0,
    ambient: Ambient | None = None,
    addresses: Mapping[str, str] | None = None,
    billing: Callable[[SqlStore, Ambient], BillingService] | None = demo_billing_service,
) -> OrgTui:
    """The app over *database* with the demo's standing clock; a set given as *fail* may be changed while it runs.

    At *addresses* provider keys are checked, without them as a demo does it.
    """
    known = ambient or demo.seeded_ambient(TODAY, 1)
    faults: Any = fail if isinstance(fail, set) else frozenset(fail)

    def connect() -> Connection:
        opened = open_sql_store(database, actor, known)
        store = opened.store if fail == () and not slow else faulty(opened.store, slow=slow, fail=faults)
        checker = KeyChecker(addresses, seconds=8.0) if addresses else DemoChecker()
        shown = replace(opened, store=store)
        near = Connection(
            store,
            opened.close,
            keys=lambda: KeyService(opened.store, opened.platform, checker),
            billing=None if billing is None else lambda: billing(shown, known),
        )
        return near if served.WAY is None else _far(served.WAY, opened, near, known, slow, faults)

    chosen = profile("no-color" if theme == "no-color" else "dark")
    settings = Settings(
        store=f"sqlite:///{database.path}",
        keys=dict(keys or {}),
        refresh_seconds=refresh_seconds,
        sales_contact="sales@platform.example",
    )
    if theme != "no-color":
        settings = replace(settings, theme=theme)
    return OrgTui(connect, settings=settings, profile=chosen, ambient=known, section=section, label="demo")


def _far(way: served.Way, opened: SqlStore, near: Connection, ambient: Ambient, slow: float, faults: Any) -> Connection:
    """The same with a server between, which talks to the providers; in a demo a key still says that somebody paid."""
    till = cache(near.billing) if near.billing else None
    services: dict[str, Any] = {"key_tests": lambda _: near.keys and near.keys()}
    services |= {"payments": lambda _: till()} if till else {}
    url, name = way.lead(opened, services)
    remote = open_remote_store(url, Secret(name), replace(ambient, random=os.urandom), patience=60)

    def billing() -> Any:
        face = remote.service(Payments)
        face.provider = till().provider if till else None
        return face

    def close() -> None:
        remote.close()
        opened.close()

    return Connection(
        faulty(remote.store, slow=slow, fail=faults),
        close,
        keys=lambda: remote.service(KeyTests),
        billing=billing if till else None,
    )


@asynccontextmanager
async def opened(app: OrgTui, size: tuple[int, int] = WIDE) -> AsyncIterator[Drive]:
    """The app, its section read or its trouble told."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        yield cast("Drive", pilot)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until the section has its answer and everything is drawn."""
    await until(pilot, lambda: not loading(pilot))
    await pilot.pause()


def loading(pilot: Pilot[Any]) -> bool:
    """Whether the section on top still waits for the store."""
    screen = pilot.app.screen
    trouble = getattr(screen, "trouble", None)
    return (trouble is not None and trouble.kind == "loading") or any(
        worker.group in ("load", "save") and not worker.is_finished for worker in pilot.app.workers
    )


async def until(pilot: Pilot[Any], holds: Callable[[], object], limit: float = 10.0) -> None:
    """Wait until something holds, and fail with the screen as it stands when it never does."""
    end = asyncio.get_running_loop().time() + limit
    while not holds():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"it never came; the screen:\n{shown(pilot)}")
        await pilot.pause(0.01)
    await pilot.pause()


async def sees(pilot: Pilot[Any], *words: str) -> None:
    """Wait until all *words* stand on the screen."""
    await until(pilot, lambda: all(word in shown(pilot) for word in words))


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one after the other, and let the store answer."""
    for key in keys:
        await pilot.press(key)
    await settled(pilot)


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Paste into the focused field, over what stood there."""
    field = pilot.app.focused
    await pilot.press(*(("f7", "delete") if isinstance(field, TextArea) else ("end", "ctrl+u")))
    pilot.app.post_message(events.Paste(text))
    await until(pilot, lambda: getattr(field, "value", getattr(field, "text", "")) == text)


async def edit_name(pilot: Pilot[Any], name: str) -> None:
    """Walk to the organization's name and type over it."""
    while not isinstance(pilot.app.focused, Input):
        await pilot.press("tab")
    await typed(pilot, name)


async def edit_description(pilot: Pilot[Any], text: str) -> None:
    """Walk to its description and type over it."""
    while not isinstance(pilot.app.focused, TextArea):
        await pilot.press("tab")
    await typed(pilot, text)


def lines(pilot: Pilot[Any], within: str = "") -> list[str]:
    """The screen as lines of text; of it, what lies in the widget that *within* selects."""
    screen = pilot.app.screen
    strips = screen._compositor.render_strips()
    if within:
        region = screen.query_one(within).region
        strips = [strip.crop(region.x, region.right) for strip in strips[region.y : region.bottom]]
    return [strip.text.rstrip() for strip in strips]


def shown(pilot: Pilot[Any], within: str = "") -> str:
    """The same in one piece."""
    return "\n".join(lines(pilot, within))


def row(pilot: Pilot[Any], words: str, within: str = "") -> str:
    """The only line with *words* in it."""
    found = [line for line in lines(pilot, within) if words in line]
    assert len(found) == 1, f"{len(found)} lines with {words!r} in:\n{shown(pilot, within)}"
    return found[0]


def toasts(pilot: Pilot[Any]) -> list[str]:
    """What the toasts say that are on the screen, the oldest first."""
    return [notification.message for notification in pilot.app._notifications]


Asked = Callable[[SqlStore], Awaitable[Any]]


async def elsewhere(database: SqliteDatabase, question: Asked, *, actor: str | None = None) -> Any:
    """What a second program that has the same file open is answered."""
    known = replace(demo.seeded_ambient(TODAY, 1), random=os.urandom)
    store = open_sql_store(database, actor, known)
    try:
        return await question(store)
    finally:
        store.close()


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine function as a test."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run
