"""Team: the people of the organization and those who are invited."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, LastOwner, NotFound
from orgtui.domain.roles import Permission, Role
from orgtui.store.contract.operation import operation


class Status(StrEnum):
    """The seed's two: who has joined, and who has been asked to."""

    ACTIVE = "active"
    INVITED = "invited"


class Delivery(StrEnum):
    """What became of an invitation's mail; UNSENT too where it is handed over by hand."""

    UNSENT = "unsent"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Member:
    """One row of the members list: `since` is when they joined, or were last sent an invitation.

    What follows `last_seen` speaks of an invitation: who sent it, until when its code works, which of its codes that is
    (1 is the first), and what became of its mail.
    """

    id: str
    email: str
    name: str
    role: Role
    status: Status
    since: datetime
    last_seen: datetime | None = None
    invited_by: str | None = None
    expires: datetime | None = None
    expired: bool = False
    sends: int = 0
    delivery: Delivery | None = None
    delivery_note: str = ""


@dataclass(frozen=True, slots=True)
class TeamPage:
    """All of the Team section: `total` is `active` and `pending`; `you` is the actor's id, None for the platform."""

    active: int
    pending: int
    total: int
    members: list[Member]
    you: str | None
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """Whom to invite, and as what."""

    email: str
    role: Role = Role.ADMIN


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation just made; `code` is shown this once and stored only as a hash."""

    member: Member
    code: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """What whoever has an invitation's code may know before they accept it: where they are invited to, and as what."""

    organization: str
    role: Role
    expires: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Who is gone, and how many invitations that they had sent went with them."""

    member: Member
    cancelled: int


class Team(Protocol):
    """Members and invitations. Nobody grants or touches a role above their own, and an owner is always there."""

    @operation("GET", "/members", needs=Permission.VIEW)
    async def show(self) -> TeamPage:
        """Everybody: active people by name, then invitations by address."""

    @operation("POST", "/members/me/seen", needs=Permission.VIEW)
    async def present(self) -> None:
        """Note that the actor was here; once a minute is enough."""

    @operation("POST", "/invitations", needs=Permission.MANAGE_MEMBERS, raises=(AlreadyThere, Forbidden, Invalid))
    async def invite(self, invitation: NewInvitation) -> Invitation:
        """Invite one person by e-mail; the invitation lapses after 7 days."""

    @operation("POST", "/invitations/{id}/resend", needs=Permission.MANAGE_MEMBERS, raises=(Forbidden, NotFound))
    async def resend(self, id: str) -> Invitation:
        """A new code for 7 days more; the old one is worthless from now on."""

    @operation("POST", "/invitations/{id}/delivery", needs=Permission.MANAGE_MEMBERS, raises=(Invalid, NotFound))
    async def delivered(self, id: str, sends: int, delivery: Delivery, note: str = "") -> Member:
        """Note what became of the mail with the code number *sends*; of an older code it says nothing any more."""

    @operation("DELETE", "/invitations/{id}", needs=Permission.MANAGE_MEMBERS, raises=(Forbidden, NotFound))
    async def revoke(self, id: str) -> Member:
        """Withdraw an invitation; its code is worthless from now on."""

    @operation("GET", "/invitations/codes/{code}", needs=None, raises=(NotFound,))
    async def invited(self, code: str) -> Invited:
        """What an invitation is for, by its code; looking does not use it up."""

    @operation("POST", "/invitations/accept", needs=None, raises=(NotFound, Invalid))
    async def join(self, code: str, name: str) -> Member:
        """Accept an invitation by its code; it works once."""

    @operation("PATCH", "/members/{id}/role", needs=Permission.MANAGE_MEMBERS, raises=(Forbidden, LastOwner, NotFound))
    async def set_role(self, id: str, role: Role) -> Member:
        """Give a member another role."""

    @operation("POST", "/members/{id}/ownership", needs=Permission.TRANSFER_OWNERSHIP, raises=(Invalid, NotFound))
    async def transfer(self, id: str, confirm: str) -> Member:
        """Make a member owner and the actor an admin, when `confirm` is the member's e-mail address."""

    @operation("DELETE", "/members/{id}", needs=Permission.MANAGE_MEMBERS, raises=(Forbidden, LastOwner, NotFound))
    async def remove(self, id: str) -> Departure:
        """Remove a member, and the invitations that they sent."""

    @operation("POST", "/members/me/leave", needs=Permission.VIEW, raises=(LastOwner,))
    async def leave(self) -> Departure:
        """Leave the organization; the invitations one sent are cancelled."""
