"""Invite Member: one address or many, a verdict for each before and after, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option as Item

from orgtui.domain.addresses import checked_email, split_addresses
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.roles import Role, reaches
from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.team import Delivery, Member, NewInvitation, Status
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, beside, fitted
from orgtui.widgets.choice import Choice, Option

if TYPE_CHECKING:
    from orgtui.app import OrgTui
    from orgtui.invitations import Sent

ROLES = (
    (Role.ADMIN, "Admin", "Workspaces, members, workflows, and settings."),
    (Role.OWNER, "Owner", "Full access, including billing and danger zone."),
)
NO_OWNER = "Only an owner can invite an owner."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one address: `good` is True where it can be, or was, invited."""

    address: str
    good: bool
    words: str = ""
    done: bool = False


def verdicts(text: str, members: Iterable[Member]) -> list[Verdict]:
    """A verdict for each address of *text*, in its order; the store has the last word."""
    known = {member.email.casefold(): member.status for member in members}
    found, seen = list[Verdict](), set[str]()
    for address in split_addresses(text):
        try:
            email = checked_email(address)
        except Invalid as error:
            found.append(Verdict(clean(address), False, _reason(error)))
            continue
        key = email.casefold()
        if key in seen:
            found.append(Verdict(email, False, "is here twice; once is enough."))
        elif key in known:
            invited = known[key] is Status.INVITED
            found.append(Verdict(email, False, "is invited already; resend it." if invited else "is a member already."))
        else:
            found.append(Verdict(email, True))
        seen.add(key)
    return found


def _reason(error: Invalid) -> str:
    return error.message.partition("address: ")[2] or error.message


