"""The screens on a bad line: every key is answered at once, nothing is done twice, and what is old says so."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from statistics import quantiles
from typing import Any

import pytest
from textual import events

from orgtui.app import Connection, OrgTui
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Unreachable
from orgtui.secret import Secret
from orgtui.settings import Settings
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.remote import open_remote_store
from orgtui.terminal import GRACE
from tests.conftest import profile
from tests.fault_proxy import NONE, FaultProxy
from tests.screens.harness import Drive, awaited, opened, sees, shown, until
from tests.server.site import Site
from tests.server.test_faults import FAULTS

OLD = "It is tried again by itself"
KEYS = ("1", "2", "3", "4", "5", "6", "down", "up", "r")
SPOKEN = 0.1


@asynccontextmanager
async def far(site: Site, proxy: FaultProxy, section: str = "team") -> AsyncIterator[Drive]:
    """The screens of the owner, at the other end of the line."""

    def connect() -> Connection:
        remote = open_remote_store(proxy.url, Secret(site.kit.tokens["owner"]), system_ambient())
        return Connection(remote.store, remote.close)

    settings = Settings(store=proxy.url, theme="dark")
    app = OrgTui(connect, settings=settings, profile=profile(), ambient=system_ambient(), section=section, label="far")
    async with opened(app) as pilot:
        yield pilot


async def answered(pilot: Drive, key: str) -> float:
    """How long the program takes to act on a key."""
    done, began = asyncio.Event(), time.perf_counter()
    pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
    pilot.app.call_later(done.set)
    await done.wait()
    return time.perf_counter() - began


async def walked(pilot: Drive, chance: random.Random, keys: int) -> list[float]:
    """Some keys, as fast as a person presses them."""
    took = []
    for _ in range(keys):
        took.append(await answered(pilot, chance.choice(KEYS)))
        await asyncio.sleep(0.02)
    return took


async def sequences(site: Site, count: int) -> dict[str, Any]:
    """Faults that come and go while somebody walks about; answers the slowest keys, with faults and without."""
    chance = random.Random(count)
    with FaultProxy(site.url) as proxy:
        async with far(site, proxy) as pilot:
            for key in "123456":
                await pilot.press(key)
            calm = await walked(pilot, chance, 40)
            troubled = []
            for _ in range(count):
                proxy.fault = FAULTS[chance.choice(list(FAULTS))]
                if chance.random() < 0.3:
                    proxy.break_all()
                troubled += await walked(pilot, chance, 6)
                proxy.fault = NONE
            # A filter or a field may have focus; from the sidebar every key is a section's.
            await pilot.press("escape", "escape", "2")
            await until(pilot, lambda: "Active" in shown(pilot) and OLD not in shown(pilot), limit=20)
    return {"calm": quantiles(calm, n=20)[18], "troubled": quantiles(troubled, n=20)[18], "worst": max(troubled)}


@awaited
async def test_a_server_that_is_gone_is_told_of_and_comes_back(site: Site) -> None:
    with FaultProxy(site.url) as proxy:
        async with far(site, proxy) as pilot:
            await sees(pilot, "grace@acme.example")
            for fault in ("refused", "hole"):
                with proxy.failing(FAULTS[fault]):
                    proxy.break_all()
                    gone = time.monotonic()
                    await until(pilot, lambda: OLD in shown(pilot), limit=10)
                    assert time.monotonic() - gone < 5
                    # What was known stands there, and since when.
                    assert "grace@acme.example" in shown(pilot)
                    assert "Below is what was known at" in shown(pilot)
                    # Nor can another be read, which nobody has seen yet.
                    await pilot.press("1")
                    await until(pilot, lambda: "General could not be read" in shown(pilot) or "Danger" in shown(pilot))
                await until(pilot, lambda: "could not be read" not in shown(pilot), limit=15)
                await pilot.press("2")
                await until(pilot, lambda: OLD not in shown(pilot))
                assert "grace@acme.example" in shown(pilot)


REVOKED = "You are not logged in"


def revoke(site: Site) -> None:
    """All tokens, by somebody else."""
    with closing(sqlite3.connect(site.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM access_tokens")


@awaited
async def test_a_token_that_is_revoked_while_the_server_is_gone_is_told_when_it_is_back(site: Site) -> None:
    with FaultProxy(site.url) as proxy:
        async with far(site, proxy) as pilot:
            await sees(pilot, "grace@acme.example")
            with proxy.failing(FAULTS["refused"]):
                await until(pilot, lambda: OLD in shown(pilot), limit=10)
                revoke(site)
            await until(pilot, lambda: REVOKED in shown(pilot))
            assert OLD not in shown(pilot)
            assert f"orgtui login {proxy.url}" in " ".join(shown(pilot).split())
            assert "Not for your role" not in shown(pilot)


@awaited
async def test_a_token_that_is_revoked_is_told_without_a_key(site: Site) -> None:
    with FaultProxy(site.url) as proxy:
        async with far(site, proxy) as pilot:
            await sees(pilot, "grace@acme.example")
            revoke(site)
            await until(pilot, lambda: REVOKED in shown(pilot))
            # Whoever goes on trying it has the server refuse every other token from the same address.
            await asyncio.sleep(5)
            assert sum('"general.revision"' in line and '"status": 401' in line for line in site.log) <= 2


@awaited
async def test_who_quits_while_something_is_written_is_told_that_it_may_be_unfinished(site: Site) -> None:
    with FaultProxy(site.url) as proxy:
        async with far(site, proxy) as pilot:
            await sees(pilot, "grace@acme.example")
            proxy.fault = FAULTS["refused"]
            screen: Any = pilot.app.screen
            screen.carry_out(lambda store: store.workspaces.create(NewWorkspace(name="Late")), "Made.")
            await asyncio.sleep(0.3)
            began = time.monotonic()
            await pilot.press("q")
        assert time.monotonic() - began < GRACE
    assert pilot.app.return_code == Unreachable.exit_code


@awaited
async def test_every_key_is_answered_whatever_the_line_does(site: Site) -> None:
    told = await sequences(site, 12)
    assert told["troubled"] < max(SPOKEN, 2 * told["calm"]), told


@pytest.mark.soak
@awaited
async def test_every_key_is_answered_through_three_hundred_faults(site: Site) -> None:
    told = await sequences(site, 300)
    print(told)
    assert told["troubled"] < max(SPOKEN, 2 * told["calm"]), told
