"""Payments that arrive exactly once, and everything else that BillingService does, above each provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orgtui.billing.provider import BadWebhook, Checkout, Declined, Event, Pages, PortalPage, Subject
from orgtui.billing.stripe import StripeBilling
from orgtui.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.months import micros
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.secret import Secret
from orgtui.store.contract.billing import NewCredit, NewPayment, Payment, PaymentStatus, Reversal, Settlement
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.billing.conftest import Bench, StripeBench, stripe_billing
from tests.billing.till import PAGES, Killed, Knife, Till, found_acme, heard, lost
from tests.contract.conftest import wait
from tests.fake_stripe import FakeStripe, checkout
from tests.fake_stripe.world import Object

OPEN, PAID, PROCESSING = PaymentStatus.OPEN, PaymentStatus.PAID, PaymentStatus.PROCESSING
FAILED, EXPIRED, CANCELLED = PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED
REFUNDED, PARTLY_REFUNDED = PaymentStatus.REFUNDED, PaymentStatus.PARTLY_REFUNDED
DISPUTED, MISMATCH = PaymentStatus.DISPUTED, PaymentStatus.MISMATCH
# Of either kind of page.
BOTH = pytest.mark.parametrize("short", [False, True], ids=["long", "short"])


@pytest.fixture
def till(bench: Bench, memory: Path, templates: Path) -> Iterator[Till]:
    """Acme, with each provider in turn."""
    found_acme(templates, memory / "acme.db")
    opened = Till(bench, memory / "acme.db")
    yield opened
    opened.close()


class TestBuying:
    def test_paid_it_is_credits(self, till: Till) -> None:
        paying = till.buy(2_500)
        assert (paying.payment.status, paying.payment.amount) == (OPEN, Money(2_500))
        assert paying.url
        assert till.balance() == 0
        till.pay(paying.payment)
        assert till.balance() == 0
        seen = wait(till.service.look(paying.payment.id))
        assert (seen.payment.status, seen.url) == (PAID, None)
        assert seen.payment.receipt
        assert till.grants() == [Decimal(25)]
        before = till.rows()
        assert wait(till.service.look(paying.payment.id)) == seen
        assert till.rows() == before

    def test_the_same_again_is_the_same_page_while_it_waits(self, till: Till) -> None:
        first = till.buy()
        assert till.buy() == first
        assert till.again().buy() == first
        other = till.buy(5_000)
        assert other.payment.id != first.payment.id
        till.look(till.pay(first.payment))
        assert till.buy().payment.id not in (first.payment.id, other.payment.id)

    def test_paid_meanwhile_nobody_is_asked_to_pay_again(self, till: Till) -> None:
        till.pay(till.buy().payment)
        again = till.buy()
        assert (again.payment.status, again.url) == (PAID, None)
        assert till.grants() == [10]

    def test_what_cannot_be_bought_is_not_asked_for(self, till: Till) -> None:
        before = till.rows()
        for amount in (Money(499), Money(200_001), Money(0), Money(-500), Money(1_000, "USD")):
            with pytest.raises(Invalid) as caught:
                wait(till.service.buy(amount))
            assert caught.value.field == "amount"
        assert till.rows() == before
        assert list(till.provider.checkouts(since=till.bench.now() - timedelta(days=1))) == []

    @BOTH
    def test_an_old_page_is_closed_and_a_new_one_opened(self, till: Till, short: bool) -> None:
        old = till.buy(short=short).payment
        till.bench.advance(hours=1, minutes=1)
        new = till.buy(short=short)
        assert (new.payment.status, new.payment.id != old.id) == (OPEN, True)
        assert till.payment(old).status is EXPIRED
        assert till.page(old).url is None

    def test_declined_it_says_why_and_can_still_be_paid(self, till: Till) -> None:
        payment = till.buy().payment
        till.bench.decline(till.page(payment))
        seen = wait(till.service.look(payment.id))
        assert (seen.payment.status, seen.payment.trouble) == (OPEN, "Your card was declined.")
        assert seen.url
        assert till.balance() == 0
        paid = till.look(till.pay(payment))
        assert (paid.status, paid.trouble, till.grants()) == (PAID, None, [10])

    @BOTH
    @pytest.mark.parametrize("succeeds", [True, False])
    def test_slow_money_counts_when_it_arrives(self, till: Till, short: bool, succeeds: bool) -> None:
        payment = till.buy(short=short).payment
        till.bench.pay_slowly(till.page(payment))
        assert till.look(payment).status is PROCESSING
        till.bench.advance(hours=5)
        assert till.look(payment).status is PROCESSING
        with pytest.raises(Conflict, match="on its way"):
            till.withdraw(payment)
        assert till.balance() == 0
        till.bench.arrive(till.page(payment), succeeds=succeeds)
        seen = till.look(payment)
        assert (seen.status, till.balance()) == ((PAID, 10) if succeeds else (FAILED, 0))
        assert (seen.trouble is None) == succeeds
        assert till.show().waiting == []

    @BOTH
    def test_nobody_paid_in_time(self, till: Till, short: bool) -> None:
        payment = till.buy(short=short).payment
        till.bench.advance(hours=1)
        assert till.look(payment).status is EXPIRED
        assert till.page(payment).url is None

    def test_a_short_page_is_short(self, till: Till) -> None:
        assert len(str(till.buy(short=True).url)) <= 60
        assert till.bought(5_000, short=True).short
        assert till.grants() == [50]

    def test_what_is_asked_for_when_the_provider_is_away_waits(self, till: Till) -> None:
        for lossy in ("ensure_customer", "start_purchase"):
            away = till.again(provider=lost(till.provider, lossy))
            with pytest.raises(Unreachable):
                away.buy()
        (waiting,) = till.show().waiting
        assert waiting.status is PaymentStatus.CREATING
        assert till.bought().id == waiting.id
        (made,) = till.provider.checkouts(since=till.bench.now() - timedelta(days=1))
        assert (made.reference, till.grants()) == (waiting.id, [10])

    def test_who_gets_the_receipt_is_the_owner_of_today(self, till: Till) -> None:
        till.bought()
        grace = till.admin()
        (member,) = [one for one in wait(till.store.team.show()).members if one.email == grace.actor]
        wait(till.store.team.transfer(member.id, grace.actor))
        with pytest.raises(Forbidden):
            till.buy()
        grace.bought()
        assert wait(till.platform.billing.books()).email == grace.actor
        assert till.grants() == [10, 10]


class TestWithdrawing:
    @BOTH
    def test_the_page_is_closed(self, till: Till, short: bool) -> None:
        payment = till.buy(short=short).payment
        withdrawn = wait(till.service.withdraw(payment.id))
        assert (withdrawn.payment.status, withdrawn.url) == (CANCELLED, None)
        assert till.page(payment).url is None
        before = till.rows()
        assert till.withdraw(payment).status is CANCELLED
        assert till.rows() == before
        assert till.buy().payment.id != payment.id

    @BOTH
    def test_the_payer_was_faster(self, till: Till, short: bool) -> None:
        payment = till.pay(till.buy(short=short).payment)
        assert till.withdraw(payment).status is PAID
        assert till.grants() == [10]
        with pytest.raises(Conflict, match="has arrived"):
            till.withdraw(payment)

    @BOTH
    def test_a_slow_payer_was_faster(self, till: Till, short: bool) -> None:
        payment = till.buy(short=short).payment
        till.bench.pay_slowly(till.page(payment))
        assert till.withdraw(payment).status is PROCESSING
        till.bench.arrive(till.page(payment), succeeds=True)
        assert (till.look(payment).status, till.grants()) == (PAID, [10])

    def test_a_page_of_which_nobody_learned(self, till: Till) -> None:
        with pytest.raises(Unreachable):
            till.again(provider=lost(till.provider, "start_purchase")).buy()
        (payment,) = till.show().waiting
        assert till.withdraw(payment).status is CANCELLED
        (made,) = till.provider.checkouts(since=till.bench.now() - timedelta(days=1))
        assert made.url is None

    def test_a_page_that_was_never_made(self, till: Till) -> None:
        away = Knife(1).provider(till.provider)
        with pytest.raises(Killed):
            till.again(provider=away).buy()
        (payment,) = till.show().waiting
        assert till.withdraw(payment).status is CANCELLED
        assert list(till.provider.checkouts(since=till.bench.now() - timedelta(days=1))) == []

    def test_while_its_page_is_being_made(self, till: Till) -> None:
        """Whoever withdraws it meanwhile finds no page; the one that is made then is closed, and no other opened."""
        provider = till.provider

        class Slow:
            def __getattr__(self, name: str) -> Any:
                return getattr(provider, name)

            def start_purchase(self, *args: Any, **kwargs: Any) -> Any:
                (waiting,) = till.show().waiting
                till.withdraw(waiting)
                return provider.start_purchase(*args, **kwargs)

        paying = till.again(provider=Slow()).buy()
        assert (paying.payment.status, paying.url) == (CANCELLED, None)
        (made,) = provider.checkouts(since=till.bench.now() - timedelta(days=1))
        assert (made.reference, made.url) == (paying.payment.id, None)

    def test_closing_it_failed_and_is_done_later(self, till: Till) -> None:
        payment = till.buy().payment
        with pytest.raises(Killed):
            # After the page was read, and before it is closed.
            till.again(provider=Knife(2).provider(till.provider)).withdraw(payment)
        assert till.page(payment).url
        till.reconcile()
        assert (till.payment(payment).status, till.page(payment).url) == (CANCELLED, None)

    def test_there_is_none(self, till: Till) -> None:
        for ask in (till.service.withdraw, till.service.look):
            with pytest.raises(NotFound):
                wait(ask("pay_none"))

    def test_what_the_provider_does_not_know_any_more_blocks_nothing(self, till: Till) -> None:
        """As when all data of a test account were deleted."""
        payment = till.buy().payment
        till.run("UPDATE payments SET page = 'cs_test_gone'")
        assert till.look(payment).status is EXPIRED
        assert till.buy().url

    def test_what_is_on_its_way_is_not_given_up_for_that(self, till: Till) -> None:
        payment = till.buy().payment
        till.bench.pay_slowly(till.page(payment))
        assert till.look(payment).status is PROCESSING
        till.run("UPDATE payments SET page = 'cs_test_gone'")
        assert till.look(payment).status is PROCESSING
        till.reconcile()
        assert till.payment(payment).status is PROCESSING

    def test_of_another_mode_nothing_is_asked(self, till: Till) -> None:
        payment = till.buy().payment
        till.run("UPDATE payments SET mode = 'live'")
        assert till.look(payment).status is OPEN
        assert till.withdraw(payment).status is OPEN
        assert till.page(payment).url


class TestAskingAgain:
    """The same key with the same words, or else it is looked for."""

    def test_with_other_words_the_page_is_looked_for(self, till: Till) -> None:
        with pytest.raises(Unreachable):
            till.again(provider=lost(till.provider, "start_purchase")).buy()
        moved = Pages("https://orgtui.acme.example/paid", "https://orgtui.acme.example/back")
        paying = till.again(pages=moved).buy()
        (made,) = till.provider.checkouts(since=till.bench.now() - timedelta(days=1))
        assert (paying.payment.page, paying.url) == (made.id, made.url)

    def test_a_key_that_is_forgotten_makes_no_second_page(self, till: Till) -> None:
        with pytest.raises(Unreachable):
            till.again(provider=lost(till.provider, "start_purchase")).buy()
        (first,) = till.provider.checkouts(since=till.bench.now() - timedelta(days=1))
        till.bench.pay(first)
        till.bench.advance(days=2)
        again = till.buy()
        assert (again.payment.status, again.payment.page, till.grants()) == (PAID, first.id, [10])

    def test_too_late_to_open_it_a_new_one_is_ordered(self, till: Till) -> None:
        with pytest.raises(Killed):
            till.again(provider=Knife(1).provider(till.provider)).buy()
        (waiting,) = till.show().waiting
        till.bench.advance(minutes=40)
        assert till.buy().payment.id != waiting.id
        assert till.payment(waiting).status is EXPIRED


def plan(till: Till) -> str:
    return till.show().plan


class TestPlans:
    def test_from_free_to_paid(self, till: Till) -> None:
        assert plan(till) == "free"
        paying = till.subscribe("pro")
        assert (paying.payment.amount, paying.payment.plan, plan(till)) == (Money(4_900), "pro", "free")
        assert till.subscribe("pro") == paying
        with pytest.raises(Conflict, match="waits"):
            till.subscribe("business")
        assert till.look(till.pay(paying.payment)).status is PAID
        found = till.show()
        assert found.subscription is not None
        assert (found.plan, found.subscription.status, found.waiting) == ("pro", SubscriptionStatus.ACTIVE, [])
        assert (found.runs.start, found.runs.end) == (found.subscription.start, found.subscription.end)
        assert (till.ledger(), found.payments) == ([], [])

    def test_declined_or_withdrawn_it_stays_free(self, till: Till) -> None:
        payment = till.subscribe().payment
        till.bench.decline(till.page(payment))
        assert (till.look(payment).status, plan(till)) == (OPEN, "free")
        assert (till.withdraw(payment).status, plan(till)) == (CANCELLED, "free")
        assert till.subscribed("business").plan == "business"

    def test_only_one_at_a_time(self, till: Till) -> None:
        till.subscribed()
        with pytest.raises(Conflict, match="running already"):
            till.subscribe("business")
        # The same where the books do not know of it yet.
        till.run("DELETE FROM subscriptions")
        with pytest.raises(Conflict, match="running already"):
            till.subscribe("business")

    @pytest.mark.parametrize("name", ["free", "enterprise", "gold", ""])
    def test_plans_that_nobody_subscribes_to(self, till: Till, name: str) -> None:
        with pytest.raises(Invalid) as caught:
            till.subscribe(name)
        assert caught.value.field == "plan"
        assert till.show().waiting == []

    def test_an_upgrade_charges_what_was_shown(self, till: Till) -> None:
        begun = till.subscribed()
        till.bench.advance(days=10, hours=10)
        preview = wait(till.service.preview("business"))
        # Line by line and to the second: 1,692,000 of 2,592,000 are left.
        assert [line.amount for line in preview.lines] == [Money(-3_199), Money(43_736)]
        assert (preview.due, preview.renews) == (Money(40_537), begun.end)
        till.bench.advance(minutes=9)
        changed = wait(till.service.upgrade(preview))
        assert (changed.plan, plan(till), till.show().subscription) == ("business", "business", changed)
        bills = list(till.provider.invoices(begun.customer))
        assert [bill.paid for bill in bills] == [Money(40_537), Money(4_900)]
        assert wait(till.service.upgrade(preview)) == changed
        assert list(till.provider.invoices(begun.customer)) == bills
        agreed = {"action": "upgrade", "plan": "business", "due": str(preview.due)}
        assert agreed in [entry.after for entry in wait(till.store.audit.entries()).entries]

    def test_however_often_it_is_agreed_to_it_is_one_attempt(self, till: Till) -> None:
        till.subscribed()
        preview, keys = wait(till.service.preview("business")), list[str]()
        service = till.again(provider=heard(till.provider, "change_now", keys)).service
        assert wait(service.upgrade(preview)) == wait(service.upgrade(preview))
        # What else would keep two at once from being two charges.
        assert len(keys) == 2
        assert len(set(keys)) == 1

    def test_a_lost_answer_is_asked_for_again(self, till: Till) -> None:
        begun = till.subscribed()
        preview = wait(till.service.preview("business"))
        with pytest.raises(Unreachable):
            wait(till.again(provider=lost(till.provider, "change_now")).service.upgrade(preview))
        assert plan(till) == "pro"
        assert wait(till.service.upgrade(preview)).plan == "business"
        assert plan(till) == "business"
        assert len(list(till.provider.invoices(begun.customer))) == 2

    def test_what_was_shown_of_a_plan_that_is_no_more_is_not_charged(self, till: Till) -> None:
        begun = till.subscribed("starter")
        till.bench.advance(days=3)
        preview = wait(till.service.preview("business"))
        # Another program on the same books was faster.
        other = till.again().service
        wait(other.upgrade(wait(other.preview("pro"))))
        bills = list(till.provider.invoices(begun.customer))
        with pytest.raises(Conflict):
            wait(till.service.upgrade(preview))
        assert (list(till.provider.invoices(begun.customer)), till.refresh().plan, plan(till)) == (bills, "pro", "pro")

    def test_declined_it_changes_nothing(self, till: Till) -> None:
        begun = till.subscribed()
        till.bench.advance(days=3)
        till.bench.use_card(begun.customer, good=False)
        bills, before = list(till.provider.invoices(begun.customer)), till.refresh()
        with pytest.raises(Declined, match="Your card was declined"):
            wait(till.service.upgrade(wait(till.service.preview("business"))))
        assert list(till.provider.invoices(begun.customer)) == bills
        assert (till.refresh(), plan(till)) == (before, "pro")
        assert wait(till.service.manage(PortalPage.PAYMENT_METHOD)).startswith("http")
        till.bench.use_card(begun.customer, good=True)
        till.bench.advance(seconds=1)
        assert wait(till.service.upgrade(wait(till.service.preview("business")))).plan == "business"

    def test_an_old_price_is_not_charged(self, till: Till) -> None:
        begun = till.subscribed()
        preview = wait(till.service.preview("business"))
        till.bench.advance(minutes=10, seconds=1)
        with pytest.raises(Conflict, match="look at it again"):
            wait(till.service.upgrade(preview))
        assert (till.refresh().plan, len(list(till.provider.invoices(begun.customer)))) == ("pro", 1)

    def test_a_downgrade_waits_and_can_be_kept_off(self, till: Till) -> None:
        begun = till.subscribed("business")
        waiting = wait(till.service.downgrade("starter"))
        assert waiting.scheduled is not None
        assert (waiting.plan, waiting.scheduled.plan, waiting.scheduled.at) == ("business", "starter", begun.end)
        assert till.show().subscription == waiting
        assert wait(till.service.downgrade("starter")) == waiting
        with pytest.raises(Conflict, match="keep the plan first"):
            wait(till.service.preview("pro"))
        assert wait(till.service.keep()).scheduled is None
        assert wait(till.service.keep()).scheduled is None
        wait(till.service.downgrade("pro"))
        till.bench.advance(days=30)
        assert plan(till) == "business"
        assert (till.refresh().plan, plan(till)) == ("pro", "pro")
        assert [bill.paid.minor for bill in till.provider.invoices(begun.customer)] == [4_900, 67_000]

    def test_cancelled_also_while_a_downgrade_waits(self, till: Till) -> None:
        begun = till.subscribed("business")
        wait(till.service.downgrade("starter"))
        ending = wait(till.service.cancel())
        assert (ending.cancel_at_period_end, ending.scheduled, plan(till)) == (True, None, "business")
        with pytest.raises(Conflict, match="resume it first"):
            wait(till.service.downgrade("starter"))
        assert wait(till.service.resume()).cancel_at_period_end is False
        wait(till.service.cancel())
        till.bench.advance(days=31)
        assert (till.refresh().status, plan(till)) == (SubscriptionStatus.CANCELED, "free")
        for late in (till.service.resume, till.service.cancel, till.service.keep):
            with pytest.raises(Conflict, match="No subscription is running"):
                wait(late())
        assert till.subscribed("starter").id != begun.id

    @pytest.mark.parametrize("asked", ["subscription", "schedule_change"])
    def test_an_older_answer_never_covers_a_newer(self, till: Till, asked: str) -> None:
        """Another server was told of what was before, and writes it down after this one wrote what is now."""
        till.subscribed("business")
        provider, overtaken = till.provider, list[str]()

        class Slow:
            def __getattr__(self, name: str) -> Any:
                return self._slowly if name == asked else getattr(provider, name)

            def _slowly(self, *args: Any, **more: Any) -> Any:
                found = getattr(provider, asked)(*args, **more)
                if not overtaken:
                    overtaken.append(asked)
                    till.bench.advance(seconds=1)
                    wait(till.service.cancel())
                return found

        other = till.again(provider=Slow()).service
        now = wait(other.refresh() if asked == "subscription" else other.downgrade("starter"))
        assert overtaken
        assert now is not None
        assert now.cancel_at_period_end
        assert till.show().subscription == now

    def test_nothing_runs_that_could_be_changed(self, till: Till) -> None:
        for ask in (
            till.service.preview("pro"),
            till.service.downgrade("starter"),
            till.service.keep(),
            till.service.cancel(),
            till.service.resume(),
            till.service.manage(),
        ):
            with pytest.raises(Conflict):
                wait(ask)
        assert wait(till.service.refresh()) is None

    def test_it_renews_and_the_runs_begin_again(self, till: Till) -> None:
        begun = till.subscribed()
        before = till.rows()
        assert till.refresh() == begun
        assert till.rows() == before
        till.bench.advance(days=30)
        assert till.refresh().start == begun.end
        assert till.show().runs.start == begun.end

    def test_past_due_keeps_the_plan_until_it_is_given_up(self, till: Till) -> None:
        begun = till.subscribed()
        till.bench.use_card(begun.customer, good=False)
        till.bench.advance(days=30)
        late = till.refresh()
        assert (late.status, plan(till)) == (SubscriptionStatus.PAST_DUE, "pro")
        assert late.owing is not None
        assert (late.owing.amount, late.owing.url is not None) == (Money(4_900), True)
        with pytest.raises(Conflict, match="did not arrive"):
            wait(till.service.preview("business"))
        till.bench.advance(days=15)
        assert (till.refresh().status, plan(till)) == (SubscriptionStatus.CANCELED, "free")

    def test_prices_are_the_providers(self, till: Till) -> None:
        assert wait(till.service.prices()) == {"starter": Money(2_900), "pro": Money(4_900), "business": Money(67_000)}

    def test_setting_up_twice_does_nothing(self, till: Till) -> None:
        assert wait(till.service.setup(dry_run=False)).steps == ()


@pytest.fixture
def stripe(memory: Path, templates: Path, billing: StripeBilling, fake: FakeStripe) -> Iterator[Till]:
    """Acme, with Stripe."""
    found_acme(templates, memory / "acme.db")
    opened = Till(StripeBench(billing, fake), memory / "acme.db")
    yield opened
    opened.close()


class TestStripesPlans:
    @pytest.mark.parametrize("status", list(SubscriptionStatus))
    def test_the_plan_that_each_of_the_eight_states_grants(
        self, stripe: Till, fake: FakeStripe, status: SubscriptionStatus
    ) -> None:
        begun = stripe.subscribed()
        fake.put_status(begun.id, status)
        now = stripe.refresh()
        assert (now.status, plan(stripe)) == (status, "pro" if status in ("active", "trialing", "past_due") else "free")

    def test_a_product_that_is_not_ours_leaves_the_plan(self, stripe: Till, fake: FakeStripe, sdk: Any) -> None:
        begun = stripe.subscribed()
        other = sdk.v1.products.create({"name": "Support"}).id
        with fake.world.lock:
            (item,) = fake.world.get("subscription", begun.id)["items"]["data"]
            item["price"] = item["price"] | {"product": other}
        assert (stripe.refresh().plan, plan(stripe)) == (None, "pro")

    def test_a_price_whose_name_was_given_to_another(self, stripe: Till, sdk: Any) -> None:
        stripe.subscribed()
        dearer = {"product": "orgtui_pro", "currency": "eur", "unit_amount": 5_900, "recurring": {"interval": "month"}}
        sdk.v1.prices.create(dearer | {"lookup_key": "orgtui_pro_month_eur", "transfer_lookup_key": True})
        now = stripe.refresh()
        assert (now.plan, now.price, plan(stripe)) == ("pro", Money(4_900), "pro")
        assert wait(stripe.service.prices())["pro"] == Money(5_900)

    def test_the_instant_that_was_shown_is_the_instant_that_is_charged(self, stripe: Till, fake: FakeStripe) -> None:
        stripe.subscribed()
        stripe.bench.advance(days=4, seconds=1.7)
        preview = wait(stripe.service.preview("business"))
        stripe.bench.advance(minutes=2)
        wait(stripe.service.upgrade(preview))
        (shown,) = fake.requests("POST", "/v1/invoices/create_preview")
        (asked,) = [one for one in fake.requests("POST", "/v1/subscriptions/") if "proration_date" in one.params]
        assert shown.params["subscription_details"]["proration_date"] == asked.params["proration_date"]
        assert asked.params["payment_behavior"] == "error_if_incomplete"


class TestRoles:
    def test_admins_look(self, till: Till) -> None:
        payment, admin = till.buy().payment, till.admin()
        till.pay(payment)
        assert admin.look(payment).status is PAID
        assert admin.show() == till.show()
        admin.reconcile()

    def test_nothing_leaves_before_an_admin_is_refused(self, stripe: Till, fake: FakeStripe) -> None:
        stripe.subscribed()
        preview, waiting, admin = wait(stripe.service.preview("business")), stripe.buy().payment, stripe.admin()
        before, asked = stripe.rows(), len(fake.requests())
        for ask in (
            admin.service.buy(Money(1_000)),
            admin.service.buy(Money(5_000), short=True),
            admin.service.subscribe("pro"),
            admin.service.withdraw(waiting.id),
            admin.service.upgrade(preview),
            admin.service.downgrade("starter"),
            admin.service.keep(),
            admin.service.cancel(),
            admin.service.resume(),
            admin.service.manage(),
        ):
            with pytest.raises(Forbidden, match="Billing is the owner"):
                wait(ask)
        assert (stripe.rows(), len(fake.requests())) == (before, asked)

    def test_nobody_writes_for_themselves_what_was_paid(self, till: Till) -> None:
        payment, found = till.buy().payment, till.subscribed()
        gift = NewCredit(kind="grant", amount=Money(100_000), ref="me", text="")
        told = Settlement(status=PAID, amount=Money(1_000), page="cs_1", payment="pi_1")
        back = Reversal(kind="refund", id="re_1", payment=payment.id, money="pi_1", amount=Money(1), taken=True)
        both, before = (till, till.admin()), till.rows()
        for people in both:
            books = people.store.billing
            for ask in (
                books.settle(payment.id, told),
                books.reverse(back),
                books.credit(gift),
                books.opened(payment.id, "cs_1"),
                books.keep_customer("cus_1", "test"),
                books.keep_subscription(replace(found, plan="business"), None),
                books.reconciled(till.bench.now()),
                books.books(),
            ):
                with pytest.raises(Forbidden, match="by the platform only"):
                    wait(ask)
        for order in (NewPayment(mode="test", amount=Money(1_000)), NewPayment(mode="test", plan="pro")):
            with pytest.raises(Forbidden, match="The platform does not do this"):
                wait(till.platform.billing.order(order))
        assert till.rows() == before


def ordered_only(till: Till, cents: int = 1_000) -> Payment:
    """A purchase in the books, of which the provider has not heard yet."""
    return wait(till.store.billing.order(NewPayment(mode=till.service.mode, amount=Money(cents))))


def page_unknown(till: Till, cents: int = 1_000) -> Checkout:
    """A purchase whose page was made, and the program ended before it could write down where."""
    with pytest.raises(Unreachable):
        till.again(provider=lost(till.provider, "start_purchase")).buy(cents)
    return next(iter(till.provider.checkouts(since=till.bench.now() - timedelta(days=1))))


def paid_elsewhere(till: Till, payment: Payment, **other: Any) -> str:
    """The money of a further page for the same order, but for what is *other*."""
    made = till.provider.start_purchase(till.order(payment, **other), key=f"elsewhere {other}")
    till.bench.pay(made)
    return str(till.provider.checkout(made.id).payment)


def nothing_new(till: Till) -> None:
    """A second look at the provider writes nothing."""
    before = till.rows()
    done = till.again().reconcile()
    assert (done.paid, done.ended, done.reversals) == ((), (), 0)
    # But how far it came.
    accounts = [(*account[:-1], micros(till.bench.now())) for account in before["billing_accounts"]]
    assert till.rows() == before | {"billing_accounts": accounts}


class TestReconciling:
    def test_where_nothing_was_ever_paid_nobody_is_asked(self, stripe: Till, fake: FakeStripe) -> None:
        asked, before = len(fake.requests()), stripe.rows()
        done = stripe.reconcile()
        assert (done.paid, done.ended, done.reversals, done.unknown, done.subscription) == ((), (), 0, (), None)
        assert (len(fake.requests()), stripe.rows()) == (asked, before)

    @BOTH
    def test_paid_while_nobody_looked(self, till: Till, short: bool) -> None:
        payment = till.pay(till.buy(short=short).payment)
        till.bench.advance(days=3)
        done = till.reconcile()
        assert [one.id for one in done.paid] == [payment.id]
        assert till.grants() == [10]
        nothing_new(till)

    def test_paid_and_where_was_never_written_down(self, till: Till) -> None:
        till.bench.pay(page_unknown(till))
        till.bench.advance(days=3)
        assert till.show().waiting[0].page is None
        (paid,) = till.reconcile().paid
        assert (paid.status, till.grants()) == (PAID, [10])
        nothing_new(till)

    def test_paid_after_it_was_given_up(self, till: Till) -> None:
        """As through a page that was taken for closed: the list of payments tells of it all the same."""
        payment = till.buy().payment
        page = till.page(payment)
        till.run("UPDATE payments SET page = 'cs_test_gone'")
        assert till.look(payment).status is EXPIRED
        till.bench.pay(page)
        assert [one.id for one in till.reconcile().paid] == [payment.id]
        assert till.grants() == [10]
        nothing_new(till)

    def test_ended_while_nobody_looked(self, till: Till) -> None:
        ended, open_still = till.buy().payment, till.buy(2_500).payment
        till.bench.advance(minutes=59)
        new = till.buy(5_000).payment
        till.bench.advance(minutes=2)
        done = till.reconcile()
        assert {(one.id, one.status) for one in done.ended} == {(ended.id, EXPIRED), (open_still.id, EXPIRED)}
        assert [one.id for one in till.show().waiting] == [new.id]
        nothing_new(till)

    def test_slow_money(self, till: Till) -> None:
        payment = till.buy().payment
        till.bench.pay_slowly(till.page(payment))
        done = till.reconcile()
        assert (done.paid, done.ended, till.balance()) == ((), (), 0)
        till.bench.advance(days=2)
        nothing_new(till)
        till.bench.arrive(till.page(payment), succeeds=True)
        assert [one.id for one in till.reconcile().paid] == [payment.id]
        assert till.grants() == [10]

    def test_the_plan_too(self, till: Till) -> None:
        till.pay(till.subscribe("business").payment)
        done = till.reconcile()
        assert (done.subscription is not None, plan(till), till.balance()) == (True, "business", 0)
        nothing_new(till)

    def test_refunds_in_parts(self, till: Till) -> None:
        payment = till.bought(5_000)
        money = till.money(payment)
        till.bench.refund(money, Money(1_999))
        assert till.reconcile().reversals == 1
        assert (till.payment(payment).status, till.balance()) == (PARTLY_REFUNDED, Decimal("30.01"))
        till.bench.refund(money, Money(1))
        till.bench.refund(money)
        assert till.reconcile().reversals == 2
        assert (till.payment(payment).status, till.payment(payment).refunded) == (REFUNDED, Money(5_000))
        assert till.balance() == 0
        nothing_new(till)

    def test_a_refund_that_failed(self, till: Till) -> None:
        payment = till.bought()
        refund = till.bench.refund(till.money(payment))
        till.reconcile()
        assert till.balance() == 0
        till.bench.advance(days=40)
        till.reconcile()
        till.bench.fail_refund(refund)
        assert till.reconcile().reversals == 1
        assert (till.balance(), till.payment(payment).status) == (10, PAID)
        nothing_new(till)
        # One that failed before anybody looked never was.
        failed = till.bench.refund(till.money(payment))
        till.bench.fail_refund(failed)
        nothing_new(till)

    @pytest.mark.parametrize("won", [True, False])
    def test_disputes(self, till: Till, won: bool) -> None:
        payment = till.bought()
        till.spend("4", "call")
        dispute = till.bench.dispute(till.money(payment))
        assert till.reconcile().reversals == 1
        assert (till.payment(payment).status, till.balance()) == (DISPUTED, -4)
        nothing_new(till)
        till.bench.advance(days=90)
        till.bench.close_dispute(dispute, won=won)
        assert till.reconcile().reversals == (1 if won else 0)
        assert (till.payment(payment).status, till.balance()) == ((PAID, 6) if won else (DISPUTED, -4))
        nothing_new(till)

    def test_given_back_before_it_was_known_to_be_paid(self, till: Till) -> None:
        payment = till.pay(till.buy(5_000).payment)
        till.bench.refund(till.money(payment), Money(2_000))
        done = till.reconcile()
        assert (len(done.paid), done.reversals, till.balance()) == (1, 1, 30)
        assert till.payment(payment).status is PARTLY_REFUNDED
        nothing_new(till)

    def test_another_sum_than_ordered_is_told_and_is_no_credit(self, till: Till) -> None:
        known, payment = till.bought(5_000), ordered_only(till)
        forged = till.provider.start_purchase(till.order(payment, amount=Money(1_001)), key="forged")
        till.bench.pay(forged)
        done = till.reconcile()
        assert [(one.id, one.status) for one in done.ended] == [(payment.id, MISMATCH)]
        assert "€10.01 was paid, and €10.00 was ordered" in str(done.ended[0].trouble)
        assert till.grants() == [50]
        nothing_new(till)
        # What gave no credits takes none when it goes back.
        till.bench.refund(str(till.provider.checkout(forged.id).payment))
        assert (till.reconcile().reversals, till.balance()) == (0, 50)
        assert till.payment(known).status is PAID

    def test_given_back_before_it_was_known_to_be_of_another_sum(self, till: Till) -> None:
        till.bought(5_000)
        payment = ordered_only(till)
        forged = till.provider.start_purchase(till.order(payment, amount=Money(1_001)), key="forged")
        till.bench.pay(forged)
        till.bench.refund(str(till.provider.checkout(forged.id).payment))
        for event in told(till, Subject.REFUND):
            till.take(event)
        till.reconcile()
        assert (till.balance(), till.payment(payment).status) == (50, MISMATCH)

    def test_of_a_wrong_and_a_right_sum_only_the_right_one_counts_whichever_goes_back(self, till: Till) -> None:
        payment = till.buy(5_000).payment
        wrong = paid_elsewhere(till, payment, amount=Money(3_000))
        till.reconcile()
        assert till.payment(payment).status is MISMATCH
        till.bench.refund(wrong, Money(700))
        assert till.reconcile().reversals == 0
        right = paid_elsewhere(till, payment)
        till.bench.refund(wrong, Money(300))
        done = till.reconcile()
        assert ([one.id for one in done.paid], done.reversals, till.balance()) == ([payment.id], 0, 50)
        till.bench.refund(right, Money(2_000))
        till.bench.refund(wrong)
        assert (till.reconcile().reversals, till.balance()) == (1, 30)
        assert (till.payment(payment).status, till.payment(payment).refunded) == (PARTLY_REFUNDED, Money(2_000))
        nothing_new(till)

    def test_two_wrong_sums_are_told_once(self, till: Till) -> None:
        payment = till.buy(5_000).payment
        for amount in (Money(3_000), Money(4_000)):
            paid_elsewhere(till, payment, amount=amount)
        till.reconcile()
        assert "€" in str(till.payment(payment).trouble)
        nothing_new(till)

    @pytest.mark.parametrize("first", [True, False])
    @pytest.mark.parametrize("succeeds", [True, False])
    def test_a_wrong_sum_does_not_hide_what_is_on_its_way(self, till: Till, succeeds: bool, first: bool) -> None:
        payment = till.buy(5_000).payment
        own = till.page(payment)
        if first:
            paid_elsewhere(till, payment, amount=Money(3_000))
            till.reconcile()
            assert till.payment(payment).status is MISMATCH
        till.bench.pay_slowly(own)
        till.reconcile()
        if not first:
            paid_elsewhere(till, payment, amount=Money(3_000))
            till.reconcile()
            assert "€30.00 was paid" in str(till.payment(payment).trouble)
        till.bench.advance(days=2)
        assert till.payment(payment).status is PROCESSING
        nothing_new(till)
        till.bench.arrive(own, succeeds=succeeds)
        till.reconcile()
        assert till.balance() == (50 if succeeds else 0)
        nothing_new(till)

    def test_another_organizations_money_is_not_ours(self, till: Till) -> None:
        payment = till.buy().payment
        other = till.order(payment, organization="org_other", id="pay_other")
        theirs = till.provider.start_purchase(other, key="theirs")
        till.bench.pay(theirs)
        stolen = till.provider.start_purchase(till.order(payment, organization="org_other"), key="stolen")
        till.bench.pay(stolen)
        till.bench.refund(str(till.provider.checkout(stolen.id).payment))
        done = till.reconcile()
        assert (done.paid, done.unknown, done.reversals, till.balance()) == ((), (), 0, 0)
        for event in told(till):
            till.take(event)
        assert (till.payment(payment).status, till.balance()) == (OPEN, 0)

    def test_what_an_old_backup_does_not_know_is_told(self, till: Till) -> None:
        till.bought()
        before = till.path.with_suffix(".backup")
        wait(aside_backup(till, before))
        lost_one, lost_plan = till.bought(5_000), till.pay(till.subscribe().payment)
        page = till.payment(lost_one).page
        pages = {page, till.payment(lost_plan).page}
        till.bench.refund(till.money(lost_one), Money(1_000))
        till.bench.advance(days=7)
        till.close()
        before.replace(till.path)
        for rest in ("-wal", "-shm"):
            till.path.with_name(till.path.name + rest).unlink(missing_ok=True)
        old = Till(till.bench, till.path)
        done = old.reconcile()
        assert (set(done.unknown), done.paid, done.reversals) == (pages, (), 0)
        assert (old.grants(), plan(old)) == ([10], "pro")
        for event in told(old):
            old.take(event)
        assert old.grants() == [10]
        old.close()

    def test_one_that_the_provider_refuses_does_not_keep_the_others_waiting(self, till: Till) -> None:
        paid = till.pay(till.buy().payment)
        # Ordered, and a subscription runs by now of which the books do not know.
        begun = till.subscribed()
        till.run("DELETE FROM subscriptions")
        stuck = wait(till.store.billing.order(NewPayment(mode=till.service.mode, plan="business")))
        done = till.reconcile()
        assert [one.id for one in done.paid] == [paid.id]
        assert (till.show().subscription, till.payment(stuck).status) == (begun, EXPIRED)

    def test_a_clock_that_was_wrong_for_a_while_hides_nothing(self, till: Till) -> None:
        till.bought()
        wait(till.platform.billing.reconciled(till.bench.now() + timedelta(days=3_650)))
        payment = till.buy(5_000).payment
        page = till.page(payment)
        till.run("UPDATE payments SET page = 'cs_test_gone' WHERE id = :id", id=payment.id)
        assert till.look(payment).status is EXPIRED
        till.bench.pay(page)
        till.bench.advance(days=60)
        assert [one.id for one in till.reconcile().paid] == [payment.id]
        assert wait(till.platform.billing.books()).reconciled == till.bench.now()

    def test_another_account_is_read_from_the_beginning(self, till: Till) -> None:
        till.bought()
        till.reconcile()
        assert wait(till.platform.billing.books()).reconciled == till.bench.now()
        wait(till.platform.billing.keep_customer("cus_elsewhere", till.service.mode))
        assert wait(till.platform.billing.books()).reconciled is None


async def aside_backup(till: Till, to: Path) -> None:
    """A copy as `orgtui backup` makes it."""
    database = SqliteDatabase(till.path)
    database.backup(to)
    database.close()


def told(till: Till, *subjects: Subject) -> list[Event]:
    """What the provider told so far, the oldest first."""
    events = list(till.provider.events(since=till.bench.now() - timedelta(days=29)))
    return [event for event in reversed(events) if not subjects or event.subject in subjects]


class TestStripesList:
    def test_more_than_a_page_of_other_peoples_sessions(self, stripe: Till, fake: FakeStripe) -> None:
        stripe.bench.pay(page_unknown(stripe))
        known = stripe.pay(stripe.buy(5_000).payment)
        price = {"currency": "eur", "unit_amount": 700, "product": "orgtui_ai_credits"}
        with fake.world.lock:
            for _ in range(205):
                params = {"line_items": [{"quantity": 1, "price_data": dict(price)}], "success_url": PAGES.success}
                checkout.create_session(fake.world, params)
        stripe.bench.advance(days=2)
        done = stripe.reconcile()
        assert len(done.paid) == 2
        assert known.id in {one.id for one in done.paid}
        pages = [one for one in fake.requests("GET", "/v1/checkout/sessions") if "limit" in one.params]
        assert len(pages) >= 3
        assert sorted(stripe.grants()) == [10, 50]

    @pytest.mark.parametrize(
        ("metadata", "currency"),
        [
            ({"app": "another"}, "eur"),
            ({"app": None}, "eur"),
            ({"organization": "org_other"}, "eur"),
            ({}, "usd"),
        ],
    )
    def test_what_only_looks_like_ours_gives_nothing(
        self, stripe: Till, fake: FakeStripe, sdk: Any, metadata: dict[str, Any], currency: str
    ) -> None:
        """Made by somebody who may use the account, with the reference of our own purchase."""
        payment = stripe.buy().payment
        organization = stripe.order(payment).organization
        names = {"app": "orgtui", "reference": payment.id, "organization": organization} | metadata
        names = {name: value for name, value in names.items() if value is not None}
        price = {"currency": currency, "unit_amount": 1_000, "product": "orgtui_ai_credits"}
        params = {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "metadata": names,
            "payment_intent_data": {"metadata": names},
            "client_reference_id": payment.id,
            "success_url": PAGES.success,
        }
        made = sdk.v1.checkout.sessions.create(params)
        fake.pay(made.url)
        intent = sdk.v1.checkout.sessions.retrieve(made.id).payment_intent
        fake.refund(intent, 300)
        fake.dispute(intent)
        for event in fake.events():
            stripe.take(stripe.provider.read_webhook(*fake.signed(event)))
        stripe.reconcile()
        assert (stripe.ledger(), stripe.payment(payment).status) == ([], MISMATCH if currency == "usd" else OPEN)


class TestTold:
    """What the provider tells by itself is only what to read again."""

    def test_nobody_needs_to_look(self, till: Till) -> None:
        payment, subscribed = till.pay(till.buy().payment), till.pay(till.subscribe().payment)
        for event in told(till):
            till.take(event)
        assert [till.payment(one).status for one in (payment, subscribed)] == [PAID, PAID]
        assert (till.grants(), plan(till)) == ([10], "pro")
        before = till.rows()
        for event in told(till) * 5:
            till.take(event)
        assert till.rows() == before
        nothing_new(till)

    def test_before_where_it_is_paid_was_written_down(self, till: Till) -> None:
        till.bench.pay(page_unknown(till))
        for event in told(till):
            till.take(event)
        assert till.grants() == [10]
        nothing_new(till)

    def test_the_wrong_way_round(self, till: Till) -> None:
        payment = till.buy(5_000).payment
        till.bench.pay_slowly(till.page(payment))
        till.bench.arrive(till.page(payment), succeeds=True)
        failed = till.bench.refund(till.money(payment), Money(1_500))
        till.bench.refund(till.money(payment), Money(500))
        till.bench.fail_refund(failed)
        dispute = till.bench.dispute(till.money(payment))
        for event in reversed(told(till)):
            till.take(event)
            till.ledger()
        assert (till.balance(), till.payment(payment).status) == (-5, DISPUTED)
        till.bench.close_dispute(dispute, won=True)
        for event in told(till) + told(till)[::-1]:
            till.take(event)
        assert (till.balance(), till.payment(payment).status) == (45, PARTLY_REFUNDED)
        nothing_new(till)

    def test_a_right_sum_that_went_back_before_it_was_known_to_follow_a_wrong_one(self, till: Till) -> None:
        payment = till.buy(5_000).payment
        wrong = paid_elsewhere(till, payment, amount=Money(3_000))
        till.reconcile()
        right = paid_elsewhere(till, payment)
        till.bench.refund(wrong, Money(700))
        till.bench.refund(right, Money(2_000))
        for event in reversed(told(till)):
            till.take(event)
            assert till.balance() in (0, 30)
        assert (till.balance(), till.payment(payment).status) == (30, PARTLY_REFUNDED)
        nothing_new(till)

    def test_a_second_page_whose_money_went_back_before_it_was_known(self, till: Till) -> None:
        payment = till.bought(5_000)
        till.bench.refund(paid_elsewhere(till, payment), Money(2_000))
        for event in told(till, Subject.REFUND):
            till.take(event)
        assert (till.balance(), till.grants()) == (80, [50, 50])
        nothing_new(till)

    def test_whoever_acts(self, till: Till) -> None:
        """A member who left keeps no webhook from being acted on."""
        payment, gone = till.pay(till.buy().payment), till.again("nobody@acme.example")
        for event in told(till):
            gone.take(event)
        assert (till.payment(payment).status, till.grants()) == (PAID, [10])

    def test_of_what_is_not_ours_nothing_is_made(self, till: Till) -> None:
        payment = till.buy().payment
        before = till.rows()
        for subject in Subject:
            till.take(Event("evt_1", subject, "cs_test_other", "cus_other", till.bench.now()))
        unknown = till.provider.start_purchase(till.order(payment, id="pay_unknown"), key="unknown")
        till.bench.pay(unknown)
        till.bench.refund(str(till.provider.checkout(unknown.id).payment))
        for event in told(till):
            till.take(event)
        assert till.rows() == before

    def test_a_visit_that_came_to_nothing_is_not_the_link(self, stripe: Till, fake: FakeStripe) -> None:
        """A short page may be opened often; what becomes of one visit does not end it."""
        paying = stripe.buy(short=True)
        assert fake.visit(str(paying.url))[0] == 303
        (visit,) = stripe.provider.checkouts(since=stripe.bench.now() - timedelta(days=1))
        stripe.provider.expire_checkout(visit.id, key="visit")
        for event in fake.events("checkout.session.expired"):
            stripe.take(stripe.provider.read_webhook(*fake.signed(event)))
        assert stripe.look(paying.payment).status is OPEN
        assert stripe.look(stripe.pay(paying.payment)).status is PAID


class TestWebhooks:
    @pytest.fixture
    def event(self, stripe: Till, fake: FakeStripe) -> Object:
        """Of a purchase that was paid, and that the books take for open."""
        stripe.pay(stripe.buy().payment)
        return fake.events("checkout.session.completed")[0]

    def test_signed_it_is_taken(self, stripe: Till, fake: FakeStripe, event: Object) -> None:
        stripe.take(stripe.provider.read_webhook(*fake.signed(event)))
        assert stripe.grants() == [10]

    def test_otherwise_it_is_refused_and_nothing_happens(self, stripe: Till, fake: FakeStripe, event: Object) -> None:
        body, header = fake.signed(event)
        without = stripe_billing(fake, webhook_secret=None)
        empty = stripe_billing(fake, webhook_secret=Secret(" "))
        before, asked = stripe.rows(), len(fake.requests())
        for provider, given, signature in (
            (stripe.provider, body.replace(b"1000", b"9000"), header),
            (stripe.provider, body + b" ", header),
            (stripe.provider, body, fake.signed(event, secret="whsec_other")[1]),
            (stripe.provider, body, fake.signed(event, at=fake.now() - timedelta(minutes=10))[1]),
            (stripe.provider, body, fake.signed(event, at=fake.now() + timedelta(minutes=10))[1]),
            (stripe.provider, body, None),
            (stripe.provider, body, ""),
            (without, body, header),
            (empty, body, fake.signed(event, secret=" ")[1]),
        ):
            with pytest.raises(BadWebhook):
                stripe.take(provider.read_webhook(given, signature))
        assert (stripe.rows(), len(fake.requests()), stripe.balance()) == (before, asked, 0)
