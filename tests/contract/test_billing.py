"""Billing's books: orders that wait, payments that go forward only, a ledger that takes each thing once."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui.domain.attention import Attention
from orgtui.domain.credits import EntryKind
from orgtui.domain.errors import Conflict, Forbidden, Invalid, NotFound
from orgtui.domain.money import Money
from orgtui.domain.roles import PLATFORM
from orgtui.domain.subscriptions import Card, Owing, Scheduled, SubscriptionStatus
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract import Store
from orgtui.store.contract.billing import (
    BillingPage,
    NewCredit,
    NewPayment,
    Payment,
    PaymentStatus,
    Reversal,
    Settlement,
)
from orgtui.store.contract.usage import UsageBatch
from tests.contract.arguments import CUSTOMER, keep, settlement, subscription
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, Founder, join, wait

PAID, OPEN, EXPIRED = PaymentStatus.PAID, PaymentStatus.OPEN, PaymentStatus.EXPIRED
PROCESSING, FAILED = PaymentStatus.PROCESSING, PaymentStatus.FAILED


@pytest.fixture
def platform(backend: Backend) -> Store:
    return backend.open(PLATFORM)


def page(store: Store) -> BillingPage:
    return wait(store.billing.show())


def ordered(store: Store, cents: int = 1_000, **more: Any) -> Payment:
    return wait(store.billing.order(NewPayment(mode="test", amount=Money(cents), **more)))


def settled(platform: Store, payment: Payment, status: PaymentStatus, number: int = 1, **more: Any) -> Payment:
    return wait(platform.billing.settle(payment.id, settlement(status, payment.amount.minor, number, **more)))


def balance(store: Store) -> Decimal:
    """The last entry's, which is the sum of them all."""
    found = wait(store.billing.ledger(limit=1_000))
    assert sum(entry.amount.amount for entry in found.entries) == found.balance.amount
    sums = Decimal(0)
    for entry in reversed(found.entries):
        sums += entry.amount.amount
        assert entry.balance.amount == sums
    assert page(store).credits.balance == found.balance
    return found.balance.amount


def spent(amount: str, id: str = "1", at: datetime | None = None, funding: Funding = Funding.CREDITS) -> UsageBatch:
    """A call that costs so much in credits, at the rate of 3.2."""
    return UsageBatch(
        calls=(
            Call(
                source="litellm",
                id=id,
                at=at or datetime(2026, 11, 23, 9, tzinfo=UTC),
                model="gpt-4o",
                billed=Decimal(amount) / Decimal("3.2"),
                funding=funding,
            ),
        )
    )


# Ordering.


def test_a_new_organization_has_a_plan_and_no_books(store: Store) -> None:
    found = page(store)
    assert (found.plan, found.mode, found.subscription, found.payments, found.waiting) == ("free", None, None, [], [])
    assert (found.runs.used, found.runs.limit) == (0, 100)
    assert (found.runs.start, found.runs.end) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert str(found.credits.balance) == "€0.00"
    assert (found.credits.daily, found.credits.days_left, found.attention) == (None, None, ())


def test_an_order_waits_for_an_hour_and_is_the_only_one_of_its_amount(backend: Backend, store: Store) -> None:
    first = ordered(store, 2_500, short=True)
    assert (first.status, first.package, first.short) == (PaymentStatus.CREATING, "popular", True)
    assert first.expires - first.created == timedelta(hours=1)
    before = everything(backend)
    assert ordered(store, 2_500) == first
    assert everything(backend) == before
    assert ordered(store, 1_234).package == "custom"
    assert {one.amount.minor for one in page(store).waiting} == {2_500, 1_234}


