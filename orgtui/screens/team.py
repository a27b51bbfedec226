"""The Team section: who is in the organization, who is invited, and what becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Button

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import ago, some
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import ABOVE, Permission, Role, allows, reaches, refusal
from orgtui.screens.dialogs.menu import Entry
from orgtui.screens.list_section import FILTER, ORDER, ListSection
from orgtui.store.contract.team import Delivery, Member, Status
from orgtui.widgets.filter_table import Cell, Column, FilterTable, Row
from orgtui.widgets.frame import Body, Rule
from orgtui.widgets.note import Note, Trouble
from orgtui.widgets.stats_bar import Stat, StatsBar
from orgtui.widgets.team_panels import BADGES, Detail, Roles

if TYPE_CHECKING:
    from orgtui.invitations import Sent
    from orgtui.store.contract import Store
    from orgtui.store.contract.team import TeamPage

STATS = ("Active", "Pending", "Total")
NARROW = 66
COLUMNS = (
    Column("Member", most=NARROW, grows=1),
    Column("Name", least=NARROW + 1, grows=1),
    Column("Email", least=NARROW + 1, grows=1),
    Column("Role", whole=True, grows=1),
    Column("Status", whole=True, grows=1),
    Column("Last seen", whole=True, least=80, grows=1),
    Column("", whole=True),
)
LEAST_ROWS = 7
MOST_TOLD = 6


class TeamScreen(ListSection["TeamPage"]):
    """Stats, the members list with its menu, and what the roles may."""

    SECTION = "team"
    LISTED = "#members, #detail, #roles"
    NEEDS_ANSWER = frozenset({"invite", "menu", "export", "filter", "sort", "turn"})
    BINDINGS = [
        Binding("n", "invite", "Invite Member", id="team.invite"),
        Binding("m,full_stop", "menu", "Menu", id="team.menu"),
        FILTER,
        *ORDER,
        Binding("e", "export", "Export", id="team.export"),
        Binding("escape", "leave_list", "Leave the list", id="team.leave-list", show=False),
    ]
    HELP = "Members and invitations. m opens the menu of the selected row, n invites."

    def compose_section(self) -> ComposeResult:
        """Stats and the button, the list, what is told of the selected one, the roles."""
        with Horizontal(id="team-top"):
            yield StatsBar([Stat(label) for label in STATS], pitch=13, id="team-stats")
            yield Button("Invite Member", variant="primary", id="invite-member", action="screen.invite", disabled=True)
        yield Rule()
        yield Note()
        yield FilterTable(COLUMNS, noun="members", placeholder="Filter by name, email or role", id="members")
        yield Detail(id="detail")
        yield Roles(id="roles")

    # The question and its answer.

    async def ask(self, store: Store) -> TeamPage:
        """Everybody."""
        return await store.team.show()

    def show(self, page: TeamPage) -> None:
        """Stats and rows."""
        self.query_one("#invite-member", Button).disabled = False
        self.query_one("#team-stats", StatsBar).stats = (
            Stat("Active", f"{page.active:,}"),
            Stat("Pending", f"{page.pending:,}"),
            Stat("Total", f"{page.total:,}"),
        )
        alone = page.total == 1
        self.show_list(not alone)
        now, zone = self.orgtui.ambient.now(), zone_or_utc(page.timezone)
        self.table.rows = tuple(_row(member, now, zone) for member in page.members)
        if alone:
            self.trouble = Trouble(
                "empty",
                "You are the only member.",
                "People you invite here can manage workspaces, members, workflows and settings. They appear as "
                "○ Invited until they accept the invitation.",
                "Press n to invite somebody.",
            )
        self._arrange()

    def on_resize(self) -> None:
        """The list takes what the rest leaves."""
        self._arrange()

    def _arrange(self) -> None:
        """The roles are told where there is room for them; the list has all the rows it needs, or what there is."""
        if self.page is None or self.page.total == 1:
            return
        table, detail, roles = self.table, self.query_one(Detail), self.query_one(Roles)
        body = self.query_one(Body)
        room = self.size.height - 4 - self._above()
        needed = self.page.total + 4
        told = roles.get_content_height(None, None, body.size.width - 4) + 2
        # Two rows are enough for most, so that the list stands still under the cursor; why a mail failed takes more.
        height = max(2, min(detail.get_content_height(None, None, detail.size.width or body.size.width - 4), MOST_TOLD))
        detail.styles.height = height
        roles.display = self.has_class("-tall") and needed + told + 1 + height <= room
        taken = (told if roles.display else 0) + 1 + height
        table.styles.height = max(LEAST_ROWS, min(needed, room - taken))

    def _above(self) -> int:
        """Rows of stats, hairline and blanks, and of a note."""
        note = self.query_one(Note)
        return (6 if self.has_class("-tall") else 4) + (4 if note.display else 0)

    # The selected one.

    @property
    def selected(self) -> Member | None:
        """Who the cursor is on."""
        key = self.table.selected
        return next((member for member in self.page.members if member.id == key), None) if self.page else None

    @property
    def me(self) -> Member | None:
        """Who acts."""
        return next((member for member in self.page.members if member.id == self.page.you), None)

    @property
    def role(self) -> Role:
        """As what they act."""
        return self.me.role if self.me else Role.ADMIN

    @on(FilterTable.Highlighted)
    def _tell(self) -> None:
        member = self.selected
        if member is None:
            self.query_one(Detail).told = ("", ())
            return
        zone = zone_or_utc(self.page.timezone)
        told = _told(member, self.orgtui.ambient.now(), zone)
        name = member.email if self.has_class("-small") or not member.name else member.name
        self.query_one(Detail).told = (name, tuple(told))
        self._arrange()

    # What is done.

    @on(FilterTable.Chosen)
    async def action_menu(self) -> None:
        """The menu of the selected row."""
        from orgtui.screens.dialogs.menu import Menu

        if (member := self.selected) is None:
            return

        def go(action: str | None) -> None:
            if action:
                getattr(self, f"do_{action}")(member)

        await self.app.push_screen(Menu(member.name or member.email, self.entries(member)), go)

    def entries(self, member: Member) -> list[Entry]:
        """What can be done with a member or an invitation, and why not the rest; the store decides in the end."""
        above = "" if reaches(self.role, member.role) else ABOVE
        copy = Entry("copy", "Copy e-mail address")
        if member.status is Status.INVITED:
            return [
                Entry("resend", "Resend invitation", above),
                copy,
                Entry("revoke", "Revoke invitation", above, danger=True),
            ]
        mine = member.id == self.page.you
        last = (
            "" if member.role is not Role.OWNER or self._owners() > 1 else "There must be an owner: make another first."
        )
        return [
            self._role_entry(member, above, last),
            Entry("transfer", "Transfer ownership…", self._no_transfer(mine)),
            copy,
            Entry("leave", "Leave the organization", last, danger=True)
            if mine
            else Entry("remove", "Remove from the organization", above or last, danger=True),
        ]

    def _owners(self) -> int:
        return sum(member.role is Role.OWNER for member in self.page.members if member.status is Status.ACTIVE)

    def _role_entry(self, member: Member, above: str, last: str) -> Entry:
        if member.role is Role.OWNER:
            return Entry("demote", "Change role to ADMIN", above or last)
        return Entry("promote", "Change role to OWNER", "" if reaches(self.role, Role.OWNER) else ABOVE)

    def _no_transfer(self, mine: bool) -> str:
        if not allows(self.role, Permission.TRANSFER_OWNERSHIP):
            return refusal(Permission.TRANSFER_OWNERSHIP)
        return "Choose the row of who is to have it." if mine else ""

    async def action_invite(self) -> None:
        """Invite one or many."""
        from orgtui.screens.dialogs.invite import InviteDialog

        def done(sent: list[Sent] | None) -> None:
            if sent:
                self.load()
                self._say_sent(sent)

        await self.app.push_screen(InviteDialog(self.page.members, self.role), done)

    def _say_sent(self, sent: list[Sent]) -> None:
        from orgtui.screens.dialogs.invite import HandOver

        by_hand = [each for each in sent if each.delivery is not Delivery.SENT]
        mailed = len(sent) - len(by_hand)
        if mailed:
            self.notify(f"{some(mailed, 'invitation')} sent.")
        if by_hand:
            self.app.push_screen(HandOver(by_hand))

    def do_copy(self, member: Member) -> None:
        """The address, for somewhere else."""
        self.app.copy_to_clipboard(member.email)
        self.notify(f"Copied: {member.email}")

    @work
    async def do_resend(self, member: Member) -> None:
        """A new code, by the same way as the first."""
        from orgtui.invitations import send

        app = self.orgtui
        try:
            store = await app.store()
            invitation = await store.team.resend(member.id)
            if app.outbox.mailer is not None:
                self.notify(f"Mailing {member.email}…")
            sent = await send(store, app.outbox.mailer, invitation, arrival=app.outbox.arrival, ambient=app.ambient)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
        else:
            self._say_sent([sent])
        self.load()

    def do_revoke(self, member: Member) -> None:
        """Withdraw an invitation."""
        self._ask(
            f"Revoke the invitation of {member.email}",
            ["Its code is worthless from now on. They can be invited again."],
            "Revoke",
            lambda store: store.team.revoke(member.id),
            f"The invitation of {member.email} is revoked.",
            danger=True,
        )

    def do_promote(self, member: Member) -> None:
        """Make them an owner."""
        self._ask(
            f"Make {member.name} an owner",
            ["Full access to everything, including billing, danger zone, and ownership transfer."],
            "Make owner",
            lambda store: store.team.set_role(member.id, Role.OWNER),
            f"{member.name} is an owner now.",
        )

    def do_demote(self, member: Member) -> None:
        """Make them an admin."""
        mine = member.id == self.page.you
        self._ask(
            "Become an admin" if mine else f"Make {member.name} an admin",
            ["No billing, no danger zone, no ownership." + (" Only an owner can give it back." if mine else "")],
            "Make admin",
            lambda store: store.team.set_role(member.id, Role.ADMIN),
            "You are an admin now." if mine else f"{member.name} is an admin now.",
            danger=mine,
        )

    def do_remove(self, member: Member) -> None:
        """Take them out."""
        self._ask(
            f"Remove {member.name}",
            ["They lose access at once. What they made stays.", *self._cancelled(member, "they")],
            "Remove",
            lambda store: store.team.remove(member.id),
            f"{member.name} is no longer a member.",
            danger=True,
        )

    def _cancelled(self, member: Member, who: str) -> list[str]:
        """What becomes of the invitations that somebody sent who goes."""
        sent = sum(other.invited_by == member.email for other in self.page.members)
        return [f"{some(sent, 'invitation')} that {who} sent {'is' if sent == 1 else 'are'} cancelled."] if sent else []

    def do_leave(self, member: Member) -> None:
        """Go."""
        overview = self.orgtui.overview
        name = overview.name if overview else "the organization"

        def gone() -> None:
            self.app.exit(message=f"You have left {name}.")

        self._ask(
            f"Leave {name}",
            [
                "You lose access at once. Somebody there must invite you to come back.",
                *self._cancelled(member, "you"),
            ],
            "Leave",
            lambda store: store.team.leave(),
            "",
            danger=True,
            then=gone,
        )

    def do_transfer(self, member: Member) -> None:
        """Hand over what an owner has."""
        from orgtui.screens.dialogs.transfer import TransferDialog

        async def transfer(confirm: str) -> None:
            await (await self.orgtui.store()).team.transfer(member.id, confirm)

        def done(transferred: bool | None) -> None:
            if transferred:
                self.notify(f"{member.name} is an owner now; you are an admin.")
                self.load()

        self.app.push_screen(TransferDialog(member, transfer), done)

    def _ask(
        self,
        heading: str,
        lines: list[str],
        button: str,
        question: Callable[[Store], Awaitable[Any]],
        said: str,
        *,
        danger: bool = False,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Confirm, do, say."""
        from orgtui.screens.dialogs.confirm import ConfirmDialog

        def answered(yes: bool | None) -> None:
            if yes:
                self.carry_out(question, said, then)

        self.app.push_screen(ConfirmDialog(heading, lines, button, danger=danger), answered)

    async def action_export(self) -> None:
        """The list as a file."""
        from orgtui.cli.team import shown
        from orgtui.screens.dialogs.export import ExportDialog

        def say(said: str | None) -> None:
            if said:
                self.notify(said)

        zone = zone_or_utc(self.page.timezone)
        await self.app.push_screen(ExportDialog("team-members", [shown(each, zone) for each in self.page.members]), say)


