"""An organization as the first schema kept it, written by plain SQL: there is no older program to make one with."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from alembic import command
from alembic.config import Config
from sqlmodel import Session

from orgtui.domain.months import micros
from orgtui.store.sql import chain, schema
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import Rows, rows_of
from tests.conftest import OWNER, Clock
from tests.contract.conftest import ADMIN

ORGANIZATION = "org_older"
CODE = "kT9-_oldcode0123456789abcdefghijklmnopqrst0"
INVITED = "linus@acme.example"
# The first schema kept the sender of an invitation as he had typed himself.
TYPED = "Grace@ACME.example"
NAMES = ("Acme", "Acme\u202e", "ÄÖ \x1b[31m", "'; DROP TABLE audit; --", '{"a": "\\"b\\""}', "b'x'", "😀" * 30, "\0")


def organization(
    database: Database, clock: Clock, *, changes: int = len(NAMES), sealed: bool = False, revision: str = "0001"
) -> None:
    """One with an owner, an admin, an open invitation, usage, and a log of so many changes; *sealed* with a key.

    It began with the first schema, and an upgrade of then brought it to *revision*.
    """
    database.create()
    with database.migrating() as session:
        migrate(session, "0001")
        rows, now = rows_of(session), micros(clock.now)
        put_people(rows, now, changes)
        put_usage(rows, now)
        put_log(rows, now, changes)
        if sealed:
            put(
                rows,
                "provider_keys",
                org_id=ORGANIZATION,
                id="key_1",
                provider="openai",
                hint="sk-…wxyz",
                fingerprint="f",
                sealed="v1.sealed",
                added_by=OWNER,
                added_at=now,
            )
        migrate(session, revision)
        if revision != "0001":
            chain.seal(rows, database.keys.open(clock.ambient().random, create=True).chain())
    database.close()


def migrate(session: Session, revision: str) -> None:
    """As an older program did it."""
    config = Config()
    config.set_main_option("script_location", str(schema.SCRIPTS))
    config.attributes["connection"] = session.connection()
    command.upgrade(config, revision)


def put_people(rows: Rows, now: int, changes: int) -> None:
    """The organization, who is in it, and a workspace."""
    put(
        rows,
        "organizations",
        id=ORGANIZATION,
        name="Acme",
        description="Ours",
        timezone="Europe/Berlin",
        currency="EUR",
        plan="free",
        credit_rate="3.2",
        created_at=now,
        version=1,
        revision=changes,
    )
    for id, email, name, role in (("mem_1", OWNER, "Ada", "owner"), ("mem_2", ADMIN, "Grace", "admin")):
        put(
            rows,
            "members",
            org_id=ORGANIZATION,
            id=id,
            email=email,
            email_key=email,
            name=name,
            role=role,
            joined_at=now,
            version=1,
        )
    put(
        rows,
        "invitations",
        org_id=ORGANIZATION,
        id="inv_1",
        email=INVITED,
        email_key=INVITED,
        role="admin",
        code_hash=hashlib.sha256(CODE.encode()).hexdigest(),
        invited_by=TYPED,
        sent_at=now,
        expires_at=now + 7 * 86_400_000_000,
    )
    put(
        rows,
        "workspaces",
        org_id=ORGANIZATION,
        id="ws_1",
        name="Default",
        name_key="default",
        description="",
        created_at=now,
        version=1,
    )


def put_usage(rows: Rows, now: int) -> None:
    """A run and a call, with their sums."""
    where = {"org_id": ORGANIZATION, "day": "2026-11-23", "workspace_id": "ws_1"}
    tokens = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100, "cached_tokens": 0}
    money = {"billed": "0.0035", "estimated": "0.0035", "credits": "0.0112"}
    model = {"provider": "openai", "model": "gpt-4o", "funding": "credits", "currency": "USD"}
    run = {"status": "success", "mode": "webhook", "outcome": "success", "started_at": now}
    put(rows, "runs", source="n8n", id="1", **where, **run)
    put(rows, "run_days", **where, outcome="success", runs=1)
    call = {"at": now, "failed": False, "cache_hit": True, "credit_rate": "3.2"}
    put(rows, "calls", source="litellm", id="1", **where, **model, **call, **tokens, **money)
    put(rows, "call_days", **where, **model, calls=1, failed_calls=0, unpriced_calls=0, **tokens, **money)


def put_log(rows: Rows, now: int, changes: int) -> None:
    """The founding, and so many changes."""
    for seq in range(1, changes + 2):
        put(
            rows,
            "audit",
            org_id=ORGANIZATION,
            seq=seq,
            at=now + seq,
            actor=TYPED if seq % 3 == 0 else OWNER,
            role="admin" if seq % 3 == 0 else "owner",
            operation="general.save" if seq > 1 else "organization.found",
            subject=ORGANIZATION,
            before=json.dumps({"name": NAMES[seq % len(NAMES)]}, ensure_ascii=False) if seq > 1 else "null",
            after=json.dumps({"name": NAMES[(seq + 1) % len(NAMES)]}, ensure_ascii=False),
        )


def put(rows: Rows, table: str, **values: Any) -> None:
    """A row."""
    rows.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", **values)
