"""A plain question before what can be made good again."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Button, Static

from orgtui.screens.dialogs.dialog import Dialog


class ConfirmDialog(Dialog[bool]):
    """Answers True for yes. `lines` say what happens; `button` names it, `stay` what leaves everything as it is."""

    def __init__(
        self, heading: str, lines: Sequence[str], button: str, *, danger: bool = False, stay: str = "Cancel"
    ) -> None:
        self.DESTRUCTIVE = danger
        super().__init__()
        self._heading, self._lines, self._button, self._stay = heading, lines, button, stay

    def heading(self) -> str:
        """The question."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """What happens."""
        for line in self._lines:
            yield Static(line, markup=False, classes="line")

    def buttons(self) -> ComposeResult:
        """Cancel, or do it."""
        yield Button(self._stay, id="cancel", action="screen.cancel")
        yield Button(self._button, variant="error" if self.DESTRUCTIVE else "primary", id="yes", action="screen.yes")

    def on_mount(self) -> None:
        """On the button that says what is asked; what would be lost waits for another key."""
        self.query_one("#cancel" if self.DESTRUCTIVE else "#yes").focus()

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(True)
