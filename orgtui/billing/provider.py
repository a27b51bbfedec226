"""What a payment provider must do, in the domain's own terms; what happens exactly once is decided above it.

Methods block: call them in a worker thread. Those that change something take the caller's idempotency *key*, which
stands for one attempt at one thing: the same call with the same key has one effect and one answer, a refusal included,
so that after `Unreachable` or `Busy` it is repeated as it was, and after `Declined` a new attempt takes a new key. An
answer that is repeated tells how it was then. Keys are forgotten after a day.

Every method raises Unreachable or Busy when the provider does not answer, BillingNotReady when it does not know us or
is not set up, NotFound for an id that it does not know, and BillingRefused for what nobody foresaw; the docstrings name
what else there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from orgtui.domain.errors import Conflict, Invalid, OrgtuiError, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.plans import BY_KEY, paid_plan
from orgtui.domain.subscriptions import Subscription, SubscriptionStatus
from orgtui.secret import Secret

Mode = Literal["demo", "test", "live"]

# Stripe's least and largest charge in euros (https://docs.stripe.com/currencies); narrower bounds are the caller's.
MINIMUM, MAXIMUM = Money(50), Money(99_999_999)
CURRENCY = MINIMUM.currency


# Errors.


class Declined(OrgtuiError):
    """The payment was not made, and nothing changed; `reason` tells whether the bank wants its customer's consent."""

    code, status, exit_code = "declined", 402, 1

    def __init__(
        self, message: str, *, reason: Literal["declined", "authentication"] = "declined", **more: Any
    ) -> None:
        super().__init__(message, reason=reason, **more)
        self.reason = reason


