"""Reads of the General section and of the frame."""

from __future__ import annotations

from orgtui.domain.months import instant
from orgtui.domain.roles import Role
from orgtui.store.contract.general import GeneralPage, Losses, Overview
from orgtui.store.sql.unit_of_work import Read

_COUNTS = """
SELECT (SELECT count(*) FROM members WHERE org_id = :org),
       (SELECT count(*) FROM invitations WHERE org_id = :org),
       (SELECT count(*) FROM workspaces WHERE org_id = :org AND archived_at IS NULL),
       (SELECT count(*) FROM provider_keys WHERE org_id = :org)
"""


def overview(tx: Read) -> Overview:
    """One row for the frame."""
    organization = tx.rows.one("SELECT name, plan, timezone FROM organizations WHERE id = :org", org=tx.organization)
    counts = tx.rows.one(_COUNTS, org=tx.organization)
    if organization is None or counts is None:
        raise AssertionError("an organization without its row")
    name, plan, timezone = organization
    _, pending, workspaces, keys = counts
    return Overview(tx.organization, name, plan, tx.actor, tx.role or Role.ADMIN, timezone, pending, keys, workspaces)


def revision(tx: Read) -> int:
    """The organization's revision."""
    return int(tx.rows.value("SELECT revision FROM organizations WHERE id = :org", org=tx.organization))


def show(tx: Read) -> GeneralPage:
    """The whole section."""
    row = tx.rows.one(
        "SELECT name, description, logo, created_at, timezone, version FROM organizations WHERE id = :org",
        org=tx.organization,
    )
    if row is None:
        raise AssertionError("an organization without its row")
    name, description, logo, created, timezone, version = row
    lost = losses(tx)
    return GeneralPage(
        organization_id=tx.organization,
        name=name,
        description=description,
        logo=bytes(logo) if logo is not None else None,
        members=lost.members + lost.invitations,
        workspaces=lost.workspaces,
        created=instant(created),
        timezone=timezone,
        version=version,
        losses=lost,
    )


def losses(tx: Read) -> Losses:
    """What stands in the organization now. Events are counted by their roll-ups."""
    counts = tx.rows.one(_COUNTS, org=tx.organization)
    inventory = dict(
        tx.rows.all("SELECT kind, count(*) FROM inventory WHERE org_id = :org GROUP BY kind", org=tx.organization)
    )
    runs = tx.rows.value("SELECT sum(runs) FROM run_days WHERE org_id = :org", org=tx.organization)
    calls = tx.rows.value("SELECT sum(calls) FROM call_days WHERE org_id = :org", org=tx.organization)
    members, invitations, workspaces, keys = counts or (0, 0, 0, 0)
    return Losses(
        workspaces=workspaces,
        workflows=inventory.get("workflow", 0),
        agents=inventory.get("agent", 0),
        members=members,
        invitations=invitations,
        api_keys=keys,
        runs=int(runs or 0),
        calls=int(calls or 0),
    )
