"""`orgtui keys`: the screen's twin, with the providers' own addresses leading to servers on this machine."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orgtui.domain.errors import NotFound
from orgtui.secret import key_like
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.vault import Vault
from tests.cli.conftest import Result, Run
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.contract.conftest import STRANGER
from tests.provider_servers import KEYS, ProviderServers, provider_servers

ORGTUI = Path(sys.executable).with_name("orgtui")
SECRET = KEYS["openai"]
OTHER = "sk-proj-" + "Mw3" * 49 + "wxyz"
VERBS = ("add", "replace", "test", "disable", "enable", "remove", "fallback", "rotate-master")


@pytest.fixture(scope="module")
def started() -> Iterator[ProviderServers]:
    with provider_servers() as servers:
        yield servers


@pytest.fixture(autouse=True)
def servers(started: ProviderServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServers]:
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    yield started
    started.reset()


def add(orgtui: Run, provider: str = "openai", key: str = SECRET, *more: str) -> Result:
    return orgtui("keys", "add", provider, "--stdin", *more, stdin=key.encode())


def provider(orgtui: Run, name: str = "openai") -> dict[str, object]:
    rows = orgtui("keys", "list", "--json").json["providers"]
    return next(row for row in rows if row["provider"] == name)


NOBODY = {
    "provider": "grok",
    "name": "Grok",
    "description": "xAI models",
    "connected": False,
    "status": "not_connected",
    "hint": None,
    "added": None,
    "added_by": None,
    "last_used": None,
    "checked": None,
    "verdict": None,
    "note": None,
    "never_fall_back": False,
}


# List.


def test_list_for_scripts(orgtui: Run) -> None:
    add(orgtui)
    listed = orgtui("keys", "list", "--json").json
    assert {name: listed[name] for name in ("connected", "timezone")} == {"connected": 1, "timezone": "UTC"}
    assert [row["provider"] for row in listed["providers"]] == ["openai", "anthropic", "google", "mistral", "grok"]
    assert listed["providers"][4] == NOBODY
    row = listed["providers"][0]
    for when in ("added", "checked"):
        assert str(row.pop(when)).startswith("2026-11-23T12:00:")
    told = {"provider": "openai", "name": "OpenAI", "description": "GPT models", "connected": True}
    told |= {"status": "connected", "hint": "sk-…7Zq7", "added_by": OWNER, "last_used": None, "verdict": "valid"}
    assert row == told | {"note": None, "never_fall_back": False}


def test_list_for_people(orgtui: Run, servers: ProviderServers) -> None:
    add(orgtui)
    orgtui("keys", "add", "mistral", "--stdin", "--unchecked", stdin=KEYS["mistral"].encode())
    servers.behave("mistral", "invalid")
    orgtui("keys", "test", "mistral")
    orgtui("keys", "fallback", "grok", "never")
    lines = orgtui("keys", "list").out.splitlines()
    assert lines[:5] == [
        "1 of 5 connected",
        "",
        "Provider    Status         Key       Added        Last used  Without a key",
        "OpenAI      Connected      sk-…7Zq7  23 Nov 2026  —          uses AI credits",
        "Anthropic   Not connected  —         —            —          uses AI credits",
    ]
    assert lines[6].split()[:5] == ["Mistral", "AI", "Key", "rejected", "…n3Qw"]
    assert lines[7].endswith("calls are refused")
    assert lines[8].startswith("Mistral AI: HTTP 401: Unauthorized")
    assert lines[8].endswith("(23 Nov 2026, 12:00 UTC)")


def test_list_as_csv(orgtui: Run) -> None:
    add(orgtui)
    rows = list(csv.DictReader(io.StringIO(orgtui("keys", "list", "--csv").out)))
    assert [row["provider"] for row in rows] == ["openai", "anthropic", "google", "mistral", "grok"]
    assert list(rows[0]) == list(NOBODY)
    assert (rows[0]["hint"], rows[0]["connected"], rows[4]["hint"]) == ("sk-…7Zq7", "true", "")


# Add and replace.


def test_add_says_what_became_of_it(orgtui: Run, servers: ProviderServers) -> None:
    added = add(orgtui)
    assert (added.code, added.err) == (0, "")
    assert added.out == "OpenAI: sk-…7Zq7 is stored. OpenAI accepts the key.\n"
    assert [request.key for request in servers.requests("openai")] == [SECRET]
    in_json = add(orgtui, "anthropic", KEYS["anthropic"], "--json").json
    assert (in_json["words"], in_json["warnings"], in_json["status"]) == ("Anthropic accepts the key.", [], "connected")


def test_a_refused_key_is_one_line_and_exit_1(orgtui: Run, servers: ProviderServers) -> None:
    servers.behave("openai", "invalid")
    refused = add(orgtui)
    assert refused.code == 1
    assert refused.line.startswith("orgtui: OpenAI does not accept the key (HTTP 401 invalid_api_key: Incorrect API")
    assert refused.line.endswith("Nothing was stored.")
    problem = json.loads(add(orgtui, "openai", SECRET, "--json").err)
    assert (problem["type"], problem["status"], problem["verdict"]) == ("orgtui:key_refused", 422, "invalid")
    assert provider(orgtui)["status"] == "not_connected"


def test_a_provider_that_cannot_tell_keeps_no_key_out(orgtui: Run, servers: ProviderServers) -> None:
    servers.behave("openai", "down")
    added = add(orgtui)
    assert (added.code, added.out) == (
        0,
        "OpenAI: sk-…7Zq7 is stored. OpenAI has a fault at the moment: stored untested.\n",
    )
    assert provider(orgtui)["verdict"] == "provider_down"


def test_unchecked_asks_nobody(orgtui: Run, servers: ProviderServers) -> None:
    assert add(orgtui, "openai", SECRET, "--unchecked").out == "OpenAI: sk-…7Zq7 is stored. OpenAI was not asked.\n"
    assert servers.requests("openai") == []


def test_what_is_odd_is_said_on_the_side(orgtui: Run) -> None:
    odd = add(orgtui, "mistral", "Hy6Tn3Q" * 3)
    assert odd.code == 0
    assert odd.err.startswith("orgtui: This does not look like the keys that Mistral AI gives out")
    assert add(orgtui, "openai", "sk-admin-" + "Zq7" * 50, "--json").json["warnings"][0].startswith("This is an admin")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b"", "The key is empty"),
        (KEYS["anthropic"].encode(), "This is a key of Anthropic"),
        (b"\xff\xfe" * 20, "characters that no key has"),
        (b"x" * 10_000_000, "10,000 characters long"),
        (b"sk-proj-****wxyz", "masked key"),
    ],
)
def test_what_is_no_key_is_wrong_usage(orgtui: Run, key: bytes, said: str) -> None:
    refused = orgtui("keys", "add", "openai", "--stdin", stdin=key)
    assert refused.code == 2
    assert said in refused.line


def test_a_second_add_is_a_conflict_and_replace_is_not(orgtui: Run) -> None:
    add(orgtui)
    again = add(orgtui, "openai", OTHER)
    assert (again.code, again.line) == (5, "orgtui: OpenAI has a key already; replace it.")
    replaced = orgtui("keys", "replace", "openai", "--stdin", stdin=OTHER.encode())
    assert replaced.out == "OpenAI: sk-…wxyz is stored, and the old key is gone. OpenAI accepts the key.\n"
    none = orgtui("keys", "replace", "grok", "--stdin", stdin=KEYS["grok"].encode())
    assert (none.code, none.line) == (4, "orgtui: Grok has no key.")


def test_a_refused_replacement_leaves_the_old_key(orgtui: Run, servers: ProviderServers) -> None:
    add(orgtui)
    before = provider(orgtui)
    servers.behave("openai", "invalid")
    refused = orgtui("keys", "replace", "openai", "--stdin", stdin=OTHER.encode())
    assert refused.code == 1
    assert refused.line.endswith("The old key stays.")
    assert provider(orgtui) == before


def test_from_a_file(orgtui: Run, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"OPENAI_API_KEY={SECRET}\n")
    path.chmod(0o600)
    quiet = orgtui("keys", "add", "openai", "--from-file", path)
    assert (quiet.code, quiet.err) == (0, "")
    path.write_text(OTHER)
    path.chmod(0o640)
    told = orgtui("keys", "replace", "openai", "--from-file", path)
    assert told.code == 0
    assert told.err == f"orgtui: {path} can be opened by other users of this machine; better: chmod 600 {path}\n"


@pytest.mark.parametrize("name", ["missing", ".", "nul\0"])
def test_a_file_that_cannot_be_read_is_one_line(orgtui: Run, tmp_path: Path, name: str) -> None:
    refused = orgtui("keys", "add", "openai", "--from-file", tmp_path / name)
    assert refused.code == 2
    assert "cannot be read: " in refused.line


def test_where_the_key_comes_from_has_to_be_said(orgtui: Run) -> None:
    assert "--stdin --from-file is required" in orgtui("keys", "add", "openai").line
    both = orgtui("keys", "add", "openai", "--stdin", "--from-file", "x")
    assert (both.code, "not allowed with" in both.line) == (2, True)


# Test.


@pytest.mark.parametrize(
    ("behaviour", "code", "said"),
    [
        ("valid", 0, "OpenAI accepts the key."),
        ("invalid", 1, "OpenAI does not accept the key (HTTP 401 invalid_api_key: Incorrect API key provided"),
        ("no_quota", 1, "OpenAI knows the key, but its account has no credits left or has reached its limit (HTTP 429"),
        ("down", 6, "OpenAI has a fault at the moment (HTTP 500 server_error"),
        ("silent", 6, "OpenAI cannot be reached (the connection ended before a whole answer came)."),
        ("html", 6, "What answered does not look like OpenAI (HTTP 200 without a list of models)."),
    ],
)
def test_test_tells_by_its_exit_code(
    orgtui: Run, servers: ProviderServers, behaviour: str, code: int, said: str
) -> None:
    add(orgtui)
    servers.behave("openai", behaviour)
    tested = orgtui("keys", "test", "openai")
    assert (tested.code, tested.err) == (code, "")
    assert tested.out.startswith(said)
    in_json = orgtui("keys", "test", "openai", "--json")
    assert (in_json.code, in_json.json["words"].startswith(said[:15])) == (code, True)
    assert in_json.json["verdict"] == provider(orgtui)["verdict"]


# Disable, enable, fall back, remove.


def test_disable_and_enable(orgtui: Run) -> None:
    add(orgtui)
    assert orgtui("keys", "disable", "openai").out == (
        "OpenAI: sk-…7Zq7 is kept, and not used now. Its calls use AI credits then.\n"
    )
    assert (provider(orgtui)["status"], provider(orgtui)["connected"]) == ("disabled", False)
    refused = orgtui("keys", "test", "openai")
    assert (refused.code, refused.line) == (5, "orgtui: The key of OpenAI is disabled; enable it to test it.")
    assert orgtui("keys", "enable", "openai").out == "OpenAI: sk-…7Zq7 is used again.\n"
    assert orgtui("keys", "enable", "openai", "--json").json["status"] == "connected"


def test_fallback_never_and_allow(orgtui: Run) -> None:
    assert orgtui("keys", "fallback", "grok", "never").out == "Grok: without a working key, calls are refused.\n"
    assert provider(orgtui, "grok")["never_fall_back"] is True
    allowed = orgtui("keys", "fallback", "grok", "allow", "--json")
    assert allowed.json == NOBODY
    assert orgtui("keys", "fallback", "grok", "perhaps").code == 2


def test_remove_asks_and_says_what_follows(orgtui: Run) -> None:
    add(orgtui)
    orgtui("keys", "fallback", "openai", "never")
    unasked = orgtui("keys", "remove", "openai")
    assert (unasked.code, unasked.line) == (
        2,
        "orgtui: There is no terminal to ask on; add --yes to do it without being asked.",
    )
    assert provider(orgtui)["hint"] == "sk-…7Zq7"
    removed = orgtui("keys", "remove", "openai", "--yes")
    assert removed.out == "OpenAI: sk-…7Zq7 is deleted. Its calls are refused then.\n"
    assert provider(orgtui)["status"] == "not_connected"
    again = orgtui("keys", "remove", "openai", "--yes", "--json")
    assert (again.code, json.loads(again.err)["type"]) == (NotFound.exit_code, "orgtui:not_found")


# Whoever may not, and what is not there.


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_is_refused(orgtui: Run, servers: ProviderServers, verb: str) -> None:
    more = {"add": ["--stdin"], "replace": ["--stdin"], "fallback": ["never"], "remove": ["--yes"]}.get(verb, [])
    words = ["keys", verb, *([] if verb == "rotate-master" else ["openai"]), *more]
    refused = orgtui(*words, "--as", STRANGER, stdin=SECRET.encode())
    assert (refused.code, "is not a member of this organization" in refused.line) == (3, True)
    assert servers.requests("openai") == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "rotate-master"])
def test_an_unknown_provider_is_told_the_five(orgtui: Run, verb: str) -> None:
    more = {"add": ["--stdin"], "replace": ["--stdin"], "fallback": ["never"], "remove": ["--yes"]}.get(verb, [])
    refused = orgtui("keys", verb, "openia", *more)
    said = "orgtui: There is no such provider; take one of openai, anthropic, google, mistral, grok."
    assert (refused.code, refused.line) == (4, said)


def test_nobody_acts_as_the_platform(orgtui: Run) -> None:
    refused = orgtui("keys", "list", "--as", "platform")
    assert (refused.code, refused.line) == (2, "orgtui: “platform” is no member; act as one with --as EMAIL.")


def test_a_lost_master_key_is_one_line(orgtui: Run, tmp_path: Path) -> None:
    (tmp_path / "acme.db.keys" / "master.key").unlink()
    refused = add(orgtui)
    assert refused.code == 6
    assert refused.line.startswith(f"orgtui: There is no master key at {tmp_path / 'acme.db.keys' / 'master.key'};")
    assert not list((tmp_path / "acme.db.keys").iterdir())


# Keys that stand where they must not.


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "add", "openai", SECRET],
        ["keys", "add", "openai", SECRET, "--stdin"],
        ["keys", "add", SECRET, "--stdin"],
        ["keys", "add", SECRET],
        ["keys", SECRET],
        [SECRET],
        ["keys", "add", "openai", "--stdin", "--key", SECRET],
        ["keys", "add", "openai", f"--key={SECRET}"],
        ["keys", "add", "openai", "--stdin", f"--unchecked={SECRET}"],
        ["keys", "add", "openai", "--from-file", SECRET],
        ["keys", "test", KEYS["mistral"]],
        ["keys", "fallback", "openai", SECRET],
        ["keys", "add", "mistral", KEYS["mistral"]],
        ["keys", "add", "mistral", KEYS["mistral"][:9]],
        ["keys", "list", KEYS["google"]],
        ["keys", "rotate-master", KEYS["grok"], "--json"],
    ],
)
def test_a_key_on_the_command_line_is_refused_and_not_repeated(orgtui: Run, words: list[str]) -> None:
    refused = orgtui(*words)
    assert refused.code == 2
    assert "looks like a key, and is not repeated here" in refused.line
    assert not key_like(refused.err.replace("--from-file", ""), shortest=8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["keys", "rotate-mastre"], "rotate-mastre"),
        (["keys", "add", "openai", "--stdin", "--uncheckd"], "--uncheckd"),
        (["keys", "lists"], "lists"),
        (["usage", "show", "--months"], "--months"),
        (["keys", "add", "openai", "--from-file", "/nowhere/at-all"], "/nowhere/at-all"),
    ],
)
def test_other_mistakes_are_still_named(orgtui: Run, words: list[str], said: str) -> None:
    refused = orgtui(*words)
    assert refused.code == 2
    assert said in refused.line


# Master keys.


def test_rotating_moves_every_key(orgtui: Run, tmp_path: Path) -> None:
    add(orgtui)
    add(orgtui, "grok", KEYS["grok"])
    keys = SqliteDatabase(tmp_path / "acme.db").keys
    old = keys.open(os.urandom).current
    rotated = orgtui("keys", "rotate-master")
    new = keys.open(os.urandom).current
    assert (rotated.code, rotated.err) == (0, "")
    assert rotated.out.splitlines() == [
        f"2 keys moved to the new master key {new}.",
        f"Forgotten: {old}. Backups from before need a copy of it: make new ones.",
    ]
    assert orgtui("keys", "test", "openai").code == 0
    again = orgtui("keys", "rotate-master", "--json").json
    assert again == {"current": again["current"], "moved": 2, "forgotten": [new], "damaged": []}


def test_a_damaged_key_is_named(orgtui: Run, tmp_path: Path) -> None:
    add(orgtui)
    database = SqliteDatabase(tmp_path / "acme.db")
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE provider_keys SET sealed = sealed || 'A'")
    database.close()
    refused = orgtui("keys", "rotate-master")
    assert refused.code == 6
    assert "The old master key stays: 1 sealed keys are damaged (key_" in refused.line


# A real terminal, and a real process.


def on_a_terminal(words: list[str], typed: bytes, environment: dict[str, str]) -> tuple[int, bytes]:
    """Run the program with a terminal of its own, type when it asks, and answer what was to be seen there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(ORGTUI, [str(ORGTUI), *words], environment)
    seen = b""
    try:
        while True:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
            if typed and (b"not shown): " in seen or b"[y/N]" in seen):
                time.sleep(0.2)
                os.write(terminal, typed)
                typed = b""
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


