"""Plain SQL over a DB-API connection: how reads are asked, so that they need no mapper and no import of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol


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
