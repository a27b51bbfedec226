"""Workspaces: cards that open, settings of their own, people, an end; and figures narrowed to one."""

from __future__ import annotations

import time

from textual.widgets import Button, Input, OptionList, Static

from orgtui.store.contract.workspaces import NewWorkspace, WorkspaceChanges
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.screens.harness import (
    SMALL,
    Drive,
    awaited,
    edit_name,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    sees,
    shown,
    sizes,
    toasts,
    typed,
    until,
)


async def menu(pilot: Drive, entry: str) -> None:
    await press(pilot, "m")
    found = pilot.app.screen.query_one(OptionList)
    words = [str(found.get_option_at_index(at).prompt) for at in range(found.option_count)]
    found.highlighted = words.index(entry)
    await press(pilot, "enter")


@sizes
@awaited
async def test_every_card_has_its_figures(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "workspaces"), size) as pilot:
        told = shown(pilot, "#cards-grid")
        for name in ("Production", "Staging", "Finance", "Playground"):
            assert name in told
        for figure in ("38", "12", "14", "6"):
            assert figure in told
        assert "Legacy" not in told
        await press(pilot, "enter", "G", "g", "right")
        await press(pilot, "enter")
        await sees(pilot, "Created")
        assert "Playground" in lines(pilot)[0] or size == SMALL


@awaited
async def test_cards_are_filtered_sorted_and_the_archived_ones_asked_for(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "slash", *"fin")
        await until(pilot, lambda: "Staging" not in shown(pilot, "#cards-grid"))
        await press(pilot, "enter", "escape")
        await until(pilot, lambda: "Staging" in shown(pilot, "#cards-grid"))
        await press(pilot, "s")
        assert "by runs" in shown(pilot)
        assert shown(pilot, "#cards-grid").index("Production") < shown(pilot, "#cards-grid").index("Finance")
        await press(pilot, "a")
        await sees(pilot, "Legacy", "archived")


@awaited
async def test_a_new_one_is_made_and_opened(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "n")
        await typed(pilot, "FINANCE")
        await press(pilot, "enter")
        await sees(pilot, "There is a workspace named")
        assert pilot.app.screen.query_one("#workspace-name", Input).value == "FINANCE"
        await typed(pilot, "Research")
        await press(pilot, "enter")
        await sees(pilot, "Workspaces › Research", "Save Changes")
        await press(pilot, "escape")
        await sees(pilot, "5 workspaces", "Research")


@awaited
async def test_its_settings_are_saved_and_a_stale_save_asks(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "enter", "enter")
        await sees(pilot, "Save Changes", "This month", "organization owner")
        await edit_name(pilot, "Money")
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: toasts(pilot) == ["Saved."])
        assert "Money" in lines(pilot)[0]

        async def rename(store: SqlStore) -> None:
            (space,) = [s for s in (await store.store.workspaces.show()).workspaces if s.name == "Money"]
            version = (await store.store.workspaces.open(space.id)).version
            await store.store.workspaces.save(space.id, WorkspaceChanges(seen=version, name="Cash"))

        await elsewhere(demo_database, rename)
        await edit_name(pilot, "Funds")
        await press(pilot, "ctrl+s")
        await sees(pilot, "Somebody changed this meanwhile", "Cash", "Funds")
        pilot.app.screen.query_one("#mine", Button).press()
        await until(pilot, lambda: "Funds" in lines(pilot)[0])
        await edit_name(pilot, "Half typed")
        await press(pilot, "escape")
        await sees(pilot, "There are unsaved changes")
        pilot.app.screen.query_one("#discard", Button).press()
        await sees(pilot, "4 workspaces", "Funds")


@awaited
async def test_roles_are_given_and_taken_back(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "enter", "enter")
        await sees(pilot, "Save Changes")
        await press(pilot, "M")
        await sees(pilot, "Members of Finance", "given here")
        await press(pilot, "tab")
        await typed(pilot, "kim@partner.example")
        await press(pilot, "enter")
        await until(pilot, lambda: "kim  " in shown(pilot, "#workspace-people"))
        await press(pilot, "shift+tab", "home", "x")
        await sees(pilot, "✗")
        await press(pilot, "escape")
        await until(pilot, lambda: "kim  " in shown(pilot, "#people"))


@awaited
async def test_archived_restored_and_deleted_after_its_name(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "enter")
        await menu(pilot, "Archive")
        await until(pilot, lambda: "3 workspaces" in shown(pilot))
        await press(pilot, "a", "G")
        await until(pilot, lambda: "Legacy" in shown(pilot))
        await menu(pilot, "Restore")
        await until(pilot, lambda: "is back." in toasts(pilot)[-1])
        await press(pilot, "g")
        await menu(pilot, "Delete…")
        await sees(pilot, "This cannot be taken back", "stay in Usage & Analytics")
        name = str(pilot.app.screen.query_one("#heading", Static).content).removeprefix("Delete ")
        await typed(pilot, name.lower())
        assert pilot.app.screen.query_one("#confirm-typed", Button).disabled
        await typed(pilot, name)
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot)[-1] == f"{name} is deleted.")


@awaited
async def test_the_last_active_one_stays(demo_database: SqliteDatabase) -> None:
    async def archive_most(store: SqlStore) -> None:
        for space in (await store.store.workspaces.show()).workspaces[1:]:
            await store.store.workspaces.archive(space.id)

    await elsewhere(demo_database, archive_most)
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "enter", "m", "j")
        await sees(pilot, "The last active workspace stays.")
        await press(pilot, "enter", "escape", "enter", "A")
        await until(pilot, lambda: toasts(pilot))
        assert "active" in toasts(pilot)[-1]


@awaited
async def test_hundreds_are_quick(demo_database: SqliteDatabase) -> None:
    async def many(store: SqlStore) -> None:
        for number in range(200):
            await store.store.workspaces.create(NewWorkspace(name=f"Space {number:03}"))

    await elsewhere(demo_database, many)
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        assert "204 workspaces" in shown(pilot)
        # Of the processor's time: of the clock's, whatever else the machine does takes its share.
        begun = time.process_time()
        await press(pilot, "enter", "G")
        await sees(pilot, "Staging")
        await press(pilot, "g", *"jjj")
        assert time.process_time() - begun < 3


@awaited
async def test_figures_are_narrowed_to_a_workspace_and_back(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        assert "2,885" in shown(pilot)
        await press(pilot, "w")
        await sees(pilot, "All workspaces", "Legacy (archived)", "No workspace")
        await press(pilot, "j", "enter")
        await until(pilot, lambda: "2,885" not in shown(pilot, "#cards"))
        assert "Usage & Analytics › Finance" in lines(pilot)[0]
        await press(pilot, "w", "k", "enter")
        await until(pilot, lambda: "2,885" in shown(pilot, "#cards"))


@awaited
async def test_numbers_lead_away_from_an_opened_one_and_back(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "workspaces")) as pilot:
        await press(pilot, "enter", "enter")
        await sees(pilot, "Save Changes")
        await press(pilot, "2")
        await sees(pilot, "Ada Lovelace")
        await press(pilot, "6")
        await sees(pilot, "Workspaces › Finance")
        await press(pilot, "escape")
        await sees(pilot, "4 workspaces")
