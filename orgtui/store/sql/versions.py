"""What people type into a row: it is saved unless somebody else changed the row while they typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orgtui.domain.errors import Stale
from orgtui.store.sql.tables import Organization, Workspace
from orgtui.store.sql.unit_of_work import Write


def edit(
    tx: Write,
    row: Organization | Workspace,
    wanted: Mapping[str, str],
    *,
    seen: int,
    fields: Iterable[str],
) -> None:
    """Write what is *wanted* into the row that was *seen* at that version; raises Stale with all its *fields*."""
    before = {field: getattr(row, field) for field in wanted}
    changed = {field: value for field, value in wanted.items() if value != before[field]}
    if not changed:
        tx.unchanged()
        return
    if seen != row.version:
        theirs = {field: getattr(row, field) for field in fields}
        raise Stale(
            "Somebody changed this meanwhile; nothing was saved. Compare both values and save again.",
            theirs=theirs,
            yours=theirs | dict(wanted),
            version=row.version,
        )
    for field, value in changed.items():
        setattr(row, field, value)
    row.version += 1
    tx.audit(row.id, before={field: before[field] for field in changed}, after=changed)
