"""Plain SQL over a DB-API connection: how reads are asked, so that they need no mapper and no import of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlmodel import Session

# What is left as it is (texts, quoted names, casts), a parameter, or a percent sign, which means something to psycopg.
_PART = r"""'[^']*'|"[^"]*"|::|:(?P<name>[a-z_][a-z0-9_]*)|%"""


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...


class Connection(Protocol):
    """The part of a DB-API connection that is used; statements name their parameters `:name`."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any: ...


class Rows:
    """Statements on one connection, inside whatever transaction it has open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Every row."""
        return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, **parameters: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def value(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.one(sql, **parameters)
        return row[0] if row else None

    def run(self, sql: str, **parameters: Any) -> None:
        """A statement that answers nothing."""
        self._connection.execute(sql, parameters)

    def run_many(self, sql: str, parameters: Sequence[dict[str, Any]]) -> None:
        """The statement once for each set of parameters."""
        if parameters:
            self._connection.executemany(sql, parameters)


def rows_of(session: Session) -> Rows:
    """Plain SQL in a session's transaction, after all that the session holds back."""
    session.flush()
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    return Rows(driver if connection.dialect.name == "sqlite" else Pyformat(driver))


class Pyformat:
    """A connection of psycopg, whose statements name their parameters `%(name)s`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = None, /) -> Any:
        """As psycopg does."""
        return self._connection.execute(pyformat(sql), parameters or {})

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> None:
        """As psycopg's cursors do: all of them sent before the first answer is waited for."""
        with self._connection.cursor() as cursor:
            cursor.executemany(pyformat(sql), parameters)


@lru_cache(1024)
def pyformat(sql: str) -> str:
    """The statement as psycopg reads it."""

    def part(found: re.Match[str]) -> str:
        return f"%({name})s" if (name := found["name"]) else found[0].replace("%", "%%")

    return re.sub(_PART, part, sql)
