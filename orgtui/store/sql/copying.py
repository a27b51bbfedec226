"""A copy of a whole database in an empty one, of the same kind or the other: every row the same, or none there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import AlreadyThere, StoreRefused
from orgtui.master_keys import MasterKeys, carried, carry
from orgtui.store.sql import chain, schema
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import Rows, rows_of

if TYPE_CHECKING:
    from sqlalchemy import Table

Progress = Callable[[int, int], None]
Row = dict[str, Any]

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: rows by table, their SHA-256 as canonical JSON, and what each organization's log ends with.

    `keys_carried` says whether the target's file of the master keys was made; else it was there, with the same keys.
    """

    tables: dict[str, int]
    digest: str
    heads: dict[str, str]
    keys_carried: bool

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(self.tables.values())


def copy(source: Database, target: Database, ambient: Ambient, progress: Progress | None = None) -> Copied:
    """Copy all that *source* has, of one moment, and its master keys with it.

    *progress* is told (done, of how many). Raises AlreadyThere for a target that holds anything, StoreRefused for a
    source or keys that are not fit, or where the copy is not what the source is: the target then has no row of it.
    """
    source.check()
    if (found := schema.existing(source)) != schema.HEAD:
        raise StoreRefused(schema.older(source, found))
    keys, kids = source.keys.open(ambient.random), source.keys.open(ambient.random).kids
    there = carried(source.keys.path, target.keys.path)
    _prepare(target, ambient)
    with target.writing() as session:
        new = rows_of(session)
        # Once more: who else came meanwhile waits from here on.
        _refuse_unless_empty(target, new)
        with source.reading() as rows:
            counts, digest = _copy(rows, new, progress)
        if _kept(new) != (counts, digest):
            raise StoreRefused(f"{target.place} kept something else than it was given; nothing of it is there now.")
        heads = _heads(new, keys)
        # Before the commit: rows that nobody can open are never there, and keys without rows do no harm.
        carry(source.keys.path, target.keys.path, kids)
    return Copied(counts, digest, heads, keys_carried=not there)


def _prepare(target: Database, ambient: Ambient) -> None:
    """See that *target* is empty, and of this program's schema."""
    target.create()
    found = schema.revision_of(target)
    if found is None:
        schema.make(target)
        return
    with target.reading() as rows:
        _refuse_unless_empty(target, rows)
    if found != schema.HEAD:
        schema.upgrade(target, ambient)


def _refuse_unless_empty(target: Database, rows: Rows) -> None:
    for table in sorted(target.tables(rows) - {"alembic_version"}):
        if rows.one(f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608 (a name of ours)
            raise AlreadyThere(f"{target.place} is not empty: there are rows in {table}. Name an empty database.")


def _tables() -> list[Table]:
    """Each after those its rows hang from."""
    from sqlmodel import SQLModel

    import orgtui.store.sql.tables  # noqa: F401 (declares the tables)

    return SQLModel.metadata.sorted_tables


def _copy(rows: Rows, new: Rows, progress: Progress | None) -> tuple[dict[str, int], str]:
    """Every row of every table; answers how many there are of each, and the digest of what was copied."""
    counts, digest, done = _counts(rows), hashlib.sha256(), 0
    total = sum(counts.values())
    for table in _tables():
        for batch in _add(rows, new, table):
            _digest(digest, table, batch)
            done += len(batch)
            if progress:
                progress(done, total)
    return counts, digest.hexdigest()


def _kept(rows: Rows) -> tuple[dict[str, int], str]:
    """The same of what is there."""
    digest = hashlib.sha256()
    for table in _tables():
        for batch in _batches(rows, table):
            _digest(digest, table, batch)
    return _counts(rows), digest.hexdigest()


def _counts(rows: Rows) -> dict[str, int]:
    return {table.name: int(rows.value(f"SELECT count(*) FROM {table.name}")) for table in _tables()}  # noqa: S608


def _add(rows: Rows, new: Rows, table: Table) -> Iterator[list[Row]]:
    """Batch after batch, once it is in the other database."""
    names = [column.name for column in table.columns]
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608
    within = _within(table)
    linked: list[Row] = []
    for batch in _batches(rows, table):
        linked += [row for row in batch if any(row[name] is not None for name in within)]
        new.run_many(insert, [row | dict.fromkeys(within) for row in batch])
        yield batch
    if within:
        # What a row hangs from may stand after it: so that comes last.
        new.run_many(f"UPDATE {table.name} SET {_equals(within, ', ')} WHERE {_equals(_key(table), ' AND ')}", linked)  # noqa: S608


def _within(table: Table) -> list[str]:
    """Columns by which its rows hang from one another."""
    keys = [key for key in table.foreign_key_constraints if key.referred_table is table]
    return [column.name for key in keys for column in key.columns if column.nullable]


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _equals(names: list[str], between: str) -> str:
    return between.join(f"{name} = :{name}" for name in names)


def _batches(rows: Rows, table: Table) -> Iterator[list[Row]]:
    """All rows in the order of their keys, which is the same on every database."""
    names, key = [column.name for column in table.columns], _key(table)
    order, marks = ", ".join(key), ", ".join(f":{name}" for name in key)
    select = f"SELECT {', '.join(names)} FROM {table.name}"  # noqa: S608
    # SQLite has numbers where PostgreSQL knows of true and false.
    flags = [column.name for column in table.columns if column.type.python_type is bool]
    last: Row | None = None
    while True:
        after = f" WHERE ({order}) > ({marks})" if last else ""
        found = rows.all(f"{select}{after} ORDER BY {order} LIMIT {BATCH}", **(last or {}))
        batch = [dict(zip(names, values, strict=True)) for values in found]
        for row in batch:
            row |= {name: bool(row[name]) for name in flags if row[name] is not None}
        yield batch
        if len(batch) < BATCH:
            return
        last = {name: batch[-1][name] for name in key}


def _digest(digest: Any, table: Table, batch: list[Row]) -> None:
    """A line of JSON for each row: its table, then its values in the order of the table."""
    for row in batch:
        line = json.dumps([table.name, *row.values()], separators=(",", ":"), default=_bytes)
        digest.update(f"{line}\n".encode())


def _bytes(value: bytes) -> list[str]:
    return [value.hex()]


def _heads(rows: Rows, keys: MasterKeys) -> dict[str, str]:
    """What each organization's audit log ends with; raises StoreRefused for one that is not sound."""
    heads = {}
    for organization, name in rows.all("SELECT id, name FROM organizations ORDER BY id"):
        verified = chain.verify(rows, keys.chain(), organization, None)
        if not verified.sound:
            raise StoreRefused(f"The audit log of {name} was tampered with, and is not copied. {verified.problem}")
        heads[organization] = verified.head
    return heads
