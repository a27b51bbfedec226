"""Every operation by walking the contract: who may, what one write leaves, and what the same write leaves twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, KeyReused, NotFound
from orgtui.domain.money import Money
from orgtui.domain.roles import PLATFORM, PLATFORM_PERMISSIONS, Permission, Role, WorkspaceRole, allows
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.access import Kind, NewToken, SignedIn
from orgtui.store.contract.api_keys import NewKey
from orgtui.store.contract.billing import NewCredit, NewPayment, PaymentStatus, PlanAction, PlanRequest, Reversal
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import MOST_TEXT, Operation, idempotency_key, operations
from orgtui.store.contract.team import Delivery, NewInvitation
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.contract.workspaces import Inventory, NewWorkspace, WorkspaceChanges
from tests.conftest import OWNER
from tests.contract.arguments import (
    ABOVE_ADMINS,
    CALL,
    CUSTOMER,
    PARTNER,
    QUIET,
    RUN,
    VALID,
    World,
    doer,
    png,
    settlement,
    subscription,
)
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, STRANGER, wait
from tests.contract.peopled import PeopledServer, peopled, world_of
from tests.postgres import Server

EVERY = [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]
WRITES = [declared for declared in EVERY if declared.writes]
ACTORS = {"owner": OWNER, "admin": ADMIN, "stranger": STRANGER, "platform": PLATFORM}


def named(declared: object) -> str:
    return declared.id if isinstance(declared, Operation) else str(declared)


async def call(store: Store, declared: Operation, arguments: dict[str, Any]) -> Any:
    return await getattr(getattr(store, declared.section), declared.name)(**arguments)


def may(actor: str, declared: Operation) -> bool:
    """Whether the call with the valid arguments is permitted."""
    if declared.needs is None:
        return True
    if actor == "platform":
        # What needs no more than to look, and writes, is about oneself.
        return declared.needs in PLATFORM_PERMISSIONS and not (declared.writes and declared.needs is Permission.VIEW)
    if actor == "stranger" or not allows(Role(actor), declared.needs):
        return False
    return actor == "owner" or declared.id not in ABOVE_ADMINS


def arguments_of(declared: Operation, world: World) -> dict[str, Any]:
    return VALID[declared.id](world)


@pytest.fixture(scope="session")
def templates(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with a world in it: to make it took half of the time."""
    directory = tmp_path_factory.mktemp("peopled")
    peopled(templates, directory / "UTC.db")
    return directory


