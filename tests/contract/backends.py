"""What keeps an organization while the contract is tested; another database is one more class here."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.domain.ambient import system_ambient
from orgtui.secret import Secret
from orgtui.store.contract import Store
from orgtui.store.remote import RemoteStore, open_remote_store
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import Guest, SqlStore, open_sql_store
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.postgres import Server
from tests.served import Street

TABLES = tuple(SQLModel.metadata.tables)
Everything = dict[str, list[tuple[Any, ...]]]


class Backend(Protocol):
    """One organization, Acme of ada@acme.example, at whose tables tests may look from behind."""

    clock: Clock
    tables: Collection[str]

    def open(self, actor: str | None = None) -> Store:
        """Acme, opened for whoever acts."""

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Plain SQL, past every operation."""

    def close(self) -> None:
        """Close everything that was opened, and take the organization away."""


class Sqlite:
    """A file."""

    tables = TABLES

    def __init__(self, directory: Path, templates: Path, clock: Clock, timezone: str) -> None:
        self.clock, self._path, self._opened = clock, directory / "acme.db", list[SqlStore]()
        copy_of_acme(templates, self._path, clock, timezone)
        self._behind = SqliteDatabase(self._path)

    def open(self, actor: str | None = None) -> Store:
        return self.opened(actor).store

    def opened(self, actor: str | None) -> SqlStore:
        self._opened.append(open_sql_store(SqliteDatabase(self._path), actor, self.clock.ambient()))
        return self._opened[-1]

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

    tables = TABLES

    def __init__(self, server: Server, directory: Path, clock: Clock, timezone: str) -> None:
        self.clock, self._server, self._opened = clock, server, list[SqlStore]()
        self._place = server.acme(directory, clock, timezone)
        self._behind = self._place.database()

    def open(self, actor: str | None = None) -> Store:
        return self.opened(actor).store

    def opened(self, actor: str | None) -> SqlStore:
        self._opened.append(open_sql_store(self._place.database(), actor, self.clock.ambient()))
        return self._opened[-1]

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._behind.reading() as rows:
            return rows.all(sql, **parameters)

    def close(self) -> None:
        self._behind.close()
        for opened in self._opened:
            opened.close()
        self._server.drop(self._place)


class Http:
    """A server in front of another backend; who acts is told by the name that the server lets in."""

    # Its writes carry keys of their own, and what one answered is kept with it.
    tables = tuple(name for name in TABLES if name != "idempotency_keys")

    def __init__(self, behind: Sqlite | Postgres, url: str, street: Street) -> None:
        self.clock, self._behind, self._remotes = behind.clock, behind, list[RemoteStore]()
        path, self._house = street.add(behind.opened(None).outside)
        self._url = url + path

    def open(self, actor: str | None = None) -> Store:
        opened, name = self._behind.opened(actor), (actor or OWNER).encode().hex()
        self._house.guests[name] = Guest(opened.store, name, opened.permit)
        remote = open_remote_store(self._url, Secret(name), system_ambient(), patience=60)
        self._remotes.append(remote)
        return remote.store

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._behind.rows(sql, **parameters)

    def close(self) -> None:
        for remote in self._remotes:
            remote.close()
        self._behind.close()


def everything(backend: Backend) -> Everything:
    """All rows of all tables."""
    return {name: sorted(backend.rows(f"SELECT * FROM {name}"), key=repr) for name in backend.tables}
