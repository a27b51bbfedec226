"""The command line as a script uses it: words in, an exit code and two streams out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from orgtui import cli
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
            code = cli.run(cli.parse(words))
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
