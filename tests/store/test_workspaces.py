"""Workspaces under load: many at once on the last one, two organizations in one file, and hundreds of cards."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.errors import Conflict, NotFound, OrgtuiError
from orgtui.domain.money import Money
from orgtui.domain.roles import PLATFORM, Permission, Role, WorkspaceRole, allows
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.billing import NewPayment, PaymentStatus, Reversal
from orgtui.store.contract.operation import Operation, face, operations
from orgtui.store.contract.team import Delivery, NewInvitation
from orgtui.store.contract.usage import UNASSIGNED, UsageBatch
from orgtui.store.contract.workspaces import Inventory, NewWorkspace
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.queries import workspaces as queries
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, implementation, open_sql_store
from orgtui.store.sql.unit_of_work import Read, UnitOfWork
from tests.conftest import OWNER, Clock, Opener
from tests.contract.arguments import CALL, RUN, png, settlement
from tests.contract.backends import TABLES
from tests.contract.conftest import wait
from tests.contract.test_workspaces import REACHING, refusals

ACTIVE = "SELECT count(*) FROM workspaces WHERE archived_at IS NULL AND deleted_at IS NULL"


# Many at once.


async def rush(stores: list[SqlStore], attempts: int, end: str) -> list[OrgtuiError]:
    """So many ends at once of the two workspaces there are; what was refused."""
    spaces = (await stores[0].store.workspaces.show()).workspaces
    assert len(spaces) == 2

    async def attempt(number: int) -> None:
        space = spaces[number // 2 % 2]
        workspaces = stores[number % len(stores)].store.workspaces
        await (workspaces.delete(space.id, space.name) if end == "delete" else workspaces.archive(space.id))

    answers = await asyncio.gather(*map(attempt, range(attempts)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(answer, Conflict | NotFound) for answer in refused), refused
    return [answer for answer in refused if isinstance(answer, OrgtuiError)]


def rounds(opener: Opener, acme: SqliteDatabase, count: int, attempts: int) -> None:
    stores = [opener() for _ in range(10)]
    workspaces = stores[0].store.workspaces
    for number in range(count):
        wait(workspaces.create(NewWorkspace(name=f"Round {number}")))
        end = "delete" if number % 3 == 2 else "archive"
        refused = wait(rush(stores, attempts, end))
        with acme.reading() as rows:
            assert rows.value(ACTIVE) == 1
        assert any(isinstance(error, Conflict) for error in refused)


def test_of_fifty_ends_at_once_one_workspace_always_remains(opener: Opener, acme: SqliteDatabase) -> None:
    rounds(opener, acme, 20, 50)


@pytest.mark.soak
def test_of_many_ends_at_once_one_workspace_always_remains(opener: Opener, acme: SqliteDatabase) -> None:
    rounds(opener, acme, 150, 100)


def archive_after_counting(path: Path, id: str) -> None:
    """As it is often written: look, think, and then write."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        ((active,),) = connection.execute(ACTIVE)
        # As long as any program thinks; on few cores threads would else come one after the other.
        time.sleep(0.002)
        if active > 1:
            # Python's own way: a deferred transaction, begun by the write.
            connection.execute("UPDATE workspaces SET archived_at = 1 WHERE id = ?", (id,))
            connection.commit()


def test_the_rush_would_be_lost_by_counting_first(store: SqlStore, acme: SqliteDatabase) -> None:
    ids = [wait(store.store.workspaces.create(NewWorkspace(name="Other"))).id]
    ids += [card.id for card in wait(store.store.workspaces.show()).workspaces if card.id not in ids]

    async def rush() -> None:
        await asyncio.gather(*(asyncio.to_thread(archive_after_counting, acme.path, ids[n % 2]) for n in range(50)))

    for _ in range(60):
        for id_ in ids:
            wait(store.store.workspaces.restore(id_))
        wait(rush())
        with acme.reading() as rows:
            if rows.value(ACTIVE) == 0:
                return
    pytest.fail("Even counting first kept a workspace: these rushes show nothing.")


def test_of_twenty_that_take_a_name_at_once_one_has_it(opener: Opener, acme: SqliteDatabase) -> None:
    stores = [opener() for _ in range(10)]

    async def take(number: int) -> None:
        name = "Straße" if number % 2 else "STRASSE"
        await stores[number % len(stores)].store.workspaces.create(NewWorkspace(name=name))

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*map(take, range(20)), return_exceptions=True)

    answers = wait(all_at_once())
    assert answers.count(None) == 1
    assert all(getattr(answer, "code", None) == "already_there" for answer in answers if answer is not None)


