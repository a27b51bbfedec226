"""One of a list: months, workspaces."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from orgtui.screens.dialogs.dialog import Dialog


class Pick(Dialog[str]):
    """Answers the key of what was chosen; *choices* are keys with their words."""

    BINDINGS = [
        Binding("j", "step(1)", "Down", id="pick.down", show=False),
        Binding("k", "step(-1)", "Up", id="pick.up", show=False),
    ]

    def __init__(self, heading: str, choices: Sequence[tuple[str, str]], current: str) -> None:
        super().__init__()
        self._heading, self._choices, self._current = heading, choices, current

    def heading(self) -> str:
        """What is chosen."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """The list."""
        yield OptionList(*(Option(words) for _, words in self._choices), id="choices", markup=False)

    def on_mount(self) -> None:
        """On what is shown now."""
        choices = self.query_one(OptionList)
        keys = [key for key, _ in self._choices]
        choices.highlighted = keys.index(self._current) if self._current in keys else 0
        choices.focus()

    def action_step(self, by: int) -> None:
        """Up and down, as in every list."""
        choices = self.query_one(OptionList)
        choices.highlighted = ((choices.highlighted or 0) + by) % len(self._choices)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index][0])


def months(earliest: str, latest: str) -> list[tuple[str, str]]:
    """Every month there is, the latest first."""
    from orgtui.domain.months import Month

    month, found = Month.parse(latest), list[tuple[str, str]]()
    while month >= Month.parse(earliest):
        found.append((str(month), month.title))
        month = month.shift(-1)
    return found
