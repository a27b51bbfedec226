"""Reads of the Team section."""

from __future__ import annotations

from orgtui.domain.months import instant
from orgtui.domain.roles import Role
from orgtui.store.contract.team import Member
from orgtui.store.sql.unit_of_work import Read

ACTIVE, INVITED = "active", "invited"


def members(tx: Read) -> list[Member]:
    """Active people by name, then invitations by address."""
    people = [
        Member(id_, email, name, Role(role), ACTIVE, instant(joined), instant(seen) if seen else None)
        for id_, email, name, role, joined, seen in tx.rows.all(
            "SELECT id, email, name, role, joined_at, last_seen_at FROM members WHERE org_id = :org",
            org=tx.organization,
        )
    ]
    invited = [
        Member(id_, email, "", Role(role), INVITED, instant(sent), None)
        for id_, email, role, sent in tx.rows.all(
            "SELECT id, email, role, sent_at FROM invitations WHERE org_id = :org", org=tx.organization
        )
    ]
    # Not in SQL: each database has its own idea of the alphabet.
    people.sort(key=lambda member: (member.name.casefold(), member.id))
    return people + sorted(invited, key=lambda member: member.email.casefold())
