"""`orgtui audit`: list who changed what, verify that nobody changed that."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from orgtui.cli.output import ask, csv_columns, print_json, say, table, write_csv
from orgtui.cli.root import day
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.months import zone_or_utc
from orgtui.store.contract import Store
from orgtui.store.contract.audit import LONGEST_PAGE, PAGE, AuditEntry, AuditPage, Verification


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    listed = verbs.add_parser("list", help="the changes, the newest first")
    listed.add_argument("--since", type=day, metavar="DATE", help="from this day on, in the organization's timezone")
    listed.add_argument("--until", type=day, metavar="DATE", help="up to this day and with it")
    listed.add_argument("--text", default="", metavar="WORDS", help="those with all these words, anywhere in them")
    how_many = listed.add_mutually_exclusive_group()
    how_many.add_argument("--limit", type=_count, default=PAGE, metavar="N", help=f"at most so many ({PAGE})")
    how_many.add_argument("--all", action="store_true", help="all of them")
    listed.set_defaults(run=_list)
    verify = verbs.add_parser("verify", help="check every row of the log; exit code 1 when it was tampered with")
    verify.add_argument(
        "--head", metavar="SEQ:MAC", help="what an earlier check printed: the log must continue from it"
    )
    verify.set_defaults(run=_verify)
    shape = listed.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="print CSV")
    shape.add_argument("--json", action="store_true", help="print one JSON value")
    verify.add_argument("--json", action="store_true", help="print one JSON value")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of entries, from 1 on")
    return int(text)


def _list(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> AuditPage:
        entries: list[AuditEntry] = []
        before = None
        while True:
            left = LONGEST_PAGE if arguments.all else min(LONGEST_PAGE, arguments.limit - len(entries))
            page = await store.audit.entries(arguments.text, arguments.since, arguments.until, before, left)
            entries += page.entries
            before = page.next
            if before is None or (len(entries) == arguments.limit and not arguments.all):
                return AuditPage(entries, page.total, before, page.timezone)

    page = ask(arguments, question)
    zone = zone_or_utc(page.timezone)
    rows = [{name: getattr(entry, name) for name in csv_columns(AuditEntry)} for entry in page.entries]
    for row in rows:
        row["at"] = row["at"].astimezone(zone)
    if arguments.json:
        print_json({"total": page.total, "timezone": page.timezone, "entries": rows})
    elif arguments.csv:
        write_csv(rows, csv_columns(AuditEntry), sys.stdout)
    else:
        table(
            ("No.", "When", "Who", "As", "What", "Changed"),
            [
                (
                    str(entry.seq),
                    f"{entry.at.astimezone(zone):%-d %b %Y, %H:%M}",
                    entry.actor,
                    entry.role,
                    entry.operation,
                    "; ".join(changes(entry.before, entry.after)),
                )
                for entry in page.entries
            ],
            right=(0,),
        )
        if page.next is not None:
            say(f"{len(page.entries):,} of {page.total:,}. More with --limit N, or --all.")


def changes(before: Any, after: Any) -> list[str]:
    """Each thing that changed, as `role admin → owner`; without the arrow what was not there before."""
    old, new = _fields(before), _fields(after)
    told = []
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            values = [old[name], "→", new.get(name, "—")] if name in old else [new[name]]
            told.append(" ".join([name, *values]).strip())
    return told


def _fields(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    values = value if isinstance(value, dict) else {"": value}
    return {
        str(name): item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        for name, item in values.items()
    }


def _verify(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> Verification:
        return await store.audit.verify(arguments.head)

    found = ask(arguments, question)
    if arguments.json:
        print_json(found)
    elif found.sound:
        say(f"{some(found.rows, 'row')}, as they were written.")
        say(f"Head: {found.head}")
        say("Keep it elsewhere: with --head, a later check sees whether rows up to here were cut off.")
    else:
        say(f"{some(found.rows, 'row')}, as they were written, before the first that is not.")
    if not found.sound:
        raise OrgtuiError(f"The audit log was tampered with. {found.problem}")
