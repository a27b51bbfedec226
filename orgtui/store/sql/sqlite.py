"""An SQLite file as the store's database: durable, one writer at a time, and every refusal in one clear line."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orgtui.domain.errors import NotFound, OrgtuiError, StoreRefused, Unreachable
from orgtui.master_keys import KeyFile, beside
from orgtui.store.sql.database import PATIENCE
from orgtui.store.sql.rows import Rows

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

_READ_ONLY = "cannot be changed: the file, its folder or its disk is read-only."


class SqliteDatabase:
    """Reads on a connection of their own, writes through SQLModel; both may be used from any thread.

    *keys* is the file of the master keys, beside the database unless said. *patience* is how many seconds another
    program's write is waited for.
    """

    def __init__(self, path: Path, *, keys: Path | None = None, patience: float = PATIENCE) -> None:
        self.path, self._patience = path, patience
        self.keys = KeyFile(keys or beside(path))
        self._file: tuple[int, int] | None = None
        self._reads: sqlite3.Connection | None = None
        self._read_lock = threading.Lock()
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()

    @property
    def label(self) -> str:
        """What the footer calls it."""
        return "local"

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def url(self) -> str:
        """What opens it with --store."""
        return f"sqlite:///{self.path}"

    @property
    def upgrades_itself(self) -> bool:
        """A file is one program's own."""
        return True

    def check(self) -> None:
        """Raise NotFound or StoreRefused unless there is a regular file to open."""
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            raise self.nothing_here() from None
        except OSError as error:
            raise StoreRefused(f"{self.path} cannot be opened: {error.strerror}.") from error
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise StoreRefused(f"{self.path} is {kind}; name the database file itself.")

    def nothing_here(self) -> NotFound:
        """The error for a place that holds no organization."""
        return NotFound(f"There is no organization at {self.path}. Make one: orgtui init --name NAME --owner EMAIL")

    def create(self) -> None:
        """Make an empty file that only its owner can read, unless there is one; raises StoreRefused."""
        try:
            if not self.path.exists():
                with suppress(FileExistsError):
                    self.path.parent.mkdir(parents=True, mode=0o700)
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreRefused(f"{self.path} cannot be made: {error.strerror}.") from error
        self.check()

    def tables(self, rows: Rows) -> set[str]:
        """The names of all tables."""
        return {name for (name,) in rows.all("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Rows of one consistent moment."""
        with self._told(), self._read_lock:
            connection = self._reads or self._open_for_reading()
            try:
                self._stay()
                connection.execute("BEGIN")
                yield Rows(connection)
            finally:
                connection.rollback()
                if connection is not self._reads:
                    connection.close()

    @contextmanager
    def writing(self, organization: str | None = None) -> Iterator[Session]:
        """A session inside BEGIN IMMEDIATE, which no other writes beside: whatever *organization* there is.

        It commits at the end and rolls back on any error.
        """
        with self._session(self._write_engine()) as session:
            yield session

    @contextmanager
    def migrating(self) -> Iterator[Session]:
        """As `writing`, for changes of the schema.

        SQLite changes a table by dropping and making it again; with foreign keys on, that would delete every row which
        hangs from it. They are off here, and what they say is checked before the commit. Without legacy_alter_table a
        trigger that names the dropped table would keep the new one from taking its name.
        """
        engine = self._make_engine(migrating=True)
        try:
            with self._session(engine) as session:
                yield session
                if broken := session.connection().exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise StoreRefused(f"{self.path} was not upgraded: rows of {broken[0]} would hang from nothing.")
        finally:
            engine.dispose()

    def before_upgrade(self, revision: str, now: datetime) -> Path:
        """A backup beside the file."""
        backup = self.path.with_name(f"{self.path.name}.{revision}.{now:%Y%m%dT%H%M%SZ}.backup")
        self.backup(backup)
        return backup

    def backup(self, to: Path) -> None:
        """A consistent copy that only its owner can read, taken while others may write: whole, or not there."""
        part = to.with_name(f"{to.name}.part")
        try:
            os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
            with self._told(), closing(self._connect()) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)
            part.replace(to)
        except OSError as error:
            raise StoreRefused(f"The backup {to} cannot be made: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)

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
        self._file = None

    def _connect(self, *, immutable: bool = False, migrating: bool = False) -> sqlite3.Connection:
        path = str(self.path.absolute())
        for special in "%?#":
            path = path.replace(special, f"%{ord(special):02x}")
        # Never a new file here: `create` makes it, with its permissions.
        uri = f"file:{path}?{'immutable=1' if immutable else 'mode=rw'}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA foreign_keys={int(not migrating)}")
            connection.execute(f"PRAGMA legacy_alter_table={int(migrating)}")
            connection.execute("PRAGMA synchronous=FULL")
            # Opens the log, which is where a read-only place shows.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
            self._stay()
        except (sqlite3.Error, StoreRefused):
            connection.close()
            raise
        return connection

    def _stay(self) -> None:
        """Raise StoreRefused where the file is no more the one that was opened: what is written there would be lost."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise StoreRefused(f"{self.path} is gone while it was open ({error.strerror}).") from error
        here = found.st_dev, found.st_ino
        if here != (self._file or here):
            raise StoreRefused(f"{self.path} was replaced by another file while it was open; start again to use that.")
        self._file = here

    def _open_for_reading(self) -> sqlite3.Connection:
        """The connection for all reads; on a read-only disk one for a single read.

        There SQLite cannot make the log's index beside the file, and can do without only where it takes the file for
        immutable. Another mount of the same disk may still be written to: so not for longer than a read.
        """
        try:
            self._reads = self._connect()
        except sqlite3.OperationalError:
            if _writable(self.path.parent) or self._log_waits():
                raise
            return self._connect(immutable=True)
        return self._reads

    def _log_waits(self) -> bool:
        """Whether committed changes stand in the log and not yet in the file."""
        log = Path(f"{self.path}-wal")
        return log.exists() and log.stat().st_size > 0

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        from sqlalchemy.exc import DBAPIError
        from sqlmodel import Session

        with self._told():
            try:
                with Session(engine) as session, session.begin():
                    session.connection()
                    self._stay()
                    yield session
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise error.orig from error
                raise

    def _write_engine(self) -> Engine:
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def _make_engine(self, *, migrating: bool = False) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import QueuePool

        def connect() -> sqlite3.Connection:
            return self._connect(migrating=migrating)

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

        @event.listens_for(engine, "connect")
        def set_wal(connection: Any, _record: Any) -> None:
            self._set_wal(connection)

        @event.listens_for(engine, "begin")
        def begin_immediate(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _set_wal(self, connection: sqlite3.Connection) -> None:
        end = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # For this one statement SQLite does not wait itself: of two at once, one is turned away.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._tell(error) from error

    def _tell(self, error: sqlite3.Error) -> OrgtuiError:
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unreachable(f"{self.path} is busy: another program has been writing for {self._patience:g} s.")
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return StoreRefused(f"{self.path} is not a sound SQLite database: restore it from a backup.")
        if code == "SQLITE_FULL":
            return StoreRefused(f"{self.path} cannot grow: the disk is full. Nothing was changed.")
        if code.startswith("SQLITE_IOERR"):
            return StoreRefused(f"{self.path} cannot be used: its disk is full or failing. Nothing was changed.")
        if code.startswith("SQLITE_READONLY"):
            return StoreRefused(f"{self.path} {_READ_ONLY}")
        if "decode to UTF-8" in str(error):
            return StoreRefused(f"{self.path} holds text of another program, which is not UTF-8; restore a backup.")
        if code == "SQLITE_CANTOPEN":
            return StoreRefused(f"{self.path} {self._why_closed()}")
        return StoreRefused(f"{self.path}: {error}.")

    def _why_closed(self) -> str:
        if not os.access(self.path, os.R_OK):
            return "cannot be opened: there is no permission to read it."
        if _writable(self.path.parent):
            return "cannot be opened, or its -wal and -shm files beside it: see whose they are."
        if self._log_waits():
            return "was not closed cleanly, and its folder is read-only: copy it with its -wal file to another."
        return _READ_ONLY


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)
