"""Access: the tokens there are, one made and shown this once, one revoked with what hangs from it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input

from orgtui.domain.codes import is_token
from orgtui.domain.errors import Unauthenticated
from orgtui.domain.roles import Permission
from orgtui.domain.text import DANGEROUS
from orgtui.store import demo
from orgtui.store.contract.access import Kind, NewToken, Token
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from orgtui.widgets.filter_table import FilterTable, plain
from tests.conftest import OWNER, TODAY
from tests.screens.harness import (
    USUAL,
    Drive,
    awaited,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    row,
    sees,
    shown,
    sizes,
    toasts,
    typed,
    until,
)

ADMIN = "jonas.weber@acme.example"
LAPTOP, GATEWAY, REPORT = "Ada's laptop", "n8n gateway", "Monthly report"


async def on(pilot: Drive, name: str) -> None:
    """The cursor on a token's row."""
    screen: Any = pilot.app.screen
    screen.action_enter_section()
    await press(pilot, "g")
    for _ in screen.page.tokens:
        if screen.selected.name == name:
            return
        await press(pilot, "j")
    raise AssertionError(shown(pilot))


async def there(database: SqliteDatabase) -> dict[str, Token]:
    """The tokens of the store, by name."""
    page = await elsewhere(database, lambda store: store.store.access.show())
    return {token.name: token for token in page.tokens}


async def make(pilot: Drive, name: str, *keys: str) -> str:
    """Make a token, and answer its secret as the dialog shows it."""
    await press(pilot, "n")
    await typed(pilot, name)
    await press(pilot, *keys, "ctrl+s")
    await sees(pilot, "Keep this token now", "orgtui_")
    return "".join(shown(pilot, "#code").split())


# The list.


@awaited
async def test_every_token_says_what_it_may_whose_it_is_and_how_long(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await press(pilot, "9", "enter")
        assert row(pilot, LAPTOP, "#tokens").split("  ")[0].strip(" ▎") == LAPTOP
        assert all(word in row(pilot, LAPTOP, "#tokens") for word in ("Person", "all it can", "! 4 Dec 2026"))
        assert all(word in row(pilot, GATEWAY, "#tokens") for word in ("Platform", "26 May 2027", "2 min ago"))
        assert all(word in row(pilot, REPORT, "#tokens") for word in ("Automation", "view", "jonas.", "expired"))
        # What lapsed is the last, whatever it is called.
        assert REPORT in [line for line in lines(pilot, "#tokens") if line.strip()][-1]


@sizes
@awaited
async def test_what_is_told_of_a_token_is_whole(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "access"), size) as pilot:
        await on(pilot, GATEWAY)
        told = " ".join(shown(pilot, "#detail").split())
        for part in ("made by ada@acme.example, an owner, 25 May 2026", "works until 26 May 2027", "2 min ago"):
            assert part in told
        assert told.endswith("may: record usage, set inventory, use keys")
        for name in (LAPTOP, GATEWAY, REPORT):
            assert name in row(pilot, name, "#tokens")


