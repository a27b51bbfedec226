"""Writes of the General section."""

from __future__ import annotations

import hashlib
from typing import Any

from orgtui.domain.errors import Conflict, Invalid
from orgtui.domain.plans import BY_KEY
from orgtui.domain.text import block, name
from orgtui.store.contract.general import DESCRIPTION_LIMIT, GeneralChanges, GeneralPage, Losses
from orgtui.store.sql.queries import general as queries
from orgtui.store.sql.tables import Organization
from orgtui.store.sql.unit_of_work import Write
from orgtui.store.sql.versions import edit

_FIELDS = {"name": "Organization Name", "description": "Description"}


def save(tx: Write, changes: GeneralChanges) -> GeneralPage:
    """Change name or description, unless somebody else did meanwhile."""
    organization = tx.session.get_one(Organization, tx.organization)
    wanted: dict[str, Any] = {}
    if changes.name is not None:
        wanted["name"] = name(changes.name, field="name", label=_FIELDS["name"])
    if changes.description is not None:
        wanted["description"] = block(
            changes.description, field="description", label=_FIELDS["description"], limit=DESCRIPTION_LIMIT
        )
    edit(tx, organization, wanted, seen=changes.seen, fields=_FIELDS)
    return queries.show(tx.read())


def set_logo(tx: Write, image: bytes | None) -> GeneralPage:
    """Keep the re-encoded image, or none."""
    from orgtui.images import accept_logo

    organization = tx.session.get_one(Organization, tx.organization)
    accepted = accept_logo(image) if image is not None else None
    if accepted == organization.logo:
        tx.unchanged()
        return queries.show(tx.read())
    # Not a new version: that guards what people type, and a logo is never half typed.
    before, organization.logo = organization.logo, accepted
    tx.audit(tx.organization, before=_mark(before), after=_mark(accepted))
    return queries.show(tx.read())


def _mark(image: bytes | None) -> dict[str, Any] | None:
    return {"bytes": len(image), "sha256": hashlib.sha256(image).hexdigest()} if image else None


def delete(tx: Write, confirm: str) -> Losses:
    """Delete everything, when the exact name was typed."""
    organization = tx.session.get_one(Organization, tx.organization)
    if confirm != organization.name:
        raise Invalid(f"Type the exact name, {organization.name}, to delete the organization.", field="confirm")
    lost = queries.losses(tx.read())
    if lost.plan is not None:
        raise Conflict(f"The {BY_KEY[lost.plan].name} subscription would go on to be charged; end it first.")
    tx.audit(tx.organization, before={"name": organization.name})
    # The rows below go by ON DELETE CASCADE, the audit with them.
    tx.rows.run("DELETE FROM organizations WHERE id = :org", org=tx.organization)
    tx.session.expunge_all()
    return lost
