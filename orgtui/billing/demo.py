"""Payments that only seem to be made: for the demo, and for tests of what stands above a provider.

In this process, without sockets, the same in every run. Nobody pays: `pay` says that somebody did. Every address and id
says demo, and no address leads anywhere (https://www.rfc-editor.org/rfc/rfc2606#section-2).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from orgtui.billing.provider import (
    MINIMUM,
    BadWebhook,
    BillingRefused,
    ChangePreview,
    Checkout,
    CheckoutStatus,
    Declined,
    Dispute,
    Enrolment,
    Event,
    Invoice,
    Order,
    Pages,
    Payer,
    PaymentProvider,
    PortalPage,
    PreviewLine,
    Refund,
    SetupReport,
    Subject,
    check_amount,
    check_changeable_now,
    check_preview,
    check_running,
    check_schedulable,
    furthest,
)
from orgtui.domain import proration
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Conflict, KeyReused, NotFound, OrgtuiError
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS, paid_plan
from orgtui.domain.subscriptions import Card, Owing, Scheduled, Subscription, SubscriptionStatus

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.billing import Payment

_ADDRESS: Final = "https://demo.invalid"
_KEYS_LIVE = timedelta(hours=24)
_RETRIES = (timedelta(days=3), timedelta(days=5), timedelta(days=7))
_SOON, _LATE = timedelta(minutes=30), timedelta(hours=24)
_FIRST_AFTER = 1_000_000
_DECLINED = "Your card was declined."

T = TypeVar("T")
Owned = TypeVar("Owned", Checkout, Refund, Dispute)


@dataclass(slots=True)
class _Customer:
    payer: Payer
    # Whether what the customer pays with can be charged.
    good: bool = True
    # Owed since a sum was too small to be charged; a credit is below zero.
    balance: int = 0
    invoices: list[Invoice] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    """A subscription, and from when its periods are counted."""

    now: Subscription
    anchor: datetime


@dataclass(frozen=True, slots=True)
class _Done:
    """What a key stands for."""

    asked: object
    at: datetime
    answer: Any = None
    refusal: OrgtuiError | None = None


class DemoBilling:
    """A payment provider without a provider."""

    mode: Final[Literal["demo"]] = "demo"

    def __init__(self, ambient: Ambient) -> None:
        self._now = ambient.now
        self._lock = threading.RLock()
        self._count = 0
        self._customers: dict[str, _Customer] = {}
        self._checkouts: dict[str, Checkout] = {}
        self._plans: dict[str, Enrolment] = {}
        self._subscriptions: dict[str, _Running] = {}
        self._refunds: dict[str, Refund] = {}
        self._disputes: dict[str, Dispute] = {}
        self._events: list[Event] = []
        self._keys: dict[str, _Done] = {}

    def restore(self, customer: str, payer: Payer, running: Subscription | None, checkouts: Iterable[Checkout]) -> None:
        """Go on from what somebody's books say: how a demo begins that has a past."""
        with self._lock:
            # Above everything that can have been given out: what is made next is new.
            self._count = _FIRST_AFTER
            good = running is None or running.owing is None
            self._customers[customer] = _Customer(payer, good=good)
            if running is not None:
                self._subscriptions[running.id] = _Running(running, running.start)
            self._checkouts |= {one.id: one for one in checkouts}

    def close(self) -> None:
        """Nothing is open."""

    def prices(self) -> Mapping[str, Money]:
        """Those of the price list."""
        return {plan.key: Money(plan.cents) for plan in PLANS if plan.cents}

    # Customers.

    def ensure_customer(self, payer: Payer, *, key: str) -> str:
        """The id of the organization's customer."""
        with self._world():
            for id, customer in self._customers.items():
                if customer.payer.organization == payer.organization:
                    customer.payer = payer
                    return id
            id = self._id("customer")
            self._customers[id] = _Customer(payer)
            return id

    # Paying once.

    def start_purchase(self, order: Order, *, key: str, short: bool = False) -> Checkout:
        """A payment that `pay` makes."""
        check_amount(order.amount)
        with self._world() as now:
            self._customer(order.customer)
            return self._once(key, (order, short), lambda: self._open("purchase", order, order.amount, now))

    def _open(
        self, kind: Literal["purchase", "subscription"], what: Order | Enrolment, amount: Money, now: datetime
    ) -> Checkout:
        if not _SOON <= what.expires - now <= _LATE:
            raise BillingRefused("A payment page is open for 30 minutes to 24 hours.")
        id = self._id("checkout")
        made = Checkout(
            id=id,
            kind=kind,
            reference=what.id,
            organization=what.organization,
            status=CheckoutStatus.OPEN,
            amount=amount,
            created=now,
            expires=what.expires,
            url=f"{_ADDRESS}/pay/{id}",
        )
        self._checkouts[id] = made
        return made

    def checkout(self, id: str) -> Checkout:
        """A payment as it is now."""
        with self._world():
            return _found(self._checkouts, id)

    def find_checkout(self, reference: str, *, since: datetime) -> Checkout | None:
        """The payment for an order or enrolment."""
        return furthest(one for one in self.checkouts(since=since) if one.reference == reference)

    def checkout_of(self, payment: str) -> Checkout | None:
        """The checkout in which this was paid."""
        with self._world():
            return next((one for one in self._checkouts.values() if one.payment == payment), None)

    def expire_checkout(self, id: str, *, key: str) -> Checkout:
        """Close an open page."""
        with self._world():
            if _found(self._checkouts, id).status is CheckoutStatus.OPEN:
                self._expire(id)
            return self._checkouts[id]

    def _expire(self, id: str) -> None:
        self._checkouts[id] = replace(self._checkouts[id], status=CheckoutStatus.EXPIRED, url=None)
        self._tell(Subject.CHECKOUT, id)

    # Paying every month.

    def start_subscription(self, enrolment: Enrolment, *, key: str) -> Checkout:
        """A first month that `pay` pays."""
        price = _price(enrolment.plan)
        with self._world() as now:
            self._customer(enrolment.customer)
            running = self._current(enrolment.customer)
            if running is not None and not running.now.status.ended:
                raise Conflict("A subscription is running already; change its plan instead.")
            made = self._once(key, enrolment, lambda: self._open("subscription", enrolment, price, now))
            self._plans[made.id] = enrolment
            return made

    def subscription(self, customer: str) -> Subscription | None:
        """The customer's running subscription, else the last that ended."""
        with self._world():
            self._customer(customer)
            found = self._current(customer)
            return found.now if found is not None else None

    def _current(self, customer: str) -> _Running | None:
        mine = [one for one in self._subscriptions.values() if one.now.customer == customer]
        return next((one for one in mine if not one.now.status.ended), mine[-1] if mine else None)

    def preview_change(self, subscription: str, plan: str, *, at: datetime) -> ChangePreview:
        """What changing to *plan* costs at *at*."""
        price = _price(plan)
        with self._world():
            now = _found(self._subscriptions, subscription).now
            check_changeable_now(now, plan)
            at = at.replace(microsecond=0)
            change = proration.change(now.price, price, proration.Period(now.start, now.end), at)
            due, _ = self._due(now.customer, change.due)
            old, new = paid_plan(now.plan or "").name, paid_plan(plan).name
            lines = (
                PreviewLine(f"Unused time on {old} after {at:%d %b %Y}", change.credit),
                PreviewLine(f"Remaining time on {new} after {at:%d %b %Y}", change.charge),
            )
            return ChangePreview(
                subscription, now.plan or "", plan, at, due, lines, price=price, start=now.start, renews=now.end
            )

    def _due(self, customer: str, total: Money) -> tuple[Money, int]:
        """What is charged, and the customer's balance after that."""
        owed = total.minor + self._customer(customer).balance
        return (Money(owed), 0) if owed >= MINIMUM.minor else (Money(0), owed)

    def change_now(self, preview: ChangePreview, *, key: str) -> Subscription:
        """Change to the preview's plan and charge what it says."""
        with self._world():
            running = _found(self._subscriptions, preview.subscription)
            check_preview(running.now, preview)
            return self._once(key, preview, lambda: self._change(running, preview))

    def _change(self, running: _Running, preview: ChangePreview) -> Subscription:
        if running.now.plan == preview.plan:
            return running.now
        customer = self._customer(running.now.customer)
        total = sum(line.amount.minor for line in preview.lines)
        due, balance = self._due(running.now.customer, Money(total))
        if due.minor and not customer.good:
            raise Declined(f"The payment was declined: {_DECLINED}")
        customer.balance = balance
        self._bill(running.now.customer, Money(total), due, preview.lines[-1].text, paid=True)
        return self._set(running, replace(running.now, plan=preview.plan, price=preview.price))

    def schedule_change(self, subscription: str, plan: str, *, key: str) -> Subscription:
        """Change to *plan* when the period ends."""
        price = _price(plan)
        with self._world():
            running = _found(self._subscriptions, subscription)
            if running.now.scheduled is None or running.now.scheduled.plan != plan:
                check_schedulable(running.now, plan)
            change = Scheduled(plan, price, running.now.end)
            return self._set(running, replace(running.now, scheduled=change))

    def release_schedule(self, subscription: str, *, key: str) -> Subscription:
        """Keep the plan."""
        with self._world():
            running = _found(self._subscriptions, subscription)
            return self._set(running, replace(running.now, scheduled=None))

    def cancel_at_period_end(self, subscription: str, *, key: str) -> Subscription:
        """End with the period."""
        with self._world():
            running = _found(self._subscriptions, subscription)
            check_running(running.now)
            return self._set(running, replace(running.now, cancel_at_period_end=True, scheduled=None))

    def cancel_now(self, subscription: str, *, key: str) -> Subscription:
        """End at once."""
        with self._world():
            running = _found(self._subscriptions, subscription)
            ended = replace(running.now, status=SubscriptionStatus.CANCELED, scheduled=None)
            return running.now if running.now.status.ended else self._set(running, ended)

    def resume(self, subscription: str, *, key: str) -> Subscription:
        """Take back `cancel_at_period_end`."""
        with self._world():
            running = _found(self._subscriptions, subscription)
            check_running(running.now)
            return self._set(running, replace(running.now, cancel_at_period_end=False))

    def portal(self, customer: str, *, page: PortalPage, return_url: str | None, key: str) -> str:
        """An address that leads nowhere."""
        with self._world():
            self._customer(customer)
            return f"{_ADDRESS}/portal/{customer}/{page}"

    def invoices(self, customer: str) -> Iterator[Invoice]:
        """All invoices, the newest first."""
        with self._world():
            return iter(self._customer(customer).invoices[::-1])

    # Reconciling.

    def checkouts(self, *, since: datetime) -> Iterator[Checkout]:
        """All checkouts that were started after *since*."""
        return self._since(self._checkouts, since)

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        """All refunds that were begun after *since*."""
        return self._since(self._refunds, since)

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        """All disputes that were begun after *since*."""
        return self._since(self._disputes, since)

    def _since(self, things: Mapping[str, Owned], since: datetime) -> Iterator[Owned]:
        with self._world():
            return iter([one for one in list(things.values())[::-1] if one.created and one.created >= since])

    def refund(self, id: str) -> Refund | None:
        """A refund as it is now."""
        with self._world():
            return _found(self._refunds, id)

    def dispute(self, id: str) -> Dispute | None:
        """A dispute as it is now."""
        with self._world():
            return _found(self._disputes, id)

    def events(self, *, since: datetime) -> Iterator[Event]:
        """What happened after *since*."""
        with self._world():
            return iter([event for event in reversed(self._events) if event.at >= since])

    def read_webhook(self, body: bytes, signature: str | None) -> Event:
        """There is nobody who could send one."""
        raise BadWebhook("The demo takes no webhooks.")

    def setup(self, *, key: str, dry_run: bool, webhook_url: str | None = None) -> SetupReport:
        """There is nothing to set up."""
        return SetupReport((), dry_run)

    # What people and banks do; not part of the protocol.

    def pay(self, id: str) -> Checkout:
        """Pay an open checkout."""
        with self._world() as now:
            opened = self._payable(id)
            payment = opened.payment or self._id("payment")
            receipt = f"DEMO-{self._count:04d}"
            done = replace(opened, status=CheckoutStatus.PAID, url=None, trouble=None, payment=payment, receipt=receipt)
            if opened.kind == "subscription":
                done = replace(done, payment=None, subscription=self._begin(self._plans[id], now))
            self._checkouts[id] = done
            self._tell(Subject.CHECKOUT, id)
            return done

    def decline(self, id: str) -> Checkout:
        """Try to pay with a card that is declined: the page stays open."""
        with self._world():
            opened = self._payable(id)
            payment = None if opened.kind == "subscription" else opened.payment or self._id("payment")
            trouble = None if opened.kind == "subscription" else _DECLINED
            self._checkouts[id] = replace(opened, payment=payment, trouble=trouble)
            return self._checkouts[id]

    def pay_slowly(self, id: str) -> Checkout:
        """Pay in a way that takes days; `arrive` tells how it ends."""
        with self._world():
            opened = self._payable(id)
            payment = opened.payment or self._id("payment")
            waiting = replace(opened, status=CheckoutStatus.PROCESSING, url=None, trouble=None, payment=payment)
            self._checkouts[id] = waiting
            self._tell(Subject.CHECKOUT, id)
            return waiting

    def arrive(self, id: str, *, succeeds: bool = True) -> Checkout:
        """The end of a slow payment."""
        with self._world():
            waiting = _found(self._checkouts, id)
            if waiting.status is not CheckoutStatus.PROCESSING:
                raise Conflict(f"The payment is {waiting.status}.")
            trouble = None if succeeds else "The bank account has insufficient funds."
            status = CheckoutStatus.PAID if succeeds else CheckoutStatus.FAILED
            receipt = f"DEMO-{self._count:04d}" if succeeds else None
            self._checkouts[id] = replace(waiting, status=status, trouble=trouble, receipt=receipt)
            self._tell(Subject.CHECKOUT, id)
            return self._checkouts[id]

    def subscribe(self, customer: str, plan: str, *, since: datetime) -> Subscription:
        """Let the customer have a plan as if it had been paid since *since*: how a demo begins."""
        with self._world():
            payer = self._customer(customer).payer
            enrolment = Enrolment("", payer.organization, customer, plan, Pages(_ADDRESS, _ADDRESS), since)
            running = self._subscriptions[self._begin(enrolment, since)]
        with self._world():
            return running.now

    def _payable(self, id: str) -> Checkout:
        opened = _found(self._checkouts, id)
        if opened.status is not CheckoutStatus.OPEN:
            raise Conflict(f"The payment is {opened.status}.")
        return opened

    # Time and money.

    @contextmanager
    def _world(self) -> Iterator[datetime]:
        """One caller at a time, and everything done that was due."""
        with self._lock:
            now = self._now()
            for id, one in list(self._checkouts.items()):
                if one.status is CheckoutStatus.OPEN and one.expires is not None and one.expires <= now:
                    self._expire(id)
            for running in list(self._subscriptions.values()):
                self._catch_up(running, now)
            yield now

    def _catch_up(self, running: _Running, now: datetime) -> None:
        while not running.now.status.ended:
            owing = running.now.owing
            retry = owing.next_attempt if owing else None
            if retry is not None and retry <= min(now, running.now.end):
                self._retry(running, retry)
            elif running.now.end <= now:
                self._renew(running)
            else:
                return

    def _renew(self, running: _Running) -> None:
        ended = running.now
        if ended.cancel_at_period_end:
            self._set(running, replace(ended, status=SubscriptionStatus.CANCELED))
            return
        change = ended.scheduled
        plan, price = (change.plan, change.price) if change else (ended.plan, ended.price)
        period = proration.period_at(running.anchor, ended.end)
        renewed = replace(ended, plan=plan, price=price, start=period.start, end=period.end, scheduled=None)
        customer = self._customer(ended.customer)
        due, balance = self._due(ended.customer, price)
        customer.balance = balance
        text = f"1 × {paid_plan(plan or '').name}"
        self._bill(ended.customer, price, due, text, paid=customer.good, at=period.start)
        if not customer.good:
            owing = Owing(due, f"{_ADDRESS}/invoice/{running.now.id}", 1, period.start + _RETRIES[0])
            renewed = replace(renewed, status=SubscriptionStatus.PAST_DUE, owing=owing)
        self._set(running, renewed)

    def _retry(self, running: _Running, at: datetime) -> None:
        owing = running.now.owing
        assert owing is not None
        if self._customer(running.now.customer).good:
            invoices = self._customer(running.now.customer).invoices
            place = max(place for place, one in enumerate(invoices) if one.status == "open")
            invoices[place] = replace(invoices[place], status="paid", paid=owing.amount)
            self._set(running, replace(running.now, status=SubscriptionStatus.ACTIVE, owing=None))
        elif owing.attempts < len(_RETRIES):
            later = replace(owing, attempts=owing.attempts + 1, next_attempt=at + _RETRIES[owing.attempts])
            self._set(running, replace(running.now, owing=later))
        else:
            self._set(running, replace(running.now, status=SubscriptionStatus.CANCELED))

    def _begin(self, enrolment: Enrolment, since: datetime) -> str:
        since = since.replace(microsecond=0)
        period = proration.period_at(since, since)
        price = _price(enrolment.plan)
        id = self._id("subscription")
        begun = Subscription(
            id=id,
            customer=enrolment.customer,
            status=SubscriptionStatus.ACTIVE,
            plan=enrolment.plan,
            price=price,
            start=period.start,
            end=period.end,
            card=self._card(since),
        )
        self._subscriptions[id] = _Running(begun, since)
        self._bill(enrolment.customer, price, price, f"1 × {paid_plan(enrolment.plan).name}", paid=True, at=since)
        self._tell(Subject.SUBSCRIPTION, id, enrolment.customer)
        return id

    def _card(self, now: datetime) -> Card:
        return Card("Visa", "4242", (now.year + 2, 12))

    def _bill(
        self, customer: str, total: Money, due: Money, text: str, *, paid: bool, at: datetime | None = None
    ) -> None:
        id = self._id("invoice")
        made = Invoice(
            id=id,
            number=f"DEMO-{self._count:04d}",
            created=at or self._now(),
            status="paid" if paid or not due.minor else "open",
            total=total,
            paid=due if paid else Money(0),
            text=text,
            url=None,
            pdf=None,
        )
        self._customer(customer).invoices.append(made)
        self._tell(Subject.INVOICE, id, customer)

    def _set(self, running: _Running, now: Subscription) -> Subscription:
        if now != running.now:
            running.now = now
            self._tell(Subject.SUBSCRIPTION, now.id, now.customer)
        return now

    # Books.

    def _once(self, key: str, asked: object, do: Callable[[], T]) -> T:
        """*do*, or what it answered when the key was used before."""
        now = self._now()
        done = self._keys.get(key)
        if done is not None and done.at + _KEYS_LIVE > now:
            if done.asked != asked:
                raise KeyReused("The key was used for something else.")
            if done.refusal is not None:
                raise done.refusal
            answered: T = done.answer
            return answered
        try:
            answer = do()
        except OrgtuiError as refusal:
            self._keys[key] = _Done(asked, now, refusal=refusal)
            raise
        self._keys[key] = _Done(asked, now, answer)
        return answer

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"demo_{kind}_{self._count}"

    def _customer(self, id: str) -> _Customer:
        return _found(self._customers, id)

    def _tell(self, subject: Subject, about: str, customer: str | None = None) -> None:
        self._count += 1
        self._events.append(Event(f"demo_event_{self._count}", subject, about, customer, self._now()))


async def continued(platform: Store, ambient: Ambient) -> DemoBilling:
    """A provider that goes on from what an organization's books say."""
    provider = DemoBilling(ambient)
    books, page = await platform.billing.books(), await platform.billing.show()
    if books.customer is not None:
        payer = Payer(books.organization, books.name, books.email)
        waiting = [_waiting(payment, books.organization) for payment in books.unsettled if payment.page]
        provider.restore(books.customer, payer, page.subscription, waiting)
    return provider


def _waiting(payment: Payment, organization: str) -> Checkout:
    return Checkout(
        id=payment.page or "",
        kind="subscription" if payment.plan else "purchase",
        reference=payment.id,
        organization=organization,
        status=CheckoutStatus.OPEN,
        amount=payment.amount,
        created=payment.created,
        expires=payment.expires,
        url=f"{_ADDRESS}/pay/{payment.page}",
    )


def _found(things: Mapping[str, T], id: str) -> T:
    if id not in things:
        raise NotFound(f"The demo knows no {id}.")
    return things[id]


def _price(plan: str) -> Money:
    return Money(paid_plan(plan).cents or 0)


if TYPE_CHECKING:
    _CONFORMS: type[PaymentProvider] = DemoBilling