class Verdicts(Canvas):
    """Each address with its mark and the words for it; the words alone where there is only one."""

    shown: reactive[tuple[Verdict, ...]] = reactive((), init=False, layout=True)

    def watch_shown(self) -> None:
        """Redraw."""
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All of them: what is around scrolls."""
        return max(1, len(self._rows(width, Ink.of(self.app))))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Mark, address, why; words that are too long go on below."""
        return self._rows(width, ink)

    def _rows(self, width: int, ink: Ink) -> list[Content]:
        if len(self.shown) == 1 and not self.shown[0].done:
            (only,) = self.shown
            why = only.words[:1].upper() + only.words[1:].rstrip(".")
            tone = ink.dim if only.good else ink.err
            mark = ("", ink.dim) if only.good else ("✗ ", ink.err)
            return beside(Content.assemble(mark), why, tone, width) if why else []
        room = min(max((len(verdict.address) for verdict in self.shown), default=0), width // 2)
        return [row for verdict in self.shown for row in _verdict_rows(verdict, room, width, ink)]


def _verdict_rows(verdict: Verdict, room: int, width: int, ink: Ink) -> list[Content]:
    mark, style = ("✓", ink.ok) if verdict.good else ("✗", ink.err)
    address = fitted(Content.assemble((verdict.address, ink.text if verdict.good else ink.strong)), room)
    left = Content.assemble((mark, style), " ", address, "  ")
    return beside(left, verdict.words, ink.dim if verdict.good else ink.err, width)


class AddressInput(Input):
    """A field that takes a pasted list: Textual's own keeps the first line of it."""

    BINDINGS = [
        Binding("pagedown", "screen.scroll(1)", "Down", id="invite.down", show=False),
        Binding("pageup", "screen.scroll(-1)", "Up", id="invite.up", show=False),
    ]

    def _on_paste(self, event: events.Paste) -> None:
        lines = [line.strip().rstrip(",;") for line in event.text.splitlines()]
        self.replace(", ".join(line for line in lines if line), *sorted(self.selection))
        event.stop()
        event.prevent_default()


class InviteDialog(Dialog[list["Sent"]]):
    """Answers what was sent, if anything was; what could not be invited stays in the field."""

    HEADING = "Invite Member"

    def __init__(self, members: Sequence[Member], role: Role) -> None:
        super().__init__()
        self._members, self._role = members, role
        self._sent: list[Sent] = []
        self._busy = self._stopping = False

    def compose_dialog(self) -> ComposeResult:
        """Addresses, role, what happens then."""
        with Horizontal(id="email-caption"):
            yield Static("Email", markup=False, classes="caption")
            yield Static("", markup=False, id="counts", classes="aside")
        yield AddressInput(id="addresses", placeholder="One address, or many pasted at once", select_on_focus=False)
        with VerticalScroll(id="verdict-list", can_focus=False):
            yield Verdicts(id="verdicts")
        yield Static("Role", markup=False, classes="caption")
        yield Choice(
            [
                Option(role.value, title, words, "" if reaches(self._role, role) else NO_OWNER)
                for role, title, words in ROLES
            ],
            id="role",
        )
        yield Static(self._promise, markup=False, id="promise", classes="aside")

    @property
    def _promise(self) -> str:
        by_mail = cast("OrgTui", self.app).outbox.mailer is not None
        first = "An invitation goes to each address." if by_mail else "You get a code to hand over; no mail is set up."
        return f"{first} It works for 7 days; until it is accepted the member shows as ○ Invited."

    def buttons(self) -> ComposeResult:
        """Cancel, or invite."""
        yield from super().buttons()
        yield Button("Invite Member", variant="primary", id="invite", action="screen.invite", disabled=True)

    def on_mount(self) -> None:
        """Into the field; Textual scrolls to it before all is laid out, and too far."""
        self.query_one(Input).focus()
        self.call_after_refresh(self.query_one("#content").scroll_home, animate=False)

    @on(Input.Changed)
    def _judge(self) -> None:
        self._tell(verdicts(self.query_one(Input).value, self._members))

    def _tell(self, found: Sequence[Verdict]) -> None:
        self.query_one(Verdicts).shown = tuple(found)
        done = sum(verdict.done for verdict in found)
        good = sum(verdict.good for verdict in found) - done
        counts = ((done, "invited"), (good, "to invite"), (len(found) - good - done, "refused"))
        said = ", ".join(f"{count:,} {words}" for count, words in counts if count)
        self.query_one("#counts", Static).update(said if len(found) > 1 else "")
        button = self.query_one("#invite", Button)
        button.disabled = not good or self._busy
        button.label = "Invite Member" if good < 2 else f"Invite {some(good, 'Member')}"
        # A label that grows does not ask for room by itself.
        button.refresh(layout=True)
        self.query_one("#cancel", Button).label = "Stop" if self._busy else "Close" if self._sent else "Cancel"

    def action_scroll(self, by: int) -> None:
        """Through the verdicts, then through the rest."""
        parts = [self.query_one("#verdict-list"), self.query_one("#content")]
        for part in parts if by > 0 else reversed(parts):
            if (part.scroll_offset.y < part.max_scroll_y) if by > 0 else part.scroll_offset.y:
                part.scroll_relative(y=by * max(1, part.size.height - 1), animate=False)
                return

    def action_cancel(self) -> None:
        """Leave, with what was sent. While one is under way, stop after it: nobody else would learn its code."""
        if not self._busy or self._stopping:
            self.dismiss(self._sent)
            return
        self._stopping = True
        self.query_one("#promise", Static).update(
            "Stops after this one. Cancel again to leave at once; then resend it from the list."
        )

    @on(Input.Submitted)
    def action_invite(self) -> None:
        """Invite all that can be."""
        found = verdicts(self.query_one(Input).value, self._members)
        if not self._busy and any(verdict.good for verdict in found):
            self._invite(found)

    @work
    async def _invite(self, found: list[Verdict]) -> None:
        """One after the other: each is a matter of its own, and the line says how each went."""
        field, role = self.query_one(Input), Role(self.query_one(Choice).value)
        # What is typed meanwhile would be lost.
        self._busy = field.disabled = True
        outcomes = list(found)
        for number, verdict in enumerate(found):
            if self._stopping:
                break
            if verdict.good:
                outcomes[number] = replace(verdict, words="is being invited…")
                self._tell(outcomes)
                outcomes[number] = await self._one(verdict, role)
        self._busy = field.disabled = False
        left = [verdict for verdict in outcomes if not verdict.good]
        if not left or self._stopping:
            self.dismiss(self._sent)
            return
        with self.prevent(Input.Changed):
            field.value = ", ".join(verdict.address for verdict in left)
        field.focus()
        self._tell(outcomes)

    async def _one(self, verdict: Verdict, role: Role) -> Verdict:
        from orgtui.invitations import send

        app = cast("OrgTui", self.app)
        try:
            store = await app.store()
            invitation = await store.team.invite(NewInvitation(email=verdict.address, role=role))
            sent = await send(store, app.outbox.mailer, invitation, arrival=app.outbox.arrival, ambient=app.ambient)
        except OrgtuiError as error:
            return Verdict(verdict.address, False, error.message)
        self._sent.append(sent)
        said = {
            Delivery.SENT: "is invited.",
            Delivery.FAILED: f"is invited, but not delivered: {sent.member.delivery_note}",
            Delivery.UNSENT: "is invited; hand over the code.",
        }
        return Verdict(verdict.address, True, said[sent.delivery], done=True)


class HandOver(Dialog[None]):
    """The codes of invitations that no mail has brought to anybody; they are shown this once."""

    BINDINGS = [
        Binding("y", "copy", "Copy", id="hand-over.copy"),
        Binding("j", "step(1)", "Down", id="hand-over.down", show=False),
        Binding("k", "step(-1)", "Up", id="hand-over.up", show=False),
    ]

    def __init__(self, sent: Sequence[Sent]) -> None:
        super().__init__()
        self._sent = sent

    def heading(self) -> str:
        """One or many."""
        return "Hand over the invitation" if len(self._sent) == 1 else f"Hand over {len(self._sent)} invitations"

    def compose_dialog(self) -> ComposeResult:
        """Whose they are, and how each is accepted."""
        yield OptionList(*(Item(self._label(sent)) for sent in self._sent), id="sent", markup=False)
        yield Static("", id="code", classes="line")
        yield Static("", id="why", markup=False, classes="aside line")
        yield Static("Shown this once. It works once, for 7 days.", markup=False, classes="aside")

    def _label(self, sent: Sent) -> Content:
        ink = Ink.of(self.app)
        why = "not delivered" if sent.delivery is Delivery.FAILED else "not mailed"
        return Content.assemble((sent.member.email, ink.strong), "  ", (why, ink.dim))

    def buttons(self) -> ComposeResult:
        """Copy, or close."""
        yield Button("Close", id="cancel", action="screen.cancel")
        yield Button("Copy", variant="primary", id="copy", action="screen.copy")

    def on_mount(self) -> None:
        """On the first."""
        self._options.highlighted = 0
        self._options.focus()

    @property
    def _options(self) -> OptionList:
        return self.query_one(OptionList)

    @property
    def _chosen(self) -> Sent:
        return self._sent[self._options.highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        ink, sent = Ink.of(self.app), self._chosen
        link = (
            [Content.assemble((sent.link.reveal(), ink.strong)), Content.assemble(("or", ink.dim))] if sent.link else []
        )
        command = Content.assemble((sent.command.reveal(), ink.text if link else ink.strong))
        self.query_one("#why", Static).update(sent.member.delivery_note)
        self.query_one("#why").display = bool(sent.member.delivery_note)
        self.query_one("#code", Static).update(Content("\n").join([*link, command]))

    def action_step(self, by: int) -> None:
        """Up and down, as in every list."""
        self._options.highlighted = ((self._options.highlighted or 0) + by) % len(self._sent)

    @on(OptionList.OptionSelected)
    def action_copy(self) -> None:
        """Copy the link; the command where there is none."""
        sent = self._chosen
        self.app.copy_to_clipboard((sent.link or sent.command).reveal())
        self.notify(f"Copied for {sent.member.email}.")
