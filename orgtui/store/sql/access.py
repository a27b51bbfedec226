"""Writes of the Access section."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from orgtui.domain.codes import new_token
from orgtui.domain.errors import Forbidden, Invalid, NotFound
from orgtui.domain.months import micros
from orgtui.domain.roles import ABOVE, Permission, Role, reaches
from orgtui.domain.text import name as checked_name
from orgtui.store.contract import access as contract
from orgtui.store.sql.bearers import token_hash
from orgtui.store.sql.queries import access as queries
from orgtui.store.sql.tables import AccessToken, Member
from orgtui.store.sql.team import actor, member_at
from orgtui.store.sql.unit_of_work import Write

# The same for everybody who is none, whoever else is.
_STRANGER = "Nobody here has that address; ask an owner or admin of the organization to invite you, and join first."
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_LONGEST_HOST = 40
_ONE = "AND access_tokens.id = :id"
_DELETE = "DELETE FROM access_tokens WHERE org_id = :org AND id = :id"


def create(tx: Write, token: contract.NewToken) -> contract.NewSecret:
    """One token; it leaves here in clear, once."""
    name = checked_name(token.name, field="name", label="Name")
    if not contract.SHORTEST_DAYS <= token.days <= contract.LONGEST_DAYS:
        raise Invalid(f"A token lives from {contract.SHORTEST_DAYS} to {contract.LONGEST_DAYS} days.", field="days")
    scopes = _scopes(tx, token)
    expires = tx.now + timedelta(days=token.days)
    if tx.bearer:
        # What is made with a token does not outlive it: whoever found one cannot make themselves another for later.
        expires = min(expires, tx.bearer.expires)
    return _made(tx, token.kind, name, scopes, expires)


def admit(tx: Write, person: contract.SignedIn) -> contract.NewSecret:
    """One token, made by the member themselves as far as anybody can tell: with their role, and revoked like theirs."""
    member = _signed_in(tx, person.email)
    tx.actor, tx.role = member.email, Role(member.role)
    host = person.issuer and (urlsplit(person.issuer).hostname or "")[:_LONGEST_HOST]
    name = "Invitation" if host is None else f"Sign-in at {host}"
    expires = tx.now + timedelta(days=contract.DAYS if host is None else contract.SIGNED_IN_DAYS)
    return _made(tx, contract.Kind.PERSON, name, frozenset(), expires, issuer=person.issuer)


def _signed_in(tx: Write, email: str) -> Member:
    """The member with this very address: other letters than A to Z that fold alike can be somebody else's mailbox."""
    found = member_at(tx, email)
    if found is None or found.email.translate(_LOWER) != email.translate(_LOWER):
        raise Forbidden(_STRANGER)
    return found


def _made(
    tx: Write, kind: contract.Kind, name: str, scopes: frozenset[Permission], expires: datetime, **told: Any
) -> contract.NewSecret:
    """The row of a token, and its audit row, which has what else is *told*."""
    secret = new_token(contract.PREFIXES[kind], tx.ambient.random)
    _forget_lapsed(tx)
    row = AccessToken(
        org_id=tx.organization,
        id=tx.ambient.new_id("tok"),
        kind=kind.value,
        name=name,
        hash=token_hash(tx.keys().requests(), tx.organization, secret),
        member_id=actor(tx).id,
        maker=tx.actor,
        made_with=tx.bearer.id if tx.bearer else None,
        scopes=" ".join(sorted(scopes)),
        created_at=micros(tx.now),
        expires_at=micros(expires),
    )
    tx.session.add(row)
    after = {"name": name, "kind": row.kind, "scopes": row.scopes, "expires": expires.isoformat()}
    tx.audit(row.id, after=after | told)
    return contract.NewSecret(_seen(tx, row.id), secret)


def revoke(tx: Write, id: str) -> contract.Token:
    """The row goes, and the rows that hang from it."""
    page = queries.show(tx.read())
    token = next((token for token in page.tokens if token.id == id), None)
    row = tx.session.get(AccessToken, (tx.organization, id))
    if row is None or token is None:
        raise NotFound("There is no such token; it was revoked already.")
    if token.maker != tx.actor and not reaches(tx.role or Role.ADMIN, token.role):
        raise Forbidden(ABOVE)
    gone = [one.id for one in page.going_with(id)]
    # The last made first: a database follows a long chain no further than a thousand rows.
    tx.rows.run_many(_DELETE, [{"org": tx.organization, "id": one} for one in reversed(gone)])
    tx.session.delete(row)
    told = {"name": token.name, "kind": token.kind, "maker": token.maker}
    tx.audit(id, before=told | ({"made_with_it": gone} if gone else {}))
    return token


def _scopes(tx: Write, token: contract.NewToken) -> frozenset[Permission]:
    role = tx.role or Role.ADMIN
    may = contract.bounds(token.kind, role)
    if not may:
        raise Forbidden(contract.OWNERS_ONLY)
    named = frozenset(token.scopes)
    if beyond := sorted(named - may):
        raise Forbidden(f"A token may no more than its kind and your role: not {beyond[0]}.")
    if tx.bearer and tx.bearer.scopes < contract.bounds(tx.bearer.kind, role):
        beyond = sorted((named or may) - tx.bearer.scopes)
    if beyond:
        raise Forbidden(f"A token made with a token may no more than that one: not {beyond[0]}; name its scopes.")
    # Without scopes it would grow with its maker's role, where the one that it was made with does not.
    return named or may if tx.bearer and tx.bearer.named else named


def _forget_lapsed(tx: Write) -> None:
    """Tokens that opened nothing for a month, of whom nobody asks any more, and those of people who are gone."""
    tx.rows.run(
        """
        DELETE FROM access_tokens WHERE org_id = :org AND (expires_at < :before OR NOT EXISTS (
            SELECT 1 FROM members WHERE members.org_id = access_tokens.org_id AND members.id = member_id))
        """,
        org=tx.organization,
        before=micros(tx.now - timedelta(days=30)),
    )


def _seen(tx: Write, id: str) -> contract.Token:
    (found,) = queries.tokens(tx.read(), _ONE, id=id)
    return found
