"""The command line as a whole: init, who acts, what is wrong in one line, and streams that go away."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest

from orgtui.cli.usage import BATCH
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.cli.conftest import NOW, Run
from tests.conftest import OWNER, SAMPLES
from tests.postgres import Place

ORGTUI = Path(sys.executable).with_name("orgtui")
CALLS = SAMPLES / "litellm" / "ndjson"


def test_init_makes_an_organization_that_opens(run: Run, tmp_path: Path, store: str) -> None:
    made = run("init", "--name", "Acme", "--owner", OWNER, "--owner-name", "Ada", "--timezone", "Europe/Berlin")
    path = tmp_path / "acme.db"
    assert (made.code, made.err) == (0, "")
    assert made.out == f"Acme is ready at {path}. Open it: orgtui --store {store}\n"
    shown = run("general", "show", "--json").json
    assert (shown["organization_name"], shown["timezone"], shown["members"]) == ("Acme", "Europe/Berlin", 1)
    assert shown["created"].startswith(NOW.strftime("%Y-%m-%dT%H:%M"))


def test_init_makes_an_organization_on_a_server_that_opens(run: Run, place: Place) -> None:
    url = place.url.public
    made = run("init", "--name", "Acme", "--owner", OWNER, "--timezone", "Europe/Berlin", at=url)
    assert (made.code, made.err) == (0, "")
    assert made.out == f"Acme is ready at {place.url.place}. Open it: orgtui --store {shlex.quote(url)}\n"
    shown = run("general", "show", "--json", at=url).json
    assert (shown["organization_name"], shown["timezone"], shown["members"]) == ("Acme", "Europe/Berlin", 1)
    assert run("general", "set", "--name", "Acme AG", at=url).code == 0
    assert run("audit", "verify", at=url).code == 0
    assert run("team", "list", "--json", at=url).json["members"][0]["email"] == OWNER
    assert place.url.key_path.stat().st_mode & 0o777 == 0o600
    assert run("init", "--name", "Other", "--owner", "eve@acme.example", at=url).code == 5


def test_init_says_what_it_made(run: Run, tmp_path: Path) -> None:
    made = run("init", "--name", "Acme", "--owner", OWNER, "--json")
    assert set(made.json) == {"organization", "store"}
    assert made.json["store"] == f"sqlite:///{tmp_path / 'acme.db'}"


def test_init_takes_the_store_before_or_after_its_name(run: Run, tmp_path: Path) -> None:
    run("init", "--name", "Acme", "--owner", OWNER, "--store", f"sqlite:///{tmp_path / 'other.db'}")
    assert [file.name for file in tmp_path.glob("*.db")] == ["other.db"]


def test_a_second_init_is_a_conflict(orgtui: Run) -> None:
    again = orgtui("init", "--name", "Other", "--owner", "eve@acme.example")
    assert again.code == 5
    assert "already holds the organization Acme" in again.line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--owner", OWNER], "required: --name"),
        (["--name", "Acme", "--owner", "nobody"], "“nobody” is not an e-mail address"),
        (["--name", "Acme", "--owner", OWNER, "--timezone", "Berlin"], "“Berlin” is not a timezone"),
        (["--name", "", "--owner", OWNER], "Organization Name cannot be empty"),
    ],
)
def test_what_is_wrong_with_an_init_is_one_line_and_makes_nothing(
    run: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    refused = run("init", *words)
    assert refused.code == 2
    assert said in refused.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "nonsense"),
        (["usage"], "VERB"),
        (["usage", "nonsense"], "nonsense"),
        (["usage", "show", "--month"], "--month"),
        (["usage", "show", "--nonsense"], "--nonsense"),
        (["usage", "import", "x", "--source", "nobody"], "nobody"),
        (["demo", "--today", "tomorrow"], "“tomorrow” is not a date"),
        (["demo", "--today", "1066-10-14"], "from 2000 to 2099"),
        (["demo", "--slow", "-1"], "from 0 to 3600"),
        (["demo", "--slow", "nan"], "from 0 to 3600"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, words: list[str], said: str) -> None:
    refused = run(*words)
    assert refused.code == 2
    assert refused.line.startswith("orgtui: ")
    assert said in refused.line


def test_with_json_an_error_is_problem_details_on_stderr(orgtui: Run) -> None:
    refused = orgtui("usage", "show", "--month", "2026-13", "--json")
    problem = json.loads(refused.line)
    assert refused.code == 2
    assert (problem["type"], problem["status"], problem["field"]) == ("orgtui:invalid", 422, "month")
    assert "2026-13" in problem["detail"]
    assert json.loads(orgtui("usage", "nonsense", "--json").line)["title"] == "invalid"


def test_an_error_cannot_speak_to_the_terminal(run: Run) -> None:
    refused = run("usage", "show", "--month", "\x1b]52;c;aGk=\x07\x9b2J")
    assert not set(refused.line) & {"\x1b", "\x07", "\x9b"}


def test_help_is_there_for_every_command(run: Run) -> None:
    for words in ([], ["init"], ["demo"], ["general"], ["usage"], ["usage", "import"], ["general", "delete"]):
        told = run(*words, "--help")
        assert (told.code, told.err) == (0, "")
        assert told.out.startswith("usage: orgtui")


def test_every_command_of_a_stranger_is_refused(orgtui: Run, acme_bytes: bytes, tmp_path: Path) -> None:
    for words in (
        ["general", "show"],
        ["general", "set", "--name", "Mine"],
        ["general", "logo", "--remove"],
        ["general", "delete"],
        ["general", "delete", "--confirm", "Acme"],
        ["usage", "show"],
        ["usage", "export"],
        ["usage", "import", str(CALLS), "--source", "litellm"],
    ):
        refused = orgtui("--as", "nobody@x.example", *words)
        assert refused.code == 3
        assert "nobody@x.example is not a member" in refused.line
    SqliteDatabase(tmp_path / "acme.db").close()
    assert (tmp_path / "acme.db").read_bytes() == acme_bytes


@pytest.fixture
def acme_bytes(orgtui: Run, tmp_path: Path) -> bytes:
    return (tmp_path / "acme.db").read_bytes()


def test_who_acts_comes_from_the_flag_then_the_environment(orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORGTUI_AS", "nobody@x.example")
    assert orgtui("general", "show").code == 3
    assert orgtui("--as", OWNER.upper(), "general", "show").code == 0


@pytest.mark.parametrize("words", [["general", "show"], ["usage", "show"], ["general", "set", "--name", "X"]])
def test_where_nothing_is_it_says_how_to_begin(run: Run, tmp_path: Path, words: list[str]) -> None:
    refused = run(*words)
    assert refused.code == 4
    assert "orgtui init --name NAME --owner EMAIL" in refused.line
    assert list(tmp_path.iterdir()) == []


# As a process: streams, signals.


def process(store: str, *words: object) -> list[str]:
    return [str(ORGTUI), "--store", store, *map(str, words)]


def test_a_reader_that_goes_away_is_no_error(orgtui: Run, store: str) -> None:
    shown = subprocess.Popen(process(store, "usage", "show"), stdout=PIPE, stderr=PIPE)
    assert shown.stdout is not None
    assert shown.stderr is not None
    shown.stdout.close()
    assert shown.stderr.read() == b""
    assert shown.wait(20) == 0


def test_output_that_cannot_be_written_is_told(orgtui: Run, store: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(process(store, "usage", "show"), stdout=full, stderr=PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "orgtui: The output: No space left on device.\n")


def test_a_terminal_of_another_encoding_gets_what_it_can_show(orgtui: Run, store: str) -> None:
    orgtui("general", "set", "--description", "500 € – Łódź")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    shown = subprocess.run(process(store, "general", "show"), capture_output=True, env=environment)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert "500 ? ? ?ód?" in shown.stdout.decode("latin-1")
    shown = subprocess.run(process(store, "general", "show", "--json"), capture_output=True, env=environment)
    assert json.loads(shown.stdout)["description"] == "500 € – Łódź"


def test_an_interrupted_import_ends_at_once_and_says_what_is_kept(orgtui: Run, store: str, tmp_path: Path) -> None:
    record = {"startTime": "2026-11-05T12:00:00Z", "model": "m", "status": "success", "total_tokens": 1}
    calls = tmp_path / "calls.jsonl"
    calls.write_text("".join(json.dumps(record | {"id": str(number)}) + "\n" for number in range(BATCH)))
    words = process(store, "usage", "import", calls, "-", "--source", "litellm")
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as running:
        end = time.monotonic() + 20
        while not count_calls(tmp_path / "acme.db") and time.monotonic() < end:
            time.sleep(0.02)
        # It has a batch done, and now waits for standard input.
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        assert running.wait(5) == 130
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read() == ""
        kept = "orgtui: not finished; 2,000 events are imported and kept. Run it again to go on.\n"
        assert running.stderr.read() == kept
    assert count_calls(tmp_path / "acme.db") == BATCH


def count_calls(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM calls").fetchone()[0])
