"""Members of a workspace: who has which role, given here or by the organization; give one, take one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option as Item

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.roles import WorkspaceRole
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.themes import Ink
from orgtui.widgets.canvas import fitted
from orgtui.widgets.choice import Choice, Option

if TYPE_CHECKING:
    from orgtui.app import OrgTui
    from orgtui.store.contract.workspaces import WorkspacePage

_MAY = {
    WorkspaceRole.VIEWER: "Looks at workflows and logs.",
    WorkspaceRole.EDITOR: "Builds and runs workflows.",
    WorkspaceRole.ADMIN: "Settings and members of the workspace.",
    WorkspaceRole.OWNER: "Everything in the workspace.",
}


class WorkspaceMembers(Dialog["WorkspacePage"]):
    """Answers the page as it is afterwards."""

    HEADING = "Members"
    BINDINGS = [Binding("x", "take", "Take the role back", id="workspace-members.take")]

    def __init__(self, id: str, page: WorkspacePage) -> None:
        super().__init__()
        self._workspace, self._page = id, page

    def heading(self) -> str:
        """Of which workspace."""
        return f"Members of {self._page.workspace.name}"

    def compose_dialog(self) -> ComposeResult:
        """Who is there, and the fields for one more."""
        yield OptionList(id="workspace-people", markup=False)
        yield Static("Email", markup=False, classes="caption", id="email-caption")
        yield Input(id="member-email", select_on_focus=False)
        yield Static("", id="said", markup=False)
        yield Choice([Option(role.value, role.value.capitalize(), words) for role, words in _MAY.items()], id="role")

    def buttons(self) -> ComposeResult:
        """Close, or give the role."""
        yield Button("Close", id="cancel", action="screen.cancel")
        yield Button("Take back", id="take", action="screen.take")
        yield Button("Give role", variant="primary", id="give", action="screen.give")

    def on_mount(self) -> None:
        """Into the list."""
        self._fill()
        self.query_one(OptionList).focus()

    def _fill(self) -> None:
        ink, people = Ink.of(self.app), self.query_one(OptionList)
        kept = people.highlighted or 0
        people.clear_options()
        for person in self._page.people:
            here = not person.source.startswith("organization")
            people.add_option(
                Item(
                    Content.assemble(
                        fitted(Content.assemble((person.name or person.email, ink.text if here else ink.dim)), 26),
                        fitted(Content.assemble((person.role.value, ink.strong if here else ink.dim)), 8),
                        ("given here" if here else "by the organization", ink.dim),
                    )
                )
            )
        people.highlighted = min(kept, len(self._page.people) - 1) if self._page.people else None

    def action_cancel(self) -> None:
        """Leave, with what was changed."""
        self.dismiss(self._page)

    @on(OptionList.OptionSelected)
    def _take_up(self, event: OptionList.OptionSelected) -> None:
        """Into the fields, to give another role."""
        person = self._page.people[event.option_index]
        self.query_one(Input).value = person.email
        self.query_one(Choice).value = person.role.value
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_give(self) -> None:
        """Give the role."""
        self._change(self.query_one(Input).value, WorkspaceRole(self.query_one(Choice).value))

    def action_take(self) -> None:
        """Take the selected one's role back."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self._change(self._page.people[at].email, None)

    @work(exclusive=True)
    async def _change(self, email: str, role: WorkspaceRole | None) -> None:
        said, ink = self.query_one("#said", Static), Ink.of(self.app)
        try:
            spaces = (await cast("OrgTui", self.app).store()).workspaces
            if role is None:
                self._page = await spaces.remove_member(self._workspace, email)
            else:
                self._page = await spaces.set_member(self._workspace, email, role)
        except OrgtuiError as error:
            said.update(Content.assemble((f"✗ {error.message}", ink.err)))
        else:
            self.query_one(Input).value = ""
            said.update("")
            self._fill()
