"""What is Stripe's alone: keys and where they go, lost replies, errors in one line, links, the catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe as official

from orgtui.billing.provider import (
    BillingNotReady,
    BillingRefused,
    Busy,
    CheckoutStatus,
    Declined,
    Order,
    Payer,
    PortalPage,
)
from orgtui.billing.stripe import API_VERSION, StripeBilling
from orgtui.billing.stripe_objects import PRODUCTS
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, NotFound, OrgtuiError, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.secret import Secret
from tests.billing.conftest import StripeBench, stripe_billing
from tests.billing.test_contract import ACME, PAGES, bought, customer, enrolment, order, running, subscribed
from tests.fake_stripe import ASKS, SEPA, FakeStripe, Fault

LIVE, TEST = "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def bench(billing: StripeBilling, fake: FakeStripe) -> StripeBench:
    """Stripe, with the hands of the common suite."""
    return StripeBench(billing, fake)


def test_the_api_version_moves_with_the_sdk_only() -> None:
    assert official.api_version == API_VERSION


class TestKeys:
    @pytest.mark.parametrize(
        "key", ["", "sk_test", "pk_test_4eC39HqLyjWD", f" {TEST}", f"{TEST}\n", "sk_prod_4eC39HqL"]
    )
    def test_what_is_no_secret_key(self, key: str) -> None:
        with pytest.raises(BillingNotReady, match="ORGTUI_STRIPE_SECRET_KEY") as caught:
            StripeBilling(Secret(key), system_ambient())
        assert not key.strip() or key.strip() not in str(caught.value)

    def test_the_mode_is_the_keys(self) -> None:
        for key, mode in ((TEST, "test"), (LIVE, "live"), (TEST.replace("sk", "rk"), "test")):
            assert StripeBilling(Secret(key), system_ambient()).mode == mode

    @pytest.mark.parametrize(
        "base",
        [
            "https://api.stripe.com",
            "http://10.0.0.1:4242",
            "http://127.0.0.1.evil.example:4242",
            "http://127.0.0.1@evil.example",
            "http://evil.example#127.0.0.1",
            "http://127.0.0.1:4242/v2",
            "http://user@127.0.0.1:4242",
            "ftp://127.0.0.1",
            "127.0.0.1:4242",
            "http://[::ffff:8.8.8.8]",
        ],
    )
    def test_no_other_machine_gets_the_key(self, base: str) -> None:
        with pytest.raises(BillingNotReady, match="on this machine"):
            StripeBilling(Secret(TEST), system_ambient(), api_base=base)

    @pytest.mark.parametrize("base", ["http://127.0.0.1:4242", "http://localhost:4242/", "http://[::1]:4242"])
    def test_a_live_key_goes_to_stripe_only(self, base: str) -> None:
        StripeBilling(Secret(TEST), system_ambient(), api_base=base)
        with pytest.raises(BillingNotReady, match="test key only"):
            StripeBilling(Secret(LIVE), system_ambient(), api_base=base)

    def test_answers_of_the_other_mode_are_not_believed(self, fake: FakeStripe, billing: StripeBilling) -> None:
        fake.settings.livemode = True
        with pytest.raises(BillingNotReady, match="answered in live mode to a test key"):
            billing.ensure_customer(ACME, key="k")
        fake.settings.livemode = False
        fake.world.get("product", "orgtui_pro")["livemode"] = True
        with pytest.raises(BillingNotReady, match="live mode"):
            billing.setup(key="s", dry_run=True)

    def test_a_proxy_does_not_get_what_stays_on_this_machine(
        self, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert stripe_billing(fake).prices() == {}


class TestSecrets:
    def test_nothing_that_is_printed_holds_the_key(self, fake: FakeStripe) -> None:
        """Not the object, not an error, not a traceback that prints every local."""
        provider = StripeBilling(Secret("sk_test_very" + "secretindeed"), system_ambient(), api_base=fake.base)
        with pytest.raises(BillingNotReady, match="does not know the key") as caught:
            provider.prices()
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        shown += repr(provider) + repr(vars(provider)) + repr(caught.value) + repr(caught.value.details)
        assert "verysecret" not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_a_message_of_stripes_may_hold_a_key(self, fake: FakeStripe, billing: StripeBilling) -> None:
        said = {"type": "invalid_request_error", "message": "The key 'rk_test_abc123' lacks\n\x1b[31m it"}
        fake.inject(Fault("error", status=403, body=json.dumps({"error": said})))
        with pytest.raises(BillingNotReady) as caught:
            billing.prices()
        assert caught.value.message == "The Stripe key may not do this: The key '***' lacks \ufffd[31m it"


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "error", "said"),
        [
            (400, BillingRefused, "Stripe: This request could not be understood."),
            (401, BillingNotReady, "Stripe does not know the key; check ORGTUI_STRIPE_SECRET_KEY."),
            (403, BillingNotReady, "The Stripe key may not do this: "),
            (409, Busy, "Stripe is still busy with the same request"),
            (429, Busy, "Stripe has too much to do"),
            (500, Unreachable, "Stripe has a problem of its own"),
        ],
    )
    def test_each_in_one_line(
        self, fake: FakeStripe, billing: StripeBilling, status: int, error: type[OrgtuiError], said: str
    ) -> None:
        headers = {"Retry-After": "7", "Stripe-Should-Retry": "false"}
        fake.inject(Fault("error", status=status, headers=headers))
        with pytest.raises(error) as caught:
            billing.prices()
        assert type(caught.value) is error
        assert caught.value.message.startswith(said)
        assert "\n" not in caught.value.message
        assert caught.value.details["request"].startswith("req_")
        if status == 429:
            assert isinstance(caught.value, Busy)
            assert caught.value.retry_after == 7

    def test_a_page_of_a_proxy_instead_of_an_answer(self, fake: FakeStripe, billing: StripeBilling) -> None:
        page = Fault("error", status=502, body="<html>\x1b]52;c;x</html>", headers={"Stripe-Should-Retry": "false"})
        fake.inject(page)
        with pytest.raises(Unreachable, match="problem of its own"):
            billing.prices()

    def test_nobody_there(self) -> None:
        provider = StripeBilling(Secret(TEST), system_ambient(), api_base="http://127.0.0.1:9")
        with pytest.raises(Unreachable, match=r"Stripe did not answer \(ConnectError\); try again\."):
            provider.prices()

    def test_a_passing_fault_is_not_noticed(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        wanted = order(bench)
        fake.inject(Fault("error", status=500, path="sessions"))
        assert billing.start_purchase(wanted, key="k").status is CheckoutStatus.OPEN
        first, second = fake.requests("POST", "/v1/checkout/sessions")
        assert first.key == second.key == "k"

    def test_without_a_catalogue(self, fake: FakeStripe) -> None:
        empty = StripeBench(stripe_billing(fake), fake)
        for ask in (
            lambda: empty.provider.start_purchase(order(empty), key="k"),
            lambda: empty.provider.start_subscription(enrolment(empty, "pro"), key="k"),
            lambda: empty.provider.portal(
                customer(empty), page=PortalPage.HOME, return_url="https://a.example", key="k"
            ),
        ):
            with pytest.raises(BillingNotReady, match="run `orgtui billing setup`"):
                ask()

    def test_a_customer_that_is_gone(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        lost = Order("pur_1", "org_acme", "cus_gone", Money(1000), PAGES, fake.now() + timedelta(hours=1))
        with pytest.raises(NotFound, match="No such customer: 'cus_gone'"):
            billing.start_purchase(lost, key="k")

    def test_too_long_open(self, billing: StripeBilling, bench: StripeBench) -> None:
        wanted = order(bench)
        late = Order(
            wanted.id, wanted.organization, wanted.customer, wanted.amount, PAGES, bench.now() + timedelta(days=2)
        )
        with pytest.raises(BillingRefused, match="less than 24 hours"):
            billing.start_purchase(late, key="k")


class TestCustomers:
    def test_the_name_of_today_stands_on_the_bill(self, fake: FakeStripe, billing: StripeBilling) -> None:
        """Also when it was another before, and the one before that."""
        for name in ("Acme", "Acme GmbH", "Acme"):
            id = billing.ensure_customer(Payer("org_acme", name, "ada@acme.example"), key="k")
            assert fake.world.get("customer", id)["name"] == name

    def test_an_id_cannot_be_a_question_of_its_own(self, fake: FakeStripe, billing: StripeBilling) -> None:
        before = len(fake.requests())
        with pytest.raises(Invalid, match="letters, digits and underscores"):
            billing.ensure_customer(Payer("x' OR name:'y", "Acme", "ada@acme.example"), key="k")
        assert len(fake.requests()) == before


class TestRequests:
    def test_ten_euros_are_one_request(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        wanted = order(bench, 1000)
        before = len(fake.requests())
        billing.start_purchase(wanted, key="orgtui:purchase:pur_1")
        (request,) = fake.requests()[before:]
        assert (request.method, request.path, request.key) == ("POST", "/v1/checkout/sessions", "orgtui:purchase:pur_1")
        params = request.params
        assert (params["mode"], params["client_reference_id"]) == ("payment", "pur_1")
        price = params["line_items"]["0"]["price_data"]
        assert (price["unit_amount"], price["currency"]) == ("1000", "eur")
        assert params["payment_intent_data"]["metadata"]["reference"] == "pur_1"
        assert "payment_method_types" not in params

    def test_preview_and_change_say_the_same_instant(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        begun = subscribed(bench)
        at = bench.now() + timedelta(microseconds=999_999)
        preview = billing.preview_change(begun.id, "business", at=at)
        fake.advance(minutes=4)
        billing.change_now(preview, key="up")
        asked = fake.requests("POST", "/v1/invoices/create_preview")[-1].params["subscription_details"]
        done = fake.requests("POST", f"/v1/subscriptions/{begun.id}")[-1].params
        assert asked["proration_date"] == done["proration_date"] == str(int(preview.at.timestamp()))
        assert asked["items"] == done["items"]
        assert (done["proration_behavior"], done["payment_behavior"]) == ("always_invoice", "error_if_incomplete")

    def test_every_write_has_the_callers_key(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        begun = subscribed(bench)
        start = len(fake.requests())
        billing.change_now(billing.preview_change(begun.id, "business", at=bench.now()), key="mine:1")
        billing.schedule_change(begun.id, "starter", key="mine:2")
        billing.release_schedule(begun.id, key="mine:3")
        billing.cancel_at_period_end(begun.id, key="mine:4")
        billing.resume(begun.id, key="mine:5")
        billing.portal(begun.customer, page=PortalPage.HOME, return_url=PAGES.success, key="mine:6")
        link = billing.start_purchase(order(bench, id="pur_l"), key="mine:7", short=True)
        billing.expire_checkout(link.id, key="mine:8")
        # To preview is no write, although Stripe has it as a POST; a customer's name is set, not added to.
        reads = ("/v1/invoices/create_preview", f"/v1/customers/{begun.customer}", "/v1/customers")
        posts = [one for one in fake.requests()[start:] if one.method == "POST" and one.path not in reads]
        keys = [str(one.key) for one in posts]
        assert all(key.startswith("mine:") for key in keys)
        assert {key.split(":")[1] for key in keys} == set("12345678")
        assert len(keys) == len(set(keys)) == 9

    def test_from_many_threads_at_once(self, fake: FakeStripe) -> None:
        provider = stripe_billing(fake)
        provider.setup(key="s", dry_run=False)
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda number: provider.ensure_customer(ACME, key="k"), range(16)))
        assert len(ids) == 1
        provider.close()


class TestLostReplies:
    """The first reply is lost and so is the SDK's patience: the caller asks again with the same key."""

    @pytest.fixture
    def lossy(self, fake: FakeStripe) -> Callable[..., None]:
        """Commit the next request to *path*, and lose its reply and what the SDK tries after it."""

        def lose(path: str) -> None:
            fake.inject(Fault("lost", method="POST", path=path))
            fake.inject(Fault("error", status=503, path=path, headers={"Stripe-Should-Retry": "false"}))

        return lose

    def test_a_purchase(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, lossy: Callable[..., None]
    ) -> None:
        wanted = order(bench)
        lossy("sessions$")
        with pytest.raises(Unreachable):
            billing.start_purchase(wanted, key="k")
        found = billing.find_checkout("pur_1", since=bench.now() - timedelta(minutes=1))
        assert found is not None
        assert billing.start_purchase(wanted, key="k").id == found.id
        assert len(fake.world.table("checkout.session")) == 1

    def test_an_upgrade(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, lossy: Callable[..., None]
    ) -> None:
        begun = subscribed(bench)
        fake.advance(days=10)
        preview = billing.preview_change(begun.id, "business", at=bench.now())
        lossy("/v1/subscriptions/sub_[^/]+$")
        with pytest.raises(Unreachable):
            billing.change_now(preview, key="up")
        assert billing.change_now(preview, key="up").plan == "business"
        assert [bill.total for bill in billing.invoices(begun.customer)] == [preview.due, Money(4900)]

    def test_a_downgrade(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, lossy: Callable[..., None]
    ) -> None:
        begun = subscribed(bench)
        lossy("/v1/subscription_schedules$")
        with pytest.raises(Unreachable):
            billing.schedule_change(begun.id, "starter", key="down")
        lossy("/v1/subscription_schedules/sub_sched_[^/]+$")
        with pytest.raises(Unreachable):
            billing.schedule_change(begun.id, "starter", key="down")
        waiting = billing.schedule_change(begun.id, "starter", key="down").scheduled
        assert waiting is not None
        assert waiting.plan == "starter"
        assert len(fake.world.table("subscription_schedule")) == 1

    def test_a_downgrade_that_was_only_half_made(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        begun = subscribed(bench)
        broken = {"method": "POST", "path": "sub_sched_", "status": 503, "headers": {"Stripe-Should-Retry": "false"}}
        fake.inject(Fault("error", **broken))  # type: ignore[arg-type]
        with pytest.raises(Unreachable):
            billing.schedule_change(begun.id, "starter", key="down")
        half = running(bench)
        assert (half.scheduled, half.plan) == (None, "pro")
        # It stands in nobody's way: not of an upgrade, and not of the downgrade.
        assert billing.preview_change(begun.id, "business", at=bench.now()).due.minor > 0
        again = billing.schedule_change(begun.id, "starter", key="down 2").scheduled
        assert again is not None
        assert again.plan == "starter"

    def test_a_cancellation(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, lossy: Callable[..., None]
    ) -> None:
        begun = subscribed(bench)
        billing.schedule_change(begun.id, "starter", key="down")
        lossy("release$")
        with pytest.raises(Unreachable):
            billing.cancel_at_period_end(begun.id, key="stop")
        assert billing.cancel_at_period_end(begun.id, key="stop").cancel_at_period_end is True


class TestLinks:
    def test_short_enough_for_a_small_screen(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        link = billing.start_purchase(order(bench, 2500), key="k", short=True)
        long = billing.start_purchase(order(bench, 2500, "pur_2"), key="k2")
        assert len(str(link.url)) <= 60 < 361 < len(str(long.url))
        assert (link.status, link.amount, link.reference) == (CheckoutStatus.OPEN, Money(2500), "pur_1")
        assert billing.checkout(link.id) == link
        bench.pay(link)
        paid = billing.checkout(link.id)
        assert (paid.status, paid.reference, paid.organization) == (CheckoutStatus.PAID, "pur_1", "org_acme")
        assert paid.id.startswith("cs_")
        assert billing.checkout(paid.id) == paid
        assert billing.find_checkout("pur_1", since=bench.now()) == paid
        assert fake.pay(str(link.url)) == 410
        assert billing.start_purchase(order(bench, 2500), key="k", short=True).id == link.id

    def test_without_pages_of_our_own_stripe_says_where_to_go(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        ours, theirs = order(bench), replace(order(bench, id="pur_2"), pages=None)
        for number, one in enumerate((ours, theirs)):
            billing.start_purchase(one, key=f"k{number}", short=True)
        first, second = (one.params["after_completion"] for one in fake.requests("POST", "/v1/payment_links"))
        assert first == {"type": "redirect", "redirect": {"url": PAGES.success}}
        assert second["type"] == "hosted_confirmation"
        assert "Go back to your terminal" in second["hosted_confirmation"]["custom_message"]
        billing.start_purchase(replace(order(bench, id="pur_3"), pages=None), key="k3")
        asked = fake.requests("POST", "/v1/checkout/sessions")[-1].params
        assert (asked["success_url"], asked["cancel_url"]) == ("https://stripe.com/", "https://stripe.com/")

    def test_opened_but_not_paid_it_is_open(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        link = billing.start_purchase(order(bench), key="k", short=True)
        fake.visit(str(link.url))
        assert billing.checkout(link.id) == link
        fake.advance(hours=25)
        assert billing.checkout(link.id) == link
        _, page = fake.visit(str(link.url))
        closed = billing.expire_checkout(link.id, key="x")
        assert (closed.status, closed.url) == (CheckoutStatus.EXPIRED, None)
        assert fake.pay(page) == 410
        assert fake.pay(str(link.url)) == 410

    def test_slow_money_through_a_link(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        link = billing.start_purchase(order(bench), key="k", short=True)
        assert fake.pay(str(link.url), SEPA) == 303
        assert billing.checkout(link.id).status is CheckoutStatus.PROCESSING
        assert billing.expire_checkout(link.id, key="x").status is CheckoutStatus.PROCESSING
        fake.advance(days=3)
        assert billing.checkout(link.id).status is CheckoutStatus.PAID

    def test_pages_that_are_not_stripes_are_not_shown(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench
    ) -> None:
        opened = billing.start_purchase(order(bench), key="k")
        session = fake.world.get("checkout.session", opened.id)
        for url in (
            "https://checkout.stripe.com.evil.example/c/pay/x",
            "http://checkout.stripe.com/c/pay/x",
            "https://evil.example/c/pay/x",
            "https://user@checkout.stripe.com/x",
            "https://checkout.stripe.com:8443/x",
            "javascript:alert(1)",
            "https://checkout.stripe.com/\x1b]52;c;x",
        ):
            session["url"] = url
            with pytest.raises(BillingRefused, match="which is not Stripe's"):
                billing.checkout(opened.id)
        session["url"] = "https://checkout.stripe.com/c/pay/x#y"
        assert billing.checkout(opened.id).url == session["url"]
        session["url"] = "https://pay.acme.example/x"
        own = stripe_billing(fake, hosts=frozenset({"pay.acme.example"}))
        assert own.checkout(opened.id).url == session["url"]


class TestForeigners:
    def test_what_others_sell_on_the_account_is_not_ours(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, sdk: Any
    ) -> None:
        ours = bought(bench)
        item = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 999, "product": "orgtui_ai_credits"}}
        for metadata in ({}, {"app": "other", "reference": "pur_1"}):
            other = sdk.v1.checkout.sessions.create(
                {"mode": "payment", "line_items": [item], "metadata": metadata, "success_url": PAGES.success}
            )
            fake.pay(other.url)
            with pytest.raises(NotFound, match="not started by orgtui"):
                billing.checkout(other.id)
            intent = sdk.v1.checkout.sessions.retrieve(other.id).payment_intent
            assert billing.refund(fake.refund(intent, 100)["id"]) is None
            assert billing.dispute(fake.dispute(intent)["id"]) is None
        since = bench.now() - timedelta(days=1)
        assert [one.id for one in billing.checkouts(since=since)] == [ours.id]
        assert list(billing.refunds(since=since)) == []
        assert list(billing.disputes(since=since)) == []

    def test_names_from_stripe_are_cleaned(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        begun = subscribed(bench)
        fake.world.get("product", "orgtui_business")["name"] = "Busi\x1b[31mness\nx"
        preview = billing.preview_change(begun.id, "business", at=bench.now())
        assert preview.lines[1].text == "Remaining time on Busi\ufffd[31mness x after 01 Nov 2026"


class TestSubscriptions:
    @pytest.mark.parametrize("status", list(SubscriptionStatus))
    def test_all_eight_states_are_read(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, status: SubscriptionStatus
    ) -> None:
        begun = subscribed(bench)
        fake.put_status(begun.id, status)
        now = running(bench)
        assert (now.status, now.plan) == (status, "pro")

    def test_a_plan_is_found_by_its_product(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, sdk: Any
    ) -> None:
        subscribed(bench)
        sdk.v1.prices.create(
            {
                "product": "orgtui_pro",
                "currency": "eur",
                "unit_amount": 5900,
                "recurring": {"interval": "month"},
                "lookup_key": "orgtui_pro_month_eur",
                "transfer_lookup_key": True,
            }
        )
        now = running(bench)
        assert (now.plan, now.price) == ("pro", Money(4900))
        assert billing.prices()["pro"] == Money(5900)

    def test_two_that_run_are_both_told_of(
        self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench, sdk: Any
    ) -> None:
        first = subscribed(bench, "starter")
        price = sdk.v1.prices.list({"lookup_keys": ["orgtui_pro_month_eur"]}).data[0].id
        items = [{"quantity": 1, "price": price}]
        params = {"mode": "subscription", "customer": first.customer, "line_items": items, "success_url": PAGES.success}
        fake.pay(sdk.v1.checkout.sessions.create(params).url)
        now = running(bench)
        assert (now.plan, now.others) == ("pro", (first.id,))
        fake.put_status(now.id, "incomplete")
        again = running(bench)
        assert (again.id, again.others) == (first.id, (now.id,))

    def test_a_bank_that_asks(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        begun = subscribed(bench)
        fake.save_card(begun.customer, ASKS)
        preview = billing.preview_change(begun.id, "business", at=bench.now())
        with pytest.raises(Declined, match="confirm the payment method in Manage Subscription") as caught:
            billing.change_now(preview, key="up")
        assert caught.value.reason == "authentication"
        assert running(bench).plan == "pro"

    def test_the_portal(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        begun = subscribed(bench)
        fake.save_card(begun.customer, ASKS)
        url = billing.portal(begun.customer, page=PortalPage.PAYMENT_METHOD, return_url=PAGES.success, key="p")
        assert fake.in_portal(url, "card", number="5555555555554444") == 303
        card = running(bench).card
        assert card is not None
        assert (card.brand, card.last4) == ("Mastercard", "4444")
        url = billing.portal(begun.customer, page=PortalPage.HOME, return_url=PAGES.success, key="p2")
        assert fake.in_portal(url, "cancel") == 303
        assert running(bench).cancel_at_period_end is True
        assert fake.in_portal(url, "resume") == 303
        assert running(bench).cancel_at_period_end is False

    def test_more_than_a_page_of_invoices(self, fake: FakeStripe, billing: StripeBilling, bench: StripeBench) -> None:
        begun = subscribed(bench)
        with fake.world.lock:
            table = fake.world.table("invoice")
            (first,) = table.values()
            for number in range(250):
                id = f"in_{number}"
                table[id] = {**first, "id": id, "created": first["created"] + number}
        found = list(billing.invoices(begun.customer))
        assert len({bill.id for bill in found}) == len(found) == 251
        assert found == sorted(found, key=lambda bill: bill.created, reverse=True)


class TestSetup:
    def test_dry_then_done_then_nothing(self, fake: FakeStripe) -> None:
        provider = stripe_billing(fake)
        hook = "https://orgtui.acme.example/webhooks/stripe"
        dry = provider.setup(key="s1", dry_run=True, webhook_url=hook)
        assert fake.writes() == []
        assert [(step.action, step.thing) for step in dry.steps] == [("create", "product")] * 4 + [
            ("create", "price")
        ] * 3 + [("create", "portal"), ("create", "webhook")]
        assert (dry.dry_run, dry.webhook_secret) == (True, None)
        done = provider.setup(key="s1", dry_run=False, webhook_url=hook)
        assert done.steps == dry.steps
        assert done.webhook_secret is not None
        assert done.webhook_secret.reveal().startswith("whsec_")
        assert "whsec_" not in repr(done)
        assert {plan.key for plan in PLANS if plan.cents} == set(PRODUCTS.values())
        assert set(fake.world.table("product")) == {*PRODUCTS, "orgtui_ai_credits"}
        writes = len(fake.writes())
        again = provider.setup(key="s2", dry_run=False, webhook_url=hook)
        assert (again.steps, again.webhook_secret, len(fake.writes())) == ((), None, writes)

    def test_what_was_changed_is_mended(self, fake: FakeStripe, billing: StripeBilling) -> None:
        world = fake.world
        old = next(one for one in world.table("price").values() if one["product"] == "orgtui_pro")
        old["unit_amount"] = 3900
        world.table("product")["orgtui_starter"]["active"] = False
        portal = next(iter(world.table("billing_portal.configuration").values()))
        portal["features"]["subscription_update"]["enabled"] = True
        done = billing.setup(key="s2", dry_run=False)
        assert [(step.action, step.thing, step.name) for step in done.steps] == [
            ("update", "product", "orgtui_starter"),
            ("create", "price", "orgtui_pro_month_eur"),
            ("archive", "price", old["id"]),
            ("update", "portal", "portal"),
        ]
        assert (old["active"], old["lookup_key"]) == (False, None)
        assert billing.prices()["pro"] == Money(4900)
        assert billing.setup(key="s3", dry_run=False).steps == ()

    def test_one_that_was_cut_short_is_finished(self, fake: FakeStripe) -> None:
        provider = stripe_billing(fake)
        fake.inject(Fault("error", method="POST", status=503, path="prices", headers={"Stripe-Should-Retry": "false"}))
        with pytest.raises(Unreachable):
            provider.setup(key="s", dry_run=False)
        provider.setup(key="s", dry_run=False)
        assert len(fake.world.table("price")) == 3
        old = next(iter(fake.world.table("price").values()))
        old["unit_amount"] = 1
        # The old price is not archived before the line breaks.
        fault = Fault("error", method="POST", status=503, path=old["id"], headers={"Stripe-Should-Retry": "false"})
        fake.inject(fault)
        with pytest.raises(Unreachable):
            provider.setup(key="s2", dry_run=False)
        assert [step.action for step in provider.setup(key="s2", dry_run=False).steps] == ["archive"]
        assert provider.setup(key="s3", dry_run=False).steps == ()


class TestQuiet:
    """In processes of their own: what importing does cannot be undone here."""

    def run(self, code: str, fake: FakeStripe, **environ: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BASE": fake.base, "KEY": fake.key, **environ}
        return subprocess.run(
            [sys.executable, "-W", "default", "-c", code], env=environment, capture_output=True, text=True, timeout=60
        )

    CODE = """
import os, sys
from orgtui.billing.stripe import StripeBilling
from orgtui.domain.ambient import system_ambient
from orgtui.secret import Secret
provider = StripeBilling(Secret(os.environ["KEY"]), system_ambient(), api_base=os.environ["BASE"])
assert "stripe" not in sys.modules and "httpx" not in sys.modules, "imported too early"
print(len(provider.prices()))
provider.close()
"""

    def test_nothing_is_printed_and_no_file_appears(self, fake: FakeStripe, tmp_path: Path) -> None:
        fake.inject(Fault("delay", headers={"Stripe-Notice": "Buy more!"}))
        # Under these the SDK has something to say while it is imported.
        talkative = {name: "1" for name, _ in official._api_requestor._APIRequestor.AI_AGENTS}
        ran = self.run(self.CODE, fake, STRIPE_LOG="debug", XDG_CONFIG_HOME=str(tmp_path), **talkative)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("0\n", "", 0)
        assert list(tmp_path.iterdir()) == []
        (header,) = {request.headers["x-stripe-client-user-agent"] for request in fake.requests()}
        assert "platform" not in header
        assert "telemetry_id" not in header
        assert "x-stripe-client-telemetry" not in fake.requests()[-1].headers

    def test_the_demo_needs_no_sdk(self, fake: FakeStripe) -> None:
        code = """
import sys
import orgtui.billing.demo, orgtui.billing.provider, orgtui.billing.stripe, orgtui.domain.proration
assert not {"stripe", "httpx", "requests", "socket", "ssl"} & set(sys.modules), set(sys.modules)
"""
        ran = self.run(code, fake)
        assert ran.returncode == 0, ran.stderr


def test_a_slow_answer_is_not_waited_for(fake: FakeStripe) -> None:
    """The SDK alone waits 80 seconds."""
    provider = stripe_billing(fake, timeout=0.2, retries=0)
    fake.inject(Fault("delay", seconds=1))
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer \(ReadTimeout\)"):
        provider.prices()
    assert time.monotonic() - began < 1
    provider.close()
