"""What was paid is credited once: whenever the program ends, however many look, and in whatever order it is told."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orgtui.billing.provider import Checkout, CheckoutStatus, Order
from orgtui.billing.stripe import StripeBilling
from orgtui.domain.money import Money
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.store.contract.billing import NewPayment, Payment, PaymentStatus
from tests.billing.children import Children, Place, deliveries, polls, purchases
from tests.billing.conftest import Bench, StripeBench
from tests.billing.till import PAGES, Killed, Knife, Till, found_acme
from tests.contract.conftest import wait
from tests.fake_stripe import FakeStripe, Fault
from tests.store.races import race


@pytest.fixture
def till(bench: Bench, memory: Path, templates: Path) -> Iterator[Till]:
    """Acme, with each provider in turn."""
    found_acme(templates, memory / "acme.db")
    opened = Till(bench, memory / "acme.db")
    yield opened
    opened.close()


@pytest.fixture
def stripe(memory: Path, templates: Path, billing: StripeBilling, fake: FakeStripe) -> Iterator[Till]:
    """Acme, with Stripe."""
    found_acme(templates, memory / "acme.db")
    opened = Till(StripeBench(billing, fake), memory / "acme.db")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def children() -> Children:
    return Children()


def place(till: Till, fake: FakeStripe) -> Place:
    return Place(till.path, fake.base, fake.key, fake.secret, fake.now())


def pages(till: Till) -> list[Checkout]:
    """All that the provider has, the newest first."""
    return list(till.provider.checkouts(since=till.bench.now().replace(year=2025)))


def ended_at_every_moment(till: Till, act: Callable[[Any], None]) -> Iterator[None]:
    """*act* on a service that ends a moment later each time, until it comes to its end; after each, start again."""
    for moment in count(1):
        knife = Knife(moment)
        try:
            act(knife.on(till.service))
        except Killed:
            yield
        else:
            yield
            return


# The program ends in the middle.


class TestEnded:
    """Before and after each step there is a moment at which the program may end; each moment has its turn."""

    def purchases(self, till: Till, short: bool) -> None:
        def purchase(service: Any) -> None:
            paying = wait(service.buy(Money(1_000), short=short))
            till.pay(paying.payment)
            wait(service.look(paying.payment.id))

        turns = 0
        for _ in ended_at_every_moment(till, purchase):
            turns += 1
            # Whoever has the page may pay meanwhile.
            for page in pages(till)[:1]:
                if page.url is not None:
                    till.bench.pay(page)
            till.reconcile()
            for waiting in till.show().waiting:
                till.look(till.pay(waiting))
            assert till.show().waiting == []
            assert till.grants() == [10] * till.show().purchases
            assert len(pages(till)) == till.show().purchases
        assert turns >= 10
        # The first time, nothing was ordered yet.
        assert till.show().purchases == turns - 1
        assert till.reconcile().paid == ()

    def test_a_purchase(self, till: Till) -> None:
        self.purchases(till, short=False)

    def test_a_purchase_through_a_short_page(self, till: Till) -> None:
        self.purchases(till, short=True)

    def test_the_comparison(self, till: Till) -> None:
        """Paid while nobody looked, given back in part, and the program that finds out ends at any moment."""
        turns = 0

        def compare(service: Any) -> None:
            payment = till.pay(till.buy(5_000).payment)
            till.bench.refund(till.money(payment), Money(2_000))
            wait(service.reconcile())

        for _ in ended_at_every_moment(till, compare):
            turns += 1
            till.reconcile()
            assert till.balance() == 30 * turns
            # What was before is not listed any more.
            till.bench.advance(days=50)
        assert turns >= 12

    def test_a_withdrawal(self, till: Till) -> None:
        payment = till.buy().payment

        def withdraw(service: Any) -> None:
            wait(service.withdraw(payment.id))

        for _ in ended_at_every_moment(till, withdraw):
            till.reconcile()
            if till.payment(payment).withdrawn:
                assert till.payment(payment).status is PaymentStatus.CANCELLED
                assert till.page(payment).url is None
                payment = till.buy().payment
        assert till.balance() == 0

    def test_a_subscription(self, till: Till) -> None:
        def begin(service: Any) -> None:
            paying = wait(service.subscribe("pro"))
            till.pay(paying.payment)
            wait(service.look(paying.payment.id))

        turns = 0
        for _ in ended_at_every_moment(till, begin):
            turns += 1
            till.reconcile()
            for waiting in till.show().waiting:
                till.look(till.pay(waiting))
            found = till.show()
            if turns == 1:
                # Nothing was ordered yet.
                continue
            assert (found.plan, found.waiting) == ("pro", [])
            assert found.subscription is not None
            assert (found.subscription.status, found.subscription.others) == (SubscriptionStatus.ACTIVE, ())
            wait(till.service.cancel())
            till.bench.advance(days=31)
            till.refresh()
            assert till.show().plan == "free"
        assert turns >= 10


def bought_by_those_who_are_killed(till: Till, fake: FakeStripe, children: Children, kills: int, chance: Any) -> int:
    """Kill, look, begin again; answers how many were killed before they had done all they wanted."""
    killed = 0
    for _ in range(kills):
        # Some 25 moments are a beginning and a purchase.
        said = children.heard(purchases, place(till, fake), 3, at=chance.randrange(1, 60))
        killed += not said.endswith(b"D")
        paid_for(till, fake)
    assert children.heard(purchases, place(till, fake), 1).endswith(b"D")
    till.reconcile()
    paid = paid_for(till, fake)
    assert len(till.grants()) == paid
    assert len(pages(till)) == till.show().purchases == paid
    return killed


def paid_for(till: Till, fake: FakeStripe) -> int:
    """How often was paid; nothing is in the ledger that was not, and nothing twice."""
    with fake.world.lock:
        paid = {
            f"payment:{one['payment_intent']}"
            for one in fake.world.table("checkout.session").values()
            if one["payment_status"] == "paid"
        }
    database_refs = till.rows()["ledger"]
    refs = [row[6] for row in database_refs]
    assert len(refs) == len(set(refs))
    assert set(refs) <= paid
    return len(paid)


class TestKilled:
    """By the system, without a word."""

    def test_a_few_times(self, stripe: Till, fake: FakeStripe, children: Children) -> None:
        chance = random.Random(7)
        assert bought_by_those_who_are_killed(stripe, fake, children, 7, chance) >= 4

    @pytest.mark.soak
    def test_a_thousand_times(self, stripe: Till, fake: FakeStripe, children: Children) -> None:
        chance = random.Random(1)
        killed = bought_by_those_who_are_killed(stripe, fake, children, 1_000, chance)
        print(f"{killed} of 1,000 killed, {len(stripe.rows()['ledger'])} purchases")
        assert killed >= 500


# Many at once.


class TestAtOnce:
    def test_many_who_look_and_are_told(self, stripe: Till, fake: FakeStripe, children: Children) -> None:
        """Thirty polls, comparisons and webhooks in three threads, and two further programs, on one file."""
        payment = stripe.pay(stripe.buy().payment)
        hooks = [fake.signed(event) for event in fake.events("checkout.session.completed", "charge.succeeded")]
        others = [children.start(polls, place(stripe, fake), payment.id, 10) for _ in range(2)]
        for _, heard in others:
            assert os.read(heard.fileno(), 1) == b"B"
        threads = [stripe.again() for _ in range(3)]

        async def told(program: Till) -> None:
            for body, signature in hooks:
                await program.service.take(stripe.provider.read_webhook(body, signature))

        acts: list[list[Any]] = []
        for program in threads:
            own: list[Any] = []
            for _ in range(10):
                own += [lambda program=program: program.service.look(payment.id), lambda program=program: told(program)]
            acts.append([*own, program.service.reconcile])
        assert set(race(acts)) == {"done"}
        for process, heard in others:
            with heard:
                assert os.read(heard.fileno(), 1) == b"D"
            process.join()
        assert (stripe.grants(), stripe.payment(payment).status) == ([10], PaymentStatus.PAID)
        said = [entry.after for entry in wait(stripe.store.audit.entries(limit=1_000)).entries]
        assert len([after for after in said if isinstance(after, dict) and "credited" in after]) == 1

    def test_thirty_of_one_program(self, till: Till) -> None:
        payment = till.pay(till.buy().payment)

        async def all_at_once() -> None:
            await asyncio.gather(*(till.service.look(payment.id) for _ in range(30)))

        wait(all_at_once())
        assert till.grants() == [10]

    def test_many_who_buy_the_same_are_sent_to_one_page(self, stripe: Till) -> None:
        programs, found = [stripe.again() for _ in range(4)], list[Any]()

        async def buy(program: Till) -> None:
            paying = await program.service.buy(Money(1_000))
            found.append((paying.payment.id, paying.url))

        assert set(race([[lambda program=program: buy(program)] for program in programs])) <= {"done", "busy"}
        assert len({one for one in found if one[1]}) == 1
        assert len(pages(stripe)) == 1

    def test_some_withdraw_while_others_pay_and_look(self, till: Till) -> None:
        """Whoever is first: it is money, or it is closed; never neither, and never both."""
        for turn in range(6):
            payment = till.buy().payment
            page = till.page(payment)
            one, other = till.again(), till.again()

            async def pay(page: Checkout = page) -> None:
                with suppress(Exception):
                    await asyncio.to_thread(till.bench.pay, page)

            race(
                [
                    [lambda payment=payment, one=one: one.service.withdraw(payment.id)],
                    [pay, lambda payment=payment, other=other: other.service.look(payment.id)],
                ][:: -1 if turn % 2 else 1]
            )
            till.reconcile()
            paid = till.provider.checkout(page.id).status is CheckoutStatus.PAID
            assert till.payment(payment).status is (PaymentStatus.PAID if paid else PaymentStatus.CANCELLED)
            assert len(till.grants()) == len([one for one in pages(till) if one.status is CheckoutStatus.PAID])


# The network loses answers.

REQUESTS = ("customers/search", "/v1/customers$", "/v1/customers/cus", "checkout/sessions$", "checkout/sessions/")


class TestLost:
    def test_whatever_answer_is_lost(self, stripe: Till, fake: FakeStripe) -> None:
        """Each request of a purchase in turn; the SDK asks again with the same key, and one page is made."""
        for turn in range(len(REQUESTS)):
            fake.inject(Fault("lost", path=REQUESTS[turn], times=1))
            paying = stripe.buy()
            stripe.pay(paying.payment)
            fake.inject(Fault("lost", path="/v1/checkout", times=1))
            assert stripe.look(paying.payment).status is PaymentStatus.PAID
            assert (len(stripe.grants()), len(pages(stripe))) == (turn + 1, turn + 1)


# Told by webhooks.


@dataclass
class Story:
    """What happened to a payment, and what of it is in the balance in the end."""

    payment: Payment
    left: int = 0
    paid: bool = False


def happened(till: Till, fake: FakeStripe, amounts: Sequence[int], post: Post) -> list[Story]:
    """Payments of these amounts: paid, paid slowly, not paid, given back in parts, disputed; the books know of none."""
    stories, chance = [], post.chance
    books = wait(till.platform.billing.books())
    assert books.customer
    for amount in amounts:
        payment = wait(till.store.billing.order(NewPayment(mode="test", amount=Money(amount))))
        order = Order(payment.id, books.organization, books.customer, payment.amount, PAGES, payment.expires)
        page = till.provider.start_purchase(order, key=f"orgtui:payment:{payment.id}")
        if chance.random() < 0.5:
            wait(till.platform.billing.opened(payment.id, page.id))
        story = Story(payment)
        stories.append(story)
        match chance.randrange(10):
            case 0:
                till.bench.decline(page)
            case 1:
                till.bench.pay_slowly(page)
                till.bench.arrive(page, succeeds=False)
            case 2 | 3:
                till.bench.pay_slowly(page)
                till.bench.arrive(page, succeeds=True)
                story.paid = True
            case _:
                till.bench.pay(page)
                story.paid = True
        if story.paid:
            story.left = amount
            _goes_back(fake, page.id, story, chance)
        post.write(fake)
    return stories


def _goes_back(fake: FakeStripe, session: str, story: Story, chance: random.Random) -> None:
    with fake.world.lock:
        money = fake.world.get("checkout.session", session)["payment_intent"]
    for _ in range(chance.randrange(4)):
        part = chance.randrange(1, 100)
        refund = fake.refund(money, part)["id"]
        if chance.random() < 0.3:
            fake.fail_refund(refund)
        else:
            story.left -= part
    if chance.random() < 0.4:
        dispute = fake.dispute(money)
        won = chance.choice([True, False, None])
        if won is not None:
            fake.close_dispute(dispute["id"], won=won)
        if not won:
            story.left -= story.payment.amount.minor


TOLD = ("checkout.session.", "refund.", "charge.dispute.")


@dataclass
class Post:
    """Deliveries on their way to workers, which end in the middle now and then: what was not taken comes again."""

    place: Place
    bodies: Path
    children: Children
    chance: random.Random
    taken: int = 0
    crashes: int = 0
    again: int = 0
    events: int = 0
    spans: list[tuple[int, int, str]] = field(default_factory=list)

    def write(self, fake: FakeStripe) -> None:
        """Every event of ours so far once, signed; the fake need not keep them."""
        with self.bodies.open("ab") as out:
            for event in fake.events():
                if event["type"].startswith(TOLD):
                    body, signature = fake.signed(event)
                    self.spans.append((out.tell(), len(body), signature))
                    out.write(body)
        fake.world.events.clear()

    def deliver(self, workers: int, crash_every: int) -> None:
        """All that waits, out of order; of ten deliveries three are of something that is delivered anyway."""
        which = self.spans + self.chance.choices(self.spans, k=len(self.spans) * 3 // 7)
        self.chance.shuffle(which)
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(lambda n: self._worker(which[n::workers], crash_every), range(workers)):
                pass
        self.events += len(self.spans)
        self.spans.clear()

    def _worker(self, left: Sequence[tuple[int, int, str]], crash_every: int) -> None:
        while left:
            at = self.chance.randrange(1, 2 * crash_every)
            said = self.children.heard(deliveries, self.place, self.bodies, left, at=at)
            self.taken += len(said)
            if len(said) < len(left):
                assert len(said) >= at, "a worker ended by itself"
                self.crashes += 1
                # The one that it was at, and some that it had done: nobody heard.
                unheard = min(len(said), self.chance.randrange(3))
                self.again += unheard
                left = left[len(said) - unheard :]
            else:
                return


def all_told(till: Till, stories: Sequence[Story]) -> None:
    """The balance is the sum of what was paid and did not go back; each payment is in the ledger once."""
    ledger = till.rows()["ledger"]
    credited = [row for row in ledger if row[3] == "purchase"]
    paid = {story.payment.id: story for story in stories if story.paid}
    assert sorted(row[8] for row in credited) == sorted(paid)
    assert sum(Decimal(row[4]) for row in ledger) == Decimal(sum(story.left for story in stories)) / 100
    by_payment: dict[str, Decimal] = {}
    for row in ledger:
        by_payment[row[8]] = by_payment.get(row[8], Decimal(0)) + Decimal(row[4])
    assert by_payment == {id: Decimal(story.left) / 100 for id, story in paid.items()}


def delivered(
    till: Till, fake: FakeStripe, post: Post, rounds: int, payments: int, *, workers: int, crash_every: int
) -> None:
    """Rounds of so many payments that wait at once; when all was told of them, a comparison finds nothing."""
    # The customer is there.
    till.withdraw(till.buy(200_000).payment)
    fake.world.events.clear()
    amounts = post.chance.sample(range(500, 200_000), rounds * payments)
    stories, began, spent = list[Story](), time.monotonic(), 0.0
    for number in range(rounds):
        stories += happened(till, fake, amounts[number::rounds], post)
        told = time.monotonic()
        post.deliver(workers, crash_every)
        spent += time.monotonic() - told
        nothing_was_missed(till)
        # What nobody paid closes, and what was before is not listed any more.
        till.bench.advance(days=181)
        post.place = place(till, fake)
    nothing_was_missed(till)
    assert till.show().waiting == []
    print(
        f"{len(stories):,} payments, {post.events:,} events: {post.taken:,} deliveries in {spent:.0f} s, "
        f"{post.crashes} crashes, {post.again} taken twice for that; {len(till.rows()['ledger']):,} entries; "
        f"{time.monotonic() - began:.0f} s in all"
    )
    all_told(till, stories)


def nothing_was_missed(till: Till) -> None:
    """What came by webhooks needs no comparison."""
    done = till.reconcile()
    assert (done.paid, done.reversals, done.unknown) == ((), 0, ())


class TestDelivered:
    def test_some_hundreds(self, stripe: Till, fake: FakeStripe, children: Children, memory: Path) -> None:
        post = Post(place(stripe, fake), memory / "bodies", children, random.Random(60))
        delivered(stripe, fake, post, 2, 30, workers=3, crash_every=20)
        assert post.taken >= 200
        assert post.crashes >= 3

    @pytest.mark.soak
    def test_a_hundred_thousand(self, stripe: Till, fake: FakeStripe, children: Children, tmp_path: Path) -> None:
        post = Post(place(stripe, fake), tmp_path / "bodies", children, random.Random(1))
        delivered(stripe, fake, post, 62, 300, workers=10, crash_every=300)
        assert post.taken >= 100_000
        assert post.crashes >= 100
