"""A server for the tests of a module, whose organization is fresh for each of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.shop import Town, town
from tests.server.site import Kit, Site, kit, serving


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Acme and its twin, ready to be copied."""
    return kit(tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A directory in memory where there is one: what is committed there is not waited for."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def running(made: Kit, shared: Path) -> Iterator[Site]:
    """This worker's server: to derive its routes costs more than most tests."""
    directory = shared / "site"
    directory.mkdir()
    with serving(made, directory) as site:
        # The first request imports what the others find there.
        site.get("/overview")
        yield site


@pytest.fixture(scope="session")
def streets() -> Iterator[Town]:
    """The same for shops, each with an account at the fake Stripe."""
    with town() as built:
        yield built


@pytest.fixture
def site(running: Site) -> Site:
    """The same, with everything as it was in the beginning."""
    running.renew()
    return running