def test_a_plan_waits_alone(backend: Backend, store: Store) -> None:
    pro = wait(store.billing.order(NewPayment(mode="test", plan="pro")))
    assert (pro.kind, pro.amount, pro.plan) == ("plan", Money(4_900), "pro")
    assert wait(store.billing.order(NewPayment(mode="test", plan="pro"))).id == pro.id
    with pytest.raises(Conflict, match="The payment for Pro waits; cancel it"):
        wait(store.billing.order(NewPayment(mode="test", plan="starter")))
    wait(store.billing.withdraw(pro.id))
    assert wait(store.billing.order(NewPayment(mode="test", plan="starter"))).plan == "starter"
    assert page(store).payments == []


def test_no_second_subscription_is_begun(store: Store, platform: Store) -> None:
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    wait(keep(platform, subscription(status=SubscriptionStatus.UNPAID)))
    with pytest.raises(Conflict, match="running already"):
        wait(store.billing.order(NewPayment(mode="test", plan="pro")))
    wait(keep(platform, subscription(status=SubscriptionStatus.CANCELED)))
    assert wait(store.billing.order(NewPayment(mode="test", plan="pro"))).plan == "pro"


def test_admins_look_and_do_not_order(backend: Backend, store: Store, platform: Store) -> None:
    wait(join(store, ADMIN, "Grace Hopper"))
    payment, admin = ordered(store), backend.open(ADMIN)
    assert wait(admin.billing.show()).waiting == [payment]
    for asked in (
        admin.billing.order(NewPayment(mode="test", amount=Money(1_000))),
        admin.billing.withdraw(payment.id),
        store.billing.settle(payment.id, settlement(PAID, 1_000)),
        store.billing.credit(NewCredit(kind="grant", amount=Money(100_000), ref="me", text="")),
    ):
        with pytest.raises(Forbidden):
            wait(asked)


# Settling.


def test_a_paid_order_is_credits_once(backend: Backend, store: Store, platform: Store) -> None:
    payment = ordered(store)
    paid = settled(platform, payment, PAID)
    assert (paid.status, paid.receipt, paid.page) == (PAID, "R-1", None)
    before = everything(backend)
    for _ in range(3):
        assert settled(platform, payment, PAID) == paid
    assert everything(backend) == before
    assert balance(store) == 10
    (entry,) = wait(store.billing.ledger()).entries
    assert (entry.kind, entry.ref, entry.text, entry.payment) == (
        EntryKind.PURCHASE, "payment:pi_1", "Standard package", payment.id,
    )  # fmt: skip


def test_an_order_paid_on_two_pages_is_credits_twice_for_so_much_was_paid(store: Store, platform: Store) -> None:
    payment = ordered(store)
    settled(platform, payment, PAID, 1)
    settled(platform, payment, PAID, 2)
    assert balance(store) == 20


@pytest.mark.parametrize("amount", [Money(999), Money(1_001), Money(1_000, "USD")])
def test_another_sum_than_ordered_is_no_credits_and_told(store: Store, platform: Store, amount: Money) -> None:
    payment = ordered(store)
    told = replace(settlement(PAID, 1_000), amount=amount)
    found = wait(platform.billing.settle(payment.id, told))
    assert found.status is PaymentStatus.MISMATCH
    assert f"{amount} was paid, and €10.00 was ordered" in (found.trouble or "")
    assert balance(store) == 0
    assert settled(platform, payment, OPEN).status is PaymentStatus.MISMATCH
    # The right sum came after all, on another page.
    assert settled(platform, payment, PAID, 2).status is PAID
    assert balance(store) == 10
    assert wait(platform.billing.settle(payment.id, told)).status is PAID


LAST = {
    # What is said of a payment's own page in turn, and how it stands then.
    (OPEN,): OPEN,
    (OPEN, PROCESSING): PROCESSING,
    (OPEN, PROCESSING, OPEN): PROCESSING,
    (PROCESSING, FAILED): FAILED,
    (PROCESSING, PAID): PAID,
    (OPEN, EXPIRED): EXPIRED,
    (EXPIRED, OPEN): EXPIRED,
    (EXPIRED, PROCESSING): PROCESSING,
    (EXPIRED, PAID): PAID,
    (FAILED, PAID): PAID,
    (PAID, OPEN): PAID,
    (PAID, EXPIRED): PAID,
    (PAID, FAILED): PAID,
    (PAID, PROCESSING): PAID,
}


