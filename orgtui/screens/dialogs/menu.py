"""The menu of a row: what can be done with it, and why not what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from orgtui.screens.dialogs.dialog import Dialog
from orgtui.themes import Ink


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do; `refused` says why it cannot be done now."""

    action: str
    words: str
    refused: str = ""
    danger: bool = False


class Menu(Dialog[str]):
    """Answers the action that was chosen. What is refused stays in the list, dim; its reason stands below."""

    BINDINGS = [
        Binding("j", "step(1)", "Down", id="menu.down", show=False),
        Binding("k", "step(-1)", "Up", id="menu.up", show=False),
    ]

    def __init__(self, title: str, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._heading, self._entries = title, entries

    def heading(self) -> str:
        """Whose menu it is."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """The list, and the reason."""
        yield OptionList(id="menu", markup=False)
        yield Static("", id="reason", markup=False, classes="aside")

    def buttons(self) -> ComposeResult:
        """Only one way to leave."""
        yield Button("Close", id="cancel", action="screen.cancel")

    def on_mount(self) -> None:
        """On the first that can be done."""
        ink, menu = Ink.of(self.app), self.query_one(OptionList)
        for entry in self._entries:
            style = ink.dim if entry.refused else ink.err if entry.danger else ink.text
            menu.add_option(Option(Content.assemble((entry.words, style)), id=entry.action))
        menu.highlighted = next((at for at, entry in enumerate(self._entries) if not entry.refused), 0)
        menu.focus()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.query_one("#reason", Static).update(self._entries[event.option_index].refused)

    def action_step(self, by: int) -> None:
        """Up and down, as in every list."""
        menu = self.query_one(OptionList)
        menu.highlighted = ((menu.highlighted or 0) + by) % len(self._entries)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if not self._entries[event.option_index].refused:
            self.dismiss(event.option.id)
