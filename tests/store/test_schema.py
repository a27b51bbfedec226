"""The schema: what the tables say is what the migrations make, and an upgrade is whole or did not happen."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.domain.errors import NotFound, StoreRefused
from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import Clock

ADD = "op.add_column('organizations', sa.Column('motto', sa.String(), nullable=True))"
# Makes the table again, as SQLite must: with foreign keys on, dropping the old one would take every member with it.
REMAKE = """
    with op.batch_alter_table("organizations", recreate="always") as table:
        table.add_column(sa.Column("motto", sa.String(), nullable=True))
"""
FAIL = f"{ADD}\n    op.execute('UPDATE organizations SET motto = 1')\n    op.execute('SELECT nonsense FROM nowhere')"
ORPHAN = "op.execute(\"UPDATE members SET org_id = 'nobody'\")"
NAMES = "SELECT organizations.name, email FROM organizations JOIN members ON org_id = organizations.id"
Newer = Callable[[str], None]


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Newer:
    """Makes this program one migration newer than the databases there are."""

    def make(body: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(schema.SCRIPTS, scripts)
        header = 'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "0002"\ndown_revision = "0001"\n'
        (scripts / "versions" / "0002_next.py").write_text(f"{header}\n\ndef upgrade():\n    {body}\n")
        monkeypatch.setattr(schema, "SCRIPTS", scripts)
        monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))
        monkeypatch.setattr(schema, "HEAD", "0002")

    return make


def look(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def backups(database: SqliteDatabase) -> list[Path]:
    return sorted(database.path.parent.glob("*.backup*"))


def test_the_migrations_make_what_the_tables_say(acme: SqliteDatabase) -> None:
    with acme.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_revisions_are_the_scripts_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == schema.REVISIONS
    assert scripts.get_heads() == [schema.HEAD]


def test_a_database_of_this_version_is_left_alone(acme: SqliteDatabase, clock: Clock) -> None:
    assert schema.ensure(acme, clock.ambient()) is None
    assert backups(acme) == []


@pytest.mark.parametrize("body", [ADD, REMAKE], ids=["add", "remake"])
def test_an_older_one_is_upgraded_after_a_backup(acme: SqliteDatabase, clock: Clock, newer: Newer, body: str) -> None:
    before = look(acme.path, NAMES)
    newer(body)
    backup = schema.ensure(acme, clock.ambient())
    assert backup is not None
    assert [backup] == backups(acme)
    assert backup.name == "acme.db.0001.20261123T120000Z.backup"
    for path, revision in ((acme.path, "0002"), (backup, "0001")):
        assert look(path, "SELECT version_num FROM alembic_version") == [(revision,)]
        assert look(path, "PRAGMA integrity_check") == [("ok",)]
        assert look(path, NAMES) == before
    assert look(acme.path, "SELECT motto FROM organizations") == [(None,)]
    assert schema.ensure(acme, clock.ambient()) is None


@pytest.mark.parametrize("body", [FAIL, ORPHAN], ids=["fail", "orphan"])
def test_an_upgrade_that_fails_leaves_the_old_schema(
    acme: SqliteDatabase, clock: Clock, newer: Newer, body: str
) -> None:
    before = look(acme.path, "SELECT * FROM sqlite_master"), look(acme.path, "SELECT * FROM members")
    newer(body)
    with pytest.raises(StoreRefused):
        schema.ensure(acme, clock.ambient())
    assert (look(acme.path, "SELECT * FROM sqlite_master"), look(acme.path, "SELECT * FROM members")) == before
    assert look(acme.path, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_of_two_that_upgrade_at_once_the_second_finds_it_done(
    acme: SqliteDatabase, clock: Clock, newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(ADD)
    looked = schema.revision_of(acme)
    schema.ensure(acme, clock.ambient())
    (backup,) = backups(acme)
    kept = backup.read_bytes()
    # As one sees it that looked before the other was done.
    monkeypatch.setattr(schema, "revision_of", lambda _: looked)
    assert schema.ensure(acme, clock.ambient()) is None
    assert backup.read_bytes() == kept


def test_a_newer_one_is_refused_and_not_touched(acme: SqliteDatabase, clock: Clock) -> None:
    acme.close()
    with closing(sqlite3.connect(acme.path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()
    before = acme.path.read_bytes()
    with pytest.raises(StoreRefused, match="has schema 0999, newer than this program's 0001: upgrade orgtui"):
        open_sql_store(acme, None, clock.ambient())
    acme.close()
    assert acme.path.read_bytes() == before
    assert backups(acme) == []


@pytest.mark.parametrize("table", ["songs (title TEXT)", "alembic_version (version_num TEXT)"])
def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path, clock: Clock, table: str) -> None:
    path = tmp_path / "music.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="is a database of another program"):
        open_sql_store(SqliteDatabase(path), None, clock.ambient())
    assert path.read_bytes() == before


def test_an_empty_file_holds_no_organization(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(NotFound, match="orgtui init"):
        open_sql_store(SqliteDatabase(tmp_path / "empty.db"), None, clock.ambient())
    assert (tmp_path / "empty.db").stat().st_size == 0
