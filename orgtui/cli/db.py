"""`orgtui db`: the schema of the database, and its upgrade."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from orgtui.cli.output import print_json, say, settings_of
from orgtui.composition import database
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import OrgtuiError
from orgtui.store.sql import schema
from orgtui.store.sql.database import Database


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    status = verbs.add_parser("status", help="which schema it has; exit code 1 when that wants an upgrade")
    status.set_defaults(run=_status)
    upgrade = verbs.add_parser("upgrade", help="bring an older schema to this program's own: all of it, or nothing")
    upgrade.set_defaults(run=_upgrade)
    for verb in (status, upgrade):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[tuple[Database, str]]:
    """The database that the arguments name, and the schema it has; it may be any that this program knows."""
    named = database(settings_of(arguments))
    try:
        named.check()
        yield named, schema.existing(named)
    finally:
        named.close()


def _status(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as (named, found):
        current = found == schema.HEAD
        said = _nothing_to_do(named) if current else schema.older(named, found)
    if arguments.json:
        print_json({"store": named.url, "schema": found, "newest": schema.HEAD, "current": current, "message": said})
    else:
        say(said)
    return 0 if current else OrgtuiError.exit_code


def _upgrade(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (named, found):
        backup = None if found == schema.HEAD else schema.upgrade(named, system_ambient())
    if arguments.json:
        print_json({"store": named.url, "before": found, "schema": schema.HEAD, "backup": backup and str(backup)})
    elif found == schema.HEAD:
        say(_nothing_to_do(named))
    else:
        say(f"{named.place} has schema {schema.HEAD} now; it had {found}.")
        if backup:
            say(f"As it was, it is kept in {backup}.")


def _nothing_to_do(named: Database) -> str:
    return f"{named.place} has schema {schema.HEAD}, which is this program's own: there is nothing to do."
