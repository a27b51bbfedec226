"""Credits are counted once and lost never, whoever pays, gives and spends at the same moment."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from functools import partial

import pytest

from orgtui.domain.money import Money
from orgtui.domain.usage import Call
from orgtui.store.contract import Store
from orgtui.store.contract.billing import NewCredit, NewPayment, PaymentStatus
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.sql.store import open_sql_store
from tests import rollups
from tests.conftest import OWNER, Clock
from tests.contract.arguments import CALL, CUSTOMER, settlement
from tests.contract.conftest import wait
from tests.store.races import Act, Ground, look, race

PROGRAMS = 8
CENTS = (1_000, 2_500)


def call(number: int) -> Call:
    """One of many, that costs what no other does."""
    return Call(
        source=CALL.source,
        id=str(number),
        at=CALL.at,
        model=CALL.model,
        total_tokens=number,
        billed=Decimal(number + 1).scaleb(-7),
    )


def plan(platform: Store, paid: list[str], number: int, chance: random.Random) -> list[Act]:
    """What one program means to do: it tells of payments and gifts of which all do, and of calls that overlap."""
    acts: list[Act] = [
        partial(platform.billing.settle, id, settlement(PaymentStatus.PAID, cents, number * 10 + place))
        for place, (id, cents) in enumerate(zip(paid, CENTS, strict=True))
    ]
    for place in range(3):
        gift = NewCredit(kind="grant", amount=Money(100 + place), ref=f"gift {number} {place}", text="A gift")
        acts.append(partial(platform.billing.credit, gift))
    for _ in range(6):
        first = number * 100 + chance.randrange(40)
        calls = tuple(map(call, range(first, first + 5)))
        acts.append(partial(platform.usage.record, UsageBatch(calls=calls)))
    chance.shuffle(acts)
    return acts


def check(ground: Ground) -> Counter[str]:
    """The ledger is a sum from row to row, and each call is in it once; answers how many entries are of each kind."""
    rows, balance = look(ground, "SELECT seq, amount, balance, ref FROM ledger ORDER BY seq"), Decimal(0)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    for _, amount, told, _ in rows:
        balance += Decimal(amount)
        assert Decimal(told) == balance
    rollups.check(partial(look, ground))
    spent = sum(Decimal(row[1]) for row in rows if row[3].startswith("calls:"))
    used = sum(Decimal(paid) for (paid,) in look(ground, "SELECT credits FROM calls"))
    assert spent == -used != 0
    return Counter(row[3].partition(":")[0] for row in rows)


def spend_at_once(ground: Ground, rounds: int, clock: Clock) -> None:
    opened = [open_sql_store(ground.database(), OWNER, clock.ambient()) for _ in range(PROGRAMS)]
    owner = opened[0].store
    wait(opened[0].platform.billing.keep_customer(CUSTOMER, "test"))
    for number in range(rounds):
        paid = [wait(owner.billing.order(NewPayment(mode="test", amount=Money(cents)))).id for cents in CENTS]
        chances = [random.Random(f"{number} {program}") for program in range(PROGRAMS)]
        acts = [plan(each.platform, paid, number, chance) for each, chance in zip(opened, chances, strict=True)]
        assert set(race(acts)) == {"done"}
        kinds = check(ground)
        assert (kinds["payment"], kinds["grant"]) == (len(CENTS) * (number + 1), 3 * (number + 1))
    assert wait(owner.audit.verify()).sound
    for each in opened:
        each.close()


def test_a_few_rounds_of_spending_add_up(ground: Ground, clock: Clock) -> None:
    spend_at_once(ground, 3, clock)


@pytest.mark.soak
def test_a_hundred_rounds_of_spending_add_up(ground: Ground, clock: Clock) -> None:
    spend_at_once(ground, 100, clock)


# The control: the same ledger, kept by whoever reads the balance first and writes it afterwards.


async def spend_naively(ground: Ground) -> None:
    """One more, on what it was."""
    with ground.plainly() as rows:
        balance = rows.value("SELECT description FROM organizations") or "0"
        rows.run("UPDATE organizations SET description = :new", new=str(int(balance) + 1))


def test_the_sum_would_be_lost_by_reading_first(ground: Ground) -> None:
    each = 20
    for _ in range(20):
        with ground.plainly() as rows:
            rows.run("UPDATE organizations SET description = '0'")
        race([[partial(spend_naively, ground)] * each for _ in range(PROGRAMS)])
        ((balance,),) = look(ground, "SELECT description FROM organizations")
        if int(balance) < PROGRAMS * each:
            return
    pytest.fail("Even reading first lost no credits: these races show nothing.")
