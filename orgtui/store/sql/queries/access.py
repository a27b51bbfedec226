"""Reads of the Access section."""

from __future__ import annotations

from orgtui.domain.months import instant, micros
from orgtui.domain.roles import Permission, Role
from orgtui.store.contract.access import Kind, Token, TokensPage
from orgtui.store.sql.unit_of_work import Read

_TOKENS = """
SELECT access_tokens.id, kind, access_tokens.name, scopes, email, role, created_at, expires_at, last_used_at, made_with
FROM access_tokens JOIN members ON members.org_id = access_tokens.org_id AND members.id = member_id
WHERE access_tokens.org_id = :org
"""


def show(tx: Read) -> TokensPage:
    """Everybody's, the newest first."""
    found = tokens(tx)
    found.sort(key=lambda token: (token.created, token.id), reverse=True)
    timezone = tx.rows.value("SELECT timezone FROM organizations WHERE id = :org", org=tx.organization)
    return TokensPage(found, timezone)


def tokens(tx: Read, which: str = "", **more: str) -> list[Token]:
    """Those of people who are there, in no order."""
    return [
        Token(
            id_,
            Kind(kind),
            name,
            tuple(Permission(word) for word in scopes.split()),
            maker,
            Role(role),
            instant(created),
            instant(expires),
            expires <= micros(tx.now),
            instant(used) if used else None,
            with_,
        )
        for id_, kind, name, scopes, maker, role, created, expires, used, with_ in tx.rows.all(
            f"{_TOKENS} {which}", org=tx.organization, **more
        )
    ]
