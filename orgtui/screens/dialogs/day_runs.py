"""A day's runs by workflow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from textual.app import ComposeResult
from textual.widgets import Button, Static

from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.usage import WorkflowRuns
from orgtui.widgets.filter_table import Column, FilterTable, Row
from orgtui.widgets.usage_panels import day_title


class DayRuns(Dialog[None]):
    """What ran on one day."""

    def __init__(self, day: date, rows: Sequence[WorkflowRuns]) -> None:
        super().__init__()
        self._day, self._rows = day, rows

    def heading(self) -> str:
        """The day."""
        return f"Runs of {day_title(self._day)} {self._day.year}"

    def compose_dialog(self) -> ComposeResult:
        """A row a workflow."""
        if not self._rows:
            yield Static("Nothing ran on this day.", markup=False)
            return
        columns = [Column("Workflow"), *(Column(title, True) for title in ("Success", "Errors", "Not counted"))]
        table = FilterTable(columns, noun="workflows", placeholder="Filter by workflow", id="day-table")
        table.set_reactive(FilterTable.rows, tuple(map(_row, self._rows)))
        table.set_reactive(FilterTable.sort_by, 1)
        yield table

    def on_mount(self) -> None:
        """Into the list."""
        for table in self.query(FilterTable):
            table.focus_rows()

    def buttons(self) -> ComposeResult:
        """Only one way to go."""
        yield Button("Close", id="cancel", variant="primary", action="screen.cancel")


def _row(runs: WorkflowRuns) -> Row:
    counts = (runs.success, runs.error, runs.not_counted)
    cells = (runs.workflow or "—", *(f"{count:,}" for count in counts))
    return Row(runs.workflow, cells, (runs.workflow, *counts), runs.workflow)
