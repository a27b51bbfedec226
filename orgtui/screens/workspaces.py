"""The Workspaces section: the isolated environments as cards, and the door to each one's own settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Input

from orgtui.domain import figures
from orgtui.domain.figures import some
from orgtui.screens.dialogs.menu import Entry
from orgtui.screens.section import SectionScreen
from orgtui.store.contract.workspaces import Workspace, WorkspacesPage
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.cards import Card, Cards, matching
from orgtui.widgets.note import Note, Trouble

if TYPE_CHECKING:
    from orgtui.store.contract import Store

_ORDERS: tuple[tuple[str, Callable[[Workspace], Any]], ...] = (
    ("name", lambda space: space.name.casefold()),
    ("runs", lambda space: -(space.runs or 0)),
    ("spend", lambda space: -(space.spend.amount if space.spend else 0)),
    ("created", lambda space: -space.created.timestamp()),
)


class _Head(Canvas):
    """What is filtered, how many there are, in which order."""

    words: reactive[tuple[str, str]] = reactive(("", ""), init=False, repaint=False)

    def watch_words(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """One line."""
        needle, told = self.words
        left = Content.assemble(("/", ink.key), " ", (needle or "Filter by name", ink.dim), "    ", (told, ink.dim))
        return [fitted(left, width)]


class WorkspacesScreen(SectionScreen["WorkspacesPage"]):
    """Cards; enter opens one, n makes one, a shows the archived ones too."""

    SECTION = "workspaces"
    NEEDS_ANSWER = frozenset({"create", "menu", "filter", "sort", "archived"})
    BINDINGS = [
        Binding("n", "create", "New Workspace", id="workspaces.new"),
        Binding("slash", "filter", "Filter", id="workspaces.filter", key_display="/"),
        Binding("s", "sort", "Sort", id="workspaces.sort"),
        Binding("m,full_stop", "menu", "Menu", id="workspaces.menu"),
        Binding("a", "archived", "Archived ones", id="workspaces.archived", show=False),
        Binding("escape", "leave_list", "Leave the cards", id="workspaces.leave-list", show=False),
    ]
    HELP = "The workspaces of the organization. enter opens the settings of the selected one."

    needle: reactive[str] = reactive("", init=False, repaint=False)
    sort_by: reactive[int] = reactive(0, init=False, repaint=False)
    with_archived: reactive[bool] = reactive(False, init=False, repaint=False)

    def compose_section(self) -> ComposeResult:
        """Filter and button, then the cards."""
        with Horizontal(id="workspaces-top"):
            yield _Head(id="workspaces-head")
            field = Input(placeholder="Filter by name", id="workspaces-filter")
            field.display = False
            yield field
            yield Button("+ New Workspace", variant="primary", id="new-workspace", action="screen.create")
        yield Note()
        yield Cards(id="cards-grid")

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self.query_one(Cards).display = False

    # The question and its answer.

    async def ask(self, store: Store) -> WorkspacesPage:
        """All that are to be seen."""
        return await store.workspaces.show(archived=self.with_archived)

    def show(self, page: WorkspacesPage) -> None:
        """A card each."""
        cards = self.query_one(Cards)
        cards.display = True
        cards.tall = self.has_class("-tall")
        order, key = _ORDERS[self.sort_by]
        spaces = sorted(page.workspaces, key=lambda space: (space.archived is not None, key(space)))
        found = matching([_card(space) for space in spaces], self.needle)
        cards.cards = found
        total = len(page.workspaces)
        count = f"{len(found)} of {some(total, 'workspace')}" if self.needle else some(total, "workspace")
        hidden = f" · {page.archived} archived, a shows" if page.archived and not self.with_archived else ""
        self.query_one(_Head).words = (self.needle, f"{count} · by {order}{hidden}")
        if not found:
            self.trouble = Trouble("empty", "Nothing of that name here.", "escape shows all workspaces.")
        elif self.trouble is not None and self.trouble.kind == "empty":
            self.trouble = None

    def _again(self) -> None:
        if self.page is not None:
            self.show(self.page)

    def watch_needle(self) -> None:
        """Show what matches."""
        self._again()

    def watch_sort_by(self) -> None:
        """Show in the new order."""
        self._again()

    def on_resize(self) -> None:
        """Lower cards where it is low."""
        self._again()

    @property
    def selected(self) -> Workspace | None:
        """The workspace of the selected card."""
        card = self.query_one(Cards).chosen
        return next((space for space in self.page.workspaces if card and space.id == card.id), None)

    def action_enter_section(self) -> None:
        """Into the cards."""
        self.query_one(Cards).focus()

    def action_leave_list(self) -> None:
        """All cards again, then back to the sidebar."""
        field = self.query_one("#workspaces-filter", Input)
        if field.display or self.needle:
            field.value = ""
            self._close_filter()
        else:
            self.query_one("Sidebar").focus()

    def action_filter(self) -> None:
        """Open the filter field."""
        field = self.query_one("#workspaces-filter", Input)
        field.display, self.query_one(_Head).display = True, False
        self.set_focus(field)

    @on(Input.Changed, "#workspaces-filter")
    def _typed(self, event: Input.Changed) -> None:
        self.needle = event.value

    @on(Input.Submitted, "#workspaces-filter")
    def _close_filter(self) -> None:
        self.query_one("#workspaces-filter").display, self.query_one(_Head).display = False, True
        self.query_one(Cards).focus()

    def action_sort(self) -> None:
        """By the next order."""
        self.sort_by = (self.sort_by + 1) % len(_ORDERS)

    def action_archived(self) -> None:
        """The archived ones too, or not."""
        self.with_archived = not self.with_archived
        self.load()

    # What is done.

    @on(Cards.Chosen)
    def _open(self, event: Cards.Chosen) -> None:
        self.open_workspace(event.id)

    def open_workspace(self, id: str) -> None:
        """Its own settings."""
        from orgtui.screens.workspace import WorkspaceScreen

        def back(_: None) -> None:
            self.load()

        self.app.push_screen(WorkspaceScreen(id), back)

    async def action_create(self) -> None:
        """A new one, and into it."""
        from orgtui.screens.dialogs.new_workspace import NewWorkspaceDialog

        def made(id: str | None) -> None:
            if id:
                self.load()
                self.open_workspace(id)

        await self.app.push_screen(NewWorkspaceDialog(), made)

    async def action_menu(self) -> None:
        """What can be done with the selected one."""
        from orgtui.screens.dialogs.menu import Menu

        if (space := self.selected) is None:
            return

        def go(action: str | None) -> None:
            if action:
                getattr(self, f"do_{action}")(space)

        await self.app.push_screen(Menu(space.name, self.entries(space)), go)

    def entries(self, space: Workspace) -> list[Entry]:
        """What can be done with a workspace, and why not the rest; the store decides in the end."""
        last = self.last_of(space)
        return [
            Entry("open", "Open settings"),
            Entry("restore", "Restore") if space.archived else Entry("archive", "Archive", last),
            Entry("delete", "Delete…", last, danger=True),
        ]

    def last_of(self, space: Workspace) -> str:
        """Why the only active workspace stays."""
        active = [other for other in self.page.workspaces if other.archived is None]
        return "The last active workspace stays." if active == [space] else ""

    def do_open(self, space: Workspace) -> None:
        """As enter."""
        self.open_workspace(space.id)

    def do_archive(self, space: Workspace) -> None:
        """Set it aside."""
        said = f"{space.name} is archived; a shows archived ones."
        self.carry_out(lambda store: store.workspaces.archive(space.id), said)

    def do_restore(self, space: Workspace) -> None:
        """Bring it back."""
        self.carry_out(lambda store: store.workspaces.restore(space.id), f"{space.name} is back.")

    def do_delete(self, space: Workspace) -> None:
        """Delete it, after its exact name."""
        from orgtui.screens.dialogs.workspace_danger import WorkspaceDanger

        async def delete(confirm: str) -> None:
            await (await self.orgtui.store()).workspaces.delete(space.id, confirm)

        def gone(deleted: bool | None) -> None:
            if deleted:
                self.notify(f"{space.name} is deleted.")
                self.load()

        self.app.push_screen(WorkspaceDanger(space, delete), gone)


def _card(space: Workspace) -> Card:
    note = f"{figures.count(space.runs)} runs · {figures.cost(space.spend)} this month"
    if space.archived:
        note = f"archived {space.archived:%-d %b %Y}"
    return Card(
        space.id,
        space.name,
        space.description,
        (("Members", f"{space.members:,}"), ("Workflows", f"{space.workflows:,}"), ("Agents", f"{space.agents:,}")),
        note,
        dim=space.archived is not None,
    )


SCREEN = WorkspacesScreen
