"""Transfer ownership: who becomes what, then the new owner's address typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from orgtui.screens.dialogs.typed import TypedDialog
from orgtui.store.contract.team import Member
from orgtui.themes import Ink


class TransferDialog(TypedDialog):
    """Answers True once ownership is another's."""

    DESTRUCTIVE = True
    HEADING = "Transfer ownership"

    def __init__(self, to: Member, transfer: Callable[[str], Awaitable[Any]]) -> None:
        super().__init__(to.email, transfer, button="Transfer ownership", undone="Nothing was transferred.")
        self._to = to

    def compose_told(self) -> ComposeResult:
        """Both roles as they will be."""
        ink = Ink.of(self.app)
        rows = (
            (self._to.name, " OWNER ", ink.owner, "billing, danger zone"),
            ("You", " ADMIN ", ink.chip, "no billing, no danger zone"),
        )
        room = max(len(name) for name, *_ in rows) + 2
        yield Static("Both change at once:", markup=False, classes="line")
        lines = [
            Content.assemble((name.ljust(room), ink.strong), (badge, style), "  ", (words, ink.dim))
            for name, badge, style, words in rows
        ]
        yield Static(Content("\n").join(lines), classes="line")
        yield Static("Only an owner can give it back.", markup=False, classes="line")
