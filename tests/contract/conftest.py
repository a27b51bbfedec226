"""Acme on every backend, with an owner, an admin, and things to work on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from orgtui.store.contract.team import NewInvitation
from tests.conftest import Clock
from tests.contract.backends import BACKENDS, Backend

T = TypeVar("T")
ADMIN = "grace@acme.example"
STRANGER = "mallory@elsewhere.example"
Founder = Callable[..., Backend]


def wait(answer: Coroutine[Any, Any, T]) -> T:
    """What an operation answers."""
    return asyncio.run(answer)


@pytest.fixture(params=list(BACKENDS))
def founded(request: pytest.FixtureRequest, memory: Path, templates: Path, clock: Clock) -> Iterator[Founder]:
    """Makes organizations, in UTC unless another timezone is named."""
    made: list[Backend] = []

    def make(timezone: str = "UTC") -> Backend:
        directory = memory / str(len(made))
        directory.mkdir()
        made.append(BACKENDS[request.param](directory, templates, clock, timezone))
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
