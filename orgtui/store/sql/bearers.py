"""What a token is worth, which every request that comes with one asks, and once more in its transaction."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from orgtui.domain.errors import NotFound, Unauthenticated
from orgtui.domain.months import instant, micros
from orgtui.domain.roles import PLATFORM, Permission, Role
from orgtui.store.contract.access import Kind, bounds
from orgtui.store.sql.rows import Rows

_STANDING = """
SELECT kind, scopes, email, role, expires_at
FROM access_tokens JOIN members ON members.org_id = access_tokens.org_id AND members.id = member_id
WHERE access_tokens.org_id = :org AND access_tokens.id = :id
"""
_WORTHLESS = "This token is not valid: it was revoked, has lapsed, or whoever made it may no longer."


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token is worth at one moment: `scopes` are what it may now, `maker` who made it, and in which role.

    `named`: it was made for these alone, whatever else its maker may.
    """

    id: str
    kind: Kind
    scopes: frozenset[Permission]
    maker: str
    role: Role
    expires: datetime
    named: bool


def token_hash(keys: hmac.HMAC, organization: str, secret: str) -> str:
    """What is kept of a token: of it and of a key that no table holds, so that on the tables alone none can be tried.

    The organization is part of it: a row that is carried into another one's tables opens nothing there.
    """
    keys.update(json.dumps(["access token", organization, secret]).encode())
    return keys.hexdigest()


def maker(rows: Rows, organization: str, hashed: str, now: datetime) -> tuple[str, str, int | None]:
    """The id of the token with this hash, who acts by it, and when it was last used; raises Unauthenticated."""
    found = rows.one(
        "SELECT id, kind, maker, last_used_at FROM access_tokens"
        " WHERE org_id = :org AND hash = :hash AND expires_at > :now",
        org=organization,
        hash=hashed,
        now=micros(now),
    )
    if found is None:
        if not rows.one("SELECT 1 FROM organizations WHERE id = :org", org=organization):
            raise NotFound("The organization has been deleted.")
        raise Unauthenticated(_WORTHLESS)
    id_, kind, email, used = found
    return id_, PLATFORM if kind == Kind.PLATFORM else email, used


def standing(rows: Rows, organization: str, id: str, now: datetime) -> Standing:
    """What the token *id* is worth; raises Unauthenticated where that is nothing."""
    found = rows.one(_STANDING, org=organization, id=id)
    if found is None or found[4] <= micros(now):
        raise Unauthenticated(_WORTHLESS)
    kind, role = Kind(found[0]), Role(found[3])
    may = bounds(kind, role)
    named = frozenset(Permission(word) for word in found[1].split())
    if not (scopes := may & named if named else may):
        raise Unauthenticated(_WORTHLESS)
    return Standing(id, kind, scopes, found[2], role, instant(found[4]), bool(named))
