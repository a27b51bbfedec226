"""What keeps an organization while the contract is tested; another database is one more class here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.store.contract import Store
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests.conftest import Clock, copy_of_acme
from tests.postgres import Server

TABLES = tuple(SQLModel.metadata.tables)
Everything = dict[str, list[tuple[Any, ...]]]


class Backend(Protocol):
    """One organization, Acme of ada@acme.example, at whose tables tests may look from behind."""

    clock: Clock

    def open(self, actor: str | None = None) -> Store:
        """Acme, opened for whoever acts."""

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Plain SQL, past every operation."""

    def close(self) -> None:
        """Close everything that was opened, and take the organization away."""


class Sqlite:
    """A file."""

    def __init__(self, directory: Path, templates: Path, clock: Clock, timezone: str) -> None:
        self.clock, self._path, self._opened = clock, directory / "acme.db", list[SqlStore]()
        copy_of_acme(templates, self._path, clock, timezone)
        self._behind = SqliteDatabase(self._path)

    def open(self, actor: str | None = None) -> Store:
        opened = open_sql_store(SqliteDatabase(self._path), actor, self.clock.ambient())
        self._opened.append(opened)
        return opened.store

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._behind.reading() as rows:
            return rows.all(sql, **parameters)

    def close(self) -> None:
        self._behind.close()
        for opened in self._opened:
            opened.close()
        shutil.rmtree(self._path.parent, ignore_errors=True)


class Postgres:
    """A database of a server."""

    def __init__(self, server: Server, directory: Path, clock: Clock, timezone: str) -> None:
        self.clock, self._server, self._opened = clock, server, list[SqlStore]()
        self._place = server.acme(directory, clock, timezone)
        self._behind = self._place.database()

    def open(self, actor: str | None = None) -> Store:
        opened = open_sql_store(self._place.database(), actor, self.clock.ambient())
        self._opened.append(opened)
        return opened.store

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._behind.reading() as rows:
            return rows.all(sql, **parameters)

    def close(self) -> None:
        self._behind.close()
        for opened in self._opened:
            opened.close()
        self._server.drop(self._place)


def everything(backend: Backend) -> Everything:
    """All rows of all tables."""
    return {name: sorted(backend.rows(f"SELECT * FROM {name}"), key=repr) for name in TABLES}
