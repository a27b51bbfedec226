"""Ways to change an audit log behind the program's back, by whoever can write the file but has no key."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

COLUMNS = ("org_id", "seq", "at", "actor", "role", "operation", "subject", "before", "after", "mac")
TEXTS = ("actor", "role", "operation", "subject", "before", "after")
Row = list[Any]
# What is changed, as told; a log of rows, and the organization's revision in a list of one.
Way = Callable[[list[Row], list[Any], random.Random], None]
WAYS: dict[str, Way] = {}


class Raw:
    """A value that only SQL can write, as text that is no UTF-8."""

    def __init__(self, sql: str) -> None:
        self.sql = sql


def tamper(path: Path, way: str, chance: random.Random) -> bool:
    """Change a log in one way; answers whether it is another one now.

    The table is made again without its rules and triggers, so that everything fits in.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        before = _image(connection)
        connection.execute("CREATE TABLE loose AS SELECT * FROM audit ORDER BY seq")
        connection.execute("DROP TABLE audit")
        connection.execute("ALTER TABLE loose RENAME TO audit")
        rows = [list(row) for row in connection.execute("SELECT * FROM audit ORDER BY seq")]
        revision = [connection.execute("SELECT revision FROM organizations").fetchone()[0]]
        WAYS[way](rows, revision, chance)
        connection.execute("DELETE FROM audit")
        for row in rows:
            marks = ", ".join(value.sql if isinstance(value, Raw) else "?" for value in row)
            values = [value for value in row if not isinstance(value, Raw)]
            connection.execute(f"INSERT INTO audit VALUES ({marks})", values)
        connection.execute("UPDATE organizations SET revision = ?", revision)
        return _image(connection) != before


def _image(connection: sqlite3.Connection) -> list[Any]:
    """The log, with types, to the byte."""
    seen = ", ".join(f"typeof({column}), hex({column})" for column in COLUMNS)
    rows = connection.execute(f"SELECT {seen} FROM audit ORDER BY seq, rowid").fetchall()
    return rows + connection.execute("SELECT typeof(revision), hex(revision) FROM organizations").fetchall()


def _way(function: Way) -> Way:
    WAYS[function.__name__] = function
    return function


def _some(rows: list[Row], chance: random.Random) -> Row:
    return chance.choice(rows)


def _edit(column: str) -> Way:
    def edit(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
        row, index = _some(rows, chance), COLUMNS.index(column)
        row[index] = _another(row[index], chance, chance.choice(rows)[index])

    return edit


def _another(value: Any, chance: random.Random, neighbour: Any) -> Any:
    """Something else, most of it hard to see."""
    text = str(value)
    place = chance.randrange(len(text) + 1)
    other: Any = chance.choice(
        [
            neighbour,
            None,
            0,
            -1,
            1.5,
            1 << 62,
            "",
            text.swapcase(),
            text + " ",
            text + "\0",
            text[:place],
            text[:place] + chance.choice("aA0_ ́") + text[place:],
            text.replace("e", "е"),
            text.encode(),
            repr(text.encode()),
            [text],
            Raw("CAST(x'61ff62' AS TEXT)"),
        ]
    )
    if isinstance(other, list):
        return repr(other)
    if isinstance(value, int) and chance.random() < 0.5:
        return value + chance.choice([-1, 1, 1_000_000])
    return other


for _column in COLUMNS:
    WAYS[f"edit {_column}"] = _edit(_column)


@_way
def retype(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    """The same bytes as something else: a number as text, a text as a blob."""
    row = _some(rows, chance)
    index = chance.randrange(len(COLUMNS))
    row[index] = f"x{row[index]}" if isinstance(row[index], int) else row[index].encode()


@_way
def nothing_in_it(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    """NULL."""
    _some(rows, chance)[chance.randrange(len(COLUMNS))] = None


@_way
def shift(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    """A letter goes over the border to the next column: written in one line, nothing has changed."""
    row, index = _some(rows, chance), chance.randrange(3, 8)
    row[index], row[index + 1] = row[index][:-1], row[index][-1:] + row[index + 1]


@_way
def delete(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    rows.remove(_some(rows, chance))


@_way
def delete_and_close_the_gap(rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    gone = chance.randrange(len(rows) - 1)
    del rows[gone]
    for row in rows[gone:]:
        row[1] -= 1
    revision[0] -= 1


@_way
def delete_some(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    for _ in range(chance.randint(2, len(rows) - 1)):
        rows.remove(_some(rows, chance))


@_way
def delete_all(rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    rows.clear()
    revision[0] = chance.choice([-1, 0, revision[0]])


@_way
def append(rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    """A forged change at the end, counted as one."""
    last = rows[-1]
    forged = chance.choice([last[9], _some(rows, chance)[9], "", "0" * 64, f"{chance.getrandbits(256):064x}"])
    rows.append([last[0], last[1] + 1, last[2] + 1, *_some(rows, chance)[3:9], forged])
    revision[0] += 1


@_way
def insert(rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    """A forged change somewhere before the end, the others moved."""
    place = chance.randrange(len(rows) - 1)
    forged = [*rows[place]]
    for row in rows[place + 1 :]:
        row[1] += 1
    forged[1] += 1
    rows.insert(place + 1, forged)
    revision[0] += 1


@_way
def insert_between(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    copy = [*_some(rows, chance)]
    copy[1] += chance.choice([0.5, -100, 0])
    rows.append(copy)


@_way
def swap(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    """Two rows in each other's place, with or without their MACs."""
    one, other = chance.sample(rows, 2)
    width = chance.choice([9, 10])
    one[2:width], other[2:width] = other[2:width], one[2:width]


@_way
def swap_numbers(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    one, other = chance.sample(rows, 2)
    one[1], other[1] = other[1], one[1]


@_way
def swap_macs(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    one, other = chance.sample(rows, 2)
    one[9], other[9] = other[9], one[9]


@_way
def reorder(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    numbers = [row[1] for row in rows]
    chance.shuffle(numbers)
    for row, number in zip(rows, numbers, strict=True):
        row[1] = number


@_way
def swap_before_and_after(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    row = _some(rows, chance)
    row[7], row[8] = row[8], row[7]


@_way
def truncate(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    del rows[chance.randrange(1, len(rows)) :]


@_way
def truncate_to_another_count(rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    del rows[chance.randrange(2, len(rows)) :]
    revision[0] = len(rows) - chance.choice([0, 2])


@_way
def count_otherwise(_rows: list[Row], revision: list[Any], chance: random.Random) -> None:
    revision[0] = chance.choice([revision[0] + 1, revision[0] - 1, 0, -1, 1.5, "many", b"\1", f"{revision[0]}x"])


@_way
def move_away(rows: list[Row], _revision: list[Any], chance: random.Random) -> None:
    """To another organization: one row, or all from one on."""
    place = chance.randrange(len(rows))
    for row in rows[place : chance.choice([place + 1, len(rows)])]:
        row[0] = "org_other"
