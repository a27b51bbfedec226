"""Hostile names from an older or foreign writer reach every screen of the real program, and no order its terminal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.hostile import OWNER, marks, organization
from tests.program import press
from tests.ptyharness import PAYLOADS, Terminal, foreign

ORGTUI = ("-m", "orgtui")
SIZE = (110, 40)


def visit(terminal: Terminal) -> None:
    """Every section and dialog that shows names, from its first row to its last."""
    general(terminal)
    for number, name in ((4, "Billing"), (5, "API Keys"), (6, "Workspaces"), (2, "Team"), (3, "Usage")):
        press(terminal, str(number))
        terminal.until(lambda name=name: name in terminal.text.split("\n", 1)[0])
    usage(terminal)
    for columns, rows in ((80, 24), (60, 20)):
        terminal.resize(columns, rows)
        terminal.quiet(0.3)
        press(terminal, "t", "1", "3", "t")


def general(terminal: Terminal) -> None:
    terminal.until("Save Changes")
    terminal.quiet(0.3)
    for keys, words in (
        (("?",), "Previous section"),
        (("escape", "\x10"), "Commands"),
        (("escape", "D"), "letters to go"),
        (("escape", "tab", "tab", "x"), "Unsaved"),
        (("escape", "2"), "There are unsaved changes"),
        (("tab", "enter"), "Team"),
    ):
        press(terminal, *keys)
        terminal.until(words)


def usage(terminal: Terminal) -> None:
    terminal.until("Daily Executions")
    terminal.quiet(0.2)
    press(terminal, "d")
    terminal.until("Filter by workflow")
    leaf(terminal, "pagedown")
    press(terminal, "y", "/")
    terminal.quiet(0.2)
    press(terminal, "w", "0", "enter", "escape", "tab", "enter")
    terminal.quiet(0.2)
    press(terminal, "tab")
    terminal.until("Breakdown by Model")
    leaf(terminal, " ")
    press(terminal, "t")
    terminal.until("Filter by model")
    leaf(terminal, "pagedown")
    press(terminal, "y", "s", "S", "G", "y")


def leaf(terminal: Terminal, key: str) -> None:
    """Turn page after page, each painted before the next, until nothing new comes."""
    before = ""
    while terminal.text != before:
        before = terminal.text
        press(terminal, key)
        terminal.quiet(0.12)


def tour(path: Path) -> bytes:
    """What the program sends from its first picture to its last, when it ends well."""
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{path}", size=SIZE) as terminal:
        visit(terminal)
        press(terminal, "q")
        assert terminal.wait()[0] == 0, terminal.text
        assert terminal.leftovers() == set()
        return bytes(terminal.raw)


def seen(data: bytes, letter: str, count: int) -> float:
    """Which part of the names was on the screen at some time."""
    text = data.decode("utf-8", "replace")
    return sum(mark in text for mark in marks(letter, count)) / count


def test_hostile_names_send_no_order_to_the_terminal(tmp_path: Path) -> None:
    data = tour(organization(tmp_path / "acme.db", 0, 60))
    assert foreign(data, clipboard=True) == []
    assert seen(data, "w", 60) == 1
    assert seen(data, "m", 60) == 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_ten_thousand_hostile_names_send_no_order_to_the_terminal(tmp_path: Path, seed: int) -> None:
    data = tour(organization(tmp_path / "acme.db", seed, 250))
    assert foreign(data, clipboard=True) == []
    assert seen(data, "w", 250) + seen(data, "m", 250) == 2


def test_without_the_defence_they_would(tmp_path: Path) -> None:
    """Proof that the tests above can fail."""
    path = organization(tmp_path / "acme.db", 0, 60)
    with Terminal.python("-m", "tests.unfiltered", "--store", f"sqlite:///{path}", size=SIZE) as terminal:
        terminal.until(lambda: b"D\x1b]52;c;" in terminal.raw)
        press(terminal, "3")
        terminal.until(lambda: b"Daily Executions" in terminal.raw)
        press(terminal, "tab")
        terminal.until(lambda: b"m0001m\x1b]52;c;" in terminal.raw)
        press(terminal, "t", "pagedown", "pagedown")
        terminal.quiet(0.3)
        found_there = foreign(bytes(terminal.raw))
    assert any(each.startswith(b"\x1b]52;c;") for each in found_there)
    assert any(each.startswith(b"\x1b]0;owned") for each in found_there)
    assert len(found_there) > 30


# Names of other things


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """An ordinary organization."""
    database = SqliteDatabase(tmp_path / "acme.db")
    found(database, Founding(name="Acme", owner=OWNER), system_ambient())
    database.close()
    return database.path


def test_hostile_files_in_the_picker(acme: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    names = [value.encode("utf-8", "replace").decode() for value in PAYLOADS.values()]
    for index, name in enumerate(names):
        (folder / f"{index:02d}{name}"[:60].replace("/", "").replace("\0", "")).write_text("not an image")
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{acme}", size=SIZE) as terminal:
        terminal.until("Save Changes")
        press(terminal, "u", str(folder), "enter")
        terminal.until("00")
        press(terminal, "tab", *["pagedown"] * 5, "enter")
        terminal.until("The logo stays as it was")
        press(terminal, "q")
        assert terminal.wait()[0] == 0
        assert foreign(bytes(terminal.raw)) == []


def test_a_hostile_stranger(acme: Path) -> None:
    who = "\x1b]52;c;aGFja2Vk\x07\x9b31m[/nope]\u202e@acme.example"
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{acme}", "--as", who, size=SIZE) as terminal:
        terminal.until("Not for your role")
        press(terminal, "3", "r", "q")
        assert terminal.wait()[0] == 0
        assert foreign(bytes(terminal.raw)) == []


def test_the_last_words_about_a_hostile_path(acme: Path) -> None:
    """The organization is gone by the time it is opened: the screens end with a line that names the file."""
    path = acme.rename(acme.parent / "\x1b]52;c;aGFja2Vk\x07\u202e.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM organizations")
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{path}", size=SIZE) as terminal:
        assert terminal.wait()[0] == 4
        assert "There is no organization at" in terminal.text
        assert foreign(bytes(terminal.raw)) == []


def test_the_last_words_about_a_hostile_organization(acme: Path) -> None:
    name = "Acme\u202eemcA [/nope]"
    with closing(sqlite3.connect(acme)) as connection, connection:
        connection.execute("UPDATE organizations SET name = ?", (name,))
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{acme}", size=SIZE) as terminal:
        terminal.until("Save Changes")
        press(terminal, "D")
        terminal.until("letters to go")
        press(terminal, f"\x1b[200~{name}\x1b[201~", "enter")
        assert terminal.wait()[0] == 0
        assert "is deleted." in terminal.text
        assert foreign(bytes(terminal.raw)) == []


@pytest.mark.parametrize("broken", ["name = CAST(x'41ff42' AS TEXT)", "plan = 'later'", "timezone = 'Mars/Olympus'"])
def test_what_a_later_program_wrote_is_no_fault(acme: Path, broken: str) -> None:
    with closing(sqlite3.connect(acme)) as connection, connection:
        connection.execute(f"UPDATE organizations SET {broken}")
    with Terminal.python(*ORGTUI, "--store", f"sqlite:///{acme}", size=SIZE) as terminal:
        terminal.quiet(1.0)
        press(terminal, "3", "1", "q")
        terminal.wait()
        assert b"stopped because of a fault" not in terminal.raw
        assert foreign(bytes(terminal.raw)) == []
