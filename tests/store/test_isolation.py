"""Two organizations in one file, twins in all but their ids: no operation of one reaches the other or tells of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.errors import Forbidden, NotFound, OrgtuiError
from orgtui.domain.money import Money
from orgtui.domain.roles import WorkspaceRole
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.master_keys import VaultError, beside
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.api_keys import NewKey, ProviderKey
from orgtui.store.contract.billing import NewCredit, NewPayment
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import Operation, face, idempotency_key, operations
from orgtui.store.contract.team import NewInvitation
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.contract.workspaces import Inventory, NewWorkspace
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import implementation
from orgtui.store.sql.unit_of_work import UnitOfWork
from tests.conftest import OWNER, Clock
from tests.contract.arguments import CALL, RUN, VALID, World, doer, keep, people, subscription
from tests.contract.backends import TABLES
from tests.contract.conftest import join, wait
from tests.provider_servers import KEYS, PROVIDERS

EVERY = [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]
WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Twins:
    """A file with both, and what each has."""

    path: Path
    ours: str
    theirs: str
    worlds: dict[str, World]
    answers: dict[str, Any]
    """What was read of ours while they were alike, by operation."""

    def copy(self, to: Path) -> Twins:
        """The same again, to be spoilt."""
        to.mkdir()
        path = to / self.path.name
        shutil.copyfile(self.path, path)
        path.chmod(0o600)
        shutil.copytree(beside(self.path).parent, beside(path).parent)
        return Twins(path, self.ours, self.theirs, self.worlds, self.answers)

    def act(self, declared: Operation, world: World, organization: str | None = None) -> Any:
        """What the operation answers or raises, done in ours with arguments from this world."""
        unit = self.unit(declared, organization or self.ours)
        run = unit.write if declared.writes else unit.read
        arguments = VALID[declared.id](world)
        # Here one stands in the books already.
        arguments |= {"read": WHEN} if "read" in arguments else {}
        try:
            return run(declared, implementation(declared), arguments)
        except OrgtuiError as error:
            return type(error), error.message, error.details

    def unit(self, declared: Operation, organization: str) -> UnitOfWork:
        """The wrapper around an operation, for who may do it: both have an owner of the same address."""
        return UnitOfWork(SqliteDatabase(self.path), organization, doer(declared), Clock(WHEN).ambient())

    def store(self, organization: str) -> Store:
        """One of them, for its owner, or for the platform where only that may."""

        async def invoke(operation: Operation, arguments: dict[str, Any]) -> Any:
            unit = self.unit(operation, organization)
            return (unit.write if operation.writes else unit.read)(operation, implementation(operation), arguments)

        return Store(lambda contract: face(contract, invoke))

    def rows(self, organization: str) -> Rows:
        """All that one of them has."""
        with closing(sqlite3.connect(self.path)) as connection:
            return {
                table: connection.execute(
                    f"SELECT * FROM {table} WHERE {'id' if table == 'organizations' else 'org_id'} = ? ORDER BY rowid",
                    (organization,),
                ).fetchall()
                for table in TABLES
            }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """Made once: the second is founded under the master key of the first, and moved in with it."""
    directory = tmp_path_factory.mktemp("twins")
    clock = Clock(WHEN - timedelta(minutes=2))
    first, second = SqliteDatabase(directory / "both.db"), directory / "second.db"
    founding = Founding(name="Acme", owner=OWNER, timezone="UTC")
    ours = found(first, founding, clock.ambient())
    theirs = found(SqliteDatabase(second, keys=first.keys.path), founding, clock.ambient())
    with closing(sqlite3.connect(first.path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS second", (str(second),))
        for table in TABLES:
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM second.{table}")
    both = Twins(first.path, ours, theirs, {}, {})
    for organization in (ours, theirs):
        store = both.store(organization)
        world = both.worlds[organization] = wait(people(store, store))
        wait(keep(store, subscription(status=SubscriptionStatus.CANCELED)))
        wait(store.api_keys.set_fallback("openai", True))
        for workspace in (world.workspace, world.shelf):
            with idempotency_key(workspace):
                wait(store.workspaces.set_inventory(workspace, Inventory(workflows={"1": "A"}, agents={"2": "B"})))
    for declared in EVERY:
        if not declared.writes:
            both.answers[declared.id] = both.act(declared, both.worlds[ours])
    wait(alone(both.store(theirs), both.worlds[theirs]))
    with closing(sqlite3.connect(first.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return both


async def alone(store: Store, world: World) -> None:
    """Something of everything that only the other has."""
    await join(store, "solo@solo.example", "Solo")
    await store.team.invite(NewInvitation(email="later@solo.example"))
    space = await store.workspaces.create(NewWorkspace(name="Solo", description="Solo"))
    for workspace in (space.id, world.workspace):
        await store.workspaces.set_member(workspace, "guest@solo.example", WorkspaceRole.EDITOR)
        await store.workspaces.set_inventory(workspace, Inventory(workflows={"s": "Solo"}, agents={"s": "Solo"}), False)
        run = replace(RUN, id=f"solo {workspace}", workspace=workspace, workflow="Solo")
        await store.usage.record(UsageBatch(runs=(run,), calls=(replace(CALL, id=run.id, model="solo"),)))
    await store.billing.order(NewPayment(mode="test", amount=Money(7_700)))
    await store.billing.credit(NewCredit(kind="grant", amount=Money(7_700), ref="solo", text="Solo"))
    await keep(store, subscription(status=SubscriptionStatus.CANCELED, others=("sub_solo",)))
    await store.api_keys.set_fallback("grok", True)
    await store.general.save(GeneralChanges(seen=world.version, description="Solo"))


@pytest.fixture
def twins(prepared: Twins, tmp_path: Path) -> Twins:
    return prepared.copy(tmp_path / "own")


def made_up(world: World) -> World:
    """Ids and a code of the same form that were never given out; a version is no id."""
    values = {each.name: getattr(world, each.name) for each in fields(world)}
    turned = {name: _other(value) for name, value in values.items() if isinstance(value, str)}
    return World(**values | turned)


def _other(text: str) -> str:
    head, line, tail = text.rpartition("_")
    return head + line + tail[::-1] if tail[::-1] != tail else head + line + "q" * len(tail)


def test_both_have_all_there_is(prepared: Twins) -> None:
    """Otherwise it would be no wonder that nothing is touched."""
    assert all(prepared.rows(prepared.ours).values())
    assert all(prepared.rows(prepared.theirs).values())


# Two of one name invite in the same words: that neither's code is the other's is tried below.
TELLING = [each for each in EVERY if not each.writes and each.id != "team.invited"]


@pytest.mark.parametrize("declared", TELLING, ids=lambda declared: declared.id)
def test_nothing_that_the_other_does_is_read(prepared: Twins, declared: Operation) -> None:
    """Neither a row nor a count: what is read of ours is what it was before the other went its own way."""
    assert prepared.act(declared, prepared.worlds[prepared.ours]) == prepared.answers[declared.id]
    assert prepared.act(declared, prepared.worlds[prepared.theirs], prepared.theirs) != prepared.answers[declared.id]


@pytest.mark.parametrize("declared", EVERY, ids=lambda declared: declared.id)
def test_no_operation_touches_the_other(twins: Twins, declared: Operation) -> None:
    before = twins.rows(twins.theirs)
    answer = twins.act(declared, twins.worlds[twins.ours])
    assert not isinstance(answer, tuple), answer
    assert twins.rows(twins.theirs) == before
    told = repr(answer) + repr(twins.rows(twins.ours))
    assert "solo" not in told.lower()
    theirs = twins.worlds[twins.theirs]
    assert not [each.name for each in fields(World) if each.name != "version" and getattr(theirs, each.name) in told]
    assert twins.theirs not in told


# All whose valid arguments name something that an organization has; whoever declares another adds it here.
NAMING = {
    "access.revoke",
    *("team.resend", "team.delivered", "team.revoke", "team.invited", "team.join", "team.set_role"),
    *("team.transfer", "team.remove"),
    *("usage.month", "usage.day", "api_keys.checked"),
    *(f"billing.{name}" for name in ("payments", "payment", "withdraw", "opened", "settle", "reverse")),
    *(f"workspaces.{name}" for name in ("open", "save", "set_logo", "set_member", "remove_member", "archive")),
    *(f"workspaces.{name}" for name in ("restore", "delete", "set_inventory")),
}
# A key is found under its provider, and each has its own: the id only says which one was checked.
CONFIRMING = {"api_keys.checked"}


def test_every_operation_that_names_something_is_tried(prepared: Twins) -> None:
    worlds = prepared.worlds.values()
    naming = {each.id for each in EVERY if len({repr(VALID[each.id](world)) for world in worlds}) == 2}
    assert naming == NAMING


@pytest.mark.parametrize(
    "declared", [declared for declared in EVERY if declared.id in NAMING], ids=lambda declared: declared.id
)
def test_what_is_the_other_s_is_as_if_it_had_never_been(prepared: Twins, tmp_path: Path, declared: Operation) -> None:
    theirs = prepared.worlds[prepared.theirs]
    answers = []
    for number, world in enumerate((theirs, made_up(theirs))):
        twins = prepared.copy(tmp_path / str(number))
        answers.append(twins.act(declared, world))
        for organization in (twins.ours, twins.theirs):
            assert twins.rows(organization) == prepared.rows(organization)
    assert answers[0] == answers[1]
    assert isinstance(answers[0], ProviderKey) if declared.id in CONFIRMING else answers[0][0] is NotFound


def test_an_organization_that_is_gone_is_as_one_that_never_was(twins: Twins) -> None:
    """Whatever is asked of it; what the invitee holds does not say which of them it was."""
    world = twins.worlds[twins.theirs]
    twins.act(next(each for each in EVERY if each.id == "general.delete"), world, twins.theirs)
    assert not any(twins.rows(twins.theirs).values())
    before = twins.rows(twins.ours)
    for declared in EVERY:
        gone = twins.act(declared, world, twins.theirs)
        assert gone == twins.act(declared, world, "org_" + "q" * 20), declared.id
        assert gone[0] in (NotFound, Forbidden), declared.id
    assert twins.rows(twins.ours) == before


def test_an_idempotency_key_of_the_other_answers_nothing(twins: Twins) -> None:
    create = {declared.id: declared for declared in EVERY}["workspaces.create"]
    with idempotency_key("the same"):
        theirs = twins.act(create, twins.worlds[twins.theirs], twins.theirs)
        ours = twins.act(create, twins.worlds[twins.ours])
    assert ours.id != theirs.id


# Sealed keys, moved about by whoever can write the tables.


@pytest.fixture
def sealed(twins: Twins) -> dict[tuple[str, str], str]:
    """Five keys in each, no two alike; the secrets by organization and provider."""
    secrets = {}
    for organization, tail in ((twins.ours, "ours"), (twins.theirs, "them")):
        store = twins.store(organization)
        wait(store.api_keys.remove("mistral"))
        for provider in PROVIDERS:
            secrets[organization, provider] = KEYS[provider][:-4] + tail
            wait(store.api_keys.add(NewKey(provider=provider, secret=secrets[organization, provider])))
    return secrets


def used(twins: Twins, organization: str, provider: str) -> str | None:
    """What the platform gets; None where it gets nothing but an error."""
    try:
        return wait(twins.store(organization).api_keys.use(provider)).secret
    except VaultError:
        return None


def changed(twins: Twins, change: Callable[[sqlite3.Connection], object]) -> None:
    with closing(sqlite3.connect(twins.path)) as connection, connection:
        change(connection)


def test_no_row_opens_what_was_sealed_for_another(twins: Twins, sealed: dict[tuple[str, str], str]) -> None:
    with closing(sqlite3.connect(twins.path)) as connection:
        found_ = connection.execute("SELECT org_id, provider, sealed FROM provider_keys").fetchall()
    rows = {(org, provider): text for org, provider, text in found_}
    assert rows.keys() == sealed.keys()

    def put(where: tuple[str, str], text: str) -> None:
        update = "UPDATE provider_keys SET sealed = ? WHERE org_id = ? AND provider = ?"
        changed(twins, lambda connection: connection.execute(update, (text, *where)))

    opened = 0
    for here, there in permutations(rows, 2):
        put(here, rows[there])
        opened += used(twins, *here) is not None
        put(here, rows[here])
    assert opened == 0
    assert {where: used(twins, *where) for where in rows} == sealed


@pytest.mark.parametrize("column", ["id", "provider", "org_id"])
def test_no_row_opens_under_another_name(twins: Twins, sealed: dict[tuple[str, str], str], column: str) -> None:
    """Each row is given the id, the provider or the organization of every other, which makes room for it."""
    with closing(sqlite3.connect(twins.path)) as connection:
        kept = connection.execute("SELECT * FROM provider_keys").fetchall()
        names = [each[1] for each in connection.execute("PRAGMA table_info(provider_keys)")]
    at = {name: names.index(name) for name in ("org_id", "id", "provider")}
    opened = 0
    for one, other in permutations(kept, 2):
        moved = list(one)
        moved[at[column]] = other[at[column]]
        if moved == list(one):
            continue

        def move(connection: sqlite3.Connection, moved: list[Any] = moved) -> None:
            connection.execute("DELETE FROM provider_keys")
            connection.execute(f"INSERT INTO provider_keys VALUES ({', '.join('?' * len(names))})", moved)

        changed(twins, move)
        opened += used(twins, moved[at["org_id"]], moved[at["provider"]]) is not None
    assert opened == 0


def test_a_bit_in_the_table_is_not_flipped_unnoticed(twins: Twins, sealed: dict[tuple[str, str], str]) -> None:
    """The vault's own test flips ten thousand; here some go the whole way, through the table."""
    where = (twins.ours, "anthropic")
    with closing(sqlite3.connect(twins.path)) as connection:
        ((text,),) = connection.execute("SELECT sealed FROM provider_keys WHERE org_id = ? AND provider = ?", where)
    update = "UPDATE provider_keys SET sealed = ? WHERE org_id = ? AND provider = ?"
    for _ in range(50):
        data = bytearray(text.encode())
        data[int.from_bytes(os.urandom(4)) % len(data)] ^= 1 << int.from_bytes(os.urandom(1)) % 7
        flipped = data.decode()

        def put(connection: sqlite3.Connection, flipped: str = flipped) -> None:
            connection.execute(update, (flipped, *where))

        changed(twins, put)
        assert used(twins, *where) is None
