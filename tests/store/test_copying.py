"""A copy of a database in another: every row of one moment and the keys that open it, or nothing at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import AlreadyThere, NotFound, StoreRefused, Unreachable
from orgtui.master_keys import MasterKeys, beside
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.workspaces import Inventory
from orgtui.store.sql import copying, schema
from orgtui.store.sql.copying import Copied, Progress
from orgtui.store.sql.database import Database
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.contract.arguments import keep, people, subscription
from tests.contract.backends import TABLES
from tests.contract.conftest import wait
from tests.postgres import Place, Server
from tests.store import older
from tests.store.races import race

# What sorts in another way wherever anybody's language is asked, and what means something to somebody on the way.
WORDS = ("Z", "a", "B", "_", "é", "ß", "ﬁ", "😀", "\uffee", "a b", "a-b", "", "'; --", "%(id)s %s :id", "\\", "{}")
Everything = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Path:
    """A file of Acme with something in each of its tables."""
    path, clock = tmp_path_factory.mktemp("filled") / "acme.db", Clock(datetime(2026, 11, 23, 12, tzinfo=UTC))
    copy_of_acme(templates, path, clock)
    opened = open_sql_store(SqliteDatabase(path), OWNER, clock.ambient())
    world = wait(people(opened.store, opened.platform))
    wait(keep(opened.platform, subscription()))
    wait(opened.store.api_keys.set_fallback("openai", True))
    wait(opened.platform.workspaces.set_inventory(world.workspace, Inventory(workflows={"1": "A"}, agents={"2": "B"})))
    with idempotency_key("once"):
        wait(opened.store.general.save(GeneralChanges(seen=1, description="Ünïcode")))
    opened.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs SELECT id, 'n8n', ?, '2026-11-05', '', NULL, 'new', 'webhook', 'running', 0, NULL, NULL,"
            " ? FROM organizations",
            [(f"run {word}", word) for word in WORDS],
        )
        connection.executemany(
            "INSERT INTO access_tokens SELECT org_id, ?, kind, name, ?, member_id, maker, ?, scopes, created_at,"
            " expires_at, NULL FROM access_tokens LIMIT 1",
            # Each hangs from one that stands after it.
            [("0", "hash 0", "1"), ("1", "hash 1", "2"), ("2", "hash 2", "3"), ("3", "hash 3", None)],
        )
    return path


@pytest.fixture
def full(filled: Path, database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> SqliteDatabase:
    """The same, for one test; more than a batch in many of its tables."""
    monkeypatch.setattr(copying, "BATCH", 3)
    shutil.copyfile(filled, database.path)
    database.path.chmod(0o600)
    shutil.copytree(beside(filled).parent, beside(database.path).parent)
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Where nothing is yet."""
    if request.param == "sqlite":
        made: Database = SqliteDatabase(tmp_path / "new" / "acme.db")
    else:
        made = request.getfixturevalue("place").database()
    yield made
    made.close()


def copy(source: Database, target: Database, progress: Progress | None = None) -> Copied:
    return copying.copy(source, target, system_ambient(), progress)


def everything(database: Database) -> Everything:
    """All rows of all tables."""
    with database.reading() as rows:
        found = {table: rows.all(f"SELECT * FROM {table}") for table in TABLES}
    return {table: sorted((tuple(map(_plain, row)) for row in rows), key=repr) for table, rows in found.items()}


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def is_empty(database: Database) -> bool:
    """Whether no row of anything is there, nor a key."""
    if isinstance(database, SqliteDatabase) and not database.path.exists():
        return not database.keys.path.exists()
    with database.reading() as rows:
        tables = database.tables(rows) - {"alembic_version"}
        return not database.keys.path.exists() and not any(rows.all(f"SELECT * FROM {table}") for table in tables)


def run(database: Database, sql: str) -> None:
    """Plain SQL, past every operation."""
    with database.writing() as session:
        session.connection().exec_driver_sql(sql)


# All of it.


