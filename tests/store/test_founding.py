"""How an organization begins: all of it or nothing, and once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import AlreadyThere, Invalid, OrgtuiError
from orgtui.store.sql import schema
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import OWNER, Clock


def _race(path: Path, start: Any, outcome: Any) -> None:
    start.wait()
    try:
        found(SqliteDatabase(path), Founding(name="Acme", owner=OWNER), system_ambient())
        outcome.put("founded")
    except OrgtuiError as error:
        outcome.put(error.code)


def test_of_those_who_found_at_once_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["orgtui.store.sql.founding", "orgtui.store.sql.tables", "alembic.command"])
    path = tmp_path / "data" / "acme.db"
    start, outcome = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_race, args=(path, start, outcome)) for _ in range(4)]
    for process in processes:
        process.start()
    codes = sorted(outcome.get(timeout=30) for _ in processes)
    for process in processes:
        process.join()
    assert codes == ["already_there"] * 3 + ["founded"]
    with SqliteDatabase(path).reading() as rows:
        for table in ("organizations", "members", "workspaces", "audit"):
            assert rows.value(f"SELECT count(*) FROM {table}") == 1


def test_what_was_begun_and_not_finished_is_finished(database: SqliteDatabase, clock: Clock) -> None:
    database.create()
    schema.make(database)
    found(database, Founding(name="Acme", owner=OWNER), clock.ambient())
    with database.reading() as rows:
        assert rows.value("SELECT name FROM organizations") == "Acme"


def test_a_second_organization_is_refused_and_the_first_stays(acme: SqliteDatabase, clock: Clock) -> None:
    with pytest.raises(AlreadyThere, match="already holds the organization Acme"):
        found(acme, Founding(name="Other", owner="eve@acme.example"), clock.ambient())
    with acme.reading() as rows:
        assert rows.all("SELECT email FROM members") == [(OWNER,)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "Acme\x1b[0m"}, "name"),
        ({"owner": "nobody"}, "email"),
        ({"owner_name": "x" * 61}, "owner_name"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"plan": "gold"}, "plan"),
    ],
)
def test_a_bad_word_makes_no_file(database: SqliteDatabase, clock: Clock, changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        found(database, Founding(**({"name": "Acme", "owner": OWNER} | changes)), clock.ambient())
    assert refused.value.field == field
    assert not database.path.exists()
