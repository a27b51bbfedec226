"""An owner is always there, whoever demotes, removes, leaves and transfers at the same moment."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.errors import Forbidden, LastOwner
from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from tests.conftest import Clock, copy_of_acme
from tests.contract.conftest import wait
from tests.store.races import Act, race, stores

OWNERS, PEOPLE = 3, 10
ACTS = {"demote": 55, "promote": 15, "transfer": 15, "remove": 5, "leave": 10}
# What somebody may be told who is late; above all not that the file is busy.
TOLD = {"done", "last_owner", "forbidden", "not_found", "invalid"}


def email(number: int) -> str:
    return f"{number}@acme.example"


def ids(number: int) -> str:
    return f"mem_{number}"


def gather(path: Path) -> None:
    """Everybody is there again: some owners, more admins."""
    with closing(sqlite3.connect(path)) as connection, connection:
        (organization,) = connection.execute("SELECT id FROM organizations").fetchone()
        connection.execute("DELETE FROM members")
        connection.executemany(
            "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, 0, NULL, 1)",
            [
                (organization, ids(n), email(n), email(n), f"Person {n}", "owner" if n < OWNERS else "admin")
                for n in range(PEOPLE)
            ],
        )


def look(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def owners(path: Path) -> int:
    ((count,),) = look(path, "SELECT count(*) FROM members WHERE role = 'owner'")
    return int(count)


def plan(team: Any, chance: random.Random, steps: int) -> list[Act]:
    """What one of them means to do; *team* is anything with the operations of Team."""
    acts: list[Act] = []
    for kind in chance.choices(list(ACTS), list(ACTS.values()), k=steps):
        other = chance.randrange(PEOPLE)
        methods: dict[str, Act] = {
            "demote": partial(team.set_role, ids(other), Role.ADMIN),
            "promote": partial(team.set_role, ids(other), Role.OWNER),
            "transfer": partial(team.transfer, ids(other), email(other)),
            "remove": partial(team.remove, ids(other)),
            "leave": team.leave,
        }
        acts.append(methods[kind])
    return acts


def replay(path: Path, after: int) -> None:
    """Every state there was, from the audit rows: in each there is an owner, and the last is the table's."""
    roles = {ids(number): "owner" if number < OWNERS else "admin" for number in range(PEOPLE)}
    rows = look(path, f"SELECT operation, subject, after FROM audit WHERE seq > {after} ORDER BY seq")
    for operation, subject, told in rows:
        if operation == "team.set_role":
            roles[subject] = json.loads(told)["role"]
        elif operation == "team.transfer":
            roles |= {f"mem_{address.partition('@')[0]}": role for address, role in json.loads(told).items()}
        else:
            assert operation in ("team.remove", "team.leave")
            del roles[subject]
        assert "owner" in roles.values()
    assert roles == dict(look(path, "SELECT id, role FROM members"))


def race_for_ownership(path: Path, rounds: int, transactions: int, clock: Clock) -> Counter[str]:
    """So many transactions in each round; answers what all of them were told."""
    told = Counter[str]()
    gather(path)
    with stores(path, [email(number) for number in range(PEOPLE)], clock.ambient()) as opened:
        for number in range(rounds):
            gather(path)
            ((rows,),) = look(path, "SELECT max(seq) FROM audit")
            chances = [random.Random(f"{number} {person}") for person in range(PEOPLE)]
            steps = transactions // PEOPLE
            acts = [plan(store.team, chance, steps) for store, chance in zip(opened, chances, strict=True)]
            outcomes = race(acts)
            assert len(outcomes) == transactions
            assert owners(path) >= 1
            replay(path, rows)
            told.update(outcomes)
        assert wait(survivor(path, opened).audit.verify()).sound
    assert set(told) <= TOLD
    return told


def survivor(path: Path, opened: list[Store]) -> Store:
    """The store of somebody who is still there."""
    ((id_,), *_) = look(path, "SELECT id FROM members WHERE role = 'owner'")
    return opened[int(id_.removeprefix("mem_"))]


@pytest.fixture
def path(memory: Path, templates: Path, clock: Clock) -> Path:
    """Acme."""
    copy_of_acme(templates, memory / "acme.db", clock)
    return memory / "acme.db"


def test_a_few_races_leave_an_owner(path: Path, clock: Clock) -> None:
    told = race_for_ownership(path, 4, 200, clock)
    assert told["last_owner"]
    assert told["done"] > 40


@pytest.mark.soak
def test_fifty_races_of_two_hundred_leave_an_owner(tmp_path: Path, templates: Path, clock: Clock) -> None:
    copy_of_acme(templates, tmp_path / "acme.db", clock)
    told = race_for_ownership(tmp_path / "acme.db", 50, 200, clock)
    assert told["last_owner"] > 50
    assert told["done"] > 1_000


# The control: the same race, won by nobody when the owners are counted first and changed afterwards.


@dataclass
class Naive:
    """Team as it is often written: look, think, and then write, each on its own."""

    path: Path
    me: str

    async def set_role(self, id: str, role: Role) -> None:
        self._change(id, role is Role.ADMIN, lambda: [("UPDATE members SET role = ? WHERE id = ?", (role.value, id))])

    async def transfer(self, id: str, confirm: str) -> None:
        both = [("owner", id), ("admin", self.me)]
        self._change(self.me, False, lambda: [("UPDATE members SET role = ? WHERE id = ?", pair) for pair in both])

    async def remove(self, id: str) -> None:
        self._change(id, True, lambda: [("DELETE FROM members WHERE id = ?", (id,))])

    async def leave(self) -> None:
        await self.remove(self.me)

    def _change(self, id: str, takes: bool, statements: Callable[[], list[tuple[str, tuple[str, ...]]]]) -> None:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            roles = dict(connection.execute("SELECT id, role FROM members"))
            if roles.get(self.me) != "owner" or id not in roles:
                raise Forbidden("Only an owner may.")
            if takes and roles[id] == "owner" and list(roles.values()).count("owner") == 1:
                raise LastOwner("The only owner.")
            # Python's own way: a deferred transaction, begun by the first write.
            for statement, parameters in statements():
                connection.execute(statement, parameters)
            connection.commit()


def test_the_race_would_be_lost_by_counting_first(path: Path) -> None:
    for number in range(40):
        gather(path)
        chances = [random.Random(f"{number} {person}") for person in range(PEOPLE)]
        race([plan(Naive(path, ids(person)), chance, 20) for person, chance in enumerate(chances)])
        if owners(path) == 0:
            return
    pytest.fail("Even counting first kept an owner: these races show nothing.")
