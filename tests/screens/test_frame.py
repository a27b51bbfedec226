"""The frame with the keyboard alone: sections, help, palette, rebound keys, themes, sizes."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from orgtui.app import Connection, OrgTui
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.screens.harness import (
    SMALL,
    USUAL,
    WIDE,
    awaited,
    lines,
    make_app,
    opened,
    press,
    sees,
    settled,
    shown,
    toasts,
    until,
)

TITLES = ("General", "Team", "Usage & Analytics", "Billing", "API Keys", "Workspaces")


@awaited
async def test_numbers_go_to_their_sections(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:
        for number, title in reversed([*enumerate(TITLES, 1)]):
            await press(pilot, str(number))
            assert title in lines(pilot)[0].partition("│")[2]
            assert lines(pilot)[number + 2].startswith(f"▎ {number}  {title}")


@awaited
@pytest.mark.parametrize("keys", [("down", "up"), ("j", "k")], ids="-".join)
async def test_arrows_walk_the_sidebar(demo_database: SqliteDatabase, keys: tuple[str, str]) -> None:
    down, up = keys
    async with opened(make_app(demo_database), SMALL) as pilot:
        for title in (*TITLES[1:], TITLES[-1]):
            await press(pilot, down)
            assert f"› {title}" in lines(pilot)[0]
        await press(pilot, up)
        assert f"› {TITLES[-2]}" in lines(pilot)[0]
        await press(pilot, "home")
        assert f"› {TITLES[0]}" in lines(pilot)[0]


@awaited
async def test_the_frame_tells_what_an_admin_would_notice(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:
        beside = [line.partition("│")[0].strip() for line in lines(pilot)]
        assert "2  Team          ○ 2" in beside
        assert "5  API Keys      3/5" in beside
        assert "6  Workspaces      4" in beside
        assert "ada@acme.example" in beside
        assert "Business · owner" in lines(pilot)[0]
        assert lines(pilot)[-1].endswith("14:02 CET · demo")


@awaited
async def test_help_lists_the_keys_of_what_has_focus(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage"), (100, 60)) as pilot:
        await press(pilot, "question_mark")
        for words in ("Previous section", "Previous month", "Next day", "Export", "Quit", "Commands", "General"):
            assert words in shown(pilot, "#panel")
        assert "Sort" not in shown(pilot, "#panel")
        await press(pilot, "escape", "t", "question_mark")
        for words in ("/ filters, s sorts", "Filter", "Sort", "Copy"):
            assert words in shown(pilot, "#panel")
        await press(pilot, "enter")
        assert not pilot.app.screen.query("#panel")


@awaited
async def test_help_is_read_to_its_end_on_a_small_screen(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage"), SMALL) as pilot:
        await press(pilot, "question_mark", *["pagedown"] * 6)
        assert "Quit" in shown(pilot, "#panel")


@awaited
async def test_the_palette_finds_and_does(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "ctrl+p")
        assert "Pick a month" in shown(pilot, "#commands")
        await press(pilot, *"expo")
        assert shown(pilot, "#commands").split() == ["Export", "e"]
        assert "$ orgtui usage export --month" in shown(pilot, "#twin")
        await press(pilot, "enter")
        await sees(pilot, "rows, as .csv or .json")
        await press(pilot, "escape", "ctrl+p", *"go to work", "enter")
        await until(pilot, lambda: "Workspaces" in lines(pilot)[0])
        await press(pilot, "ctrl+p", *"no such thing")
        assert "Nothing of that name here." in shown(pilot)
        await press(pilot, "enter", "escape")
        assert not pilot.app.screen.query("#panel")


@awaited
async def test_the_palette_copies_the_twin(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "ctrl+p", *"previous mo", "tab", "y")
        assert pilot.app.clipboard == "orgtui usage show --month YYYY-MM"
        assert toasts(pilot) == ["Copied: orgtui usage show --month YYYY-MM"]
        await press(pilot, "shift+tab", *[*"n"], "ctrl+u", *"theme: li", "tab", "y")
        assert pilot.app.clipboard == "orgtui usage show --month YYYY-MM"
        assert "no twin" in toasts(pilot)[-1]


@awaited
async def test_the_palette_changes_the_theme(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        for theme in ("light", "ansi"):
            await press(pilot, "ctrl+p", *f"e: {theme[:2]}", "enter")
            await until(pilot, lambda theme=theme: pilot.app.theme == theme)
            assert "Daily Executions" in shown(pilot)


@pytest.mark.soak
@awaited
@pytest.mark.parametrize("section", ["usage", "general"])
async def test_every_entry_of_the_palette_can_be_run(demo_database: SqliteDatabase, section: str) -> None:
    async with opened(make_app(demo_database, section), (100, 60)) as pilot:
        await press(pilot, "ctrl+p")
        words = [option.prompt.plain.split("  ")[0] for option in pilot.app.screen.query_one(OptionList).options]
        assert {"Refresh", "Go to Team", "Quit", "Theme: light"} < {*words}
        await press(pilot, "escape")
        for index in [index for index, entry in enumerate(words) if entry != "Quit"]:
            await press(pilot, "ctrl+p", *["down"] * index, "enter")
            while len(pilot.app.screen_stack) > 1:
                await press(pilot, "escape")
            await press(pilot, "escape", str(TITLES.index({"usage": "Usage & Analytics"}.get(section, "General")) + 1))


@awaited
async def test_keys_are_rebound(demo_database: SqliteDatabase) -> None:
    keys = {"usage.export": "x,f5", "app.usage": "f7", "section.refresh": "ctrl+r"}
    async with opened(make_app(demo_database, "general", keys=keys), (120, 60)) as pilot:
        await press(pilot, "f7")
        assert "Usage & Analytics" in lines(pilot)[0]
        assert "x Export" in lines(pilot)[-1]
        await press(pilot, "e")
        assert not pilot.app.screen.query("#panel")
        await press(pilot, "x")
        await sees(pilot, "rows, as .csv or .json")
        await press(pilot, "escape", "question_mark")
        assert any(line.split()[:2] == ["x", "f5"] for line in lines(pilot, "#panel"))


@awaited
async def test_too_small_is_said_and_grows_back(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage"), (50, 15)) as pilot:
        assert shown(pilot).strip() == "orgtui wants 60×20 or more."
        for size in (SMALL, USUAL, WIDE, (59, 20), (60, 19), (200, 60)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert ("wants 60×20" in shown(pilot)) == (size[0] < 60 or size[1] < 20)
            assert ("Total Runs" in shown(pilot)) != ("wants 60×20" in shown(pilot))


@awaited
async def test_what_is_asked_of_a_closed_store_ends_nothing(demo_database: SqliteDatabase) -> None:
    """At the end workers may still ask what nobody will see: who was here, what changed."""
    connections: list[Connection] = []
    app = make_app(demo_database)
    connect = app._connect

    def connected() -> Connection:
        connections.append(connect())
        return connections[-1]

    app._connect = connected
    async with opened(app) as pilot:
        connections[0].close()
        app._note_presence()
        await app._look_for_changes()
        await press(pilot, "r")
        assert "General could not be read" in shown(pilot)
        assert "The store is closed." in shown(pilot)
        await app.workers.wait_for_complete()
    assert app.return_code in (None, 0)


def test_q_leaves_with_success(demo_database: SqliteDatabase) -> None:
    app: OrgTui = make_app(demo_database, "usage")

    @awaited
    async def leave() -> None:
        async with opened(app) as pilot:
            await pilot.press("q")

    leave()
    assert app.return_code == 0
