"""The fake behaves as Stripe in what we rely on: strict parameters, keys, lost replies, time, money."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.fake_stripe import ASKS, BAD, GOOD, SAVED_BUT_BAD, SEPA, Defect, FakeStripe, Fault, schema
from tests.fake_stripe.subscriptions import months_after

PAGE = "https://acme.example/back"


def credits_session(sdk: Any, amount: int = 1000, key: str | None = None, **more: Any) -> Any:
    if not sdk.v1.products.list({"ids": ["credits"]}).data:
        sdk.v1.products.create({"id": "credits", "name": "AI credits"})
    price = {"currency": "eur", "unit_amount": amount, "product": "credits"}
    params = {"mode": "payment", "line_items": [{"quantity": 1, "price_data": price}], "success_url": PAGE} | more
    return sdk.v1.checkout.sessions.create(params, {"idempotency_key": key} if key else {})


def monthly_price(sdk: Any, name: str, amount: int) -> Any:
    product = sdk.v1.products.create({"id": name, "name": name.title()})
    recurring = {"interval": "month"}
    return sdk.v1.prices.create(
        {"product": product.id, "currency": "eur", "unit_amount": amount, "recurring": recurring, "lookup_key": name}
    )


def subscribed(fake: FakeStripe, sdk: Any, price: Any) -> Any:
    customer = sdk.v1.customers.create({"name": "Acme"})
    items = [{"quantity": 1, "price": price.id}]
    params = {"mode": "subscription", "customer": customer.id, "line_items": items, "success_url": PAGE}
    assert fake.pay(sdk.v1.checkout.sessions.create(params).url) == 303
    return sdk.v1.subscriptions.list({"customer": customer.id}).data[0]


def switch(sdk: Any, subscription: Any, price: Any, **more: Any) -> Any:
    item = subscription["items"].data[0]
    return sdk.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": price.id}]} | more)


class TestParameters:
    @pytest.mark.parametrize(
        ("params", "message", "code", "param"),
        [
            ({"nmae": "x"}, "Received unknown parameter: nmae. Did you mean name?", "parameter_unknown", "nmae"),
            ({"metadata": "x"}, "Invalid hash: metadata", None, "metadata"),
            ({"invoice_settings": {"foo": 1}}, "Received unknown parameter: invoice_settings[foo]", None, None),
            ({"balance": "12.5"}, "Invalid integer: 12.5", "parameter_invalid_integer", "balance"),
            ({"tax_exempt": "sometimes"}, "must be one of exempt, none, or reverse", None, "tax_exempt"),
            ({"preferred_locales": "en"}, "Invalid array", None, "preferred_locales"),
            ({"test_clock": ""}, "You passed an empty string for 'test_clock'", "parameter_invalid_empty", None),
            ({"metadata": {"k": "v" * 501}}, "values up to 500", None, None),
        ],
    )
    def test_what_the_sdk_does_not_know_is_refused_in_stripes_words(
        self, sdk: Any, params: dict[str, Any], message: str, code: str | None, param: str | None
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match=message.replace("[", r"\[").replace("?", r"\?")) as caught:
            sdk.v1.customers.create(params)
        assert caught.value.http_status == 400
        assert caught.value.error.type == "invalid_request_error"
        assert code is None or caught.value.code == code
        assert param is None or caught.value.param == param

    def test_what_is_missing_is_named(self, sdk: Any) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="Missing required param: name") as caught:
            sdk.v1.products.create({"id": "x"})
        assert caught.value.code == "parameter_missing"

    def test_the_parameter_that_tutorials_pass_is_gone(self, sdk: Any) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameter: payment_method_types"):
            credits_session(sdk, payment_method_types=["card"])

    def test_documented_but_not_done_stops_the_test_that_uses_it(self) -> None:
        own = FakeStripe()
        client = stripe.StripeClient(own.key, base_addresses={"api": own.base}, max_network_retries=0)
        with pytest.raises(stripe.APIError, match="fake_stripe does not do phone"):
            client.v1.customers.create({"phone": "+43"})
        with pytest.raises(Defect, match="does not do phone"):
            own.close()

    def test_an_answer_that_the_sdk_would_not_understand_is_a_defect(self, fake: FakeStripe, sdk: Any) -> None:
        customer = fake.world.find(sdk.v1.customers.create({"name": "Acme"}).id)
        assert customer is not None
        assert schema.findings(customer, stripe.Customer) == []
        wrong = {**customer, "balance": "0", "favourite": "blue"}
        del wrong["livemode"]
        assert [said.split(" ")[0] for said in schema.findings(wrong, stripe.Customer)] == [
            "Customer.balance",
            "Customer.favourite",
            "Customer.livemode",
        ]


class TestAccess:
    def test_only_known_keys_and_the_sdks_own_version(self, fake: FakeStripe) -> None:
        def ask(key: str, version: str | None = None) -> None:
            options = {"base_addresses": {"api": fake.base}, "max_network_retries": 0, "stripe_version": version}
            stripe.StripeClient(key, **options).v1.customers.list()  # type: ignore[arg-type]

        ask("rk_test_fake")
        with pytest.raises(stripe.AuthenticationError, match=r"Invalid API Key provided: sk_test_\*+cret"):
            ask("sk_test_other_secret")
        with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version: 2020-08-27"):
            ask(fake.key, "2020-08-27")

    def test_what_there_is_not(self, sdk: Any) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_no'") as caught:
            sdk.v1.customers.retrieve("cus_no")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
        with pytest.raises(stripe.InvalidRequestError) as caught:
            credits_session(sdk, customer="cus_no")
        assert (caught.value.http_status, caught.value.param) == (400, "customer")


class TestKeys:
    def test_the_same_request_has_one_effect_and_one_answer(self, fake: FakeStripe, sdk: Any) -> None:
        first = credits_session(sdk, key="k")
        again = credits_session(sdk, key="k")
        assert again.to_dict() == first.to_dict()
        assert len(fake.world.table("checkout.session")) == 1
        headers = again.last_response.headers
        assert headers["Idempotent-Replayed"] == "true"
        assert headers["Original-Request"] == first.last_response.request_id

    def test_a_key_stands_for_one_request_only(self, sdk: Any) -> None:
        sdk.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
        with pytest.raises(stripe.IdempotencyError, match="same parameters they were first used with"):
            sdk.v1.customers.create({"name": "B"}, {"idempotency_key": "k"})
        with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
            sdk.v1.products.create({"name": "A"}, {"idempotency_key": "k"})

    def test_two_at_once_are_told_to_come_back(self, fake: FakeStripe, sdk: Any) -> None:
        fake.inject(Fault("delay", seconds=0.5, path="customers"))
        options = {"idempotency_key": "k"}
        slow = threading.Thread(target=sdk.v1.customers.create, args=({"name": "A"}, options))
        slow.start()
        while not fake.requests("POST"):
            pass
        with pytest.raises(stripe.APIError, match="another in-progress request") as caught:
            sdk.v1.customers.create({"name": "A"}, options)
        assert caught.value.http_status == 409
        slow.join()
        assert sdk.v1.customers.create({"name": "A"}, options).id == next(iter(fake.world.table("customer")))

    def test_what_failed_validation_is_not_kept_but_a_decline_is(self, fake: FakeStripe, sdk: Any) -> None:
        options = {"idempotency_key": "k"}
        with pytest.raises(stripe.InvalidRequestError):
            sdk.v1.customers.create({"nmae": "A"}, options)
        assert sdk.v1.customers.create({"name": "A"}, options).name == "A"
        starter, pro = monthly_price(sdk, "starter", 2900), monthly_price(sdk, "pro", 4900)
        subscription = subscribed(fake, sdk, starter)
        item = subscription["items"].data[0].id
        params = {"items": [{"id": item, "price": pro.id}], "proration_behavior": "always_invoice"}
        params |= {"payment_behavior": "error_if_incomplete", "proration_date": int(fake.now().timestamp())}
        fake.save_card(subscription.customer, SAVED_BUT_BAD)
        with pytest.raises(stripe.CardError):
            sdk.v1.subscriptions.update(subscription.id, params, {"idempotency_key": "up"})
        fake.save_card(subscription.customer, GOOD)
        with pytest.raises(stripe.CardError):
            sdk.v1.subscriptions.update(subscription.id, params, {"idempotency_key": "up"})
        assert sdk.v1.subscriptions.update(subscription.id, params, {"idempotency_key": "up2"}).status == "active"

    def test_a_key_is_forgotten_after_a_day(self, fake: FakeStripe, sdk: Any) -> None:
        first = credits_session(sdk, key="k")
        fake.advance(hours=25)
        assert credits_session(sdk, key="k").id != first.id


class TestFaults:
    def test_a_lost_reply_was_committed_and_a_reset_was_not(self, fake: FakeStripe, sdk: Any) -> None:
        for kind, made in (("reset", 0), ("lost", 1)):
            fake.inject(Fault(kind, path="customers"))
            with pytest.raises(stripe.APIConnectionError):
                sdk.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
            assert len(fake.world.table("customer")) == made
        sdk.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
        assert len(fake.world.table("customer")) == 1

    def test_the_sdk_retries_a_lost_reply_into_one_session(self, fake: FakeStripe) -> None:
        http = stripe.RequestsClient(timeout=10)
        client = stripe.StripeClient(
            fake.key, base_addresses={"api": fake.base}, http_client=http, max_network_retries=2
        )
        client.v1.products.create({"id": "credits", "name": "AI credits"})
        fake.inject(Fault("lost", path="sessions"))
        credits_session(client)
        assert len(fake.world.table("checkout.session")) == 1
        posts = fake.requests("POST", "/v1/checkout/sessions")
        assert len({request.key for request in posts}) == 1
        assert [request.replayed for request in posts] == [False, True]

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, stripe.AuthenticationError),
            (403, stripe.PermissionError),
            (429, stripe.RateLimitError),
            (500, stripe.APIError),
            (503, stripe.APIError),
        ],
    )
    def test_answers_out_of_the_blue(self, fake: FakeStripe, sdk: Any, status: int, error: type[Exception]) -> None:
        fake.inject(Fault("error", status=status, times=2, path="products"))
        sdk.v1.customers.list()
        for _ in range(2):
            with pytest.raises(error):
                sdk.v1.products.list()
        sdk.v1.products.list()

    def test_a_proxys_page_instead_of_an_answer(self, fake: FakeStripe, sdk: Any) -> None:
        fake.inject(Fault("error", status=502, body="<html>Bad gateway</html>"))
        with pytest.raises(stripe.APIError):
            sdk.v1.products.list()


class TestLists:
    def test_pages_are_followed_to_the_end(self, sdk: Any) -> None:
        made = [sdk.v1.customers.create({"name": str(number)}).id for number in range(7)]
        page = sdk.v1.customers.list({"limit": 3})
        assert page.has_more
        assert [one.id for one in page.auto_paging_iter()] == made[::-1]
        assert [one.id for one in sdk.v1.customers.list({"limit": 2, "ending_before": made[2]}).data] == [
            made[4],
            made[3],
        ]

    def test_search_is_behind(self, fake: FakeStripe, sdk: Any) -> None:
        sdk.v1.customers.create({"name": "A", "metadata": {"org": "o"}})
        query = {"query": "metadata['org']:'o'"}
        assert sdk.v1.customers.search(query).data == []
        fake.advance(minutes=1)
        assert [one.name for one in sdk.v1.customers.search(query).data] == ["A"]

    def test_lookup_keys_move(self, sdk: Any) -> None:
        old = monthly_price(sdk, "pro", 4900)
        new = {"product": "pro", "currency": "eur", "unit_amount": 5900, "recurring": {"interval": "month"}}
        with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
            sdk.v1.prices.create(new | {"lookup_key": "pro"})
        moved = sdk.v1.prices.create(new | {"lookup_key": "pro", "transfer_lookup_key": True})
        assert [price.id for price in sdk.v1.prices.list({"lookup_keys": ["pro"]}).data] == [moved.id]
        assert sdk.v1.prices.retrieve(old.id).lookup_key is None
        with pytest.raises(stripe.InvalidRequestError, match="at most 10"):
            sdk.v1.prices.list({"lookup_keys": [str(number) for number in range(11)]})


class TestCheckout:
    def test_paid(self, fake: FakeStripe, sdk: Any) -> None:
        customer = sdk.v1.customers.create({"name": "Acme"})
        session = credits_session(sdk, customer=customer.id, invoice_creation={"enabled": True})
        assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
        assert "#" in session.url
        assert 361 < len(session.url) < 520
        assert fake.pay(session.url) == 303
        paid = sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "invoice"]})
        assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
        assert paid.payment_intent.latest_charge.amount == paid.invoice.amount_paid == 1000
        assert [event["type"] for event in fake.events()][-1] == "checkout.session.completed"
        assert fake.pay(session.url) == 410
        with pytest.raises(stripe.InvalidRequestError, match="status of `complete`"):
            sdk.v1.checkout.sessions.expire(session.id)

    def test_declined_stays_open(self, fake: FakeStripe, sdk: Any) -> None:
        session = credits_session(sdk)
        assert fake.pay(session.url, BAD) == 402
        assert sdk.v1.checkout.sessions.retrieve(session.id).status == "open"
        assert fake.pay(session.url) == 303
        assert len(fake.world.table("payment_intent")) == 1

    @pytest.mark.parametrize(
        ("form", "status", "event"), [({}, "paid", "succeeded"), ({"fails": "1"}, "unpaid", "failed")]
    )
    def test_slow_money(self, fake: FakeStripe, sdk: Any, form: dict[str, str], status: str, event: str) -> None:
        session = credits_session(sdk)
        assert fake.pay(session.url, SEPA, **form) == 303
        waiting = sdk.v1.checkout.sessions.retrieve(session.id)
        assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
        fake.advance(days=3)
        assert sdk.v1.checkout.sessions.retrieve(session.id).payment_status == status
        assert fake.events()[-1]["type"] == f"checkout.session.async_payment_{event}"

    def test_time_is_over(self, fake: FakeStripe, sdk: Any) -> None:
        soon = int((fake.now() + timedelta(minutes=30)).timestamp())
        with pytest.raises(stripe.InvalidRequestError, match="at least 30 minutes"):
            credits_session(sdk, expires_at=soon - 1)
        session = credits_session(sdk, expires_at=soon)
        fake.advance(minutes=30)
        expired = sdk.v1.checkout.sessions.retrieve(session.id)
        assert (expired.status, expired.url) == ("expired", None)
        assert fake.pay(session.url) == 410

    @pytest.mark.parametrize(("amount", "code"), [(49, "amount_too_small"), (100_000_000, "amount_too_large")])
    def test_amounts_have_bounds(self, sdk: Any, amount: int, code: str) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            credits_session(sdk, amount)
        assert caught.value.code == code

    def test_a_link_is_short_and_good_for_one_payment(self, fake: FakeStripe, sdk: Any) -> None:
        sdk.v1.products.create({"id": "credits", "name": "AI credits"})
        price = {"currency": "eur", "unit_amount": 1000, "product": "credits"}
        link = sdk.v1.payment_links.create(
            {
                "line_items": [{"quantity": 1, "price_data": price}],
                "metadata": {"purchase": "p"},
                "restrictions": {"completed_sessions": {"limit": 1}},
            }
        )
        _, first = fake.visit(link.url)
        _, second = fake.visit(link.url)
        assert fake.pay(first) == 303
        assert fake.pay(second) == 410
        assert fake.pay(link.url) == 410
        paid = sdk.v1.checkout.sessions.list({"payment_link": link.id, "status": "complete"}).data
        assert [session.metadata.purchase for session in paid] == ["p"]


class TestSubscriptions:
    def test_preview_and_charge_agree(self, fake: FakeStripe, sdk: Any) -> None:
        pro, business = monthly_price(sdk, "pro", 4900), monthly_price(sdk, "business", 67_000)
        subscription = subscribed(fake, sdk, pro)
        fake.advance(days=10, hours=10)
        at = int(fake.now().timestamp())
        item = subscription["items"].data[0].id
        details = {"items": [{"id": item, "price": business.id}], "proration_behavior": "always_invoice"}
        preview = sdk.v1.invoices.create_preview(
            {"subscription": subscription.id, "subscription_details": details | {"proration_date": at}}
        )
        fake.advance(seconds=90)
        options = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
        changed = switch(sdk, subscription, business, proration_date=at, **options)
        charged = sdk.v1.invoices.retrieve(changed.latest_invoice, {"expand": ["payments.data.payment.payment_intent"]})
        assert [line.amount for line in charged.lines.data] == [-3199, 43_736]
        assert preview.amount_due == charged.amount_paid == 40_537
        assert charged.payments.data[0].payment.payment_intent.amount_received == 40_537

    @pytest.mark.parametrize(
        ("card", "code"),
        [(SAVED_BUT_BAD, "card_declined"), (ASKS, "subscription_payment_intent_requires_action")],
    )
    def test_a_refused_upgrade_changes_nothing(self, fake: FakeStripe, sdk: Any, card: str, code: str) -> None:
        starter, pro = monthly_price(sdk, "starter", 2900), monthly_price(sdk, "pro", 4900)
        subscription = subscribed(fake, sdk, starter)
        fake.save_card(subscription.customer, card)
        before = sdk.v1.subscriptions.retrieve(subscription.id).to_dict(), len(fake.world.table("invoice"))
        options = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
        with pytest.raises(stripe.CardError) as caught:
            switch(sdk, subscription, pro, **options)
        assert (caught.value.http_status, caught.value.code) == (402, code)
        after = sdk.v1.subscriptions.retrieve(subscription.id).to_dict(), len(fake.world.table("invoice"))
        assert after == before
        # The default would have switched, and left the debt.
        assert switch(sdk, subscription, pro, proration_behavior="always_invoice").status == "past_due"

    def test_a_few_cents_wait_for_the_next_invoice(self, fake: FakeStripe, sdk: Any) -> None:
        starter, pro = monthly_price(sdk, "starter", 2900), monthly_price(sdk, "pro", 4900)
        subscription = subscribed(fake, sdk, starter)
        fake.advance(days=29, hours=23)
        changed = switch(sdk, subscription, pro, proration_behavior="always_invoice")
        invoice = sdk.v1.invoices.retrieve(changed.latest_invoice)
        assert (invoice.total, invoice.amount_due, invoice.ending_balance, invoice.status) == (3, 0, 3, "paid")
        fake.advance(hours=1)
        renewal = sdk.v1.invoices.list({"customer": subscription.customer, "limit": 1}).data[0]
        assert (renewal.starting_balance, renewal.amount_paid) == (3, 4903)

    def test_a_downgrade_waits_for_the_end_of_the_period(self, fake: FakeStripe, sdk: Any) -> None:
        starter, pro = monthly_price(sdk, "starter", 2900), monthly_price(sdk, "pro", 4900)
        subscription = subscribed(fake, sdk, pro)
        schedule = sdk.v1.subscription_schedules.create({"from_subscription": subscription.id})
        now = schedule.phases[0]
        phases = [
            {"start_date": now.start_date, "end_date": now.end_date, "items": [{"price": pro.id}]},
            {"items": [{"price": starter.id}], "duration": {"interval": "month"}, "proration_behavior": "none"},
        ]
        sdk.v1.subscription_schedules.update(schedule.id, {"phases": phases, "end_behavior": "release"})
        with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
            sdk.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        with pytest.raises(stripe.InvalidRequestError, match="already attached to a schedule"):
            switch(sdk, subscription, starter)
        fake.advance(days=29)
        assert sdk.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == pro.id
        fake.advance(days=1)
        assert sdk.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == starter.id
        fake.advance(days=31)
        assert sdk.v1.subscriptions.retrieve(subscription.id).schedule is None
        paid = [invoice.amount_paid for invoice in sdk.v1.invoices.list({"customer": subscription.customer}).data]
        assert paid == [2900, 2900, 4900]

    def test_a_failing_card_is_tried_again_and_then_given_up(self, fake: FakeStripe, sdk: Any) -> None:
        subscription = subscribed(fake, sdk, monthly_price(sdk, "pro", 4900))
        fake.save_card(subscription.customer, SAVED_BUT_BAD)
        fake.advance(days=30)
        assert sdk.v1.subscriptions.retrieve(subscription.id).status == "past_due"
        fake.save_card(subscription.customer, GOOD)
        fake.advance(days=3)
        assert sdk.v1.subscriptions.retrieve(subscription.id).status == "active"
        fake.save_card(subscription.customer, SAVED_BUT_BAD)
        fake.advance(days=28 + 15)
        ended = sdk.v1.subscriptions.retrieve(subscription.id)
        assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")

    def test_periods_are_counted_from_the_anchor(self) -> None:
        anchor = 1_769_860_800  # 31 Jan 2026, noon UTC
        dates = [months_after(anchor, count) - anchor for count in range(1, 4)]
        assert [days // 86_400 for days in dates] == [28, 59, 89]  # 28 Feb, 31 Mar, 30 Apr

    def test_the_portal(self, fake: FakeStripe, sdk: Any) -> None:
        subscription = subscribed(fake, sdk, monthly_price(sdk, "pro", 4900))
        with pytest.raises(stripe.InvalidRequestError, match="No configuration provided"):
            sdk.v1.billing_portal.sessions.create({"customer": subscription.customer})
        features = {"subscription_cancel": {"enabled": True}, "payment_method_update": {"enabled": False}}
        made = sdk.v1.billing_portal.configurations.create({"features": features})
        visit = sdk.v1.billing_portal.sessions.create(
            {"customer": subscription.customer, "configuration": made.id, "return_url": PAGE}
        )
        assert fake.in_portal(visit.url, "card", number=GOOD) == 410
        assert fake.in_portal(visit.url, "cancel") == 303
        assert sdk.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end is True
        fake.advance(days=30)
        assert sdk.v1.subscriptions.retrieve(subscription.id).status == "canceled"


class TestMoneyBack:
    def test_refunds_and_disputes(self, fake: FakeStripe, sdk: Any) -> None:
        session = credits_session(sdk)
        fake.pay(session.url)
        intent = sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
        sdk.v1.refunds.create({"payment_intent": intent, "amount": 400})
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            sdk.v1.refunds.create({"payment_intent": intent, "amount": 601})
        sdk.v1.refunds.create({"payment_intent": intent})
        with pytest.raises(stripe.InvalidRequestError) as caught:
            sdk.v1.refunds.create({"payment_intent": intent})
        assert caught.value.code == "charge_already_refunded"
        assert [refund.amount for refund in sdk.v1.refunds.list({"payment_intent": intent}).data] == [600, 400]
        made = fake.dispute(intent)
        assert sdk.v1.disputes.list({"payment_intent": intent}).data[0].id == made["id"]


class TestEvents:
    def test_webhooks_are_what_the_sdk_verifies(self, fake: FakeStripe, sdk: Any) -> None:
        session = credits_session(sdk)
        fake.pay(session.url)
        (event,) = fake.events("checkout.session.completed")
        body, signature = fake.signed(event)
        read = stripe.Webhook.construct_event(body, signature, fake.secret, tolerance=0)
        assert (read.id, read.data.object.id) == (event["id"], session.id)
        listed = sdk.v1.events.list({"types": ["checkout.session.completed"]}).data
        assert [one.id for one in listed] == [event["id"]]
        fake.advance(days=31)
        assert sdk.v1.events.list().data == []


class TestByHand:
    def test_it_says_what_to_export(self) -> None:
        command = [sys.executable, "-m", "tests.fake_stripe", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            lines = [program.stdout.readline().strip() for _ in range(4)]
            exported = dict(line.removeprefix("export ").split("=", 1) for line in lines[:3])
            with urllib.request.urlopen(exported["ORGTUI_STRIPE_API_BASE"], timeout=10) as page:
                assert "A month passes" in page.read().decode()
            program.terminate()
            assert program.wait(10) == 0
        assert exported["ORGTUI_STRIPE_SECRET_KEY"].startswith("sk_test_")
        assert exported["ORGTUI_STRIPE_WEBHOOK_SECRET"].startswith("whsec_")

    def test_the_index_pays_and_lets_time_pass(self, fake: FakeStripe, sdk: Any) -> None:
        session = credits_session(sdk)
        _, index = fake.visit(f"{fake.base}/")
        assert f'href="/c/pay/{session.id}"' in index
        _, page = fake.visit(session.url)
        assert "AI credits: 10.00 EUR" in page
        before = fake.now()
        assert fake.visit(f"{fake.base}/_fake/advance", seconds="60")[0] == 303
        assert fake.now() - before == timedelta(minutes=1)
