"""How commands print: one JSON value, CSV, or lines for people; errors as one line, or as problem details."""

from __future__ import annotations

import base64
import json
import sys
import unicodedata
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.money import Cost, Money, plain
from orgtui.domain.text import DANGEROUS, clean, csv_cell

if TYPE_CHECKING:
    import argparse

    from orgtui.settings import Settings
    from orgtui.store.contract import Store

T = TypeVar("T")


def jsonable(value: Any) -> Any:
    """The value in JSON's own types: money as currency and decimal text, times in ISO 8601 with zone."""
    if isinstance(value, Cost):
        return {"currency": value.currency, "amount": plain(value.amount)}
    if isinstance(value, Money):
        return {"currency": value.currency, "amount": plain(value.major())}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def print_json(value: Any) -> None:
    """One JSON value on stdout; what a terminal must not get is written as JSON escapes."""
    readable = (sys.stdout.encoding or "").lower() == "utf-8"
    text = json.dumps(jsonable(value), ensure_ascii=not readable, indent=2)
    print("\n".join(DANGEROUS.sub(lambda found: json.dumps(found[0])[1:-1], line) for line in text.split("\n")))


def csv_columns(kind: type[Any]) -> list[str]:
    """The columns of rows of a dataclass: money has two."""
    from typing import get_args, get_type_hints

    columns = []
    for name, hint in get_type_hints(kind).items():
        columns += [name, f"{name}_currency"] if {Cost, Money} & {hint, *get_args(hint)} else [name]
    return columns


def write_csv(rows: Iterable[Any], columns: Sequence[str], out: TextIO, *, raw: bool = False) -> None:
    """Rows, as dataclasses or by column, under their header.

    Text that a spreadsheet would run gets an apostrophe unless *raw*; what is no single value is JSON.
    """
    import csv

    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = row if isinstance(row, dict) else {field.name: getattr(row, field.name) for field in fields(row)}
        writer.writerow({column: cell for name in values for column, cell in _cells(name, values[name], raw)})


def _cells(name: str, value: Any, raw: bool) -> Iterator[tuple[str, Any]]:
    cell = jsonable(value)
    if isinstance(value, Cost | Money):
        yield name, cell["amount"]
        yield f"{name}_currency", cell["currency"]
        return
    if isinstance(cell, dict | list | bool):
        cell = json.dumps(cell, ensure_ascii=False)
    if isinstance(cell, str):
        cell = clean(cell)
    yield name, csv_cell(cell) if isinstance(value, str) and not raw else cell


def say(line: str = "") -> None:
    """A line for people on stdout, cleaned."""
    print("\n".join(clean(part) for part in line.split("\n")))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Columns in plain text; `right` are the indexes of the columns with figures."""
    cells = [[clean(cell) for cell in row] for row in (header, *rows)]
    widths = [max(_width(row[index]) for row in cells) for index in range(len(header))]
    for row in cells:
        parts = []
        for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
            room = " " * (width - _width(cell))
            parts.append(room + cell if index in right else cell + room)
        print("  ".join(parts).rstrip())


def _width(text: str) -> int:
    """In a terminal's columns, as far as they can be known without asking it."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def progress(done: int, total: int) -> None:
    """How far something long is, on a terminal, in one line that changes."""
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def problem(error: OrgtuiError) -> dict[str, Any]:
    """The error as problem details (RFC 9457)."""
    details: dict[str, Any] = jsonable(error.details)
    return error.problem() | details


def report(error: OrgtuiError, *, as_json: bool) -> int:
    """The error on stderr, and its exit code."""
    if as_json:
        print(json.dumps(problem(error)), file=sys.stderr)
    else:
        print(f"orgtui: {clean(error.message)}", file=sys.stderr)
    return error.exit_code


def asked(question: str) -> str | None:
    """What is typed on the terminal; None where there is none to ask on."""
    if not sys.stdin.isatty():
        return None
    # Not among what the command prints.
    print(f"{clean(question)} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.buffer.readline().decode("utf-8", "replace").strip()


def confirm(question: str) -> None:
    """Go on only after a yes; raises OrgtuiError after anything else, Invalid where there is nobody to ask."""
    answer = asked(f"{question} [y/N]")
    if answer is None:
        raise Invalid("There is no terminal to ask on; add --yes to do it without being asked.")
    if answer.casefold() not in ("y", "yes"):
        raise OrgtuiError("Nothing was changed.")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What the arguments, the environment and the config file say."""
    import os

    from orgtui.settings import load

    return load(store=arguments.store, actor=arguments.actor, environ=os.environ)


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[tuple[Store, Callable[[Coroutine[Any, Any, T]], T]]]:
    """The store that the arguments name, and what waits for one of its answers."""
    import asyncio

    from orgtui.composition import open_store
    from orgtui.domain.ambient import system_ambient

    opening = open_store(settings_of(arguments), system_ambient())
    try:
        with asyncio.Runner() as runner:
            yield opening.store, runner.run
    finally:
        opening.close()


def ask(arguments: argparse.Namespace, question: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Open the store, ask it, close it."""
    with opened(arguments) as (store, wait):
        return wait(question(store))
