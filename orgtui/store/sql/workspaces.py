"""Writes of the Workspaces section."""

from __future__ import annotations

from orgtui.domain.errors import AlreadyThere, NotFound
from orgtui.domain.months import micros
from orgtui.domain.text import block, clean, name
from orgtui.store.contract import workspaces as contract
from orgtui.store.sql.queries import workspaces as queries
from orgtui.store.sql.tables import InventoryItem, Workspace
from orgtui.store.sql.unit_of_work import Write


def create(tx: Write, workspace: contract.NewWorkspace) -> contract.Workspace:
    """A new workspace under a name that no other has."""
    title = name(workspace.name, field="name", label="Workspace name")
    if tx.rows.one(
        "SELECT 1 FROM workspaces WHERE org_id = :org AND name_key = :key", org=tx.organization, key=title.casefold()
    ):
        raise AlreadyThere(f"There is a workspace named {title} already.", field="name")
    row = Workspace(
        org_id=tx.organization,
        id=tx.ambient.new_id("ws"),
        name=title,
        name_key=title.casefold(),
        description=block(workspace.description, field="description", label="Description"),
        created_at=micros(tx.now),
    )
    tx.session.add(row)
    tx.audit(row.id, after={"name": title})
    return contract.Workspace(row.id, row.name, row.description, 0, 0, tx.now)


def set_inventory(tx: Write, workspace: str, inventory: contract.Inventory) -> contract.Workspace:
    """Replace the workflows and agents of a workspace."""
    if not tx.session.get(Workspace, (tx.organization, workspace)):
        raise NotFound("There is no such workspace.")
    tx.rows.run(
        "DELETE FROM inventory WHERE org_id = :org AND workspace_id = :workspace",
        org=tx.organization,
        workspace=workspace,
    )
    for kind, items in (("workflow", inventory.workflows), ("agent", inventory.agents)):
        tx.session.add_all(
            InventoryItem(org_id=tx.organization, workspace_id=workspace, kind=kind, id=id_, name=clean(title))
            for id_, title in items.items()
        )
    tx.audit(workspace, after={"workflows": len(inventory.workflows), "agents": len(inventory.agents)})
    return next(card for card in queries.cards(tx.read()) if card.id == workspace)