@pytest.mark.parametrize("told", LAST, ids=lambda told: "-".join(status.value for status in told))
def test_payments_go_forward_only(store: Store, platform: Store, told: tuple[PaymentStatus, ...]) -> None:
    payment = ordered(store)
    wait(platform.billing.opened(payment.id, "cs_1"))
    for status in told:
        found = settled(platform, payment, status)
    assert found.status is LAST[told]
    assert balance(store) == (10 if PAID in told else 0)


def test_of_another_page_only_money_counts(store: Store, platform: Store) -> None:
    payment = ordered(store)
    wait(platform.billing.opened(payment.id, "plink_1"))
    settled(platform, payment, OPEN, page="plink_1")
    for status in (EXPIRED, FAILED, OPEN):
        assert settled(platform, payment, status, page="cs_9", trouble="x").status is OPEN
    assert settled(platform, payment, PROCESSING, page="cs_9").status is PROCESSING
    assert wait(platform.billing.opened(payment.id, "plink_2")).page == "plink_1"


def test_a_declined_card_leaves_it_open_and_told(store: Store, platform: Store) -> None:
    payment = ordered(store)
    found = settled(platform, payment, OPEN, trouble="Your card was declined.\x1b[2J")
    assert (found.status, found.trouble) == (OPEN, "Your card was declined.\ufffd[2J")


def test_withdrawn_and_closed_it_is_cancelled_but_money_is_money(store: Store, platform: Store) -> None:
    payment = ordered(store)
    assert wait(store.billing.withdraw(payment.id)).withdrawn
    assert ordered(store).id != payment.id
    assert settled(platform, payment, EXPIRED).status is PaymentStatus.CANCELLED
    assert settled(platform, payment, PAID).status is PAID
    assert balance(store) == 10
    with pytest.raises(Conflict, match="has arrived"):
        wait(store.billing.withdraw(payment.id))


def test_what_is_on_its_way_cannot_be_withdrawn(store: Store, platform: Store) -> None:
    payment = ordered(store)
    settled(platform, payment, PROCESSING)
    with pytest.raises(Conflict, match="on its way"):
        wait(store.billing.withdraw(payment.id))


def test_the_first_month_of_a_plan_is_no_credits(store: Store, platform: Store) -> None:
    payment = wait(store.billing.order(NewPayment(mode="test", plan="pro")))
    assert settled(platform, payment, PAID).status is PAID
    assert balance(store) == 0
    assert page(store).payments == []
    assert wait(platform.billing.reverse(back(payment, "refund", 100))) is None


# Money that goes back.


def back(
    payment: Payment,
    kind: Literal["refund", "dispute"],
    cents: int,
    *,
    taken: bool = True,
    id: str = "1",
    money: int = 1,
) -> Reversal:
    """Of what `settled` with this number."""
    amount = Money(cents)
    return Reversal(kind=kind, id=f"{kind}_{id}", payment=payment.id, money=f"pi_{money}", amount=amount, taken=taken)


def test_refunds_in_parts_are_each_taken_once(store: Store, platform: Store) -> None:
    payment = ordered(store)
    settled(platform, payment, PAID)
    for _ in range(2):
        wait(platform.billing.reverse(back(payment, "refund", 400)))
    (found,) = page(store).payments
    assert (found.status, found.refunded, balance(store)) == (PaymentStatus.PARTLY_REFUNDED, Money(400), 6)
    wait(platform.billing.reverse(back(payment, "refund", 600, id="2")))
    (found,) = page(store).payments
    assert (found.status, found.refunded, balance(store)) == (PaymentStatus.REFUNDED, Money(1_000), 0)


