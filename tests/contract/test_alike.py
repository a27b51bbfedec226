"""Whoever holds a Store cannot tell which: the same questions in the same order are answered alike by every one."""

from __future__ import annotations

import random
import re
import tempfile
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import count
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.money import Cost, Money
from orgtui.domain.roles import PERMISSIONS, PLATFORM, PLATFORM_PERMISSIONS, Role
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.operation import Operation, idempotency_key, operations
from orgtui.store.contract.team import NewInvitation
from tests.conftest import OWNER, Clock
from tests.contract.backends import Backend, Http, Postgres, Sqlite, everything
from tests.contract.conftest import ADMIN, STRANGER, wait
from tests.postgres import Server
from tests.served import Street

EVERY = [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]
# What is asked of one organization only once ends a run.
RARE = {"general.delete", "team.leave"}
OFTEN = [declared for declared in EVERY for _ in range(1 if declared.id in RARE else 12)]
ZONE = "Europe/Vienna"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXTS = {
    "email": [OWNER, ADMIN, "new@acme.example", "New@ACME.example", "a/b@acme.example", "no address"],
    "name": ["Staging", "STAGING", "Zoë", "Ops", " ", "ß", "x" * 61],
    "month": ["2026-11", "2026-10", "2026-13"],
    "provider": ["openai", "mistral", "nobody"],
    "secret": ["k" * 20, "m" * 32, ""],
    "confirm": ["Acme", "Staging", OWNER, "New@ACME.example"],
    "status": ["success", "error", "waiting", "running"],
    "mode": ["webhook", "manual", "trigger"],
    "source": ["n8n", "litellm"],
    "model": ["openai/gpt-4o", "gpt-5", "mistral-large"],
    "currency": ["EUR", "USD"],
    "plan": ["free", "pro", "business", "gold"],
    "workspace": ["Default", "Staging", "none", "elsewhere"],
    "customer": ["cus_1", "cus_2"],
    "payment": ["pi_1", "pi_2", "pi_3"],
    "ref": ["ref-1", "ref-2"],
    "verdict": ["valid", "invalid", "fine"],
    "text": ["", "Staging", "ada"],
    "code": ["orgtui_inv_" + "0" * 43],
    "id": ["none_such", "", "nobody"],
}
# How what was heard of is known: by the first part of the path of what is asked for it, or by the argument's name.
KINDS = {
    "members": r"\bmem_\w+",
    "invitations": r"\binv_\w+",
    "workspaces": r"\bws_\w+",
    "tokens": r"\btok_\w+",
    "billing": r"\bpay_\w+",
    "payment": r"\bpi_\w+",
    "keys": r"\bkey_\w+",
    "code": r'"code":"([^"]+)"',
    "seen": r'"version":(\d+)',
    "read": r'"read":"([^"]+)"',
}


