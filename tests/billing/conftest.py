"""One fake Stripe for all tests of a worker, empty for each; and both providers behind one set of hands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import pytest
import stripe

from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import Checkout, PaymentProvider
from orgtui.billing.stripe import StripeBilling
from orgtui.domain.ambient import Ambient
from orgtui.domain.money import Money
from orgtui.secret import Secret
from tests.billing import hands
from tests.fake_stripe import BAD, GOOD, SAVED_BUT_BAD, SEPA, FakeStripe


@pytest.fixture
def sdk(fake: FakeStripe) -> Iterator[Any]:
    """The official client, talking to the fake; it tries once."""
    stripe.enable_telemetry = False
    http = stripe.RequestsClient(timeout=10)
    yield stripe.StripeClient(fake.key, base_addresses={"api": fake.base}, http_client=http, max_network_retries=0)
    http.close()


def stripe_billing(fake: FakeStripe, **more: Any) -> StripeBilling:
    """StripeBilling talking to the fake, by the fake's clock."""
    ambient = Ambient(now=fake.now, random=os.urandom)
    given = {"webhook_secret": Secret(fake.secret), "api_base": fake.base} | more
    return StripeBilling(Secret(fake.key), ambient, **given)


@pytest.fixture(scope="session")
def opened_billing(fake_server: FakeStripe) -> Iterator[StripeBilling]:
    """Opened once: connections and TLS are ready."""
    provider = stripe_billing(fake_server)
    yield provider
    provider.close()


@pytest.fixture
def billing(fake: FakeStripe, opened_billing: StripeBilling) -> StripeBilling:
    """Stripe, set up."""
    opened_billing.setup(key="setup", dry_run=False)
    return opened_billing


class Bench(Protocol):
    """A provider, and what people, banks and time do to it."""

    provider: PaymentProvider

    def now(self) -> datetime: ...
    def advance(self, **by: float) -> None: ...
    def pay(self, checkout: Checkout) -> None: ...
    def decline(self, checkout: Checkout) -> None: ...
    def pay_slowly(self, checkout: Checkout) -> None: ...
    def arrive(self, checkout: Checkout, *, succeeds: bool) -> None: ...
    def use_card(self, customer: str, *, good: bool) -> None: ...
    def refund(self, payment: str, amount: Money | None = None) -> str: ...
    def fail_refund(self, refund: str) -> None: ...
    def dispute(self, payment: str) -> str: ...
    def close_dispute(self, dispute: str, *, won: bool) -> None: ...


class StripeBench:
    """The fake, visited with a browser."""

    def __init__(self, provider: PaymentProvider, fake: FakeStripe) -> None:
        self.provider, self._fake = provider, fake
        self.now, self.advance = fake.now, fake.advance
        self.fail_refund, self.close_dispute = fake.fail_refund, fake.close_dispute

    def pay(self, checkout: Checkout) -> None:
        assert self._fake.pay(str(checkout.url)) == 303

    def decline(self, checkout: Checkout) -> None:
        assert self._fake.pay(str(checkout.url), BAD) == 402

    def pay_slowly(self, checkout: Checkout) -> None:
        assert self._fake.pay(str(checkout.url), SEPA) == 303

    def arrive(self, checkout: Checkout, *, succeeds: bool) -> None:
        self._fake.arrive(checkout.id, succeeds=succeeds)

    def use_card(self, customer: str, *, good: bool) -> None:
        self._fake.save_card(customer, GOOD if good else SAVED_BUT_BAD)

    def refund(self, payment: str, amount: Money | None = None) -> str:
        return str(self._fake.refund(payment, amount and amount.minor)["id"])

    def dispute(self, payment: str) -> str:
        return str(self._fake.dispute(payment)["id"])


class DemoBench:
    """The demo, told what happens."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 1, tzinfo=UTC)
        self.provider = DemoBilling(Ambient(now=self.now, random=os.urandom))
        self.use_card = partial(hands.use_card, self.provider)
        self.refund, self.fail_refund = partial(hands.refund, self.provider), partial(hands.fail_refund, self.provider)
        self.dispute = partial(hands.dispute, self.provider)
        self.close_dispute = partial(hands.close_dispute, self.provider)

    def now(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> None:
        self._now += timedelta(**by)

    def pay(self, checkout: Checkout) -> None:
        self.provider.pay(checkout.id)

    def decline(self, checkout: Checkout) -> None:
        self.provider.decline(checkout.id)

    def pay_slowly(self, checkout: Checkout) -> None:
        self.provider.pay_slowly(checkout.id)

    def arrive(self, checkout: Checkout, *, succeeds: bool) -> None:
        self.provider.arrive(checkout.id, succeeds=succeeds)


@pytest.fixture(params=["stripe", "demo"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each provider in turn."""
    if request.param == "demo":
        return DemoBench()
    return StripeBench(request.getfixturevalue("billing"), request.getfixturevalue("fake"))
