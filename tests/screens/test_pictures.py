"""Pictures of the screens at three sizes in three themes, of their states and of the dialogs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from orgtui.store.demo import REFUSED
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import OWNER, Clock
from tests.provider_servers import KEYS, ProviderServers, provider_servers
from tests.screens.harness import (
    SMALL,
    USUAL,
    WIDE,
    Drive,
    edit_name,
    make_app,
    press,
    sees,
    settled,
    shown,
    sizes,
    toasts,
    typed,
    until,
)

Compare = Callable[..., bool]
Before = Callable[[Drive], Awaitable[None]]


def after(*keys: str) -> Before:
    """The screen once it is read and these keys were pressed."""

    async def run(pilot: Drive) -> None:
        await settled(pilot)
        await press(pilot, *keys)

    return run


@sizes
@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
@pytest.mark.parametrize(
    ("section", "keys"),
    [("general", ()), ("team", ("enter", "j", "j")), ("usage", ("left",)), ("usage", ("tab", "left"))],
    ids=["general", "team", "runs", "costs"],
)
def test_section(
    snap_compare: Compare, demo_database: SqliteDatabase, section: str, keys: tuple[str, ...], theme: str, size: Any
) -> None:
    app = make_app(demo_database, section, theme)
    assert snap_compare(app, terminal_size=size, run_before=after(*keys))


MIXED = "kim@partner.example, priya.n@acme.example, foo@bar, lee@partner.example, ADA@acme.example"


def pasted(text: str, *keys: str) -> Before:
    """The screen once these keys were pressed and the text was pasted."""

    async def run(pilot: Drive) -> None:
        await settled(pilot)
        await press(pilot, *keys)
        await typed(pilot, text)
        await settled(pilot)

    return run


@sizes
@pytest.mark.parametrize("actor", [OWNER, "jonas.weber@acme.example"], ids=["owner", "admin"])
@pytest.mark.parametrize(
    "before",
    [after("enter", "G"), after("enter", "j", "m"), pasted(MIXED, "n"), after("enter", "j", "j", "m", "j", "enter")],
    ids=["list", "menu", "invite", "transfer"],
)
def test_team(snap_compare: Compare, demo_database: SqliteDatabase, before: Before, actor: str, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "team", actor=actor), terminal_size=size, run_before=before)


@sizes
def test_audit(snap_compare: Compare, demo_database: SqliteDatabase, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "audit"), terminal_size=size, run_before=after("enter", "j"))


MASKED = "sk-admin-" + "b" * 48


@sizes
@pytest.mark.parametrize("section", ["access", "api_keys", "workspaces"])
def test_list(snap_compare: Compare, demo_database: SqliteDatabase, section: str, size: Any) -> None:
    assert snap_compare(make_app(demo_database, section), terminal_size=size, run_before=after("enter", "right"))


@pytest.mark.parametrize("theme", ["light", "ansi"])
@pytest.mark.parametrize("section", ["access", "api_keys", "workspaces"])
def test_list_in_other_colours(snap_compare: Compare, demo_database: SqliteDatabase, section: str, theme: str) -> None:
    assert snap_compare(make_app(demo_database, section, theme), terminal_size=WIDE, run_before=after("enter", "j"))


def asked(text: str) -> Before:
    """The dialog once the provider has been asked."""

    async def run(pilot: Drive) -> None:
        await pasted(text, "enter", "j", "j", "j", "enter")(pilot)
        await press(pilot, "enter")
        await sees(pilot, "Store untested")

    return run


@sizes
@pytest.mark.parametrize(
    "before",
    [
        pasted("m" * 32, "enter", "j", "j", "j", "enter"),
        pasted("sk-ant-api03-" + "a" * 80, "enter", "j", "j", "j", "enter"),
        pasted(MASKED, "enter", "enter"),
        asked(REFUSED),
    ],
    ids=["fit", "anothers", "admin", "refused"],
)
def test_key(snap_compare: Compare, demo_database: SqliteDatabase, before: Before, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "api_keys"), terminal_size=size, run_before=before)


@pytest.fixture(scope="module")
def servers() -> Iterator[ProviderServers]:
    with provider_servers() as started:
        yield started


def judged(words: str) -> Before:
    """Once the provider has answered: the dialog where it stays open, else the list and what was told."""

    async def run(pilot: Drive) -> None:
        await pasted(KEYS["grok"], "enter", "G", "enter")(pilot)
        await press(pilot, "enter")
        if words == "Store untested":
            await sees(pilot, words)
        else:
            await until(pilot, lambda: toasts(pilot) and words in shown(pilot, "#providers"), 20)
        await settled(pilot)

    return run


@sizes
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("valid", "added 30 Nov 2026"),
        ("invalid", "Store untested"),
        ("no_quota", "No quota"),
        ("forbidden", "Not allowed"),
        ("rate_limited", "rate-limited"),
        ("down", "provider down"),
        ("silent", "no network"),
        ("html", "strange answer"),
    ],
    ids=["valid", "invalid", "no-quota", "not-allowed", "rate-limited", "provider-down", "no-network", "unexpected"],
)
def test_verdict(
    snap_compare: Compare,
    demo_database: SqliteDatabase,
    servers: ProviderServers,
    answer: str,
    words: str,
    size: Any,
) -> None:
    servers.behave("grok", answer)
    app = make_app(demo_database, "api_keys", addresses=servers.addresses)
    assert snap_compare(app, terminal_size=size, run_before=judged(words))


@sizes
def test_workspace(snap_compare: Compare, demo_database: SqliteDatabase, size: Any) -> None:
    async def run(pilot: Drive) -> None:
        await settled(pilot)
        await press(pilot, "enter", "enter")
        await sees(pilot, "Save Changes")
        await settled(pilot)

    assert snap_compare(make_app(demo_database, "workspaces"), terminal_size=size, run_before=run)


@pytest.mark.parametrize("keys", [("n",), ("enter", "m", "j", "j", "enter")], ids=["new", "delete"])
def test_workspace_dialogs(snap_compare: Compare, demo_database: SqliteDatabase, keys: tuple[str, ...]) -> None:
    assert snap_compare(make_app(demo_database, "workspaces"), terminal_size=WIDE, run_before=after(*keys))


@sizes
@pytest.mark.parametrize("actor", [OWNER, "jonas.weber@acme.example"], ids=["owner", "admin"])
@pytest.mark.parametrize(
    "keys",
    [("n",), ("n", "r", "tab", "tab", "tab", "a", "space", "j", "space"), ("enter", "G", "x")],
    ids=["new", "scopes", "revoke"],
)
def test_access(
    snap_compare: Compare, demo_database: SqliteDatabase, keys: tuple[str, ...], actor: str, size: Any
) -> None:
    assert snap_compare(make_app(demo_database, "access", actor=actor), terminal_size=size, run_before=after(*keys))


def test_no_tokens(snap_compare: Compare, acme: SqliteDatabase, clock: Clock) -> None:
    app = make_app(acme, "access", ambient=clock.ambient())
    assert snap_compare(app, terminal_size=WIDE, run_before=after())


def test_alone(snap_compare: Compare, acme: SqliteDatabase, clock: Clock) -> None:
    app = make_app(acme, "team", ambient=clock.ambient())
    assert snap_compare(app, terminal_size=WIDE, run_before=after())


@pytest.mark.parametrize("section", ["access", "general", "team", "usage"])
def test_loading(snap_compare: Compare, demo_database: SqliteDatabase, section: str) -> None:
    async def wait(pilot: Drive) -> None:
        await sees(pilot, "Loading")

    assert snap_compare(make_app(demo_database, section, slow=3600), terminal_size=WIDE, run_before=wait)


@pytest.mark.parametrize("kind", ["failed", "forbidden"])
@pytest.mark.parametrize("operation", ["access.show", "general.show", "team.show", "usage.month"])
def test_trouble(snap_compare: Compare, demo_database: SqliteDatabase, operation: str, kind: str) -> None:
    fault = operation if kind == "failed" else f"{operation}:forbidden"
    app = make_app(demo_database, operation.partition(".")[0], fail={fault})
    assert snap_compare(app, terminal_size=WIDE, run_before=after())


@pytest.mark.parametrize(
    ("operation", "size"), [("general.show", WIDE), ("usage.month", WIDE), ("usage.month", SMALL)], ids=str
)
def test_failed_after_it_was_read(
    snap_compare: Compare, demo_database: SqliteDatabase, operation: str, size: Any
) -> None:
    faults = {"nothing"}
    app = make_app(demo_database, operation.partition(".")[0], fail=faults)

    async def fail(pilot: Drive) -> None:
        await settled(pilot)
        faults.add(operation)
        await press(pilot, "r")

    assert snap_compare(app, terminal_size=size, run_before=fail)


@pytest.mark.parametrize("keys", [(), ("tab",)], ids=["runs", "costs"])
def test_empty(snap_compare: Compare, database: SqliteDatabase, clock: Clock, keys: tuple[str, ...]) -> None:
    clock.now -= timedelta(days=30)
    found(database, Founding(name="Young", owner=OWNER), clock.ambient())
    clock.now += timedelta(days=30)
    app = make_app(database, "usage", ambient=clock.ambient())
    assert snap_compare(app, terminal_size=WIDE, run_before=after(*keys))


def test_edited(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    async def edit(pilot: Drive) -> None:
        await settled(pilot)
        await edit_name(pilot, "Acme Automations")

    assert snap_compare(make_app(demo_database), terminal_size=WIDE, run_before=edit)


def test_danger(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    app = make_app(demo_database)
    assert snap_compare(app, terminal_size=WIDE, run_before=after("D", *"Acme"))


@pytest.mark.parametrize(("key", "size"), [("question_mark", WIDE), ("ctrl+p", USUAL)], ids=["help", "palette"])
def test_help_and_palette(snap_compare: Compare, demo_database: SqliteDatabase, key: str, size: Any) -> None:
    assert snap_compare(make_app(demo_database, "usage"), terminal_size=size, run_before=after(key))


def test_too_small(snap_compare: Compare, demo_database: SqliteDatabase) -> None:
    assert snap_compare(make_app(demo_database, "usage"), terminal_size=(50, 15), run_before=after())
