"""Delete the organization: first what will be lost, then its exact name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from orgtui.domain.figures import some
from orgtui.domain.plans import BY_KEY
from orgtui.screens.dialogs.typed import TypedDialog
from orgtui.store.contract.general import Losses
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas


def losses_in_words(lost: Losses) -> list[tuple[str, str]]:
    """Figure and words of each thing that goes, without those that are not there."""
    invited = f", {lost.invitations} of them invitations" if lost.invitations else ""
    rows = (
        some(lost.workspaces, "workspace") + ", with all their data and logs",
        some(lost.workflows, "workflow") + f" and {some(lost.agents, 'agent')}",
        some(lost.members + lost.invitations, "membership") + invited,
        some(lost.api_keys, "API key"),
        *([f"{lost.credits} of AI credits"] if lost.credits.amount > 0 else []),
        some(lost.runs, "recorded run") + f" and {some(lost.calls, 'model call')}",
    )
    split = [row.partition(" ") for row in rows]
    return [(figure, words) for figure, _, words in split if figure != "0"]


class _Losses(Canvas):
    def __init__(self, rows: list[tuple[str, str]]) -> None:
        super().__init__(id="losses-list")
        self._rows = rows
        self.styles.height = len(rows)

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        room = max(7, max((len(figure) for figure, _ in self._rows), default=0))
        return [
            Content.assemble((figure.rjust(room), ink.strong), "  ", (words, ink.text)) for figure, words in self._rows
        ]


class DangerDialog(TypedDialog):
    """Answers True once the organization is gone."""

    DESTRUCTIVE = True

    def __init__(self, name: str, losses: Losses, delete: Callable[[str], Awaitable[Any]]) -> None:
        super().__init__(name, delete, button="Delete organization", undone="Nothing was deleted.")
        self._organization, self._losses = name, losses

    def heading(self) -> str:
        """Names what goes."""
        return f"Delete {self._organization}"

    def compose_told(self) -> ComposeResult:
        """What is lost."""
        yield Static("This cannot be taken back. It deletes at once:", markup=False, classes="line")
        yield _Losses(losses_in_words(self._losses))
        if self._losses.plan is not None:
            ends = f"The {BY_KEY[self._losses.plan].name} subscription ends today; no further charge."
            yield Static(ends, markup=False, classes="aside", id="ends")
