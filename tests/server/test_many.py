"""Two servers on one PostgreSQL and many clients, while all of them end and begin again: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx
import pytest

from orgtui.aside import aside
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Unreachable
from orgtui.secret import Secret
from orgtui.store.contract.access import NewToken
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.remote import RemoteStore, open_remote_store
from orgtui.store.sql.store import open_sql_store
from tests.conftest import Clock
from tests.contract.conftest import wait
from tests.postgres import Place, Server
from tests.server.process import Served


@dataclass
class Client:
    """Reads and writes on and on, at the next server when one does not answer, with the key it had."""

    number: int
    stores: list[RemoteStore]
    acknowledged: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    turned_away: int = 0

    async def run(self, end: float) -> None:
        """Until then; a write that was begun is ended."""
        count = 0
        while time.monotonic() < end:
            count += 1
            name = f"{self.number}-{count}" if count % 5 == 0 else None
            await self._until_answered(name)

    async def _until_answered(self, name: str | None) -> None:
        began = time.monotonic()
        while True:
            store = self.stores[0].store
            try:
                if name is None:
                    await (store.general.overview, store.team.show, store.usage.month)[len(self.seconds) % 3]()
                else:
                    with idempotency_key(name):
                        # Of two with one name both would be there: nothing but the key tells that they are one.
                        await store.access.create(NewToken(name=name))
                    self.acknowledged.append(name)
            except Unreachable:
                self.turned_away += 1
                self.stores.reverse()
                await asyncio.sleep(0.05)
            else:
                self.seconds.append(time.monotonic() - began)
                return


def figures(seconds: list[float], during: float) -> str:
    """Requests a second, and milliseconds."""
    cut = quantiles(seconds, n=100)
    p50, p95, p99 = (round(cut[at] * 1000, 1) for at in (49, 94, 98))
    return f"{len(seconds) / during:.0f} requests/s, p50 {p50} ms, p95 {p95} ms, p99 {p99} ms"


@contextmanager
def two_servers(place: Place, token: str) -> Iterator[list[Served]]:
    """At ports that stay theirs."""
    key = {"ORGTUI_MASTER_KEY_FILE": str(place.keys)}
    servers = [Served(place.url.public, token, **key) for _ in range(2)]
    try:
        yield servers
    finally:
        for server in servers:
            with suppress(ProcessLookupError):
                server.process.kill()
            server.process.wait()


def again(server: Served, place: Place) -> Served:
    """The server, killed in the middle and started at its port."""
    port = int(server.url.rpartition(":")[2])
    server.end(signal.SIGKILL)
    return Served(place.url.public, server.token, port=port, ORGTUI_MASTER_KEY_FILE=str(place.keys))


def work(postgres: Server, directory: Path, clients: int, during: float, restarts: int) -> str:
    """Everything at once; answers the figures."""
    place = postgres.acme(directory, Clock(system_ambient().now()))
    opened = open_sql_store(place.database(), None, system_ambient())
    token = wait(opened.store.access.create(NewToken(name="first"))).secret
    with two_servers(place, token) as servers:
        urls = [server.url for server in servers]
        crowd = []
        for number in range(clients):
            stores = [open_remote_store(url, Secret(token), system_ambient()) for url in urls]
            crowd.append(Client(number, stores if number % 2 else stores[::-1]))

        async def everybody() -> None:
            end = time.monotonic() + during
            await asyncio.gather(*(client.run(end) for client in crowd), trouble(end))

        async def trouble(end: float) -> None:
            for number in range(restarts):
                await asyncio.sleep(during / (restarts + 1) * random.Random(number).uniform(0.7, 1.0))
                await aside(lambda: (postgres.kill(), postgres.start()))
                if number == restarts // 2:
                    servers[0] = await aside(lambda: again(servers[0], place))

        began = time.monotonic()
        asyncio.run(everybody())
        took = time.monotonic() - began
        for client in crowd:
            for store in client.stores:
                store.close()
    acknowledged = [name for client in crowd for name in client.acknowledged]
    there = [found.name for found in wait(opened.store.access.show()).tokens]
    opened.close()
    assert sorted(there) == sorted([*acknowledged, "first"])
    assert len(set(acknowledged)) == len(acknowledged)
    told = figures([second for client in crowd for second in client.seconds], took)
    away = sum(client.turned_away for client in crowd)
    return f"{clients} clients, {len(acknowledged)} writes: {told}; turned away {away} times"


def compared(postgres: Server, directory: Path, clients: int, during: float) -> str:
    """The same number of clients at a route that reads one row."""
    place = postgres.acme(directory, Clock(system_ambient().now()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"dbname={place.url.database} user=postgres host={place.url.options['host']}"
    process = subprocess.Popen([sys.executable, "-m", "tests.server.bare", where, str(port)])
    seconds: list[float] = []

    async def one(end: float) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            while time.monotonic() < end:
                began = time.monotonic()
                answer = await aside(lambda: client.get("/row"))
                assert answer.json() == {"name": "Acme"}
                seconds.append(time.monotonic() - began)

    async def everybody() -> None:
        end = time.monotonic() + during
        await asyncio.gather(*(one(end) for _ in range(clients)))

    try:
        for _ in range(100):
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/row", trust_env=False)
                break
            time.sleep(0.1)
        asyncio.run(everybody())
    finally:
        process.kill()
        process.wait()
    return figures(seconds, during)


def directory(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def test_a_few_clients_while_all_end_once(postgres: Server, memory: Path) -> None:
    work(postgres, memory, clients=6, during=5, restarts=1)


@pytest.mark.soak
def test_fifty_clients_for_a_minute(postgres: Server, memory: Path) -> None:
    bare = compared(postgres, directory(memory, "bare"), 50, 10)
    calm = work(postgres, directory(memory, "calm"), clients=50, during=20, restarts=0)
    print("a bare route that reads one row:", bare)
    print("two servers, left alone:", calm)
    print("while all end and begin again:", work(postgres, directory(memory, "many"), 50, 60, restarts=5))
