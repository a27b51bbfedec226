"""Acme on either kind of database, for those who come to it all at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Clock, copy_of_acme
from tests.store.races import File, Ground

if TYPE_CHECKING:
    from tests.postgres import Place, Server


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(
    request: pytest.FixtureRequest, memory: Path, tmp_path: Path, templates: Path, clock: Clock
) -> Iterator[Ground]:
    """Acme, in UTC; a file is on a disk where there is time for it."""
    directory = tmp_path if request.node.get_closest_marker("soak") else memory
    if request.param == "sqlite":
        copy_of_acme(templates, directory / "acme.db", clock)
        yield File(directory / "acme.db")
    else:
        server = request.getfixturevalue("postgres")
        place = server.acme(directory, clock)
        yield place
        server.drop(place)


@pytest.fixture
def acme_place(postgres: Server, tmp_path: Path, clock: Clock) -> Iterator[Place]:
    """Acme, in UTC."""
    place = postgres.acme(tmp_path, clock)
    yield place
    # Also after a test that failed while it was down.
    postgres.start()
    postgres.drop(place)