@pytest.fixture(scope="session")
def postgres(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> PeopledServer:
    return PeopledServer(postgres, tmp_path_factory.mktemp("peopled-postgres"))


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open(OWNER)


@pytest.fixture
def world(backend: Backend) -> World:
    backend.clock.now += timedelta(minutes=2)
    return world_of(backend)


def test_every_operation_has_valid_arguments_and_nothing_else_has() -> None:
    assert sorted(VALID) == sorted(declared.id for declared in EVERY)


def test_no_two_operations_share_verb_and_path() -> None:
    assert len({(declared.verb, declared.path) for declared in EVERY}) == len(EVERY)


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_the_path_names_only_parameters(declared: Operation) -> None:
    named_in_path = {part[1:-1] for part in declared.path.split("/") if part.startswith("{")}
    assert named_in_path <= set(declared.signature.parameters)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_a_role_may_exactly_what_its_permissions_say(
    backend: Backend, world: World, declared: Operation, actor: str
) -> None:
    before = everything(backend)
    if may(actor, declared):
        wait(call(backend.open(ACTORS[actor]), declared, arguments_of(declared, world)))
        assert (everything(backend) != before) == declared.writes
    else:
        with pytest.raises(Forbidden) as refused:
            wait(call(backend.open(ACTORS[actor]), declared, arguments_of(declared, world)))
        assert refused.value.exit_code == 3
        assert everything(backend) == before


@pytest.mark.parametrize("declared", WRITES, ids=named)
def test_a_write_leaves_one_audit_row_and_one_revision(backend: Backend, world: World, declared: Operation) -> None:
    before = everything(backend)
    ((revision,),) = backend.rows("SELECT revision FROM organizations")
    wait(call(backend.open(doer(declared)), declared, arguments_of(declared, world)))
    after = everything(backend)
    if declared.id == "general.delete":
        assert not any(after.values())
        return
    added = set(after["audit"]) - set(before["audit"])
    assert set(before["audit"]) <= set(after["audit"])
    assert [declared.id in row for row in added] == [True] * (declared.id not in QUIET)
    assert backend.rows("SELECT revision FROM organizations") == [(revision + len(added),)]
    assert wait(backend.open(PARTNER).audit.verify()).rows == len(after["audit"])


@pytest.mark.parametrize("declared", WRITES, ids=named)
def test_the_same_write_with_its_key_answers_the_same_and_happens_once(
    backend: Backend, world: World, declared: Operation
) -> None:
    store, arguments = backend.open(doer(declared)), arguments_of(declared, world)
    with idempotency_key("4f0e-key"):
        answer = wait(call(store, declared, arguments))
        once = everything(backend)
        if declared.id == "general.delete":
            # Nothing is left that could remember an answer.
            with pytest.raises(NotFound):
                wait(call(store, declared, arguments))
        else:
            assert wait(call(store, declared, arguments)) == answer
    assert everything(backend) == once


def test_a_key_answers_no_other_request(backend: Backend, world: World, store: Store) -> None:
    with idempotency_key("4f0e-key"):
        wait(store.workspaces.create(NewWorkspace(name="Staging")))
        once = everything(backend)
        for other in (
            store.workspaces.create(NewWorkspace(name="Production")),
            store.team.invite(NewInvitation(email="other@acme.example")),
        ):
            with pytest.raises(KeyReused):
                wait(other)
    assert everything(backend) == once


def test_a_key_that_was_used_does_not_open_a_door(backend: Backend, world: World, store: Store) -> None:
    with idempotency_key("4f0e-key"):
        wait(store.workspaces.create(NewWorkspace(name="Staging")))
        with pytest.raises(Forbidden):
            wait(backend.open(STRANGER).workspaces.create(NewWorkspace(name="Staging")))


def test_a_key_answers_only_who_used_it(backend: Backend, world: World, store: Store) -> None:
    with idempotency_key("4f0e-key"):
        code = wait(store.team.invite(NewInvitation(email="new@acme.example"))).code
        once = everything(backend)
        assert wait(backend.open(OWNER.upper()).team.invite(NewInvitation(email="new@acme.example"))).code == code
        with pytest.raises(Forbidden):
            wait(backend.open(STRANGER).team.invite(NewInvitation(email="new@acme.example")))
        assert everything(backend) == once
        with pytest.raises(AlreadyThere) as refused:
            wait(backend.open(ADMIN).team.invite(NewInvitation(email="new@acme.example")))
        assert code not in str(refused.value)
        # What another one calls by the same name is their own.
        theirs = wait(backend.open(ADMIN).team.invite(NewInvitation(email="other@acme.example")))
        assert theirs.member.email == "other@acme.example"


def test_a_key_is_forgotten_after_a_day(backend: Backend, store: Store) -> None:
    def kept() -> int:
        return int(backend.rows("SELECT count(*) FROM idempotency_keys")[0][0])

    def make(key: str) -> str:
        with idempotency_key(key):
            return wait(store.access.create(NewToken(name="Laptop"))).token.id

    first = make("first")
    backend.clock.now += timedelta(hours=23, minutes=59)
    assert make("first") == first
    backend.clock.now += timedelta(minutes=1)
    assert make("first") != first
    for number in range(20):
        make(f"other {number}")
    backend.clock.now += timedelta(days=1)
    # Not with every write, but with one in sixteen: never for long.
    for number in range(400):
        before = kept()
        make(f"third {number}")
        if kept() < before:
            assert kept() == number + 1
            return
    raise AssertionError(kept())


def test_neither_key_nor_answer_can_be_read_in_the_tables(backend: Backend, store: Store) -> None:
    with idempotency_key("4f0e-key"):
        code = wait(store.team.invite(NewInvitation(email="new@acme.example"))).code
        assert wait(store.team.invite(NewInvitation(email="new@acme.example"))).code == code
    told = repr(everything(backend))
    assert code not in told
    assert "4f0e-key" not in told


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_every_answer_comes_back_from_json_as_it_was(backend: Backend, world: World, declared: Operation) -> None:
    answer = wait(call(backend.open(doer(declared)), declared, arguments_of(declared, world)))
    method = getattr(CONTRACTS[declared.section], declared.name)
    adapter = TypeAdapter(get_type_hints(method)["return"])
    assert adapter.validate_json(adapter.dump_json(answer)) == answer


def spoilt(value: Any, character: str) -> Iterator[Any]:
    """The value with the character in one of its texts, each once."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield f"{value}{character}"
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for part in spoilt(getattr(value, field.name), character):
                yield replace(value, **{field.name: part})
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: part} for part in spoilt(item, character))
            yield from ({**value, part: item} for part in spoilt(key, character) if not key.isidentifier())
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from ((*value[:place], part, *value[place + 1 :]) for part in spoilt(item, character))


def test_what_no_database_keeps_is_refused_by_every_one(backend: Backend, world: World) -> None:
    before, refused = everything(backend), 0
    stores = {who: backend.open(who) for who in (OWNER, PLATFORM)}
    for declared in EVERY:
        for character in ("\0", "\ud83d"):
            for arguments in spoilt(arguments_of(declared, world), character):
                with pytest.raises(Invalid, match="a NUL or half a character"):
                    wait(call(stores[doer(declared)], declared, arguments))
                refused += 1
    assert refused > 100
    with pytest.raises(Invalid) as told:
        wait(stores[OWNER].usage.record(UsageBatch(calls=(CALL, replace(CALL, model="gpt\0")))))
    assert told.value.field == "model"
    assert everything(backend) == before


def test_what_fits_no_request_is_refused_by_every_store(backend: Backend, world: World) -> None:
    before, stores = everything(backend), {who: backend.open(who) for who in (OWNER, PLATFORM)}
    large = Inventory(workflows={f"{n:0300}": "Ä" * 100 for n in range(5_000)}, agents={})
    for refused in (
        stores[OWNER].general.set_logo(bytes(3_500_000)),
        stores[OWNER].workspaces.set_logo(world.workspace, bytes(3_500_000)),
    ):
        with pytest.raises(Invalid, match=r"3\.4 MB; max 2 MB"):
            wait(refused)
    with pytest.raises(Invalid, match="more than 2 MB of text"):
        wait(stores[PLATFORM].workspaces.set_inventory(world.workspace, large))
    assert everything(backend) == before


def test_what_is_no_larger_fits(backend: Backend, world: World) -> None:
    """Whatever it is spelled with, and however many there are of it."""
    platform = backend.open(PLATFORM)
    most = {f"{n:05}" + "x" * 180: "“é”" * 2 for n in range(10_000)}
    assert sum(len((id_ + name).encode()) for id_, name in most.items()) > 0.9 * MOST_TEXT
    held = wait(platform.workspaces.set_inventory(world.workspace, Inventory(workflows=most, agents={})))
    assert held.workflows == len(most)
    calls = tuple(replace(CALL, id=f"{n:05}" + "x" * 300, model="“gpt”") for n in range(5_000))
    assert wait(platform.usage.record(UsageBatch(calls=calls))).new == len(calls)


NONE = "none_such"
REFUSED: dict[str, Callable[[World], list[dict[str, Any]]]] = {
    "general.save": lambda _: [
        {"changes": GeneralChanges(seen=1, name="Acme\u202e", description="new")},
        {"changes": GeneralChanges(seen=1, name="New", description="x" * 281)},
        {"changes": GeneralChanges(seen=99, name="New")},
    ],
    "general.set_logo": lambda _: [{"image": b"no picture"}],
    "general.delete": lambda _: [{"confirm": "acme"}, {"confirm": ""}],
    "team.present": lambda _: [],
    "team.invite": lambda _: [
        {"invitation": NewInvitation(email="no address")},
        {"invitation": NewInvitation(email=ADMIN.upper())},
        {"invitation": NewInvitation(email="linus@acme.example")},
    ],
    "team.resend": lambda world: [{"id": NONE}, {"id": world.admin}],
    "team.delivered": lambda world: [{"id": NONE, "sends": 1, "delivery": Delivery.SENT}],
    "team.revoke": lambda world: [{"id": NONE}, {"id": world.admin}],
    "team.join": lambda world: [{"code": "made-up", "name": "Mallory"}, {"code": world.code, "name": "\u202e"}],
    "team.set_role": lambda world: [
        {"id": NONE, "role": Role.OWNER},
        {"id": world.invitation, "role": Role.OWNER},
        {"id": world.partner, "role": Role.ADMIN},
    ],
    "team.transfer": lambda world: [
        {"id": NONE, "confirm": ADMIN},
        {"id": world.admin, "confirm": "Grace Hopper"},
        {"id": world.partner, "confirm": PARTNER},
    ],
    "team.remove": lambda world: [{"id": NONE}, {"id": world.partner}],
    "team.leave": lambda _: [{}],
    "access.create": lambda _: [
        {"token": NewToken(name=" ")},
        {"token": NewToken(name="Laptop", days=0)},
        {"token": NewToken(name="Laptop", days=367)},
        {"token": NewToken(name="Laptop", scopes=(Permission.USE_KEYS,))},
        {"token": NewToken(name="Report", kind=Kind.AUTOMATION, scopes=(Permission.MANAGE_MEMBERS,))},
        {"token": NewToken(name="Platform", kind=Kind.PLATFORM, scopes=(Permission.SETTLE_PAYMENTS,))},
    ],
    "access.admit": lambda _: [
        {"person": SignedIn(email=STRANGER, issuer="https://id.acme.example", attempt="1")},
    ],
    "access.revoke": lambda _: [{"id": NONE}],
    "usage.record": lambda _: [
        {"batch": UsageBatch(runs=(RUN,) * 5_001)},
        {"batch": UsageBatch(calls=(CALL,) * 5_001)},
    ],
    "billing.order": lambda _: [
        {"payment": NewPayment(mode="test")},
        {"payment": NewPayment(mode="test", amount=Money(1_000), plan="pro")},
        {"payment": NewPayment(mode="test", amount=Money(499))},
        {"payment": NewPayment(mode="test", amount=Money(200_001))},
        {"payment": NewPayment(mode="test", amount=Money(1_000, "USD"))},
        {"payment": NewPayment(mode="test", plan="free")},
        {"payment": NewPayment(mode="test", plan="enterprise")},
        {"payment": NewPayment(mode="live", amount=Money(1_000))},
    ],
    "billing.withdraw": lambda world: [{"id": NONE}, {"id": world.paid}],
    "billing.request": lambda _: [{"request": PlanRequest(action=PlanAction.UPGRADE, plan="gold")}],
    "billing.keep_customer": lambda _: [{"customer": "", "mode": "test"}, {"customer": CUSTOMER, "mode": "live"}],
    "billing.keep_subscription": lambda _: [
        {"subscription": replace(subscription(), customer="cus_other"), "read": None}
    ],
    "billing.opened": lambda _: [{"id": NONE, "page": "cs_2"}],
    "billing.settle": lambda world: [
        {"id": NONE, "settlement": settlement(PaymentStatus.PAID, 2_500)},
        {"id": world.payment, "settlement": settlement(PaymentStatus.CANCELLED, 2_500)},
        {"id": world.payment, "settlement": settlement(PaymentStatus.PAID, 2_500, payment=None)},
    ],
    "billing.reverse": lambda world: [
        {"reversal": replace(back, **wrong)}
        for back in (Reversal(kind="refund", id="re_1", payment=world.paid, money="pi_1", amount=Money(1), taken=True),)
        for wrong in ({"payment": NONE}, {"money": "pi_2"}, {"amount": Money(0)}, {"amount": Money(1, "USD")})
    ],
    "billing.credit": lambda _: [
        {"credit": NewCredit(kind="grant", amount=Money(-1), ref="x", text="")},
        {"credit": NewCredit(kind="adjustment", amount=Money(0), ref="x", text="")},
        {"credit": NewCredit(kind="grant", amount=Money(1, "USD"), ref="x", text="")},
    ],
    "billing.reconciled": lambda _: [],
    "api_keys.add": lambda _: [
        {"key": NewKey(provider="nobody", secret="k" * 20)},
        {"key": NewKey(provider="mistral", secret="k" * 20)},
        {"key": NewKey(provider="openai", secret="m" * 32)},
        {"key": NewKey(provider="openai", secret="")},
    ],
    "api_keys.replace": lambda _: [
        {"key": NewKey(provider="grok", secret="k" * 20)},
        {"key": NewKey(provider="mistral", secret="m" * 32)},
        {"key": NewKey(provider="mistral", secret="two words")},
    ],
    "api_keys.set_enabled": lambda _: [{"provider": "nobody", "enabled": True}, {"provider": "grok", "enabled": True}],
    "api_keys.set_fallback": lambda _: [{"provider": "nobody", "never": True}],
    "api_keys.checked": lambda _: [
        {"provider": "grok", "id": "key_1", "verdict": "valid"},
        {"provider": "mistral", "id": "key_1", "verdict": "fine"},
    ],
    "api_keys.remove": lambda _: [{"provider": "nobody"}, {"provider": "grok"}],
    "api_keys.use": lambda _: [{"provider": "nobody"}],
    "workspaces.create": lambda _: [{"workspace": NewWorkspace(name=" ")}, {"workspace": NewWorkspace(name="DEFAULT")}],
    "workspaces.save": lambda _: [
        {"id": "ws_none", "changes": WorkspaceChanges(seen=1, name="Main")},
        *({"id": "ws_none", "changes": WorkspaceChanges(seen=1, name=name)} for name in ("", "a\u202e", "x" * 61)),
    ],
    "workspaces.set_logo": lambda _: [{"id": "ws_none", "image": png()}],
    "workspaces.set_member": lambda _: [
        {"id": "ws_none", "email": "alan@partner.example", "role": WorkspaceRole.VIEWER}
    ],
    "workspaces.remove_member": lambda _: [{"id": "ws_none", "email": OWNER}],
    "workspaces.archive": lambda _: [{"id": "ws_none"}],
    "workspaces.restore": lambda _: [{"id": "ws_none"}],
    "workspaces.delete": lambda _: [{"id": "ws_none", "confirm": "Default"}],
    "workspaces.set_inventory": lambda _: [{"id": "ws_none", "inventory": Inventory(workflows={}, agents={})}],
}


@pytest.mark.parametrize("declared", WRITES, ids=named)
def test_a_write_that_is_refused_leaves_nothing(
    backend: Backend, world: World, store: Store, declared: Operation
) -> None:
    # The partner is the only owner, and everything here is done by her, but for what only the platform may.
    (me,) = [member.id for member in wait(store.team.show()).members if member.email == OWNER]
    wait(backend.open(PARTNER).team.set_role(me, Role.ADMIN))
    actor = PARTNER if doer(declared) == OWNER else PLATFORM
    asked, before = backend.open(actor), everything(backend)
    refused = REFUSED[declared.id](world)
    assert bool(refused) == bool(declared.raises)
    for arguments in refused:
        with idempotency_key("refused"), pytest.raises(declared.raises):
            wait(call(asked, declared, arguments))
        assert everything(backend) == before
