"""What every test stands on: a seeded organization, the screens over it, and snapshots in `snapshots/`."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_textual_snapshot
import textual.app
import textual.pilot
from hypothesis import settings
from textual.widgets import Input

from orgtui import tty
from orgtui.domain.ambient import Ambient
from orgtui.master_keys import beside
from orgtui.store import demo
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests import idle

if TYPE_CHECKING:
    from tests.fake_stripe import FakeStripe
    from tests.postgres import Place, Server

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tests" / "samples"
TODAY = date(2026, 11, 30)
OWNER = "ada@acme.example"

# What a machine does beside is no property of the code: no example fails by the clock.
settings.register_profile("orgtui", deadline=None)
settings.load_profile("orgtui")


class TopLevelSnapshots(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]
    """Keeps snapshots in `snapshots/`, one folder a test module."""

    file_extension = "svg"

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        """`snapshots/` and the module's path below `tests/`."""
        return str(ROOT / "snapshots" / Path(test_location.filepath).relative_to(ROOT / "tests").with_suffix(""))


pytest_textual_snapshot.SVGImageExtension = TopLevelSnapshots


def pytest_unconfigure() -> None:
    """Collect garbage once: pytest does it five times at the end, for seconds each after thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """What is loaded now stays: to walk through it for garbage again and again took a third of the processor's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 20)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No cursor blinks in a picture, and a picture is taken when nothing moves any more."""
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _self: None)
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", idle.run_in_executor)
    if request.config.getoption("--over-http"):
        monkeypatch.setattr(asyncio, "wrap_future", idle.wrap_future)
    for module in (textual.app, textual.pilot):
        monkeypatch.setattr(module, "wait_for_idle", idle.wait_for_idle)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this worker keeps the demo between tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def demo_database(cache: Path) -> Iterator[SqliteDatabase]:
    """A throw-away copy of the demo."""
    path = demo.throwaway(cache, TODAY, 1)
    yield SqliteDatabase(path)
    demo.discard(path)


@pytest.fixture
def demo_store(demo_database: SqliteDatabase) -> Iterator[SqlStore]:
    """The demo, opened for its owner."""
    opened = open_sql_store(demo_database, OWNER, demo.seeded_ambient(TODAY, 1))
    yield opened
    opened.close()


class Clock:
    """A clock that tests set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def ambient(self) -> Ambient:
        """This clock, with the system's randomness."""
        return Ambient(now=lambda: self.now, random=os.urandom)


def noon() -> Clock:
    """Noon of an ordinary day."""
    return Clock(datetime(2026, 11, 23, 12, tzinfo=UTC))


def kid_of(sealed: str) -> str:
    """The master key that a sealed text needs."""
    return sealed.split(".")[1]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is set."""
    return noon()


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    """A file that is not there yet."""
    return SqliteDatabase(tmp_path / "acme.db")


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where organizations lie ready to be copied: migrations cost more than most tests."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """This worker's PostgreSQL server, started when a test first needs it."""
    from tests.postgres import server

    with server() as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    """The screens and the command line can be tested over HTTP, too: every store then has a server in front."""
    parser.addoption("--over-http", action="store_true", help="put a server in front of every store")


@pytest.fixture(scope="session", autouse=True)
def over_http(request: pytest.FixtureRequest) -> Iterator[None]:
    """This worker's server, where it was asked for."""
    if not request.config.getoption("--over-http"):
        yield
        return
    from tests import served

    street = served.Street()
    with served.listening(street) as url:
        served.WAY = served.Way(url, street)
        yield
        served.WAY = None


@pytest.fixture
def place(postgres: Server, tmp_path: Path) -> Iterator[Place]:
    """An empty database of a server."""
    place = postgres.empty(tmp_path / "keys" / "master.key")
    yield place
    postgres.drop(place)


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeStripe]:
    """Started once: what it learns of the SDK's types it keeps."""
    from tests.fake_stripe import FakeStripe

    server = FakeStripe()
    yield server
    server.close()


@pytest.fixture
def fake(fake_server: FakeStripe) -> Iterator[FakeStripe]:
    """An empty account; a defect of the fake fails the test."""
    fake_server.reset()
    yield fake_server
    fake_server.reset()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: what is committed there is not waited for."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as directory:
        yield Path(directory)


def copy_of_acme(templates: Path, to: Path, clock: Clock, timezone: str = "UTC") -> None:
    """A file with a fresh organization, Acme of ada@acme.example."""
    template = templates / f"{timezone.replace('/', '-')}.db"
    if not template.exists():
        found(SqliteDatabase(template), Founding(name="Acme", owner=OWNER, timezone=timezone), clock.ambient())
    shutil.copyfile(template, to)
    to.chmod(0o600)
    shutil.copytree(beside(template).parent, beside(to).parent, dirs_exist_ok=True)


@pytest.fixture
def acme(database: SqliteDatabase, templates: Path, clock: Clock) -> SqliteDatabase:
    """A fresh organization, Acme, in UTC."""
    copy_of_acme(templates, database.path, clock)
    return database


Opener = Callable[..., SqlStore]


@pytest.fixture
def opener(acme: SqliteDatabase, clock: Clock) -> Iterator[Opener]:
    """Opens Acme for whoever acts."""
    opened: list[SqlStore] = []

    def open_for(actor: str | None = None) -> SqlStore:
        opened.append(open_sql_store(acme, actor, clock.ambient()))
        return opened[-1]

    yield open_for
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> SqlStore:
    """Acme, opened for its owner."""
    return opener()


def profile(theme: str = "dark") -> tty.Profile:
    """A terminal of many colours."""
    found = tty.profile({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, interactive=True)
    return found if theme != "no-color" else tty.profile({"TERM": "xterm", "NO_COLOR": "1"}, interactive=True)
