"""An SQLite file as the store's database: durable, one writer at a time, and every refusal in one clear line."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orgtui.domain.errors import NotFound, OrgtuiError, StoreRefused, Unreachable
from orgtui.store.sql.rows import Rows

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

BUSY_MS = 10_000
_PRAGMAS = ("PRAGMA foreign_keys=ON", f"PRAGMA busy_timeout={BUSY_MS}", "PRAGMA synchronous=FULL")


class SqliteDatabase:
    """Reads on a connection of their own, writes through SQLModel; both may be used from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reads: sqlite3.Connection | None = None
        self._read_lock = threading.Lock()
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()

    @property
    def label(self) -> str:
        """What the footer calls it."""
        return "local"

    def check(self) -> None:
        """Raise NotFound or StoreRefused unless there is a regular file to open."""
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            raise NotFound(
                f"There is no organization at {self.path}. Make one: orgtui init --name NAME --owner EMAIL"
            ) from None
        except OSError as error:
            raise StoreRefused(f"{self.path} cannot be opened: {error.strerror}.") from error
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise StoreRefused(f"{self.path} is {kind}; name the database file itself.")

    def create(self) -> None:
        """Make an empty file that only its owner can read; raises StoreRefused."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            kind = "is a directory; name the database file itself" if self.path.is_dir() else error.strerror
            raise StoreRefused(f"{self.path} cannot be made: {kind}.") from error

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Rows of one consistent moment."""
        with self._told(), self._read_lock:
            if self._reads is None:
                self._reads = self._connect()
            connection = self._reads
            connection.execute("BEGIN")
            try:
                yield Rows(connection)
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session inside BEGIN IMMEDIATE; commits at the end, rolls back on any error."""
        from sqlalchemy.exc import DBAPIError
        from sqlmodel import Session

        with self._told():
            try:
                with Session(self._write_engine()) as session, session.begin():
                    session.connection()
                    yield session
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise error.orig from error
                raise

    def backup(self, to: Path) -> None:
        """A consistent copy, taken while others may write."""
        with self._told(), closing(self._connect()) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)

    def close(self) -> None:
        """Close all connections; a later use opens them again."""
        with self._read_lock:
            if self._reads:
                self._reads.close()
                self._reads = None
        with self._engine_lock:
            if self._engine:
                self._engine.dispose()
                self._engine = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection

    def _write_engine(self) -> Engine:
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def _make_engine(self) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import QueuePool

        engine = create_engine("sqlite://", creator=self._connect, poolclass=QueuePool)

        @event.listens_for(engine, "connect")
        def set_wal(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")

        @event.listens_for(engine, "begin")
        def begin_immediate(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OrgtuiError:
            raise
        except sqlite3.Error as error:
            raise self._tell(error) from error

    def _tell(self, error: sqlite3.Error) -> OrgtuiError:
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unreachable(f"{self.path} is busy: another program has been writing for {BUSY_MS // 1000} s.")
        if code.startswith("SQLITE_READONLY"):
            return StoreRefused(f"{self.path} cannot be changed: the file or its disk is read-only.")
        if code.startswith("SQLITE_FULL"):
            return StoreRefused(f"{self.path} cannot grow: the disk is full. Nothing was changed.")
        if code.startswith("SQLITE_CANTOPEN"):
            return StoreRefused(f"{self.path} cannot be opened: check that the folder is there and can be written.")
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return StoreRefused(f"{self.path} is not a sound SQLite database: restore it from a backup.")
        return StoreRefused(f"{self.path}: {error}.")
