"""The SQLite file: private, durable, and clear about why it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from orgtui.domain.errors import NotFound, OrgtuiError, StoreRefused, Unreachable
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import OWNER, Clock
from tests.places import fill, read_only, read_only_disk, small_disk


def name_of(database: SqliteDatabase) -> str:
    with database.reading() as rows:
        return str(rows.value("SELECT name FROM organizations"))


def rename(database: SqliteDatabase, name: str) -> None:
    with database.writing() as session:
        session.connection().execute(text("UPDATE organizations SET name = :name"), {"name": name})


def leave_log(path: Path) -> None:
    """What a killed process leaves: a change that is committed, and stands in the log only."""
    script = "UPDATE organizations SET name = 'From the log'"
    pid = os.fork()
    if pid == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(script)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert Path(f"{path}-wal").stat().st_size > 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Privacy and durability.


def test_only_its_owner_can_read_the_file_its_log_and_a_folder_made_for_it(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "data" / "orgtui" / "acme.db"
    old = os.umask(0)
    try:
        database = SqliteDatabase(path)
        found(database, Founding(name="Acme", owner=OWNER), clock.ambient())
        with database.writing():
            modes = {str(file.relative_to(path.parent)): mode(file) for file in path.parent.rglob("*")}
        database.backup(tmp_path / "copy.db")
    finally:
        os.umask(old)
    assert modes == {
        "acme.db": 0o600,
        "acme.db-wal": 0o600,
        "acme.db-shm": 0o600,
        "acme.db.keys": 0o700,
        "acme.db.keys/master.key": 0o600,
    }
    assert mode(path.parent) == 0o700
    assert mode(tmp_path / "copy.db") == 0o600
    database.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_is_gone_takes_nothing_more(acme: SqliteDatabase, again: bool) -> None:
    """Else what is written to it would be acknowledged, and lost."""
    away = acme.path.with_name("away.db")
    rename(acme, "Before")
    name_of(acme)
    acme.path.rename(away)
    for _ in range(2):
        with pytest.raises(StoreRefused, match="is gone while it was open"):
            rename(acme, "Lost")
        with pytest.raises(StoreRefused, match="is gone while it was open"):
            name_of(acme)
    if again:
        away.rename(acme.path)
        rename(acme, "After")
        assert name_of(acme) == "After"


def test_a_file_in_its_place_is_another(acme: SqliteDatabase) -> None:
    rename(acme, "Before")
    copy = acme.path.with_name("copy.db")
    acme.backup(copy)
    copy.replace(acme.path)
    with pytest.raises(StoreRefused, match="was replaced by another file"):
        rename(acme, "Lost")
    with pytest.raises(StoreRefused, match="was replaced by another file"):
        name_of(acme)
    with closing(sqlite3.connect(acme.path)) as theirs:
        assert theirs.execute("SELECT name FROM organizations").fetchone() == ("Before",)
    acme.close()
    rename(acme, "After")
    assert name_of(acme) == "After"


def test_every_connection_is_durable_and_keeps_foreign_keys(acme: SqliteDatabase) -> None:
    wanted = [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)]
    for pragma, value in wanted:
        with acme.reading() as rows:
            assert rows.value(f"PRAGMA {pragma}") == value
        with acme.writing() as session:
            assert session.connection().exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_a_file_in_another_mode_is_brought_into_wal_by_the_first_write(acme: SqliteDatabase) -> None:
    acme.close()
    with closing(sqlite3.connect(acme.path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    assert name_of(acme) == "Acme"
    rename(acme, "Acme AG")
    assert name_of(acme) == "Acme AG"
    with acme.reading() as rows:
        assert rows.value("PRAGMA journal_mode") == "wal"


def test_that_first_write_waits_for_another_program_s(acme: SqliteDatabase) -> None:
    acme.close()
    with closing(sqlite3.connect(acme.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN IMMEDIATE")
        hasty = SqliteDatabase(acme.path, patience=0.1)
        with pytest.raises(Unreachable, match="is busy"):
            rename(hasty, "Too soon")
        hasty.close()
        release = threading.Timer(0.2, other.rollback)
        release.start()
        rename(acme, "Acme AG")
        release.join()
    assert name_of(acme) == "Acme AG"


def test_an_error_inside_a_write_takes_all_of_it_back(acme: SqliteDatabase) -> None:
    def fail() -> None:
        with acme.writing() as session:
            session.connection().execute(text("UPDATE organizations SET name = 'Half'"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert name_of(acme) == "Acme"


def test_a_read_sees_one_moment_whatever_is_written_meanwhile(acme: SqliteDatabase) -> None:
    with acme.reading() as rows:
        before = rows.value("SELECT name FROM organizations")
        rename(acme, "Acme AG")
        assert rows.value("SELECT name FROM organizations") == before == "Acme"
    assert name_of(acme) == "Acme AG"


def test_a_backup_is_whole_while_others_write(acme: SqliteDatabase, tmp_path: Path) -> None:
    rename(acme, "Acme AG")
    with acme.writing() as session:
        session.connection().execute(text("UPDATE organizations SET name = 'Not yet'"))
        acme.backup(tmp_path / "copy.db")
    copy = SqliteDatabase(tmp_path / "copy.db")
    assert name_of(copy) == "Acme AG"
    copy.close()
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]


def test_a_file_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "none.db")
    with pytest.raises(NotFound):
        database.check()
    with pytest.raises(StoreRefused), database.reading():
        pass
    with pytest.raises(StoreRefused):
        rename(database, "Acme")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["100% sure?#1.db", ":memory:", "file:x?mode=memory"])
def test_any_file_name_is_a_file(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    database = SqliteDatabase(Path(name))
    found(database, Founding(name="Acme", owner=OWNER), clock.ambient())
    assert (tmp_path / name).stat().st_size > 0
    assert name_of(SqliteDatabase(tmp_path / name)) == "Acme"


# What cannot be used.


def test_a_database_that_another_program_writes_is_busy_for_writers_only(acme: SqliteDatabase) -> None:
    hasty = SqliteDatabase(acme.path, patience=0.1)
    with acme.writing():
        assert name_of(hasty) == "Acme"
        with pytest.raises(Unreachable, match=r"is busy: another program has been writing for 0\.1 s"):
            rename(hasty, "Acme AG")
    rename(hasty, "Acme AG")
    hasty.close()


def test_two_writers_wait_for_each_other(acme: SqliteDatabase) -> None:
    def count() -> None:
        database = SqliteDatabase(acme.path)
        for _ in range(20):
            with database.writing() as session:
                session.connection().execute(text("UPDATE organizations SET version = version + 1"))
        database.close()

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with acme.reading() as rows:
        assert rows.value("SELECT version FROM organizations") == 61


def test_on_a_read_only_disk_it_can_be_read_and_not_changed(acme: SqliteDatabase, tmp_path: Path) -> None:
    acme.close()
    with read_only_disk(tmp_path) as seen:
        database = SqliteDatabase(seen / "acme.db")
        assert name_of(database) == "Acme"
        with pytest.raises(StoreRefused, match="cannot be changed: the file, its folder or its disk is read-only"):
            rename(database, "Acme AG")
        rename(acme, "Changed elsewhere")
        acme.close()
        assert name_of(database) == "Changed elsewhere"
        database.close()
        with pytest.raises(StoreRefused, match="Read-only file system"):
            SqliteDatabase(seen / "new.db").create()


def test_on_a_read_only_disk_committed_changes_in_the_log_are_seen_or_missed_aloud(
    acme: SqliteDatabase, tmp_path: Path
) -> None:
    acme.close()
    leave_log(acme.path)
    with read_only_disk(tmp_path) as seen:
        database = SqliteDatabase(seen / "acme.db")
        assert name_of(database) == "From the log"
        database.close()
        Path(f"{acme.path}-shm").unlink()
        with pytest.raises(StoreRefused, match="was not closed cleanly"):
            name_of(database)
    assert name_of(acme) == "From the log"


@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_read_only_file_or_folder_can_be_read(acme: SqliteDatabase, which: str) -> None:
    acme.close()
    with read_only(acme.path if which == "file" else acme.path.parent):
        assert name_of(acme) == "Acme"
        with pytest.raises(StoreRefused, match="read-only"):
            rename(acme, "Acme AG")
        acme.close()


def test_a_full_disk_changes_nothing_and_can_still_be_read(tmp_path: Path, clock: Clock) -> None:
    with small_disk(tmp_path / "disk", 600) as disk:
        database = SqliteDatabase(disk / "acme.db")
        found(database, Founding(name="Acme", owner=OWNER), clock.ambient())
        assert name_of(database) == "Acme"
        filler = fill(disk)
        with pytest.raises(StoreRefused, match="full"):
            rename(database, "x" * 100_000)
        assert name_of(database) == "Acme"
        filler.unlink()
        rename(database, "Acme AG")
        assert name_of(database) == "Acme AG"
        database.close()


def test_a_backup_that_does_not_fit_leaves_nothing_behind(acme: SqliteDatabase, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(StoreRefused):
            acme.backup(disk / "copy.db")
        assert list(disk.iterdir()) == []


def test_what_is_no_database_is_named_for_what_it_is(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "text.db").write_text("This is not a database, though it is long enough to be looked at." * 20)
    (tmp_path / "link.db").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.db")
    for name, words in (
        ("text.db", "not a sound SQLite database"),
        ("link.db", "is a directory; name the database file itself"),
        ("pipe.db", "not a regular file"),
        ("text.db/acme.db", "Not a directory"),
        (f"{'x' * 300}.db", "File name too long"),
    ):
        with pytest.raises(OrgtuiError, match=words) as refused:
            found(SqliteDatabase(tmp_path / name), Founding(name="Acme", owner=OWNER), clock.ambient())
        assert refused.value.exit_code == 6
        assert "\n" not in refused.value.message


def test_a_damaged_file_is_said_to_be_damaged(acme: SqliteDatabase) -> None:
    acme.close()
    with acme.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(acme.path.stat().st_size - 4096))
    with pytest.raises(StoreRefused, match="not a sound SQLite database: restore it from a backup"):
        name_of(acme)
