"""Everything that happens to money, in any order and with the program ended anywhere, against a plain sum."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from orgtui.billing.provider import CheckoutStatus, Event
from orgtui.domain.errors import Conflict, Unreachable
from orgtui.domain.money import Money
from orgtui.store.contract.billing import Payment, PaymentStatus
from tests.billing.conftest import Bench, DemoBench, StripeBench
from tests.billing.till import Killed, Knife, Till, found_acme, lost
from tests.contract.conftest import wait

ANY = st.integers(0, 20)
AMOUNTS = st.sampled_from([1_000, 1_000, 2_500, 1_234])
SHORT = st.sampled_from([False, False, True])
# At which step the program ends; mostly it does not.
STEPS = st.sampled_from([None, None, None, None, 1, 2, 3, 4, 5, 6, 7, 9, 12])
HOURS = st.sampled_from([0.1, 0.6, 1.1, 25, 24 * 31])
# After so long a bank has sent back what it does not take, and settled what its customer disputed.
REFUND_FAILS, DISPUTE_ENDS = timedelta(days=45), timedelta(days=180)


@dataclass
class Paid:
    """What really happened to a payment, as its payer would tell it."""

    amount: int
    state: str = "open"
    # What went back, by the id of the refund or the dispute.
    back: dict[str, int] = field(default_factory=dict)
    disputed: bool = False
    since: dict[str, datetime] = field(default_factory=dict)

    def goes_back(self, id: str, amount: int, now: datetime) -> None:
        self.back[id], self.since[id] = amount, now

    @property
    def left(self) -> int:
        return self.amount - sum(self.back.values())

    @property
    def here(self) -> int:
        return self.left if self.state == "paid" else 0


class MoneyMachine(RuleBasedStateMachine):
    """An owner, payers, their banks, the network, and the time."""

    def __init__(self, bench: Bench, path: Path) -> None:
        super().__init__()
        self.bench, self.till = bench, Till(bench, path)
        # By the provider's id of the page, which its payer has open.
        self.pages: dict[str, Paid] = {}
        self.ours: list[Payment] = []
        self.spent, self.calls = Decimal(0), count()

    def do(self, act: Callable[[Any], Any], step: int | None) -> Any:
        """With the service, which ends at that step."""
        service = self.till.service if step is None else Knife(step).on(self.till.service)
        with suppress(Killed, Conflict):
            return wait(act(service))
        return None

    def know(self) -> None:
        """What pages there are by now, whoever learned of them."""
        since = self.bench.now().replace(year=2025)
        for page in self.bench.provider.checkouts(since=since):
            self.pages.setdefault(page.id, Paid(page.amount.minor))

    def page(self, which: int, *states: str) -> tuple[str, Paid] | None:
        found = [(id, one) for id, one in self.pages.items() if one.state in states]
        return found[which % len(found)] if found else None

    # The owner.

    @rule(amount=AMOUNTS, short=SHORT, step=STEPS)
    def buys(self, amount: int, short: bool, step: int | None) -> None:
        paying = self.do(lambda service: service.buy(Money(amount), short=short), step)
        for payment in [*self.till.show().waiting, *([paying.payment] if paying else [])]:
            if payment.id not in {one.id for one in self.ours}:
                self.ours.append(payment)
        self.know()
        if paying is not None and paying.url is not None and paying.payment.page.startswith("plink_"):
            self.pages.setdefault(paying.payment.page, Paid(amount))

    @rule(amount=AMOUNTS)
    def buys_and_hears_nothing(self, amount: int) -> None:
        with suppress(Unreachable):
            self.till.again(provider=lost(self.bench.provider, "start_purchase")).buy(amount)
        self.buys(amount, False, 1)

    @rule(which=ANY, step=STEPS)
    def looks(self, which: int, step: int | None) -> None:
        if self.ours:
            payment = self.ours[which % len(self.ours)]
            self.do(lambda service: service.look(payment.id), step)

    @rule(which=ANY, step=STEPS)
    def withdraws(self, which: int, step: int | None) -> None:
        if self.ours:
            payment = self.ours[which % len(self.ours)]
            self.do(lambda service: service.withdraw(payment.id), step)

    @rule(step=STEPS)
    def begins_again(self, step: int | None) -> None:
        self.do(lambda service: service.reconcile(), step)

    @rule(cents=st.integers(1, 2_000))
    def spends(self, cents: int) -> None:
        # Exact in dollars too, at 3.2.
        amount = Decimal(cents * 32) / 1_000
        self.till.spend(str(amount), f"call-{next(self.calls)}")
        self.spent += amount

    # Payers and banks.

    @rule(which=ANY)
    def pays(self, which: int) -> None:
        self._pay(which, self.bench.pay, "paid")

    @rule(which=ANY)
    def pays_slowly(self, which: int) -> None:
        self._pay(which, self.bench.pay_slowly, "slow")

    @rule(which=ANY)
    def is_declined(self, which: int) -> None:
        self._pay(which, self.bench.decline, "open")

    def _pay(self, which: int, how: Callable[[Any], None], state: str) -> None:
        if (found := self.page(which, "open")) is None:
            return
        id, money = found
        page = self.bench.provider.checkout(id)
        if page.status is not CheckoutStatus.OPEN:
            money.state = "closed"
            return
        how(page)
        money.state = state
        if page.id.startswith("plink_") and state != "open":
            # From now on it is the visit that money is known by.
            visit = self.bench.provider.checkout(id).id
            self.pages[visit] = self.pages.pop(id)
        elif page.id.startswith("plink_"):
            money.state = "open"

    @rule(which=ANY, amount=AMOUNTS)
    def pays_elsewhere(self, which: int, amount: int) -> None:
        """On a page for the same order that is not ours: of another sum it is no credits, whatever becomes of it."""
        if self.ours and wait(self.till.platform.billing.books()).customer:
            payment = self.ours[which % len(self.ours)]
            order = self.till.order(payment, amount=Money(amount))
            page = self.bench.provider.start_purchase(order, key=f"elsewhere-{next(self.calls)}")
            self.bench.pay(page)
            self.pages[page.id] = Paid(amount, "paid" if payment.amount == page.amount else "wrong")

    @rule(which=ANY, succeeds=st.booleans())
    def it_arrives(self, which: int, succeeds: bool) -> None:
        if (found := self.page(which, "slow")) is not None:
            id, money = found
            page = self.bench.provider.checkout(id)
            if page.status is CheckoutStatus.PROCESSING:
                self.bench.arrive(page, succeeds=succeeds)
                money.state = "paid" if succeeds else "failed"
            else:
                # Time decided.
                money.state = "paid" if page.status is CheckoutStatus.PAID else "failed"

    @rule(which=ANY, cents=st.integers(1, 900))
    def gets_some_back(self, which: int, cents: int) -> None:
        found = self.page(which, "paid", "wrong")
        if found is not None and not found[1].disputed and found[1].left >= cents:
            refund = self.bench.refund(self._payment(found[0]), Money(cents))
            found[1].goes_back(refund, cents, self.bench.now())

    @rule(which=ANY)
    def does_not_get_it_after_all(self, which: int) -> None:
        found = self.page(which, "paid", "wrong")
        if found is not None and not found[1].disputed and found[1].back:
            refund = list(found[1].back)[-1]
            if self.bench.now() - found[1].since[refund] <= REFUND_FAILS:
                del found[1].back[refund]
                self.bench.fail_refund(refund)

    @rule(which=ANY)
    def disputes(self, which: int) -> None:
        if (found := self.page(which, "paid", "wrong")) is not None and not found[1].disputed:
            found[1].disputed = True
            found[1].goes_back(self.bench.dispute(self._payment(found[0])), found[1].amount, self.bench.now())

    @rule(which=ANY, won=st.booleans())
    def the_dispute_ends(self, which: int, won: bool) -> None:
        begun = self.bench.now() - DISPUTE_ENDS
        disputed = [one for one in self.pages.values() if one.disputed]
        open_ones = [(one, id) for one in disputed for id in one.back if is_dispute(id) and one.since[id] >= begun]
        if open_ones:
            money, dispute = open_ones[which % len(open_ones)]
            self.bench.close_dispute(dispute, won=won)
            if won:
                del money.back[dispute]
            else:
                money.back[f"lost {dispute}"] = money.back.pop(dispute)

    def _payment(self, page: str) -> str:
        return str(self.bench.provider.checkout(page).payment)

    # Time, and what the provider tells by itself.

    @rule(hours=HOURS)
    def time_passes(self, hours: float) -> None:
        self.till.reconcile()
        self.bench.advance(hours=hours)
        for id, money in list(self.pages.items()):
            if (
                money.state == "slow"
                and (now := self.bench.provider.checkout(id).status) is not CheckoutStatus.PROCESSING
            ):
                money.state = "paid" if now is CheckoutStatus.PAID else "failed"

    @rule(which=st.lists(ANY, max_size=6))
    def is_told(self, which: list[int]) -> None:
        """Some of what happened, in any order, and again."""
        events: list[Event] = list(self.bench.provider.events(since=self.bench.now().replace(year=2025)))
        for place in which:
            if events:
                self.till.take(events[place % len(events)])

    # What must be so.

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """The ledger adds up, and holds no more than was paid."""
        granted = sorted(self.till.grants())
        paid = sorted(Decimal(one.amount) / 100 for one in self.pages.values() if one.state == "paid")
        for amount in set(granted):
            assert granted.count(amount) <= paid.count(amount)

    def check(self) -> None:
        """Once compared, all of it is there."""
        self.till.reconcile()
        expected = Decimal(sum(one.here for one in self.pages.values())) / 100 - self.spent
        assert self.till.balance() == expected
        assert len(self.till.grants()) == len([one for one in self.pages.values() if one.state == "paid"])
        before = self.till.rows()
        done = self.till.reconcile()
        assert (done.paid, done.ended, done.reversals, done.unknown) == ((), (), 0, ())
        assert self.till.rows() == before
        for payment in self.till.show().payments:
            assert not payment.withdrawn or payment.status is not PaymentStatus.OPEN
        assert wait(self.till.store.audit.verify()).problem is None

    @precondition(lambda self: self.ours)
    @rule()
    def all_is_well(self) -> None:
        self.check()

    def teardown(self) -> None:
        self.check()
        self.till.close()


def is_dispute(id: str) -> bool:
    return id.startswith(("du_", "demo_dispute"))


def run(bench: Callable[[], Bench], templates: Path, memory: Path, runs: int, steps: int) -> None:
    """So many histories of at most so many steps, each from an organization of its own."""
    number = count()

    def machine() -> MoneyMachine:
        directory = memory / str(next(number))
        directory.mkdir()
        shutil.rmtree(memory / str(int(directory.name) - 1), ignore_errors=True)
        found_acme(templates, directory / "acme.db")
        return MoneyMachine(bench(), directory / "acme.db")

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )


def test_the_balance_is_what_was_paid_and_did_not_go_back(templates: Path, memory: Path) -> None:
    run(DemoBench, templates, memory, 12, 20)


@pytest.mark.soak
def test_the_balance_is_that_a_thousand_times(templates: Path, memory: Path) -> None:
    run(DemoBench, templates, memory, 1_000, 50)


@pytest.mark.soak
def test_the_balance_is_that_with_stripe(request: pytest.FixtureRequest, templates: Path, memory: Path) -> None:
    fake, billing = request.getfixturevalue("fake"), request.getfixturevalue("opened_billing")

    def bench() -> Bench:
        fake.reset()
        billing.setup(key="setup", dry_run=False)
        return StripeBench(billing, fake)

    run(bench, templates, memory, 200, 40)
