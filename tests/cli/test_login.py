"""`orgtui login` and `orgtui logout`: a token is kept when the server takes it, and never lost for one that is none."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from orgtui import tokens
from orgtui.secret import Secret
from orgtui.settings import ServerUrl, Settings
from tests import served
from tests.cli.conftest import Run
from tests.conftest import Opener

NONE = "This is no token; copy all of it, from orgtui_ to its end, and nothing more."


@dataclass(frozen=True)
class Place:
    """A server that lets in whoever says “you”, and what is kept for it."""

    url: str

    @property
    def kept(self) -> str | None:
        server = Settings(store=self.url).server
        assert server is not None
        found = tokens.read(server)
        return found and found.reveal()


@pytest.fixture(scope="module")
def street() -> Iterator[tuple[str, served.Street]]:
    """One server for all: to derive its routes takes longer than any of these."""
    made = served.Street()
    with served.listening(made) as url:
        yield url, made


@pytest.fixture
def place(street: tuple[str, served.Street], opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(tokens, "data_path", lambda: tmp_path / "data")
    store = opener()
    path, house = street[1].add(store.outside)
    house.guests["you"] = served.Guest(store.store, "you", store.permit)
    return Place(street[0] + path)


def test_it_is_kept_and_forgotten(run: Run, place: Place) -> None:
    said = run("login", place.url, stdin=b" you\r\n")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"You are ada@acme.example at Acme. Open it: orgtui --store {place.url}\n"
    assert place.kept == "you"
    assert run("general", "show", at=place.url).code == 0
    assert run("logout", place.url).code == 0
    assert place.kept is None
    assert run("logout", place.url).line == f"orgtui: No token is kept for {place.url}."


@pytest.mark.parametrize(
    ("given", "line"),
    [(b"", "No token was given."), (b" \n", "No token was given."), ("t\xf6k\xe9n".encode(), NONE), (b"a\nb", NONE)],
)
def test_what_is_no_token_leaves_what_is_kept(run: Run, place: Place, given: bytes, line: str) -> None:
    assert run("login", place.url, stdin=b"you").code == 0
    refused = run("login", place.url, stdin=given)
    assert (refused.code, refused.line) == (3, f"orgtui: {line}")
    assert place.kept == "you"


def test_one_that_the_server_refuses_is_not_kept(run: Run, place: Place) -> None:
    assert run("login", place.url, stdin=b"you").code == 0
    assert run("login", place.url, stdin=b"somebody").code == 3
    assert place.kept == "you"


@pytest.mark.parametrize("token", ["\xf6", "a\nb", "a b"])
def test_no_command_goes_with_one(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("ORGTUI_TOKEN", token)
    refused = run("general", "show", at=place.url)
    assert (refused.code, refused.line) == (3, f"orgtui: {NONE}")


def test_what_stands_above_it_is_told(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORGTUI_TOKEN", "other")
    assert "ORGTUI_TOKEN is set, and stands above" in run("login", place.url, stdin=b"you").out


def test_many_at_once_keep_one_whole(place: Place) -> None:
    server = ServerUrl(url=place.url, host="here")

    def keep(number: int) -> None:
        tokens.keep(server, Secret(str(number) * 40))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(400)))
    kept = tokens.read(server)
    assert kept is not None
    (file,) = tokens.path(server).parent.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_who_has_none_is_told_to_log_in(run: Run, place: Place) -> None:
    refused = run("general", "show", at=place.url)
    said = f"orgtui: There is no token for {place.url[7:].partition('/')[0]} here. Log in (orgtui login {place.url})."
    assert (refused.code, refused.line) == (3, said)
