"""Invite Member: one address or many, a verdict for each before and after, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option as Item

from orgtui.domain.addresses import checked_email, split_addresses
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.roles import ABOVE, Role, reaches
from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.team import Delivery, Member, NewInvitation, Status
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.choice import Choice, Option

if TYPE_CHECKING:
    from orgtui.app import OrgTui
    from orgtui.invitations import Sent

ROLES = (
    (Role.ADMIN, "Admin", "Workspaces, members, workflows, and settings."),
    (Role.OWNER, "Owner", "Full access, including billing and danger zone."),
)


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
    found: list[Verdict] = []
    for address in split_addresses(text):
        try:
            email = checked_email(address)
        except Invalid as error:
            found.append(Verdict(clean(address), False, _reason(error)))
            continue
        key = email.casefold()
        if any(verdict.address.casefold() == key for verdict in found):
            found.append(Verdict(email, False, "is here twice; once is enough."))
        elif key in known:
            invited = known[key] is Status.INVITED
            found.append(Verdict(email, False, "is invited already; resend it." if invited else "is a member already."))
        else:
            found.append(Verdict(email, True))
    return found


def _reason(error: Invalid) -> str:
    return error.message.partition("address: ")[2] or error.message


class Verdicts(Canvas):
    """One line an address; the words alone where there is only one."""

    shown: reactive[tuple[Verdict, ...]] = reactive((), init=False, layout=True)

    def watch_shown(self) -> None:
        """Redraw."""
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """As many as there are."""
        return max(1, len(self.shown))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Mark, address, why."""
        if len(self.shown) == 1 and not self.shown[0].done:
            (only,) = self.shown
            why = only.words[:1].upper() + only.words[1:].rstrip(".")
            return [] if only.good else [fitted(Content.assemble(("✗ ", ink.err), (why, ink.err)), width)]
        room = max((len(verdict.address) for verdict in self.shown), default=0)
        return [fitted(_line(verdict, min(room, width // 2), ink), width) for verdict in self.shown]


def _line(verdict: Verdict, room: int, ink: Ink) -> Content:
    mark, style = ("✓", ink.ok) if verdict.good else ("✗", ink.err)
    address = fitted(Content.assemble((verdict.address, ink.text if verdict.good else ink.strong)), room)
    return Content.assemble((mark, style), " ", address, "  ", (verdict.words, ink.dim if verdict.good else ink.err))


class AddressInput(Input):
    """A field that takes a pasted list: Textual's own keeps the first line of it."""

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
        self._busy = False

    def compose_dialog(self) -> ComposeResult:
        """Addresses, role, what happens then."""
        yield Static("Email", markup=False, classes="caption")
        yield AddressInput(id="addresses", placeholder="One address, or many pasted at once", select_on_focus=False)
        yield Verdicts(id="verdicts")
        yield Static("Role", markup=False, classes="caption")
        yield Choice(
            [
                Option(role.value, title, words, "" if reaches(self._role, role) else ABOVE)
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
        """Into the field."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _judge(self) -> None:
        self._tell(verdicts(self.query_one(Input).value, self._members))

    def _tell(self, found: Sequence[Verdict]) -> None:
        self.query_one(Verdicts).shown = tuple(found)
        good = sum(verdict.good and not verdict.done for verdict in found)
        button = self.query_one("#invite", Button)
        button.disabled = not good or self._busy
        button.label = "Invite Member" if good < 2 else f"Invite {some(good, 'Member')}"
        # A label that grows does not ask for room by itself.
        button.refresh(layout=True)
        self.query_one("#cancel", Button).label = "Close" if self._sent else "Cancel"

    def action_cancel(self) -> None:
        """Leave, with what was sent."""
        self.dismiss(self._sent)

    @on(Input.Submitted)
    def action_invite(self) -> None:
        """Invite all that can be."""
        found = verdicts(self.query_one(Input).value, self._members)
        if not self._busy and any(verdict.good for verdict in found):
            self._invite(found)

    @work
    async def _invite(self, found: list[Verdict]) -> None:
        """One after the other: each is a matter of its own, and the line says how each went."""
        self._busy = True
        role = Role(self.query_one(Choice).value)
        try:
            outcomes = []
            for number, verdict in enumerate(found):
                outcomes.append(await self._one(verdict, role) if verdict.good else verdict)
                self._tell(outcomes + found[number + 1 :])
        finally:
            self._busy = False
        left = [verdict for verdict in outcomes if not verdict.good]
        if not left:
            self.dismiss(self._sent)
            return
        with self.prevent(Input.Changed):
            self.query_one(Input).value = ", ".join(verdict.address for verdict in left)
        self._tell(outcomes)

    async def _one(self, verdict: Verdict, role: Role) -> Verdict:
        from orgtui.invitations import send

        app = cast("OrgTui", self.app)
        try:
            store = await app.store()
            invitation = await store.team.invite(NewInvitation(email=verdict.address, role=role))
            sent = await send(
                store, app.outbox.mailer, invitation, public_url=app.outbox.public_url, ambient=app.ambient
            )
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
        yield Static("Shown this once. It works once, for 7 days.", markup=False, classes="aside")

    def _label(self, sent: Sent) -> Content:
        ink = Ink.of(self.app)
        why = f"not delivered: {sent.member.delivery_note}" if sent.delivery is Delivery.FAILED else "not mailed"
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
