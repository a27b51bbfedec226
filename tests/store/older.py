"""An organization as the first schema kept it, written by plain SQL: there is no older program to make one with."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from orgtui.domain.months import micros
from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import OWNER, Clock
from tests.contract.conftest import ADMIN

ORGANIZATION = "org_older"
CODE = "kT9-_oldcode0123456789abcdefghijklmnopqrst0"
INVITED = "linus@acme.example"
# The first schema kept the sender of an invitation as he had typed himself.
TYPED = "Grace@ACME.example"
NAMES = ("Acme", "Acme\u202e", "ÄÖ \x1b[31m", "'; DROP TABLE audit; --", '{"a": "\\"b\\""}', "b'x'", "😀" * 30, "\0")


def organization(path: Path, clock: Clock, *, changes: int = len(NAMES), sealed: bool = False) -> None:
    """One with an owner, an admin, an open invitation and a log of so many changes; *sealed* with a provider key."""
    database = SqliteDatabase(path)
    database.create()
    with database.migrating() as session:
        config = Config()
        config.set_main_option("script_location", str(schema.SCRIPTS))
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
    database.close()
    now = micros(clock.now)
    with closing(sqlite3.connect(path)) as connection, connection:
        put(
            connection,
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
                connection,
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
            connection,
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
            connection,
            "workspaces",
            org_id=ORGANIZATION,
            id="ws_1",
            name="Default",
            name_key="default",
            description="",
            created_at=now,
            version=1,
        )
        if sealed:
            put(
                connection,
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
        for seq in range(1, changes + 2):
            put(
                connection,
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


def put(connection: sqlite3.Connection, table: str, **values: Any) -> None:
    """A row."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
