"""The table by itself: what a server sends that no store holds ends no program."""

from __future__ import annotations

from dataclasses import replace

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from orgtui.screens.usage import UsageScreen
from orgtui.themes import THEMES
from orgtui.widgets.filter_table import Column, FilterTable, Row
from tests.conftest import Opener
from tests.contract.conftest import wait
from tests.screens.harness import awaited


class Stage(App[None]):
    """One table."""

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = next(iter(THEMES))

    def compose(self) -> ComposeResult:
        yield FilterTable((Column("Name", grows=1),), noun="things", placeholder="Filter")


def row(key: str, name: str) -> Row:
    return Row(key, (((name, ""),),), (name,), name)


@awaited
async def test_a_key_that_comes_twice_is_one_row() -> None:
    async with Stage().run_test(size=(60, 12)) as pilot:
        table = pilot.app.query_one(FilterTable)
        table.rows = (row("a", "First"), row("b", "Second"), row("a", "Third"))
        await pilot.pause()
        rows = table.query_one(DataTable)
        assert [str(rows.get_row_at(number)[0]).strip() for number in range(rows.row_count)] == ["First", "Second"]


def test_a_month_of_more_days_than_it_has_ends_with_its_last(opener: Opener) -> None:
    page = wait(opener().store.usage.month())
    assert UsageScreen._latest(page) == page.elapsed_days - 1
    assert UsageScreen._latest(replace(page, elapsed_days=10**18)) == len(page.daily_executions) - 1
