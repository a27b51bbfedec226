"""Which schema a database has, and how it is brought to this program's own: after a backup, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import StoreRefused
from orgtui.store.sql import chain
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from sqlmodel import Session

# Every revision this program can read and upgrade, oldest first; the last is its own.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
HEAD = REVISIONS[-1]
SCRIPTS = Path(__file__).parent / "migrations"
_OURS = {"alembic_version", "organizations"}


def revision_of(database: SqliteDatabase) -> str | None:
    """The schema revision of an existing database file, None while it is empty; raises StoreRefused."""
    with database.reading() as rows:
        tables = {name for (name,) in rows.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if not tables >= _OURS:
            raise StoreRefused(f"{database.path} is a database of another program.")
        found = str(rows.value("SELECT version_num FROM alembic_version"))
    if found not in REVISIONS:
        raise StoreRefused(
            f"{database.path} has schema {found}, newer than this program's {HEAD}: upgrade orgtui to open it."
        )
    return found


def ensure(database: SqliteDatabase, ambient: Ambient) -> Path | None:
    """Bring the schema to HEAD; answers the backup made before an upgrade, if one was.

    Raises NotFound for an empty file, StoreRefused for a schema this program does not know.
    """
    found = revision_of(database)
    if found is None:
        raise database.nothing_here()
    if found == HEAD:
        return None
    with database.migrating() as session:
        # Another process may have upgraded it while this one waited; its backup is not to be replaced.
        found = session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        if found == HEAD:
            return None
        backup = database.path.with_name(f"{database.path.name}.{found}.{ambient.now():%Y%m%dT%H%M%SZ}.backup")
        database.backup(backup)
        _migrate(session)
        if found == "0001":
            _seal(database, session, ambient)
    return backup


def _seal(database: SqliteDatabase, session: Session, ambient: Ambient) -> None:
    """Begin the audit chain; there were no master keys before, but where provider keys were sealed with some."""
    connection: Any = session.connection().connection.driver_connection
    rows = Rows(connection)
    sealed = rows.one("SELECT 1 FROM provider_keys")
    chain.seal(rows, database.keys.open(ambient.random, create=sealed is None).chain())


def make(database: SqliteDatabase) -> None:
    """Make the tables in an empty file; none the worse for another process that does the same."""
    with database.migrating() as session:
        _migrate(session)


def _migrate(session: Session) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = session.connection()
    command.upgrade(config, "head")
