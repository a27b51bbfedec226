"""Acme on every backend, with an owner, an admin, and things to work on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from orgtui.store.contract.team import NewInvitation
from tests.conftest import Clock
from tests.contract.backends import Backend, Http, Postgres, Sqlite
from tests.served import Street, listening

T = TypeVar("T")
ADMIN = "grace@acme.example"
STRANGER = "mallory@elsewhere.example"
Founder = Callable[..., Backend]


def wait(answer: Coroutine[Any, Any, T]) -> T:
    """What an operation answers."""
    return asyncio.run(answer)


BACKENDS = ("sqlite", "postgresql", "http on sqlite", "http on postgresql")
# On SQLite every example of every test is run. Beside it the first example of each on PostgreSQL, and over HTTP those
# that walk the whole contract; the soak has them all, on all four.
ALL_EXAMPLES = {"test_every_answer_comes_back_from_json_as_it_was"}
WALKING = {"test_operations", "test_access"}
# On any other backend than SQLite they cost more than all the others; a shorter one beside each runs there.
LONG = {"test_team_does_what_the_model_does", "test_the_months_are_what_a_plain_ledger_says"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the soak what would only say again on another backend what it said on SQLite."""
    seen = set[tuple[Path, str, str]]()
    for item in items:
        backend = _backend_of(item)
        if not isinstance(item, pytest.Function) or backend in (None, "sqlite"):
            continue
        test = item.path, item.originalname, str(backend)
        repeats = test in seen and item.originalname not in ALL_EXAMPLES
        elsewhere = backend == "http on postgresql" or (backend != "postgresql" and item.path.stem not in WALKING)
        if repeats or elsewhere or item.originalname in LONG:
            item.add_marker(pytest.mark.soak)
        seen.add(test)


def _backend_of(item: pytest.Item) -> object:
    return (
        item.callspec.params.get("founded") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    )


@pytest.fixture(scope="session")
def street() -> Iterator[tuple[str, Street]]:
    """This worker's server, and its URL."""
    served = Street()
    with listening(served) as url:
        yield url, served


@pytest.fixture(params=BACKENDS)
def founded(request: pytest.FixtureRequest, memory: Path, clock: Clock) -> Iterator[Founder]:
    """Makes organizations, in UTC unless another timezone is named."""
    made, numbers = list[Backend](), count()
    over_http, database = request.param.startswith("http"), request.param.rpartition(" ")[2]
    kept = request.getfixturevalue("templates" if database == "sqlite" else "postgres")

    def make(timezone: str = "UTC") -> Backend:
        # Two are the most that a test compares; of hundreds the server would have too many connections.
        while len(made) > 1:
            made.pop(0).close()
        directory = memory / str(next(numbers))
        directory.mkdir()
        behind = (
            Sqlite(directory, kept, clock, timezone)
            if database == "sqlite"
            else Postgres(kept, directory, clock, timezone)
        )
        made.append(Http(behind, *request.getfixturevalue("street")) if over_http else behind)
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(founded: Founder) -> Backend:
    """Acme, in UTC."""
    return founded()


@pytest.fixture
def store(backend: Backend) -> Store:
    """Acme, opened for its owner."""
    return backend.open()


async def join(store: Store, email: str, name: str, role: Role = Role.ADMIN) -> str:
    """Somebody is invited, and accepts; their id."""
    invitation = await store.team.invite(NewInvitation(email=email, role=role))
    return (await store.team.join(invitation.code, name)).id
