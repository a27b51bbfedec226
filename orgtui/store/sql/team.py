"""Writes of the Team section."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

from sqlmodel import select

from orgtui.domain.errors import AlreadyThere, Invalid, NotFound
from orgtui.domain.months import instant, micros
from orgtui.domain.roles import Role
from orgtui.domain.text import name as checked_name
from orgtui.store.contract import team as contract
from orgtui.store.sql.queries.team import ACTIVE, INVITED
from orgtui.store.sql.tables import Invitation, Member
from orgtui.store.sql.unit_of_work import Write

LIFETIME = timedelta(days=7)


def checked_email(address: str) -> str:
    """The address as it is written to; raises Invalid."""
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(address.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise Invalid(f"“{address[:80]}” is not an e-mail address: {error}", field="email") from error


def invite(tx: Write, invitation: contract.NewInvitation) -> contract.Invitation:
    """One invitation; the code leaves here in clear, once."""
    email = checked_email(invitation.email)
    key = email.casefold()
    for table in ("members", "invitations"):
        if tx.rows.one(
            f"SELECT 1 FROM {table} WHERE org_id = :org AND email_key = :key",  # noqa: S608 (our own names)
            org=tx.organization,
            key=key,
        ):
            raise AlreadyThere(f"{email} is {'a member' if table == 'members' else 'invited'} already.", field="email")
    code = base64.urlsafe_b64encode(tx.ambient.random(32)).decode().rstrip("=")
    row = Invitation(
        org_id=tx.organization,
        id=tx.ambient.new_id("inv"),
        email=email,
        email_key=key,
        role=invitation.role.value,
        code_hash=_hash(code),
        invited_by=tx.actor,
        sent_at=micros(tx.now),
        expires_at=micros(tx.now + LIFETIME),
    )
    tx.session.add(row)
    tx.audit(row.id, after={"email": email, "role": row.role})
    member = contract.Member(row.id, email, "", invitation.role, INVITED, tx.now, None)
    return contract.Invitation(member, code, tx.now + LIFETIME)


def join(tx: Write, code: str, name: str) -> contract.Member:
    """Turn an invitation into a member."""
    statement = select(Invitation).where(
        Invitation.org_id == tx.organization,
        Invitation.code_hash == _hash(code),
        Invitation.expires_at > micros(tx.now),
    )
    invitation = tx.session.exec(statement).first()
    if invitation is None:
        raise NotFound("This invitation is not valid: it was used, withdrawn, or has lapsed. Ask for a new one.")
    member = Member(
        org_id=tx.organization,
        id=tx.ambient.new_id("mem"),
        email=invitation.email,
        email_key=invitation.email_key,
        name=checked_name(name, field="name", label="Name"),
        role=invitation.role,
        joined_at=micros(tx.now),
        last_seen_at=micros(tx.now),
    )
    tx.session.delete(invitation)
    tx.session.add(member)
    # The code speaks for whoever holds it, whoever opened the store.
    tx.actor = member.email
    tx.audit(member.id, after={"email": member.email, "role": member.role})
    joined = instant(member.joined_at)
    return contract.Member(member.id, member.email, member.name, Role(member.role), ACTIVE, joined, joined)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
