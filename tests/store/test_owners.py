"""An owner is always there, whoever demotes, removes, leaves and transfers at the same moment."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from orgtui.domain.errors import Forbidden, LastOwner
from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from tests.conftest import Clock
from tests.contract.conftest import wait
from tests.store.races import Act, Ground, look, race, stores

OWNERS, PEOPLE = 3, 10
ACTS = {"demote": 55, "promote": 15, "transfer": 15, "remove": 5, "leave": 10}
# What somebody may be told who is late; above all not that the file is busy.
_SET_ROLE = "UPDATE members SET role = :role WHERE id = :id"
TOLD = {"done", "last_owner", "forbidden", "not_found", "invalid"}


def email(number: int) -> str:
    return f"{number}@acme.example"


def ids(number: int) -> str:
    return f"mem_{number}"


def gather(ground: Ground) -> None:
    """Everybody is there again: some owners, more admins."""
    with ground.plainly() as rows:
        organization = rows.value("SELECT id FROM organizations")
        rows.run("DELETE FROM members")
        rows.run_many(
            "INSERT INTO members (org_id, id, email, email_key, name, role, joined_at, version)"
            " VALUES (:org, :id, :email, :email, :name, :role, 0, 1)",
            [
                {
                    "org": organization,
                    "id": ids(n),
                    "email": email(n),
                    "name": f"Person {n}",
                    "role": "owner" if n < OWNERS else "admin",
                }
                for n in range(PEOPLE)
            ],
        )


def owners(ground: Ground) -> int:
    ((count,),) = look(ground, "SELECT count(*) FROM members WHERE role = 'owner'")
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


def replay(ground: Ground, after: int) -> None:
    """Every state there was, from the audit rows: in each there is an owner, and the last is the table's."""
    roles = {ids(number): "owner" if number < OWNERS else "admin" for number in range(PEOPLE)}
    rows = look(ground, f"SELECT operation, subject, after FROM audit WHERE seq > {after} ORDER BY seq")
    for operation, subject, told in rows:
        if operation == "team.set_role":
            roles[subject] = json.loads(told)["role"]
        elif operation == "team.transfer":
            roles |= {f"mem_{address.partition('@')[0]}": role for address, role in json.loads(told).items()}
        else:
            assert operation in ("team.remove", "team.leave")
            del roles[subject]
        assert "owner" in roles.values()
    assert roles == dict(look(ground, "SELECT id, role FROM members"))


def race_for_ownership(ground: Ground, rounds: int, transactions: int, clock: Clock) -> Counter[str]:
    """So many transactions in each round; answers what all of them were told."""
    told = Counter[str]()
    gather(ground)
    with stores(ground, [email(number) for number in range(PEOPLE)], clock.ambient()) as opened:
        for number in range(rounds):
            gather(ground)
            ((rows,),) = look(ground, "SELECT max(seq) FROM audit")
            chances = [random.Random(f"{number} {person}") for person in range(PEOPLE)]
            steps = transactions // PEOPLE
            acts = [plan(store.team, chance, steps) for store, chance in zip(opened, chances, strict=True)]
            outcomes = race(acts)
            assert len(outcomes) == transactions
            assert owners(ground) >= 1
            replay(ground, rows)
            told.update(outcomes)
        assert wait(survivor(ground, opened).audit.verify()).sound
    assert set(told) <= TOLD
    return told


def survivor(ground: Ground, opened: list[Store]) -> Store:
    """The store of somebody who is still there."""
    ((id_,), *_) = look(ground, "SELECT id FROM members WHERE role = 'owner'")
    return opened[int(id_.removeprefix("mem_"))]


def test_a_few_races_leave_an_owner(ground: Ground, clock: Clock) -> None:
    told = race_for_ownership(ground, 4, 200, clock)
    assert told["last_owner"]
    assert told["done"] > 40


@pytest.mark.soak
def test_fifty_races_of_two_hundred_leave_an_owner(ground: Ground, clock: Clock) -> None:
    told = race_for_ownership(ground, 50, 200, clock)
    assert told["last_owner"] > 50
    assert told["done"] > 1_000


# The control: the same race, won by nobody when the owners are counted first and changed afterwards.


@dataclass
class Naive:
    """Team as it is often written: look, think, and then write, each on its own."""

    ground: Ground
    me: str

    async def set_role(self, id: str, role: Role) -> None:
        self._change(id, role is Role.ADMIN, [(_SET_ROLE, {"role": role.value, "id": id})])

    async def transfer(self, id: str, confirm: str) -> None:
        both = [(_SET_ROLE, {"role": "owner", "id": id}), (_SET_ROLE, {"role": "admin", "id": self.me})]
        self._change(self.me, False, both)

    async def remove(self, id: str) -> None:
        self._change(id, True, [("DELETE FROM members WHERE id = :id", {"id": id})])

    async def leave(self) -> None:
        await self.remove(self.me)

    def _change(self, id: str, takes: bool, statements: list[tuple[str, dict[str, str]]]) -> None:
        with self.ground.plainly() as rows:
            roles = dict(rows.all("SELECT id, role FROM members"))
            if roles.get(self.me) != "owner" or id not in roles:
                raise Forbidden("Only an owner may.")
            if takes and roles[id] == "owner" and list(roles.values()).count("owner") == 1:
                raise LastOwner("The only owner.")
            # In one order, so that no two of them wait for each other.
            for statement, parameters in sorted(statements, key=lambda each: each[1]["id"]):
                rows.run(statement, **parameters)


def test_the_race_would_be_lost_by_counting_first(ground: Ground) -> None:
    for number in range(40):
        gather(ground)
        chances = [random.Random(f"{number} {person}") for person in range(PEOPLE)]
        race([plan(Naive(ground, ids(person)), chance, 20) for person, chance in enumerate(chances)])
        if owners(ground) == 0:
            return
    pytest.fail("Even counting first kept an owner: these races show nothing.")
