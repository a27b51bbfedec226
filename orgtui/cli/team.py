"""`orgtui team`: list, invite, resend, revoke, role, transfer, remove, leave; and `orgtui join`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.cli.output import (
    ask,
    asked,
    confirm,
    opened,
    print_json,
    problem,
    say,
    settings_of,
    table,
    write_csv,
)
from orgtui.domain.addresses import split_addresses
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Forbidden, Invalid, NotFound, OrgtuiError
from orgtui.domain.figures import NONE, ago, some
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Permission, Role, allows, refusal
from orgtui.domain.text import clean
from orgtui.invitations import Sent, send
from orgtui.secret import Secret
from orgtui.settings import ServerUrl, Settings
from orgtui.store.contract import Store
from orgtui.store.contract.team import Delivery, Departure, Invitation, Member, NewInvitation, Status, TeamPage

_AS = {Role.ADMIN: "an admin", Role.OWNER: "an owner"}
_ROLES = tuple(role.value for role in (Role.ADMIN, Role.OWNER))


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    listed = verbs.add_parser("list", help="everybody: members, and who is invited")
    listed.set_defaults(run=_list)
    invite = verbs.add_parser("invite", help="invite people by e-mail")
    invite.add_argument("addresses", nargs="*", metavar="EMAIL", help="as mail programs write them, too")
    invite.add_argument("--stdin", action="store_true", help="read addresses from standard input")
    invite.add_argument("--role", choices=_ROLES, default=Role.ADMIN.value, help="as what (admin)")
    invite.set_defaults(run=_invite)
    resend = verbs.add_parser("resend", help="send an invitation again, with a new code; the old one is worthless then")
    resend.set_defaults(run=_resend)
    revoke = verbs.add_parser("revoke", help="withdraw an invitation")
    revoke.set_defaults(run=_revoke)
    role = verbs.add_parser("role", help="give a member another role")
    role.set_defaults(run=_role)
    transfer = verbs.add_parser("transfer", help="make a member the owner, and yourself an admin")
    transfer.add_argument("--confirm", metavar="EMAIL", help="their address again; without it, only what would happen")
    transfer.set_defaults(run=_transfer)
    remove = verbs.add_parser("remove", help="take a member out of the organization")
    remove.set_defaults(run=_remove)
    for verb in (resend, revoke, role, transfer, remove):
        verb.add_argument("person", metavar="EMAIL", help="who: their e-mail address, or their id")
    role.add_argument("role", choices=_ROLES, help="what they become")
    leave = verbs.add_parser("leave", help="leave the organization yourself")
    leave.set_defaults(run=_leave)
    for verb in (remove, leave):
        verb.add_argument("--yes", action="store_true", help="do it without being asked")
    shape = listed.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="print CSV")
    shape.add_argument("--json", action="store_true", help="print one JSON value")
    for verb in (invite, resend, revoke, role, transfer, remove, leave):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


# The list.


def shown(member: Member, zone: ZoneInfo) -> dict[str, Any]:
    """A row under the names that scripts rely on; times are of *zone*."""

    def at(when: datetime | None) -> datetime | None:
        return when.astimezone(zone) if when else None

    invited = member.status is Status.INVITED
    return {
        "id": member.id,
        "name": member.name or None,
        "email": member.email,
        "role": member.role,
        "status": member.status,
        "joined": None if invited else at(member.since),
        "last_seen": at(member.last_seen),
        "invited_by": member.invited_by,
        "invited_at": at(member.since) if invited else None,
        "expires": at(member.expires),
        "expired": member.expired if invited else None,
        "delivery": member.delivery,
        "delivery_note": member.delivery_note or None,
    }


def latest(member: Member, now: datetime, zone: ZoneInfo) -> str:
    """The newest of a person or an invitation."""
    if member.status is Status.ACTIVE:
        return ago(member.last_seen, now, zone) if member.last_seen else NONE
    if member.expired and member.expires:
        return f"expired {ago(member.expires, now, zone)}"
    if member.delivery is Delivery.FAILED:
        return f"not delivered: {member.delivery_note}"
    return f"{'sent' if member.delivery is Delivery.SENT else 'made'} {ago(member.since, now, zone)}"


def _list(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> TeamPage:
        return await store.team.show()

    page = ask(arguments, question)
    zone, now = zone_or_utc(page.timezone), system_ambient().now()
    rows = [shown(member, zone) for member in page.members]
    if arguments.json:
        counts = {"active": page.active, "pending": page.pending, "total": page.total}
        print_json(counts | {"timezone": page.timezone, "you": page.you, "members": rows})
    elif arguments.csv:
        write_csv(rows, list(rows[0]), sys.stdout)
    else:
        say(f"Active {page.active:,}   Pending {page.pending:,}   Total {page.total:,}")
        say()
        table(
            ("Name", "Email", "Role", "Status", "Last seen"),
            [
                (
                    member.name or NONE,
                    member.email,
                    member.role.upper(),
                    member.status.capitalize(),
                    latest(member, now, zone),
                )
                for member in page.members
            ],
        )


# Invitations.


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What became of one address; an invitation may stand although an error kept its mail from being noted."""

    email: str
    invitation: Invitation | None = None
    sent: Sent | None = None
    error: OrgtuiError | None = None

    def entry(self, zone: ZoneInfo) -> dict[str, Any]:
        """Under the names that scripts rely on; a code only where no mail has brought it to anybody."""
        sent, made = self.sent, self.invitation
        by_hand = sent if sent and sent.delivery is not Delivery.SENT else None
        return {
            "email": self.email,
            "invited": made is not None,
            "error": problem(self.error) if self.error else None,
            "role": made.member.role if made else None,
            "delivery": sent.delivery if sent else None,
            "delivery_note": sent.member.delivery_note or None if sent else None,
            "code": by_hand.code.reveal() if by_hand else None,
            "link": by_hand.link.reveal() if by_hand and by_hand.link else None,
            "expires": made.expires.astimezone(zone) if made else None,
        }

    def tell(self, zone: ZoneInfo) -> None:
        """The same for people."""
        if self.error:
            if self.invitation:
                resend = f"orgtui team resend {shlex.quote(self.email)}"
                _complain(f"{self.email} is invited, but has no code yet. {self.error.message} Then: {resend}")
            else:
                named = self.email in self.error.message
                _complain(self.error.message if named else f"{self.email}: {self.error.message}")
        if not self.sent:
            return
        until = f"until {self.sent.expires.astimezone(zone):%-d %b %Y, %H:%M} ({zone.key})"
        if self.sent.delivery is Delivery.SENT:
            say(f"{self.email} is invited by mail; the invitation is valid {until}.")
            return
        if self.sent.delivery is Delivery.FAILED:
            say(f"{self.email} is invited, but the mail was not delivered. {self.sent.member.delivery_note}")
        else:
            say(f"{self.email} is invited; no mail is set up.")
        say(f"Hand this over: it is shown this once, and works once, {until}.")
        for way in (self.sent.link, self.sent.command):
            if way:
                say(f"    {way.reveal()}")


