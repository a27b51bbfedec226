"""Billing: the plan, the credits' ledger, and the payments on their way.

People order and withdraw; what a payment provider says of it is written down by the platform alone, so that nobody can
give themselves credits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from orgtui.domain.attention import Attention
from orgtui.domain.credits import EntryKind
from orgtui.domain.errors import Conflict, Invalid, NotFound
from orgtui.domain.money import Cost, Money
from orgtui.domain.roles import Permission
from orgtui.domain.subscriptions import Subscription
from orgtui.store.contract.operation import operation

PAGE = 200
LONGEST_PAGE = 1_000
NOTHING = Money(0)

Mode = Literal["demo", "test", "live"]
PaymentKind = Literal["credits", "plan"]


class PaymentStatus(StrEnum):
    """How far a payment is. From PAID on it is money; the last three are what became of the money since."""

    CREATING = "creating"
    OPEN = "open"
    PROCESSING = "processing"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    MISMATCH = "mismatch"
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"

    @property
    def waits(self) -> bool:
        """Whether it may still become money."""
        return self in (PaymentStatus.CREATING, PaymentStatus.OPEN, PaymentStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class Payment:
    """Something that is paid on the provider's page: credits, or the first month of a plan.

    `package` is a key of `credits.PACKAGES`, empty for a plan. `short` says which kind of page: one whose address fits
    a QR code, or one that knows the customer. `page` is the provider's id of it, `refunded` what was given back or
    taken by a bank, `receipt` the number on the receipt.
    """

    id: str
    kind: PaymentKind
    amount: Money
    package: str
    plan: str | None
    short: bool
    status: PaymentStatus
    mode: Mode
    created: datetime
    created_by: str
    expires: datetime
    withdrawn: bool = False
    page: str | None = None
    refunded: Money = NOTHING
    receipt: str | None = None
    receipt_url: str | None = field(default=None, repr=False)
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class RunsUsed:
    """The Workflow Runs bar: runs of the billing cycle from `start` until before `end`, when they begin again at 0.

    `limit` is None where the volume is agreed.
    """

    used: int
    limit: int | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """The balance card: `used` of `pool` since the last credits came in; below zero `balance` is owed.

    `daily` is the mean of the last seven whole days, None before there was any; at that rate it lasts `days_left`.
    """

    balance: Cost
    pool: Cost
    used: Cost
    daily: Cost | None
    days_left: int | None


@dataclass(frozen=True, slots=True)
class BillingPage:
    """All of the Billing section.

    `mode` is None until a payment provider was used. `subscription` is what it said when it was last asked, at `read`.
    `payments` are the newest purchases of credits, of `purchases` in all; `waiting` those that may still be paid, the
    first month of a plan among them.
    """

    plan: str
    mode: Mode | None
    subscription: Subscription | None
    read: datetime | None
    runs: RunsUsed
    credits: CreditBalance
    payments: list[Payment]
    purchases: int
    waiting: list[Payment]
    attention: tuple[Attention, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    """Purchases of credits, the newest first; `next` is the `before` of the page that follows."""

    payments: list[Payment]
    total: int
    next: str | None
    timezone: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement: `amount` is below zero for what was used or given back, `balance` the sum up to here.

    `ref` names the thing in the world that caused it, and is there once.
    """

    seq: int
    at: datetime
    kind: EntryKind
    amount: Cost
    balance: Cost
    ref: str
    text: str
    payment: str | None


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Entries, the newest first; `total` counts all of them, `next` is the `before` of the page that follows."""

    entries: list[LedgerEntry]
    total: int
    balance: Cost
    next: int | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Books:
    """What the conversation with the payment provider starts from.

    `name` and `email` are who pays (the first owner), `unsettled` the payments that may still become money,
    `read` when the subscription was last written down, `reconciled` the instant up to which everything of the
    provider's is known.
    """

    organization: str
    name: str
    email: str
    plan: str
    created: datetime
    customer: str | None
    mode: Mode | None
    read: datetime | None
    reconciled: datetime | None
    unsettled: list[Payment]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayment:
    """What is to be paid: an `amount` of credits, or else a `plan`."""

    mode: Mode
    amount: Money | None = None
    plan: str | None = None
    short: bool = False


class PlanAction(StrEnum):
    """What can be asked for about a running subscription."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    KEEP = "keep"
    CANCEL = "cancel"
    RESUME = "resume"
    END = "end"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What an owner asks for; `due` is what they agreed to be charged now."""

    action: PlanAction
    plan: str | None = None
    due: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What the provider says of a payment: which of `open`, `processing`, `paid`, `failed`, `expired` it is.

    `payment` is the provider's id of the money, without which nothing is PAID.
    """

    status: PaymentStatus
    amount: Money
    page: str
    payment: str | None = None
    receipt: str | None = None
    receipt_url: str | None = field(default=None, repr=False)
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """Money of a payment that went back, in a refund or to a bank; not `taken`: it has come back to us since.

    `money` is the provider's id of what was paid, as `Settlement.payment`.
    """

    kind: Literal["refund", "dispute"]
    id: str
    payment: str
    money: str
    amount: Money
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredit:
    """Credits for no payment: a gift, or a correction (which may be below zero). `ref` makes it once."""

    kind: Literal["grant", "adjustment"]
    amount: Money
    ref: str
    text: str


