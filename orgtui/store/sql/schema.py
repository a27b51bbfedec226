"""Which schema a database has, and how it is brought to this program's own: after a backup, or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from orgtui.domain.errors import NotFound, StoreRefused
from orgtui.store.sql.sqlite import SqliteDatabase

# Every revision this program can read and upgrade, oldest first; the last is its own.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]


def revision_of(database: SqliteDatabase) -> str | None:
    """The schema revision of an existing database file, None when it is still empty; raises StoreRefused."""
    with database.reading() as rows:
        tables = {name for (name,) in rows.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise StoreRefused(f"{database.path} is a database of another program.")
        return str(rows.value("SELECT version_num FROM alembic_version"))


def ensure(database: SqliteDatabase, now: datetime) -> Path | None:
    """Bring the schema to HEAD; answers the backup made before an upgrade, if one was.

    Raises NotFound for an empty file, StoreRefused for a schema this program does not know.
    """
    found = revision_of(database)
    if found == HEAD:
        return None
    if found is None:
        raise NotFound(f"There is no organization at {database.path}. Make one: orgtui init --name NAME --owner EMAIL")
    if found not in REVISIONS:
        raise StoreRefused(
            f"{database.path} has schema {found}, newer than this program's {HEAD}: upgrade orgtui to open it."
        )
    backup = database.path.with_name(f"{database.path.name}.{found}.{now:%Y%m%dT%H%M%SZ}.backup")
    database.backup(backup)
    upgrade(database)
    return backup


def upgrade(database: SqliteDatabase) -> None:
    """Run the migrations that are missing, each in one transaction."""
    from alembic import command
    from alembic.config import Config

    with database.writing() as session:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "head")


def is_sound(path: Path) -> bool:
    """SQLite's own full check of the file."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
