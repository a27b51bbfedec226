"""Reads of the General section and of the frame."""

from __future__ import annotations

from typing import NamedTuple

from orgtui.domain.money import ZERO, Cost
from orgtui.domain.months import instant
from orgtui.domain.roles import Role
from orgtui.store.contract.general import GeneralPage, Losses, Overview
from orgtui.store.sql import ledger
from orgtui.store.sql.queries.standing import wanted
from orgtui.store.sql.unit_of_work import Read

_COUNTS = """
SELECT (SELECT count(*) FROM members WHERE org_id = :org),
       (SELECT count(*) FROM invitations WHERE org_id = :org),
       (SELECT count(*) FROM workspaces WHERE org_id = :org AND deleted_at IS NULL AND archived_at IS NULL),
       (SELECT count(*) FROM workspaces WHERE org_id = :org AND deleted_at IS NULL),
       (SELECT count(*) FROM provider_keys WHERE org_id = :org)
"""

# A key that its provider refuses, or that is not to be used, connects nothing.
CONNECTED = "SELECT count(*) FROM provider_keys WHERE org_id = :org AND enabled AND verdict <> 'invalid'"

_MONEY = """
SELECT currency, (SELECT organizations.plan FROM subscriptions WHERE subscriptions.org_id = organizations.id
                  AND status NOT IN ('canceled', 'incomplete_expired'))
FROM organizations WHERE id = :org
"""


class _Counts(NamedTuple):
    """The row of `_COUNTS`: `active` are the workspaces that are not archived."""

    members: int
    invitations: int
    active: int
    workspaces: int
    keys: int


def overview(tx: Read) -> Overview:
    """One row for the frame."""
    organization = tx.rows.one("SELECT name, plan, timezone FROM organizations WHERE id = :org", org=tx.organization)
    if organization is None:
        raise AssertionError("an organization without its row")
    name, plan, timezone = organization
    counts = _counts(tx)
    return Overview(
        organization_id=tx.organization,
        name=name,
        plan=plan,
        actor=tx.actor,
        role=tx.role or Role.ADMIN,
        timezone=timezone,
        pending=counts.invitations,
        keys_connected=tx.rows.value(CONNECTED, org=tx.organization),
        workspaces=counts.active,
        attention=wanted(tx),
    )


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
        workspaces=_counts(tx).active,
        created=instant(created),
        timezone=timezone,
        version=version,
        losses=lost,
    )


def losses(tx: Read) -> Losses:
    """What stands in the organization now. Events are counted by their roll-ups."""
    counts = _counts(tx)
    inventory = dict(
        tx.rows.all("SELECT kind, count(*) FROM inventory WHERE org_id = :org GROUP BY kind", org=tx.organization)
    )
    row = tx.rows.one(_MONEY, org=tx.organization) or ("", None)
    runs = tx.rows.value("SELECT sum(runs) FROM run_days WHERE org_id = :org", org=tx.organization)
    calls = tx.rows.value("SELECT sum(calls) FROM call_days WHERE org_id = :org", org=tx.organization)
    return Losses(
        workspaces=counts.workspaces,
        workflows=inventory.get("workflow", 0),
        agents=inventory.get("agent", 0),
        members=counts.members,
        invitations=counts.invitations,
        api_keys=counts.keys,
        runs=int(runs or 0),
        calls=int(calls or 0),
        credits=Cost(ledger.balance(tx.rows, tx.organization) or ZERO, row[0]),
        plan=row[1],
    )


def _counts(tx: Read) -> _Counts:
    row = tx.rows.one(_COUNTS, org=tx.organization)
    if row is None:
        raise AssertionError("a count without a row")
    return _Counts._make(row)