@awaited
async def test_the_list_is_filtered_by_what_is_seen(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await press(pilot, "enter", "slash", *"inventory")
        await until(pilot, lambda: LAPTOP not in shown(pilot, "#tokens"))
        assert GATEWAY in shown(pilot, "#tokens")
        await press(pilot, "enter", "escape")
        await sees(pilot, LAPTOP, GATEWAY, REPORT)
        await press(pilot, "s")
        assert "by kind" in shown(pilot)


@awaited
async def test_the_palette_leads_here_and_knows_the_twins(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await press(pilot, "ctrl+p", *"access list")
        await sees(pilot, "Go to Access", "$ orgtui access list")
        await press(pilot, "enter")
        await sees(pilot, GATEWAY)
        await press(pilot, "ctrl+p", *"create")
        await sees(pilot, "$ orgtui access create NAME")


@awaited
async def test_without_tokens_one_is_told_what_they_are(acme: SqliteDatabase, clock: Any) -> None:
    async with opened(make_app(acme, "access", ambient=clock.ambient())) as pilot:
        assert "There are no tokens." in shown(pilot)
        await press(pilot, "enter", "x", "m", "slash")
        assert lines(pilot)[-1].split("  ")[1].strip() == "n New Token"
        assert "Revoke" not in shown(pilot)
        await make(pilot, "First")
        await press(pilot, "escape")
        await until(pilot, lambda: "First" in shown(pilot, "#tokens"))
        assert "1 token ·" in shown(pilot)


@awaited
async def test_without_an_answer_nothing_can_be_made(demo_database: SqliteDatabase) -> None:
    faults = {"access.show:forbidden"}
    async with opened(make_app(demo_database, "access", fail=faults)) as pilot:
        assert "Not for your role" in shown(pilot)
        await press(pilot, "n")
        assert "New Token" not in shown(pilot)
        faults.clear()
        faults.add("access.show")
        await press(pilot, "r")
        assert "Access could not be read" in shown(pilot)
        faults.clear()
        await press(pilot, "r")
        await sees(pilot, GATEWAY)


# Making one.


@awaited
async def test_one_is_made_copied_and_its_secret_is_gone_with_the_dialog(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        secret = await make(pilot, "Grafana")
        assert is_token(secret)
        assert "Shown this once" in shown(pilot)
        await press(pilot, "y")
        assert pilot.app.clipboard == secret
        assert secret not in "".join(toasts(pilot))
        await press(pilot, "escape")
        await until(pilot, lambda: "Grafana" in shown(pilot, "#tokens"))
        assert (await there(demo_database))["Grafana"].scopes == ()
        await elsewhere(demo_database, lambda store: store.admit(secret))
        await on(pilot, "Grafana")
        seen = [shown(pilot)]
        for key in ("enter", "escape", "x", "escape", "y", "n", "escape", "question_mark", "escape", "ctrl+p"):
            await press(pilot, key)
            seen.append(shown(pilot))
        await press(pilot, "escape", "0")
        await sees(pilot, "access.create")
        await press(pilot, "enter", "enter")
        seen.append(shown(pilot))
        assert not [screen for screen in seen if secret[11:20] in screen or secret[-9:] in screen]


@sizes
@awaited
async def test_the_whole_secret_is_seen_at_every_size(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "access"), size) as pilot:
        secret = await make(pilot, "W" * 60)
        assert is_token(secret)
        assert "Shown this once" in " ".join(shown(pilot).split())


@awaited
async def test_scopes_are_ticked_by_keyboard(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        # Name, days, kind, scopes: none of them, then view and what comes after it.
        await make(pilot, "Narrow", "tab", "tab", "tab", "a", "space", "j", "space")
        token = (await there(demo_database))["Narrow"]
        assert set(token.scopes) == {Permission.VIEW, Permission.EDIT_ORGANIZATION}
        await press(pilot, "escape")
        await make(pilot, "Most", "tab", "tab", "tab", "end", "enter")
        most = (await there(demo_database))["Most"]
        assert Permission.MANAGE_ACCESS not in most.scopes
        assert len(most.scopes) == 11


@awaited
async def test_another_kind_offers_other_scopes(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await press(pilot, "n", "tab", "tab")
        assert "manage billing" in shown(pilot, "#scopes")
        await press(pilot, "j")
        assert "use keys" in shown(pilot, "#scopes")
        assert "manage" not in shown(pilot, "#scopes")
        await press(pilot, "j")
        assert shown(pilot, "#scopes").split()[1::4][:1] == ["view"]
        await press(pilot, "shift+tab", "shift+tab")
        await typed(pilot, "Report 2")
        await press(pilot, "tab")
        await typed(pilot, "7")
        await press(pilot, "enter")
        await sees(pilot, "Keep this token now", "orgtui_aut_")
        token = (await there(demo_database))["Report 2"]
        assert (token.kind, token.scopes) == (Kind.AUTOMATION, ())
        assert token.expires - token.created == timedelta(days=7)


@awaited
async def test_what_is_missing_keeps_it_from_being_made(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await press(pilot, "n")
        create = pilot.app.screen.query_one("#create", Button)
        assert create.disabled
        await typed(pilot, "Grafana")
        await press(pilot, "tab")
        for days, good in (("0", False), ("367", False), ("x", False), ("", False), ("366", True)):
            await typed(pilot, days)
            await until(pilot, lambda good=good: create.disabled != good)
            assert ("from 1 to 366 days" in shown(pilot)) != good
        await press(pilot, "tab", "tab", "a", "ctrl+s")
        assert "0 of 12" in shown(pilot)
        assert create.disabled
        assert "Grafana" not in await there(demo_database)


@awaited
async def test_what_the_store_refuses_is_said_and_what_was_typed_stays(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access", fail={"access.create"})) as pilot:
        await press(pilot, "n")
        await typed(pilot, "Grafana")
        await press(pilot, "enter")
        await sees(pilot, "✗")
        assert pilot.app.screen.query_one("#token-name", Input).value == "Grafana"
        assert not pilot.app.screen.query_one("#create", Button).disabled


@awaited
async def test_a_name_with_something_hidden_is_refused(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await press(pilot, "n")
        pilot.app.screen.query_one("#token-name", Input).value = "Graf\u202eana"
        await press(pilot, "enter")
        await sees(pilot, "hidden characters")


@awaited
async def test_whoever_cancels_while_it_is_made_still_gets_the_secret(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access", slow=0.3)) as pilot:
        await press(pilot, "n")
        await typed(pilot, "Grafana")
        await pilot.press("enter")
        await sees(pilot, "Making it")
        await pilot.press("escape")
        await sees(pilot, "Keep this token now", "orgtui_pat_")


@awaited
async def test_an_admin_sees_why_not_for_the_platform(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access", actor=ADMIN)) as pilot:
        await press(pilot, "n")
        assert "Only an owner can make a token for the" in shown(pilot, "#token-kind")
        await typed(pilot, "Mine")
        await press(pilot, "tab", "tab", "j")
        assert "● Automation" in shown(pilot, "#token-kind")
        await press(pilot, "k")
        assert "manage billing" not in shown(pilot, "#scopes")
        await press(pilot, "ctrl+s")
        await sees(pilot, "orgtui_pat_")


# Revoking one.


async def a_chain(store: SqlStore) -> tuple[str, str]:
    """A token, and one that was made with it."""
    first = await store.store.access.create(NewToken(name="First"))
    guest = await store.admit(first.secret)
    return first.secret, (await guest.store.access.create(NewToken(name="Second"))).secret


@awaited
async def test_one_is_revoked_after_a_question_that_names_it(demo_database: SqliteDatabase) -> None:
    secrets = await elsewhere(demo_database, a_chain)
    async with opened(make_app(demo_database, "access")) as pilot:
        await on(pilot, "First")
        await press(pilot, "x")
        await sees(pilot, "Revoke “First”", "Made with it, and going with it: “Second”.")
        await press(pilot, "enter")
        assert "First" in shown(pilot, "#tokens")
        await press(pilot, "delete", "tab", "enter")
        await until(pilot, lambda: toasts(pilot) == ["“First” is revoked."])
        assert not {"First", "Second"} & set(await there(demo_database))
        assert "Second" not in shown(pilot, "#tokens")
    for secret in secrets:
        with pytest.raises(Unauthenticated):
            await elsewhere(demo_database, lambda store, secret=secret: store.admit(secret))


@awaited
async def test_an_admin_revokes_their_own_and_no_owners(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access", actor=ADMIN)) as pilot:
        await on(pilot, LAPTOP)
        await press(pilot, "x")
        assert toasts(pilot) == ["Only an owner can invite, change or remove an owner."]
        await press(pilot, "m", "j")
        assert "Only an owner" in shown(pilot, "#reason")
        await press(pilot, "enter", "escape")
        await on(pilot, REPORT)
        await press(pilot, "m", "j", "enter", "tab", "enter")
        await until(pilot, lambda: REPORT not in shown(pilot, "#tokens"))
    assert set(await there(demo_database)) == {LAPTOP, GATEWAY}


@awaited
async def test_one_that_is_gone_already_is_said_to_be(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await on(pilot, LAPTOP)
        tokens = await there(demo_database)
        await elsewhere(demo_database, lambda store: store.store.access.revoke(tokens[LAPTOP].id))
        await press(pilot, "x", "tab", "enter")
        await until(pilot, lambda: "revoked already" in "".join(toasts(pilot)))
        await until(pilot, lambda: LAPTOP not in shown(pilot, "#tokens"))


# Names.


@sizes
@awaited
async def test_names_too_long_and_hostile_are_only_names(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    hostile = "[/nope][@click=app.quit]" + "W" * 36
    await elsewhere(demo_database, lambda store: store.store.access.create(NewToken(name=hostile)))
    with demo_database.writing() as session:
        session.connection().exec_driver_sql(
            "UPDATE access_tokens SET name = ? WHERE name = ?", ("\x1b]52;c;aGk=\x07" + "x" * 80, GATEWAY)
        )
    async with opened(make_app(demo_database, "access"), size) as pilot:
        rows = pilot.app.screen.query_one(FilterTable).rows
        assert not [cell for each in rows for cell in each.cells if DANGEROUS.search(plain(cell))]
        await press(pilot, "enter")
        for _ in range(4):
            for key in ("m", "escape", "x", "escape"):
                await press(pilot, key)
                assert "\x1b" not in shown(pilot)
                assert "\x07" not in shown(pilot)
            assert "Expires" in shown(pilot, "#tokens")
            await press(pilot, "j")
        await on(pilot, hostile)
        assert hostile in "".join(shown(pilot, "#detail").split())
        await press(pilot, "x")
        assert f"Revoke“{hostile}”" in "".join(shown(pilot, "#heading").split())
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: f"“{hostile}” is revoked." in toasts(pilot))


@awaited
async def test_the_list_is_exported(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database, "access")) as pilot:
        await press(pilot, "e")
        await typed(pilot, str(tmp_path / "tokens.json"))
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot))
    rows = json.loads((tmp_path / "tokens.json").read_text())
    assert [entry["name"] for entry in rows] == [LAPTOP, REPORT, GATEWAY]
    assert rows[0]["maker"] == OWNER


def test_the_demo_has_the_same_tokens_every_time(cache: Path, tmp_path: Path) -> None:
    def tokens(place: Path) -> list[tuple[Any, ...]]:
        path = demo.throwaway(place, TODAY, 1)
        try:
            with SqliteDatabase(path).reading() as rows:
                return rows.all("SELECT id, name, kind, maker, created_at, expires_at, last_used_at FROM access_tokens")
        finally:
            demo.discard(path)

    assert tokens(cache) == tokens(tmp_path)


@awaited
async def test_words_that_give_way_end_before_the_count(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "access"), USUAL) as pilot:
        await press(pilot, "enter", "S")
        assert "… 3 tokens · by name, turned round" in row(pilot, "turned round")
