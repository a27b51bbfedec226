"""A new token: what it is called, whose it is, how long it works, what it may; then its secret, shown this once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, Static

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.roles import Permission, Role
from orgtui.domain.text import clean
from orgtui.screens.dialogs.copied import CopyDialog
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.access import (
    DAYS,
    LONGEST_DAYS,
    OWNERS_ONLY,
    SHORTEST_DAYS,
    Kind,
    NewSecret,
    NewToken,
    bounds,
)
from orgtui.themes import Ink
from orgtui.widgets.choice import Choice, Option
from orgtui.widgets.ticks import Ticks

if TYPE_CHECKING:
    from orgtui.app import OrgTui

KINDS = (
    (Kind.PERSON, "Yours", "Comes in as you."),
    (Kind.PLATFORM, "Platform", "Records runs, uses provider keys."),
    (Kind.AUTOMATION, "Automation", "A program that only reads."),
)
# What each permission is about, in a few words.
ABOUT = {
    Permission.VIEW: "all sections",
    Permission.EDIT_ORGANIZATION: "name, description, logo",
    Permission.DELETE_ORGANIZATION: "and all that is in it",
    Permission.TRANSFER_OWNERSHIP: "to another member",
    Permission.MANAGE_MEMBERS: "invitations and roles",
    Permission.MANAGE_BILLING: "plan, credits, payments",
    Permission.MANAGE_KEYS: "add, replace, remove",
    Permission.MANAGE_WORKSPACES: "make, change, archive",
    Permission.RECORD_USAGE: "runs and calls",
    Permission.SET_INVENTORY: "workflows and agents",
    Permission.USE_KEYS: "provider keys, in clear",
    Permission.SETTLE_PAYMENTS: "what was paid",
    Permission.VIEW_AUDIT: "who changed what",
    Permission.MANAGE_ACCESS: "make and revoke tokens",
}
ALL = "all it can"


def in_words(permission: Permission) -> str:
    """`manage members`."""
    return permission.value.replace("_", " ")


class NewTokenDialog(Dialog[NewSecret]):
    """Answers the token that was made, with its secret."""

    HEADING = "New Token"
    BINDINGS = [Binding("ctrl+s", "create", "Create", id="new-token.create")]

    def __init__(self, role: Role) -> None:
        super().__init__()
        self._role = role
        self._busy = self._leaving = False

    def compose_dialog(self) -> ComposeResult:
        """Name and days, kind, what it may."""
        with Horizontal(id="token-captions"):
            yield Static("Name", markup=False, classes="caption")
            yield Static("Days", markup=False, classes="caption", id="days-caption")
        with Horizontal(id="token-fields"):
            yield Input(id="token-name", placeholder="What it is for", select_on_focus=False)
            yield Input(str(DAYS), id="token-days", select_on_focus=False, max_length=4)
        yield Static("", id="said")
        yield Static("Kind", markup=False, classes="caption")
        yield Choice(
            [
                Option(kind.value, title, words, "" if bounds(kind, self._role) else OWNERS_ONLY)
                for kind, title, words in KINDS
            ],
            id="token-kind",
        )
        with Horizontal(id="scopes-caption"):
            yield Static("May", markup=False, classes="caption")
            yield Static("", markup=False, classes="aside", id="counts")
        yield Ticks(id="scopes")

    def buttons(self) -> ComposeResult:
        """Cancel, or make it."""
        yield from super().buttons()
        yield Button("Create", variant="primary", id="create", action="screen.create", disabled=True)

    def on_mount(self) -> None:
        """Into the name; Textual scrolls to it before all is laid out, and too far."""
        self._offer()
        self.query_one("#token-name").focus()
        self.call_after_refresh(self.query_one("#content").scroll_home, animate=False)

    @property
    def _kind(self) -> Kind:
        return Kind(self.query_one(Choice).value)

    @on(Choice.Changed)
    def _offer(self) -> None:
        may = bounds(self._kind, self._role)
        self.query_one(Ticks).offer([(each.value, in_words(each), ABOUT[each]) for each in Permission if each in may])

    @on(Ticks.Changed)
    @on(Input.Changed)
    def _judge(self) -> None:
        ticks = self.query_one(Ticks)
        said = ALL if ticks.whole else f"{len(ticks.ticked)} of {ticks.option_count}"
        self.query_one("#counts", Static).update(f"{said} · space ticks, a all or none")
        self._say("" if self._days else f"A token lives from {SHORTEST_DAYS} to {LONGEST_DAYS} days.")
        self._wake()

    @property
    def _days(self) -> int | None:
        text = self.query_one("#token-days", Input).value.strip()
        days = int(text) if text.isascii() and text.isdecimal() else 0
        return days if SHORTEST_DAYS <= days <= LONGEST_DAYS else None

    def _wake(self) -> None:
        ready = self.query_one("#token-name", Input).value.strip() and self._days and self.query_one(Ticks).ticked
        self.query_one("#create", Button).disabled = not ready or self._busy

    def _say(self, words: str, tone: str = "err") -> None:
        mark = "✗ " if words and tone == "err" else ""
        self.query_one("#said", Static).update(Content.assemble((mark + words, getattr(Ink.of(self.app), tone))))

    def action_cancel(self) -> None:
        """Leave. While one is being made, wait for it: nobody else would learn its secret."""
        if not self._busy or self._leaving:
            self.dismiss(None)
            return
        self._leaving = True
        self._say("It is being made. Cancel again to leave at once; then revoke it from the list.", "dim")

    @on(Input.Submitted)
    def action_create(self) -> None:
        """Make it, if all is there."""
        days = self._days
        if days and not self.query_one("#create", Button).disabled:
            ticks = self.query_one(Ticks)
            # Without scopes it goes on to be all, where its maker comes to another role.
            scopes = () if ticks.whole else tuple(map(Permission, ticks.ticked))
            name = self.query_one("#token-name", Input).value
            self._create(NewToken(name=name, kind=self._kind, scopes=scopes, days=days))

    @work(exclusive=True)
    async def _create(self, token: NewToken) -> None:
        self._set_busy(True)
        try:
            made = await (await cast("OrgTui", self.app).store()).access.create(token)
        except OrgtuiError as error:
            self._set_busy(False)
            self._say(error.message)
        else:
            self.dismiss(made)

    def _set_busy(self, busy: bool) -> None:
        self._busy, self._leaving = busy, False
        self._say("Making it…" if busy else "", "dim")
        self._wake()


class TokenMade(CopyDialog):
    """The secret: here, and nowhere after."""

    HEADING = "Keep this token now"
    BINDINGS = [Binding("y", "copy", "Copy", id="token-made.copy")]

    def __init__(self, made: NewSecret, zone: ZoneInfo, server: str) -> None:
        super().__init__(made.secret, f"{clean(made.token.name)} is sent to your terminal's clipboard.")
        self._made, self._zone, self._server = made, zone, server

    def compose_dialog(self) -> ComposeResult:
        """What it is, the secret alone on its lines, and how one comes in with it."""
        token, ink = self._made.token, Ink.of(self.app)
        expires = f"{token.expires.astimezone(self._zone):%-d %b %Y, %H:%M %Z}"
        yield Static(Content.assemble((clean(token.name), ink.strong), f" works until {expires}."), classes="line")
        yield Static(Content.assemble((self._made.secret, ink.strong)), id="code")
        once = "Shown this once: no screen, no log has it again."
        yield Static(Content.assemble(("! ", ink.warn), (once, ink.heading)), classes="line")
        yield Static(
            f"To come in with it: orgtui login {self._server}, or ORGTUI_TOKEN.", markup=False, classes="aside"
        )
