"""`orgtui db`: what a database has, its upgrade, and a copy of it in another, on either kind of database."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.cli.conftest import Run
from tests.conftest import Clock
from tests.postgres import Place
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
