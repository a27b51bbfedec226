"""The SQL face: every operation of the contract on its thread, in its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from orgtui.domain.ambient import Ambient
from orgtui.domain.codes import is_token
from orgtui.domain.errors import Invalid, OrgtuiError, Unauthenticated, Unreachable
from orgtui.domain.months import micros
from orgtui.domain.roles import PLATFORM
from orgtui.domain.text import keepable
from orgtui.store.contract import Store
from orgtui.store.contract.operation import Operation, face
from orgtui.store.sql import schema
from orgtui.store.sql.bearers import maker, token_hash
from orgtui.store.sql.database import Database, reread
from orgtui.store.sql.rows import Rows, rows_of
from orgtui.store.sql.unit_of_work import NOBODY, UnitOfWork

# Of use within a minute nobody needs to know, and every request would be a write.
_USE_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Guest:
    """Whoever came with a token: the store as it is for them, and the token's id.

    `permit` raises what the store would for an operation, one of a service above it too.
    """

    store: Store
    token: str
    permit: Callable[[Operation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SqlStore:
    """An open SQL store: the contract's sections in `store`, and `close` for when the last write is done:
    who asks after that is answered Unreachable.

    `permit` raises what an operation would be refused with. `platform` is the same store with the platform acting: for
    what this program does in its name, never for a person. `outside` is the same for nobody in particular, who may
    accept an invitation; `admit` answers who comes with a token, and raises Unauthenticated.
    """

    store: Store
    permit: Callable[[Operation], Awaitable[None]]
    platform: Store
    outside: Store
    admit: Callable[[str], Awaitable[Guest]]
    close: Callable[[], None]


def implementation(operation: Operation) -> Callable[..., Any]:
    """The function that does an operation: reads stand in `queries/`, and so need no mapper; writes beside it."""
    package = "orgtui.store.sql" if operation.writes else "orgtui.store.sql.queries"
    function: Callable[..., Any] = getattr(import_module(f"{package}.{operation.section}"), operation.name)
    return function


def open_sql_store(database: Database, actor: str | None, ambient: Ambient, *, at_once: int = 1) -> SqlStore:
    """Open the one organization of a database for *actor* (its first owner when None); *at_once* are read for many.

    Raises NotFound where there is none, StoreRefused where the database cannot be used.
    """
    if actor is not None and not keepable(actor):
        raise Invalid("There is a NUL or half a character in who is acting, which no address has.", field="as")
    database.check()
    schema.ensure(database, ambient)
    with database.reading() as rows:
        organization, owner = _find(rows, database)
    # Writes have a thread of their own: a long import never keeps a screen from being read.
    reads = ThreadPoolExecutor(at_once, thread_name_prefix="orgtui-read")
    writes = ThreadPoolExecutor(1, thread_name_prefix="orgtui-write")
    noting = set[str]()

    def unit_of(whose: str, token: str | None = None) -> UnitOfWork:
        return UnitOfWork(database, organization, whose, ambient, token)

    def acting(unit: UnitOfWork) -> Store:
        async def invoke(operation: Operation, arguments: dict[str, Any]) -> Any:
            def work() -> Any:
                run = unit.write if operation.writes else unit.read
                return run(operation, implementation(operation), arguments)

            return await _aside(writes if operation.writes else reads, work)

        return Store(lambda contract: face(contract, invoke), database.label)

    def permitting(unit: UnitOfWork) -> Callable[[Operation], Awaitable[None]]:
        return lambda operation: _aside(reads, lambda: unit.permit(operation))

    async def admit(secret: str) -> Guest:
        if not is_token(secret):
            raise Unauthenticated("This is no token; copy all of it, from orgtui_ to its end.")
        id, actor, used = await _aside(reads, lambda: _known(database, organization, secret, ambient))
        if id not in noting and (used is None or used < micros(ambient.now() - _USE_NOTED)):
            # Not waited for: whether it can be noted is nothing to whoever asks. Its turn may be long in coming.
            noting.add(id)
            with suppress(RuntimeError):
                noted = writes.submit(_note_use, database, organization, id, ambient)
                noted.add_done_callback(lambda _: noting.discard(id))
        unit = unit_of(actor, id)
        return Guest(acting(unit), id, permitting(unit))

    def close() -> None:
        reads.shutdown(wait=True)
        writes.shutdown(wait=True)
        database.close()

    you, platform, nobody = (unit_of(who) for who in (actor or owner, PLATFORM, NOBODY))
    return SqlStore(acting(you), permitting(you), acting(platform), acting(nobody), admit, close)


async def _aside(executor: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    try:
        answer = asyncio.get_running_loop().run_in_executor(executor, copy_context().run, work)
    except RuntimeError as error:
        # From an executor that was shut down, and from no other: work itself raises where it is awaited.
        raise Unreachable("The store is closed.") from error
    return await answer


def _known(database: Database, organization: str, secret: str, ambient: Ambient) -> tuple[str, str, int | None]:
    """Id, actor and last use of a token that is there; what it is worth, each operation asks in its transaction."""
    hashed = token_hash(database.keys.open(ambient.random).requests(), organization, secret)

    def look() -> tuple[str, str, int | None]:
        with database.reading() as rows:
            return maker(rows, organization, hashed, ambient.now())

    return reread(look)


def _note_use(database: Database, organization: str, id: str, ambient: Ambient) -> None:
    with suppress(OrgtuiError), database.writing(organization) as session:
        rows_of(session).run(
            "UPDATE access_tokens SET last_used_at = :now WHERE org_id = :org AND id = :id",
            now=micros(ambient.now()),
            org=organization,
            id=id,
        )


def _find(rows: Rows, database: Database) -> tuple[str, str]:
    organization = rows.value("SELECT id FROM organizations ORDER BY created_at LIMIT 1")
    if organization is None:
        raise database.nothing_here()
    owner = rows.value(
        "SELECT email FROM members WHERE org_id = :org AND role = 'owner' ORDER BY joined_at, id LIMIT 1",
        org=organization,
    )
    return organization, owner
