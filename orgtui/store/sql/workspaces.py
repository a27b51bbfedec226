"""Writes of the Workspaces section."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from orgtui.domain.addresses import checked_email
from orgtui.domain.errors import AlreadyThere, Conflict, Invalid, NotFound
from orgtui.domain.months import micros
from orgtui.domain.roles import WorkspaceRole
from orgtui.domain.text import DANGEROUS, block, clean
from orgtui.domain.text import name as checked_name
from orgtui.store.contract import workspaces as contract
from orgtui.store.sql.queries import workspaces as queries
from orgtui.store.sql.tables import Workspace, WorkspaceMember
from orgtui.store.sql.unit_of_work import Write
from orgtui.store.sql.versions import edit

_LONGEST_ID, _LONGEST_NAME = 512, 200
_WORKFLOW, _AGENT = "workflow", "agent"
_FIELDS = ("name", "description")
_HOLD = """
INSERT INTO inventory (org_id, workspace_id, kind, id, name) VALUES (:org, :workspace, :kind, :id, :name)
ON CONFLICT (org_id, workspace_id, kind, id) DO UPDATE SET name = excluded.name
"""
_LET_GO = """
DELETE FROM inventory WHERE org_id = :org AND workspace_id = :workspace AND kind = :kind AND id = :id
"""
_WORKFLOWS = """
SELECT id, name FROM inventory WHERE org_id = :org AND workspace_id = :workspace AND kind = 'workflow'
"""
_SIZE = "SELECT count(*) FROM inventory WHERE org_id = :org AND workspace_id = :workspace"
Items = dict[tuple[str, str], str]


# The workspace itself.


def create(tx: Write, workspace: contract.NewWorkspace) -> contract.Workspace:
    """A new workspace under a name that no other has."""
    title = _checked("name", workspace.name)
    _check_free(tx, title)
    row = Workspace(
        org_id=tx.organization,
        id=tx.ambient.new_id("ws"),
        name=title,
        name_key=title.casefold(),
        description=_checked("description", workspace.description),
        created_at=micros(tx.now),
    )
    tx.session.add(row)
    tx.audit(row.id, after={"name": title})
    return queries.card(tx.read(), row.id)


def save(tx: Write, id: str, changes: contract.WorkspaceChanges) -> contract.WorkspacePage:
    """Change name or description, unless somebody else did meanwhile."""
    row = _workspace(tx, id)
    told = {field: getattr(changes, field) for field in _FIELDS}
    wanted = {field: _checked(field, value) for field, value in told.items() if value is not None}
    edit(tx, row, wanted, seen=changes.seen, fields=_FIELDS)
    if row.name_key != row.name.casefold():
        _check_free(tx, row.name, but=id)
        row.name_key = row.name.casefold()
    return queries.open(tx.read(), id)


def set_logo(tx: Write, id: str, image: bytes | None) -> contract.WorkspacePage:
    """Keep the re-encoded image and its icon, or none."""
    from orgtui.images import accept_logo, icon

    row = _workspace(tx, id)
    accepted = accept_logo(image) if image is not None else None
    if accepted == row.logo:
        tx.unchanged()
        return queries.open(tx.read(), id)
    # Not a new version: that guards what people type, and a logo is never half typed.
    before, row.logo = row.logo, accepted
    row.icon = icon(accepted) if accepted else None
    tx.audit(id, before=_mark(before), after=_mark(accepted))
    return queries.open(tx.read(), id)


def _mark(image: bytes | None) -> dict[str, Any] | None:
    return {"bytes": len(image), "sha256": hashlib.sha256(image).hexdigest()} if image else None


# Its end.


def archive(tx: Write, id: str) -> contract.Workspace:
    """Set it aside, unless it is the last."""
    row = _workspace(tx, id)
    if row.archived_at is not None:
        tx.unchanged()
        return queries.card(tx.read(), id)
    _keep_one(tx, row)
    row.archived_at = micros(tx.now)
    tx.audit(id, after={"name": row.name})
    return queries.card(tx.read(), id)


def restore(tx: Write, id: str) -> contract.Workspace:
    """Bring it back under the name that was kept for it."""
    row = _workspace(tx, id)
    if row.archived_at is None:
        tx.unchanged()
        return queries.card(tx.read(), id)
    row.archived_at = None
    tx.audit(id, after={"name": row.name})
    return queries.card(tx.read(), id)


def delete(tx: Write, id: str, confirm: str) -> contract.Workspace:
    """Leave of it what its runs and calls hang from, when the exact name was typed."""
    row = _workspace(tx, id)
    if confirm != row.name:
        raise Invalid(f"Type the exact name, {row.name}, to delete the workspace.", field="confirm")
    if row.archived_at is None:
        _keep_one(tx, row)
    gone = queries.card(tx.read(), id)
    for table in ("inventory", "workspace_members"):
        tx.rows.run(
            f"DELETE FROM {table} WHERE org_id = :org AND workspace_id = :workspace",  # noqa: S608 (our own names)
            org=tx.organization,
            workspace=id,
        )
    row.description, row.logo, row.icon = "", None, None
    row.deleted_at = micros(tx.now)
    held = {"members": gone.members, "workflows": gone.workflows, "agents": gone.agents}
    tx.audit(id, before={"name": gone.name} | held)
    return gone


# Its people.


def set_member(tx: Write, id: str, email: str, role: WorkspaceRole, name: str = "") -> contract.WorkspacePage:
    """Give somebody a role here.

    It is kept apart from what the organization gives, and shows where it is the higher of both: whoever leaves the
    organization, or is removed from it, keeps what they were given here.
    """
    _workspace(tx, id)
    address = checked_email(email)
    known = checked_name(name, field="name", label="Name") if name.strip() else None
    row = tx.session.get(WorkspaceMember, (tx.organization, id, address.casefold()))
    if row is None:
        row = WorkspaceMember(
            org_id=tx.organization,
            workspace_id=id,
            email_key=address.casefold(),
            email=address,
            name=known or _name(tx, address),
            role=role.value,
            added_at=micros(tx.now),
        )
        tx.session.add(row)
        tx.audit(id, after={"email": address, "role": row.role, "name": row.name})
        return queries.open(tx.read(), id)
    before = {"email": row.email, "role": row.role, "name": row.name}
    row.role, row.name = role.value, known or row.name
    after = before | {"role": row.role, "name": row.name}
    if after == before:
        tx.unchanged()
    else:
        tx.audit(id, before=before, after=after)
    return queries.open(tx.read(), id)


def remove_member(tx: Write, id: str, email: str) -> contract.WorkspacePage:
    """Take back a role that was given here."""
    _workspace(tx, id)
    key = _key(email)
    row = tx.session.get(WorkspaceMember, (tx.organization, id, key))
    if row is not None:
        tx.session.delete(row)
        tx.audit(id, before={"email": row.email, "role": row.role, "name": row.name})
        return queries.open(tx.read(), id)
    above = tx.rows.one(
        "SELECT email, role FROM members WHERE org_id = :org AND email_key = :key", org=tx.organization, key=key
    )
    if above is None:
        raise NotFound("Nobody of this address has a role in the workspace.")
    raise Conflict(f"{above[0]} is here as {above[1]} of the organization; change that in Team.")


def _key(email: str) -> str:
    """What an address is found by; one that is none is nobody's."""
    try:
        return checked_email(email).casefold()
    except Invalid:
        return ""


