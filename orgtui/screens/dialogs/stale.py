"""Somebody else saved meanwhile: both values side by side, and the person decides."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Button, Static

from orgtui.screens.dialogs.dialog import Dialog


class StaleDialog(Dialog[str]):
    """Answers `mine`, `theirs`, or None to go on editing."""

    HEADING = "Somebody changed this meanwhile"

    def __init__(self, both: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._both = both

    def compose_dialog(self) -> ComposeResult:
        """Yours and theirs for each field that differs."""
        yield Static("Nothing was saved. What you typed is kept.", markup=False, classes="line")
        with Vertical(id="both"):
            for label, yours, theirs in self._both:
                yield Static(Content.assemble((label, "bold")), classes="line")
                yield Static(Content.assemble("yours   ", yours or "—"))
                yield Static(Content.assemble("theirs  ", theirs or "—"))

    def buttons(self) -> ComposeResult:
        """Go on editing, take theirs, keep mine."""
        yield Button("Keep editing", id="cancel", action="screen.cancel")
        yield Button("Take theirs", id="theirs", action="screen.answer('theirs')")
        yield Button("Save mine", id="mine", variant="primary", action="screen.answer('mine')")

    def on_mount(self) -> None:
        """Nothing is overwritten by a stray enter."""
        self.query_one("#cancel").focus()

    def action_answer(self, answer: str) -> None:
        """Close with the answer."""
        self.dismiss(answer)
