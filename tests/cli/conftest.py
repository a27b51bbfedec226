"""The command line as a script uses it: words in, an exit code and two streams out."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from orgtui import cli
from orgtui.cli.output import settings_of
from orgtui.composition import open_sql
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import OrgtuiError
from orgtui.server.services import services
from tests import served
from tests.conftest import Clock, copy_of_acme

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one value on stdout."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line on stderr, where that is all that was said."""
        assert self.out == ""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")


Run = Callable[..., Result]


# What works on the database itself, and never through a server.
NEAR = {"init", "demo", "serve", "login", "logout", "backup", "db", "rotate-master", "setup"}


@contextmanager
def _far(way: served.Way, arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same command with a server between it and the store, where there is one to open."""
    try:
        settings = settings_of(arguments)
        opened = None if NEAR & set(arguments.words) else open_sql(settings, system_ambient())
    except OrgtuiError:
        opened = None
    if opened is None:
        yield
        return
    made = services(settings, opened, system_ambient())
    arguments.store, name = way.lead(opened, {section: make for section, (_, make) in made.items()})
    arguments.actor = None
    with closing(opened), monkeypatch.context() as patched:
        # Who joins has no token yet.
        patched.delenv("ORGTUI_TOKEN", raising=False) if "join" in arguments.words else patched.setenv(
            "ORGTUI_TOKEN", name
        )
        patched.delenv("ORGTUI_AS", raising=False)
        yield


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a place where nothing is yet."""
    return f"sqlite:///{tmp_path / 'acme.db'}"


@pytest.fixture
def run(store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command on that place, at noon of an ordinary day."""

    def command(*argv: object, at: str | None = None, stdin: bytes = b"") -> Result:
        words = ["--store", at or store, *map(str, argv)]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            arguments = cli.parse(words)
            arguments.words = words
            with _far(served.WAY, arguments, monkeypatch) if served.WAY else nullcontext():
                code = cli.run(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    with time_machine.travel(NOW, tick=True):
        yield command


@pytest.fixture
def orgtui(run: Run, tmp_path: Path, templates: Path, clock: Clock) -> Run:
    """The same, with a fresh organization there, in UTC."""
    copy_of_acme(templates, tmp_path / "acme.db", clock)
    return run