def test_a_refund_that_fails_is_given_again_once(store: Store, platform: Store) -> None:
    payment = ordered(store)
    settled(platform, payment, PAID)
    assert wait(platform.billing.reverse(back(payment, "refund", 400, taken=False))) is None
    wait(platform.billing.reverse(back(payment, "refund", 400)))
    for _ in range(2):
        wait(platform.billing.reverse(back(payment, "refund", 400, taken=False)))
    (found,) = page(store).payments
    assert (found.status, balance(store)) == (PAID, 10)


def test_a_dispute_may_leave_a_debt_and_says_so(store: Store, platform: Store) -> None:
    payment = ordered(store)
    settled(platform, payment, PAID)
    wait(platform.usage.record(spent("8")))
    wait(platform.billing.reverse(back(payment, "dispute", 1_000)))
    assert balance(store) == -8
    assert page(store).payments[0].status is PaymentStatus.DISPUTED
    assert page(store).attention == (Attention.CREDITS_OVERDRAWN,)
    assert wait(store.general.overview()).attention == (Attention.CREDITS_OVERDRAWN,)
    wait(platform.billing.reverse(back(payment, "dispute", 1_000, taken=False)))
    assert (page(store).payments[0].status, balance(store)) == (PAID, 2)


def test_money_that_gave_no_credits_takes_none(backend: Backend, store: Store, platform: Store) -> None:
    """Told before it came, of another sum than was ordered, or of another page than the one that was paid."""
    payment, other = ordered(store), ordered(store, 2_500)
    settled(platform, other, PAID, 3)
    wait(platform.billing.settle(payment.id, settlement(PAID, 999, 2)))
    before = everything(backend)
    for number in (1, 2, 4):
        with pytest.raises(NotFound, match="gave no credits"):
            wait(platform.billing.reverse(back(payment, "refund", 400, money=number)))
    assert everything(backend) == before
    settled(platform, payment, PAID)
    with pytest.raises(NotFound, match="gave no credits"):
        wait(platform.billing.reverse(back(payment, "refund", 400, money=2)))
    wait(platform.billing.reverse(back(payment, "refund", 1_000)))
    assert (wait(store.billing.payment(payment.id)).status, balance(store)) == (PaymentStatus.REFUNDED, 25)


def test_an_order_that_was_paid_on_two_pages_keeps_its_receipt(backend: Backend, store: Store, platform: Store) -> None:
    payment = ordered(store)
    for number in (1, 2):
        settled(platform, payment, PAID, number)
    before = everything(backend)
    for number in (1, 2):
        assert settled(platform, payment, PAID, number).receipt == "R-1"
    assert (everything(backend), balance(store)) == (before, 20)


# The ledger.


def test_calls_are_taken_from_the_credits_in_their_own_transaction(store: Store, platform: Store) -> None:
    wait(platform.billing.credit(NewCredit(kind="grant", amount=Money(1_000), ref="welcome", text="Welcome")))
    for _ in range(2):
        wait(platform.usage.record(spent("2.50000000000000000001")))
    wait(platform.usage.record(spent("1", id="own", funding=Funding.OWN_KEY)))
    assert balance(store) == Decimal("7.49999999999999999999")
    entries = wait(store.billing.ledger()).entries
    assert [(entry.kind, entry.text) for entry in entries] == [
        (EntryKind.CONSUMPTION, "1 model call"),
        (EntryKind.GRANT, "Welcome"),
    ]
    spending = wait(store.usage.month("2026-11")).figures.ai_credits_used
    assert spending is not None
    assert spending.amount == -entries[0].amount.amount


def test_a_batch_that_is_refused_takes_nothing(backend: Backend, store: Store, platform: Store) -> None:
    with pytest.raises(Invalid):
        wait(platform.usage.record(UsageBatch(calls=spent("1").calls * 5_001)))
    assert balance(store) == 0


def test_a_grant_is_there_once_and_a_correction_may_take(store: Store, platform: Store) -> None:
    for _ in range(2):
        made = wait(platform.billing.credit(NewCredit(kind="grant", amount=Money(500), ref="w", text="A\nB")))
        assert (made.ref, made.text) == ("grant:w", "A\ufffdB")
    wait(platform.billing.credit(NewCredit(kind="adjustment", amount=Money(-200), ref="w", text="")))
    assert balance(store) == 3


