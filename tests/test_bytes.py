"""What the program sends over the line: budgets for keys and sections, silence while idle, no colour when unwanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orgtui.store import demo
from tests.conftest import TODAY
from tests.program import DEMO, SECTIONS, SSH, home, sent, title
from tests.ptyharness import Terminal, colors, foreign

SIZE = (100, 30)
ARROW, SWITCH = 1024, 12 * 1024
# What stands in each section once it is read.
READ = ("Save Changes", "Ada Lovelace", "Total Runs", "Available Plans", "AES-256", "New Workspace")

Start = Callable[..., Terminal]


@pytest.fixture
def start(cache: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the demo with its clock in the corner, in 256 colours unless the environment says otherwise."""
    demo.discard(demo.throwaway(cache, TODAY, 1))
    started: list[Terminal] = []

    def start(*arguments: str, config: str = "", **env: str | None) -> Terminal:
        base = home(tmp_path / "home", cache, config)
        started.append(Terminal.python(*DEMO, *arguments, size=SIZE, env=base | env))
        started[-1].until("14:02")
        started[-1].quiet(0.4)
        return started[-1]

    yield start
    for terminal in started:
        terminal.__exit__()


def test_arrows_send_at_most_a_kilobyte(start: Start) -> None:
    """In the chart, in a table, in a list."""
    terminal = start("--section", "usage")
    for opening, ready, arrow in (("", "Total Runs", "left"), ("t", "Filter by date", "down"), ("p", "Month", "down")):
        terminal.send(opening)
        terminal.until(ready)
        terminal.quiet(0.5)
        moves = [sent(terminal, arrow) for _ in range(3)]
        assert min(moves) > 0, (ready, moves)
        assert max(moves) <= ARROW, (ready, moves)


def test_switching_sections_sends_at_most_twelve(start: Start) -> None:
    terminal = start("--section", "workspaces")
    for _visit in ("first", "again"):
        for number, (name, words) in enumerate(zip(SECTIONS, READ, strict=True), 1):
            before = len(terminal.raw)
            terminal.send(str(number))
            terminal.until(lambda name=name, words=words: title(terminal).startswith(name) and words in terminal.text)
            terminal.quiet(0.3)
            assert len(terminal.raw) - before <= SWITCH, name


@pytest.mark.parametrize("env", [{}, SSH], ids=["local", "ssh"])
def test_idle_sends_nothing(start: Start, env: dict[str, str]) -> None:
    """While the store is asked every second whether anything has changed."""
    terminal = start("--section", "usage", config="refresh_seconds = 1\n", **env)
    assert sent(terminal, silence=2.5) == 0
    terminal.send("1")
    terminal.until("Save Changes")
    terminal.quiet(0.4)
    assert sent(terminal, silence=1.5) == 0


def test_without_colour_none_is_sent(start: Start) -> None:
    terminal = start("--section", "usage", NO_COLOR="1", COLORTERM="truecolor")
    for keys, words in (
        (("tab",), "Breakdown by Model"),
        (("t", "down"), "Filter by model"),
        (("?",), "Previous month"),
        (("escape", "ctrl+p"), "Commands"),
        (("escape", "1"), "Save Changes"),
        (("D",), "letters to go"),
        (("escape", "tab", "tab", "x"), "Unsaved"),
    ):
        for key in keys:
            terminal.send(key)
            terminal.quiet(0.15)
        terminal.until(words)
    terminal.send("ctrl+c", "ctrl+c")
    assert terminal.wait()[0] == 130
    assert colors(bytes(terminal.raw)) == []
    assert b"\x1b[1m" in terminal.raw


@pytest.mark.parametrize("end", [("q",), ("ctrl+c", "ctrl+c")], ids="-".join)
def test_it_leaves_the_terminal_as_it_was(start: Start, end: tuple[str, ...]) -> None:
    terminal = start("--section", "usage")
    assert "alternate screen" in terminal.leftovers()
    for key in end:
        terminal.send(key)
        terminal.quiet(0.2)
    code, took = terminal.wait()
    assert code == (0 if end == ("q",) else 130)
    assert took < 2
    assert terminal.leftovers() == set()
    assert foreign(bytes(terminal.raw)) == []