class Billing(Protocol):
    """The plan, the credits, and money that arrives exactly once."""

    @operation("GET", "/billing", needs=Permission.VIEW)
    async def show(self) -> BillingPage:
        """The whole Billing section."""

    @operation("GET", "/billing/payments", needs=Permission.VIEW, raises=(Invalid, NotFound))
    async def payments(self, before: str | None = None, limit: int = PAGE) -> PaymentsPage:
        """Purchases of credits."""

    @operation("GET", "/billing/payments/{id}", needs=Permission.VIEW, raises=(NotFound,))
    async def payment(self, id: str) -> Payment:
        """One payment, of whatever kind."""

    @operation("GET", "/billing/ledger", needs=Permission.VIEW, raises=(Invalid,))
    async def ledger(self, before: int | None = None, limit: int = PAGE) -> LedgerPage:
        """Every movement of the balance."""

    @operation("GET", "/billing/books", needs=Permission.SETTLE_PAYMENTS)
    async def books(self) -> Books:
        """What the platform knows before it talks to the provider."""

    @operation("POST", "/billing/payments", needs=Permission.MANAGE_BILLING, raises=(Conflict, Invalid))
    async def order(self, payment: NewPayment) -> Payment:
        """Write down what is to be paid, before anybody is asked for it; the one that waits for the same, if any."""

    @operation(
        "POST", "/billing/payments/{id}/withdrawal", needs=Permission.MANAGE_BILLING, raises=(Conflict, NotFound)
    )
    async def withdraw(self, id: str) -> Payment:
        """Write down that a payment is not wanted any more; raises Conflict where it was paid."""

    @operation("POST", "/billing/requests", needs=Permission.MANAGE_BILLING, raises=(Invalid,))
    async def request(self, request: PlanRequest) -> str:
        """Write down what is asked for about the plan; answers an id, which makes the provider do it once."""

    @operation("PUT", "/billing/customer", needs=Permission.SETTLE_PAYMENTS, raises=(Conflict, Invalid))
    async def keep_customer(self, customer: str, mode: Mode) -> None:
        """Who the organization is at the provider; raises Conflict where money of another mode is in the books."""

    @operation("PUT", "/billing/subscription", needs=Permission.SETTLE_PAYMENTS, raises=(Conflict,))
    async def keep_subscription(self, subscription: Subscription | None, read: datetime | None) -> bool:
        """What the provider says of the subscription now, and with it the organization's plan.

        *read* is what `books` said before the provider was asked. Of an answer that came in between nobody knows
        whether it is an older one: False, and nothing is written.
        """

    @operation("PUT", "/billing/payments/{id}/page", needs=Permission.SETTLE_PAYMENTS, raises=(NotFound,))
    async def opened(self, id: str, page: str) -> Payment:
        """The provider's page for a payment, by its id there."""

    @operation(
        "POST", "/billing/payments/{id}/settlement", needs=Permission.SETTLE_PAYMENTS, raises=(Invalid, NotFound)
    )
    async def settle(self, id: str, settlement: Settlement) -> Payment:
        """What became of a payment. Money enters the ledger here, in the same transaction and once for each payment.

        Of another amount or currency than ordered it becomes MISMATCH and gives no credits.
        """

    @operation("POST", "/billing/reversals", needs=Permission.SETTLE_PAYMENTS, raises=(Invalid, NotFound))
    async def reverse(self, reversal: Reversal) -> LedgerEntry | None:
        """Money that went back, or came back, once each; None where the ledger says so, or the payment is for a plan.

        Raises NotFound for money that gave no credits: what gave none takes none.
        """

    @operation("POST", "/billing/credits", needs=Permission.SETTLE_PAYMENTS, raises=(Invalid,))
    async def credit(self, credit: NewCredit) -> LedgerEntry:
        """Credits without a payment, once for each `ref`."""

    @operation("PUT", "/billing/reconciled", needs=Permission.SETTLE_PAYMENTS)
    async def reconciled(self, until: datetime) -> None:
        """Everything that the provider had until then is in the books."""