def test_the_card_tells_what_was_used_since_credits_came_in(backend: Backend, store: Store, platform: Store) -> None:
    first, second = ordered(store, 2_500), ordered(store, 5_000)
    settled(platform, first, PAID, 1)
    wait(platform.usage.record(spent("5", id="1")))
    settled(platform, second, PAID, 2)
    wait(platform.usage.record(spent("14", id="2", at=datetime(2026, 11, 20, tzinfo=UTC))))
    wait(platform.billing.reverse(back(first, "refund", 1_000)))
    found = page(store).credits
    assert [str(each) for each in (found.balance, found.pool, found.used)] == ["€46.00", "€60.00", "€14.00"]
    # The first call was of today, which is not over.
    assert (str(found.daily), found.days_left) == ("€2.00", 23)


def test_pages_of_the_history_and_of_the_ledger_follow_each_other(
    backend: Backend, store: Store, platform: Store
) -> None:
    ids = []
    for cents in range(1_000, 1_700, 100):
        payment = ordered(store, cents)
        settled(platform, payment, PAID, cents)
        ids.append(payment.id)
        backend.clock.now += timedelta(minutes=cents % 200)
    seen, before = list[str](), None
    while True:
        part = wait(store.billing.payments(before=before, limit=3))
        seen += [payment.id for payment in part.payments]
        assert part.total == 7
        if (before := part.next) is None:
            break
    assert sorted(seen) == sorted(ids)
    assert seen == [payment.id for payment in page(store).payments]
    entries = wait(store.billing.ledger(limit=5))
    assert (entries.total, entries.next) == (7, 3)
    assert [entry.seq for entry in wait(store.billing.ledger(before=3, limit=5)).entries] == [2, 1]
    for limit in (0, 1_001):
        with pytest.raises(Invalid):
            wait(store.billing.payments(limit=limit))
    with pytest.raises(NotFound):
        wait(store.billing.payments(before="pay_none"))


# Money in and out of three payments as it is told: kind, number, whether it is taken.
FACT = st.one_of(
    st.tuples(st.just("pay"), st.integers(0, 2), st.just(True)),
    st.tuples(st.just("refund"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("spend"), st.integers(0, 5), st.just(True)),
)


def _tell(platform: Store, payments: list[Payment], fact: tuple[str, int, bool], paid: set[int]) -> None:
    kind, number, taken = fact
    if kind == "pay":
        settled(platform, payments[number], PAID, number)
        paid.add(number)
    elif kind == "refund":
        reversal = back(payments[number], "refund", 300, taken=taken, id=str(number), money=number)
        with nullcontext() if number in paid else pytest.raises(NotFound):
            wait(platform.billing.reverse(reversal))
    else:
        wait(platform.usage.record(spent(f"0.{number}7", id=str(number))))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(FACT, max_size=12))
def test_the_balance_is_the_sum_of_what_happened_however_often_it_is_told(
    founded: Founder, told: list[tuple[str, int, bool]]
) -> None:
    backend = founded()
    store, platform = backend.open(), backend.open(PLATFORM)
    payments = [ordered(store, cents) for cents in (1_000, 1_100, 1_200)]
    paid = set[int]()
    for fact in told:
        _tell(platform, payments, fact, paid)
    expected = sum((payments[number].amount.major() for number in paid), Decimal(0))
    for number in paid:
        # What came back counts only once it was taken, and then for good.
        since = told[told.index(("pay", number, True)) :]
        moves = [taken for kind, which, taken in since if kind == "refund" and which == number]
        if True in moves and False not in moves[moves.index(True) :]:
            expected -= 3
    expected -= sum(Decimal(f"0.{number}7") for number in {number for kind, number, _ in told if kind == "spend"})
    assert balance(store) == expected