def _name(tx: Write, address: str) -> str:
    """What the organization calls somebody, else the part before the @."""
    found = tx.rows.value(
        "SELECT name FROM members WHERE org_id = :org AND email_key = :key",
        org=tx.organization,
        key=address.casefold(),
    )
    return found or address.rpartition("@")[0]


# What it holds.


def set_inventory(tx: Write, id: str, inventory: contract.Inventory, replace: bool = True) -> contract.Workspace:
    """Note workflows and agents: all there are, or those that are new or named anew."""
    _workspace(tx, id)
    told = _items(_WORKFLOW, inventory.workflows) | _items(_AGENT, inventory.agents)
    before: Items = {
        (kind, item): name
        for kind, item, name in tx.rows.all(
            "SELECT kind, id, name FROM inventory WHERE org_id = :org AND workspace_id = :workspace",
            org=tx.organization,
            workspace=id,
        )
    }
    after = told if replace else before | told
    if len(after) > contract.MOST_ITEMS:
        raise Invalid(
            f"A workspace holds at most {contract.MOST_ITEMS:,} workflows and agents; these would be {len(after):,}.",
            field="inventory",
        )
    if after == before:
        tx.unchanged()
        return queries.card(tx.read(), id)
    tx.rows.run_many(_LET_GO, [_item(tx, id, key) for key in before.keys() - after.keys()])
    changed = {key: name for key, name in after.items() if before.get(key) != name}
    tx.rows.run_many(_HOLD, [_item(tx, id, key) | {"name": name} for key, name in changed.items()])
    renamed = len(changed.keys() & before.keys())
    tx.audit(id, before=_counts(before), after=_counts(after) | {"renamed": renamed})
    return queries.card(tx.read(), id)