def test_everything_is_there_and_back(full: SqliteDatabase, place: Place, tmp_path: Path, clock: Clock) -> None:
    before = everything(full)
    assert all(before.values())
    there, back = place.database(), SqliteDatabase(tmp_path / "back" / "acme.db")
    to, fro = copy(full, there), copy(there, back)
    assert everything(there) == everything(back) == everything(full) == before
    assert (to, to.keys_carried, fro.keys_carried) == (fro, True, True)
    assert to.tables == {table: len(rows) for table, rows in before.items()}
    assert to.rows == sum(map(len, before.values()))
    for database in (there, back):
        opened = open_sql_store(database, OWNER, clock.ambient())
        assert wait(opened.platform.api_keys.use("mistral")).secret == "m" * 32
        assert wait(opened.store.audit.verify(*to.heads.values())).sound
        with idempotency_key("once"):
            kept = wait(opened.store.general.save(GeneralChanges(seen=1, description="Ünïcode")))
        assert kept.description == "Ünïcode"
        opened.close()
        for path, mode in ((database.keys.path, 0o600), (database.keys.path.parent, 0o700)):
            assert path.stat().st_mode & 0o777 == mode
    assert back.path.stat().st_mode & 0o777 == 0o600


def test_the_digest_is_of_the_rows_and_not_of_the_batches(
    full: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for size in (1, 4, 1_000):
        monkeypatch.setattr(copying, "BATCH", size)
        digests.append(copy(full, SqliteDatabase(tmp_path / str(size) / "acme.db")).digest)
    run(full, "UPDATE members SET name = 'Adah' WHERE name = 'Ada'")
    run(full, "UPDATE runs SET workflow = NULL WHERE workflow = ''")
    digests.append(copy(full, SqliteDatabase(tmp_path / "other" / "acme.db")).digest)
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_progress_ends_where_it_should(full: SqliteDatabase, target: Database) -> None:
    told: list[tuple[int, int]] = []
    copied = copy(full, target, lambda done, total: told.append((done, total)))
    assert told[-1] == (copied.rows, copied.rows)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_is_written_meanwhile_is_not_in_it(full: SqliteDatabase, target: Database, clock: Clock) -> None:
    before = everything(full)
    opened = open_sql_store(SqliteDatabase(full.path), OWNER, clock.ambient())

    def write(done: int, total: int) -> None:
        seen = wait(opened.store.general.show()).version
        wait(opened.store.general.save(GeneralChanges(seen=seen, description=f"{done} of {total}")))

    copied = copy(full, target, write)
    opened.close()
    assert everything(target) == before != everything(full)
    assert copied.rows == sum(map(len, before.values()))


def test_the_same_from_a_server_where_others_write(
    full: SqliteDatabase, place: Place, tmp_path: Path, clock: Clock
) -> None:
    there = place.database()
    copy(full, there)
    before = everything(there)
    opened = open_sql_store(place.database(), OWNER, clock.ambient())

    def write(done: int, total: int) -> None:
        seen = wait(opened.store.general.show()).version
        wait(opened.store.general.save(GeneralChanges(seen=seen, description=f"{done} of {total}")))

    back = SqliteDatabase(tmp_path / "back.db")
    copy(there, back, write)
    opened.close()
    assert everything(back) == before != everything(there)


# Where it goes.


def test_a_target_that_was_only_prepared_will_do(full: SqliteDatabase, target: Database) -> None:
    target.create()
    schema.make(target)
    copy(full, target)
    assert everything(target) == everything(full)


def test_a_target_of_an_older_schema_is_upgraded(full: SqliteDatabase, target: Database) -> None:
    target.create()
    with target.migrating() as session:
        older.migrate(session, "0001")
    copy(full, target)
    assert schema.existing(target) == schema.HEAD
    assert everything(target) == everything(full)


@pytest.mark.parametrize("revision", ["0001", schema.HEAD])
def test_a_target_with_anything_in_it_is_left_alone(
    full: SqliteDatabase, target: Database, clock: Clock, revision: str
) -> None:
    older.organization(target, clock, revision=revision)
    target.keys.path.unlink(missing_ok=True)
    with pytest.raises(AlreadyThere, match="is not empty: there are rows in audit"):
        copy(full, target)
    assert schema.existing(target) == revision
    with target.reading() as rows:
        assert rows.all("SELECT id FROM organizations") == [(older.ORGANIZATION,)]
    assert not target.keys.path.exists()


def test_one_row_is_enough(full: SqliteDatabase, target: Database) -> None:
    target.create()
    schema.make(target)
    run(
        target,
        "INSERT INTO organizations (id, name, description, timezone, currency, plan, credit_rate, created_at, version,"
        " revision) VALUES ('org', 'Other', '', 'UTC', 'EUR', 'free', '1', 0, 1, 0)",
    )
    with pytest.raises(AlreadyThere, match="organizations"):
        copy(full, target)


def test_itself_is_no_target(full: SqliteDatabase) -> None:
    with pytest.raises(AlreadyThere):
        copy(full, SqliteDatabase(full.path))


def test_another_programs_database_is_no_target(full: SqliteDatabase, place: Place, postgres: Server) -> None:
    postgres.run("CREATE TABLE songs (title text)", place.url.database)
    with pytest.raises(StoreRefused, match="is a database of another program"):
        copy(full, place.database())
    assert not place.keys.exists()


def test_of_many_copies_at_once_one_is_there(full: SqliteDatabase, target: Database, place: Place) -> None:
    def act() -> Callable[..., Any]:
        own = SqliteDatabase(target.path) if isinstance(target, SqliteDatabase) else place.database()

        async def go() -> None:
            with closing(own):
                copy(SqliteDatabase(full.path), own)

        return go

    outcomes = race([[act()] for _ in range(4)])
    assert sorted(outcomes) == ["already_there"] * 3 + ["done"]
    assert everything(target) == everything(full)


def test_who_founds_meanwhile_is_too_late(full: SqliteDatabase, target: Database, place: Place, clock: Clock) -> None:
    other = SqliteDatabase(target.path) if isinstance(target, SqliteDatabase) else place.database(patience=0.1)
    told = []

    def found_too(_done: int, _total: int) -> None:
        if not told:
            with pytest.raises(Unreachable, match="busy") as refused:
                found(other, Founding(name="Other", owner="eve@acme.example"), clock.ambient())
            told.append(refused.value)

    if isinstance(other, SqliteDatabase):
        other = SqliteDatabase(other.path, patience=0.1)
    copy(full, target, found_too)
    assert told
    assert everything(target) == everything(full)


# Where it comes from.


def test_an_older_source_is_not_changed(tmp_path: Path, place: Place, target: Database, clock: Clock) -> None:
    source = SqliteDatabase(tmp_path / "older.db")
    older.organization(source, clock)
    with pytest.raises(StoreRefused, match="has schema 0001, older than"):
        copy(source, target)
    assert schema.existing(source) == "0001"
    assert is_empty(target)


def test_where_nothing_is_nothing_is_copied(tmp_path: Path, target: Database) -> None:
    with pytest.raises(NotFound):
        copy(SqliteDatabase(tmp_path / "none.db"), target)
    assert is_empty(target)


def test_a_log_that_was_tampered_with_is_not_copied(full: SqliteDatabase, target: Database) -> None:
    run(full, "DROP TRIGGER audit_is_not_changed")
    run(full, "UPDATE audit SET actor = 'eve@acme.example' WHERE seq = 2")
    with pytest.raises(StoreRefused, match=r"The audit log of Acme was tampered with.*Row 2"):
        copy(full, target)
    assert is_empty(target)


def test_what_a_database_changes_by_itself_is_noticed(full: SqliteDatabase, place: Place, postgres: Server) -> None:
    there = place.database()
    schema.make(there)
    name = place.url.database
    postgres.run(
        "CREATE FUNCTION shorten() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.workflow := left(NEW.workflow, 1); RETURN NEW; END $$",
        name,
    )
    postgres.run("CREATE TRIGGER shorten BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION shorten()", name)
    with pytest.raises(StoreRefused, match="kept something else than it was given"):
        copy(full, there)
    assert is_empty(there)


def test_a_row_that_is_not_kept_is_noticed(full: SqliteDatabase, place: Place, postgres: Server) -> None:
    there = place.database()
    schema.make(there)
    postgres.run(
        "CREATE RULE lose AS ON INSERT TO runs WHERE NEW.workflow = 'Z' DO INSTEAD NOTHING", place.url.database
    )
    with pytest.raises(StoreRefused, match="kept something else than it was given"):
        copy(full, there)
    assert is_empty(there)


def test_text_that_a_server_does_not_keep_is_told(full: SqliteDatabase, place: Place) -> None:
    run(full, "UPDATE runs SET workflow = 'a' || char(0) WHERE workflow = 'a'")
    with pytest.raises(StoreRefused, match="keeps no text with a NUL character in it; nothing was changed"):
        copy(full, place.database())
    assert is_empty(place.database())


@pytest.mark.parametrize("which", ["source", "target"])
def test_a_server_that_goes_away_leaves_nothing_half_done(
    full: SqliteDatabase, postgres: Server, place: Place, tmp_path: Path, which: str
) -> None:
    one, other = place.database(), SqliteDatabase(tmp_path / "back.db")
    source: Database = full
    if which == "source":
        copy(full, one)
        source, target = one, other
    else:
        target = one

    def kill(done: int, total: int) -> None:
        if total // 2 <= done < total // 2 + 3:
            postgres.kill()

    try:
        with pytest.raises(Unreachable, match="ended the connection"):
            copy(source, target, kill)
    finally:
        postgres.start()
    # Whose connections of before are of no use any more.
    one.close()
    assert is_empty(target)
    copy(source, target)
    assert everything(target) == everything(full)


# The keys.


def test_keys_that_are_there_already_stay(full: SqliteDatabase, target: Database) -> None:
    kept = SqliteDatabase(full.path, keys=target.keys.path)
    target.keys.path.parent.mkdir(mode=0o700, parents=True)
    full.keys.path.rename(target.keys.path)
    before = target.keys.path.stat()
    assert not copy(kept, target).keys_carried
    assert os.path.samestat(target.keys.path.stat(), before)
    assert everything(target) == everything(full)


def test_other_keys_are_left_alone(full: SqliteDatabase, target: Database) -> None:
    MasterKeys.open(target.keys.path, random=os.urandom, create=True)
    before = target.keys.path.read_bytes()
    said = f"{target.keys.path} holds other master keys than {full.keys.path}, which are needed there: move it away"
    with pytest.raises(StoreRefused, match=said):
        copy(full, target)
    assert target.keys.path.read_bytes() == before
    target.keys.path.unlink()
    assert is_empty(target)


def test_keys_of_before_a_rotation_are_other_keys(full: SqliteDatabase, target: Database) -> None:
    target.keys.path.parent.mkdir(mode=0o700, parents=True)
    target.keys.path.write_bytes(full.keys.path.read_bytes())
    target.keys.path.chmod(0o600)
    MasterKeys.open(full.keys.path, random=os.urandom, create=False).rotate()
    with pytest.raises(StoreRefused, match="holds other master keys"):
        copy(full, target)


def test_without_its_keys_nothing_is_copied(full: SqliteDatabase, target: Database) -> None:
    full.keys.path.unlink()
    with pytest.raises(StoreRefused, match="There is no master key at"):
        copy(SqliteDatabase(full.path), target)
    assert is_empty(target)


def test_keys_that_are_rotated_meanwhile_make_no_copy(full: SqliteDatabase, target: Database) -> None:
    keys = MasterKeys.open(beside(full.path), random=os.urandom, create=False)

    def rotate(done: int, total: int) -> None:
        if done == total:
            keys.rotate()

    with pytest.raises(StoreRefused, match="were changed meanwhile; nothing was copied"):
        copy(full, target, rotate)
    assert is_empty(target)
    assert copy(full, target).keys_carried
    assert everything(target) == everything(full)
