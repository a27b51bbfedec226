"""Stores that cannot be used, from the command line: one line, exit code 6, and nothing changed."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orgtui.store.sql import schema
from tests.cli.conftest import Run
from tests.cli.test_root import ORGTUI
from tests.conftest import SAMPLES
from tests.places import read_only, read_only_disk
from tests.postgres import Server

CALLS = SAMPLES / "litellm" / "json_array"
WRITES = (
    ["general", "set", "--name", "Mine"],
    ["general", "set", "--description", "New"],
    ["usage", "import", str(CALLS), "--source", "litellm"],
    ["general", "delete", "--confirm", "Acme"],
)
READS = (["general", "show", "--json"], ["usage", "show", "--json"], ["usage", "export"])


def refuses(run: Run, store: Path, words: list[str], said: str) -> None:
    refused = run(*words, at=f"sqlite:///{store}")
    assert refused.code == 6
    assert said in refused.line


def test_a_read_only_disk_is_read_and_not_changed(orgtui: Run, tmp_path: Path) -> None:
    expected = [orgtui(*words) for words in READS]
    before = (tmp_path / "acme.db").read_bytes()
    with read_only_disk(tmp_path) as seen:
        for words in WRITES:
            refuses(orgtui, seen / "acme.db", words, "read-only")
        refuses(orgtui, seen / "new.db", ["init", "--name", "A", "--owner", "a@b.example"], "Read-only file system")
        assert [orgtui(*words, at=f"sqlite:///{seen / 'acme.db'}") for words in READS] == expected
    assert (tmp_path / "acme.db").read_bytes() == before


@pytest.mark.parametrize("which", ["acme.db", "."])
def test_a_read_only_file_or_folder_is_read_and_not_changed(orgtui: Run, tmp_path: Path, which: str) -> None:
    expected = [orgtui(*words) for words in READS]
    before = (tmp_path / "acme.db").read_bytes()
    with read_only(tmp_path / which):
        for words in WRITES:
            refuses(orgtui, tmp_path / "acme.db", words, "read-only")
        assert [orgtui(*words) for words in READS] == expected
    assert (tmp_path / "acme.db").read_bytes() == before


def test_a_file_that_may_not_grow_keeps_what_it_has(orgtui: Run, tmp_path: Path, store: str) -> None:
    limit = (tmp_path / "acme.db").stat().st_size + 4096

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    calls = tmp_path / "calls.jsonl"
    record = {"startTime": "2026-11-05T12:00:00Z", "model": "m", "status": "success", "total_tokens": 1}
    calls.write_text("".join(json.dumps(record | {"id": f"{number:064}"}) + "\n" for number in range(5_000)))
    words = [str(ORGTUI), "--store", store, "usage", "import", str(calls), "--source", "litellm"]
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=lower)
    assert (done.returncode, done.stdout) == (6, "")
    assert "its disk is full or failing" in done.stderr.splitlines()[-1]
    with closing(sqlite3.connect(tmp_path / "acme.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM calls").fetchone()[0] < 5_000
    assert orgtui("general", "show").code == 0


def a_directory(path: Path) -> None:
    path.mkdir()


def a_text(path: Path) -> None:
    path.write_text("No database, but long enough to be looked at closely.\n" * 30)


def another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def a_newer_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE organizations (id TEXT); CREATE TABLE alembic_version (version_num TEXT);"
            "INSERT INTO alembic_version VALUES ('0999')"
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_directory, "is a directory; name the database file itself"),
        (a_text, "is not a sound SQLite database"),
        (another_programs, "is a database of another program"),
        (a_newer_one, f"has schema 0999, newer than this program's {schema.HEAD}: upgrade orgtui to open it"),
    ],
)
def test_what_is_no_store_of_ours_is_left_alone(
    run: Run, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "acme.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for words in (*WRITES, *READS, ["init", "--name", "Acme", "--owner", "ada@acme.example"]):
        refused = run(*words)
        assert refused.code == 6
        assert said in refused.err
        assert refused.err.count("\n") == 1
    assert (path.read_bytes() if path.is_file() else None) == before
    assert [file.name for file in tmp_path.iterdir()] == ["acme.db"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ada:s3cret@127.0.0.1:1/acme", "acme at 127.0.0.1:1 cannot be opened: "),
        ("postgresql://ada:s3cret@nowhere.invalid/acme", "acme at nowhere.invalid cannot be opened: "),
        ("postgresql://ada:s3cret@/acme?host=/nowhere", "acme at /nowhere cannot be opened: "),
        ("postgresql://postgres@/nowhere?host={}", "cannot be opened: database "),
        ("postgresql://guarded:s3cret@/postgres?host={}", "cannot be opened: password authentication failed for user "),
    ],
)
def test_a_server_that_does_not_let_in_is_told_in_one_line_without_a_password(
    run: Run, postgres: Server, url: str, said: str
) -> None:
    url = url.format(postgres.url("").options["host"])
    for words in (*WRITES[:2], *READS, ["init", "--name", "Acme", "--owner", "a@b.example"], ["db", "status"]):
        refused = run(*words, at=url)
        assert refused.code == 6
        assert said in refused.line
        assert "s3cret" not in refused.line


@pytest.mark.soak
def test_a_database_that_another_program_holds_is_waited_for_and_then_told(orgtui: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "acme.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for words in WRITES[:2]:
            refuses(orgtui, tmp_path / "acme.db", words, "is busy: another program has been writing for 10 s")
        assert orgtui("general", "show").code == 0