def _complain(line: str) -> None:
    print(f"orgtui: {clean(line)}", file=sys.stderr)


def _outbox(arguments: argparse.Namespace) -> Callable[[Store, Invitation], Awaitable[Sent]]:
    """What sends invitations as the settings say; raises Invalid where they cannot be used."""
    from orgtui.composition import mailer

    settings = settings_of(arguments)
    outgoing, ambient = mailer(settings), system_ambient()

    def outbox(store: Store, invitation: Invitation) -> Awaitable[Sent]:
        return send(store, outgoing, invitation, arrival=settings.arrival, ambient=ambient)

    return outbox


def _invite(arguments: argparse.Namespace) -> int:
    texts = [*arguments.addresses, *([_standard_input()] if arguments.stdin else [])]
    addresses = [address for text in texts for address in split_addresses(text)]
    if not addresses:
        raise Invalid("Say whom to invite: EMAIL…, or --stdin.", field="email")
    outbox = _outbox(arguments)

    async def one(store: Store, address: str) -> _Verdict:
        invitation = None
        try:
            invitation = await store.team.invite(NewInvitation(email=address, role=Role(arguments.role)))
            return _Verdict(invitation.member.email, invitation, await outbox(store, invitation))
        except OrgtuiError as error:
            return _Verdict(invitation.member.email if invitation else clean(address), invitation, error=error)

    verdicts = []
    with opened(arguments) as (store, wait):
        zone = zone_or_utc(wait(store.team.show()).timezone)
        for address in addresses:
            verdicts.append(wait(one(store, address)))
            if not arguments.json:
                # At once: whatever ends the rest, this code has been shown.
                verdicts[-1].tell(zone)
    if arguments.json:
        print_json([verdict.entry(zone) for verdict in verdicts])
    return next((verdict.error.exit_code for verdict in verdicts if verdict.error), 0)


