"""An address to be opened elsewhere: of the provider's own pages, of a receipt, of whom to write to."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from orgtui.screens.dialogs.copied import CopyDialog
from orgtui.widgets.link import Link


class AddressDialog(CopyDialog):
    """Shows it, and copies it; nothing is opened from here."""

    BINDINGS = [Binding("y", "copy", "Copy", id="address.copy")]

    def __init__(self, heading: str, lines: Sequence[str], address: str, *, copies: str = "") -> None:
        super().__init__(copies or address)
        self._heading, self._lines, self._address = heading, lines, address

    def heading(self) -> str:
        """Of what."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """What it is for, and the address alone below."""
        for line in self._lines:
            yield Static(line, markup=False, classes="line")
        yield Link(self._address, id="address")
