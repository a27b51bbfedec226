"""How the screens are started: the terminal first, then the first frame, then the store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orgtui.domain.ambient import Ambient, system_ambient
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.settings import Settings, cache_path, load

if TYPE_CHECKING:
    from orgtui.app import Connection
    from orgtui.store.sql.database import Database

# What opens the store, its clock and chance, what is done at the end, and what the footer calls it.
Opening = tuple[Callable[[], "Connection"], Ambient, Callable[[], None], str]
THEME_NAMES = ("dark", "light", "ansi")
_SALES = "sales@platform.example"


def launch(arguments: argparse.Namespace) -> int:
    """Run the screens and answer the exit code."""
    from orgtui import tty

    try:
        settings = load(store=arguments.store, actor=arguments.actor, environ=os.environ)
        if settings.theme and settings.theme not in THEME_NAMES:
            raise Invalid(f"There is no theme “{settings.theme}”; take one of {', '.join(THEME_NAMES)}.")
        if arguments.demo:
            settings = replace(settings, sales_contact=_SALES)
        connect, ambient, done, label = _demo(arguments, settings) if arguments.demo else _own(settings)
        profile = tty.prepare(os.environ)
    except OrgtuiError as error:
        from orgtui.cli.output import report

        return report(error, as_json=False)
    tty.hold_gc()
    from orgtui.app import OrgTui
    from orgtui.terminal import run

    app = OrgTui(
        connect,
        settings=settings,
        profile=profile,
        ambient=ambient,
        section=getattr(arguments, "section", "general"),
        label=label,
    )
    try:
        return run(app)
    finally:
        done()


def _own(settings: Settings) -> Opening:
    from orgtui.composition import database, mailer

    # A look at the file now: what is plainly not there needs no screens to say so.
    label = settings.server.host if settings.server else _look_at(database(settings))
    # And at the mail settings, which is cheap where there are none.
    post = mailer(settings)
    ambient = system_ambient()

    def connect() -> Connection:
        from orgtui.app import Connection, Outbox
        from orgtui.composition import open_store

        opened = open_store(settings, ambient)
        outbox = Outbox(post, settings.arrival)
        return Connection(
            opened.store,
            opened.close,
            outbox,
            keys=opened.key_tests,
            billing=opened.payments,
        )

    return connect, ambient, lambda: None, label


def _look_at(where: Database) -> str:
    where.check()
    return where.label


def _demo(arguments: Any, settings: Settings) -> Opening:
    from pathlib import Path

    from orgtui.cli.root import checked_faults

    fail = checked_faults(arguments.fail) if arguments.fail else frozenset()
    copies: list[Path] = []

    def connect() -> Connection:
        from orgtui.app import Connection
        from orgtui.composition import demo_billing_service, demo_key_service
        from orgtui.store import demo
        from orgtui.store.faults import faulty
        from orgtui.store.sql.sqlite import SqliteDatabase
        from orgtui.store.sql.store import open_sql_store

        path = demo.throwaway(cache_path(), arguments.today, arguments.seed)
        copies.append(path)
        opened = open_sql_store(SqliteDatabase(path), settings.actor if arguments.actor else None, ambient)
        store = faulty(opened.store, slow=arguments.slow, fail=fail) if arguments.slow or fail else opened.store
        shown = replace(opened, store=store)
        return Connection(
            store,
            opened.close,
            keys=lambda: demo_key_service(shown),
            billing=lambda: demo_billing_service(shown, ambient),
        )

    def done() -> None:
        for path in copies:
            from orgtui.store import demo

            demo.discard(path)

    from orgtui.store.demo import seeded_ambient

    ambient = seeded_ambient(arguments.today, arguments.seed)
    return connect, ambient, done, "demo"
