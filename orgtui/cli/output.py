"""How commands print: one JSON value, or lines for people; errors as one line, or as problem details."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.money import Cost, Money, plain
from orgtui.domain.text import clean

if TYPE_CHECKING:
    import argparse

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
    """One JSON value on stdout."""
    readable = (sys.stdout.encoding or "").lower() == "utf-8"
    print(json.dumps(jsonable(value), ensure_ascii=not readable, indent=2))


def say(line: str = "") -> None:
    """A line for people on stdout, cleaned."""
    print("\n".join(clean(part) for part in line.split("\n")))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Columns in plain text; `right` are the indexes of the columns with figures."""
    cells = [[clean(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    for row in cells:
        parts = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(parts).rstrip())


def report(error: OrgtuiError, *, as_json: bool) -> int:
    """The error on stderr, and its exit code."""
    if as_json:
        problem = {"type": f"orgtui:{error.code}", "title": error.code, "status": error.status, "detail": error.message}
        print(json.dumps(problem | jsonable(error.details)), file=sys.stderr)
    else:
        print(f"orgtui: {clean(error.message)}", file=sys.stderr)
    return error.exit_code


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[tuple[Store, Callable[[Coroutine[Any, Any, T]], T]]]:
    """The store that the arguments name, and what waits for one of its answers."""
    import asyncio
    import os

    from orgtui.composition import open_store
    from orgtui.domain.ambient import system_ambient
    from orgtui.settings import load

    settings = load(store=arguments.store, actor=arguments.actor, environ=os.environ)
    opening = open_store(settings, system_ambient())
    try:
        with asyncio.Runner() as runner:
            yield opening.store, runner.run
    finally:
        opening.close()


def ask(arguments: argparse.Namespace, question: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Open the store, ask it, close it."""
    with opened(arguments) as (store, wait):
        return wait(question(store))
