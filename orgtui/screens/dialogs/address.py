"""An address to be opened elsewhere: of the provider's own pages, of a receipt, of whom to write to."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Button, Static

from orgtui.screens.dialogs.dialog import Dialog
from orgtui.widgets.link import Link

SENT = "Sent to your terminal's clipboard."


class AddressDialog(Dialog[None]):
    """Shows it, and copies it; nothing is opened from here."""

    BINDINGS = [Binding("y", "copy", "Copy", id="address.copy")]

    def __init__(self, heading: str, lines: Sequence[str], address: str, *, copies: str = "") -> None:
        super().__init__()
        self._heading, self._lines, self._address = heading, lines, address
        self._copies = copies or address

    def heading(self) -> str:
        """Of what."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """What it is for, and the address alone below."""
        for line in self._lines:
            yield Static(line, markup=False, classes="line")
        yield Link(self._address, id="address")

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
        self.notify(SENT)