# The plan.


def test_the_plan_follows_the_subscription(backend: Backend, store: Store, platform: Store) -> None:
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    whole = subscription(
        cancel_at_period_end=True,
        scheduled=Scheduled("starter", Money(2_900), datetime(2026, 12, 1, tzinfo=UTC)),
        card=Card("Visa", "4242", (2028, 12)),
        # Where it is paid is read again each time, and is no news.
        owing=Owing(Money(4_900), "https://pay.example/secret", 2, datetime(2026, 11, 25, tzinfo=UTC)),
        others=("sub_2", "sub_3"),
    )
    wait(keep(platform, whole))
    found = page(store)
    assert (found.plan, found.subscription, found.read, found.mode) == ("pro", whole, backend.clock.now, "test")
    before = everything(backend)
    backend.clock.now += timedelta(minutes=1)
    wait(keep(platform, whole))
    assert everything(backend)["audit"] == before["audit"]
    assert page(store).read == backend.clock.now
    wait(keep(platform, None))
    assert (page(store).plan, page(store).subscription) == ("free", None)


GRANTS = {
    SubscriptionStatus.TRIALING: ("pro", ()),
    SubscriptionStatus.ACTIVE: ("pro", ()),
    SubscriptionStatus.PAST_DUE: ("pro", (Attention.PAST_DUE,)),
    SubscriptionStatus.INCOMPLETE: ("free", (Attention.INCOMPLETE,)),
    SubscriptionStatus.INCOMPLETE_EXPIRED: ("free", ()),
    SubscriptionStatus.UNPAID: ("free", (Attention.UNPAID,)),
    SubscriptionStatus.PAUSED: ("free", (Attention.PAUSED,)),
    SubscriptionStatus.CANCELED: ("free", ()),
}


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_each_of_the_eight_states_grants_what_it_grants(
    store: Store, platform: Store, status: SubscriptionStatus
) -> None:
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    wait(keep(platform, subscription(status=status)))
    assert (page(store).plan, page(store).attention) == GRANTS[status]


def test_a_product_that_is_not_ours_changes_no_plan(store: Store, platform: Store) -> None:
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    wait(keep(platform, subscription()))
    wait(keep(platform, replace(subscription(), plan=None)))
    assert page(store).plan == "pro"


def test_an_answer_that_another_overtook_is_not_kept(backend: Backend, store: Store, platform: Store) -> None:
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    read = wait(platform.billing.books()).read
    assert read is None
    wait(keep(platform, subscription()))
    assert wait(platform.billing.books()).read == page(store).read == backend.clock.now
    backend.clock.now += timedelta(microseconds=1)
    before = everything(backend)
    for older in (subscription(status=SubscriptionStatus.PAST_DUE), None):
        assert not wait(platform.billing.keep_subscription(older, read))
    assert everything(backend) == before
    wait(keep(platform, None))
    assert not wait(platform.billing.keep_subscription(subscription(), backend.clock.now))
    assert (page(store).plan, page(store).subscription) == ("free", None)


