"""Commands of the whole: init, demo, join, serve, login, backup."""

from __future__ import annotations

import argparse
import os
from datetime import date
from pathlib import Path

from orgtui.domain.errors import Invalid

SECTIONS = ("general", "team", "usage", "billing", "api_keys", "workspaces")
# The demo's own day: the same screens every time.
DEMO_TODAY = date(2026, 11, 30)
PORT = 8470
_LOGIN = (
    "Sign in to a server: then `orgtui --store URL` opens it. Where the server knows your identity provider, you do so "
    "there with a browser; else a token is asked for, as access create makes them."
)


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
    demo.add_argument("--today", type=day, default=DEMO_TODAY, metavar="DATE", help=f"its day ({DEMO_TODAY})")
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

    unseen = "Others on this machine can see a command line, but not what --stdin reads."
    join = commands.add_parser("join", help="accept an invitation", description=f"Accept an invitation. {unseen}")
    which = join.add_mutually_exclusive_group(required=True)
    which.add_argument("code", nargs="?", metavar="CODE", help="the invitation's code; works for whoever has it")
    which.add_argument("--stdin", action="store_true", help="read the code from standard input")
    join.add_argument("--name", help="your name, as the members list shows it (asked for on a terminal)")
    join.add_argument("--json", action="store_true", help="print one JSON value")
    join.set_defaults(run=_join)

    serve = commands.add_parser("serve", help="let others come to this store, over HTTP")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where it listens (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"at which port ({PORT}); 0: any")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="the certificate, with those that it rests on")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    serve.add_argument("--behind-proxy", action="store_true", help="a proxy in front speaks TLS, and is trusted")
    serve.set_defaults(run=_serve)

    login = commands.add_parser("login", help="sign in to a server, or keep a token for it", description=_LOGIN)
    login.add_argument("url", metavar="URL", help="the server: https://HOST")
    login.add_argument("--stdin", action="store_true", help="give a token: it is read from standard input")
    login.add_argument("--json", action="store_true", help="print one JSON value")
    login.set_defaults(run=_login)
    logout = commands.add_parser("logout", help="forget the token of a server; to make it worthless: access revoke")
    logout.add_argument("url", metavar="URL", help="the server: https://HOST")
    logout.set_defaults(run=_logout)

    backup = commands.add_parser("backup", help="copy the organization to a file, while others may write")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file; the master key is not in it")
    backup.add_argument("--json", action="store_true", help="print one JSON value")
    backup.set_defaults(run=_backup)


def day(text: str) -> date:
    """A day from 2000 to 2099, as an argument."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is not a date; write YYYY-MM-DD") from None
    if not 2000 <= found.year < 2100:
        raise argparse.ArgumentTypeError(f"“{text}” is too far away; take a day from 2000 to 2099")
    return found


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
        print_json({"organization": organization, "store": target.url})
    else:
        store = f" --store {shlex.quote(arguments.store)}" if arguments.store else ""
        say(f"{arguments.name} is ready at {target.place}. Open it: orgtui{store}")
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"“{text}” is no port; take one from 0 to 65535")
    return int(text)


def _serve(arguments: argparse.Namespace) -> None:
    from orgtui.cli.serving import serve

    serve(arguments)


def _login(arguments: argparse.Namespace) -> None:
    from orgtui.cli.serving import login

    login(arguments)


def _logout(arguments: argparse.Namespace) -> None:
    from orgtui.cli.serving import logout

    logout(arguments)


def _join(arguments: argparse.Namespace) -> None:
    from orgtui.cli.team import join

    join(arguments)


def _backup(arguments: argparse.Namespace) -> None:
    from orgtui.cli.output import ask, print_json, say, settings_of
    from orgtui.composition import database
    from orgtui.store.contract import Store
    from orgtui.store.contract.general import Overview
    from orgtui.store.sql.backup import back_up

    source, to = database(settings_of(arguments)), arguments.file.absolute()

    async def question(store: Store) -> Overview:
        # A stranger is refused here, before anything is written.
        return await store.general.overview()

    overview = ask(arguments, question)
    head = back_up(source, to, overview.organization_id)
    if arguments.json:
        size = to.stat().st_size
        print_json({"file": str(to), "bytes": size, "audit_head": head, "master_key_file": str(source.keys.path)})
        return
    say(f"{overview.name} is copied to {to}.")
    say(f"Its audit log ends with {head}.")
    say(f"Not in it: the master key {source.keys.path}. Keep a copy of that somewhere else;")
    say("without it no provider key can be read, and the audit log cannot be verified.")


def checked_faults(names: list[str]) -> frozenset[str]:
    """The operations of `--fail`; raises Invalid for one that does not exist."""
    from orgtui.store.faults import operation_ids

    operations = operation_ids()
    known = {*operations, *(name.partition(".")[0] for name in operations)}
    for name in names:
        if name.removesuffix(":forbidden") not in known:
            raise Invalid(f"There is no operation “{name}”. Known: {', '.join(sorted(known))}.")
    return frozenset(names)