# Two organizations in one file.

Attempt = Callable[[Store, str], Coroutine[Any, Any, Any]]
OF_PEOPLE: dict[str, Attempt] = {
    "team.resend": lambda store, id: store.team.resend(id),
    "team.delivered": lambda store, id: store.team.delivered(id, 1, Delivery.SENT),
    "team.revoke": lambda store, id: store.team.revoke(id),
    "team.set_role": lambda store, id: store.team.set_role(id, Role.OWNER),
    "team.transfer": lambda store, id: store.team.transfer(id, "linus@acme.example"),
    "team.remove": lambda store, id: store.team.remove(id),
    "access.revoke": lambda store, id: store.access.revoke(id),
}


OF_PAYMENTS: dict[str, Attempt] = {
    "billing.payment": lambda store, id: store.billing.payment(id),
    "billing.withdraw": lambda store, id: store.billing.withdraw(id),
    "billing.opened": lambda store, id: store.billing.opened(id, "cs_1"),
    "billing.settle": lambda store, id: store.billing.settle(id, settlement(PaymentStatus.PAID, 1_000)),
    "billing.reverse": lambda store, id: store.billing.reverse(
        Reversal(kind="refund", id="re_1", payment=id, money="pi_1", amount=Money(1), taken=True)
    ),
}


def of(database: SqliteDatabase, organization: str, clock: Clock, actor: str = OWNER) -> Store:
    """One organization of a file with several."""
    unit = UnitOfWork(database, organization, actor, clock.ambient())

    async def invoke(operation: Operation, arguments: dict[str, Any]) -> Any:
        run = unit.write if operation.writes else unit.read
        return run(operation, implementation(operation), arguments)

    return Store(lambda contract: face(contract, invoke))


def furnish(store: Store) -> dict[str, list[str]]:
    """Something of everything, under the same names in each organization; ids by kind."""

    async def fill() -> dict[str, list[str]]:
        spaces = [await store.workspaces.create(NewWorkspace(name=name)) for name in ("Staging", "Shelf", "Gone")]
        for space in spaces:
            await store.workspaces.set_logo(space.id, png())
            await store.workspaces.set_member(space.id, "alan@partner.example", WorkspaceRole.EDITOR)
            await store.workspaces.set_inventory(space.id, Inventory(workflows={"1": "A"}, agents={"2": "B"}))
            run = replace(RUN, id=space.name, workspace=space.name, workflow_id="1")
            call = replace(CALL, id=space.name, workspace=space.id)
            await store.usage.record(UsageBatch(runs=(run,), calls=(call,)))
        await store.workspaces.archive(spaces[1].id)
        await store.workspaces.delete(spaces[2].id, "Gone")
        joining = await store.team.invite(NewInvitation(email="linus@acme.example"))
        member = await store.team.join(joining.code, "Linus")
        waiting = await store.team.invite(NewInvitation(email="ken@acme.example"))
        payment = await store.billing.order(NewPayment(mode="test", amount=Money(1_000)))
        return {
            "payments": [payment.id],
            "workspaces": [space.id for space in spaces],
            "people": [member.id, waiting.member.id],
            "codes": [waiting.code],
        }

    return wait(fill())


