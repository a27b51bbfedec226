"""A copy of a database, and what its audit log ends with: the head to hold that log to, later."""

from __future__ import annotations

import os
from pathlib import Path

from orgtui.domain.errors import AlreadyThere
from orgtui.store.sql.database import Database
from orgtui.store.sql.sqlite import SqliteDatabase

_LAST = "SELECT seq, mac FROM audit WHERE org_id = :org ORDER BY seq DESC LIMIT 1"


def back_up(source: Database, to: Path, organization: str) -> str:
    """Copy *source* to a new file and answer the audit head (`SEQ:MAC`) in that copy; needs no master key.

    Raises AlreadyThere for a file that exists, StoreRefused where it cannot be made.
    """
    if os.path.lexists(to):
        raise AlreadyThere(f"{to} is there already; name a new file.", field="file")
    source.backup(to)
    copy = SqliteDatabase(to)
    try:
        with copy.reading() as rows:
            seq, mac = rows.one(_LAST, org=organization) or (0, "")
    finally:
        copy.close()
    return f"{seq}:{mac}"
