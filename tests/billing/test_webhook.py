"""Webhooks: signed by Stripe, fresh, and as they came; what the SDK's own signer makes is the measure."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe as official

from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import BadWebhook, Event, Subject
from orgtui.billing.stripe import StripeBilling
from orgtui.billing.stripe_webhook import TYPES
from orgtui.domain.ambient import system_ambient
from orgtui.secret import Secret
from tests.billing.conftest import StripeBench, stripe_billing
from tests.billing.test_contract import bought, running, subscribed
from tests.fake_stripe import FakeStripe
from tests.fake_stripe.world import Object


@pytest.fixture
def bench(billing: StripeBilling, fake: FakeStripe) -> StripeBench:
    """Stripe, with the hands of the common suite."""
    return StripeBench(billing, fake)


@pytest.fixture
def event(bench: StripeBench, fake: FakeStripe) -> Object:
    """A purchase was paid."""
    bought(bench)
    (found,) = fake.events("checkout.session.completed")
    return found


class TestSignatures:
    def test_what_stripe_signed_is_read(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        read = billing.read_webhook(*fake.signed(event))
        session = event["data"]["object"]
        assert read == Event(event["id"], Subject.CHECKOUT, session["id"], session["customer"], fake.now())

    @pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
    def test_within_five_minutes(self, fake: FakeStripe, billing: StripeBilling, event: Object, seconds: int) -> None:
        billing.read_webhook(*fake.signed(event, at=fake.now() + timedelta(seconds=seconds)))

    @pytest.mark.parametrize("seconds", [-600, -301, 301, 86_400])
    def test_not_fresh(self, fake: FakeStripe, billing: StripeBilling, event: Object, seconds: int) -> None:
        with pytest.raises(BadWebhook, match="more than 5 minutes from now"):
            billing.read_webhook(*fake.signed(event, at=fake.now() + timedelta(seconds=seconds)))

    def test_it_grows_old(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        body, signature = fake.signed(event)
        billing.read_webhook(body, signature)
        fake.advance(minutes=6)
        with pytest.raises(BadWebhook, match="more than 5 minutes"):
            billing.read_webhook(body, signature)

    def test_another_secret(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        with pytest.raises(BadWebhook, match="does not fit its body"):
            billing.read_webhook(*fake.signed(event, secret="whsec_other"))

    def test_one_byte_is_different(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        body, signature = fake.signed(event)
        forged = body.replace(b'"amount_total": 1000', b'"amount_total": 9000')
        assert forged != body
        with pytest.raises(BadWebhook, match="does not fit its body"):
            billing.read_webhook(forged, signature)

    def test_the_body_counts_as_it_came(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        """A framework that reads JSON and writes it again breaks the signature: hand over the raw bytes."""
        body, signature = fake.signed(event)
        with pytest.raises(BadWebhook, match="does not fit its body"):
            billing.read_webhook(json.dumps(json.loads(body)).encode(), signature)

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "v1=00",
            "t=,v1=00",
            "t=x,v1=00",
            "t=-1,v1=00",
            "t=1,t=2,v1=00",
            "t=" + "9" * 400,
            "t=٣,v1=00",
            "\0",
        ],
    )
    def test_no_header(self, fake: FakeStripe, billing: StripeBilling, event: Object, header: str | None) -> None:
        with pytest.raises(BadWebhook, match="no Stripe-Signature header"):
            billing.read_webhook(fake.signed(event)[0], header)

    @pytest.mark.parametrize("rest", ["", ",v0={}", ",v1=", ",v1={}0", ",v1=ö"])
    def test_no_signature_of_the_right_kind(
        self, fake: FakeStripe, billing: StripeBilling, event: Object, rest: str
    ) -> None:
        body, header = fake.signed(event)
        stamp, _, signature = header.partition(",v1=")
        with pytest.raises(BadWebhook, match="does not fit its body"):
            billing.read_webhook(body, stamp + rest.format(signature))

    def test_while_the_secret_is_changed_there_are_two(
        self, fake: FakeStripe, billing: StripeBilling, event: Object
    ) -> None:
        body, header = fake.signed(event)
        stamp, _, signature = header.partition(",")
        billing.read_webhook(body, f"{stamp},v1={'0' * 64},{signature}")

    @pytest.mark.parametrize("secret", [None, "", "  "])
    def test_without_a_secret_anybody_could_sign(self, fake: FakeStripe, event: Object, secret: str | None) -> None:
        open_to_all = stripe_billing(fake, webhook_secret=None if secret is None else Secret(secret))
        body = fake.signed(event)[0]
        stamp = int(fake.now().timestamp())
        forged = hmac.new((secret or "").encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        with pytest.raises(BadWebhook, match="set ORGTUI_STRIPE_WEBHOOK_SECRET"):
            open_to_all.read_webhook(body, f"t={stamp},v1={forged}")

    def test_bytes_that_are_no_text_are_refused_not_tripped_over(
        self, fake: FakeStripe, billing: StripeBilling
    ) -> None:
        stamp = int(fake.now().timestamp())
        for body, said in (
            (b"\xff\xfe", "not JSON"),
            (b"[]", "not an event"),
            (b"{}", "not an event"),
            (b"", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (rb'{"id": "\ud800"}', "not JSON"),
        ):
            signed = hmac.new(fake.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
            with pytest.raises(BadWebhook, match=said):
                billing.read_webhook(body, f"t={stamp},v1={signed}")

    def test_the_other_mode(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        with pytest.raises(BadWebhook, match="not of test mode"):
            billing.read_webhook(*fake.signed({**event, "livemode": True}))

    def test_the_sdk_is_not_needed(self, fake: FakeStripe, event: Object) -> None:
        """A server that only takes webhooks does not load it."""
        provider = stripe_billing(fake)
        provider.read_webhook(*fake.signed(event))
        assert provider._client is None

    def test_the_sdk_agrees(self, fake: FakeStripe, billing: StripeBilling, event: Object) -> None:
        body, header = fake.signed(event)
        assert official.WebhookSignature.verify_header(body, header, fake.secret)
        billing.read_webhook(body, header)

    def test_the_demo_takes_none(self, fake: FakeStripe, event: Object) -> None:
        with pytest.raises(BadWebhook, match="takes no webhooks"):
            DemoBilling(system_ambient()).read_webhook(*fake.signed(event))


class TestMeaning:
    def test_each_names_what_to_read_again(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        paid = bought(bench)
        assert paid.payment is not None
        refund, dispute = fake.refund(paid.payment, 100)["id"], fake.dispute(paid.payment)["id"]
        now = subscribed(bench)
        billing.cancel_at_period_end(now.id, key="stop")
        read = {event["type"]: billing.read_webhook(*fake.signed(event)) for event in fake.events()}
        assert read["refund.created"].about == refund
        assert read["charge.dispute.created"].about == dispute
        updated = read["customer.subscription.updated"]
        assert (updated.subject, updated.about, updated.customer) == (Subject.SUBSCRIPTION, now.id, now.customer)
        assert read["invoice.paid"].subject is Subject.INVOICE
        assert read["invoice.paid"].customer == now.customer
        assert read["product.created"].subject is Subject.OTHER
        assert {kind for kind, event in read.items() if event.subject is Subject.OTHER}.isdisjoint(TYPES)

    def test_all_that_we_ask_for_exist(self, fake: FakeStripe, billing: StripeBilling) -> None:
        assert len(TYPES) == len(set(TYPES)) <= 20
        known = official.Event.__annotations__["type"]
        assert set(TYPES) <= set(known.__args__)


class TestDelivery:
    """Over HTTP, as Stripe posts them: doubled, late, the wrong way round."""

    @pytest.fixture
    def inbox(self, billing: StripeBilling) -> Iterator[tuple[str, list[Event]]]:
        """An address, and what was believed of what came there."""
        believed: list[Event] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    believed.append(billing.read_webhook(body, self.headers.get("Stripe-Signature")))
                except BadWebhook as error:
                    self.send_response(error.status)
                else:
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/", believed
            server.shutdown()
            thread.join()

    def test_whatever_the_order_reading_again_tells_the_truth(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, inbox: tuple[str, list[Event]]
    ) -> None:
        url, believed = inbox
        begun = subscribed(bench)
        billing.cancel_at_period_end(begun.id, key="stop")
        billing.resume(begun.id, key="go")
        updates = fake.events("customer.subscription.updated")
        assert [update["data"]["object"]["cancel_at_period_end"] for update in updates] == [True, False]
        assert fake.deliver(url, *reversed(updates), updates[0]) == [200, 200, 200]
        assert [event.about for event in believed] == [begun.id] * 3
        assert believed[1] == believed[2]
        assert running(bench).cancel_at_period_end is False

    def test_late_ones_are_turned_away(self, fake: FakeStripe, event: Object, inbox: tuple[str, list[Event]]) -> None:
        url, believed = inbox
        assert fake.deliver(url, event, at=fake.now() - timedelta(minutes=10)) == [400]
        assert believed == []