def _resend(arguments: argparse.Namespace) -> None:
    outbox = _outbox(arguments)

    async def question(store: Store) -> tuple[_Verdict, ZoneInfo]:
        page = await store.team.show()
        invitation = await store.team.resend(_invited(page, arguments.person).id)
        sent = await outbox(store, invitation)
        return _Verdict(sent.member.email, invitation, sent), zone_or_utc(page.timezone)

    verdict, zone = ask(arguments, question)
    if arguments.json:
        print_json(verdict.entry(zone))
    else:
        verdict.tell(zone)


def _revoke(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> tuple[TeamPage, Member]:
        page = await store.team.show()
        return page, await store.team.revoke(_invited(page, arguments.person).id)

    page, gone = ask(arguments, question)
    if arguments.json:
        print_json(shown(gone, zone_or_utc(page.timezone)))
    else:
        say(f"The invitation of {_who(gone)} is revoked: its code is worthless.")


def join(arguments: argparse.Namespace) -> None:
    """Accept an invitation, for whoever has its code; of a server one gets a token by it, which is kept."""
    code = _standard_input() if arguments.stdin else arguments.code
    name = arguments.name if arguments.name is not None or arguments.stdin else asked("Your name:")
    if name is None:
        raise Invalid("Say who you are: --name NAME.", field="name")

    async def question(store: Store) -> Member:
        return await store.team.join(code, name)

    settings = settings_of(arguments)
    if settings.server is None:
        member = ask(arguments, question)
        store = f" --store {shlex.quote(arguments.store)}" if arguments.store else ""
        then = f"Open the organization: orgtui{store} --as {shlex.quote(member.email)}"
    else:
        member, then = _join_at(settings, settings.server, code, name)
    if arguments.json:
        print_json(shown(member, ZoneInfo("UTC")))
        return
    say(f"Welcome, {clean(member.name)}: you are {_AS[member.role]} now.")
    say(then)


def _join_at(settings: Settings, server: ServerUrl, code: str, name: str) -> tuple[Member, str]:
    """Through a server nobody is somebody by saying so: a token is kept, or one signs in; and what to do now."""
    import asyncio

    from orgtui.composition import NO_ACTOR, door
    from orgtui.tokens import kept, room

    url = shlex.quote(server.url)
    if kept(settings):
        forget = "unset ORGTUI_TOKEN" if settings.token else f"orgtui logout {url}"
        raise Invalid(f"You come in to {server.url} as somebody already; first: {forget}")
    if settings.actor is not None:
        raise Invalid(NO_ACTOR, field="as")
    # There must be room before: the invitation works once, and its token is told once.
    with room(server) as put, door(server, system_ambient()) as entrance:
        joined = asyncio.run(entrance.join(code, name))
        if joined.token is None:
            return joined.member, f"What is left is to sign in: orgtui login {url}"
        put(Secret(joined.token.secret))
    return joined.member, f"Open the organization: orgtui --store {url}"


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "replace")


# Members.


