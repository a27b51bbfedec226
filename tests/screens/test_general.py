"""General with the keyboard alone: edit and save, conflicts and failures, the logo, and the end of an organization."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual import events
from textual.widgets import Button, Input, TextArea

from orgtui.domain.errors import NotFound
from orgtui.store.contract.general import GeneralChanges, GeneralPage
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.contract.arguments import keep
from tests.screens.harness import (
    SMALL,
    USUAL,
    WIDE,
    Drive,
    awaited,
    edit_description,
    edit_name,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    sees,
    settled,
    shown,
    toasts,
    typed,
    until,
)

ADMIN = "jonas.weber@acme.example"
NAME = "Acme Automation"


async def page(database: SqliteDatabase) -> GeneralPage:
    """What a second program reads."""

    async def question(other: SqlStore) -> GeneralPage:
        return await other.store.general.show()

    found: GeneralPage = await elsewhere(database, question)
    return found


async def save_elsewhere(database: SqliteDatabase, **changes: str) -> None:
    """What a second program saves meanwhile."""

    async def question(other: SqlStore) -> None:
        seen = (await other.store.general.show()).version
        await other.store.general.save(GeneralChanges(seen=seen, **changes))

    await elsewhere(database, question)


# Edit and save


@awaited
async def test_it_shows_who_the_organization_is(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:
        stats = [line.split("│")[1].split() for line in lines(pilot)[3:5]]
        assert stats == [["7", "4", "12", "Mar", "2024"], ["Members", "Workspaces", "Created"]]
        for words in ("Organization Logo", "Organization Name", "Description", "optional", "Save Changes", NAME):
            assert words in shown(pilot)
        assert "5 workspaces, 63 workflows and all logs. No undo." in shown(pilot)
        await press(pilot, "ctrl+s")
        assert toasts(pilot) == ["Nothing has changed."]


@awaited
@pytest.mark.parametrize("size", [WIDE, USUAL, SMALL], ids="{0[0]}x{0[1]}".format)
async def test_what_is_typed_is_unsaved_until_it_is_saved(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database), size) as pilot:
        await edit_name(pilot, "Acme & Söhne 日本")
        assert f"Unsaved — was “{NAME}”" in shown(pilot)
        await edit_description(pilot, "New\nwords")
        await sees(pilot, "9 / 280")
        pilot.app.screen.query_one("#save").scroll_visible(animate=False)
        await sees(pilot, "2 unsaved changes")
        assert (await page(demo_database)).name == NAME
        await press(pilot, "ctrl+s")
        assert toasts(pilot) == ["Saved."]
        assert "nsaved" not in shown(pilot)
        assert "Acme & Söhne 日本" in lines(pilot)[0]
    saved = await page(demo_database)
    assert (saved.name, saved.description) == ("Acme & Söhne 日本", "New\nwords")


@awaited
async def test_every_control_is_reached_by_tab_and_back(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database), SMALL) as pilot:
        there = []
        for _ in range(6):
            there.append(pilot.app.focused.id)
            region = pilot.app.focused.region
            assert pilot.app.screen.region.contains_region(region), there
            await press(pilot, "tab")
        assert there == ["sidebar", "upload", "name", "description", "save", "delete"]
        assert pilot.app.focused.id == "sidebar"
        await press(pilot, "shift+tab", "shift+tab")
        assert pilot.app.focused.id == "save"
        await press(pilot, "escape")
        assert pilot.app.focused.id == "sidebar"
        await press(pilot, "enter")
        assert pilot.app.focused.id == "upload"


@awaited
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("x" * 61, "61 characters long; at most 60 fit."),
        ("   ", "Organization Name cannot be empty."),
        ("Ac\u200bme", "Organization Name contains hidden characters; type it again without them."),
    ],
    ids=["too long", "empty", "hidden"],
)
async def test_a_refused_name_is_told_at_its_field_and_kept(
    demo_database: SqliteDatabase, name: str, error: str
) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await edit_name(pilot, name)
        await press(pilot, "tab", "ctrl+s")
        assert error in " ".join(shown(pilot, "#name-field").split())
        assert pilot.app.focused.id == "name"
        assert pilot.app.screen.query_one(Input).value == name
        await press(pilot, "backspace", *"!")
        assert error not in shown(pilot)
        assert "Unsaved" in shown(pilot)
    assert (await page(demo_database)).version == 2


@awaited
@pytest.mark.parametrize("size", [USUAL, SMALL], ids="{0[0]}x{0[1]}".format)
async def test_an_error_is_read_whole_where_it_is_narrow(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database), size) as pilot:
        await edit_name(pilot, "Ac\u200bme")
        await press(pilot, "ctrl+s")
        told = " ".join(shown(pilot, "#name-field").split())
        assert "contains hidden characters; type it again without them." in told


@awaited
async def test_a_long_description_is_counted_as_people_count(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await edit_description(pilot, "👩\u200d👩\u200d👧" * 3)
        await sees(pilot, " 3 / 280")
        await edit_description(pilot, "x" * 281)
        await sees(pilot, "281 / 280")
        await press(pilot, "ctrl+s")
        assert "281 characters long; at most 280 fit." in shown(pilot, "#description-field")
        assert pilot.app.screen.query_one(TextArea).text == "x" * 281


# Conflicts and failures


async def conflict(pilot: Drive, database: SqliteDatabase) -> None:
    await edit_name(pilot, "Mine")
    await save_elsewhere(database, name="Theirs")
    await press(pilot, "ctrl+s")
    await sees(pilot, "Somebody changed this meanwhile")
    assert [line.split() for line in lines(pilot, "#both") if line.strip()] == [
        ["Organization", "Name"],
        ["yours", "Mine"],
        ["theirs", "Theirs"],
    ]


@awaited
@pytest.mark.parametrize(
    ("keys", "kept", "in_field"),
    [
        (("tab", "tab", "enter"), "Mine", "Mine"),
        (("tab", "enter"), "Theirs", "Theirs"),
        (("enter",), "Theirs", "Mine"),
        (("escape",), "Theirs", "Mine"),
    ],
    ids=["save mine", "take theirs", "keep editing", "escape"],
)
async def test_a_conflict_shows_both_and_lets_one_choose(
    demo_database: SqliteDatabase, keys: tuple[str, ...], kept: str, in_field: str
) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await conflict(pilot, demo_database)
        await press(pilot, *keys)
        await until(pilot, lambda: not pilot.app.screen.query("#both"))
        await settled(pilot)
        assert pilot.app.screen.query_one(Input).value == in_field
        assert ("unsaved" in shown(pilot)) == (kept != in_field)
        assert (await page(demo_database)).name == kept


@awaited
async def test_what_somebody_else_saves_appears_by_itself(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, refresh_seconds=0.05)) as pilot:
        await pilot.pause(0.3)
        await save_elsewhere(demo_database, name="Theirs")
        await until(pilot, lambda: pilot.app.screen.query_one(Input).value == "Theirs")
        assert "Theirs" in lines(pilot)[0]
        assert "nsaved" not in shown(pilot)


@awaited
async def test_what_appears_by_itself_is_not_overwritten_unasked(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, refresh_seconds=0.05)) as pilot:
        await edit_name(pilot, "Mine")
        await pilot.pause(0.3)
        await save_elsewhere(demo_database, name="Theirs")
        await until(pilot, lambda: "Theirs" in lines(pilot)[0])
        assert pilot.app.screen.query_one(Input).value == "Mine"
        await press(pilot, "ctrl+s")
        await sees(pilot, "Somebody changed this meanwhile")
        assert (await page(demo_database)).name == "Theirs"


@awaited
async def test_a_failing_save_keeps_what_was_typed(demo_database: SqliteDatabase) -> None:
    faults = {"general.save"}
    async with opened(make_app(demo_database, fail=faults)) as pilot:
        await edit_name(pilot, "Mine")
        await press(pilot, "ctrl+s")
        assert toasts(pilot)[0].startswith("Not saved: The store did not answer")
        assert pilot.app.screen.query_one(Input).value == "Mine"
        assert "1 unsaved change" in shown(pilot)
        faults.add("general.show")
        await press(pilot, "escape", "r")
        assert "General could not be read" in shown(pilot)
        assert pilot.app.screen.query_one(Input).value == "Mine"
        faults.clear()
        await press(pilot, "r", "ctrl+s")
        assert toasts(pilot)[-1] == "Saved."
    assert (await page(demo_database)).name == "Mine"


@awaited
async def test_a_save_that_was_kept_is_never_called_a_failure(demo_database: SqliteDatabase) -> None:
    faults = {"nothing"}
    async with opened(make_app(demo_database, fail=faults)) as pilot:
        await edit_name(pilot, "Mine")
        faults.add("general.overview")
        await press(pilot, "ctrl+s")
        assert (await page(demo_database)).name == "Mine"
        assert not any("Not saved" in toast for toast in toasts(pilot))
        assert "nsaved" not in shown(pilot)


@awaited
async def test_keys_that_arrive_at_once_save_what_they_typed(demo_database: SqliteDatabase) -> None:
    """As a slow line sends them: `ctrl+s` is no faster than the letters before it."""
    async with opened(make_app(demo_database)) as pilot:
        await edit_name(pilot, "")
        for key in "Mine":
            pilot.app.post_message(events.Key(key, key))
        pilot.app.post_message(events.Key("ctrl+s", None))
        await until(pilot, lambda: toasts(pilot) == ["Saved."])
        assert "nsaved" not in shown(pilot)
    assert (await page(demo_database)).name == "Mine"


@awaited
async def test_what_is_typed_during_a_slow_save_survives(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, slow=0.3)) as pilot:
        await edit_name(pilot, "Mine")
        await pilot.press("ctrl+s", *" and more")
        await until(pilot, lambda: toasts(pilot))
        await settled(pilot)
        assert pilot.app.screen.query_one(Input).value == "Mine and more"
        assert "Unsaved — was “Mine”" in shown(pilot)


@awaited
async def test_a_section_that_cannot_be_read_asks_again(demo_database: SqliteDatabase) -> None:
    faults = {"general.show"}
    async with opened(make_app(demo_database, fail=faults)) as pilot:
        assert "✗ General could not be read" in shown(pilot)
        assert "Save Changes" not in shown(pilot).splitlines()[5:-2]
        await press(pilot, "ctrl+s", "u", "x", "D")
        assert not pilot.app.screen.query("#panel")
        faults.clear()
        await press(pilot, "tab", "enter")
        assert "could not be read" not in shown(pilot)
        assert NAME in shown(pilot)


@awaited
@pytest.mark.parametrize("leave", ["2", "down", "q"])
async def test_leaving_with_unsaved_changes_asks_once(demo_database: SqliteDatabase, leave: str) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await edit_name(pilot, "Mine")
        await press(pilot, "escape", leave)
        await sees(pilot, "There are unsaved changes", "Organization Name")
        await press(pilot, "enter")
        assert "General" in lines(pilot)[0]
        assert pilot.app.screen.query_one(Input).value == "Mine"
        await press(pilot, leave)
        await sees(pilot, "There are unsaved changes")
        await press(pilot, "tab", "enter")
        if leave == "q":
            await until(pilot, lambda: not pilot.app.is_running)
        else:
            assert "Team" in lines(pilot)[0].partition("│")[2]
            await press(pilot, "1")
            assert pilot.app.screen.query_one(Input).value == NAME
            assert "nsaved" not in shown(pilot)
    assert (await page(demo_database)).name == NAME


@awaited
async def test_leaving_can_save_first(demo_database: SqliteDatabase) -> None:
    faults = {"general.save"}
    async with opened(make_app(demo_database, fail=faults)) as pilot:
        await edit_name(pilot, "Mine")
        for title in ("General", "Team"):
            await press(pilot, "escape", "2")
            await sees(pilot, "There are unsaved changes")
            await press(pilot, "tab", "tab", "enter")
            await until(pilot, lambda title=title: title in lines(pilot)[0].partition("│")[2])
            await settled(pilot)
            faults.clear()
        await press(pilot, "3", "2")
        assert not pilot.app.screen.query("#panel")
    assert (await page(demo_database)).name == "Mine"


# The logo


def picture(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    Image.new("RGB", size, (200, 30, 30)).save(path, "PNG")
    return path


async def upload(pilot: Drive, path: Path) -> None:
    await press(pilot, "u")
    await sees(pilot, "Upload Logo", "Square PNG, JPEG or GIF, max 2 MB")
    await typed(pilot, str(path))
    await press(pilot, "enter")


@awaited
async def test_a_logo_is_uploaded_by_its_path_and_removed(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database)) as pilot:
        assert "Remove" not in shown(pilot, "#logo-side")
        await upload(pilot, picture(tmp_path / "logo.png"))
        await until(pilot, lambda: "The logo is set." in toasts(pilot))
        await until(pilot, lambda: "▀" * 7 in shown(pilot, "#logo"))
        assert "Remove" in shown(pilot, "#logo-side")
        kept = (await page(demo_database)).logo
        assert kept is not None
        assert Image.open(BytesIO(kept)).format == "PNG"
        await press(pilot, "x")
        await until(pilot, lambda: "The avatar is back." in toasts(pilot))
        assert shown(pilot, "#logo").strip() == "A"
        assert "Remove" not in shown(pilot, "#logo-side")
    assert (await page(demo_database)).logo is None


@awaited
async def test_ones_own_logo_is_no_conflict(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await edit_name(pilot, "Mine")
        await press(pilot, "escape")
        await upload(pilot, picture(tmp_path / "logo.png"))
        await until(pilot, lambda: "The logo is set." in toasts(pilot))
        assert pilot.app.screen.query_one(Input).value == "Mine"
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: "Saved." in toasts(pilot))
    assert (await page(demo_database)).name == "Mine"


def text(path: Path) -> Path:
    path.write_text("not a picture")
    return path


def large(path: Path) -> Path:
    path.write_bytes(picture(path).read_bytes() + bytes(3_000_000))
    return path


@awaited
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text, "not a PNG, JPEG or GIF image"),
        (large, "2 MB"),
        (lambda path: picture(path, (64, 32)), "square"),
        (lambda path: path, "There is no file"),
    ],
    ids=["text called .png", "3 MB", "not square", "not there"],
)
async def test_a_refused_logo_changes_nothing(
    demo_database: SqliteDatabase, tmp_path: Path, make: Any, reason: str
) -> None:
    async with opened(make_app(demo_database)) as pilot:
        await upload(pilot, make(tmp_path / "logo.png"))
        await until(pilot, lambda: toasts(pilot))
        assert toasts(pilot)[0].startswith("The logo stays as it was: ")
        assert reason in toasts(pilot)[0]
        assert shown(pilot, "#logo").strip() == "A"
    assert (await page(demo_database)).logo is None


@awaited
async def test_a_logo_is_found_by_walking(
    demo_database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brand").mkdir()
    picture(tmp_path / "brand" / "[bold]logo\x1b[2J.png")
    monkeypatch.chdir(tmp_path)
    async with opened(make_app(demo_database)) as pilot:
        await press(pilot, "u")
        await sees(pilot, "brand/")
        await press(pilot, "tab", "down", "down", "enter")
        await sees(pilot, "[bold]logo\ufffd[2J.png")
        await press(pilot, "down", "down", "enter")
        await until(pilot, lambda: "The logo is set." in toasts(pilot))


# The end of an organization


@awaited
async def test_only_the_exact_name_wakes_the_button(demo_database: SqliteDatabase) -> None:
    app = make_app(demo_database)
    async with opened(app) as pilot:
        await press(pilot, "D")
        await sees(pilot, f"Delete {NAME}", "63  workflows and 21 agents", "workspaces, with all their data and logs")
        button = app.screen.query_one("#confirm-typed", Button)
        for wrong in ("", "acme automation", "Acme Automatio", "Acme Automation ", " Acme Automation", "x"):
            await typed(pilot, wrong)
            assert button.disabled
            await press(pilot, "enter")
            assert (await page(demo_database)).name == NAME
        await typed(pilot, "Acme Automati")
        await sees(pilot, "2 letters to go")
        await press(pilot, *"on")
        assert not button.disabled
        await press(pilot, "escape")
        assert (await page(demo_database)).name == NAME
        await press(pilot, "D")
        await typed(pilot, NAME)
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: not app.is_running)
    assert app.return_code == 0
    with pytest.raises(NotFound):
        await page(demo_database)


@awaited
async def test_a_failing_deletion_says_that_nothing_was_deleted(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, fail={"general.delete"})) as pilot:
        await press(pilot, "D")
        await typed(pilot, NAME)
        await press(pilot, "enter")
        await sees(pilot, "The store did not answer", "Nothing was deleted.")
    assert (await page(demo_database)).name == NAME


@awaited
async def test_an_admin_sees_the_danger_zone_dimmed_with_the_reason(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, actor=ADMIN)) as pilot:
        assert "Business · admin" in lines(pilot)[0]
        assert "Only an owner can delete the organization." in shown(pilot)
        assert pilot.app.screen.query_one("#delete", Button).disabled
        await press(pilot, "D")
        assert toasts(pilot) == ["Only an owner can delete the organization."]
        assert not pilot.app.screen.query("#panel")
        await edit_name(pilot, "An admin may")
        await press(pilot, "ctrl+s")
        assert toasts(pilot)[-1] == "Saved."


@awaited
async def test_a_stranger_is_told_so(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, actor="nobody@else.example")) as pilot:
        assert "Not for your role" in shown(pilot)
        assert "nobody@else.example is not a member of this organization" in shown(pilot)
        assert NAME not in shown(pilot)


@awaited
async def test_a_deletion_by_somebody_else_is_told(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database)) as pilot:

        async def question(other: SqlStore) -> None:
            await keep(other.platform, None)
            await other.store.general.delete(NAME)

        await elsewhere(demo_database, question)
        await press(pilot, "r")
        assert "The organization has been deleted." in shown(pilot)
