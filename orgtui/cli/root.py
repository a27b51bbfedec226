"""Commands of the whole: init, demo."""

from __future__ import annotations

import argparse
import os
from datetime import date

from orgtui.domain.errors import Invalid

SECTIONS = ("general", "team", "usage", "billing", "api_keys", "workspaces")
# The demo's own day: the same screens every time.
DEMO_TODAY = date(2026, 11, 30)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    init = commands.add_parser("init", help="make an organization")
    init.add_argument("--name", required=True, help="its display name")
    init.add_argument("--owner", required=True, metavar="EMAIL", help="its first owner")
    init.add_argument("--owner-name", metavar="NAME", help="the owner's name (else the part before the @)")
    init.add_argument("--timezone", default="UTC", metavar="ZONE", help="where its days begin (UTC), Europe/Berlin, …")
    init.add_argument("--json", action="store_true", help="print one JSON value")
    init.set_defaults(run=_init)

    demo = commands.add_parser("demo", help="open a seeded organization; nothing you do there is kept")
    demo.add_argument("--today", type=_day, default=DEMO_TODAY, metavar="DATE", help=f"its day ({DEMO_TODAY})")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, another organization (1)")
    demo.add_argument("--section", choices=SECTIONS, default="general", help="the section to open first")
    demo.add_argument("--slow", type=_seconds, default=0.0, metavar="SECONDS", help="answer that much later")
    demo.add_argument(
        "--fail",
        action="append",
        default=[],
        metavar="OPERATION",
        help="let it fail: usage.month, team, general:forbidden",
    )
    demo.set_defaults(demo=True)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is not a date; write YYYY-MM-DD") from None
    if not 2000 <= day.year < 2100:
        raise argparse.ArgumentTypeError(f"“{text}” is too far away; take a day from 2000 to 2099")
    return day


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of seconds from 0 to 3600")
    return seconds


def _init(arguments: argparse.Namespace) -> int:
    import shlex

    from orgtui.cli.output import print_json, say
    from orgtui.composition import database
    from orgtui.domain.ambient import system_ambient
    from orgtui.settings import load
    from orgtui.store.sql.founding import Founding, found

    target = database(load(store=arguments.store, environ=os.environ))
    founding = Founding(
        name=arguments.name,
        owner=arguments.owner,
        owner_name=arguments.owner_name,
        timezone=arguments.timezone,
    )
    organization = found(target, founding, system_ambient())
    if arguments.json:
        print_json({"organization": organization, "store": f"sqlite:///{target.path}"})
    else:
        store = f" --store {shlex.quote(arguments.store)}" if arguments.store else ""
        say(f"{arguments.name} is ready at {target.path}. Open it: orgtui{store}")
    return 0


def checked_faults(names: list[str]) -> frozenset[str]:
    """The operations of `--fail`; raises Invalid for one that does not exist."""
    from orgtui.store.faults import operation_ids

    operations = operation_ids()
    known = {*operations, *(name.partition(".")[0] for name in operations)}
    for name in names:
        if name.removesuffix(":forbidden") not in known:
            raise Invalid(f"There is no operation “{name}”. Known: {', '.join(sorted(known))}.")
    return frozenset(names)
