"""`orgtui serve` as it is run: a process of its own, of which a test sees memory, log and exit."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orgtui.domain.ambient import system_ambient
from orgtui.store.contract.access import NewToken
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import OWNER
from tests.contract.conftest import wait

ORGTUI = Path(sys.executable).with_name("orgtui")
MEGABYTE = 2**20


def organization(path: Path) -> str:
    """A fresh one in this file, by the real clock; its owner's token."""
    found(SqliteDatabase(path), Founding(name="Acme", owner=OWNER), system_ambient())
    opened = open_sql_store(SqliteDatabase(path), None, system_ambient())
    secret = wait(opened.store.access.create(NewToken(name="Laptop"))).secret
    opened.close()
    return secret


class Served:
    """The process, which listens at `url`."""

    path: Path

    def __init__(self, store: str, token: str, *options: str, port: int = 0, **environment: str) -> None:
        self.token, self.lines = token, list[str]()
        words = [ORGTUI, "--store", store, "serve", "--port", str(port), *options]
        self.process = subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url: str = self.event("listening")["url"]
        self.place = urlsplit(self.url).hostname, urlsplit(self.url).port

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def event(self, name: str, patience: float = 30) -> dict[str, Any]:
        """The line of the log that tells of it."""
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            for line in list(self.lines):
                if f'"event": "{name}"' in line:
                    told: dict[str, Any] = json.loads(line)
                    return told
            time.sleep(0.02)
        raise AssertionError(f"no {name}: {self.lines}")

    def connect(self) -> socket.socket:
        """A connection that waits for no answer longer than a test should."""
        return socket.create_connection(self.place, timeout=30)

    def head(self, method: str = "GET", path: str = "/v1/overview", **headers: str) -> bytes:
        """The first lines of a request with the token."""
        told = {"Host": "localhost", "Authorization": f"Bearer {self.token}", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in told.items() if value]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()

    def quick(self) -> float:
        """How many seconds an ordinary request takes."""
        began = time.monotonic()
        with self.connect() as line:
            line.sendall(self.head(Connection="close"))
            assert status(received(line)) == 200
        return time.monotonic() - began

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes in memory now, or with VmHWM at most ever."""
        told = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert told is not None
        return int(told[1]) * 1024

    def end(self, number: int = signal.SIGTERM, patience: float = 20) -> tuple[int, float]:
        """Its exit code after a signal, and after how many seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(patience)
        self._reader.join(5)
        return code, time.monotonic() - began


@contextmanager
def serve(directory: Path, *options: str) -> Iterator[Served]:
    """One with a fresh organization."""
    path = directory / "served.db"
    served = Served(f"sqlite:///{path}", organization(path), *options)
    served.path = path
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait()


def refused(*words: str, directory: Path) -> tuple[int, str]:
    """What a command that cannot be done exits with, and says."""
    environment = os.environ | {"XDG_DATA_HOME": str(directory)}
    done = subprocess.run([ORGTUI, *words], capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, done.stderr


def received(line: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    data = b""
    try:
        while part := line.recv(65536):
            data += part
    except ConnectionError:
        pass
    return data


def status(answer: bytes) -> int:
    """Of the first answer there; 0 where there is none."""
    found_ = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found_[1]) if found_ else 0
