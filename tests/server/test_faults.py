"""The remote store on a bad line: nothing is done twice, nothing acknowledged is lost, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from orgtui.billing.payments import Payments
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import MAY_BE_DONE, OrgtuiError, TooLarge, Unauthenticated, Unreachable
from orgtui.secret import Secret
from orgtui.sign_in import SignIn
from orgtui.store.contract import Store
from orgtui.store.contract.access import NewToken
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


def test_a_header_without_an_end_is_not_waited_for_and_few_threads_are_left_to_it(line: Line) -> None:
    began = threading.active_count()
    with line.proxy.failing(Fault(drip=True)):
        for _ in range(8):
            assert isinstance(read(line), Unreachable)
        assert threading.active_count() - began <= 4
    line.proxy.break_all()
    time.sleep(0.3)
    assert not isinstance(read(line), OrgtuiError)


def test_questions_that_somebody_took_back_keep_none_from_being_asked(line: Line) -> None:
    """As by a key that is held down: each refreshes, and takes back the one before."""

    async def held() -> object:
        for _ in range(12):
            asked = asyncio.create_task(line.store.general.revision())
            await asyncio.sleep(0.02)
            asked.cancel()
        return await line.store.general.revision()

    with line.proxy.failing(FAULTS["slow"]):
        assert isinstance(wait(held()), int)


@pytest.fixture
def lost_for(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a name is looked up for here."""
    found, seconds = socket.getaddrinfo, [0.0]

    def slow(*given: Any, **more: Any) -> Any:
        time.sleep(seconds[0])
        return found(*given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    return seconds


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(line: Line, lost_for: list[float]) -> None:
    lost_for[0] = 3
    assert "does not answer in time" in read(line).message


def test_what_was_given_up_is_not_sent_when_the_name_is_found_at_last(
    line: Line, lost_for: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgtui.store.remote._WRITE", 0.3)
    lost_for[0] = 1.5
    assert isinstance(write(line, "fault too late"), Unreachable)
    lost_for[0] = 0
    time.sleep(1.5)
    assert not line.site.rows("SELECT 1 FROM workspaces WHERE name = 'fault too late'")


def test_a_name_that_nobody_knows_is_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert read(line).message.endswith("cannot be reached: no such name is known here.")


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_gave_up_may_have_passed_it_on(line: Line, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orgtui.store.remote._WRITE", 0.3)
    with line.proxy.failing(Fault(status=status)):
        told = [asked(line, line.remote.service(Payments).subscribe("pro")), write(line, "fault at a gateway")]
        assert all(MAY_BE_DONE in answer.message for answer in told), told
        assert MAY_BE_DONE not in read(line).message
    with line.proxy.failing(Fault(status=429)):
        assert MAY_BE_DONE not in asked(line, line.remote.service(Payments).subscribe("pro")).message


def test_what_was_lost_once_may_be_done_whatever_comes_after(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orgtui.store.remote._WRITE", 2.5)
    monkeypatch.setattr("orgtui.store.remote._FIRST_PAUSE", 1.0)
    name = "fault and then refused"

    async def work() -> Any:
        writing = asyncio.ensure_future(line.store.workspaces.create(NewWorkspace(name=name)))
        while not line.site.rows("SELECT 1 FROM workspaces WHERE name = :name", name=name):
            await asyncio.sleep(0.01)
        line.proxy.listen_no_longer()
        return await writing

    with line.proxy.failing(FAULTS["answer lost"]):
        answer = asked(line, work())
    assert MAY_BE_DONE in answer.message
    assert "refused" in answer.message, "the last word is of a connection that was not made"


def test_who_revokes_the_own_token_and_hears_no_answer_is_told_that_it_may_be_done(line: Line) -> None:
    made = wait(line.store.access.create(NewToken(name="Mine")))
    own = open_remote_store(line.proxy.url, Secret(made.secret), system_ambient())
    with line.proxy.failing(FAULTS["answer lost"], times=1):
        answer = asked(line, own.store.access.revoke(made.token.id))
    assert isinstance(answer, Unauthenticated)
    assert MAY_BE_DONE in answer.message
    again = asked(line, own.store.general.overview())
    assert isinstance(again, Unauthenticated)
    assert again.exit_code == 3
    assert again.message.endswith(f"Log in (orgtui login {line.proxy.url}).")
    own.close()


async def _left(store: Store, name: str) -> None:
    """Begin to write, and wait no longer for it."""
    writing = asyncio.ensure_future(store.workspaces.create(NewWorkspace(name=name)))
    await asyncio.sleep(0.2)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


def test_at_the_end_a_write_under_way_has_a_moment_to_end(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orgtui.store.remote._LAST", 5.0)
    remote = open_remote_store(line.proxy.url, Secret(line.site.kit.tokens["owner"]), system_ambient())
    with line.proxy.failing(FAULTS["refused"]):
        wait(_left(remote.store, "fault at the end"))
    remote.close()
    assert line.site.rows("SELECT 1 FROM workspaces WHERE name = 'fault at the end'")


def test_at_the_end_what_is_still_not_done_is_told(line: Line) -> None:
    remote = open_remote_store(line.proxy.url, Secret(line.site.kit.tokens["owner"]), system_ambient())
    with line.proxy.failing(FAULTS["refused"]):
        wait(_left(remote.store, "fault left"))
        began = time.monotonic()
        with pytest.raises(Unreachable, match="still on its way"):
            remote.close()
        assert time.monotonic() - began < 1.5


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


def test_who_joins_and_does_not_hear_it_has_their_token_all_the_same(line: Line) -> None:
    code = wait(line.store.team.invite(NewInvitation(email="carl@acme.example"))).code
    entrance: SignIn = line.remote.service(SignIn)
    with line.proxy.failing(FAULTS["answer lost"], times=1):
        joined = wait(entrance.join(code, "Carl"))
    assert joined.token is not None
    carls = open_remote_store(line.site.url, Secret(joined.token.secret), system_ambient())
    assert wait(carls.store.general.overview()).actor == "carl@acme.example"
    carls.close()
    assert len(line.site.rows("SELECT 1 FROM access_tokens WHERE name = 'Invitation'")) == 1


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
