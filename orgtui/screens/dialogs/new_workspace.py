"""+ New Workspace: its name, and a word about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Input, Static

from orgtui.domain.errors import OrgtuiError
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.themes import Ink

if TYPE_CHECKING:
    from orgtui.app import OrgTui


class NewWorkspaceDialog(Dialog[str]):
    """Answers the id of the workspace that was made."""

    HEADING = "New Workspace"

    def compose_dialog(self) -> ComposeResult:
        """Name and description."""
        yield Static("Name", markup=False, classes="caption")
        yield Input(id="workspace-name", select_on_focus=False)
        yield Static("", id="said", markup=False)
        yield Static("Description", markup=False, classes="caption")
        yield Input(id="workspace-description", placeholder="optional", select_on_focus=False)
        told = "It has its own workflows, agents and members; billing, API keys and team are the organization's."
        yield Static(told, markup=False, classes="aside", id="promise")

    def buttons(self) -> ComposeResult:
        """Cancel, or make it."""
        yield from super().buttons()
        yield Button("Create", variant="primary", id="create", action="screen.create", disabled=True)

    def on_mount(self) -> None:
        """Into the first field."""
        self.query_one("#workspace-name").focus()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#create", Button).disabled = not self.query_one("#workspace-name", Input).value.strip()

    @on(Input.Submitted)
    def action_create(self) -> None:
        """Make it."""
        if not self.query_one("#create", Button).disabled:
            self._create()

    @work(exclusive=True)
    async def _create(self) -> None:
        name, description = (self.query_one(f"#workspace-{field}", Input).value for field in ("name", "description"))
        try:
            store = await cast("OrgTui", self.app).store()
            made = await store.workspaces.create(NewWorkspace(name=name, description=description))
        except OrgtuiError as error:
            ink = Ink.of(self.app)
            self.query_one("#said", Static).update(Content.assemble((f"✗ {error.message}", ink.err)))
        else:
            self.dismiss(made.id)
