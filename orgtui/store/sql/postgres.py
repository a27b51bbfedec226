"""A PostgreSQL database as the store's: writers of one organization wait for each other, those of others do not."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orgtui.domain.errors import NotFound, OrgtuiError, StoreRefused, Unreachable
from orgtui.master_keys import KeyFile
from orgtui.settings import is_loopback
from orgtui.store.sql.database import PATIENCE, Dropped
from orgtui.store.sql.rows import Pyformat, Rows, rows_of

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine
    from sqlmodel import Session

    from orgtui.settings import PostgresUrl

# A server that is gone without a word is noticed; a client that is, keeps nobody waiting for its lock for ever.
_LIVELY = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_SETTLE = (
    "SELECT set_config('lock_timeout', %s, false), set_config('idle_in_transaction_session_timeout', '60s', false)"
)
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# An upgrade begins with the same table: who reads waits for it here, with nothing in hand that it needs.
_ENTER = f"{_BEGIN}; LOCK TABLE organizations IN ACCESS SHARE MODE"
_LOCK = "SELECT 1 FROM organizations WHERE id = :org FOR UPDATE"
# Against every _LOCK, whosever; reads go on.
_LOCK_ALL = "LOCK TABLE organizations IN EXCLUSIVE MODE"
# Of two programs that make the tables at once, or upgrade them, one waits.
_LOCK_SCHEMA = "SELECT pg_advisory_xact_lock(6741, 1)"
_TABLES = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
# What the server says when it is there, and does not let in who asks.
_REFUSED = re.compile("FATAL: .*(authentication|password|does not exist|pg_hba|permission|not permitted)|no password")
_BUSY = {"55P03", "40P01", "40001", "57014"}
_GONE = ("08", "57P")


class PostgresDatabase:
    """Reads on connections of their own, writes through SQLModel; all may be used from any thread.

    *patience* is how many seconds another one's write is waited for.
    """

    def __init__(self, url: PostgresUrl, *, keys: Path, patience: float = PATIENCE) -> None:
        self._url, self._patience = url, patience
        self.keys = KeyFile(keys)
        self._idle: list[psycopg.Connection[Any]] = []
        self._idle_lock = threading.Lock()
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()

    @property
    def label(self) -> str:
        """What the footer calls it."""
        return "PostgreSQL"

    @property
    def place(self) -> str:
        """Database and host."""
        return self._url.place

    @property
    def url(self) -> str:
        """What opens it with --store, but for the password."""
        return self._url.public

    @property
    def upgrades_itself(self) -> bool:
        """Others work with it too, with programs of another day."""
        return False

    def check(self) -> None:
        """Raise StoreRefused where the driver is missing; the server is asked when there is a question."""
        from importlib.util import find_spec

        if find_spec("psycopg") is None:
            raise StoreRefused("PostgreSQL needs its driver: pip install '.[postgres]' in the checkout.")

    def nothing_here(self) -> NotFound:
        """The error for a database that holds no organization."""
        return NotFound(f"There is no organization in {self.place}. Make one: orgtui init --name NAME --owner EMAIL")

    def create(self) -> None:
        """Nothing: a database is made by who administers the server."""
        self.check()

    def tables(self, rows: Rows) -> set[str]:
        """The names of all tables."""
        return {name for (name,) in rows.all(_TABLES)}

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Rows of one consistent moment: the first statement's."""
        import psycopg

        with self._told():
            connection = self._take()
            try:
                _enter(connection)
                yield Rows(Pyformat(connection))
            except psycopg.Error as error:
                if connection.closed or _is_gone(error):
                    # The others have hardly outlived it.
                    self._drop_idle()
                    raise Dropped(f"{self.place} ended the connection.") from error
                raise
            finally:
                self._give_back(connection)

    @contextmanager
    def writing(self, organization: str | None = None) -> Iterator[Session]:
        """A session that has the row of *organization* to itself, or all of them; commits, or rolls back on any error.

        Statements see what is committed when they begin; what they read of the organization nobody changes meanwhile.
        """
        with self._session() as session:
            if organization is None:
                rows_of(session).run(_LOCK_ALL)
            else:
                rows_of(session).run(_LOCK, org=organization)
            yield session

    @contextmanager
    def migrating(self) -> Iterator[Session]:
        """A session for changes of the schema, which PostgreSQL has in transactions like all others."""
        with self._session() as session:
            rows = rows_of(session)
            rows.run(_LOCK_SCHEMA)
            if "organizations" in self.tables(rows):
                rows.run("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE")
            yield session

    def before_upgrade(self, revision: str, now: datetime) -> None:
        """Nothing: whoever says upgrade has a backup."""

    def backup(self, to: Path) -> None:
        """Raise StoreRefused: the server has tools of its own, which know of roles and other databases too."""
        raise StoreRefused(f"{self.place} is backed up with pg_dump; keep the file of the master keys apart from it.")

    def close(self) -> None:
        """Close all connections that nobody uses; a later use opens them again."""
        self._drop_idle()
        with self._engine_lock:
            if self._engine:
                self._engine.dispose()
                self._engine = None

    # Connections.

    def _connect(self) -> psycopg.Connection[Any]:
        import logging

        import psycopg

        self.check()
        # What goes wrong is told by an error; beside it, a line on a screen that somebody else draws.
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)
        with self._told():
            try:
                connection = psycopg.connect(**encrypted(_LIVELY | self._url.parameters()))
            except psycopg.OperationalError as error:
                raise self._tell_closed(error) from None
            try:
                connection.execute(_SETTLE, (f"{self._patience * 1000:.0f}ms",))
                connection.commit()
                encoding = connection.info.parameter_status("server_encoding")
                if encoding != "UTF8":
                    raise StoreRefused(f"{self.place} keeps text as {encoding}; make a database with ENCODING 'UTF8'.")
            except BaseException:
                connection.close()
                raise
        return connection

    def _take(self) -> psycopg.Connection[Any]:
        """A connection on which nothing is begun."""
        with self._idle_lock:
            if self._idle:
                return self._idle.pop()
        connection = self._connect()
        connection.autocommit = True
        return connection

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        import psycopg

        with suppress(psycopg.Error):
            connection.rollback()
        # As many are kept as were in use at once, which is how many threads read.
        with self._idle_lock:
            if not connection.closed:
                self._idle.append(connection)

    def _drop_idle(self) -> None:
        with self._idle_lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.exc import TimeoutError as PoolTimeout
        from sqlmodel import Session

        with self._told():
            try:
                with Session(self._write_engine()) as session:
                    session.connection()
                    yield session
                    session.flush()
                    self._commit(session)
            except PoolTimeout as error:
                raise self._busy() from error
            except DBAPIError as error:
                if error.orig is not None:
                    raise error.orig from error
                raise

    def _commit(self, session: Session) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            session.commit()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # The one moment at which nobody here can know.
            raise Unreachable(
                f"{self.place} ended the connection while this was saved, so it may be saved or not: look before you "
                "do it again."
            ) from error

    def _write_engine(self) -> Engine:
        with self._engine_lock:
            if self._engine is None:
                from sqlalchemy import create_engine

                self._engine = create_engine(
                    "postgresql+psycopg://",
                    creator=self._connect,
                    # A connection that was idle while the server restarted is found out before anything is written.
                    pool_pre_ping=True,
                    pool_timeout=self._patience,
                    isolation_level="READ COMMITTED",
                    use_native_hstore=False,
                )
            return self._engine

    # Errors.

    @contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._tell(error) from error

    def _tell(self, error: psycopg.Error) -> OrgtuiError:
        state = error.sqlstate or ""
        if _is_gone(error):
            return Unreachable(f"{self.place} ended the connection; nothing was changed.")
        if state in _BUSY:
            return self._busy()
        if "cannot contain NUL" in str(error):
            return StoreRefused(f"{self.place} keeps no text with a NUL character in it; nothing was changed.")
        if state == "25006":
            return StoreRefused(f"{self.place} cannot be changed: it is read-only, as a replica is.")
        if state == "42501":
            return StoreRefused(f"{self.place} does not let {self._url.user or 'this user'} do that: {_line(error)}.")
        if state in ("53100", "53200"):
            return StoreRefused(f"{self.place} cannot grow: its disk or memory is full. Nothing was changed.")
        return StoreRefused(f"{self.place}: {_line(error)}.")

    def _busy(self) -> Unreachable:
        return Unreachable(f"{self.place} is busy: somebody else has been writing for {self._patience:g} s.")

    def _tell_closed(self, error: psycopg.OperationalError) -> OrgtuiError:
        """Why there is no connection: the server's or the system's own words, without where it was tried."""
        told = str(error)
        kind = StoreRefused if _REFUSED.search(told) else Unreachable
        why = (
            re.sub(r"^.* failed: ", "", told.splitlines()[0]).removeprefix("FATAL:").replace("fe_sendauth:", "").strip()
        )
        return kind(f"{self.place} cannot be opened: {why}.")


