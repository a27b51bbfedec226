"""Usage & Analytics with the keyboard alone: months, days, tabs, tables, export, dialogs, and what goes wrong."""

from __future__ import annotations

import json
import re
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
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.conftest import OWNER, TODAY, Clock
from tests.screens.harness import (
    SMALL,
    USUAL,
    WIDE,
    Drive,
    awaited,
    elsewhere,
    lines,
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

MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "mistral-large", "grok-4")


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

    async def question(other: SqlStore) -> None:
        await other.store.usage.record(UsageBatch(runs=runs))

    await elsewhere(database, question)


def late_run(number: int) -> Run:
    at = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    names = {"source": "late", "id": str(number), "workflow_id": "late", "workflow": "Late arrival"}
    return Run(**names, status="success", mode="webhook", started_at=at, stopped_at=at + timedelta(seconds=1))


@pytest.fixture
def young(database: SqliteDatabase, clock: Clock) -> SqliteDatabase:
    """An organization founded a month ago, in which nothing has run."""
    clock.now -= timedelta(days=30)
    found(database, Founding(name="Young", owner=OWNER), clock.ambient())
    return database


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
async def test_brackets_turn_the_month(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "right_square_bracket")
        assert toasts(pilot) == ["The next month has not begun."]
        await press(pilot, "left_square_bracket")
        assert "‹ October 2026 ›" in shown(pilot)
        assert rate(*counted(demo_database, "2026-10-%")) in shown(pilot)
        assert "Sat 31 Oct" in shown(pilot)
        await press(pilot, "left_square_bracket", "left_square_bracket", "right_square_bracket")
        assert "‹ September 2026 ›" in shown(pilot)