def test_runs_are_counted_by_the_billing_cycle_to_the_second(founded: Founder) -> None:
    backend = founded("Europe/Berlin")
    store, platform = backend.open(), backend.open(PLATFORM)
    start, end = datetime(2026, 10, 23, 10, 30, tzinfo=UTC), datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    backend.clock.now = end - timedelta(seconds=1)
    moments = [start - timedelta(seconds=1), start, start + timedelta(days=9), end - timedelta(seconds=1), end]
    runs = [
        Run(source="n8n", id=str(number), status=status, mode=mode, started_at=moment)
        for number, moment in enumerate(moments)
        for status, mode in (("success", "webhook"),)
    ]
    runs.append(Run(source="n8n", id="e", status="error", mode="webhook", started_at=start))
    runs.append(Run(source="n8n", id="m", status="success", mode="manual", started_at=start))
    wait(platform.usage.record(UsageBatch(runs=tuple(runs))))
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    wait(keep(platform, replace(subscription(), start=start, end=end)))
    found = page(store).runs
    assert (found.used, found.limit, found.start, found.end) == (4, 10_000, start, end)
    # Nobody has read it again since it was renewed: the next cycle has begun all the same.
    backend.clock.now = end
    found = page(store).runs
    assert (found.used, found.start, found.end) == (1, end, datetime(2026, 12, 23, 10, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("runs", "wanted"),
    [
        (79, ()),
        (80, (Attention.RUNS_NEARLY_USED_UP,)),
        (99, (Attention.RUNS_NEARLY_USED_UP,)),
        (100, (Attention.RUNS_USED_UP,)),
    ],
)
def test_runs_that_run_out_want_attention(
    store: Store, platform: Store, runs: int, wanted: tuple[Attention, ...]
) -> None:
    started = datetime(2026, 11, 2, tzinfo=UTC)
    batch = [
        Run(source="n8n", id=str(number), status="success", mode="webhook", started_at=started)
        for number in range(runs)
    ]
    wait(platform.usage.record(UsageBatch(runs=tuple(batch))))
    assert page(store).attention == wanted


@pytest.mark.parametrize(
    ("cents", "wanted"),
    [
        (1_000, ()),
        (999, (Attention.CREDITS_LOW,)),
        (0, (Attention.CREDITS_EMPTY,)),
        (-1, (Attention.CREDITS_OVERDRAWN,)),
    ],
)
def test_credits_that_run_out_want_attention(
    store: Store, platform: Store, cents: int, wanted: tuple[Attention, ...]
) -> None:
    wait(platform.billing.credit(NewCredit(kind="grant", amount=Money(2_000), ref="w", text="")))
    wait(platform.billing.credit(NewCredit(kind="adjustment", amount=Money(cents - 2_000), ref="a", text="")))
    assert page(store).attention == wanted


# Real money and other money.


def test_money_of_two_modes_never_stands_in_one_book(store: Store, platform: Store) -> None:
    wait(platform.billing.keep_customer("cus_test", "test"))
    payment = ordered(store)
    # Only tried so far: the books may still become real.
    wait(platform.billing.keep_customer("cus_live", "live"))
    assert wait(store.billing.payment(payment.id)).status is EXPIRED
    assert page(store).mode == "live"
    real = wait(store.billing.order(NewPayment(mode="live", amount=Money(1_000))))
    settled(platform, real, PAID)
    for asked in (
        platform.billing.keep_customer("cus_test", "test"),
        store.billing.order(NewPayment(mode="test", amount=Money(1_000))),
    ):
        with pytest.raises(Conflict, match="live mode"):
            wait(asked)


def test_a_subscription_of_another_customer_is_not_ours(store: Store, platform: Store) -> None:
    with pytest.raises(Conflict):
        wait(keep(platform, subscription()))


def test_what_is_told_of_a_settlement_holds_no_address(backend: Backend, store: Store, platform: Store) -> None:
    payment, url = ordered(store), "https://pay.stripe.com/receipts/secret"
    told = Settlement(status=PAID, amount=payment.amount, page="cs_1", payment="pi_1", receipt="R-1", receipt_url=url)
    assert url not in repr(told)
    wait(platform.billing.settle(payment.id, told))
    assert url not in repr(everything(backend)["audit"])
    assert wait(store.billing.payment(payment.id)).receipt_url == url


# Nothing of one organization can be reached from another: the store has one, so ids are all there is to try.


@pytest.mark.parametrize("id", ["pay_none", "", "' OR 1=1 --"])
def test_a_payment_that_is_none_is_not_found(store: Store, platform: Store, id: str) -> None:
    ordered(store)
    for asked in (
        store.billing.payment(id),
        store.billing.withdraw(id),
        platform.billing.opened(id, "cs_1"),
        platform.billing.settle(id, settlement(PAID, 1_000)),
    ):
        with pytest.raises(NotFound):
            wait(asked)
