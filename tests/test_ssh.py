"""The program used through a real SSH server, at 80×24 in 256 colours, with the keyboard alone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from orgtui.store import demo
from tests.conftest import TODAY
from tests.program import DEMO, SECTIONS, home, press, sent, title
from tests.ptyharness import Terminal, foreign


class Server:
    """An SSH server in a thread, whose only shell is the demo."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self._environment = environment
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: Any = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port: int = self._server.get_port()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Open,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            process_factory=self._shell,
            encoding=None,
            line_editor=False,
        )

    async def _shell(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """What sshd does: a terminal of the caller's kind and size, and the program in it."""
        master, slave = os.openpty()
        columns, rows, _, _ = process.get_terminal_size()
        termios.tcsetwinsize(slave, (rows, columns))
        child = subprocess.Popen(
            [sys.executable, *DEMO],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=self._environment | {"TERM": process.get_terminal_type() or "dumb", "SSH_CONNECTION": _peers(process)},
        )
        os.close(slave)
        self.children.append(child)
        self._loop.add_reader(master, self._show, master, process)
        try:
            while data := await process.stdin.read(4096):
                os.write(master, data)
        except (asyncssh.Error, OSError):
            pass
        finally:
            self._loop.remove_reader(master)
            os.close(master)

    def _show(self, master: int, process: asyncssh.SSHServerProcess[bytes]) -> None:
        try:
            process.stdout.write(os.read(master, 65536))
        except OSError:
            self._loop.remove_reader(master)
            process.exit(self.children[-1].wait(5))

    def close(self) -> None:
        """Hang up on everybody."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        for child in self.children:
            with suppress(ProcessLookupError):
                child.kill()
            child.wait()


class _Open(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


def _peers(process: asyncssh.SSHServerProcess[bytes]) -> str:
    there, here = process.get_extra_info("peername"), process.get_extra_info("sockname")
    return f"{there[0]} {there[1]} {here[0]} {here[1]}"


@pytest.fixture
def server(cache: Path, tmp_path: Path) -> Iterator[Server]:
    """A server whose demo is ready to be opened."""
    demo.discard(demo.throwaway(cache, TODAY, 1))
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    server = Server(plain | {"LANG": "C.UTF-8"} | home(tmp_path / "home", cache))
    yield server
    server.close()


@pytest.fixture
def line(server: Server) -> Iterator[Terminal]:
    """A terminal connected to it, the first section read."""
    with Terminal.python("-m", "tests.ssh_client", str(server.port), size=(80, 24)) as terminal:
        terminal.until("Save Changes")
        terminal.quiet(0.3)
        yield terminal


def test_every_section_is_reached_and_two_are_used(line: Terminal) -> None:
    for number, name in [*enumerate(SECTIONS, 1), (1, "General")]:
        press(line, str(number))
        line.until(lambda name=name: title(line).startswith(name))
    press(line, "tab", "tab", "end", "\x15")
    line.until("Unsaved — was “Acme Automation”")
    # In one piece, as a slow line delivers it: what is saved is all that was typed before.
    line.send("Acme over SSH", "ctrl+s")
    line.until("Saved.")
    line.until(lambda: line.text.startswith(" Acme over SSH › General"))
    press(line, "escape", "3")
    line.until("Daily Executions")
    assert "November 2026" in line.text
    press(line, "[")
    line.until("October 2026")
    press(line, "left")
    line.until("Fri 30 Oct")
    press(line, "tab")
    line.until("Breakdown by Model")
    press(line, "t")
    line.until("Filter by model")
    press(line, "?")
    line.until("Keys")
    press(line, "escape", "q")
    code, took = line.wait()
    assert code == 0
    assert took < 2
    assert line.leftovers() == set()
    assert foreign(bytes(line.raw)) == []
    assert b"38;5;" in line.raw, "in 256 colours"
    assert b"38;2;" not in line.raw, "and no more"


def test_idle_sends_nothing_even_in_a_field(line: Terminal) -> None:
    press(line, "tab", "tab", "x")
    line.until("Unsaved")
    line.quiet(0.5)
    assert sent(line, silence=3.0) == 0


def test_keys_typed_ahead_are_never_taken_for_others(line: Terminal) -> None:
    """On a slow line several arrive at once: a `q` meant for a field must not quit."""
    press(line, "3")
    line.until("Daily Executions")
    line.quiet(0.3)
    line.send("t/q[1")
    line.until("Date ")
    line.quiet(0.3)
    assert title(line).startswith("Usage & Analytics")
    assert "November 2026" in line.text
    press(line, "escape", "1")
    line.until("Save Changes")
    line.quiet(0.3)
    line.send("Dqqq")
    line.until("Delete Acme Automation")
    press(line, "escape")
    line.send("3[")
    line.until("October 2026")


def test_a_dropped_connection_ends_the_program(server: Server, line: Terminal) -> None:
    (child,) = server.children
    line.process.kill()
    begin = time.monotonic()
    assert child.wait(10) == 129
    assert time.monotonic() - begin <= 2
