"""Many threads that act at the same moment, each with a store of its own on one database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import OrgtuiError
from orgtui.store.contract import Store
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store

Act = Callable[[], Coroutine[Any, Any, Any]]


class Ground(Protocol):
    """An organization to which many come at once."""

    def database(self) -> Database:
        """What opens it, with connections of its own."""

    def plainly(self) -> AbstractContextManager[Rows]:
        """A connection as anybody makes one, with a transaction as it begins by itself; it commits at the end."""


@dataclass(frozen=True, slots=True)
class File:
    """One in a file."""

    path: Path

    def database(self) -> SqliteDatabase:
        return SqliteDatabase(self.path)

    @contextmanager
    def plainly(self) -> Iterator[Rows]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            yield Rows(connection)


def look(ground: Ground, sql: str) -> list[tuple[Any, ...]]:
    """Plain SQL, past every operation."""
    with ground.plainly() as rows:
        return rows.all(sql)


@contextmanager
def stores(ground: Ground, actors: Sequence[str], ambient: Ambient) -> Iterator[list[Store]]:
    """A store for each of the actors, on a connection that nobody else has."""
    opened = [open_sql_store(ground.database(), actor, ambient) for actor in actors]
    yield [each.store for each in opened]
    for each in opened:
        each.close()


def race(acts: Sequence[Sequence[Act]]) -> list[str]:
    """What became of everything when each thread did what is its own, in order, from one moment on.

    `done`, or the code of the error; any other exception comes out of here.
    """
    start = threading.Barrier(len(acts))

    async def one_after_another(own: Sequence[Act]) -> list[str]:
        return [await outcome(act) for act in own]

    def run(own: Sequence[Act]) -> list[str]:
        start.wait(60)
        return asyncio.run(one_after_another(own))

    with ThreadPoolExecutor(len(acts)) as pool:
        return [each for outcomes in pool.map(run, acts) for each in outcomes]


async def outcome(act: Act) -> str:
    """`done`, or the code of the error."""
    try:
        await act()
    except OrgtuiError as error:
        return error.code
    return "done"
