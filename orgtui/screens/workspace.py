"""A workspace's own settings: who it is, who is in it, how its month went, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button

from orgtui.domain import figures
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.months import Month, zone_or_utc
from orgtui.screens.identity import Identity, IdentityScreen
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.frame import Masthead, Rule
from orgtui.widgets.note import Note
from orgtui.widgets.stats_bar import Stat, StatsBar

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.workspaces import WorkspaceMember, WorkspacePage

STATS = ("Members", "Agents", "Workflows", "Created")


class People(Canvas):
    """Who is in the workspace, as what, and where that comes from."""

    def __init__(self) -> None:
        super().__init__(id="people")
        self._people: list[WorkspaceMember] = []
        self._month = ""

    def fill(self, people: list[WorkspaceMember], month: str) -> None:
        """Show these."""
        self._people, self._month = people, month
        self.styles.height = len(people) + 3
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The month in a line, then a row a person."""
        room = max((len(person.name or person.email) for person in self._people), default=0) + 2
        gutter = 24 if self.screen.has_class("-wide") else 0
        head = Content.assemble((self._month, ink.text))
        rows = [
            Content.assemble(
                fitted(Content.assemble((person.name or person.email, ink.text)), min(room, 30)),
                fitted(Content.assemble((person.role.value, ink.strong)), 8),
                (f"from the {person.source}" if person.source.startswith("org") else "given here", ink.dim),
            )
            for person in self._people
        ]
        if not gutter:
            return [head, Content(""), Content.assemble(("Members", ink.heading)), *rows]
        titles = [
            Content.assemble(("This month", ink.heading)),
            Content(""),
            Content.assemble(("Members", ink.heading)),
        ]
        body = [head, Content(""), *rows]
        return [
            Content.assemble(fitted(titles[at] if at < len(titles) else Content(""), gutter), line)
            for at, line in enumerate(body)
        ]


class WorkspaceScreen(IdentityScreen["WorkspacePage"]):
    """One workspace; escape goes back to the cards."""

    SECTION = "workspaces"
    WORDS = {"name": "Workspace Name", "description": "Description"}
    NEEDS_ANSWER = frozenset({"save", "upload_logo", "remove_logo", "delete", "archive", "members"})
    AUTO_FOCUS = ""
    BINDINGS = [
        *IdentityScreen.BINDINGS,
        Binding("escape", "back", "Back", id="workspace.back"),
        Binding("M", "members", "Members", id="workspace.members"),
        Binding("A", "archive", "Archive or restore", id="workspace.archive", show=False),
        Binding("D", "delete", "Delete workspace", id="workspace.delete", show=False),
    ]
    HELP = "Settings of one workspace. ctrl+s saves from anywhere, escape goes back."

    def __init__(self, id: str) -> None:
        super().__init__()
        self._workspace = id

    def compose_section(self) -> ComposeResult:
        """The stats; the form follows with its values."""
        yield StatsBar([Stat(label) for label in STATS], pitch=17, id="stats")
        yield Rule()
        yield Note()

    def form(self) -> list[Widget]:
        """The form, the month and the people, the danger zone."""
        from orgtui.screens.identity_form import IdentityForm, danger_zone

        archive = Button("Archive", id="archive", action="screen.archive")
        return [IdentityForm("Workspace"), Rule(), People(), Rule(), danger_zone("Delete workspace", archive)]

    async def ask(self, store: Store) -> WorkspacePage:
        """This one."""
        return await store.workspaces.open(self._workspace)

    def identity(self, page: WorkspacePage) -> Identity:
        """The workspace."""
        space = page.workspace
        return Identity(space.id, space.name, space.description, page.logo, page.version)

    async def keep(self, store: Store, seen: int, changes: dict[str, str]) -> WorkspacePage:
        """Save name and description."""
        from orgtui.store.contract.workspaces import WorkspaceChanges

        return await store.workspaces.save(self._workspace, WorkspaceChanges(seen=seen, **changes))

    async def keep_image(self, store: Store, image: bytes | None) -> WorkspacePage:
        """Save the logo."""
        return await store.workspaces.set_logo(self._workspace, image)

    def show(self, page: WorkspacePage) -> None:
        """Stats, then the form."""
        space = page.workspace
        created = space.created.astimezone(zone_or_utc(page.timezone))
        self.query_one(StatsBar).stats = (
            Stat("Members", f"{space.members:,}"),
            Stat("Agents", f"{space.agents:,}"),
            Stat("Workflows", f"{space.workflows:,}"),
            Stat("Created", f"{created:%-d %b %Y}"),
        )
        self.query_one(Masthead).place = space.name
        super().show(page)

    def fill_rest(self, page: WorkspacePage) -> None:
        """The month, the people, what deleting takes away."""
        from textual.widgets import Static

        space = page.workspace
        month = Month.parse(page.month).title
        told = (
            f"{figures.count(space.runs)} runs",
            f"{figures.percent(page.success_rate)} success",
            f"{figures.cost(space.spend)} spent in {month}",
        )
        self.query_one(People).fill(page.people, " · ".join(told))
        self.query_one("#archive", Button).label = "Restore" if space.archived else "Archive"
        lost = f"{some(space.workflows, 'workflow')}, {some(space.agents, 'agent')} and its settings. No undo."
        self.query_one("#losses", Static).update(lost)

    async def action_back(self) -> None:
        """To the cards; what is unsaved is asked about first."""
        self._compare()
        if self.unsaved:
            self._leave()
        else:
            self.dismiss()

    @work
    async def _leave(self) -> None:
        if await self.settle_unsaved():
            self.dismiss()

    def action_leave_field(self) -> None:
        """Out of the field is out of the workspace."""
        self.dismiss()

    @work
    async def action_archive(self) -> None:
        """Set it aside, or bring it back."""
        space = self.page.workspace
        try:
            store = await self.orgtui.store()
            change = store.workspaces.restore if space.archived else store.workspaces.archive
            await change(self._workspace)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
        else:
            self.notify(f"{space.name} is back." if space.archived else f"{space.name} is archived.")
        self.load()

    async def action_delete(self) -> None:
        """Delete it, after its exact name."""
        from orgtui.screens.dialogs.workspace_danger import WorkspaceDanger

        if self.page is None:
            return
        name = self.page.workspace.name

        async def delete(confirm: str) -> None:
            await (await self.orgtui.store()).workspaces.delete(self._workspace, confirm)

        def gone(deleted: bool | None) -> None:
            if deleted:
                self.notify(f"{name} is deleted.")
                self.unsaved = {}
                self.dismiss()

        await self.app.push_screen(WorkspaceDanger(self.page.workspace, delete), gone)

    async def action_members(self) -> None:
        """Give roles, take them back."""
        from orgtui.screens.dialogs.workspace_members import WorkspaceMembers

        def changed(page: Any) -> None:
            if page is not None:
                self.page = page

        await self.app.push_screen(WorkspaceMembers(self._workspace, self.page), changed)
