"""Reads of the Team section."""

from __future__ import annotations

from orgtui.domain.codes import code_hash
from orgtui.domain.errors import NotFound
from orgtui.domain.months import instant, micros
from orgtui.domain.roles import Role
from orgtui.store.contract.team import Delivery, Invited, Member, Status, TeamPage
from orgtui.store.sql.unit_of_work import Read

_PEOPLE = "SELECT id, email, name, role, joined_at, last_seen_at FROM members WHERE org_id = :org"
_INVITED = """
SELECT id, email, role, sent_at, invited_by, expires_at, sends, delivery, delivery_note
FROM invitations WHERE org_id = :org
"""
_BY_CODE = """
SELECT organizations.name, invitations.role, invitations.expires_at, organizations.timezone
FROM invitations JOIN organizations ON organizations.id = invitations.org_id
WHERE invitations.org_id = :org AND invitations.code_hash = :hash AND invitations.expires_at > :now
"""
# Which of them it was, whoever has made a code up is not told.
WORTHLESS = "This invitation is not valid: it was used, withdrawn, or has lapsed. Ask for a new one."


def show(tx: Read) -> TeamPage:
    """Active people by name, then invitations by address."""
    people, waiting = members(tx), invitations(tx)
    # Not in SQL: each database has its own idea of the alphabet.
    people.sort(key=lambda member: (member.name.casefold(), member.id))
    waiting.sort(key=lambda member: member.email.casefold())
    key = tx.actor.casefold()
    you = next((member.id for member in people if member.email.casefold() == key), None)
    timezone = tx.rows.value("SELECT timezone FROM organizations WHERE id = :org", org=tx.organization)
    return TeamPage(len(people), len(waiting), len(people) + len(waiting), people + waiting, you, timezone)


def invited(tx: Read, code: str) -> Invited:
    """What stands behind a code that works."""
    found = tx.rows.one(_BY_CODE, org=tx.organization, hash=code_hash(code), now=micros(tx.now))
    if found is None:
        raise NotFound(WORTHLESS)
    organization, role, expires, timezone = found
    return Invited(organization, Role(role), instant(expires), timezone)


def members(tx: Read, which: str = "", **more: str) -> list[Member]:
    """Who has joined, in no order."""
    return [
        Member(id_, email, name, Role(role), Status.ACTIVE, instant(joined), instant(seen) if seen else None)
        for id_, email, name, role, joined, seen in tx.rows.all(f"{_PEOPLE} {which}", org=tx.organization, **more)
    ]


def invitations(tx: Read, which: str = "", **more: str) -> list[Member]:
    """Who has been asked to, in no order."""
    now = micros(tx.now)
    return [
        Member(
            id_,
            email,
            "",
            Role(role),
            Status.INVITED,
            instant(sent),
            invited_by=by,
            expires=instant(expires),
            expired=expires <= now,
            sends=sends,
            delivery=Delivery(delivery),
            delivery_note=note,
        )
        for id_, email, role, sent, by, expires, sends, delivery, note in tx.rows.all(
            f"{_INVITED} {which}", org=tx.organization, **more
        )
    ]
