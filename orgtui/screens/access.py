"""Access: the tokens by which people and programs come in through a server; made, and revoked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding

from orgtui.domain.figures import NONE, ago
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import ABOVE, Role, reaches
from orgtui.domain.text import clean
from orgtui.screens.list_section import FILTER, ORDER, ListSection
from orgtui.store.contract.access import Kind, Token, TokensPage
from orgtui.widgets.filter_table import Cell, Column, FilterTable, Row
from orgtui.widgets.note import Note, Trouble
from orgtui.widgets.team_panels import Detail

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.access import NewSecret

COLUMNS = (
    Column("Name", grows=1),
    Column("Kind", whole=True),
    Column("May", grows=2, least=66),
    Column("By", grows=1, least=84),
    Column("Expires", whole=True),
    Column("Last used", whole=True, least=66),
)
# What lapses within a week wants to be seen to.
_SOON = timedelta(days=7)
_LEAST_TOLD, _MOST_TOLD, _MOST_NAMED = 2, 5, 4


class AccessScreen(ListSection["TokensPage"]):
    """One table, and what is told of the selected token; no secret is ever in either."""

    SECTION = "access"
    LISTED = "#tokens, #detail"
    NEEDS_ANSWER = frozenset({"new", "revoke", "menu", "export", "filter", "sort", "turn"})
    BINDINGS = [
        Binding("n", "new", "New Token", id="access.new"),
        Binding("x,delete", "revoke", "Revoke", id="access.revoke"),
        Binding("m,full_stop", "menu", "Menu", id="access.menu", show=False),
        FILTER,
        *ORDER,
        Binding("e", "export", "Export", id="access.export"),
        Binding("escape", "leave_list", "Leave the list", id="access.leave-list", show=False),
    ]
    HELP = "The tokens by which people and programs come in through a server. n makes one, x revokes the selected one."

    def compose_section(self) -> ComposeResult:
        """The table, and the line under it."""
        yield Note()
        yield FilterTable(COLUMNS, noun="tokens", placeholder="Filter by name, kind, permission or maker", id="tokens")
        yield Detail(id="detail")

    # The question and its answer.

    async def ask(self, store: Store) -> TokensPage:
        """Everybody's."""
        return await store.access.show()

    def show(self, page: TokensPage) -> None:
        """A row each."""
        now, zone = self.orgtui.ambient.now(), zone_or_utc(page.timezone)
        self.show_list(bool(page.tokens))
        self.table.rows = tuple(_row(token, now, zone) for token in page.tokens)
        if not page.tokens:
            self.trouble = Trouble(
                "empty",
                "There are no tokens.",
                "With a token somebody comes in through a server, or a program does: as far as it may, until it "
                "lapses or is revoked.",
                "Press n to make one.",
            )

    # The selected one.

    @property
    def selected(self) -> Token | None:
        """Which the cursor is on."""
        key = self.table.selected
        return next((token for token in self.page.tokens if token.id == key), None) if self.page else None

    @on(FilterTable.Highlighted)
    def _tell(self) -> None:
        token, detail = self.selected, self.query_one(Detail)
        if token is None:
            detail.told = ("", ())
            return
        told = _told(token, self.orgtui.ambient.now(), zone_or_utc(self.page.timezone))
        detail.told = (clean(token.name), tuple(told))
        # Enough for most, so that the list stands still under the cursor.
        needed = detail.get_content_height(None, None, detail.size.width or self.size.width)
        detail.styles.height = max(_LEAST_TOLD, min(needed, _MOST_TOLD))

    def on_resize(self) -> None:
        """The line takes the rows that it needs at another width."""
        self.call_after_refresh(self._tell)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where there is no token there is one to make, and nothing else to do."""
        empty = self.page is not None and not self.page.tokens
        return super().check_action(action, parameters) and not (empty and action in self.NEEDS_ANSWER - {"new"})

    # What is done.

    @property
    def role(self) -> Role:
        """As what one acts."""
        return self.orgtui.overview.role if self.orgtui.overview else Role.ADMIN

    async def action_new(self) -> None:
        """Make one; its secret is shown before anything else is done."""
        from orgtui.screens.dialogs.new_token import NewTokenDialog, TokenMade

        def made(secret: NewSecret | None) -> None:
            if secret:
                self.load()
                server = self.orgtui.settings.server
                zone = zone_or_utc(self.page.timezone)
                self.app.push_screen(TokenMade(secret, zone, server.url if server else "URL"))

        await self.app.push_screen(NewTokenDialog(self.role), made)

    @on(FilterTable.Chosen)
    async def action_menu(self) -> None:
        """What can be done with the selected one."""
        from orgtui.screens.dialogs.menu import Entry, Menu

        if (token := self.selected) is None:
            return
        entries = [Entry("copy", "Copy its id"), Entry("revoke", "Revoke…", self._refused(token), danger=True)]

        def go(action: str | None) -> None:
            if action == "copy":
                self.table.action_copy()
            elif action:
                self._ask_to_revoke(token)

        await self.app.push_screen(Menu(clean(token.name), entries), go)

    def _refused(self, token: Token) -> str:
        """Why one cannot be revoked from here; the store decides in the end."""
        overview = self.orgtui.overview
        mine = overview is not None and token.maker == overview.actor
        return "" if mine or reaches(self.role, token.role) else ABOVE

    def action_revoke(self) -> None:
        """The selected one, after a question that names it."""
        if (token := self.selected) is None:
            return
        if refused := self._refused(token):
            self.notify(refused, severity="warning")
        else:
            self._ask_to_revoke(token)

    def _ask_to_revoke(self, token: Token) -> None:
        from orgtui.screens.dialogs.confirm import ConfirmDialog

        name, others = clean(token.name), self.page.going_with(token.id)
        lines = [
            f"Made by {clean(token.maker)}. "
            + ("It has lapsed already." if token.expired else "Whoever has it is out at once."),
            *([f"Made with it, and going with it: {_named(others)}."] if others else []),
            "It cannot be taken back; another can be made.",
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self.carry_out(lambda store: store.access.revoke(token.id), f"“{name}” is revoked.")

        self.app.push_screen(ConfirmDialog(f"Revoke “{name}”", lines, "Revoke", danger=True), answered)

    async def action_export(self) -> None:
        """The list as a file."""
        from orgtui.cli.access import shown
        from orgtui.screens.dialogs.export import ExportDialog

        def say(said: str | None) -> None:
            if said:
                self.notify(said)

        zone = zone_or_utc(self.page.timezone)
        await self.app.push_screen(ExportDialog("tokens", [shown(each, zone) for each in self.page.tokens]), say)


_KINDS = {Kind.PERSON: "Person", Kind.PLATFORM: "Platform", Kind.AUTOMATION: "Automation"}


def _may(token: Token) -> str:
    return ", ".join(scope.value.replace("_", " ") for scope in token.scopes) or "all it can"


def _named(tokens: list[Token]) -> str:
    """A few by name, and how many more."""
    names = ", ".join(f"“{clean(token.name)}”" for token in tokens[:_MOST_NAMED])
    more = len(tokens) - _MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names


def _row(token: Token, now: datetime, zone: ZoneInfo) -> Row:
    name, kind, may, maker = clean(token.name), _KINDS[token.kind], _may(token), clean(token.maker)
    used = ago(token.last_used, now, zone) if token.last_used else NONE
    tone = "dim" if token.expired else ""
    cells: tuple[Cell, ...] = (
        ((name, tone),),
        ((kind, tone),),
        ((may, "dim"),),
        ((maker, "dim"),),
        _ends(token, now, zone),
        ((used, "dim"),),
    )
    since = -token.last_used.timestamp() if token.last_used else 0.0
    # What lapsed comes last, whatever it is called.
    first = (token.expired, name.casefold())
    order = (first, (kind, *first), (may, *first), (maker.casefold(), *first), token.expires, since)
    return Row(token.id, cells, order, token.id)


def _ends(token: Token, now: datetime, zone: ZoneInfo) -> Cell:
    """Until when; what is soon wears a mark, as tones alone are not seen by everybody."""
    if token.expired:
        return (("expired", "dim"),)
    ends = f"{token.expires.astimezone(zone):%-d %b %Y}"
    return (("! ", "warn"), (ends, "text")) if token.expires - now < _SOON else ((ends, "text"),)


def _told(token: Token, now: datetime, zone: ZoneInfo) -> list[str]:
    """What the line under the list says."""
    ends = f"{token.expires.astimezone(zone):%-d %b %Y, %H:%M}"
    return [
        f"made by {clean(token.maker)}, {'an owner' if token.role is Role.OWNER else 'an admin'}, "
        f"{token.created.astimezone(zone):%-d %b %Y}",
        f"{'expired' if token.expired else 'works until'} {ends}",
        f"last used {ago(token.last_used, now, zone)}" if token.last_used else "not used yet",
        f"may: {_may(token)}",
    ]


SCREEN = AccessScreen
