"""The tables: instants are microseconds since 1970 UTC, days ISO dates, exact decimals text, on every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

NO_WORKSPACE = ""
_THERE = text("deleted_at IS NULL")
_WAITS = text("status IN ('creating', 'open') AND withdrawn_at IS NULL")


def _instant(*, nullable: bool = False) -> Any:
    return Field(default=None if nullable else ..., sa_type=BigInteger, nullable=nullable)


def _count() -> Any:
    return Field(default=0, sa_type=BigInteger)


def _organization() -> Any:
    return Field(primary_key=True, foreign_key="organizations.id", ondelete="CASCADE")


class Organization(SQLModel, table=True):
    """The one row everything else hangs from; `revision` grows with every change below it."""

    __tablename__ = "organizations"

    id: str = Field(primary_key=True)
    name: str
    description: str = ""
    logo: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    timezone: str
    currency: str
    plan: str
    credit_rate: str
    created_at: int = _instant()
    version: int = 1
    revision: int = _count()


class Member(SQLModel, table=True):
    """A person who has joined; their e-mail, casefolded, is unique in the organization."""

    __tablename__ = "members"
    __table_args__ = (Index("members_email", "org_id", "email_key", unique=True),)

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    email: str
    email_key: str
    name: str
    role: str
    joined_at: int = _instant()
    last_seen_at: int | None = _instant(nullable=True)
    version: int = 1


class Invitation(SQLModel, table=True):
    """An invitation that waits: only a hash of its code is kept. `sends` counts its codes; the last one works."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index("invitations_email", "org_id", "email_key", unique=True),
        Index("invitations_code", "code_hash", unique=True),
    )

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    email: str
    email_key: str
    role: str
    code_hash: str
    invited_by: str
    sent_at: int = _instant()
    expires_at: int = _instant()
    sends: int = 1
    delivery: str = "unsent"
    delivery_note: str = ""


class Workspace(SQLModel, table=True):
    """An isolated environment; a deleted one is a row still, for what it ran and cost, and its name is free again."""

    __tablename__ = "workspaces"
    __table_args__ = (
        Index("workspaces_name", "org_id", "name_key", unique=True, sqlite_where=_THERE, postgresql_where=_THERE),
    )

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    name: str
    name_key: str
    description: str = ""
    created_at: int = _instant()
    archived_at: int | None = _instant(nullable=True)
    version: int = 1
    logo: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    icon: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    deleted_at: int | None = _instant(nullable=True)


class WorkspaceMember(SQLModel, table=True):
    """Somebody's role in one workspace; owners and admins of the organization need none."""

    __tablename__ = "workspace_members"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "workspace_id"], ["workspaces.org_id", "workspaces.id"], ondelete="CASCADE"),
    )

    org_id: str = Field(primary_key=True)
    workspace_id: str = Field(primary_key=True)
    email_key: str = Field(primary_key=True)
    email: str
    name: str
    role: str
    added_at: int = _instant()


class InventoryItem(SQLModel, table=True):
    """A workflow or an agent that the platform says a workspace holds."""

    __tablename__ = "inventory"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "workspace_id"], ["workspaces.org_id", "workspaces.id"], ondelete="CASCADE"),
    )

    org_id: str = Field(primary_key=True)
    workspace_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str


class ProviderKey(SQLModel, table=True):
    """A sealed provider key; nothing here opens it."""

    __tablename__ = "provider_keys"
    __table_args__ = (Index("provider_keys_provider", "org_id", "provider", unique=True),)

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    provider: str
    hint: str
    fingerprint: str
    sealed: str
    added_by: str
    added_at: int = _instant()
    enabled: bool = True
    last_used_at: int | None = _instant(nullable=True)
    checked_at: int | None = _instant(nullable=True)
    verdict: str = "untested"
    note: str = ""


class ProviderPolicy(SQLModel, table=True):
    """What holds for a provider whether it has a key or not."""

    __tablename__ = "provider_policies"

    org_id: str = _organization()
    provider: str = Field(primary_key=True)
    never_fall_back: bool = False