@awaited
async def test_months_without_data_end_where_the_organization_began(
    young: SqliteDatabase, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clock.now += timedelta(days=30)
    async with opened(make_app(young, "usage", ambient=clock.ambient())) as pilot:
        await press(pilot, "left_square_bracket")
        assert "  October 2026 ›" in shown(pilot)
        await press(pilot, "left_square_bracket")
        assert toasts(pilot) == ["There is nothing before this month."]
        assert "October 2026 ›" in shown(pilot)
        assert row(pilot, "—   ").split()[-4:] == ["—"] * 4
        assert "0 %" not in shown(pilot)
        await press(pilot, "d")
        await sees(pilot, "Nothing ran on this day.")
        await press(pilot, "escape", "tab", "t", "s", "S", "y", "g", "t", "e", "enter")


@awaited
async def test_an_organization_without_usage_says_what_to_do(young: SqliteDatabase, clock: Clock) -> None:
    clock.now += timedelta(days=30)
    async with opened(make_app(young, "usage", ambient=clock.ambient())) as pilot:
        assert "orgtui usage import" in shown(pilot)


@awaited
async def test_arrows_move_the_day_within_the_month_and_a_refresh_keeps_it(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "right")
        assert "Mon 30 Nov" in shown(pilot)
        await press(pilot, "left", "left")
        success, error = counted(demo_database, "2026-11-28")
        panel = [line.split() for line in lines(pilot, "#runs-day")]
        assert panel[0] == ["Sat", "28", "Nov"]
        assert ["Runs", f"{success + error}"] in panel
        assert ["Errors", f"{error}"] in panel
        await press(pilot, "r")
        assert "Sat 28 Nov" in shown(pilot)
        await press(pilot, *["left"] * 28)
        assert "Sun 1 Nov" in shown(pilot)
        await press(pilot, "r")
        assert "Sun 1 Nov" in shown(pilot)


@awaited
async def test_the_picker_goes_to_any_month(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await pilot.press("p")
        await sees(pilot, "November 2026", "September 2026")
        await pilot.press("down", "down", "enter")
        await sees(pilot, "‹ September 2026 ›", rate(*counted(demo_database, "2026-09-%")))
        await pilot.press("p")
        await sees(pilot, "August 2026")
        await press(pilot, "up", "escape")
        assert "‹ September 2026 ›" in shown(pilot)


# Tabs and tables


@awaited
@pytest.mark.parametrize("size", [WIDE, USUAL, SMALL], ids="{0[0]}x{0[1]}".format)
async def test_everything_is_reached_at_every_size(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    success, error = counted(demo_database, "2026-11-05")
    async with opened(make_app(demo_database, "usage"), size) as pilot:
        for words in ("Total Runs", "Success Rate", "AI Credits Used", "Total Tokens", "Daily Executions"):
            assert words in shown(pilot)
        assert "tab AI Costs" in shown(pilot)
        await press(pilot, "t")
        assert "Daily Executions" not in shown(pilot)
        cells = row(pilot, "Thu 05 Nov").split()
        assert cells[-5:-2] == [f"{success + error}", f"{success}", f"{error}"]
        await press(pilot, "G")
        assert "Mon 30 Nov" in shown(pilot)
        await press(pilot, "t", "tab")
        assert "Daily Executions" not in shown(pilot)
        for words in ("Monthly Spend", "Models Used", "Daily Average", "Daily Spending", "tab Workflow Runs"):
            assert words in shown(pilot)
        await press(pilot, "space", "space")
        assert "Breakdown by Model" in shown(pilot)
        assert all(model in shown(pilot) for model in MODELS)
        await press(pilot, "pageup", "pageup", "tab")
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
        await press(pilot, "slash", *"q1[e?]")
        assert pilot.app.is_running
        assert "q1[e?]" in shown(pilot)
        assert "Mon " not in shown(pilot)


@awaited
async def test_the_table_is_sorted_turned_round_and_copied(demo_database: SqliteDatabase) -> None:
    def runs() -> list[int]:
        return [int(found[1]) for line in lines(pilot, "#runs-table") if (found := re.search(r" Nov +(\d+)", line))]

    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t", "s")
        assert "by runs" in shown(pilot)
        assert runs() == sorted(runs(), reverse=True) != sorted(runs())
        await press(pilot, "S")
        assert "turned round" in shown(pilot)
        assert runs() == sorted(runs())
        await press(pilot, "tab", "y")
        first = pilot.app.clipboard
        assert first in MODELS
        assert toasts(pilot) == [f"Copied: {first}"]
        await press(pilot, "j", "y")
        assert pilot.app.clipboard in MODELS
        assert pilot.app.clipboard != first


@awaited
@pytest.mark.parametrize("key", ["d", "enter"])
async def test_a_day_opens_by_workflow(demo_database: SqliteDatabase, key: str) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "left", key)
        await sees(pilot, "Runs of Sun 29 Nov 2026", "Invoice intake")
        rows = [line.split() for line in lines(pilot, "#day-table") if line[-3:].strip().isdigit()]
        sums = tuple(sum(int(cells[index]) for cells in rows) for index in (-3, -2))
        assert sums == counted(demo_database, "2026-11-29")
        await press(pilot, "slash", *"refund", "enter")
        assert "Refund approval" in shown(pilot)
        assert "Invoice intake" not in shown(pilot)
        await press(pilot, "escape", "escape")
        assert "Runs of Sun 29 Nov 2026" not in shown(pilot)


@awaited
async def test_enter_on_a_row_of_the_table_opens_that_day(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        await press(pilot, "t", "g", "down", "enter")
        await sees(pilot, "Runs of Mon 2 Nov 2026")


# Export


async def export(pilot: Drive, target: Path) -> None:
    await pilot.press("e")
    await sees(pilot, "rows, as .csv or .json")
    await typed(pilot, str(target))
    await pilot.press("enter")
    await until(pilot, lambda: any(f"to {target}." in toast for toast in toasts(pilot)))


def test_the_export_is_that_of_the_command_line(
    demo_database: SqliteDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @awaited
    async def write() -> None:
        async with opened(make_app(demo_database, "usage"), (160, 40)) as pilot:
            for table in ("daily_executions", "breakdown_by_model"):
                await export(pilot, tmp_path / f"{table}.csv")
                await export(pilot, tmp_path / f"{table}.json")
                await press(pilot, "tab")

    write()
    words = ["--store", f"sqlite:///{demo_database.path}", "usage", "export", "--month", "2026-11", "--table"]
    for written in sorted(tmp_path.glob("*.*s*")):
        with time_machine.travel(demo.demo_now(TODAY), tick=False):
            assert cli.run(cli.parse([*words, written.stem, *(["--json"] * (written.suffix == ".json"))])) == 0
        printed = capsys.readouterr().out
        assert written.read_text(encoding="utf-8").strip() == printed.strip()
        assert written.stat().st_mode & 0o077 == 0
    assert len(json.loads((tmp_path / "daily_executions.json").read_text())) == 30
    assert (tmp_path / "breakdown_by_model.csv").read_text().count("\n") == 6


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
            await sees(pilot, refusal, path.name)
        await press(pilot, "escape")
        assert "Daily Executions" in shown(pilot)
    assert there.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


# What others change, what goes wrong


@awaited
async def test_r_reads_again(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage")) as pilot:
        total = sum(counted(demo_database, "2026-11-%"))
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
    faults = {"usage.day"}
    async with opened(make_app(demo_database, "usage", fail=faults)) as pilot:
        total = f"{sum(counted(demo_database, '2026-11-%')):,}"
        await pilot.press("d")
        await sees(pilot, "The store did not answer (usage.day fails on purpose).")
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
async def test_who_may_not_look_is_told_why(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", fail={"usage.month:forbidden"})) as pilot:
        assert "Not for your role" in shown(pilot)
        assert "Your role does not allow this" in shown(pilot)


@awaited
async def test_while_the_store_is_slow_the_screen_says_so(demo_database: SqliteDatabase) -> None:
    app = make_app(demo_database, "usage", slow=0.3)
    async with app.run_test(size=USUAL) as pilot:
        await sees(pilot, "Loading Usage & Analytics…", "—")
        await settled(pilot)
        assert "Loading" not in shown(pilot)
        assert "November 2026" in shown(pilot)


@awaited
async def test_while_another_month_is_read_the_screen_says_so(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "usage", slow=0.5)) as pilot:
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "Loading" in shown(pilot), limit=0.4)
        await sees(pilot, "Sat 31 Oct")
