"""Stripe's webhooks at a server that listens: only Stripe is believed, and each payment counts once."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orgtui.settings import Stripe
from orgtui.store.contract.billing import PaymentStatus
from tests.contract.conftest import wait
from tests.fake_stripe import FakeStripe, Fault
from tests.fake_stripe.world import Object
from tests.server.shop import Shop, Town, shop

PATH = "/webhooks/stripe"


@pytest.fixture
def here(streets: Town, memory: Path, templates: Path, fake: FakeStripe) -> Iterator[Shop]:
    """Acme's server, with an account that is set up."""
    with shop(streets, memory, templates, fake) as opened:
        wait(opened.service.setup(dry_run=False))
        yield opened


def deliver(here: Shop, *events: Object, **how: object) -> list[int]:
    """Post events as Stripe does."""
    return here.fake.deliver(here.url + PATH, *events, **how)  # type: ignore[arg-type]


def completed(here: Shop) -> list[Object]:
    """What tells of pages that were paid on, the oldest first."""
    return here.fake.events("checkout.session.completed")


def bought(here: Shop, cents: int = 1_000) -> Object:
    """Paid, and nobody here has looked; answers the event of it."""
    here.pay(here.buy(cents))
    return completed(here)[-1]


def balance(here: Shop) -> Decimal:
    """The sum of the ledger, each entry of which is of something else."""
    entries = here.ledger()
    assert len({entry.ref for entry in entries}) == len(entries)
    return sum((entry.amount.amount for entry in entries), Decimal(0))


class TestCounting:
    def test_what_is_paid_while_nobody_looks_is_in_the_books(self, here: Shop) -> None:
        event = bought(here)
        assert balance(here) == 0
        assert deliver(here, event) == [200]
        assert balance(here) == 10

    def test_the_same_again_counts_nothing(self, here: Shop) -> None:
        event = bought(here)
        assert deliver(here, event, event, event) == [200] * 3
        before = here.rows()
        assert set(deliver(here, event, *here.fake.events("product.created", "invoice.paid"))) == {200}
        assert here.rows() == before
        assert balance(here) == 10

    def test_whatever_the_order(self, here: Shop) -> None:
        """A refund that is told of before its payment, and a page that closed after it was paid on."""
        paying = here.buy()
        here.pay(paying)
        session = completed(here)[-1]["data"]["object"]
        here.fake.refund(session["payment_intent"], 400)
        events = here.fake.events()
        assert set(deliver(here, *reversed(events))) == {200}
        assert balance(here) == 6
        assert here.payment(paying).status is PaymentStatus.PARTLY_REFUNDED
        assert set(deliver(here, *events)) == {200}
        assert balance(here) == 6

    def test_a_subscription_begins_and_ends(self, here: Shop) -> None:
        here.pay(wait(here.service.subscribe("pro")))
        assert set(deliver(here, *here.fake.events())) == {200}
        page = wait(here.opened.store.billing.show())
        assert page.plan == "pro"
        assert page.subscription is not None
        here.fake.put_status(page.subscription.id, "canceled")
        assert set(deliver(here, *here.fake.events("customer.subscription.updated"))) == {200}
        assert wait(here.opened.store.billing.show()).plan == "free"

    def test_three_hundred_deliveries_a_third_of_them_doubled(self, here: Shop) -> None:
        chosen = random.Random(300)
        paid = [500 + 7 * number for number in range(40)]
        for cents in paid:
            here.pay(here.buy(cents))
        # What tells of payments, and beside it what tells of nothing that counts here.
        told = completed(here)
        others = [event for event in here.fake.events() if event["type"] != "checkout.session.completed"]
        distinct = told + chosen.sample(others, 210 - len(told))
        deliveries = distinct + chosen.choices(told, k=45) + chosen.choices(distinct, k=45)
        chosen.shuffle(deliveries)
        assert len(deliveries) == 300
        with ThreadPoolExecutor(8) as posting:
            statuses = list(posting.map(lambda event: deliver(here, event), deliveries))
        assert statuses == [[200]] * 300
        assert sorted(entry.amount.amount for entry in here.ledger()) == sorted(Decimal(cents) / 100 for cents in paid)
        assert balance(here) == Decimal(sum(paid)) / 100
        assert wait(here.opened.store.billing.show()).credits.balance.amount == balance(here)
        # Nothing was left for a comparison to find.
        found = wait(here.service.reconcile())
        assert (found.paid, found.unknown) == ((), ())


