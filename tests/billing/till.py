"""An organization's till: its books on a file, a payment provider behind, and hands that pay, refund and take back."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orgtui.billing.provider import Checkout, Event, Order, Pages, PaymentProvider
from orgtui.billing.results import Paying, Reconciled
from orgtui.billing.service import BillingService
from orgtui.domain.ambient import Ambient
from orgtui.domain.credits import EntryKind
from orgtui.domain.errors import Unreachable
from orgtui.domain.money import Money
from orgtui.domain.subscriptions import Subscription
from orgtui.domain.usage import Call
from orgtui.store.contract.billing import BillingPage, LedgerEntry, Payment, PaymentStatus
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests.billing.conftest import Bench
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.contract.backends import TABLES
from tests.contract.conftest import join, wait

# Before the clock of either provider begins.
FOUNDED = datetime(2026, 10, 31, tzinfo=UTC)
ADMIN = "grace@acme.example"
PAGES = Pages("https://acme.example/paid", "https://acme.example/back")


def found_acme(templates: Path, to: Path, at: datetime = FOUNDED) -> None:
    """Acme, made at *at*; templates of other days lie elsewhere."""
    mine = templates / f"{at:%Y-%m-%d}"
    mine.mkdir(exist_ok=True)
    copy_of_acme(mine, to, Clock(at))


class Till:
    """One program that is open on the books; another one on the same file is `again`.

    What the service answers as a coroutine is waited for here. *provider* stands before the bench's own where given.
    """

    def __init__(
        self, bench: Bench, path: Path, actor: str | None = None, provider: Any = None, pages: Pages | None = PAGES
    ) -> None:
        self.bench, self.path, self.actor = bench, path, actor or OWNER
        self.provider: PaymentProvider = provider or bench.provider
        self.ambient = Ambient(now=bench.now, random=os.urandom)
        self._opened: list[SqlStore] = []
        self.store, self.platform, self.service = self._open(actor, pages)

    def _open(self, actor: str | None, pages: Pages | None) -> Any:
        opened = open_sql_store(SqliteDatabase(self.path), actor, self.ambient)
        self._opened.append(opened)
        service = BillingService(opened.store, opened.platform, self.provider, self.ambient, pages)
        return opened.store, opened.platform, service

    def again(self, actor: str | None = None, provider: Any = None, pages: Pages | None = PAGES) -> Till:
        """A further program, opened for whoever acts."""
        other = Till(self.bench, self.path, actor, provider or self.provider, pages)
        self._opened += other._opened
        return other

    def admin(self) -> Till:
        """The same, for somebody who is an admin here."""
        wait(join(self.store, ADMIN, "Grace Hopper"))
        return self.again(ADMIN)

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    # What a person does in orgtui.

    def buy(self, cents: int = 1_000, **more: Any) -> Paying:
        return wait(self.service.buy(Money(cents), **more))

    def subscribe(self, plan: str = "pro") -> Paying:
        return wait(self.service.subscribe(plan))

    def look(self, payment: Payment) -> Payment:
        return wait(self.service.look(payment.id)).payment

    def withdraw(self, payment: Payment) -> Payment:
        return wait(self.service.withdraw(payment.id)).payment

    def reconcile(self) -> Reconciled:
        return wait(self.service.reconcile())

    def take(self, event: Event) -> None:
        wait(self.service.take(event))

    def refresh(self) -> Subscription:
        found = wait(self.service.refresh())
        assert found is not None
        return found

    # What a person does in a browser.

    def page(self, payment: Payment) -> Checkout:
        """The provider's page for a payment, now."""
        return self.bench.provider.checkout(str(self.payment(payment).page))

    def pay(self, payment: Payment) -> Payment:
        self.bench.pay(self.page(payment))
        return payment

    # What happens from one end to the other.

    def bought(self, cents: int = 1_000, **more: Any) -> Payment:
        """Ordered, paid, and seen to be paid."""
        paid = self.look(self.pay(self.buy(cents, **more).payment))
        assert paid.status is PaymentStatus.PAID
        return paid

    def subscribed(self, plan: str = "pro") -> Subscription:
        assert self.look(self.pay(self.subscribe(plan).payment)).status is PaymentStatus.PAID
        found = self.show().subscription
        assert found is not None
        return found

    def money(self, payment: Payment) -> str:
        """The provider's id of what was paid: what refunds and disputes name."""
        found = self.page(payment).payment
        assert found
        return found

    def order(self, payment: Payment, **other: Any) -> Order:
        """The order as the provider would be asked for it, but for what is *other*."""
        books = wait(self.platform.billing.books())
        expires = self.bench.now() + timedelta(hours=1)
        asked = Order(payment.id, books.organization, str(books.customer), payment.amount, PAGES, expires)
        return replace(asked, **other)

    def spend(self, amount: str, id: str) -> None:
        """A call that costs so much in credits, at the rate of 3.2."""
        billed = Decimal(amount) / Decimal("3.2")
        call = Call(source="litellm", id=id, at=self.bench.now(), model="gpt-4o", billed=billed)
        wait(self.platform.usage.record(UsageBatch(calls=(call,))))

    # What stands in the books.

    def show(self) -> BillingPage:
        return wait(self.store.billing.show())

    def payment(self, payment: Payment) -> Payment:
        return wait(self.store.billing.payment(payment.id))

    def ledger(self) -> list[LedgerEntry]:
        """The newest first; of each thing in the world there is one entry, and each balance is the sum so far."""
        entries = wait(self.store.billing.ledger(limit=1_000)).entries
        total = Decimal(0)
        for entry in reversed(entries):
            total += entry.amount.amount
            assert entry.balance.amount == total
        assert len({entry.ref for entry in entries}) == len(entries)
        return entries

    def balance(self) -> Decimal:
        found = self.ledger()
        balance = found[0].balance.amount if found else Decimal(0)
        assert self.show().credits.balance.amount == balance
        return balance

    def grants(self) -> list[Decimal]:
        """What was credited for payments, the newest first."""
        return [entry.amount.amount for entry in self.ledger() if entry.kind is EntryKind.PURCHASE]

    def rows(self) -> dict[str, list[Any]]:
        """All of all tables."""
        database = SqliteDatabase(self.path)
        with database.reading() as rows:
            found = {name: sorted(rows.all(f"SELECT * FROM {name}"), key=repr) for name in TABLES}
        database.close()
        return found

    def run(self, sql: str, **parameters: Any) -> None:
        """Plain SQL, past every operation."""
        database = SqliteDatabase(self.path)
        with database.migrating() as session:
            connection: Any = session.connection().connection.driver_connection
            connection.execute(sql, parameters)
        database.close()


