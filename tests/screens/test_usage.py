"""Usage & Analytics with the keyboard alone: months, days, tabs, tables, export, dialogs, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from orgtui import cli
from orgtui.domain.usage import Run
from orgtui.store import demo
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.conftest import TODAY
from tests.screens.harness import (
    SMALL,
    USUAL,
    awaited,
    elsewhere,
    make_app,
    opened,
    press,
    row,
    sees,
    settled,
    shown,
    toasts,
    typed,
    until,
)

Exporter = pytest.CaptureFixture[str]


def counted(database: SqliteDatabase, like: str) -> tuple[int, int]:
    """Runs that succeeded and that failed on the days that look *like* this, from the events themselves."""
    query = "SELECT count(*) FROM runs WHERE day LIKE ? AND outcome = ?"
    with closing(sqlite3.connect(database.path)) as connection:
        success, error = (connection.execute(query, (like, word)).fetchone()[0] for word in ("success", "error"))
    return success, error


def rate(success: int, error: int) -> str:
    return f"{100 * success / (success + error):.1f} %"


async def record(database: SqliteDatabase, *runs: Run) -> None:
    """What another program imports meanwhile."""

    async def question(opened: SqlStore) -> None:
        await opened.store.usage.record(UsageBatch(runs=runs))

    await elsewhere(database, question)


def late_run(number: int) -> Run:
    at = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    return Run(
        source="late",
        id=str(number),
        status="success",
        mode="webhook",
        started_at=at,
        stopped_at=at + timedelta(seconds=1),
        workflow_id="late",
        workflow="Late arrival",
    )


# Months and days


@awaited
async def test_the_cards_tell_the_events(demo_database: SqliteDatabase) -> None:
    success, error = counted(demo_database, "2026-11-%")
    before = sum(counted(demo_database, "2026-10-%"))
    with closing(sqlite3.connect(demo_database.path)) as connection:
        (tokens,) = connection.execute("SELECT sum(total_tokens) FROM calls WHERE day LIKE '2026-11-%'").fetchone()
    async with opened(make_app(demo_database, "usage")) as pilot:
        figures = row(pilot, rate(success, error))
        assert f"{success + error:,}" in figures
        assert f"{tokens / 1e6:.1f}M" in figures
        assert f"↑ {100 * (success + error) / before - 100:.0f} % on Oct" in row(pilot, "on Oct")
        assert "‹ November 2026" in shown(pilot)


@awaited
async def test_brackets_turn_the_month_within_its_bounds(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "right_square_bracket")
        assert toasts(pilot) == ["The next month has not begun."]
        await press(pilot, "left_square_bracket")
        assert "‹ October 2026 ›" in shown(pilot)
        assert rate(*counted(demo_database, "2026-10-%")) in shown(pilot)
        assert "Sat 31 Oct" in shown(pilot)
        await press(pilot, *["left_square_bracket"] * 31)
        assert "March 2024 ›" in shown(pilot)
        assert "‹" not in shown(pilot)
        await press(pilot, "left_square_bracket")
        assert "March 2024 ›" in shown(pilot)
        assert toasts(pilot)[-1] == "There is nothing before this month."
        await press(pilot, "right_square_bracket")
        assert "‹ April 2024 ›" in shown(pilot)


@awaited
async def test_a_month_without_data_shows_dashes_and_no_zeros(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, *["left_square_bracket"] * 30)
        assert "May 2024" in shown(pilot)
        cards = shown(pilot).splitlines()[3]
        assert cards.split()[-4:] == ["—"] * 4
        assert "%" not in shown(pilot)
        await press(pilot, "tab")
        assert "No model was called in this month." in shown(pilot)


@awaited
async def test_arrows_move_the_day_and_stop_at_both_ends(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "right")
        assert "Mon 30 Nov" in shown(pilot)
        await press(pilot, "left", "left")
        success, error = counted(demo_database, "2026-11-28")
        assert "Sat 28 Nov" in shown(pilot)
        assert row(pilot, "Runs ").split()[-1] == f"{success + error}"
        assert row(pilot, "Errors").split()[-1] == f"{error}"
        await press(pilot, *["left"] * 30)
        assert "Sun 1 Nov" in shown(pilot)


@awaited
@pytest.mark.parametrize("days", [0, 12, 29], ids=["last", "middle", "first"])
async def test_a_refresh_keeps_the_day(demo_database: SqliteDatabase, days: int) -> None:
    title = f"{TODAY - timedelta(days):%a %-d %b}"
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, *["left"] * days)
        assert title in shown(pilot)
        await press(pilot, "r")
        assert title in shown(pilot)


@awaited
async def test_the_picker_goes_to_any_month(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await pilot.press("p")
        await sees(pilot, "November 2026", "September 2026")
        await pilot.press("down", "down", "enter")
        await sees(pilot, "‹ September 2026 ›", rate(*counted(demo_database, "2026-09-%")))
        await pilot.press("p")
        await sees(pilot, "October 2026")
        await press(pilot, "up", "escape")
        assert "‹ September 2026 ›" in shown(pilot)


# Tabs, tables


@awaited
@pytest.mark.parametrize("size", [(120, 36), USUAL, SMALL], ids=str)
async def test_tab_turns_the_tabs(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "usage"), size) as pilot:
        assert "Daily Executions" in shown(pilot)
        assert "tab AI Costs" in shown(pilot)
        await press(pilot, "tab")
        assert "Daily Executions" not in shown(pilot)
        for words in ("Monthly Spend", "Models Used", "Daily Average", "Daily Spending", "Breakdown by Model"):
            assert words in shown(pilot)
        assert "tab Workflow Runs" in shown(pilot)
        await press(pilot, "tab")
        assert "Daily Executions" in shown(pilot)
        assert "Breakdown by Model" not in shown(pilot)


@awaited
@pytest.mark.parametrize("size", [(120, 36), USUAL, SMALL], ids=str)
async def test_every_model_can_be_reached(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "usage"), size) as pilot:
        await press(pilot, "tab", *["space"] * 3)
        for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "mistral-large", "grok-4"):
            assert model in shown(pilot)
        await press(pilot, "pageup", "pageup")
        assert "Total Runs" in shown(pilot)


@awaited
@pytest.mark.parametrize("size", [(120, 36), USUAL, SMALL], ids=str)
async def test_the_table_has_the_charts_figures(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    success, error = counted(demo_database, "2026-11-05")
    async with opened(make_app(demo_database, "usage"), size) as pilot:
        await press(pilot, "t")
        assert "Daily Executions" not in shown(pilot)
        cells = row(pilot, "Thu 05 Nov").split()[-6:]
        assert cells[1:] == [f"{success + error}", f"{success}", f"{error}", *rate(success, error).split()][:5] or (
            error == 0 and cells[-2:] == ["100", "%"]
        )
        await press(pilot, "G")
        assert "Mon 30 Nov" in shown(pilot)
        await press(pilot, "g")
        assert "Sun 01 Nov" in shown(pilot)
        await press(pilot, "t")
        assert "Daily Executions" in shown(pilot)


@awaited
async def test_the_table_is_filtered_as_one_types(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t")
        assert "30 days" in shown(pilot)
        await press(pilot, "slash", *"mon")
        assert shown(pilot).count("Mon ") == 5
        assert "Tue " not in shown(pilot)
        await press(pilot, "enter")
        assert "5 of 30 days" in shown(pilot)
        assert "/ mon" in shown(pilot)
        await press(pilot, "escape")
        assert "Tue " in shown(pilot)
        await press(pilot, "slash", *"[/nope]")
        assert "Mon " not in shown(pilot)


@awaited
async def test_keys_typed_into_the_filter_do_nothing_else(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t", "slash", *"q1[et?")
        assert pilot.app.is_running
        assert "November 2026" in shown(pilot)
        assert "q1[et?" in shown(pilot)


@awaited
async def test_the_table_is_sorted_and_turned_round(demo_database: SqliteDatabase) -> None:
    def runs() -> list[int]:
        return [int(line.split()[-5]) for line in shown(pilot).splitlines() if " Nov " in line and "%" in line]

    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t", "s")
        assert "by runs" in shown(pilot)
        assert runs() == sorted(runs(), reverse=True) != sorted(runs())
        await press(pilot, "S")
        assert "turned round" in shown(pilot)
        assert runs() == sorted(runs())


@awaited
async def test_a_row_is_copied(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "tab", "t", "y")
        copied = pilot.app.clipboard
        assert copied in {"claude-sonnet-4-5", "gemini-2.5-pro", "gpt-4o", "grok-4", "mistral-large"}
        assert toasts(pilot) == [f"Copied: {copied}"]
        await press(pilot, "j", "y")
        assert pilot.app.clipboard != copied


# The day


@awaited
@pytest.mark.parametrize("key", ["d", "enter"])
async def test_a_day_opens_by_workflow(demo_database: SqliteDatabase, key: str) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "left", key)
        await sees(pilot, "Runs of Sun 29 Nov 2026", "Invoice intake")
        rows = [line.split() for line in shown(pilot).splitlines() if len(line.split()) > 3 and line[-3:].strip().isdigit()]
        success, error = counted(demo_database, "2026-11-29")
        assert sum(int(cells[-3]) for cells in rows) == success
        assert sum(int(cells[-2]) for cells in rows) == error
        await press(pilot, "slash", *"refund", "enter")
        assert "Refund approval" in shown(pilot)
        assert "Invoice intake" not in shown(pilot)
        await press(pilot, "tab", "tab", "tab", "enter")
        assert "Sun 29 Nov" in shown(pilot)


@awaited
async def test_enter_on_a_row_of_the_table_opens_that_day(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t", "g", "down", "enter")
        await sees(pilot, "Runs of Mon 2 Nov 2026")


@awaited
async def test_a_day_without_runs_says_so(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, *["left_square_bracket"] * 30, "d")
        await sees(pilot, "Nothing ran on this day.")
        await press(pilot, "escape")
        assert "May 2024" in shown(pilot)


# Export


@pytest.mark.parametrize(("tab", "table"), [((), "daily_executions"), (("tab",), "breakdown_by_model")])
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_the_export_is_that_of_the_command_line(
    demo_database: SqliteDatabase, tmp_path: Path, capsys: Exporter, tab: tuple[str, ...], table: str, ending: str
) -> None:
    target = tmp_path / f"out.{ending}"

    @awaited
    async def export() -> None:
        async with opened(make_app(demo_database, "usage")) as pilot:
            await press(pilot, *tab, "e")
            await sees(pilot, "rows, as .csv or .json")
            await typed(pilot, str(target))
            await pilot.press("enter")
            await until(pilot, lambda: toasts(pilot))
            assert toasts(pilot)[0].startswith("Exported ")

    export()
    words = ["--store", f"sqlite:///{demo_database.path}", "usage", "export", "--month", "2026-11", "--table", table]
    with time_machine.travel(demo.demo_now(TODAY), tick=False):
        assert cli.run(cli.parse([*words, *(["--json"] if ending == "json" else [])])) == 0
    printed = capsys.readouterr().out
    written = target.read_text(encoding="utf-8")
    assert written.count("\n") > 4
    assert written.strip() == printed.strip()
    if ending == "json":
        assert len(json.loads(written)) in (5, 30)
    assert target.stat().st_mode & 0o077 == 0


@awaited
async def test_an_export_never_overwrites_and_keeps_what_was_typed(
    demo_database: SqliteDatabase, tmp_path: Path
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "e")
        await sees(pilot, "Export")
        for path, refusal in (
            (there, "There is a file of that name already"),
            (tmp_path / "out.xlsx", "Let the name end in .csv or .json."),
            (tmp_path / "no" / "folder.csv", "It cannot be written: No such file or directory."),
        ):
            await typed(pilot, str(path))
            await pilot.press("enter")
            await sees(pilot, refusal)
            assert path.name in shown(pilot)
        await press(pilot, "escape")
        assert "Daily Executions" in shown(pilot)
    assert there.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


# What others change, what goes wrong


@awaited
async def test_r_reads_again(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        total = sum(counted(demo_database, "2026-11-%"))
        assert f"{total:,}" in shown(pilot)
        await record(demo_database, late_run(1), late_run(2))
        await pilot.pause(0.2)
        assert f"{total:,}" in shown(pilot)
        await press(pilot, "r")
        assert f"{total + 2:,}" in shown(pilot)


@awaited
async def test_what_another_program_imports_appears_by_itself(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", refresh_seconds=0.05)) as pilot:
        await press(pilot, "left")
        total = sum(counted(demo_database, "2026-11-%"))
        await pilot.pause(0.3)
        await record(demo_database, late_run(1))
        await sees(pilot, f"{total + 1:,}", "Sun 29 Nov")


@awaited
async def test_a_store_that_fails_is_told_and_asked_again(demo_database: SqliteDatabase) -> None:
    faults = {"usage.month"}
    async with opened(make_app(demo_database, "usage", fail=faults)) as pilot:
        assert "✗ Usage & Analytics could not be read" in shown(pilot)
        assert "The store did not answer" in shown(pilot)
        assert "Press r to try again." in shown(pilot)
        await press(pilot, "left", "e", "d", "p", "left_square_bracket", "t", "t", "tab")
        faults.clear()
        await press(pilot, "r")
        assert "could not be read" not in shown(pilot)
        assert "November 2026" in shown(pilot)


@awaited
async def test_a_failure_keeps_what_was_read_before(demo_database: SqliteDatabase) -> None:
    faults = {"nothing"}
    async with opened(make_app(demo_database, "usage", fail=faults)) as pilot:
        total = f"{sum(counted(demo_database, '2026-11-%')):,}"
        faults.add("usage.month")
        await press(pilot, "r")
        assert "could not be read" in shown(pilot)
        assert "Below is what was last known." in shown(pilot)
        assert total in shown(pilot)
        assert "Daily Executions" in shown(pilot)
        faults.clear()
        await press(pilot, "r")
        assert "could not be read" not in shown(pilot)


@awaited
async def test_a_failing_day_is_told(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", fail={"usage.day"})) as pilot:
        await pilot.press("d")
        await until(pilot, lambda: toasts(pilot))
        assert toasts(pilot)[0].startswith("The store did not answer")


@awaited
async def test_who_may_not_look_is_told_why(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", fail={"usage.month:forbidden"})) as pilot:
        assert "Not for your role" in shown(pilot)
        assert "Your role does not allow this" in shown(pilot)


@awaited
async def test_while_the_store_is_slow_the_screen_says_so(demo_database: SqliteDatabase) -> None:
    app = make_app(demo_database, "usage", slow=0.5)
    async with app.run_test(size=USUAL) as pilot:
        await sees(pilot, "Loading Usage & Analytics…", "—")
        await settled(pilot)
        assert "Loading" not in shown(pilot)
        assert "November 2026" in shown(pilot)


@awaited
async def test_while_another_month_is_read_the_screen_says_so(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", slow=0.4)) as pilot:
        await pilot.press("left_square_bracket")
        await pilot.pause(0.1)
        assert "October 2026" in shown(pilot)
        assert "Loading" in shown(pilot)
        await sees(pilot, "Sat 31 Oct")


@awaited
async def test_an_organization_without_usage_says_what_to_do(acme: SqliteDatabase) -> None:
    async with opened(make_app(acme, "usage")) as pilot:
        assert "orgtui usage import" in shown(pilot)
        assert "100 %" not in shown(pilot)
        assert "0 %" not in shown(pilot)
        await press(pilot, "left", "tab", "t", "s", "y", "t", "d")