def encrypted(parameters: dict[str, Any]) -> dict[str, Any]:
    """The same, and to send nothing in clear over a network, unless the URL, the environment or a service says so."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    # Only libpq knows where all of them lead together, and tells it even where a word stops it before it goes there.
    asked = pq.PGconn.connect_start(make_conninfo(**parameters | {"target_session_attrs": "nowhere"}).encode())
    told = {option.keyword: (option.val or b"").decode() for option in asked.info}
    asked.finish()
    names, addresses = (told[option].split(",") for option in (b"host", b"hostaddr"))
    hosts = [address or name for name, address in zip_longest(names, addresses, fillvalue="")]
    near = all(host[:1] in ("", "/", "@") or is_loopback(host) for host in hosts)
    # Where nobody says anything it prefers to be safe, and does without.
    said = "sslmode" in parameters or "PGSSLMODE" in os.environ or told[b"sslmode"] != "prefer"
    return parameters if near or said else parameters | {"sslmode": "require"}


def _enter(connection: psycopg.Connection[Any]) -> None:
    import psycopg

    try:
        connection.execute(_ENTER)
    except psycopg.errors.UndefinedTable:
        # Nothing is there yet, which can be read as well.
        connection.rollback()
        connection.execute(_BEGIN)


def _is_gone(error: psycopg.Error) -> bool:
    """Whether it tells of the connection: by its state, or in the driver's words, which have none."""
    import psycopg

    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_GONE)


def _line(error: psycopg.Error) -> str:
    """The first thing it says; what else it says may hold what rows hold."""
    said = error.diag.message_primary or str(error)
    return said.splitlines()[0] if said else type(error).__name__
