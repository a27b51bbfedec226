"""What sections around one list share: the list's own keys, and how it appears with the answer."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding

from orgtui.screens.section import Page, SectionScreen
from orgtui.widgets.filter_table import FilterTable

FILTER = Binding("slash", "filter", "Filter", id="table.filter", key_display="/")
ORDER = (
    Binding("s", "sort", "Sort", id="table.sort"),
    Binding("S", "turn", "Turn the order round", id="table.turn", show=False),
)


class ListSection(SectionScreen[Page]):
    """A section around one FilterTable; `LISTED` selects what is there with the list only."""

    LISTED: ClassVar[str] = "FilterTable"

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self.show_list(False)

    @property
    def table(self) -> FilterTable:
        """The list."""
        return self.query_one(FilterTable)

    def show_list(self, there: bool) -> None:
        """Show or hide the list, and what belongs to it."""
        for part in self.query(self.LISTED):
            part.display = there

    def action_enter_section(self) -> None:
        """Into the list; to whatever else there is where it is not."""
        if self.table.display:
            self.table.focus_rows()
        else:
            super().action_enter_section()

    def action_leave_list(self) -> None:
        """Back to the sidebar."""
        self.query_one("Sidebar").focus()

    def action_filter(self) -> None:
        """Open the filter."""
        self.table.action_filter()

    def action_sort(self) -> None:
        """By the next column."""
        self.table.action_sort()

    def action_turn(self) -> None:
        """The other way round."""
        self.table.action_turn()
