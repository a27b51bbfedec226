"""What cannot be taken back by whoever does it: told first, then done once the exact words are typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Input, Static

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import some
from orgtui.screens.dialogs.dialog import Dialog


class TypedDialog(Dialog[bool]):
    """Answers True once *act* is done; it is given what was typed. `exact` is what must be typed."""

    def __init__(self, exact: str, act: Callable[[str], Awaitable[Any]], *, button: str, undone: str) -> None:
        super().__init__()
        self._exact, self._act, self._button, self._undone = exact, act, button, undone

    def compose_dialog(self) -> ComposeResult:
        """What will happen, and the field for the words."""
        yield from self.compose_told()
        yield Static(
            Content.assemble("Type ", (self._exact, "bold"), " to confirm"), classes="line", id="confirm-label"
        )
        yield Input(id="confirm", select_on_focus=False)
        yield Static("", id="to-go", markup=False, classes="aside")

    def compose_told(self) -> ComposeResult:
        """What will happen."""
        raise NotImplementedError(type(self).__name__)

    def buttons(self) -> ComposeResult:
        """Cancel stands first; the other wakes up with the exact words."""
        yield from super().buttons()
        variant: Any = "error" if self.DESTRUCTIVE else "primary"
        yield Button(self._button, variant=variant, id="confirm-typed", action="screen.confirm", disabled=True)

    def on_mount(self) -> None:
        """Into the field."""
        self.query_one(Input).focus()
        self._typed()

    @property
    def _is_exact(self) -> bool:
        return self.query_one(Input).value == self._exact

    @on(Input.Changed)
    def _typed(self) -> None:
        typed = self.query_one(Input).value
        self.query_one("#confirm-typed", Button).disabled = not self._is_exact
        left = len(self._exact) - len(typed)
        words = f"{some(left, 'letter')} to go" if left > 0 and self._exact.startswith(typed) else ""
        if typed and not self._is_exact and not words:
            words = "These are not the words."
        self.query_one("#to-go", Static).update("" if self._is_exact else words)

    @on(Input.Submitted)
    def action_confirm(self) -> None:
        """Do it, if the words are exact."""
        if self._is_exact:
            self._do()

    @work(exclusive=True)
    async def _do(self) -> None:
        try:
            await self._act(self._exact)
        except OrgtuiError as error:
            self.query_one("#to-go", Static).update(f"{error.message} {self._undone}")
        else:
            self.dismiss(True)