class TestBelieving:
    def forged(self, here: Shop, body: bytes, header: str | None) -> None:
        """It is refused, and nothing of it is done."""
        before, asked = here.rows(), len(here.fake.requests())
        headers = {} if header is None else {"Stripe-Signature": header}
        answer = here.browser.post(PATH, content=body, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (400, "bad_webhook")
        assert here.rows() == before
        assert len(here.fake.requests()) == asked
        assert here.fake.secret not in answer.text

    def test_another_secret(self, here: Shop) -> None:
        event = bought(here)
        self.forged(here, *here.fake.signed(event, secret="whsec_other"))

    def test_a_changed_body(self, here: Shop) -> None:
        body, header = here.fake.signed(bought(here))
        self.forged(here, body.replace(b'"amount_total": 1000', b'"amount_total": 9000'), header)
        self.forged(here, json.dumps(json.loads(body)).encode(), header)
        self.forged(here, body + b"\n", header)
        self.forged(here, b"", header)

    def test_another_time(self, here: Shop) -> None:
        event = bought(here)
        for minutes in (-6, 6, -60 * 24):
            body, header = here.fake.signed(event, at=here.fake.now() + timedelta(minutes=minutes))
            self.forged(here, body, header)
        body, header = here.fake.signed(event)
        self.forged(here, body, header.replace("t=", "t=1"))

    @pytest.mark.parametrize("header", [None, "", "t=1", "v1=00", "t=1,v1=00", "t=1,t=2,v1=00"])
    def test_no_signature(self, here: Shop, header: str | None) -> None:
        self.forged(here, here.fake.signed(bought(here))[0], header)

    def test_what_is_signed_and_no_event(self, here: Shop) -> None:
        stamp = int(here.fake.now().timestamp())
        for body in (b"[]", b"{}", b"\xff", b'{"id":1}'):
            signed = hmac.new(here.fake.secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
            self.forged(here, body, f"t={stamp},v1={signed}")

    def test_a_live_event_on_a_test_account(self, here: Shop) -> None:
        self.forged(here, *here.fake.signed(bought(here) | {"livemode": True}))

    def test_what_others_sell_on_the_same_account(self, here: Shop) -> None:
        event = bought(here)
        other = {**event["data"]["object"], "id": "cs_test_nobodys"}
        before = here.rows()
        assert deliver(here, event | {"data": {"object": other}}) == [200]
        assert deliver(here, event | {"type": "invented.tomorrow", "data": {"object": {"object": "novelty"}}}) == [200]
        assert here.rows() == before

    def test_only_posts_are_taken(self, here: Shop) -> None:
        assert here.browser.get(PATH).status_code == 405


class TestTryingAgain:
    def test_a_provider_that_does_not_answer_is_to_send_it_again(self, here: Shop) -> None:
        event = bought(here)
        here.fake.inject(Fault("error", times=9, method="GET", path="/v1/checkout/sessions"))
        assert deliver(here, event) == [503]
        assert balance(here) == 0
        with here.fake.world.lock:
            here.fake._server.faults.clear()
        assert deliver(here, event) == [200]
        assert balance(here) == 10

    def test_without_a_secret_nothing_is_believed(
        self, streets: Town, memory: Path, templates: Path, fake: FakeStripe
    ) -> None:
        for stripe, title in (
            (None, "billing_not_ready"),
            (Stripe(key=fake.key, api_base=fake.base), "no_webhooks"),
            (Stripe(key=fake.key, api_base=fake.base, webhook_secret=" "), "no_webhooks"),
        ):
            with shop(streets, memory, templates, fake, stripe=stripe) as here:
                empty = {"Stripe-Signature": f"t={int(fake.now().timestamp())},v1=00"}
                answer = here.browser.post(PATH, content=b"{}", headers=empty)
                assert (answer.status_code, answer.json()["title"]) == (503, title)
                assert "ORGTUI_STRIPE_" in answer.json()["detail"]


def test_a_person_s_token_is_not_needed_and_does_not_help(here: Shop) -> None:
    body, _ = here.fake.signed(bought(here))
    answer = here.browser.post(PATH, content=body, headers={"Authorization": "Bearer orgtui_pat_" + "0" * 43})
    assert answer.status_code == 400
