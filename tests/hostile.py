"""An organization into whose database somebody else wrote hostile names, past everything that would clean them."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from orgtui.domain.ambient import system_ambient
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.ptyharness import PAYLOADS

OWNER = "ada@acme.example"


def hostile(seed: int, count: int, letter: str) -> list[str]:
    """*count* names with every kind of payload among ordinary words, each with a mark by which it is found again."""
    chance = random.Random(seed)
    kinds = itertools.islice(itertools.cycle(PAYLOADS.items()), count)
    names = []
    for mark, (kind, payload) in zip(marks(letter, count), kinds, strict=True):
        parts = [mark, payload, chance.choice(("Müller", "a@b.example", "'; --", "x"))]
        names.append("".join(reversed(parts[:2]) if kind == "mark first" else parts))
    return [name.encode("utf-8", "replace").decode() for name in names]


def marks(letter: str, count: int) -> list[str]:
    """What the names begin with; where it must be something else, end with."""
    return [f"{letter}{index:04d}{letter}" for index in range(count)]


def organization(path: Path, seed: int, count: int) -> Path:
    """A database with *count* hostile models and as many hostile workflows today, and hostile people around them."""
    database = SqliteDatabase(path)
    found(database, Founding(name="Acme", owner=OWNER), system_ambient())
    database.close()
    kinds = list(PAYLOADS.values())
    first = kinds[seed % len(kinds)].encode("utf-8", "replace").decode()
    with closing(sqlite3.connect(path)) as connection, connection:
        (org,) = connection.execute("SELECT id FROM organizations").fetchone()
        connection.execute("UPDATE organizations SET name = ?, description = ?", (f"N{first}N", f"D{first}\n{first}D"))
        connection.execute("UPDATE members SET name = ?", (f"M{first}M",))
        _people(connection, org, hostile(seed, 40, "p"))
        _usage(connection, org, hostile(seed, count, "m"), hostile(seed, count, "w"))
    return path


def _people(connection: sqlite3.Connection, org: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        row = (org, str(index), name)
        connection.execute(
            "INSERT INTO invitations (org_id, id, email, email_key, role, code_hash, invited_by, sent_at, expires_at,"
            " sends, delivery, delivery_note) VALUES (?, ?, ?, ?, 'admin', ?, ?, 0, 0, 1, 'failed', ?)",
            (*row, str(index), str(index), name, name),
        )
        connection.execute(
            "INSERT INTO members (org_id, id, email, email_key, name, role, joined_at, version)"
            " VALUES (?, ?, ?, ?, ?, 'admin', 0, 1)",
            (org, f"mem_{index}", name, str(index), name),
        )
        connection.execute(
            "INSERT INTO workspaces (org_id, id, name, name_key, description, created_at, version)"
            " VALUES (?, ?, ?, ?, ?, 0, 1)",
            (*row, str(index), name),
        )
        connection.execute("INSERT INTO inventory VALUES (?, ?, 'workflow', 'w', ?)", (org, str(index), name))


def _usage(connection: sqlite3.Connection, org: str, models: Sequence[str], workflows: Sequence[str]) -> None:
    day = datetime.now(UTC).date().isoformat()
    for index, model in enumerate(models):
        cost = str(len(models) - index)
        connection.execute(
            "INSERT INTO call_days (org_id, day, workspace_id, provider, model, funding, currency, calls, failed_calls,"
            " input_tokens, output_tokens, total_tokens, cached_tokens, unpriced_calls, billed, estimated, credits)"
            " VALUES (?, ?, '', ?, ?, 'credits', 'EUR', 1, 0, 1, 1, 2, 0, 0, ?, '0', ?)",
            (org, day, model, model, cost, cost),
        )
    for index, workflow in enumerate(workflows):
        connection.execute(
            "INSERT INTO runs (org_id, source, id, day, workspace_id, status, mode, outcome, started_at, workflow)"
            " VALUES (?, ?, ?, ?, '', 'success', 'webhook', 'success', 0, ?)",
            (org, "hostile", str(index), day, workflow),
        )
    connection.execute("INSERT INTO run_days VALUES (?, ?, '', 'success', ?)", (org, day, len(workflows)))
