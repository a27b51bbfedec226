"""What a first screen waits for: reads need no mapper, the version nothing at all, a command only its own section."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orgtui.store.sql.sqlite import SqliteDatabase

HEAVY = {"sqlalchemy", "sqlmodel", "alembic", "pydantic", "httpx", "stripe", "PIL", "textual"}
HEAVY |= {"cryptography", "email_validator", "genai_prices", "psycopg"}
READ_ALL = """
import asyncio, datetime, pathlib, sys
from orgtui.domain.ambient import system_ambient
from orgtui.store.contract import CONTRACTS
from orgtui.store.contract.operation import operations
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store

opened = open_sql_store(SqliteDatabase(pathlib.Path(sys.argv[1])), None, system_ambient())
# Of no thing that takes a write to be there, and none that waits for the master key.
AFTER = {"audit.verify", "billing.payment", "team.invited"}

async def ask():
    workspace = (await opened.store.workspaces.show()).workspaces[0].id
    for contract in CONTRACTS.values():
        for read in operations(contract).values():
            if not read.writes and read.id not in AFTER:
                arguments = {"day": [datetime.date(2020, 1, 1)], "open": [workspace]}.get(read.name, [])
                acting = opened.platform if read.id == "billing.books" else opened.store
                await getattr(getattr(acting, read.section), read.name)(*arguments)

asyncio.run(ask())
opened.close()
"""
MAIN = """
import contextlib
from orgtui.__main__ import main
with contextlib.suppress(SystemExit):
    main()
"""
PARSE = """
import sys
from orgtui import cli
cli.parse(sys.argv[1:])
"""


def imported(script: str, *argv: str) -> set[str]:
    """The modules that a fresh interpreter has after *script*."""
    told = f"{script}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told, *argv], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_store_opens_and_every_read_is_answered_without_a_mapper(acme: SqliteDatabase) -> None:
    acme.close()
    modules = imported(READ_ALL, str(acme.path))
    assert "orgtui.store.sql.queries.usage" in modules
    assert not modules & HEAVY


def test_showing_needs_no_mapper(acme: SqliteDatabase) -> None:
    acme.close()
    for section in ("general", "usage"):
        modules = imported(MAIN, "--store", f"sqlite:///{acme.path}", section, "show", "--json")
        assert f"orgtui.store.sql.queries.{section}" in modules
        assert not modules & HEAVY


def test_looking_at_a_schema_needs_no_mapper(acme: SqliteDatabase) -> None:
    acme.close()
    modules = imported(MAIN, "--store", f"sqlite:///{acme.path}", "db", "status")
    assert "orgtui.store.sql.schema" in modules
    assert not modules & HEAVY


def test_the_version_needs_nothing() -> None:
    assert not imported(MAIN, "--version") & {*HEAVY, "argparse", "asyncio", "json", "sqlite3", "decimal", "pathlib"}
    orgtui = Path(sys.executable).with_name("orgtui")
    done = subprocess.run([orgtui, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "orgtui 0.1.0\n"


def test_a_command_imports_its_own_section_only() -> None:
    sections = {"orgtui.cli.usage", "orgtui.cli.general"}
    assert not imported(PARSE, "demo", "--section", "usage") & sections
    assert imported(PARSE, "usage", "show") & sections == {"orgtui.cli.usage"}