def _role(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> tuple[TeamPage, Member]:
        page = await store.team.show()
        return page, await store.team.set_role(_member(page, arguments.person).id, Role(arguments.role))

    page, member = ask(arguments, question)
    if arguments.json:
        print_json(shown(member, zone_or_utc(page.timezone)))
    else:
        say(f"{_who(member)} is {_AS[member.role]} now.")


def _transfer(arguments: argparse.Namespace) -> None:
    told = arguments.confirm is None

    async def question(store: Store) -> tuple[TeamPage, Member]:
        page = await store.team.show()
        member = _member(page, arguments.person)
        if not told:
            return page, await store.team.transfer(member.id, arguments.confirm)
        if member.id == page.you:
            raise Invalid("Ownership is transferred to somebody else than oneself.", field="person")
        if not allows(_me(page).role, Permission.TRANSFER_OWNERSHIP):
            raise Forbidden(refusal(Permission.TRANSFER_OWNERSHIP))
        return page, member

    page, member = ask(arguments, question)
    if arguments.json:
        print_json({"transferred": not told, "member": shown(member, zone_or_utc(page.timezone))})
    elif told:
        say(f"Transferring ownership makes {_who(member)} an owner, and {_who(_me(page))} an admin:")
        say("without billing, danger zone and ownership. Only an owner can give it back.")
        email = shlex.quote(clean(member.email))
        say(f"Nothing was changed. To do it: orgtui team transfer {email} --confirm {email}")
    else:
        say(f"{_who(member)} is an owner now, and {_who(_me(page))} is an admin.")


def _remove(arguments: argparse.Namespace) -> None:
    with opened(arguments) as (store, wait):
        page = wait(store.team.show())
        member = _member(page, arguments.person)
        if not arguments.yes:
            confirm(f"Remove {_who(member)}? They lose access at once{_cancelled(page, member)}.")
        _gone(wait(store.team.remove(member.id)), page, arguments.json)


def _leave(arguments: argparse.Namespace) -> None:
    with opened(arguments) as (store, wait):
        page = wait(store.team.show())
        if not arguments.yes:
            me = _me(page)
            confirm(f"Leave the organization as {_who(me)}? You lose access at once{_cancelled(page, me)}.")
        _gone(wait(store.team.leave()), page, arguments.json)


def _cancelled(page: TeamPage, member: Member) -> str:
    sent = sum(other.invited_by == member.email for other in page.members)
    return f", and {some(sent, 'invitation')} sent from there {'is' if sent == 1 else 'are'} cancelled" if sent else ""


def _gone(departure: Departure, page: TeamPage, as_json: bool) -> None:
    if as_json:
        member = shown(departure.member, zone_or_utc(page.timezone))
        print_json({"member": member, "cancelled_invitations": departure.cancelled})
        return
    cancelled = f" {some(departure.cancelled, 'invitation')} cancelled." if departure.cancelled else ""
    say(f"{_who(departure.member)} is no longer a member.{cancelled}")


# Who is meant.


def _who(member: Member) -> str:
    return f"{clean(member.name)} ({clean(member.email)})" if member.name else clean(member.email)


def _me(page: TeamPage) -> Member:
    return next(member for member in page.members if member.id == page.you)


def _found(page: TeamPage, person: str) -> Member:
    key = person.strip().casefold()
    for member in page.members:
        if key in (member.email.casefold(), member.id):
            return member
    raise NotFound(f"There is nobody called “{clean(person)}” here: give an e-mail address that orgtui team list has.")


def _invited(page: TeamPage, person: str) -> Member:
    member = _found(page, person)
    if member.status is not Status.INVITED:
        raise NotFound(f"{_who(member)} is a member already; there is no invitation any more.")
    return member


def _member(page: TeamPage, person: str) -> Member:
    member = _found(page, person)
    if member.status is not Status.ACTIVE:
        revoke = f"orgtui team revoke {shlex.quote(member.email)}"
        raise NotFound(f"{_who(member)} is invited, and no member yet. To withdraw the invitation: {revoke}")
    return member
