"""kill -9 at any moment of imports and saves: nothing that was acknowledged is lost, and no figure is half counted."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.sql import chain
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests import rollups
from tests.conftest import Clock, copy_of_acme

EVENTS = 120
PRELOADED = ["orgtui.store.sql.usage", "orgtui.store.sql.general", "tests.test_kills"]


def batch(number: int) -> UsageBatch:
    """A batch of its own; every third telling of a run is of one that waited in the batch before."""
    chance = random.Random(number)
    start = datetime(2026, 3, 28, tzinfo=UTC)
    runs, calls = [], []
    for index in range(EVENTS // 2):
        at = start + timedelta(minutes=chance.randrange(4 * 24 * 60))
        again = index % 3 == 0 and number > 0
        run = Run(source="n8n", id=f"{number - again}-{index + again}", status="success", mode="webhook", started_at=at)
        runs.append(run if index % 3 != 1 else replace(run, status="waiting"))
        billed = Decimal(chance.randrange(10**9)).scaleb(-12) if index % 5 else None
        funding = Funding.OWN_KEY if index % 7 == 0 else Funding.CREDITS
        model = chance.choice(["gpt-4o", "sonnet"])
        tokens = chance.randrange(10**4)
        calls.append(
            Call(
                source="litellm",
                id=f"{number}-{index}",
                at=at,
                model=model,
                input_tokens=tokens,
                total_tokens=tokens,
                billed=billed,
                funding=funding,
            )
        )
    return UsageBatch(runs=tuple(runs), calls=tuple(calls))


def work(path: Path, batches: int, acknowledge: int) -> None:
    """Import all batches from the first on, save between them, and say what is done the moment it is done."""
    opened = open_sql_store(SqliteDatabase(path), None, system_ambient())

    async def go() -> None:
        for number in range(batches):
            await opened.store.usage.record(batch(number))
            os.write(acknowledge, b"batch %d\n" % number)
            page = await opened.store.general.show()
            saved = f"{os.getpid()} saved {number}"
            await opened.store.general.save(GeneralChanges(seen=page.version, description=saved))
            os.write(acknowledge, b"save %s\n" % saved.encode())
        os.write(acknowledge, b"done\n")

    asyncio.run(go())
    opened.close()


def child_main(path: Path, batches: int, pipe: Any) -> None:
    """A child process."""
    os.write(pipe.fileno(), b"begun\n")
    work(path, batches, pipe.fileno())


def let_work(context: Any, path: Path, batches: int, steps: int | None = None, delay: float = 0) -> list[str]:
    """What a child acknowledged until it was killed, *delay* seconds after so many acknowledgements, or was done."""
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=child_main, args=(path, batches, theirs))
    child.start()
    theirs.close()
    said = b""
    with ours:
        while chunk := os.read(ours.fileno(), 65536):
            said += chunk
            if steps is not None and said.count(b"\n") > steps:
                time.sleep(delay)
                child.kill()
                steps = None
    child.join()
    return said.decode().splitlines()


def look(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def check(path: Path, said: list[str]) -> None:
    """The file is sound, the roll-ups are the sums of the events, and all that was acknowledged is there."""
    assert look(path, "PRAGMA integrity_check") == [("ok",)]
    assert look(path, "PRAGMA foreign_key_check") == []
    rollups.check(lambda sql: look(path, sql))
    saves = [line.removeprefix("save ") for line in said if line.startswith("save ")]
    if saves:
        ((description,),) = look(path, "SELECT description FROM organizations")
        pid, _, number = saves[-1].partition(" saved ")
        later = f"{pid} saved {int(number) + 1}"
        assert description in (saves[-1], later)
    stored = {identity for (identity,) in look(path, "SELECT id FROM calls")}
    for line in said:
        if line.startswith("batch "):
            assert {call.id for call in batch(int(line.removeprefix("batch "))).calls} <= stored
    # One audit row for each revision, neither without the other, and each chained to the one before.
    database = SqliteDatabase(path)
    with database.reading() as rows:
        organization = rows.value("SELECT id FROM organizations")
        assert chain.verify(rows, database.keys.open(os.urandom).chain(), organization, None).problem is None
    database.close()


def figures(path: Path) -> list[list[tuple[Any, ...]]]:
    """Everything that an import leaves, without the hand that left it."""
    tables = ("runs", "calls", "run_days WHERE runs <> 0", "call_days")
    return [sorted(row[1:] for row in look(path, f"SELECT * FROM {table}")) for table in tables]


def kill_often(kills: int, batches: int, directory: Path, templates: Path, clock: Clock) -> int:
    """Kill, look, go on; answers how many children were killed in the middle of their work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    undisturbed, path = directory / "undisturbed.db", directory / "acme.db"
    copy_of_acme(templates, undisturbed, clock)
    copy_of_acme(templates, path, clock)
    check(path, let_work(context, path, batches, 0))
    chance, killed = random.Random(kills), 1
    begun = time.monotonic()
    assert let_work(context, undisturbed, batches)[-1] == "done"
    step = (time.monotonic() - begun) / (2 * batches)
    expected = figures(undisturbed)
    for _ in range(1, kills):
        # By what it has done, not by the clock: how fast a child works depends on what else the machine does.
        said = let_work(context, path, batches, chance.randrange(2 * batches), chance.uniform(0, step))
        check(path, said)
        if said[-1] == "done":
            assert figures(path) == expected
            copy_of_acme(templates, path, clock)
        else:
            killed += 1
    assert let_work(context, path, batches)[-1] == "done"
    check(path, [])
    assert figures(path) == expected
    return killed


def test_a_few_kills_lose_nothing(memory: Path, templates: Path, clock: Clock) -> None:
    assert kill_often(15, 10, memory, templates, clock) >= 8


def test_a_killed_import_is_finished_by_running_it_again(tmp_path: Path, templates: Path, clock: Clock) -> None:
    call = {"startTime": "2026-03-29T01:00:00Z", "model": "m", "status": "success", "total_tokens": 1}
    calls = tmp_path / "calls.jsonl"
    calls.write_text("".join(json.dumps(call | {"id": str(number)}) + "\n" for number in range(6_000)))
    path = tmp_path / "acme.db"
    copy_of_acme(templates, path, clock)
    orgtui = Path(sys.executable).with_name("orgtui")
    words: list[str | Path] = [
        orgtui,
        "--store",
        f"sqlite:///{path}",
        "usage",
        "import",
        calls,
        "--source",
        "litellm",
        "--json",
    ]
    counted = 0
    for wanted in (1, 2_001):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
            end = time.monotonic() + 30
            while look(path, "SELECT count(*) FROM calls")[0][0] < wanted and time.monotonic() < end:
                time.sleep(0.005)
            running.kill()
        check(path, [])
        ((now,),) = look(path, "SELECT count(*) FROM calls")
        assert counted <= now < 6_000
        counted = now
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert (told["new"], told["known"]) == (6_000 - counted, counted)
    check(path, [])


@pytest.mark.soak
def test_five_hundred_kills_lose_nothing(tmp_path: Path, templates: Path, clock: Clock) -> None:
    assert kill_often(500, 40, tmp_path, templates, clock) >= 250