def _row(member: Member, now: datetime, zone: ZoneInfo) -> Row:
    invited = member.status is Status.INVITED
    late, tone = _latest(member, now, zone)
    cells: tuple[Cell, ...] = (
        member.name or member.email,
        member.name or (("—", "dim"),),
        ((member.email, "text" if invited else "dim"),),
        (BADGES[member.role],),
        (("○", "warn"), (" Invited", "text")) if invited else (("●", "ok"), (" Active", "text")),
        ((late, tone),),
        (("⋯", "dim"),),
    )
    name = (invited, (member.name or member.email).casefold())
    seen = member.last_seen or member.since
    email = member.email.casefold()
    order = (name, name, email, (member.role is not Role.OWNER, name), (invited, name), -seen.timestamp(), 0)
    return Row(member.id, cells, order, member.email)


def _latest(member: Member, now: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """The newest of a person or an invitation, and the tone to say it in."""
    if member.status is Status.ACTIVE:
        return (ago(member.last_seen, now, zone) if member.last_seen else "—"), "dim"
    if member.expired and member.expires:
        return f"expired {ago(member.expires, now, zone)}", "warn"
    if member.delivery is Delivery.FAILED:
        return "not delivered", "err"
    return f"{'sent' if member.delivery is Delivery.SENT else 'made'} {ago(member.since, now, zone)}", "dim"


def _told(member: Member, now: datetime, zone: ZoneInfo) -> list[str]:
    """What the line under the list says."""
    if member.status is Status.ACTIVE:
        seen = f"last seen {ago(member.last_seen, now, zone)}" if member.last_seen else "not seen yet"
        return [seen, f"joined {member.since.astimezone(zone):%-d %b %Y}"]
    ends = f"{member.expires.astimezone(zone):%-d %b %Y}" if member.expires else "—"
    sent = {
        Delivery.SENT: f"mailed {ago(member.since, now, zone)}",
        Delivery.FAILED: f"not delivered: {member.delivery_note}",
    }.get(member.delivery or Delivery.UNSENT, f"not mailed; made {ago(member.since, now, zone)}")
    return [f"invited by {member.invited_by}", f"{'expired' if member.expired else 'valid until'} {ends}", sent]


SCREEN = TeamScreen
