"""What is shown to be taken along: one text, and a button that copies it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Button

from orgtui.screens.dialogs.dialog import Dialog

SENT = "Sent to your terminal's clipboard."


class CopyDialog(Dialog[None]):
    """Shows something and copies it: *copies*, after which it says *said*."""

    def __init__(self, copies: str, said: str = SENT) -> None:
        super().__init__()
        self._copies, self._said = copies, said

    def buttons(self) -> ComposeResult:
        """Copy, or go."""
        yield Button("Close", id="cancel", action="screen.cancel")
        yield Button("Copy", variant="primary", id="copy", action="screen.copy")

    def on_mount(self) -> None:
        """On what one comes for."""
        self.query_one("#copy").focus()

    def action_copy(self) -> None:
        """By OSC 52: whether the terminal takes it, nobody is told."""
        self.app.copy_to_clipboard(self._copies)
        self.notify(self._said)
