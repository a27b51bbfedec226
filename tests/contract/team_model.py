"""What Team ought to do, in the plainest Python: two dictionaries, a clock, and every rule written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, LastOwner, NotFound
from orgtui.domain.roles import Role
from orgtui.store.contract.team import Delivery, Departure, Invitation, Member, Status, TeamPage

WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
# Compares the answer with what was to be expected and takes over what only the store can know: ids and codes.
Accept = Callable[[Any], None]


@dataclass(slots=True)
class TeamModel:
    """Members and invitations as the page shows them; what is refused is raised, without words."""

    now: datetime
    members: dict[str, Member]
    invitations: dict[str, Member] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    # Actor, role, operation and subject of each change.
    log: list[tuple[str, str, str, str]] = field(default_factory=list)

    def page(self, actor: str, timezone: str) -> TeamPage:
        me = self._me(actor)
        people = sorted(self.members.values(), key=lambda member: (member.name.casefold(), member.id))
        waiting = sorted(map(self._seen, self.invitations.values()), key=lambda member: member.email.casefold())
        return TeamPage(len(people), len(waiting), len(people) + len(waiting), people + waiting, me.id, timezone)

    def present(self, actor: str) -> Accept:
        me = self._me(actor)

        def accept(answer: None) -> None:
            if me.last_seen is None or self.now - me.last_seen > MINUTE:
                self.members[me.id] = replace(me, last_seen=self.now)

        return accept

    def invite(self, actor: str, email: str, role: Role) -> Accept:
        me = self._me(actor)
        if email.count("@") != 1:
            raise Invalid("")
        self._reach(me, role)
        local, _, domain = email.partition("@")
        # A domain has no capitals; who is before it may have some, and is written to as they were typed.
        email = f"{local}@{domain.lower()}"
        if email.casefold() in {each.email.casefold() for each in (*self.members.values(), *self.invitations.values())}:
            raise AlreadyThere("")

        def accept(answer: Invitation) -> None:
            bare = Member(answer.member.id, email, "", role, Status.INVITED, self.now, sends=0)
            assert bare.id not in self.invitations
            self._send(bare, me, answer)
            self._note(me, "team.invite", bare.id)

        return accept

    def resend(self, actor: str, id: str) -> Accept:
        me, invitation = self._me(actor), self._invited(id)
        self._reach(me, invitation.role)

        def accept(answer: Invitation) -> None:
            self._send(invitation, me, answer)
            self._note(me, "team.resend", id)

        return accept

    def delivered(self, actor: str, id: str, sends: int, delivery: Delivery, note: str) -> Accept:
        me, invitation = self._me(actor), self._invited(id)

        def accept(answer: Member) -> None:
            told = replace(invitation, delivery=delivery, delivery_note=note)
            if sends == invitation.sends and told != invitation:
                self.invitations[id] = told
                self._note(me, "team.delivered", id)
            assert answer == self._seen(self.invitations[id])

        return accept

    def revoke(self, actor: str, id: str) -> Accept:
        me, invitation = self._me(actor), self._invited(id)
        self._reach(me, invitation.role)

        def accept(answer: Member) -> None:
            assert answer == self._seen(self.invitations.pop(id))
            self._note(me, "team.revoke", id)

        return accept

    def join(self, code: str, name: str) -> Accept:
        invitation = self.invitations.get(self.codes.get(code, ""))
        if invitation is None or invitation.expires is None or self.now >= invitation.expires:
            raise NotFound("")
        if not name.strip():
            raise Invalid("")

        def accept(answer: Member) -> None:
            assert answer == Member(
                answer.id, invitation.email, name, invitation.role, Status.ACTIVE, self.now, last_seen=self.now
            )
            assert answer.id not in self.members
            del self.invitations[invitation.id]
            self.members[answer.id] = answer
            self.log.append((answer.email, "invitee", "team.join", answer.id))

        return accept

    def set_role(self, actor: str, id: str, role: Role) -> Accept:
        me, member = self._me(actor), self._member(id)
        self._reach(me, member.role)
        self._reach(me, role)
        if role is Role.ADMIN:
            self._keep_an_owner(member)

        def accept(answer: Member) -> None:
            if member.role is not role:
                self._note(me, "team.set_role", id)
            self.members[id] = replace(member, role=role)
            assert answer == self.members[id]

        return accept

    def transfer(self, actor: str, id: str, confirm: str) -> Accept:
        me = self._me(actor)
        if me.role is not Role.OWNER:
            raise Forbidden("")
        member = self._member(id)
        if member == me or confirm.casefold() != member.email.casefold():
            raise Invalid("")

        def accept(answer: Member) -> None:
            self._note(me, "team.transfer", id)
            self.members[me.id] = replace(me, role=Role.ADMIN)
            self.members[id] = replace(member, role=Role.OWNER)
            assert answer == self.members[id]

        return accept

    def remove(self, actor: str, id: str) -> Accept:
        me, member = self._me(actor), self._member(id)
        self._reach(me, member.role)
        return self._go(me, member, "team.remove")

    def leave(self, actor: str) -> Accept:
        me = self._me(actor)
        return self._go(me, me, "team.leave")

    def _go(self, me: Member, member: Member, operation: str) -> Accept:
        self._keep_an_owner(member)

        def accept(answer: Departure) -> None:
            theirs = [each.id for each in self.invitations.values() if each.invited_by == member.email]
            for id_ in theirs:
                del self.invitations[id_]
            assert answer == Departure(self.members.pop(member.id), len(theirs))
            self._note(me, operation, member.id)

        return accept

    def _send(self, invitation: Member, me: Member, answer: Invitation) -> None:
        sent = replace(
            invitation,
            since=self.now,
            invited_by=me.email,
            expires=self.now + WEEK,
            expired=False,
            sends=invitation.sends + 1,
            delivery=Delivery.UNSENT,
            delivery_note="",
        )
        assert answer == Invitation(sent, answer.code, self.now + WEEK)
        assert answer.code not in self.codes
        self.codes = {code: id_ for code, id_ in self.codes.items() if id_ != sent.id} | {answer.code: sent.id}
        self.invitations[sent.id] = sent

    def _seen(self, invitation: Member) -> Member:
        """As it stands now."""
        assert invitation.expires is not None
        return replace(invitation, expired=self.now >= invitation.expires)

    def _note(self, me: Member, operation: str, subject: str) -> None:
        self.log.append((me.email, me.role.value, operation, subject))

    def _me(self, actor: str) -> Member:
        for member in self.members.values():
            if member.email.casefold() == actor.casefold():
                return member
        raise Forbidden("")

    def _member(self, id: str) -> Member:
        if id not in self.members:
            raise NotFound("")
        return self.members[id]

    def _invited(self, id: str) -> Member:
        if id not in self.invitations:
            raise NotFound("")
        return self.invitations[id]

    def _reach(self, me: Member, role: Role) -> None:
        if role is Role.OWNER and me.role is not Role.OWNER:
            raise Forbidden("")

    def _keep_an_owner(self, member: Member) -> None:
        if [each for each in self.members.values() if each.role is Role.OWNER] == [member]:
            raise LastOwner("")
