"""The remote store on a bad line: nothing is done twice, nothing acknowledged is lost, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import OrgtuiError, TooLarge, Unreachable
from orgtui.secret import Secret
from orgtui.store.contract import Store
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.team import NewInvitation
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.remote import RemoteStore, open_remote_store
from tests.contract.conftest import wait
from tests.fault_proxy import NONE, Fault, FaultProxy
from tests.server.site import Site

PATIENCE = 1.0
FAULTS = {
    "none": NONE,
    "slow": Fault(delay=0.3),
    "too slow": Fault(delay=5),
    "refused": Fault(refuse=True),
    "hole": Fault(hole=True),
    "garbage": Fault(garbage=True),
    "429": Fault(status=429),
    "429 for a second": Fault(status=429, retry_after=1),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "cut in the head": Fault(cut=20),
    "cut in the body": Fault(cut=400),
    "half closed": Fault(cut=400, half=True),
    "answer lost": Fault(lose=True),
}
# What a write is tried through for longer than a test should last.
LASTING = ("hole", "too slow")


@dataclass
class Line:
    """A client on the line, and what it was told."""

    proxy: FaultProxy
    remote: RemoteStore
    site: Site
    done: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    slowest: float = 0

    @property
    def store(self) -> Store:
        return self.remote.store


@pytest.fixture
def line(site: Site) -> Iterator[Line]:
    with FaultProxy(site.url) as proxy:
        token = Secret(site.kit.tokens["owner"])
        remote = open_remote_store(proxy.url, token, system_ambient(), patience=PATIENCE)
        yield Line(proxy, remote, site)
        remote.close()


def asked(line: Line, work: Any) -> Any:
    """The answer, or the error: always one of ours, and one line."""
    began = time.monotonic()
    try:
        answer = wait(work)
    except OrgtuiError as error:
        answer = error
    line.slowest = time.monotonic() - began
    # Neither empty nor of two lines.
    assert not isinstance(answer, OrgtuiError) or (answer.message and answer.message.isprintable()), repr(answer)
    return answer


def read(line: Line) -> Any:
    answer = asked(line, line.store.general.overview())
    assert line.slowest < PATIENCE + 1
    return answer


def write(line: Line, name: str) -> Any:
    answer = asked(line, line.store.workspaces.create(NewWorkspace(name=name)))
    (line.unknown if isinstance(answer, OrgtuiError) else line.done).add(name)
    return answer


def check(line: Line) -> None:
    """What is there is what was acknowledged, and perhaps what nobody knows of; each once."""
    names = Counter(name for (name,) in line.site.rows("SELECT name FROM workspaces WHERE name LIKE 'fault %'"))
    log = Counter(
        after.partition('"name"')[2].split('"')[1]
        for (after,) in line.site.rows("SELECT after FROM audit WHERE operation = 'workspaces.create'")
        if '"fault ' in after
    )
    assert not [name for name, count in names.items() if count > 1]
    assert names == log
    assert line.done <= names.keys() <= line.done | line.unknown
    line.proxy.fault, line.proxy.times = NONE, None
    assert not isinstance(read(line), OrgtuiError), "it recovers by itself"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_gives_up_in_time_and_recovers(line: Line, fault: str) -> None:
    assert not isinstance(read(line), OrgtuiError)
    with line.proxy.failing(FAULTS[fault]):
        answer = read(line)
        assert isinstance(answer, OrgtuiError) == (fault not in ("none", "slow")), answer
        assert not isinstance(answer, OrgtuiError) or answer.exit_code == 6
    assert not isinstance(read(line), OrgtuiError)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in LASTING])
def test_a_write_goes_through_a_fault_that_passes_and_happens_once(line: Line, fault: str) -> None:
    read(line)
    with line.proxy.failing(FAULTS[fault], times=2):
        answer = write(line, f"fault {fault}")
    assert not isinstance(answer, OrgtuiError), answer
    check(line)


def test_what_only_the_server_refuses_is_told_in_its_words(line: Line) -> None:
    # What grows on its way: for each of these characters JSON has six.
    large = NewWorkspace(name="Large", description="\x01" * 800_000)
    with pytest.raises(TooLarge, match="The body is larger than 4,194,304 bytes") as refused:
        wait(line.store.workspaces.create(large))
    assert refused.value.exit_code == 2
    assert not isinstance(read(line), OrgtuiError)


def test_connections_that_broke_while_nothing_was_asked_are_made_again(line: Line) -> None:
    for number in range(3):
        assert not isinstance(write(line, f"fault {number}"), OrgtuiError)
        line.proxy.break_all()
        assert not isinstance(read(line), OrgtuiError)
    check(line)


def test_of_a_write_whose_answer_was_lost_the_error_says_that_it_may_be_done(line: Line) -> None:
    import orgtui.store.remote as remote

    with pytest.MonkeyPatch.context() as patch, line.proxy.failing(FAULTS["answer lost"]):
        patch.setattr(remote, "_WRITE", 0.5)
        answer = write(line, "fault lost")
        refused = None
        with line.proxy.failing(FAULTS["502"]):
            refused = write(line, "fault never")
    assert isinstance(answer, Unreachable)
    assert "not known" in answer.message
    assert isinstance(refused, Unreachable)
    check(line)
    assert "fault lost" in {space.name for space in wait(line.store.workspaces.show()).workspaces}


def test_whoever_sends_the_same_again_with_the_same_key_does_it_once(line: Line) -> None:
    import orgtui.store.remote as remote

    def invite() -> Any:
        with idempotency_key("the-same"):
            return asked(line, line.store.team.invite(NewInvitation(email="new@acme.example")))

    with pytest.MonkeyPatch.context() as patch, line.proxy.failing(FAULTS["answer lost"]):
        patch.setattr(remote, "_WRITE", 0.3)
        assert isinstance(invite(), Unreachable)
    first, second = invite(), invite()
    assert first.code == second.code
    rows = line.site.rows("SELECT 1 FROM audit WHERE operation = 'team.invite' AND subject = :id", id=first.member.id)
    assert len(rows) == 1


def sequence(line: Line, seed: int, steps: int) -> None:
    """Faults that come and go at random, while one reads and writes on."""
    chance = random.Random(seed)
    for step in range(steps):
        fault = chance.choice(list(FAULTS))
        times = None if chance.random() < 0.2 and fault not in LASTING else chance.randint(1, 3)
        if fault in LASTING:
            times = 1
        with line.proxy.failing(FAULTS[fault], times):
            for action in chance.choices(("read", "write", "break"), (4, 4, 1), k=chance.randint(1, 3)):
                if action == "read":
                    read(line)
                elif action == "write":
                    write(line, f"fault {seed}.{step}.{os.urandom(4).hex()}")
                else:
                    line.proxy.break_all()
    check(line)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that are given up sooner, so that a test sees many of them."""
    monkeypatch.setattr("orgtui.store.remote._WRITE", 1.5)


@pytest.mark.parametrize("seed", range(4))
def test_some_sequences_of_faults(line: Line, hasty: None, seed: int) -> None:
    sequence(line, seed, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_sequences_of_faults(line: Line, hasty: None, seed: int) -> None:
    sequence(line, seed, 8)


@pytest.mark.parametrize("many", [20])
def test_many_at_once_on_a_bad_line(line: Line, hasty: None, many: int) -> None:
    async def all_() -> list[Any]:
        return await asyncio.gather(
            *(line.store.workspaces.create(NewWorkspace(name=f"fault {number}")) for number in range(many)),
            return_exceptions=True,
        )

    with line.proxy.failing(FAULTS["answer lost"], times=many // 2):
        for number, answer in enumerate(wait(all_())):
            assert not isinstance(answer, BaseException) or isinstance(answer, OrgtuiError)
            (line.unknown if isinstance(answer, BaseException) else line.done).add(f"fault {number}")
    check(line)
