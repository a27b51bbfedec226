"""The wrapper around operations: what breaks inside it leaves nothing, and nothing can be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orgtui.store.contract import CONTRACTS
from orgtui.store.contract.operation import Operation, idempotency_key, operations
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, implementation
from orgtui.store.sql.unit_of_work import UnitOfWork, Write
from tests.conftest import OWNER, Clock
from tests.contract.arguments import QUIET, VALID, doer, people
from tests.contract.backends import TABLES
from tests.contract.conftest import wait

EVERY = [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]
WRITES = [declared for declared in EVERY if declared.writes]


def named(declared: Operation) -> str:
    return declared.id


@pytest.fixture
def unit(acme: SqliteDatabase, clock: Clock) -> UnitOfWork:
    return acting(acme, clock, OWNER)


def acting(acme: SqliteDatabase, clock: Clock, actor: str) -> UnitOfWork:
    with acme.reading() as rows:
        organization = rows.value("SELECT id FROM organizations")
    return UnitOfWork(acme, organization, actor, clock.ambient())


def dump(database: SqliteDatabase) -> dict[str, Any]:
    with database.reading() as rows:
        return {table: rows.all(f"SELECT * FROM {table}") for table in TABLES}


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_every_operation_is_implemented_with_the_parameters_it_declares(declared: Operation) -> None:
    function = implementation(declared)
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    assert parameters[0] == "tx"
    assert parameters[1:] == tuple(declared.signature.parameters)
    assert function.__annotations__["tx"] == ("Write" if declared.writes else "Read")


@pytest.mark.parametrize("declared", WRITES, ids=named)
def test_a_write_that_breaks_after_its_work_leaves_nothing(
    acme: SqliteDatabase, store: SqlStore, clock: Clock, declared: Operation
) -> None:
    unit = acting(acme, clock, doer(declared))
    arguments = VALID[declared.id](wait(people(store.store, store.platform)))
    clock.now += timedelta(minutes=2)
    before = dump(acme)

    def broken(tx: Write, **arguments: Any) -> None:
        implementation(declared)(tx, **arguments)
        assert tx.changed is (declared.id not in QUIET)
        assert {table: tx.rows.all(f"SELECT * FROM {table}") for table in TABLES} != before
        raise RuntimeError("after the work")

    with idempotency_key("broken"), pytest.raises(RuntimeError, match="after the work"):
        unit.write(declared, broken, arguments)
    assert dump(acme) == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda tx: None, "without an audit row"),
        (lambda tx: (tx.audit("a"), tx.audit("b")), "ends twice"),
        (lambda tx: (tx.audit("a"), tx.unchanged()), "ends twice"),
    ],
)
def test_a_write_ends_with_one_word(
    acme: SqliteDatabase, unit: UnitOfWork, body: Callable[[Write], Any], words: str
) -> None:
    before = dump(acme)
    with pytest.raises(AssertionError, match=words):
        unit.write(WRITES[0], body, {})
    assert dump(acme) == before
