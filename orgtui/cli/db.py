"""`orgtui db`: status and upgrade of its schema, copy of all of it to another."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from shlex import quote

from orgtui.cli.output import ask, print_json, progress, say, settings_of
from orgtui.composition import database
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import some
from orgtui.store.contract import Store
from orgtui.store.contract.general import Overview
from orgtui.store.sql import schema
from orgtui.store.sql.copying import Copied
from orgtui.store.sql.copying import copy as copy_database
from orgtui.store.sql.database import Database


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    status = verbs.add_parser("status", help="which schema it has; exit code 1 when that wants an upgrade")
    status.set_defaults(run=_status)
    upgrade = verbs.add_parser("upgrade", help="bring an older schema to this program's own: all of it, or nothing")
    upgrade.set_defaults(run=_upgrade)
    told = "Others may go on writing where it comes from; what they write from then on is not in the copy."
    copy = verbs.add_parser("copy", help="copy everything to an empty database", description=f"Copy all of it. {told}")
    copy.add_argument("source", metavar="FROM", help="the URL of the store that there is")
    copy.add_argument("target", metavar="TO", help="the URL of a new file, or of an empty database of a server")
    copy.set_defaults(run=_copy)
    for verb in (status, upgrade, copy):
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


def _copy(arguments: argparse.Namespace) -> None:
    given = vars(arguments)
    from_, to = (argparse.Namespace(**given | {"store": url}) for url in (arguments.source, arguments.target))

    async def question(store: Store) -> Overview:
        # A stranger is refused here, before anything is read.
        return await store.general.overview()

    with closing(database(settings_of(from_))) as source, closing(database(settings_of(to))) as target:
        name = ask(from_, question).name
        copied = copy_database(source, target, system_ambient(), progress)
    if arguments.json:
        print_json(_shown(copied, source, target))
        return
    say(f"{name} is copied from {source.place} to {target.place}: {some(copied.rows, 'row')}, each as it was.")
    say(f"SHA-256 of all rows: {copied.digest}")
    for head in copied.heads.values():
        say(f"Its audit log is whole, and ends with {head}.")
    whose = "a copy of" if copied.keys_carried else "there already, with the keys of"
    say(f"Its master key file is {target.keys.path}, {whose} {source.keys.path}.")
    say(f"Open it: orgtui --store {quote(target.url)}")


def _shown(copied: Copied, source: Database, target: Database) -> dict[str, object]:
    return {
        "from": source.url,
        "to": target.url,
        "rows": copied.rows,
        "tables": copied.tables,
        "sha256": copied.digest,
        "audit_heads": copied.heads,
        "master_key_file": str(target.keys.path),
        "master_key_copied": copied.keys_carried,
    }
