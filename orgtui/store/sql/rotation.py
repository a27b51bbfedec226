"""Moves every sealed key to a new master key and forgets the old ones: may be killed anywhere, and is run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import StoreRefused
from orgtui.domain.months import micros
from orgtui.domain.roles import PLATFORM
from orgtui.master_keys import MasterKeys, VaultError
from orgtui.store.sql import chain
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import rows_of
from orgtui.vault import Binding, Vault

Progress = Callable[[int, int], None]

BATCH = 500
# Between two batches: SQLite's writers do not queue but look again and again whether the way is free.
_PAUSE = 0.03
_OPERATION = "api_keys.rotate_master"
_UNDER = "substr(sealed, 1, length(:head)) = :head"
_COUNT = f"SELECT count(*) FROM provider_keys WHERE {_UNDER}"  # noqa: S608 (our own words)
# In order and from where the last batch ended: a row that cannot be moved is met once in a pass, not for ever.
_NEXT = f"""
SELECT org_id, id, provider, sealed FROM provider_keys WHERE NOT {_UNDER} AND (org_id, id) > (:org, :id)
ORDER BY org_id, id LIMIT :batch
"""  # noqa: S608
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a run did: how many keys it moved, to which master key, which ones it then forgot, and which keys are lost.

    `damaged` names rows that neither opened under the old master keys nor under the new one.
    """

    current: str
    moved: int
    forgotten: list[str]
    damaged: list[str]


def rotate_master(
    database: Database, ambient: Ambient, progress: Progress | None = None, *, batch: int = BATCH
) -> Rotation:
    """Finish the rotation that was begun, or else begin one and finish it.

    Transactions are short, so that others write meanwhile; *progress* is told (moved, of how many) after each. Raises
    StoreRefused where a sealed key is damaged; all others are moved then, and no master key that it needs is forgotten.
    """
    keys = database.keys.open(ambient.random)
    total = _begin(database, keys, ambient)
    moved, forgotten = 0, list[str]()
    while True:
        before, damaged = moved, list[str]()
        for count in _pass(database, Vault(keys, ambient.random), batch, damaged):
            moved += count
            if progress:
                progress(moved, max(total, moved))
        forgotten += _forget(database, keys)
        if not keys.retired:
            return Rotation(keys.current, moved, forgotten, damaged)
        if moved == before:
            raise StoreRefused(_complaint(damaged))


def _begin(database: Database, keys: MasterKeys, ambient: Ambient) -> int:
    """Add a master key unless one is being retired already; answers how many keys have to be moved."""
    with database.writing() as session:
        # Inside the transaction: whoever seals meanwhile waits, and of two rotations the second one sees the first.
        if not keys.retired:
            keys.rotate()
        rows = rows_of(session)
        for (organization,) in rows.all("SELECT id FROM organizations"):
            session.add(
                chain.next_row(
                    rows,
                    keys.chain(),
                    organization=organization,
                    at=micros(ambient.now()),
                    actor=PLATFORM,
                    role=PLATFORM,
                    operation=_OPERATION,
                    subject=keys.current,
                    before={"master_keys": list(keys.retired)},
                    after={"master_keys": [keys.current]},
                )
            )
        rows.run("UPDATE organizations SET revision = revision + 1")
        everything = int(rows.value("SELECT count(*) FROM provider_keys"))
        return everything - int(rows.value(_COUNT, head=_head(keys.current)))


def _pass(database: Database, vault: Vault, size: int, damaged: list[str]) -> Iterator[int]:
    """Move all that can be moved, a batch a transaction; yields how many each was, and names the others."""
    org = id_ = ""
    while True:
        with database.writing() as session:
            rows, moved = rows_of(session), list[dict[str, str]]()
            batch = rows.all(_NEXT, head=_head(vault.keys.current), org=org, id=id_, batch=size)
            for org, id_, provider, sealed in batch:
                try:
                    moved.append({"org": org, "id": id_, "sealed": vault.rewrap(sealed, Binding(org, provider, id_))})
                except VaultError:
                    damaged.append(f"{id_} of {provider}")
            rows.run_many("UPDATE provider_keys SET sealed = :sealed WHERE org_id = :org AND id = :id", moved)
        yield len(moved)
        if len(batch) < size:
            return
        time.sleep(_PAUSE)


def _forget(database: Database, keys: MasterKeys) -> list[str]:
    """Forget the retired master keys that no row needs, while nobody can write one."""
    with database.writing() as session:
        rows = rows_of(session)
        unused = [kid for kid in keys.retired if not rows.value(_COUNT, head=_head(kid))]
        for kid in unused:
            keys.drop(kid)
        return unused


def _complaint(damaged: list[str]) -> str:
    named = ", ".join(damaged[:_SHOWN]) + (", …" if len(damaged) > _SHOWN else "")
    return (
        f"The old master key stays: {len(damaged):,} sealed keys are damaged ({named}). Replace them and run it again."
    )


def _head(kid: str) -> str:
    return f"v1.{kid}."
