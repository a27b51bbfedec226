"""Writes of the Team section."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import select

from orgtui.domain.addresses import checked_email
from orgtui.domain.codes import INVITATION, code_hash, new_code
from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, LastOwner, NotFound
from orgtui.domain.months import micros
from orgtui.domain.roles import ABOVE, Role, reaches
from orgtui.domain.text import clean
from orgtui.domain.text import name as checked_name
from orgtui.store.contract import team as contract
from orgtui.store.sql.queries import team as queries
from orgtui.store.sql.tables import Invitation, Member
from orgtui.store.sql.unit_of_work import Write

LIFETIME = timedelta(days=7)
_NOTE = 200
_PRESENCE = timedelta(minutes=1)


# Invitations.


def invite(tx: Write, invitation: contract.NewInvitation) -> contract.Invitation:
    """One invitation; the code leaves here in clear, once."""
    email = checked_email(invitation.email)
    _reach(tx, invitation.role)
    key = email.casefold()
    for table in ("members", "invitations"):
        if tx.rows.one(
            f"SELECT 1 FROM {table} WHERE org_id = :org AND email_key = :key",  # noqa: S608 (our own names)
            org=tx.organization,
            key=key,
        ):
            raise AlreadyThere(f"{email} is {'a member' if table == 'members' else 'invited'} already.", field="email")
    row = Invitation(
        org_id=tx.organization,
        id=tx.ambient.new_id("inv"),
        email=email,
        email_key=key,
        role=invitation.role.value,
        code_hash="",
        invited_by="",
        sent_at=0,
        expires_at=0,
        sends=0,
    )
    code = _send(tx, row)
    tx.session.add(row)
    tx.audit(row.id, after={"email": email, "role": row.role})
    return _made(tx, row, code)


def resend(tx: Write, id: str) -> contract.Invitation:
    """The same invitation under a new code."""
    row = _invitation(tx, id)
    _reach(tx, Role(row.role))
    before = {"sends": row.sends, "invited_by": row.invited_by}
    code = _send(tx, row)
    tx.audit(row.id, before=before, after={"sends": row.sends, "invited_by": row.invited_by, "email": row.email})
    return _made(tx, row, code)


def _send(tx: Write, row: Invitation) -> str:
    """Give it a code of its own and a week; whoever sends it answers for it."""
    code = new_code(INVITATION, tx.ambient.random)
    row.code_hash = code_hash(code)
    row.invited_by = tx.actor
    row.sent_at, row.expires_at = micros(tx.now), micros(tx.now + LIFETIME)
    row.sends += 1
    row.delivery, row.delivery_note = contract.Delivery.UNSENT.value, ""
    return code


def _made(tx: Write, row: Invitation, code: str) -> contract.Invitation:
    return contract.Invitation(_seen(tx, row.id), code, tx.now + LIFETIME)


def delivered(tx: Write, id: str, sends: int, delivery: contract.Delivery, note: str = "") -> contract.Member:
    """Keep what became of a mail, unless a newer one is under way."""
    row = _invitation(tx, id)
    after = {"delivery": delivery.value, "delivery_note": clean(note)[:_NOTE]}
    before = {"delivery": row.delivery, "delivery_note": row.delivery_note}
    if sends != row.sends or after == before:
        tx.unchanged()
        return _seen(tx, id)
    row.delivery, row.delivery_note = after["delivery"], after["delivery_note"]
    tx.audit(id, before=before, after=after | {"email": row.email})
    return _seen(tx, id)


def revoke(tx: Write, id: str) -> contract.Member:
    """Withdraw it."""
    row = _invitation(tx, id)
    _reach(tx, Role(row.role))
    seen = _seen(tx, id)
    tx.session.delete(row)
    tx.audit(id, before={"email": row.email, "role": row.role})
    return seen


def join(tx: Write, code: str, name: str) -> contract.Member:
    """Turn an invitation into a member."""
    statement = select(Invitation).where(
        Invitation.org_id == tx.organization,
        Invitation.code_hash == code_hash(code),
        Invitation.expires_at > micros(tx.now),
    )
    invitation = tx.session.exec(statement).first()
    if invitation is None:
        raise NotFound(queries.WORTHLESS)
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
    tx.audit(member.id, before={"invitation": invitation.id}, after={"email": member.email, "role": member.role})
    return _known(tx, member.id)


# Members.


def present(tx: Write) -> None:
    """Note that the actor was here."""
    tx.rows.run(
        """
        UPDATE members SET last_seen_at = :now
        WHERE org_id = :org AND email_key = :key AND (last_seen_at IS NULL OR last_seen_at < :before)
        """,
        org=tx.organization,
        key=tx.actor.casefold(),
        now=micros(tx.now),
        before=micros(tx.now - _PRESENCE),
    )
    # Nobody's screen needs to be drawn again for it.
    tx.unchanged()


def set_role(tx: Write, id: str, role: Role) -> contract.Member:
    """Another role, for others or oneself."""
    member = _member(tx, id)
    _reach(tx, Role(member.role), role)
    if member.role == role:
        tx.unchanged()
        return _known(tx, id)
    if member.role == Role.OWNER:
        _keep_an_owner(tx, member)
    before, member.role = member.role, role.value
    tx.audit(id, before={"role": before}, after={"role": role.value, "email": member.email})
    return _known(tx, id)


def transfer(tx: Write, id: str, confirm: str) -> contract.Member:
    """The member becomes owner and the actor an admin, together."""
    member, giver = _member(tx, id), actor(tx)
    if member is giver:
        raise Invalid("Ownership is transferred to somebody else than oneself.", field="id")
    if confirm.strip().casefold() != member.email_key:
        raise Invalid(f"Type {member.email} to transfer ownership.", field="confirm")
    before = {member.email: member.role, giver.email: giver.role}
    member.role, giver.role = Role.OWNER.value, Role.ADMIN.value
    tx.audit(id, before=before, after={member.email: member.role, giver.email: giver.role})
    return _known(tx, id)


def remove(tx: Write, id: str) -> contract.Departure:
    """Take a member out."""
    member = _member(tx, id)
    _reach(tx, Role(member.role))
    return _depart(tx, member)


def leave(tx: Write) -> contract.Departure:
    """Take the actor out."""
    return _depart(tx, actor(tx))


def _depart(tx: Write, member: Member) -> contract.Departure:
    if member.role == Role.OWNER:
        _keep_an_owner(tx, member)
    gone = _known(tx, member.id)
    waiting = tx.session.exec(select(Invitation).where(Invitation.org_id == tx.organization))
    # Not in SQL: older ones name their sender in the capitals that were typed.
    cancelled = [row for row in waiting if row.invited_by.casefold() == member.email_key]
    for invitation in cancelled:
        tx.session.delete(invitation)
    tx.session.delete(member)
    before = {"email": member.email, "role": member.role, "invitations": [row.email for row in cancelled]}
    tx.audit(member.id, before=before)
    return contract.Departure(gone, len(cancelled))


# Rules.


def _reach(tx: Write, *roles: Role) -> None:
    """Nobody grants or touches a role above their own."""
    if not all(reaches(tx.role or Role.ADMIN, role) for role in roles):
        raise Forbidden(ABOVE)


def _keep_an_owner(tx: Write, member: Member) -> None:
    owners = tx.rows.value("SELECT count(*) FROM members WHERE org_id = :org AND role = 'owner'", org=tx.organization)
    if owners == 1:
        raise LastOwner(f"{member.name} is the only owner. Make somebody else an owner first, or transfer ownership.")


def _invitation(tx: Write, id: str) -> Invitation:
    row = tx.session.get(Invitation, (tx.organization, id))
    if row is None:
        raise NotFound("There is no such invitation: it was accepted or withdrawn.")
    return row


def _member(tx: Write, id: str) -> Member:
    row = tx.session.get(Member, (tx.organization, id))
    if row is None:
        raise NotFound("There is no such member; they have left or were removed.")
    return row


def member_at(tx: Write, address: str) -> Member | None:
    """Whose address it is, in whatever capitals."""
    statement = select(Member).where(Member.org_id == tx.organization, Member.email_key == address.casefold())
    return tx.session.exec(statement).one_or_none()


def actor(tx: Write) -> Member:
    """Who acts; that they are a member was asked before."""
    found = member_at(tx, tx.actor)
    assert found is not None
    return found


def _seen(tx: Write, id: str) -> contract.Member:
    (found,) = queries.invitations(tx.read(), "AND id = :id", id=id)
    return found


def _known(tx: Write, id: str) -> contract.Member:
    (found,) = queries.members(tx.read(), "AND id = :id", id=id)
    return found
