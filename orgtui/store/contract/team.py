"""Team: the people of the organization and those who are invited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orgtui.domain.errors import AlreadyThere, Invalid, NotFound
from orgtui.domain.roles import Permission, Role
from orgtui.store.contract.operation import operation


@dataclass(frozen=True, slots=True)
class Member:
    """One row of the members list: `status` is active or invited, `since` when they joined or were invited."""

    id: str
    email: str
    name: str
    role: Role
    status: str
    since: datetime
    last_seen: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """Whom to invite, and as what."""

    email: str
    role: Role = Role.ADMIN


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation just made; `code` is shown this once and stored only as a hash."""

    member: Member
    code: str
    expires: datetime


class Team(Protocol):
    """Members and invitations."""

    @operation("GET", "/members", needs=Permission.VIEW)
    async def members(self) -> list[Member]:
        """Everybody, active people first, by name."""

    @operation("POST", "/invitations", needs=Permission.MANAGE_MEMBERS, raises=(AlreadyThere, Invalid))
    async def invite(self, invitation: NewInvitation) -> Invitation:
        """Invite one person by e-mail; the invitation lapses after 7 days."""

    @operation("POST", "/invitations/accept", needs=None, raises=(NotFound, Invalid))
    async def join(self, code: str, name: str) -> Member:
        """Accept an invitation by its code; it works once."""
