"""A store that is slow or failing on purpose: exactly the operations that are named, and exactly that late."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orgtui.cli.root import checked_faults
from orgtui.domain.errors import Forbidden, Invalid, Unreachable
from orgtui.store.contract import CONTRACTS
from orgtui.store.contract.operation import Operation, operations
from orgtui.store.faults import faulty, operation_ids
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.contract.arguments import VALID, people
from tests.contract.backends import TABLES
from tests.contract.conftest import wait

EVERY = [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]


def dump(database: SqliteDatabase) -> dict[str, Any]:
    with database.reading() as rows:
        return {table: rows.all(f"SELECT * FROM {table}") for table in TABLES}


def failing(declared: Operation) -> list[tuple[str, type[Exception]]]:
    return [
        (declared.id, Unreachable),
        (declared.section, Unreachable),
        (f"{declared.id}:forbidden", Forbidden),
        (f"{declared.section}:forbidden", Forbidden),
    ]


@pytest.mark.parametrize("declared", EVERY, ids=lambda declared: declared.id)
def test_an_operation_that_is_named_fails_and_changes_nothing(
    acme: SqliteDatabase, store: SqlStore, declared: Operation
) -> None:
    arguments = VALID[declared.id](wait(people(store.store, store.platform)))
    before = dump(acme)
    for name, error in failing(declared):
        broken = faulty(store.store, fail=checked_faults([name]))
        with pytest.raises(error, match="on purpose"):
            wait(getattr(getattr(broken, declared.section), declared.name)(**arguments))
    assert dump(acme) == before


def test_operations_that_are_not_named_answer(store: SqlStore) -> None:
    broken = faulty(store.store, fail=frozenset({"general.save", "team"}))
    assert wait(broken.general.show()) == wait(store.store.general.show())
    assert wait(broken.usage.month()) == wait(store.store.usage.month())
    assert broken.label == store.store.label


def test_every_answer_is_that_late(store: SqlStore) -> None:
    slow = faulty(store.store, slow=0.2)
    begun = time.monotonic()
    wait(slow.general.show())
    assert time.monotonic() - begun >= 0.2


def test_names_are_operations_or_sections(store: SqlStore) -> None:
    every = [*operation_ids(), *CONTRACTS, *(f"{name}:forbidden" for name in (*operation_ids(), *CONTRACTS))]
    assert checked_faults(every) == frozenset(every)
    for name in ("usage.nothing", "", "general.", "USAGE", "usage:late"):
        with pytest.raises(Invalid, match="There is no operation"):
            checked_faults([name])