class Busy(Unreachable):
    """The provider has too much to do; `retry_after` is in seconds where it said so."""

    code: ClassVar[str] = "busy"

    def __init__(self, message: str, *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(message, **({} if retry_after is None else {"retry_after": retry_after}), **more)
        self.retry_after = retry_after


class BillingNotReady(OrgtuiError):
    """Payments are not set up, or not for us: the key, the mode, the catalogue."""

    code, status, exit_code = "billing_not_ready", 503, 6


class BillingRefused(OrgtuiError):
    """The provider will not do it, for a reason of its own."""

    code, status, exit_code = "billing_refused", 502, 1


class BadWebhook(OrgtuiError):
    """What came in as a webhook is not from the provider, not whole, or not fresh; nothing in it counts."""

    code, status, exit_code = "bad_webhook", 400, 1


class NoWebhooks(BadWebhook):
    """Nothing that comes in as a webhook can be believed here; sent again once that is set up, it may be."""

    code, status, exit_code = "no_webhooks", 503, 6


# Who pays, and where they are sent.


@dataclass(frozen=True, slots=True)
class Payer:
    """An organization as the provider's customer: who gets receipts."""

    organization: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the provider's page sends a browser afterwards: static pages that say “go back to your terminal”.

    Where there are none of our own, the provider says it in its own words. `back` is for who did not come to pay.
    """

    success: str
    cancel: str
    back: str | None = None


# Paying once.


@dataclass(frozen=True, slots=True)
class Order:
    """Credits to be bought: `id` is the purchase in our own books, `expires` lies 30 minutes to 24 hours ahead."""

    id: str
    organization: str
    customer: str
    amount: Money
    pages: Pages | None
    expires: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The way from no plan to a paid one: `id` is the attempt in our own books, `expires` as in Order."""

    id: str
    organization: str
    customer: str
    plan: str
    pages: Pages | None
    expires: datetime


class CheckoutStatus(StrEnum):
    """How far a payment is. Only PAID is money; PROCESSING can take days and become either PAID or FAILED."""

    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment as the provider has it now.

    `reference` and `organization` are what Order or Enrolment said; `amount` is before tax. `url` is where to pay,
    while it is open: a bearer secret, not for logs. `payment` is there from the first attempt on; once PAID it is what
    a ledger keys the purchase by, and what refunds and disputes name. `trouble` says why the last attempt failed.
    """

    id: str
    kind: Literal["purchase", "subscription"]
    reference: str
    organization: str
    status: CheckoutStatus
    amount: Money
    created: datetime | None
    expires: datetime | None = None
    url: str | None = field(default=None, repr=False)
    payment: str | None = None
    receipt: str | None = None
    receipt_url: str | None = field(default=None, repr=False)
    subscription: str | None = None
    trouble: str | None = None


# Paying every month.


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of a bill, in the provider's words."""

    text: str
    amount: Money


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What a change of plan costs at the instant `at`, to the cent: `due` is charged now, `price` from `renews` on.

    `due` is less than the lines where the customer has a credit, and zero where the sum is too small to be charged and
    waits for the next invoice. `current` and `start` say what the preview was made from.
    """

    subscription: str
    current: str
    plan: str
    at: datetime
    due: Money
    lines: tuple[PreviewLine, ...]
    price: Money
    start: datetime
    renews: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill, paid or not."""

    id: str
    number: str | None
    created: datetime
    status: Literal["draft", "open", "paid", "uncollectible", "void"]
    total: Money
    paid: Money
    text: str
    url: str | None = field(repr=False)
    pdf: str | None = field(repr=False)


class PortalPage(StrEnum):
    """Where in the provider's portal a visit begins."""

    HOME = "home"
    PAYMENT_METHOD = "payment_method"


# Money that goes back.


class RefundStatus(StrEnum):
    """Whether the money is on its way back: only SUCCEEDED and PENDING count, FAILED has come back to us."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Refund:
    """Part or all of a payment, given back; `reference` is the purchase."""

    id: str
    payment: str
    reference: str
    organization: str
    amount: Money
    status: RefundStatus
    created: datetime


class DisputeStatus(StrEnum):
    """Whether the bank has the money: from OPEN on it has, after WON it has not; an INQUIRY takes nothing."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payment that the customer's bank contests; `reference` is the purchase."""

    id: str
    payment: str
    reference: str
    organization: str
    amount: Money
    status: DisputeStatus
    created: datetime


# What the provider tells by itself.


class Subject(StrEnum):
    """What an event is about, and so what to read again."""

    CHECKOUT = "checkout"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    REFUND = "refund"
    DISPUTE = "dispute"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to the object `about`: read it again, for the event may be old, doubled or out of order.

    `customer` is whose it is, where the event says so: a subscription or an invoice is read again by its customer.
    """

    id: str
    subject: Subject
    about: str
    customer: str | None
    at: datetime


# Setting up.


@dataclass(frozen=True, slots=True)
class Step:
    """One change to the provider's catalogue."""

    action: Literal["create", "update", "archive"]
    thing: Literal["product", "price", "portal", "webhook"]
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What was, or would be, changed; `webhook_secret` is shown this once."""

    steps: tuple[Step, ...]
    dry_run: bool
    webhook_secret: Secret | None = None


class PaymentProvider(Protocol):
    """A payment provider; the module says what holds for every method."""

    @property
    def mode(self) -> Mode:
        """Whether money is real."""
        ...

    def close(self) -> None:
        """Let go of connections; afterwards it is of no use."""
        ...

    def prices(self) -> Mapping[str, Money]:
        """What a new subscriber pays a month, by plan; what is missing is not set up."""
        ...

    # Customers.

    def ensure_customer(self, payer: Payer, *, key: str) -> str:
        """The id of the organization's customer, who is made if there is none and gets the payer's name and e-mail."""
        ...

    # Paying once.

    def start_purchase(self, order: Order, *, key: str, short: bool = False) -> Checkout:
        """A page on which the order can be paid, once.

        With *short* its address is about 50 characters long, for a QR code; the page then does not know the customer.
        It is one or the other: both for one order could both be paid. Raises Invalid for an amount that cannot be
        charged and BillingNotReady before `setup`.
        """
        ...

    def checkout(self, id: str) -> Checkout:
        """A payment as it is now."""
        ...

    def find_checkout(self, reference: str, *, since: datetime) -> Checkout | None:
        """The payment for an order or enrolment that was started after *since*: the furthest of several.

        A short page is found once somebody has opened it.
        """
        ...

    def checkout_of(self, payment: str) -> Checkout | None:
        """The checkout in which this was paid: of what refunds and disputes name."""
        ...

    def expire_checkout(self, id: str, *, key: str) -> Checkout:
        """Close an open page; answers how it stands then, which may be PAID if the payer was faster."""
        ...

    # Paying every month.

    def start_subscription(self, enrolment: Enrolment, *, key: str) -> Checkout:
        """A page on which the first month is paid; raises Conflict while the customer has a running subscription."""
        ...

    def subscription(self, customer: str) -> Subscription | None:
        """The customer's running subscription, else the last that ended, else None."""
        ...

    def preview_change(self, subscription: str, plan: str, *, at: datetime) -> ChangePreview:
        """What changing to *plan* costs at *at* (in whole seconds); raises Conflict where it cannot be done now."""
        ...

    def change_now(self, preview: ChangePreview, *, key: str) -> Subscription:
        """Change to the preview's plan and charge what it says.

        Raises Declined if that is not paid, and Conflict if the subscription is no more what the preview was made from
        or has a change scheduled (release it first); in either case nothing has changed.
        """
        ...

    def schedule_change(self, subscription: str, plan: str, *, key: str) -> Subscription:
        """Change to *plan* when the period ends, at no cost now; raises Conflict if it ends then (resume first)."""
        ...

    def release_schedule(self, subscription: str, *, key: str) -> Subscription:
        """Keep the plan: forget the scheduled change, if there is one."""
        ...

    def cancel_at_period_end(self, subscription: str, *, key: str) -> Subscription:
        """End with the period; a scheduled change is forgotten."""
        ...

    def cancel_now(self, subscription: str, *, key: str) -> Subscription:
        """End at once; what was paid for the rest of the period is not given back."""
        ...

    def resume(self, subscription: str, *, key: str) -> Subscription:
        """Take back `cancel_at_period_end`; raises Conflict once it has ended."""
        ...

    def portal(self, customer: str, *, page: PortalPage, return_url: str | None, key: str) -> str:
        """The address of the provider's own pages for this customer: a bearer secret of minutes, not for logs."""
        ...

    def invoices(self, customer: str) -> Iterator[Invoice]:
        """All invoices, the newest first; pages are fetched while iterating."""
        ...

    # Reconciling.

    def checkouts(self, *, since: datetime) -> Iterator[Checkout]:
        """All of our checkouts that were started after *since*, the newest first."""
        ...

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        """All refunds of our purchases that were begun after *since*, the newest first."""
        ...

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        """All disputes of our purchases that were begun after *since*, the newest first."""
        ...

    def refund(self, id: str) -> Refund | None:
        """A refund as it is now; None if it is of something that we did not sell."""
        ...

    def dispute(self, id: str) -> Dispute | None:
        """A dispute as it is now; None if it is of something that we did not sell."""
        ...

    def events(self, *, since: datetime) -> Iterator[Event]:
        """What happened after *since* (30 days are kept), the newest first: for who has no address for webhooks."""
        ...

    def read_webhook(self, body: bytes, signature: str | None) -> Event:
        """The event in a webhook's raw body; raises BadWebhook unless it is signed by the provider within 5 minutes."""
        ...

    # Setting up.

    def setup(self, *, key: str, dry_run: bool, webhook_url: str | None = None) -> SetupReport:
        """Bring products, prices, portal and webhook into the state of our price list; a second time does nothing."""
        ...


# Rules that hold for every provider.


def check_amount(amount: Money) -> None:
    """Raise Invalid for what no provider charges."""
    if amount.currency != CURRENCY:
        raise Invalid(f"Credits are bought in {CURRENCY}, not in {amount.currency}.", field="amount")
    if not MINIMUM.minor <= amount.minor <= MAXIMUM.minor:
        raise Invalid(f"{amount} cannot be charged; choose between {MINIMUM} and {MAXIMUM}.", field="amount")


def check_running(subscription: Subscription) -> None:
    """Raise Conflict for a subscription that is over."""
    if subscription.status.ended:
        raise Conflict("The subscription has ended; choose a plan to begin again.")


def check_changeable(subscription: Subscription, plan: str) -> None:
    """Raise Conflict where the plan cannot be changed now, at whatever time that takes effect."""
    check_running(subscription)
    if subscription.status not in (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING):
        raise Conflict("The last payment did not arrive; pay it in Manage Subscription before you change the plan.")
    if subscription.plan == plan and subscription.scheduled is None:
        raise Conflict(f"{paid_plan(plan).name} is the plan already.")


def check_changeable_now(subscription: Subscription, plan: str) -> None:
    """As check_changeable, for a change at once, which a scheduled one stands in the way of."""
    check_changeable(subscription, plan)
    if (waiting := subscription.scheduled) is not None:
        name = BY_KEY[waiting.plan].name if waiting.plan else "another product"
        raise Conflict(f"A change to {name} waits for {waiting.at:%d %b %Y}; keep the plan first.")


def check_schedulable(subscription: Subscription, plan: str) -> None:
    """As check_changeable, for a change at the end of the period, of which there is none if it is cancelled."""
    check_changeable(subscription, plan)
    if subscription.cancel_at_period_end:
        raise Conflict(f"The subscription ends on {subscription.end:%d %b %Y}; resume it first.")


def check_preview(subscription: Subscription, preview: ChangePreview) -> None:
    """Raise Conflict where the subscription is no more what the preview was made from.

    On the new plan already is no conflict: so it is when an answer was lost and the change is asked for again.
    """
    check_running(subscription)
    if subscription.start != preview.start or subscription.plan not in (preview.current, preview.plan):
        raise Conflict("The subscription has changed since the price was shown; look at it again.")
    if subscription.plan != preview.plan:
        check_changeable_now(subscription, preview.plan)


_FURTHEST = (
    CheckoutStatus.EXPIRED,
    CheckoutStatus.FAILED,
    CheckoutStatus.OPEN,
    CheckoutStatus.PROCESSING,
    CheckoutStatus.PAID,
)


def furthest(checkouts: Iterable[Checkout]) -> Checkout | None:
    """The one of several payments for one thing that tells how it stands; the first of those that are equally far."""
    return max(checkouts, key=lambda one: _FURTHEST.index(one.status), default=None)
