"""The floor: a bare Textual app with the same kind of widgets and nothing behind them, to measure orgtui against."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Label, ListItem, ListView, Static, Tab, Tabs

SECTIONS = ("General", "Team", "Usage & Analytics", "Billing", "API Keys", "Workspaces")


class Floor(App[None]):
    """Sidebar list, stat cards, tabs, table, footer."""

    BINDINGS = [("q", "quit", "Quit"), ("r", "refresh", "Refresh"), ("question_mark", "help", "Help")]
    CSS = """
    #side { width: 24; } .card { width: 1fr; height: 3; } #cards { height: 3; } DataTable { height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """All of it at once."""
        with Horizontal():
            yield ListView(*(ListItem(Label(name)) for name in SECTIONS), id="side")
            with Vertical():
                with Horizontal(id="cards"):
                    for label in ("Total Runs", "Success Rate", "AI Credits Used", "Total Tokens"):
                        yield Static(f"1,234\n{label}", classes="card", markup=False)
                yield Tabs(Tab("Workflow Runs"), Tab("AI Costs"))
                yield DataTable(cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """A month of rows."""
        table = self.query_one(DataTable)
        table.add_columns("Date", "Runs", "Success", "Errors", "Success Rate")
        for day in range(1, 31):
            table.add_row(f"2026-11-{day:02d}", "108", "89", "19", "82.4 %")


if __name__ == "__main__":
    Floor().run()
