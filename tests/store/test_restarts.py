"""A server that crashes again and again: what it acknowledged is there, once, and nothing half done."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from orgtui.domain.errors import Unreachable
from orgtui.store.contract import Store
from orgtui.store.contract.access import NewToken
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.sql.store import open_sql_store
from tests import rollups
from tests.conftest import OWNER, Clock
from tests.contract.arguments import CALL
from tests.contract.conftest import wait
from tests.postgres import Place, Server
from tests.store.races import look

WRITERS = 4


@dataclass
class Writer:
    """Writes on and on; what is not answered it asks once more, with the same key, until it is."""

    number: int
    acknowledged: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)

    def run(self, place: Place, clock: Clock, enough: threading.Event) -> None:
        opened = open_sql_store(place.database(), OWNER, clock.ambient())
        asyncio.run(self._write(opened.store, enough))
        opened.close()

    async def _write(self, store: Store, enough: threading.Event) -> None:
        count = 0
        while not enough.is_set():
            name = f"{self.number}-{count}"
            # Of two with the same name both would be there: nothing but the key tells that they are one.
            made = await self._until_answered(f"token {name}", partial(store.access.create, NewToken(name=name)))
            self.tokens.append(made.token.id)
            batch = UsageBatch(calls=(replace(CALL, id=name),))
            await self._until_answered(f"call {name}", partial(store.usage.record, batch))
            self.acknowledged.append(name)
            count += 1

    async def _until_answered(self, key: str, act: Callable[[], Awaitable[Any]]) -> Any:
        end = time.monotonic() + 60
        while True:
            try:
                with idempotency_key(key):
                    return await act()
            except Unreachable as error:
                if time.monotonic() > end:
                    raise
                self.said["perhaps" if "may be saved or not" in error.message else "not now"] += 1
                await asyncio.sleep(0.01)


def restart_often(server: Server, place: Place, restarts: int, clock: Clock) -> Counter[str]:
    """Writers, and a server that ends at any moment; answers what they were told."""
    writers, enough, chance = [Writer(number) for number in range(WRITERS)], threading.Event(), random.Random(restarts)
    with ThreadPoolExecutor(WRITERS) as pool:
        working = [pool.submit(writer.run, place, clock, enough) for writer in writers]
        try:
            for _ in range(restarts):
                # By what is done, not by the clock: the next one comes when work goes on again.
                before = sum(len(writer.acknowledged) for writer in writers)
                while sum(len(writer.acknowledged) for writer in writers) < before + 8:
                    assert not any(each.done() for each in working)
                    time.sleep(0.005)
                time.sleep(chance.uniform(0, 0.05))
                server.kill()
                server.start()
        finally:
            enough.set()
        for each in working:
            each.result(60)
    check(place, writers, clock)
    return sum((writer.said for writer in writers), Counter[str]())


def check(place: Place, writers: list[Writer], clock: Clock) -> None:
    """All that was acknowledged is there once, and nothing else; every sum is the sum of what is there."""
    names = sorted(name for writer in writers for name in writer.acknowledged)
    assert len(names) > 2 * WRITERS
    assert sorted(name for (name,) in look(place, "SELECT name FROM access_tokens")) == names
    assert sorted(id for (id,) in look(place, "SELECT id FROM calls")) == names
    tokens = {token for writer in writers for token in writer.tokens}
    assert {id for (id,) in look(place, "SELECT id FROM access_tokens")} == tokens
    rollups.check(partial(look, place))
    opened = open_sql_store(place.database(), None, clock.ambient())
    verified = wait(opened.store.audit.verify())
    opened.close()
    assert (verified.sound, verified.rows) == (True, 2 * len(names) + 1)


def test_two_crashes_lose_nothing_and_double_nothing(postgres: Server, acme_place: Place, clock: Clock) -> None:
    assert restart_often(postgres, acme_place, 2, clock)


@pytest.mark.soak
def test_a_hundred_crashes_lose_nothing_and_double_nothing(postgres: Server, acme_place: Place, clock: Clock) -> None:
    assert restart_often(postgres, acme_place, 100, clock)["perhaps"]
