"""All months there are, the latest first."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from orgtui.domain.months import Month
from orgtui.screens.dialogs.dialog import Dialog


class MonthPicker(Dialog[str]):
    """Answers a month as YYYY-MM."""

    HEADING = "Month"

    def __init__(self, earliest: str, latest: str, current: str) -> None:
        super().__init__()
        month, self._months = Month.parse(latest), list[Month]()
        while month >= Month.parse(earliest):
            self._months.append(month)
            month = month.shift(-1)
        self._current = self._months.index(Month.parse(current))

    def compose_dialog(self) -> ComposeResult:
        """The list."""
        yield OptionList(*(Option(month.title) for month in self._months), id="months", markup=False)

    def on_mount(self) -> None:
        """On the month that is shown."""
        months = self.query_one(OptionList)
        months.highlighted = self._current
        months.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(str(self._months[event.option_index]))
