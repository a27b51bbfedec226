"""Delete a workspace: first what will be lost, then its exact name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from orgtui.domain.figures import some
from orgtui.screens.dialogs.typed import TypedDialog
from orgtui.store.contract.workspaces import Workspace
from orgtui.themes import Ink


class WorkspaceDanger(TypedDialog):
    """Answers True once it is gone."""

    DESTRUCTIVE = True

    def __init__(self, space: Workspace, delete: Callable[[str], Awaitable[Any]]) -> None:
        super().__init__(space.name, delete, button="Delete workspace", undone="Nothing was deleted.")
        self._space = space

    def heading(self) -> str:
        """Names what goes."""
        return f"Delete {self._space.name}"

    def compose_told(self) -> ComposeResult:
        """What is lost, and what stays."""
        ink, space = Ink.of(self.app), self._space
        lost = (some(space.workflows, "workflow"), some(space.agents, "agent"), "roles given in it, and its logo")
        yield Static("This cannot be taken back. It deletes at once:", markup=False, classes="line")
        yield Static(
            Content("\n").join([Content.assemble("  ", (words, ink.strong)) for words in lost]), classes="line"
        )
        stays = "Its runs and what they cost stay in Usage & Analytics. To set it aside instead, archive it."
        yield Static(stays, markup=False, classes="line")
