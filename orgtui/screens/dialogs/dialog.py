"""What all dialogs share: a raised panel over the veiled section, esc or a button to leave, one answer."""

from __future__ import annotations

from typing import TypeVar

from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A dialog: `compose_dialog` fills it, `buttons` stand at its foot."""

    HEADING = ""
    DESTRUCTIVE = False
    BINDINGS = [Binding("escape,ctrl+g", "cancel", "Cancel", id="dialog.cancel")]

    def compose(self) -> ComposeResult:
        """The panel."""
        with Vertical(id="panel", classes="destructive" if self.DESTRUCTIVE else ""):
            yield Static(self.heading(), id="heading", markup=False)
            with VerticalScroll(id="content", can_focus=False):
                yield from self.compose_dialog()
            with Horizontal(id="buttons"):
                yield Static("esc Cancel", id="escape", markup=False)
                yield from self.buttons()

    def heading(self) -> str:
        """The dialog's first line."""
        return self.HEADING

    def compose_dialog(self) -> ComposeResult:
        """What the dialog asks."""
        raise NotImplementedError(type(self).__name__)

    def buttons(self) -> ComposeResult:
        """Cancel, then what else can be chosen."""
        yield Button("Cancel", id="cancel", action="screen.cancel")

    def action_copy_text(self) -> None:
        """Copy what is selected; where nothing is, ctrl+c is the app's, whose bindings end at a dialog otherwise."""
        try:
            super().action_copy_text()
        except SkipAction:
            self.app.action_help_quit()

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)
