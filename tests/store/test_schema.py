"""The schema: what the tables say is what the migrations make, and an upgrade is whole or did not happen."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.domain.errors import NotFound, StoreRefused
from orgtui.master_keys import MasterKeys, beside
from orgtui.store.contract.team import Delivery
from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests.conftest import Clock, Opener
from tests.contract.conftest import wait
from tests.postgres import Place, Server
from tests.store import older
from tests.store.races import race

ADD = "op.add_column('organizations', sa.Column('motto', sa.String(), nullable=True))"
# Makes the table again, as SQLite must: with foreign keys on, dropping the old one would take every member with it.
REMAKE = """
    with op.batch_alter_table("organizations", recreate="always") as table:
        table.add_column(sa.Column("motto", sa.String(), nullable=True))
"""
FAIL = f"{ADD}\n    op.execute('UPDATE organizations SET motto = 1')\n    op.execute('SELECT nonsense FROM nowhere')"
ORPHAN = "op.execute(\"UPDATE members SET org_id = 'nobody'\")"
TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
NAMES = "SELECT organizations.name, email FROM organizations JOIN members ON org_id = organizations.id"
Newer = Callable[[str], None]
HEAD = schema.HEAD


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Newer:
    """Makes this program one migration newer than the databases there are."""

    def make(body: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(schema.SCRIPTS, scripts)
        header = 'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "0999"\n'
        header += f'down_revision = "{HEAD}"\n'
        (scripts / "versions" / "0999_next.py").write_text(f"{header}\n\ndef upgrade():\n    {body}\n")
        monkeypatch.setattr(schema, "SCRIPTS", scripts)
        monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "0999"))
        monkeypatch.setattr(schema, "HEAD", "0999")

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
    assert backup.name == f"acme.db.{HEAD}.20261123T120000Z.backup"
    for path, revision in ((acme.path, "0999"), (backup, HEAD)):
        assert look(path, "SELECT version_num FROM alembic_version") == [(revision,)]
        assert look(path, "PRAGMA integrity_check") == [("ok",)]
        assert look(path, NAMES) == before
        assert look(path, TRIGGERS) == [("audit_is_not_changed",), ("audit_is_not_deleted",)]
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
    assert look(acme.path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


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


# From the first schema.


@pytest.fixture
def first(acme: SqliteDatabase, clock: Clock) -> SqliteDatabase:
    """An organization of the first schema where Acme was, without keys."""
    acme.path.unlink()
    shutil.rmtree(beside(acme.path).parent)
    older.organization(acme, clock)
    return acme


def contents(path: Path, like: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows, in the columns that *like* has."""
    tables = [str(name) for (name,) in look(like, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {}
    for table in tables:
        columns = ", ".join(str(column[1]) for column in look(like, f"PRAGMA table_info({table})"))
        found[table] = sorted(look(path, f"SELECT {columns} FROM {table}"), key=repr)
    return found


def test_from_the_first_schema_everything_comes_along(first: SqliteDatabase, opener: Opener) -> None:
    before = contents(first.path, first.path)
    store = opener(older.TYPED).store
    (backup,) = backups(first)
    assert backup.name == "acme.db.0001.20261123T120000Z.backup"
    assert backup.stat().st_mode & 0o777 == 0o600
    assert contents(backup, backup) == before
    after = contents(first.path, backup)
    assert (before.pop("alembic_version"), after.pop("alembic_version")) == ([("0001",)], [(HEAD,)])
    assert after == before
    assert len(before["audit"]) == len(older.NAMES) + 1
    assert beside(first.path).stat().st_mode & 0o777 == 0o600
    found = wait(store.audit.verify())
    assert (found.sound, found.rows) == (True, len(before["audit"]))
    assert look(first.path, TRIGGERS) == [("audit_is_not_changed",), ("audit_is_not_deleted",)]
    page = wait(store.team.show())
    (invited,) = [member for member in page.members if member.email == older.INVITED]
    assert (page.active, page.you) == (2, "mem_2")
    assert (invited.sends, invited.delivery, invited.expired) == (1, Delivery.UNSENT, False)


def test_an_older_invitation_still_lets_in(first: SqliteDatabase, opener: Opener) -> None:
    store = opener().store
    assert wait(store.team.join(older.CODE, "Linus")).email == older.INVITED
    assert wait(store.audit.verify()).sound


def test_an_older_invitation_goes_with_who_sent_it(first: SqliteDatabase, opener: Opener) -> None:
    store = opener().store
    assert wait(store.team.remove("mem_2")).cancelled == 1
    with pytest.raises(NotFound):
        wait(store.team.join(older.CODE, "Linus"))


def test_where_provider_keys_were_sealed_their_master_key_is_asked_for(
    first: SqliteDatabase, clock: Clock, opener: Opener
) -> None:
    first.path.unlink()
    older.organization(first, clock, sealed=True)
    before = contents(first.path, first.path)
    with pytest.raises(StoreRefused, match=r"There is no master key at .*acme\.db\.keys/master\.key; restore it"):
        opener()
    assert contents(first.path, first.path) == before
    assert not beside(first.path).exists()
    keys = MasterKeys.open(beside(first.path), random=clock.ambient().random, create=True)
    assert wait(opener().store.audit.verify()).sound
    assert first.keys.open(clock.ambient().random).kids == keys.kids


# On a server, whose schema no program changes without being told.

Everything = dict[str, list[tuple[Any, ...]]]
_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = '{}' ORDER BY ordinal_position"


def on_server(postgres: Server, place: Place, like: Everything | None = None) -> Everything:
    """All rows, each as column and value pairs; in the tables and columns of *like*, where there is one."""
    found = {}
    for table in like or (
        name
        for (name,) in postgres.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", place.url.database)
    ):
        columns = (
            [name for name, _ in like[table][0]]
            if like and like[table]
            else [name for (name,) in postgres.run(_COLUMNS.format(table), place.url.database)]
        )
        rows = postgres.run(f"SELECT {', '.join(columns)} FROM {table}", place.url.database)
        found[table] = sorted((tuple(zip(columns, row, strict=True)) for row in rows), key=repr)
    return found


@pytest.mark.parametrize("revision", schema.REVISIONS[:-1])
def test_on_a_server_each_older_one_is_upgraded_when_that_is_said(
    postgres: Server, place: Place, clock: Clock, revision: str
) -> None:
    older.organization(place.database(), clock, revision=revision)
    before = on_server(postgres, place)
    said = f"has schema {revision}, older than this program's {HEAD}: make a backup, then run `orgtui db upgrade`"
    with pytest.raises(StoreRefused, match=said):
        open_sql_store(place.database(), None, clock.ambient())
    assert on_server(postgres, place) == before
    with closing(place.database()) as database:
        assert schema.upgrade(database, clock.ambient()) is None
        assert schema.existing(database) == HEAD
        with database.writing() as session:
            context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
            assert compare_metadata(context, SQLModel.metadata) == []
    after = on_server(postgres, place, before)
    assert (before.pop("alembic_version"), after.pop("alembic_version")) == (
        [(("version_num", revision),)],
        [(("version_num", HEAD),)],
    )
    if revision == "0001":
        # A row of before had no link of the chain; now it must have.
        assert "mac" not in dict(before["audit"][0])
    assert after == before
    opened = open_sql_store(place.database(), older.TYPED, clock.ambient())
    assert wait(opened.store.audit.verify()).rows == len(older.NAMES) + 1
    assert wait(opened.store.team.join(older.CODE, "Linus")).email == older.INVITED
    assert wait(opened.store.usage.month("2026-11")).figures.total_tokens == 1_100
    opened.close()


def test_on_a_server_an_upgrade_that_fails_leaves_the_old_schema(
    postgres: Server, place: Place, clock: Clock, newer: Newer
) -> None:
    older.organization(place.database(), clock, revision=HEAD)
    before = on_server(postgres, place)
    newer(FAIL)
    with closing(place.database()) as database, pytest.raises(StoreRefused, match="nowhere"):
        schema.upgrade(database, clock.ambient())
    assert on_server(postgres, place) == before


def test_on_a_server_many_upgrade_at_once_and_all_find_it_done(postgres: Server, place: Place, clock: Clock) -> None:
    older.organization(place.database(), clock)
    databases = [place.database() for _ in range(6)]

    def act(database: Any) -> Any:
        async def upgrade() -> None:
            schema.upgrade(database, clock.ambient())

        return upgrade

    assert race([[act(database)] for database in databases]) == ["done"] * 6
    assert postgres.run("SELECT version_num FROM alembic_version", place.url.database) == [(HEAD,)]
    for database in databases:
        database.close()


def test_on_a_server_who_reads_meanwhile_is_answered(
    postgres: Server, tmp_path: Path, clock: Clock, newer: Newer
) -> None:
    place = postgres.acme(tmp_path, clock)
    stores = [open_sql_store(place.database(), None, clock.ambient()) for _ in range(4)]
    # In an order in which no read takes them.
    newer(f"for table in {('invitations', 'workspaces', 'members')}: {ADD.replace(repr('organizations'), 'table')}")
    done = threading.Event()

    def read(opened: SqlStore) -> int:
        count = 0
        while not done.is_set():
            wait(opened.store.general.show())
            wait(opened.store.team.show())
            count += 1
        return count

    with ThreadPoolExecutor(len(stores)) as pool:
        reading = [pool.submit(read, store) for store in stores]
        try:
            with closing(place.database()) as database:
                assert schema.upgrade(database, clock.ambient()) is None
                assert schema.existing(database) == "0999"
            time.sleep(0.1)
        finally:
            done.set()
        assert all(each.result() > 3 for each in reading)
    for store in stores:
        store.close()
    postgres.drop(place)


def test_on_a_server_a_newer_one_is_refused(postgres: Server, place: Place, clock: Clock) -> None:
    older.organization(place.database(), clock, revision=HEAD)
    postgres.run("UPDATE alembic_version SET version_num = '0999'", place.url.database)
    said = f"has schema 0999, newer than this program's {HEAD}: upgrade orgtui"
    for use in (schema.existing, lambda database: schema.upgrade(database, clock.ambient())):
        with closing(place.database()) as database, pytest.raises(StoreRefused, match=said):
            use(database)


def test_a_newer_one_is_refused_and_not_touched(acme: SqliteDatabase, clock: Clock) -> None:
    acme.close()
    with closing(sqlite3.connect(acme.path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()
    before = acme.path.read_bytes()
    with pytest.raises(StoreRefused, match=f"has schema 0999, newer than this program's {HEAD}: upgrade orgtui"):
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
