"""The SQL face: every operation of the contract on its thread, in its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Unreachable
from orgtui.domain.roles import PLATFORM
from orgtui.store.contract import Store
from orgtui.store.contract.operation import Operation, face
from orgtui.store.sql import schema
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class SqlStore:
    """An open SQL store: the contract's sections in `store`, and `close` for when the last write is done:
    who asks after that is answered Unreachable.

    `platform` is the same store with the platform acting: for what this program does in its name, never for a person.
    """

    store: Store
    platform: Store
    close: Callable[[], None]


def implementation(operation: Operation) -> Callable[..., Any]:
    """The function that does an operation: reads stand in `queries/`, and so need no mapper; writes beside it."""
    package = "orgtui.store.sql" if operation.writes else "orgtui.store.sql.queries"
    function: Callable[..., Any] = getattr(import_module(f"{package}.{operation.section}"), operation.name)
    return function


def open_sql_store(database: Database, actor: str | None, ambient: Ambient) -> SqlStore:
    """Open the one organization of a database for *actor* (its first owner when None).

    Raises NotFound where there is none, StoreRefused where the database cannot be used.
    """
    database.check()
    schema.ensure(database, ambient)
    with database.reading() as rows:
        organization, owner = _find(rows, database)
    # Two threads: a long import never keeps a screen from being read.
    reads = ThreadPoolExecutor(1, thread_name_prefix="orgtui-read")
    writes = ThreadPoolExecutor(1, thread_name_prefix="orgtui-write")

    def acting(whose: str) -> Store:
        unit = UnitOfWork(database, organization, whose, ambient)

        async def invoke(operation: Operation, arguments: dict[str, Any]) -> Any:
            def work() -> Any:
                run = unit.write if operation.writes else unit.read
                return run(operation, implementation(operation), arguments)

            executor = writes if operation.writes else reads
            try:
                answer = asyncio.get_running_loop().run_in_executor(executor, copy_context().run, work)
            except RuntimeError as error:
                # From an executor that was shut down, and from no other: work itself raises where it is awaited.
                raise Unreachable("The store is closed.") from error
            return await answer

        return Store(lambda contract: face(contract, invoke), database.label)

    def close() -> None:
        reads.shutdown(wait=True)
        writes.shutdown(wait=True)
        database.close()

    return SqlStore(acting(actor or owner), acting(PLATFORM), close)


def _find(rows: Rows, database: Database) -> tuple[str, str]:
    organization = rows.value("SELECT id FROM organizations ORDER BY created_at LIMIT 1")
    if organization is None:
        raise database.nothing_here()
    owner = rows.value(
        "SELECT email FROM members WHERE org_id = :org AND role = 'owner' ORDER BY joined_at, id LIMIT 1",
        org=organization,
    )
    return organization, owner
