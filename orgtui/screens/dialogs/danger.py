"""Delete the organization: first what will be lost, then its exact name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Input, Static

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.plans import BY_KEY
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.general import Losses
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas

if TYPE_CHECKING:
    from orgtui.app import OrgTui


def losses_in_words(lost: Losses) -> list[tuple[str, str]]:
    """Figure and words of each thing that goes, without those that are not there."""
    invited = f", {lost.invitations} of them invitations" if lost.invitations else ""
    rows = (
        some(lost.workspaces, "workspace") + ", with all their data and logs",
        some(lost.workflows, "workflow") + f" and {some(lost.agents, 'agent')}",
        some(lost.members + lost.invitations, "membership") + invited,
        some(lost.api_keys, "API key"),
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


class DangerDialog(Dialog[bool]):
    """Answers True once the organization is gone."""

    DESTRUCTIVE = True

    def __init__(self, name: str, losses: Losses, plan: str) -> None:
        super().__init__()
        self._target, self._losses, self._plan = name, losses, plan

    def heading(self) -> str:
        """Names what goes."""
        return f"Delete {self._target}"

    def compose_dialog(self) -> ComposeResult:
        """Losses, and the field for the name."""
        yield Static("This cannot be taken back. It deletes at once:", markup=False, classes="line")
        yield _Losses(losses_in_words(self._losses))
        plan = BY_KEY.get(self._plan)
        if plan and plan.cents:
            yield Static(
                f"The {plan.name} subscription ends today; no further charge.", markup=False, classes="aside", id="ends"
            )
        yield Static(
            Content.assemble("Type ", (self._target, "bold"), " to confirm"), classes="line", id="confirm-label"
        )
        yield Input(id="confirm", select_on_focus=False)
        yield Static("", id="to-go", markup=False, classes="aside")

    def buttons(self) -> ComposeResult:
        """Cancel stands first; the other wakes up with the exact name."""
        yield from super().buttons()
        button = Button("Delete organization", variant="error", id="confirm-delete", action="screen.confirm")
        button.disabled = True
        yield button

    def on_mount(self) -> None:
        """Into the field."""
        self.query_one(Input).focus()
        self._typed()

    @on(Input.Changed)
    def _typed(self) -> None:
        typed = self.query_one(Input).value
        exact = typed == self._target
        self.query_one("#confirm-delete", Button).disabled = not exact
        left = len(self._target) - len(typed)
        words = f"{left} letter{'s' if left != 1 else ''} to go" if left > 0 and self._target.startswith(typed) else ""
        if typed and not exact and not words:
            words = "This is not the name."
        self.query_one("#to-go", Static).update("" if exact else words)

    @on(Input.Submitted)
    def action_confirm(self) -> None:
        """Delete, if the name is exact."""
        if self.query_one(Input).value == self._target:
            self._delete()

    @work(exclusive=True)
    async def _delete(self) -> None:
        app = cast("OrgTui", self.app)
        try:
            await (await app.store()).general.delete(self._target)
        except OrgtuiError as error:
            self.query_one("#to-go", Static).update(f"{error.message} Nothing was deleted.")
        else:
            self.dismiss(True)