# Programs that end in the middle.


class Killed(BaseException):
    """The program is gone: nothing of it catches this."""


class Knife:
    """Counts the moments between the steps of a program, and ends it at one of them.

    The last step was done, and nothing kept of what it answered.
    """

    def __init__(self, at: int | None = None) -> None:
        self.at, self.passed = at, 0

    def moment(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed

    def provider(self, real: PaymentProvider) -> Any:
        """*real*, each call of which is a step."""
        return _Watched(real, self._step)

    def on(self, service: BillingService) -> BillingService:
        """The same service, each step of which may be its last."""
        store, platform = (
            SimpleNamespace(billing=_Watched(one.billing, self._write)) for one in (service._store, service._platform)
        )
        given: Any = (store, platform, self.provider(service.provider))
        return BillingService(*given, service._ambient, service._pages)

    def _step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            self.moment()
            return call(*args, **kwargs)

        return step

    def _write(self, call: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        async def step(*args: Any, **kwargs: Any) -> Any:
            self.moment()
            return await call(*args, **kwargs)

        return step


class _Watched:
    """Something whose methods are wrapped."""

    def __init__(self, real: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._real, self._wrap = real, wrap

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._wrap(found) if callable(found) else found


def heard(provider: PaymentProvider, name: str, keys: list[str]) -> Any:
    """*provider*, of which is noted with which keys it is asked for this."""

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            if call.__name__ == name:
                keys.append(kwargs["key"])
            return call(*args, **kwargs)

        return ask

    return _Watched(provider, wrap)


def lost(provider: PaymentProvider, *names: str, times: int = 1) -> Any:
    """*provider*, whose first answers to these calls do not come through: what was asked for is done."""
    left = dict.fromkeys(names, times)

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            answer = call(*args, **kwargs)
            if left.get(call.__name__):
                left[call.__name__] -= 1
                raise Unreachable("The answer was lost.")
            return answer

        return ask

    return _Watched(provider, wrap)
