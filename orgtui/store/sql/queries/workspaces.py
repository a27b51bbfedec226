"""Reads of the Workspaces section."""

from __future__ import annotations

from orgtui.domain.months import instant
from orgtui.store.contract.workspaces import Workspace
from orgtui.store.sql.unit_of_work import Read

_CARDS = """
SELECT w.id, w.name, w.description,
       (SELECT count(*) FROM inventory i WHERE i.org_id = w.org_id AND i.workspace_id = w.id AND i.kind = 'workflow'),
       (SELECT count(*) FROM inventory i WHERE i.org_id = w.org_id AND i.workspace_id = w.id AND i.kind = 'agent'),
       w.created_at
FROM workspaces w WHERE w.org_id = :org AND w.archived_at IS NULL
"""


def cards(tx: Read) -> list[Workspace]:
    """Active workspaces by name."""
    found = [
        Workspace(id_, name, description, workflows, agents, instant(created))
        for id_, name, description, workflows, agents, created in tx.rows.all(_CARDS, org=tx.organization)
    ]
    return sorted(found, key=lambda workspace: workspace.name.casefold())
