"""How an organization begins: its tables, its row, its first owner and its first workspace, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orgtui.domain.addresses import checked_email
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import AlreadyThere, Invalid
from orgtui.domain.months import micros, zone
from orgtui.domain.plans import BY_KEY
from orgtui.domain.roles import Role
from orgtui.domain.text import name as checked_name
from orgtui.store.sql import chain, schema
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import rows_of

# Makes the seed's €10 about 500,000 GPT-4o tokens, input and output alike.
CREDIT_RATE = "3.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What `orgtui init` asks for. `owner_name` is the part before the @ unless given."""

    name: str
    owner: str
    owner_name: str | None = None
    timezone: str = "UTC"
    currency: str = "EUR"
    plan: str = "free"
    workspace: str | None = "Default"


def found(database: Database, founding: Founding, ambient: Ambient) -> str:
    """Make the organization and answer its id; raises AlreadyThere, Invalid, StoreRefused."""
    checked = _checked(founding)
    database.create()
    try:
        if schema.revision_of(database) is None:
            schema.make(database)
        else:
            schema.ensure(database, ambient)
        with database.writing() as session:
            if taken := session.connection().exec_driver_sql("SELECT name FROM organizations LIMIT 1").first():
                raise AlreadyThere(f"{database.place} already holds the organization {taken[0]}.")
            key = database.keys.open(ambient.random, create=True).chain()
            organization, *rest = _rows(checked, ambient)
            session.add(organization)
            session.flush()
            session.add_all(rest)
            session.add(
                chain.next_row(
                    rows_of(session),
                    key,
                    organization=organization.id,
                    at=organization.created_at,
                    actor=checked.owner,
                    role=Role.OWNER.value,
                    operation="organization.found",
                    subject=organization.id,
                    after={"name": checked.name, "owner": checked.owner},
                )
            )
            return str(organization.id)
    finally:
        database.close()


def _rows(founding: Founding, ambient: Ambient) -> list[Any]:
    from orgtui.store.sql.tables import Member, Organization, Workspace

    now, organization = micros(ambient.now()), ambient.new_id("org")
    rows: list[Any] = [
        Organization(
            id=organization,
            name=founding.name,
            timezone=founding.timezone,
            currency=founding.currency,
            plan=founding.plan,
            credit_rate=CREDIT_RATE,
            created_at=now,
        ),
        Member(
            org_id=organization,
            id=ambient.new_id("mem"),
            email=founding.owner,
            email_key=founding.owner.casefold(),
            name=founding.owner_name or founding.owner.partition("@")[0],
            role=Role.OWNER.value,
            joined_at=now,
        ),
    ]
    if founding.workspace:
        rows.append(
            Workspace(
                org_id=organization,
                id=ambient.new_id("ws"),
                name=founding.workspace,
                name_key=founding.workspace.casefold(),
                created_at=now,
            )
        )
    return rows


def _checked(founding: Founding) -> Founding:
    if founding.plan not in BY_KEY:
        raise Invalid(f"“{founding.plan}” is not a plan; take one of {', '.join(BY_KEY)}.", field="plan")
    return Founding(
        name=checked_name(founding.name, field="name", label="Organization Name"),
        owner=checked_email(founding.owner),
        owner_name=checked_name(founding.owner_name, field="owner_name", label="Name") if founding.owner_name else None,
        timezone=zone(founding.timezone).key,
        currency=founding.currency,
        plan=founding.plan,
        workspace=founding.workspace,
    )