# Not partitioned by month, neither runs nor calls: PostgreSQL wants what divides a table in its every key, and by these
# keys the same event is known again, whatever day is told the second time.
class RunRow(SQLModel, table=True):
    """A run, keyed by where it came from."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_day", "org_id", "day"),)

    org_id: str = _organization()
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    day: str
    workspace_id: str
    workspace_said: str | None
    status: str
    mode: str
    outcome: str
    started_at: int = _instant()
    stopped_at: int | None = _instant(nullable=True)
    workflow_id: str | None
    workflow: str | None


class CallRow(SQLModel, table=True):
    """A model call, keyed by where it came from; `credit_rate` is the one it was settled with."""

    __tablename__ = "calls"
    __table_args__ = (Index("calls_day", "org_id", "day"),)

    org_id: str = _organization()
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    day: str
    workspace_id: str
    workspace_said: str | None
    at: int = _instant()
    provider: str
    model: str
    failed: bool
    cache_hit: bool
    input_tokens: int = _count()
    output_tokens: int = _count()
    total_tokens: int = _count()
    cached_tokens: int = _count()
    billed: str | None
    estimated: str | None
    currency: str
    funding: str
    credit_rate: str
    credits: str | None


class RunDay(SQLModel, table=True):
    """Roll-up of runs: a day, a workspace, an outcome."""

    __tablename__ = "run_days"

    org_id: str = _organization()
    day: str = Field(primary_key=True)
    workspace_id: str = Field(primary_key=True)
    outcome: str = Field(primary_key=True)
    runs: int = _count()


class CallDay(SQLModel, table=True):
    """Roll-up of calls: a day, a workspace, a model, who paid. Decimals are exact sums."""

    __tablename__ = "call_days"

    org_id: str = _organization()
    day: str = Field(primary_key=True)
    workspace_id: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    funding: str = Field(primary_key=True)
    currency: str = Field(primary_key=True)
    calls: int = _count()
    failed_calls: int = _count()
    input_tokens: int = _count()
    output_tokens: int = _count()
    total_tokens: int = _count()
    cached_tokens: int = _count()
    unpriced_calls: int = _count()
    billed: str = "0"
    estimated: str = "0"
    credits: str = "0"


class BillingAccount(SQLModel, table=True):
    """Who the organization is at its payment provider, in which mode, and up to when everything there is known."""

    __tablename__ = "billing_accounts"

    org_id: str = _organization()
    customer: str
    mode: str
    reconciled_at: int | None = _instant(nullable=True)


class SubscriptionRow(SQLModel, table=True):
    """The subscription as the provider had it at `read_at`; amounts in minor units of `currency`."""

    __tablename__ = "subscriptions"

    org_id: str = _organization()
    id: str
    customer: str
    status: str
    plan: str | None
    minor: int = _count()
    currency: str
    start_at: int = _instant()
    end_at: int = _instant()
    cancel_at_period_end: bool
    next_plan: str | None
    next_minor: int | None = _instant(nullable=True)
    next_at: int | None = _instant(nullable=True)
    card_brand: str | None
    card_last4: str | None
    card_expires: str | None
    owing_minor: int | None = _instant(nullable=True)
    owing_attempts: int | None
    owing_next_at: int | None = _instant(nullable=True)
    others: str = ""
    read_at: int = _instant()


class PaymentRow(SQLModel, table=True):
    """Something to be paid on the provider's page; one for each `slot` waits at a time."""

    __tablename__ = "payments"
    __table_args__ = (
        Index("payments_slot", "org_id", "slot", unique=True, sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index("payments_created", "org_id", "kind", "created_at"),
    )

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    kind: str
    package: str
    plan: str | None
    slot: str
    minor: int = _count()
    currency: str
    short: bool
    status: str
    mode: str
    page: str | None = None
    receipt: str | None = None
    receipt_url: str | None = None
    trouble: str | None = None
    created_at: int = _instant()
    created_by: str
    expires_at: int = _instant()
    withdrawn_at: int | None = _instant(nullable=True)


class LedgerRow(SQLModel, table=True):
    """One movement of the credits, never changed: `ref` is what caused it, `balance` the exact sum up to here."""

    __tablename__ = "ledger"
    __table_args__ = (
        Index("ledger_ref", "org_id", "ref", unique=True),
        Index("ledger_kind", "org_id", "kind", "seq"),
        Index("ledger_payment", "org_id", "payment_id"),
    )

    org_id: str = _organization()
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: int = _instant()
    kind: str
    amount: str
    balance: str
    ref: str
    text: str
    payment_id: str | None


class AccessToken(SQLModel, table=True):
    """A token: only a keyed hash of it is kept. What was made with it goes with it.

    `scopes` are permissions between spaces, none: all that its kind and its maker may. Its maker is the member with
    that id, and nobody who joins later under the same address.
    """

    __tablename__ = "access_tokens"
    __table_args__ = (
        Index("access_tokens_hash", "org_id", "hash", unique=True),
        Index("access_tokens_made_with", "org_id", "made_with"),
        ForeignKeyConstraint(["org_id", "made_with"], ["access_tokens.org_id", "access_tokens.id"], ondelete="CASCADE"),
    )

    org_id: str = _organization()
    id: str = Field(primary_key=True)
    kind: str
    name: str
    hash: str
    member_id: str
    maker: str
    made_with: str | None = None
    scopes: str
    created_at: int = _instant()
    expires_at: int = _instant()
    last_used_at: int | None = _instant(nullable=True)


class AuditRow(SQLModel, table=True):
    """Who changed what, with their role at that moment; written in the transaction of the change, and chained."""

    __tablename__ = "audit"

    org_id: str = _organization()
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: int = _instant()
    actor: str
    role: str
    operation: str
    subject: str
    before: str
    after: str
    mac: str = ""


class IdempotencyKey(SQLModel, table=True):
    """What a write answered, so that the same request answers the same again.

    `key` is a hash of the caller's key and `response` sealed with that key: what may be shown once, as the code of an
    invitation, is not to be read here.
    """

    __tablename__ = "idempotency_keys"

    org_id: str = _organization()
    key: str = Field(primary_key=True)
    operation: str
    request: str
    response: str
    at: int = _instant()
