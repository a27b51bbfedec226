"""Leaving with unsaved changes asks once."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Button, Static

from orgtui.screens.dialogs.dialog import Dialog


class DiscardDialog(Dialog[str]):
    """Answers `save`, `discard`, or None to stay."""

    HEADING = "There are unsaved changes"

    def __init__(self, where: str, what: str) -> None:
        super().__init__()
        self._where, self._what = where, what

    def compose_dialog(self) -> ComposeResult:
        """Which ones."""
        yield Static(f"{self._where}: {self._what}", markup=False, classes="line")

    def buttons(self) -> ComposeResult:
        """Stay, leave them behind, save first."""
        yield Button("Stay", id="cancel", action="screen.cancel")
        yield Button("Discard", id="discard", action="screen.answer('discard')")
        yield Button("Save Changes", id="save-first", variant="primary", action="screen.answer('save')")

    def on_mount(self) -> None:
        """The safe answer is the nearest."""
        self.query_one("#cancel").focus()

    def action_answer(self, answer: str) -> None:
        """Close with the answer."""
        self.dismiss(answer)
