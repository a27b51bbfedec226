"""What the store needs of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from orgtui.domain.errors import NotFound, Unreachable
from orgtui.master_keys import KeyFile
from orgtui.store.sql.rows import Rows

if TYPE_CHECKING:
    from sqlmodel import Session

T = TypeVar("T")
# How many seconds another one's write is waited for.
PATIENCE = 10.0


class Dropped(Unreachable):
    """The connection ended while something was read: on a new one the same may be read at once."""


def reread(read: Callable[[], T]) -> T:
    """What *read* answers, the second time where the connection ended; what only looks may look twice."""
    try:
        return read()
    except Dropped:
        return read()


class Database(Protocol):
    """Reads of one consistent moment, writes that wait for each other, and every refusal in one clear line.

    It may be used from any thread. What it raises is NotFound, StoreRefused or Unreachable.
    """

    keys: KeyFile

    @property
    def label(self) -> str:
        """What the footer calls it."""

    @property
    def place(self) -> str:
        """What messages call it: never with a password."""

    @property
    def url(self) -> str:
        """What opens it with --store, but for a password."""

    @property
    def upgrades_itself(self) -> bool:
        """Whether opening it may change its schema: a file is one program's own, a server is not."""

    def check(self) -> None:
        """Raise what can be known without opening it."""

    def nothing_here(self) -> NotFound:
        """The error for a place that holds no organization."""

    def create(self) -> None:
        """Make the place for an organization, unless there is one, as far as that is a program's to make."""

    def tables(self, rows: Rows) -> set[str]:
        """The names of all tables."""

    def reading(self) -> AbstractContextManager[Rows]:
        """Rows of one consistent moment; raises Dropped where the connection ends meanwhile."""

    def writing(self, organization: str | None = None) -> AbstractContextManager[Session]:
        """A session that commits at the end and rolls back on any error.

        Nobody else writes in *organization* meanwhile, or in any where none is named.
        """

    def migrating(self) -> AbstractContextManager[Session]:
        """As `writing`, for changes of the schema."""

    def before_upgrade(self, revision: str, now: datetime) -> Path | None:
        """The backup of schema *revision* that it makes by itself, if it does."""

    def backup(self, to: Path) -> None:
        """Copy everything, of one moment, to an SQLite file that only its owner can read: whole, or not there."""

    def close(self) -> None:
        """Close all connections; a later use opens them again."""