class Standing(Clock):
    """A clock whose randomness is the same each time."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.begin(0)

    def begin(self, seed: int) -> None:
        """From here on."""
        self._random = random.Random(seed)

    def ambient(self) -> Ambient:
        return Ambient(now=lambda: self.now, random=lambda size: self._random.randbytes(size))


class Heard:
    """The ids, invitation codes and versions that answers told of, each kind for itself."""

    def __init__(self) -> None:
        self._kinds = {kind: dict[str, None]() for kind in KINDS}

    def listen(self, answer: str) -> None:
        """Keep what one tells of, the latest last."""
        for kind, pattern in KINDS.items():
            for one in re.findall(pattern, answer):
                self._kinds[kind].pop(one, None)
                self._kinds[kind][one] = None

    def some(self, kind: str) -> list[str]:
        """The last few of a kind."""
        return list(self._kinds[kind])[-5:]


class Making:
    """Makes arguments of the right types, most often with what was heard of before."""

    def __init__(self, chance: random.Random, heard: Heard) -> None:
        self._chance, self._heard, self._of = chance, heard, ""

    def actor(self, declared: Operation) -> str:
        """Most often one who may."""
        mays = [PLATFORM] if declared.needs in PLATFORM_PERMISSIONS - PERMISSIONS[Role.OWNER] else [OWNER, OWNER, ADMIN]
        return self._chance.choice(mays if self._chance.random() < 0.9 else [OWNER, ADMIN, PLATFORM, STRANGER])

    def arguments(self, declared: Operation) -> dict[str, Any]:
        """For an operation; what may be left away often is."""
        parameters, self._of = declared.signature.parameters, declared.path.split("/")[1]
        return {
            name: self.of(hint, name)
            for name, hint in declared.hints.items()
            if name != "return" and (parameters[name].default is parameters[name].empty or self._chance.random() < 0.5)
        }

    def of(self, hint: Any, name: str) -> Any:
        """A value of a type, for something of that name."""
        pick, origin = self._chance.choice, get_origin(hint)
        if origin in (Union, UnionType):
            some = [one for one in get_args(hint) if one is not NoneType]
            return None if self._chance.random() < 0.4 else self.of(pick(some), name)
        if origin is Literal:
            return pick(get_args(hint))
        if origin in (tuple, list):
            return self._sequence(hint, origin, name)
        if origin is dict:
            return {f"wf_{number}": self.of(get_args(hint)[1], "name") for number in range(self._chance.randrange(3))}
        if isinstance(hint, type) and issubclass(hint, Enum):
            return pick(list(hint))
        return self._plain(hint, name)

    def _sequence(self, hint: Any, origin: Any, name: str) -> Any:
        inner = get_args(hint)
        if origin is tuple and inner[-1] is not Ellipsis:
            return tuple(self.of(one, name) for one in inner)
        return origin(self.of(inner[0], name) for _ in range(self._chance.randrange(3)))

    def _plain(self, hint: Any, name: str) -> Any:
        pick = self._chance.choice
        if is_dataclass(hint) and isinstance(hint, type):
            return self._object(hint)
        made: dict[Any, Any] = {
            str: lambda: self._text(name),
            int: lambda: pick(
                [1, 2, 3, *map(int, self._heard.some(name))] if name == "seen" else [0, 1, 2, 3, 7, 90, 200, -1]
            ),
            bool: lambda: pick([True, False]),
            bytes: lambda: pick([b"no picture", PNG]),
            Decimal: lambda: pick([Decimal("0.000123"), Decimal(12), Decimal("1.5")]),
            datetime: lambda: pick(
                [datetime.fromisoformat(one) for one in (self._heard.some(name)[-1:] if name == "read" else [])]
                or [NOW - timedelta(hours=hours) for hours in (0, 1, 30, 800)]
            ),
            date: lambda: NOW.date() - timedelta(days=pick([0, 1, 40])),
        }
        return made[hint]()

    def _text(self, name: str) -> str:
        kind = self._of if name == "id" else name
        if kind in KINDS and self._chance.random() < 0.85 and (some := self._heard.some(kind)):
            return self._chance.choice(some)
        return self._chance.choice(TEXTS.get(name, ["", "one", "two"]))

    def _object(self, kind: type[Any]) -> Any:
        if kind in (Money, Cost):
            return Money(self._chance.choice([500, 1_000, 2_500])) if kind is Money else Cost(Decimal("1.5"))
        hints = get_type_hints(kind)
        optional = {
            one.name for one in fields(kind) if one.default is not MISSING or one.default_factory is not MISSING
        }
        named = [one.name for one in fields(kind) if one.name not in optional or self._chance.random() < 0.6]
        return kind(**{name: self.of(hints[name], name) for name in named})


class Alike(RuleBasedStateMachine):
    """One organization on several backends; each is asked the same and must answer the same, byte for byte."""

    make: Any

    def __init__(self) -> None:
        super().__init__()
        self._backends: dict[str, Backend] = self.make()
        self._stores: dict[tuple[str, str], Store] = {}
        self._heard, self._steps = Heard(), count(1)

    @initialize()
    def begin(self) -> None:
        """The same randomness everywhere, and an admin beside the owner."""
        for backend in self._backends.values():
            backend.clock.begin(1)  # type: ignore[attr-defined]
        for name in self._backends:
            team = self._store(name, OWNER).team
            with idempotency_key("invite"):
                code = wait(team.invite(NewInvitation(email=ADMIN))).code
            with idempotency_key("join"):
                wait(team.join(code, "Grace"))
        for declared in EVERY:
            if not declared.writes and declared.name == "show":
                self._ask(OWNER, declared, {}, 0)

    @rule(seed=st.integers(0, 2**32))
    def ask(self, seed: int) -> None:
        """One operation, after some time; now and then the same again, as by who did not hear the answer."""
        chance, step = random.Random(seed), next(self._steps)
        declared, hours = chance.choice(OFTEN), chance.choice([0] * 20 + [1, 25, 24 * 8, 24 * 32])
        for backend in self._backends.values():
            backend.clock.now += timedelta(hours=hours)
        making = Making(chance, self._heard)
        actor, arguments = making.actor(declared), making.arguments(declared)
        for _ in range(2 if chance.random() < 0.1 else 1):
            self._ask(actor, declared, arguments, step)

    def _ask(self, actor: str, declared: Operation, arguments: dict[str, Any], step: int) -> None:
        answers = {name: self._answer(name, actor, declared, arguments, step) for name in self._backends}
        first = next(iter(answers.values()))
        assert set(answers.values()) == {first}, (declared.id, actor, arguments, answers)
        self._heard.listen(first)

    def _store(self, name: str, actor: str) -> Store:
        if (name, actor) not in self._stores:
            self._stores[name, actor] = self._backends[name].open(actor)
        return self._stores[name, actor]

    def _answer(self, name: str, actor: str, declared: Operation, arguments: dict[str, Any], step: int) -> str:
        section = getattr(self._store(name, actor), declared.section)
        try:
            # Keys everywhere: with them each takes as much from chance as those that need them.
            with idempotency_key(f"step-{step}"):
                answer = wait(getattr(section, declared.name)(**arguments))
        except OrgtuiError as error:
            return f"{error.code}: {error.message} {error.details}"
        told: str = declared.answers.dump_json(answer).decode()
        return told

    def teardown(self) -> None:
        """What they hold is the same, row by row; then everything goes."""
        try:
            held = {name: everything(backend) for name, backend in self._backends.items()}
            first = next(iter(held.values()))
            for name, theirs in held.items():
                for table in theirs.keys() & first.keys():
                    assert theirs[table] == first[table], (name, table)
        finally:
            for backend in self._backends.values():
                backend.close()


PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\3\1\1\0"
    b"\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82"
)


class Maker:
    """Makes the backends of one run."""

    def __init__(
        self, names: list[str], directory: Path, templates: Path, server: Any, street: tuple[str, Street]
    ) -> None:
        self._names, self._directory, self._server, self._street = names, directory, server, street
        self._templates = templates / "alike"
        self._templates.mkdir(exist_ok=True)

    def __call__(self) -> dict[str, Backend]:
        return {name: self._one(name) for name in self._names}

    def _one(self, name: str) -> Backend:
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        clock = Standing()
        behind: Any
        if name.endswith("sqlite"):
            behind = Sqlite(directory, self._templates, clock, ZONE)
        else:
            behind = Postgres(self._server(), directory, clock, ZONE)
        return Http(behind, *self._street) if name.startswith("http") else behind


def run(names: list[str], runs: int, steps: int, request: pytest.FixtureRequest) -> None:
    def server() -> Server:
        made: Server = request.getfixturevalue("postgres")
        return made

    memory, templates, street = (request.getfixturevalue(name) for name in ("memory", "templates", "street"))
    maker = Maker(names, memory, templates, server, street)
    machine: Any = type("AlikeMachine", (Alike,), {"make": staticmethod(maker)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            # What differed is told at once; to make it smaller takes as long as a thousand runs.
            phases=[Phase.generate],
        ),
    )


def test_sqlite_and_http_answer_alike(request: pytest.FixtureRequest) -> None:
    run(["sqlite", "http on sqlite"], 6, 40, request)


def test_sqlite_and_postgresql_answer_alike(request: pytest.FixtureRequest) -> None:
    run(["sqlite", "postgresql"], 4, 40, request)


@pytest.mark.soak
@pytest.mark.parametrize("hundred", range(10))
def test_all_four_answer_alike(request: pytest.FixtureRequest, hundred: int) -> None:
    run(["sqlite", "postgresql", "http on sqlite", "http on postgresql"], 100, 50, request)