def learn(tx: Write, seen: Mapping[str, Mapping[str, str]]) -> None:
    """Note workflows that were seen to run: by workspace their ids and names, empty where no run had one.

    What the platform lists is better known than what a run of some past day says: a run adds a workflow, and names only
    one that has no name yet. A workspace that holds the most learns no more.
    """
    rows, items = tx.rows, []
    for workspace, names in seen.items():
        # All of them, at most MOST_ITEMS: one statement for every workspace, and nothing to prepare for each batch.
        held = dict(rows.all(_WORKFLOWS, org=tx.organization, workspace=workspace))
        named = [each for each, name in names.items() if name not in ("", each) and held.get(each) == each]
        new = [each for each in names if each not in held]
        if new:
            room = contract.MOST_ITEMS - rows.value(_SIZE, org=tx.organization, workspace=workspace)
            new = new[: max(room, 0)]
        items += [_item(tx, workspace, (_WORKFLOW, each)) | {"name": _shown(names[each], each)} for each in named + new]
    rows.run_many(_HOLD, items)


def _items(kind: str, told: Mapping[str, str]) -> Items:
    for item in told:
        if not item.strip() or len(item) > _LONGEST_ID or DANGEROUS.search(item):
            raise Invalid(
                f"“{clean(item)[:_LONGEST_NAME]}” is not an id of {kind}s: it is empty, longer than {_LONGEST_ID} "
                "characters, or has hidden ones.",
                field="inventory",
            )
    return {(kind, item): _shown(name, item) for item, name in told.items()}


def _shown(name: str, item: str) -> str:
    """A name as it is kept, cleaned and cut; the id where there is none."""
    cut = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return clean(cut).strip() or item


def _item(tx: Write, workspace: str, key: tuple[str, str]) -> dict[str, str]:
    return {"org": tx.organization, "workspace": workspace, "kind": key[0], "id": key[1]}


def _counts(items: Items) -> dict[str, int]:
    counts = Counter(kind for kind, _ in items)
    return {"workflows": counts[_WORKFLOW], "agents": counts[_AGENT]}


# Rules.


def _workspace(tx: Write, id: str) -> Workspace:
    row = tx.session.get(Workspace, (tx.organization, id))
    if row is None or row.deleted_at is not None:
        raise NotFound(queries.MISSING)
    return row


def _checked(field: str, value: str) -> str:
    if field == "name":
        return checked_name(value, field=field, label="Workspace name")
    return block(value, field=field, label="Description")


def _check_free(tx: Write, title: str, *, but: str | None = None) -> None:
    """Refuse a name that another workspace has, an archived one too, whatever its case."""
    found = tx.rows.one(
        "SELECT id, name, archived_at FROM workspaces WHERE org_id = :org AND name_key = :key AND deleted_at IS NULL",
        org=tx.organization,
        key=title.casefold(),
    )
    if found and found[0] != but:
        kind = "a workspace" if found[2] is None else "an archived workspace"
        raise AlreadyThere(f"There is {kind} named {found[1]} already.", field="name")


def _keep_one(tx: Write, row: Workspace) -> None:
    active = tx.rows.value(
        "SELECT count(*) FROM workspaces WHERE org_id = :org AND archived_at IS NULL AND deleted_at IS NULL",
        org=tx.organization,
    )
    if active == 1:
        raise Conflict(f"{row.name} is the only active workspace, and one always remains. Create or restore another.")
