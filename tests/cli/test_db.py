"""`orgtui db`: what a database has, its upgrade, and a copy of it in another, on either kind of database."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from orgtui.master_keys import beside
from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.cli.conftest import Run
from tests.cli.test_root import CALLS, ORGTUI
from tests.conftest import OWNER, Clock
from tests.postgres import Place, Server
from tests.store import older

HEAD = schema.HEAD


def newer(place: Place | None, path: Path) -> None:
    """As a later program leaves it."""
    statement = "UPDATE alembic_version SET version_num = '0999'"
    with closing(place.database() if place else SqliteDatabase(path)) as database, database.migrating() as session:
        session.connection().exec_driver_sql(statement)


# Status.


def test_a_current_one_is_left_alone(orgtui: Run, store: str, tmp_path: Path) -> None:
    said = f"{tmp_path / 'acme.db'} has schema {HEAD}, which is this program's own: there is nothing to do.\n"
    for verb in ("status", "upgrade"):
        done = orgtui("db", verb)
        assert (done.code, done.out, done.err) == (0, said, "")
    told = orgtui("db", "status", "--json").json
    assert told == {"store": store, "schema": HEAD, "newest": HEAD, "current": True, "message": said.rstrip()}
    assert orgtui("db", "upgrade", "--json").json == {"store": store, "before": HEAD, "schema": HEAD, "backup": None}
    assert not list(tmp_path.glob("*.backup"))


def test_an_older_file_is_looked_at_and_then_upgraded(run: Run, clock: Clock, store: str, tmp_path: Path) -> None:
    path = tmp_path / "acme.db"
    older.organization(SqliteDatabase(path), clock)
    before = path.read_bytes()
    looked = run("db", "status")
    assert (looked.code, looked.err) == (1, "")
    assert looked.out == (
        f"{path} has schema 0001, older than this program's {HEAD}: it is upgraded when it is next opened, after a "
        "backup, or by `orgtui db upgrade`.\n"
    )
    told = run("db", "status", "--json")
    assert (told.code, told.json["schema"], told.json["current"]) == (1, "0001", False)
    assert path.read_bytes() == before
    done = run("db", "upgrade")
    (backup,) = tmp_path.glob("*.backup")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{path} has schema {HEAD} now; it had 0001.\nAs it was, it is kept in {backup}.\n"
    assert run("db", "status").code == 0
    assert run("audit", "verify").code == 0


def test_an_older_one_on_a_server_waits_for_the_upgrade(run: Run, place: Place, clock: Clock) -> None:
    url = place.url.public
    older.organization(place.database(), clock, revision="0003")
    looked = run("db", "status", at=url)
    assert (looked.code, looked.err) == (1, "")
    said = f"{place.url.place} has schema 0003, older than this program's {HEAD}: make a backup, then run "
    assert looked.out == f"{said}`orgtui db upgrade`.\n"
    refused = run("general", "show", at=url)
    assert (refused.code, refused.line) == (6, f"orgtui: {looked.out.rstrip()}")
    done = run("db", "upgrade", "--json", at=url)
    assert done.json == {"store": url, "before": "0003", "schema": HEAD, "backup": None}
    assert run("general", "show", at=url).code == 0
    assert run("db", "status", at=url).code == 0


@pytest.mark.parametrize("on_server", [False, True], ids=["file", "server"])
def test_a_newer_one_is_refused(
    run: Run, place: Place, clock: Clock, store: str, tmp_path: Path, on_server: bool
) -> None:
    database = place.database() if on_server else SqliteDatabase(tmp_path / "acme.db")
    older.organization(database, clock, revision=HEAD)
    newer(place if on_server else None, tmp_path / "acme.db")
    for verb in ("status", "upgrade"):
        refused = run("db", verb, at=place.url.public if on_server else store)
        assert refused.code == 6
        assert f"has schema 0999, newer than this program's {HEAD}: upgrade orgtui to open it" in refused.line
        problem = json.loads(run("db", verb, "--json", at=place.url.public if on_server else store).line)
        assert problem["title"] == "store_refused"


@pytest.mark.parametrize("verb", ["status", "upgrade"])
def test_where_nothing_is_it_says_how_to_begin(run: Run, place: Place, tmp_path: Path, verb: str) -> None:
    for url in (None, place.url.public):
        refused = run("db", verb, at=url)
        assert refused.code == 4
        assert "orgtui init --name NAME --owner EMAIL" in refused.line
    assert not (tmp_path / "acme.db").exists()


# Copy.


def test_a_copy_goes_to_a_server_and_back(orgtui: Run, place: Place, store: str, tmp_path: Path) -> None:
    url, back = place.url.public, f"sqlite:///{tmp_path / 'back.db'}"
    orgtui("usage", "import", str(CALLS), "--source", "litellm")
    there = orgtui("db", "copy", store, url)
    assert (there.code, there.err) == (0, "")
    copied, digest, log, keys, then = there.out.splitlines()
    rows = int(copied.removesuffix(" rows, each as it was.").rpartition(" ")[2])
    assert copied == f"Acme is copied from {tmp_path / 'acme.db'} to {place.url.place}: {rows} rows, each as it was."
    assert re.fullmatch("SHA-256 of all rows: [0-9a-f]{64}", digest)
    assert re.fullmatch("Its audit log is whole, and ends with 2:[0-9a-f]{64}.", log)
    assert keys == f"Its master key file is {place.url.key_path}, a copy of {beside(tmp_path / 'acme.db')}."
    assert then == f"Open it: orgtui --store {shlex.quote(url)}"
    again = orgtui("db", "copy", url, back, "--json").json
    assert (again["from"], again["to"], again["rows"]) == (url, back, rows)
    assert f"SHA-256 of all rows: {again['sha256']}" == digest
    assert sum(again["tables"].values()) == rows
    (head,) = again["audit_heads"].values()
    assert head in log
    assert (again["master_key_file"], again["master_key_copied"]) == (str(beside(tmp_path / "back.db")), True)
    for words in (["general", "show"], ["usage", "show", "--json"], ["audit", "verify", "--head", head]):
        assert orgtui(*words, at=url) == orgtui(*words, at=back) == orgtui(*words)


def test_one_key_file_serves_both(orgtui: Run, place: Place, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = orgtui("db", "copy", store, f"{store}.first", "--json").json["master_key_file"]
    monkeypatch.setenv("ORGTUI_MASTER_KEY_FILE", path)
    copied = orgtui("db", "copy", store, place.url.public)
    assert f"Its master key file is {path}, there already, with the keys of {path}." in copied.out
    assert not place.url.key_path.exists()


def test_a_stranger_copies_nothing(orgtui: Run, place: Place, store: str, tmp_path: Path) -> None:
    refused = orgtui("--as", "nobody@x.example", "db", "copy", store, place.url.public)
    assert refused.code == 3
    assert "nobody@x.example is not a member" in refused.line
    assert orgtui("db", "status", at=place.url.public).code == 4


def test_what_cannot_be_copied_is_one_line(orgtui: Run, place: Place, store: str, tmp_path: Path) -> None:
    url, other = place.url.public, f"sqlite:///{tmp_path / 'other.db'}"
    assert orgtui("db", "copy", store, url).code == 0
    assert orgtui("init", "--name", "Other", "--owner", OWNER, at=other).code == 0
    full = orgtui("db", "copy", store, url)
    assert (full.code, "is not empty: there are rows in" in full.line) == (5, True)
    (tmp_path / "other.db").unlink()
    keys = orgtui("db", "copy", store, other, "--json")
    told = json.loads(keys.line)["detail"]
    assert keys.code == 6
    assert str(beside(tmp_path / "acme.db")) in told
    assert str(beside(tmp_path / "other.db")) in told
    assert not (tmp_path / "other.db").exists()
    nothing = orgtui("db", "copy", other, f"{store}.new")
    assert (nothing.code, "There is no organization" in nothing.line) == (4, True)
    for urls in ((store, "postgresql://ada:s3cret@"), ("postgresql://ada:s3cret@:x/y", store)):
        wrong = orgtui("db", "copy", *urls)
        assert wrong.code == 2
        assert "s3cret" not in wrong.line
    for words in (["status"], ["upgrade"], ["copy", store, "https://x.example"], ["copy", "https://x.example", store]):
        elsewhere = orgtui("db", *words, at="https://x.example")
        assert (elsewhere.code, "do it where the server runs" in elsewhere.line) == (2, True)


def test_an_older_file_is_upgraded_before_it_is_copied(
    run: Run, place: Place, clock: Clock, store: str, tmp_path: Path
) -> None:
    older.organization(SqliteDatabase(tmp_path / "acme.db"), clock)
    assert run("db", "copy", store, place.url.public).code == 0
    assert len(list(tmp_path.glob("*.backup"))) == 1
    assert run("audit", "verify", at=place.url.public).code == 0


@pytest.mark.soak
def test_a_large_one_is_never_held_in_memory(orgtui: Run, postgres: Server, store: str, tmp_path: Path) -> None:
    most = []
    for rows in (2_000, 200_000):
        with closing(sqlite3.connect(tmp_path / "acme.db")) as connection, connection:
            connection.executemany(
                "INSERT INTO calls SELECT id, 'litellm', ?, '2026-11-05', '', NULL, 0, 'openai', 'gpt-4o', 0, 0, 1000,"
                " 100, 1100, 0, '0.0035', NULL, 'USD', 'credits', '3.2', '0.0112' FROM organizations",
                ((f"{rows} {number:064}",) for number in range(rows)),
            )
        place = postgres.empty(tmp_path / "unused")
        most += [peak(store, place.url.public), peak(place.url.public, f"sqlite:///{tmp_path / f'{rows}.db'}")]
        postgres.drop(place)
    # What a program needs at all is several times as much.
    assert max(most) < min(most) + 20_000


def peak(source: str, target: str) -> int:
    """How many kilobytes a copy takes at most."""
    copying = subprocess.Popen([ORGTUI, "db", "copy", source, target], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(copying.pid, 0)
    copying.returncode = os.waitstatus_to_exitcode(status)
    assert copying.returncode == 0
    return used.ru_maxrss