@pytest.fixture
def place(tmp_path: Path, templates: Path, clock: Clock) -> Path:
    copy_of_acme(templates, tmp_path / "acme.db", clock)
    return tmp_path / "acme.db"


def test_on_a_terminal_the_key_is_asked_for_and_not_shown(place: Path) -> None:
    words = ["--store", f"sqlite:///{place}", "keys"]
    code, seen = on_a_terminal([*words, "add", "openai", "--stdin"], SECRET.encode() + b"\r", dict(os.environ))
    assert code == 0, seen
    assert seen.startswith(b"API key of OpenAI (it is not shown): ")
    assert SECRET[:12].encode() not in seen
    assert "OpenAI: sk-…7Zq7 is stored. OpenAI accepts the key.".encode() in seen
    code, seen = on_a_terminal([*words, "remove", "openai"], b"n\r", dict(os.environ))
    assert (code, b"Nothing was changed." in seen) == (1, True)
    code, seen = on_a_terminal([*words, "remove", "openai"], b"y\r", dict(os.environ))
    assert (code, b"is deleted" in seen) == (0, True)


def test_a_process_that_holds_a_key_leaves_no_core_and_shows_itself_to_nobody(place: Path) -> None:
    program = f"""
import ctypes, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
from orgtui import cli
code = cli.run(cli.parse(["--store", "sqlite:///{place}", "keys", "add", "openai", "--stdin"]))
print(code, before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        program = program.replace("(resource.RLIM_INFINITY, resource.RLIM_INFINITY)", "(0, 0)")
    ran = subprocess.run([sys.executable, "-c", program], input=SECRET, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    code, before, after, soft, _ = ran.stdout.split("\n")[-2].replace("(", "").replace(",", "").split()
    assert (code, before, after, soft) == ("0", "1", "0", "0")


def test_the_key_opens_with_the_vault_alone(place: Path, orgtui: Run) -> None:
    """What is in the file is what the format says, bound to where it stands."""
    from orgtui.vault import Binding

    add(orgtui)
    database = SqliteDatabase(place)
    with database.reading() as rows:
        org, id_, sealed = rows.all("SELECT org_id, id, sealed FROM provider_keys")[0]
    vault = Vault(database.keys.open(os.urandom), os.urandom)
    assert vault.open(sealed, Binding(org, "openai", id_)) == SECRET
