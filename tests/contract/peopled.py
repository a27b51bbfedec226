"""Acme with people and things to work on, made once and copied for each test that begins there."""

from __future__ import annotations

from pathlib import Path

from orgtui.store.sql.database import Database
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import OWNER, Clock, copy_of_acme, noon
from tests.contract.arguments import World, people
from tests.contract.backends import Backend
from tests.contract.conftest import wait
from tests.postgres import Place, Server

# What was made, by the organization's id, which its copies share.
_made: dict[str, World] = {}


def world_of(backend: Backend) -> World:
    """What was made where this was copied from."""
    ((organization,),) = backend.rows("SELECT id FROM organizations")
    return _made[organization]


def furnish(database: Database, clock: Clock) -> None:
    """People come, and leave things to work on."""
    opened = open_sql_store(database, OWNER, clock.ambient())
    try:
        world = wait(people(opened.store, opened.platform))
        with database.reading() as rows:
            ((organization,),) = rows.all("SELECT id FROM organizations")
    finally:
        opened.close()
    _made[organization] = world


def peopled(templates: Path, to: Path) -> None:
    """A file with Acme, furnished."""
    clock = noon()
    copy_of_acme(templates, to, clock)
    furnish(SqliteDatabase(to), clock)


class PeopledServer:
    """A server each new organization of which is a copy of one that was furnished."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server, self._directory, self._template = server, directory, None

    def acme(self, directory: Path, clock: Clock, timezone: str = "UTC") -> Place:
        """A new database."""
        if self._template is None:
            self._template = self._server.acme(self._directory, clock, timezone)
            furnish(self._template.database(), clock)
        return self._server.copy(self._template, directory)

    def drop(self, place: Place) -> None:
        """A database goes."""
        self._server.drop(place)
