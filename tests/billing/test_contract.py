"""What every payment provider promises, promised by each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orgtui.billing.provider import (
    Checkout,
    CheckoutStatus,
    Declined,
    DisputeStatus,
    Enrolment,
    Order,
    Pages,
    Payer,
    PortalPage,
    RefundStatus,
    Subject,
)
from orgtui.domain.errors import Conflict, Invalid, KeyReused, NotFound
from orgtui.domain.money import Money
from orgtui.domain.subscriptions import Subscription, SubscriptionStatus
from tests.billing.conftest import Bench

PAGES = Pages("https://acme.example/paid", "https://acme.example/back")
ACME = Payer("org_acme", "Acme Automation", "ada@acme.example")


def customer(bench: Bench) -> str:
    return bench.provider.ensure_customer(ACME, key="customer")


def order(bench: Bench, amount: int = 1000, id: str = "pur_1") -> Order:
    expires = bench.now() + timedelta(hours=1)
    return Order(id, ACME.organization, customer(bench), Money(amount), PAGES, expires)


def bought(bench: Bench, amount: int = 1000, id: str = "pur_1") -> Checkout:
    opened = bench.provider.start_purchase(order(bench, amount, id), key=id)
    bench.pay(opened)
    return bench.provider.checkout(opened.id)


def enrolment(bench: Bench, plan: str, id: str = "enr_1") -> Enrolment:
    return Enrolment(id, ACME.organization, customer(bench), plan, PAGES, bench.now() + timedelta(hours=1))


def subscribed(bench: Bench, plan: str = "pro") -> Subscription:
    bench.pay(bench.provider.start_subscription(enrolment(bench, plan), key="enr_1"))
    return running(bench)


def running(bench: Bench) -> Subscription:
    found = bench.provider.subscription(customer(bench))
    assert found is not None
    return found


def payment(checkout: Checkout) -> str:
    assert checkout.payment is not None
    return checkout.payment


class TestPurchases:
    def test_opened_and_paid(self, bench: Bench) -> None:
        opened = bench.provider.start_purchase(order(bench, 2500), key="k")
        assert (opened.status, opened.amount) == (CheckoutStatus.OPEN, Money(2500))
        assert (opened.reference, opened.organization) == ("pur_1", "org_acme")
        assert (opened.kind, opened.created) == ("purchase", bench.now())
        assert opened.expires == bench.now() + timedelta(hours=1)
        assert opened.url is not None
        bench.pay(opened)
        paid = bench.provider.checkout(opened.id)
        assert (paid.status, paid.amount, paid.url, paid.trouble) == (CheckoutStatus.PAID, Money(2500), None, None)
        assert paid.payment
        assert paid.receipt

    def test_declined_stays_open_and_says_why(self, bench: Bench) -> None:
        opened = bench.provider.start_purchase(order(bench), key="k")
        bench.decline(opened)
        tried = bench.provider.checkout(opened.id)
        assert (tried.status, tried.trouble) == (CheckoutStatus.OPEN, "Your card was declined.")
        assert tried.url
        bench.pay(tried)
        paid = bench.provider.checkout(opened.id)
        assert (paid.status, paid.payment, paid.trouble) == (CheckoutStatus.PAID, tried.payment, None)

    @pytest.mark.parametrize(("succeeds", "status"), [(True, CheckoutStatus.PAID), (False, CheckoutStatus.FAILED)])
    def test_slow_money_is_no_money_until_it_arrives(
        self, bench: Bench, succeeds: bool, status: CheckoutStatus
    ) -> None:
        opened = bench.provider.start_purchase(order(bench), key="k")
        bench.pay_slowly(opened)
        assert bench.provider.checkout(opened.id).status is CheckoutStatus.PROCESSING
        bench.advance(hours=2)
        assert bench.provider.checkout(opened.id).status is CheckoutStatus.PROCESSING
        bench.arrive(opened, succeeds=succeeds)
        ended = bench.provider.checkout(opened.id)
        assert ended.status is status
        assert ended.trouble == (None if succeeds else "The bank account has insufficient funds.")

    def test_the_page_closes_with_its_time_and_before_it(self, bench: Bench) -> None:
        first = bench.provider.start_purchase(order(bench), key="a")
        second = bench.provider.start_purchase(order(bench, id="pur_2"), key="b")
        closed = bench.provider.expire_checkout(second.id, key="c")
        assert (closed.status, closed.url) == (CheckoutStatus.EXPIRED, None)
        bench.advance(hours=1)
        over = bench.provider.checkout(first.id)
        assert (over.status, over.url) == (CheckoutStatus.EXPIRED, None)

    def test_closing_what_was_paid_meanwhile_tells_so(self, bench: Bench) -> None:
        paid = bought(bench)
        assert bench.provider.expire_checkout(paid.id, key="c").status is CheckoutStatus.PAID

    @pytest.mark.parametrize("amount", [Money(49), Money(0), Money(-500), Money(100_000_000), Money(1000, "USD")])
    def test_amounts_that_nobody_charges(self, bench: Bench, amount: Money) -> None:
        wanted = order(bench)
        wanted = Order(wanted.id, wanted.organization, wanted.customer, amount, PAGES, wanted.expires)
        with pytest.raises(Invalid) as caught:
            bench.provider.start_purchase(wanted, key="k")
        assert caught.value.field == "amount"
        assert list(bench.provider.checkouts(since=bench.now() - timedelta(days=1))) == []

    def test_one_key_makes_one_page(self, bench: Bench) -> None:
        first = bench.provider.start_purchase(order(bench), key="k")
        assert bench.provider.start_purchase(order(bench), key="k") == first
        with pytest.raises(KeyReused):
            bench.provider.start_purchase(order(bench, 5000), key="k")
        assert [one.id for one in bench.provider.checkouts(since=bench.now())] == [first.id]

    def test_found_by_what_our_books_call_it(self, bench: Bench) -> None:
        since = bench.now()
        lost = bench.provider.start_purchase(order(bench), key="k")
        bench.provider.expire_checkout(lost.id, key="x")
        bench.advance(hours=25)
        again = bench.provider.start_purchase(order(bench), key="k")
        assert again.id != lost.id
        found = bench.provider.find_checkout("pur_1", since=since)
        assert found is not None
        assert found.id == again.id
        bench.pay(again)
        found = bench.provider.find_checkout("pur_1", since=since)
        assert found is not None
        assert found.status is CheckoutStatus.PAID
        assert bench.provider.find_checkout("pur_1", since=bench.now() + timedelta(seconds=1)) is None
        assert bench.provider.find_checkout("pur_2", since=since) is None

    def test_found_by_what_was_paid(self, bench: Bench) -> None:
        paid, slow = bought(bench), bench.provider.start_purchase(order(bench, id="pur_2"), key="slow")
        bench.pay_slowly(slow)
        for id in (paid.id, slow.id):
            found = bench.provider.checkout(id)
            assert bench.provider.checkout_of(str(found.payment)) == found
        bench.advance(days=90)
        found = bench.provider.checkout_of(str(paid.payment))
        assert found is not None
        assert (found.id, found.status) == (paid.id, CheckoutStatus.PAID)
        assert bench.provider.checkout_of("pi_none") is None

    def test_one_customer_whatever_happens(self, bench: Bench) -> None:
        first = bench.provider.ensure_customer(ACME, key="customer")
        renamed = Payer(ACME.organization, "Acme GmbH", "eve@acme.example")
        assert bench.provider.ensure_customer(renamed, key="customer") == first
        bench.advance(days=2)
        assert bench.provider.ensure_customer(renamed, key="customer") == first
        assert bench.provider.ensure_customer(Payer("org_other", "Other", "o@o.example"), key="other") != first

    def test_what_there_is_not(self, bench: Bench) -> None:
        for ask in (
            lambda: bench.provider.checkout("cs_none"),
            lambda: bench.provider.cancel_at_period_end("sub_none", key="k"),
            lambda: bench.provider.refund("re_none"),
            lambda: bench.provider.dispute("du_none"),
        ):
            with pytest.raises(NotFound):
                ask()


class TestSubscriptions:
    def test_from_free_to_paid(self, bench: Bench) -> None:
        assert bench.provider.subscription(customer(bench)) is None
        opened = bench.provider.start_subscription(enrolment(bench, "pro"), key="k")
        assert (opened.kind, opened.amount, opened.reference) == ("subscription", Money(4900), "enr_1")
        bench.decline(opened)
        assert bench.provider.subscription(customer(bench)) is None
        bench.pay(opened)
        paid, now = bench.provider.checkout(opened.id), running(bench)
        assert (paid.status, paid.subscription) == (CheckoutStatus.PAID, now.id)
        assert (now.status, now.plan, now.price) == (SubscriptionStatus.ACTIVE, "pro", Money(4900))
        assert (now.start, now.end) == (bench.now(), bench.now() + timedelta(days=30))
        assert (now.scheduled, now.cancel_at_period_end, now.owing, now.others) == (None, False, None, ())
        assert now.card is not None
        assert (now.card.brand, now.card.last4, now.card.expires) == ("Visa", "4242", (2028, 12))

    def test_one_at_a_time(self, bench: Bench) -> None:
        subscribed(bench)
        with pytest.raises(Conflict, match="running already"):
            bench.provider.start_subscription(enrolment(bench, "business", "enr_2"), key="k2")

    @pytest.mark.parametrize("plan", ["free", "enterprise", "gold"])
    def test_plans_that_are_not_paid_for(self, bench: Bench, plan: str) -> None:
        with pytest.raises(Invalid) as caught:
            bench.provider.start_subscription(enrolment(bench, plan), key="k")
        assert caught.value.field == "plan"

    def test_prices_of_the_price_list(self, bench: Bench) -> None:
        assert bench.provider.prices() == {"starter": Money(2900), "pro": Money(4900), "business": Money(67_000)}

    def test_an_upgrade_costs_what_its_preview_said(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.advance(days=10, hours=10)
        preview = bench.provider.preview_change(begun.id, "business", at=bench.now())
        assert [line.amount for line in preview.lines] == [Money(-3199), Money(43_736)]
        assert (preview.due, preview.price, preview.renews) == (Money(40_537), Money(67_000), begun.end)
        bench.advance(minutes=3)
        changed = bench.provider.change_now(preview, key="up")
        assert (changed.plan, changed.price, changed.end) == ("business", Money(67_000), begun.end)
        assert running(bench) == changed
        newest = next(bench.provider.invoices(customer(bench)))
        assert (newest.total, newest.paid, newest.status) == (preview.due, preview.due, "paid")
        bench.advance(days=20)
        assert next(bench.provider.invoices(customer(bench))).paid == Money(67_000)

    def test_an_upgrade_is_charged_once(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.advance(days=10)
        preview = bench.provider.preview_change(begun.id, "business", at=bench.now())
        first = bench.provider.change_now(preview, key="up")
        assert bench.provider.change_now(preview, key="up") == first
        bench.advance(hours=25)
        assert bench.provider.change_now(preview, key="up") == first
        assert len(list(bench.provider.invoices(customer(bench)))) == 2

    def test_a_declined_upgrade_changes_nothing(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.advance(days=10)
        preview = bench.provider.preview_change(begun.id, "business", at=bench.now())
        bench.use_card(begun.customer, good=False)
        before, bills = running(bench), list(bench.provider.invoices(begun.customer))
        with pytest.raises(Declined, match="Your card was declined") as caught:
            bench.provider.change_now(preview, key="up")
        assert caught.value.reason == "declined"
        assert running(bench) == before
        assert list(bench.provider.invoices(begun.customer)) == bills
        bench.use_card(begun.customer, good=True)
        with pytest.raises(Declined):
            bench.provider.change_now(preview, key="up")
        assert bench.provider.change_now(preview, key="up again").plan == "business"

    def test_a_preview_is_of_its_period(self, bench: Bench) -> None:
        begun = subscribed(bench)
        preview = bench.provider.preview_change(begun.id, "business", at=bench.now())
        bench.advance(days=31)
        with pytest.raises(Conflict, match="changed since the price was shown"):
            bench.provider.change_now(preview, key="up")

    def test_a_few_cents_wait_for_the_next_bill(self, bench: Bench) -> None:
        begun = subscribed(bench, "starter")
        bench.advance(days=29, hours=23)
        preview = bench.provider.preview_change(begun.id, "pro", at=bench.now())
        assert [line.amount for line in preview.lines] == [Money(-4), Money(7)]
        assert preview.due == Money(0)
        assert bench.provider.change_now(preview, key="up").plan == "pro"
        bench.advance(hours=1)
        running(bench)
        assert next(bench.provider.invoices(begun.customer)).paid == Money(4903)

    def test_a_downgrade_waits_for_the_end_of_the_period(self, bench: Bench) -> None:
        begun = subscribed(bench)
        waiting = bench.provider.schedule_change(begun.id, "starter", key="down")
        assert waiting.plan == "pro"
        assert waiting.scheduled is not None
        assert (waiting.scheduled.plan, waiting.scheduled.price) == ("starter", Money(2900))
        assert waiting.scheduled.at == begun.end
        assert bench.provider.schedule_change(begun.id, "starter", key="down") == waiting
        with pytest.raises(Conflict, match=r"A change to Starter waits for 01 Dec 2026; keep the plan first\."):
            bench.provider.preview_change(begun.id, "business", at=bench.now())
        bench.advance(days=30)
        now = running(bench)
        assert (now.plan, now.scheduled, now.price) == ("starter", None, Money(2900))
        assert [bill.paid.minor for bill in bench.provider.invoices(begun.customer)] == [2900, 4900]
        # What is left of the schedule stands in nobody's way.
        preview = bench.provider.preview_change(begun.id, "pro", at=bench.now())
        assert bench.provider.change_now(preview, key="up").plan == "pro"

    def test_another_downgrade_takes_the_place_of_the_first(self, bench: Bench) -> None:
        begun = subscribed(bench, "business")
        bench.provider.schedule_change(begun.id, "pro", key="a")
        waiting = bench.provider.schedule_change(begun.id, "starter", key="b")
        assert waiting.scheduled is not None
        assert waiting.scheduled.plan == "starter"

    def test_keeping_the_plan(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.provider.schedule_change(begun.id, "starter", key="down")
        kept = bench.provider.release_schedule(begun.id, key="keep")
        assert kept == begun
        assert bench.provider.release_schedule(begun.id, key="keep") == begun
        bench.advance(days=30)
        assert running(bench).plan == "pro"

    def test_cancelled_while_a_downgrade_waits(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.provider.schedule_change(begun.id, "starter", key="down")
        ending = bench.provider.cancel_at_period_end(begun.id, key="stop")
        assert (ending.cancel_at_period_end, ending.scheduled, ending.status.has_plan) == (True, None, True)
        with pytest.raises(Conflict, match="resume it first"):
            bench.provider.schedule_change(begun.id, "starter", key="down 2")
        bench.advance(days=30)
        ended = running(bench)
        assert (ended.status, ended.status.ended) == (SubscriptionStatus.CANCELED, True)
        with pytest.raises(Conflict, match="has ended"):
            bench.provider.resume(begun.id, key="resume")
        assert bench.provider.start_subscription(enrolment(bench, "starter", "enr_2"), key="k2").url

    def test_resumed(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.provider.cancel_at_period_end(begun.id, key="stop")
        assert bench.provider.resume(begun.id, key="go").cancel_at_period_end is False
        bench.advance(days=30)
        assert running(bench).status is SubscriptionStatus.ACTIVE

    def test_ended_at_once_and_for_good(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.provider.schedule_change(begun.id, "starter", key="down")
        ended = bench.provider.cancel_now(begun.id, key="now")
        assert (ended.status, ended.scheduled) == (SubscriptionStatus.CANCELED, None)
        assert bench.provider.cancel_now(begun.id, key="again") == ended
        bench.advance(days=30)
        assert running(bench) == ended

    def test_a_failed_payment_is_tried_again(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.use_card(begun.customer, good=False)
        bench.advance(days=30)
        late = running(bench)
        assert (late.status, late.plan, late.status.has_plan) == (SubscriptionStatus.PAST_DUE, "pro", True)
        assert late.owing is not None
        assert (late.owing.amount, late.owing.attempts) == (Money(4900), 1)
        assert late.owing.next_attempt == begun.end + timedelta(days=3)
        assert late.owing.url
        with pytest.raises(Conflict, match="did not arrive"):
            bench.provider.preview_change(begun.id, "business", at=bench.now())
        bench.use_card(begun.customer, good=True)
        bench.advance(days=3)
        again = running(bench)
        assert (again.status, again.owing) == (SubscriptionStatus.ACTIVE, None)
        assert next(bench.provider.invoices(begun.customer)).status == "paid"

    def test_and_given_up_in_the_end(self, bench: Bench) -> None:
        begun = subscribed(bench)
        bench.use_card(begun.customer, good=False)
        bench.advance(days=30 + 3)
        late = running(bench)
        assert late.owing is not None
        assert late.owing.attempts == 2
        bench.advance(days=5 + 7)
        assert running(bench).status is SubscriptionStatus.CANCELED

    def test_periods_keep_the_day_they_began_on(self, bench: Bench) -> None:
        bench.advance(days=91)
        assert f"{bench.now():%d %b}" == "31 Jan"
        subscribed(bench)
        ends = []
        for _ in range(3):
            ends.append(f"{running(bench).end:%d %b}")
            bench.advance(days=31)
        assert ends == ["28 Feb", "31 Mar", "30 Apr"]

    def test_the_portal_has_an_address(self, bench: Bench) -> None:
        for page in PortalPage:
            assert bench.provider.portal(
                customer(bench), page=page, return_url="https://acme.example/", key=f"p{page}"
            ).startswith("http")


class TestReconciling:
    def test_purchases_refunds_and_disputes_are_listed(self, bench: Bench) -> None:
        start = bench.now()
        first = bought(bench, 1000, "pur_1")
        bench.advance(hours=1)
        second = bought(bench, 5000, "pur_2")
        part = bench.refund(payment(second), Money(2000))
        rest = bench.refund(payment(second))
        taken = bench.dispute(payment(first))
        assert [one.id for one in bench.provider.checkouts(since=start)] == [second.id, first.id]
        assert [one.id for one in bench.provider.checkouts(since=bench.now())] == [second.id]
        refunds = list(bench.provider.refunds(since=start))
        assert [(one.id, one.amount) for one in refunds] == [(rest, Money(3000)), (part, Money(2000))]
        assert {(one.payment, one.reference, one.organization) for one in refunds} == {
            (second.payment, "pur_2", "org_acme")
        }
        (dispute,) = bench.provider.disputes(since=start)
        assert (dispute.id, dispute.payment, dispute.reference) == (taken, first.payment, "pur_1")
        assert (dispute.amount, dispute.status) == (Money(1000), DisputeStatus.OPEN)
        assert list(bench.provider.refunds(since=bench.now() + timedelta(seconds=1))) == []

    def test_money_that_comes_back_to_us(self, bench: Bench) -> None:
        paid = bought(bench, 1000, "pur_1")
        refund = bench.refund(payment(paid), Money(400))
        found = bench.provider.refund(refund)
        assert found is not None
        assert found.status is RefundStatus.SUCCEEDED
        bench.fail_refund(refund)
        found = bench.provider.refund(refund)
        assert found is not None
        assert found.status is RefundStatus.FAILED
        for won, status in ((True, DisputeStatus.WON), (False, DisputeStatus.LOST)):
            other = bought(bench, 1000, f"pur_{status}")
            taken = bench.dispute(payment(other))
            bench.close_dispute(taken, won=won)
            dispute = bench.provider.dispute(taken)
            assert dispute is not None
            assert dispute.status is status

    def test_events_name_what_to_read_again(self, bench: Bench) -> None:
        start = bench.now()
        paid = bought(bench)
        refund = bench.refund(payment(paid))
        now = subscribed(bench)
        events = list(bench.provider.events(since=start))
        assert len({event.id for event in events}) == len(events)
        about = {(event.subject, event.about) for event in events}
        assert {(Subject.CHECKOUT, paid.id), (Subject.REFUND, refund), (Subject.SUBSCRIPTION, now.id)} <= about
        assert now.customer in {event.customer for event in events if event.subject is Subject.SUBSCRIPTION}
        bench.advance(seconds=1)
        assert list(bench.provider.events(since=bench.now())) == []

    def test_setting_up_twice_does_nothing(self, bench: Bench) -> None:
        assert bench.provider.setup(key="again", dry_run=False).steps == ()


def test_nothing_that_pays_stands_in_a_log(bench: Bench) -> None:
    """Who has the address of a page can pay, and see what was bought."""
    begun = subscribed(bench)
    bench.use_card(begun.customer, good=False)
    bench.advance(days=30)
    opened = bench.provider.start_purchase(order(bench), key="k")
    shown = repr(opened) + repr(running(bench)) + repr(list(bench.provider.invoices(begun.customer)))
    assert "http" not in shown