@pytest.fixture
def neighbours(acme: SqliteDatabase, tmp_path: Path, clock: Clock) -> tuple[Store, Store, dict[str, list[str]]]:
    """Acme, another organization in its file, and the other's ids."""
    other = SqliteDatabase(tmp_path / "other.db")
    theirs = found(other, Founding(name="Other", owner=OWNER), clock.ambient())
    opened = open_sql_store(other, None, clock.ambient())
    ids = furnish(opened.store)
    opened.close()
    with closing(sqlite3.connect(acme.path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS other", (str(other.path),))
        for table in TABLES:
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM other.{table}")
    with acme.reading() as rows:
        ours = rows.value("SELECT id FROM organizations WHERE name = 'Acme'")
    return of(acme, ours, clock), of(acme, theirs, clock), ids


def dump(database: SqliteDatabase) -> dict[str, list[tuple[Any, ...]]]:
    with database.reading() as rows:
        return {table: rows.all(f"SELECT * FROM {table}") for table in TABLES}


def test_every_operation_that_takes_an_id_is_tried() -> None:
    takes = {
        declared.id
        for contract in CONTRACTS.values()
        for declared in operations(contract).values()
        if {"id", "workspace"} & declared.signature.parameters.keys()
    }
    tried = {name.partition("(")[0] for name in REACHING} | set(OF_PEOPLE) | set(OF_PAYMENTS) - {"billing.reverse"}
    # A key is found under its provider, of which every organization has the same; its own id only confirms it.
    assert takes - {"workspaces.create", "api_keys.checked"} == tried


def test_an_id_of_another_organization_is_as_one_that_never_was(
    acme: SqliteDatabase, neighbours: tuple[Store, Store, dict[str, list[str]]]
) -> None:
    ours, theirs, ids = neighbours
    mine = furnish(ours)
    before = dump(acme)
    made_up = refusals(ours, "ws_" + "q" * 20)
    assert {words for _, words, _ in made_up.values()} == {"There is no such workspace."}
    for id_ in (*ids["workspaces"], mine["workspaces"][2], ids["people"][0], "", "ws_%", "x' OR ''='"):
        assert refusals(ours, id_) == made_up
    for id_ in mine["workspaces"]:
        assert refusals(theirs, id_) == made_up
    for name, attempt in OF_PEOPLE.items():
        said = set()
        for id_ in (*ids["people"], *ids["workspaces"], "mem_" + "q" * 20, "inv_" + "q" * 20, ""):
            with pytest.raises(NotFound) as refused:
                wait(attempt(ours, id_))
            said.add((refused.value.message, repr(refused.value.details)))
        assert len(said) == 1, name
    with pytest.raises(NotFound):
        wait(ours.team.join(ids["codes"][0], "Mallory"))
    assert dump(acme) == before


def test_a_payment_of_another_organization_is_as_one_that_never_was(
    acme: SqliteDatabase, neighbours: tuple[Store, Store, dict[str, list[str]]], clock: Clock
) -> None:
    ours, _, ids = neighbours
    with acme.reading() as rows:
        organization = rows.value("SELECT id FROM organizations WHERE name = 'Acme'")
    platform = of(acme, organization, clock, PLATFORM)
    before, said = dump(acme), set()
    for name, attempt in OF_PAYMENTS.items():
        asked = ours if name in ("billing.payment", "billing.withdraw") else platform
        for id_ in (*ids["payments"], "pay_" + "q" * 20, ""):
            with pytest.raises(NotFound) as refused:
                wait(attempt(asked, id_))
            said.add((refused.value.message, repr(refused.value.details)))
    assert len(said) == 1
    assert dump(acme) == before


def answers(store: Store) -> dict[str, Any]:
    """Every read that takes no id, and those of each workspace that is seen."""

    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for section, contract in CONTRACTS.items():
            for name, declared in operations(contract).items():
                required = [
                    parameter
                    for parameter in declared.signature.parameters.values()
                    if parameter.default is parameter.empty
                ]
                if not declared.writes and not required and allows(Role.OWNER, declared.needs or Permission.VIEW):
                    found[declared.id] = await getattr(getattr(store, section), name)()
        spaces = (await store.workspaces.show(archived=True)).workspaces
        for id_ in (*(space.id for space in spaces), UNASSIGNED):
            found[f"month {id_}"] = await store.usage.month(None, id_)
            found[f"day {id_}"] = await store.usage.day(RUN.started_at.date(), id_)
        for space in spaces:
            found[f"open {space.id}"] = await store.workspaces.open(space.id)
        return found

    return wait(ask())


def test_what_another_organization_has_and_does_is_seen_nowhere(
    acme: SqliteDatabase, tmp_path: Path, neighbours: tuple[Store, Store, dict[str, list[str]]]
) -> None:
    ours, theirs, ids = neighbours
    furnish(ours)
    before = answers(ours)
    assert len(before) > 15
    assert not [id_ for kind in ids.values() for id_ in kind if id_ in repr(before)]
    wait(theirs.workspaces.set_inventory(ids["workspaces"][0], Inventory(workflows={"9": "Nine"}, agents={})))
    wait(theirs.workspaces.restore(ids["workspaces"][1]))
    wait(theirs.workspaces.set_member(ids["workspaces"][0], "eve@other.example", WorkspaceRole.OWNER))
    wait(theirs.usage.record(UsageBatch(runs=(replace(RUN, id="more", workspace="Staging"),))))
    wait(theirs.workspaces.delete(ids["workspaces"][0], "Staging"))
    assert answers(ours) == before


def test_events_that_name_another_organization_s_workspace_are_nobody_s(
    acme: SqliteDatabase, neighbours: tuple[Store, Store, dict[str, list[str]]]
) -> None:
    ours, theirs, ids = neighbours
    run = replace(RUN, id="astray", workspace=ids["workspaces"][0], workflow_id="7")
    before = wait(theirs.workspaces.open(ids["workspaces"][0]))
    wait(ours.usage.record(UsageBatch(runs=(run,), calls=(replace(CALL, id="astray", workspace="Shelf"),))))
    assert wait(theirs.workspaces.open(ids["workspaces"][0])) == before
    assert wait(ours.usage.month(None, UNASSIGNED)).figures.total_runs == 1
    assert wait(ours.general.show()).losses.workflows == 0


@contextmanager
def traced(database: SqliteDatabase) -> Iterator[list[str]]:
    """The statements that reach SQLite."""
    log: list[str] = []
    with database.reading() as rows:
        connections: list[Any] = [rows._connection]
    with database.writing() as session:
        connections.append(session.connection().connection.driver_connection)
    for connection in connections:
        connection.set_trace_callback(log.append)
    yield log
    for connection in connections:
        connection.set_trace_callback(None)


@pytest.mark.parametrize("name", REACHING)
def test_no_more_is_asked_about_an_id_that_is_somebody_else_s(
    acme: SqliteDatabase, neighbours: tuple[Store, Store, dict[str, list[str]]], name: str
) -> None:
    ours, _, ids = neighbours
    wait(ours.general.show())
    asked = []
    with traced(acme) as log:
        for id_ in (*ids["workspaces"], "ws_" + "q" * 20):
            log.clear()
            with pytest.raises(NotFound):
                wait(REACHING[name](ours, id_))
            asked.append([statement.replace(id_, "…") for statement in log])
    assert asked[0]
    assert asked == [asked[-1]] * len(asked)


# Hundreds.


class Counted(Rows):
    """Rows that count what they are asked."""

    asked = 0

    def all(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        return super().all(sql, **parameters)

    def one(self, sql: str, **parameters: Any) -> tuple[Any, ...] | None:
        self.asked += 1
        return super().one(sql, **parameters)


def questions(database: SqliteDatabase, clock: Clock) -> tuple[int, int]:
    """How many cards, and how many statements they took."""
    with database.reading() as rows:
        counted = Counted(rows._connection)
        organization = rows.value("SELECT id FROM organizations")
        page = queries.show(Read(counted, organization, OWNER, Role.OWNER, clock.now, lambda: pytest.fail("no chain")))
        return len(page.workspaces), counted.asked


def test_many_cards_take_no_more_questions_than_one(store: SqlStore, acme: SqliteDatabase, clock: Clock) -> None:
    few = questions(acme, clock)

    async def fill() -> None:
        for number in range(40):
            made = await store.store.workspaces.create(NewWorkspace(name=f"Space {number}"))
            await store.store.workspaces.set_member(made.id, "alan@partner.example", WorkspaceRole.VIEWER)
            await store.store.workspaces.set_inventory(made.id, Inventory(workflows={"1": "A"}, agents={"1": "B"}))

    wait(fill())
    assert few == (1, few[1])
    assert questions(acme, clock) == (41, few[1])


def test_what_runs_teach_is_asked_once_for_each_workspace(store: SqlStore, acme: SqliteDatabase) -> None:
    async def fill(first: int, count: int) -> None:
        runs = [
            replace(RUN, id=str(number), workspace="Default", workflow_id=f"w{number % 20}", workflow=f"W{number % 20}")
            for number in range(first, first + count)
        ]
        await store.store.usage.record(UsageBatch(runs=tuple(runs)))

    wait(fill(0, 20))
    asked = []
    with traced(acme) as log:
        for first, count in ((20, 20), (100, 1_000)):
            log.clear()
            wait(fill(first, count))
            asked.append(sum("inventory" in statement for statement in log))
    assert asked == [1, 1]
