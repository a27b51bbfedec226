"""Rotation of the master keys: killed anywhere, run twice, with writers beside it, no key is lost or left behind."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import StoreRefused
from orgtui.secret import mask
from orgtui.store.contract.api_keys import NewKey
from orgtui.store.sql.rotation import Rotation, rotate_master
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.vault import Binding, Vault
from tests.conftest import Clock, Opener, kid_of
from tests.contract.conftest import wait

PRELOADED = ["orgtui.store.sql.rotation", "sqlmodel", "cryptography.hazmat.primitives.ciphers.aead", __name__]
PROVIDERS = ("openai", "anthropic", "google", "mistral", "grok")


def vault_of(database: SqliteDatabase) -> Vault:
    return Vault(SqliteDatabase(database.path).keys.open(os.urandom), os.urandom)


def fill(database: SqliteDatabase, count: int) -> dict[Binding, str]:
    """So many keys, in as many organizations as that takes; what each binding must open."""
    vault, secrets = vault_of(database), dict[Binding, str]()
    with closing(sqlite3.connect(database.path)) as connection, connection:
        for number in range(count):
            org, provider = f"org_{number // 5:05}", PROVIDERS[number % 5]
            if number % 5 == 0:
                connection.execute(
                    "INSERT INTO organizations SELECT ?, 'More', '', NULL, timezone, currency, plan, credit_rate,"
                    " created_at, 1, 0 FROM organizations LIMIT 1",
                    (org,),
                )
            binding, secret = Binding(org, provider, f"key_{number:05}"), f"secret-number-{number:05}-of-{org}"
            connection.execute(
                "INSERT INTO provider_keys (org_id, id, provider, hint, fingerprint, sealed, added_by, added_at,"
                " enabled, verdict, note) VALUES (?, ?, ?, ?, ?, ?, 'ada', 0, 1, 'untested', '')",
                (org, binding.key_id, provider, mask(secret), vault.fingerprint(secret), vault.seal(secret, binding)),
            )
            secrets[binding] = secret
    return secrets


def rows(database: SqliteDatabase) -> dict[Binding, str]:
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute("SELECT org_id, provider, id, sealed FROM provider_keys").fetchall()
    return {Binding(*binding): sealed for *binding, sealed in found}


def check(database: SqliteDatabase, secrets: dict[Binding, str], *, done: bool) -> None:
    """Every key opens with what the file holds now; after a rotation that is one master key, which all are under."""
    vault, found = vault_of(database), rows(database)
    assert {binding: vault.open(sealed, binding) for binding, sealed in found.items()} == secrets
    if done:
        assert len(vault.keys.kids) == 1
        assert set(map(kid_of, found.values())) <= {vault.keys.current}
        with closing(sqlite3.connect(database.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def rotate(database: SqliteDatabase, **options: Any) -> Rotation:
    return rotate_master(SqliteDatabase(database.path), system_ambient(), **options)


# Without a disturbance.


def test_every_key_is_moved_and_the_old_master_key_forgotten(acme: SqliteDatabase) -> None:
    secrets = fill(acme, 25)
    before, old = rows(acme), vault_of(acme).keys.current
    told: list[tuple[int, int]] = []
    rotation = rotate(acme, progress=lambda done, total: told.append((done, total)), batch=10)
    new = vault_of(acme).keys.current
    assert new != old
    assert rotation == Rotation(new, 25, [old], [])
    assert told == [(10, 25), (20, 25), (25, 25)]
    check(acme, secrets, done=True)
    after = rows(acme)
    for binding, sealed in before.items():
        # Only the wrapping of the data key is another: no secret was opened for this.
        assert after[binding].split(".")[3:] == sealed.split(".")[3:]
        assert after[binding].split(".")[2] != sealed.split(".")[2]


def test_each_organization_is_told_in_its_audit_log(acme: SqliteDatabase, opener: Opener) -> None:
    fill(acme, 10)
    rotation = rotate(acme)
    with acme.reading() as found:
        told = found.all(
            "SELECT org_id, actor, role, subject, before, after FROM audit WHERE operation LIKE '%rotate%'"
        )
        organizations = found.all("SELECT id, revision FROM organizations ORDER BY id")
    assert sorted(org for org, *_ in told) == [org for org, _ in organizations]
    assert {tuple(rest) for _, *rest in told} == {
        (
            "platform",
            "platform",
            rotation.current,
            f'{{"master_keys": ["{rotation.forgotten[0]}"]}}',
            f'{{"master_keys": ["{rotation.current}"]}}',
        )
    }
    assert {revision for _, revision in organizations} == {1}
    assert wait(opener().store.audit.verify()).sound


def test_an_empty_database_is_rotated_too(acme: SqliteDatabase) -> None:
    old = vault_of(acme).keys.current
    assert rotate(acme).forgotten == [old]
    check(acme, {}, done=True)


def test_fingerprints_hints_and_the_audit_chain_stay(acme: SqliteDatabase, opener: Opener) -> None:
    store = opener().store
    wait(store.api_keys.add(NewKey(provider="openai", secret="sk-proj-" + "a" * 40)))
    before = wait(store.api_keys.show())
    rotate(acme)
    assert wait(store.api_keys.show()) == before
    with pytest.raises(Exception, match="This is the key that OpenAI has already"):
        wait(store.api_keys.add(NewKey(provider="grok", secret="sk-proj-" + "a" * 40)))
    assert wait(store.audit.verify()).sound


def test_a_missing_key_file_begins_nothing(acme: SqliteDatabase) -> None:
    fill(acme, 5)
    path = vault_of(acme).keys.path
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreRefused, match="There is no master key at"):
        rotate(acme)
    assert [file.name for file in path.parent.iterdir()] == ["elsewhere"]


# Damage.


def test_a_damaged_key_keeps_the_master_key_it_may_still_need(acme: SqliteDatabase) -> None:
    secrets = fill(acme, 20)
    old = vault_of(acme).keys.current
    damaged = sorted(secrets, key=repr)[7]
    whole = rows(acme)[damaged]
    overwrite(acme, damaged, whole[:40] + ("A" if whole[40] != "A" else "B") + whole[41:])
    with pytest.raises(
        StoreRefused, match=rf"The old master key stays: 1 .* \({damaged.key_id} of {damaged.provider}\)"
    ):
        rotate(acme, batch=3)
    kept = vault_of(acme)
    assert kept.keys.retired == (old,)
    assert [binding for binding, sealed in rows(acme).items() if kid_of(sealed) == old] == [damaged]
    # Restored from a backup, it is moved by the next run, which adds no third master key.
    overwrite(acme, damaged, whole)
    assert rotate(acme).moved == 1
    check(acme, secrets, done=True)
    assert vault_of(acme).keys.kids == (kept.keys.current,)


def test_a_key_of_an_unknown_master_key_holds_nothing_up_and_is_named(acme: SqliteDatabase) -> None:
    secrets = fill(acme, 5)
    lost = next(iter(secrets))
    sealed = rows(acme)[lost]
    overwrite(acme, lost, sealed.replace(kid_of(sealed), "k000000000000"))
    assert rotate(acme).damaged == [f"{lost.key_id} of {lost.provider}"]
    assert len(vault_of(acme).keys.kids) == 1


def overwrite(database: SqliteDatabase, binding: Binding, sealed: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE provider_keys SET sealed = ? WHERE id = ?", (sealed, binding.key_id))


# Others at the same time.


def test_keys_that_are_stored_meanwhile_end_under_the_new_master_key(acme: SqliteDatabase, opener: Opener) -> None:
    secrets = fill(acme, 60)
    store, stop = opener().store, threading.Event()
    wait(store.api_keys.add(NewKey(provider="openai", secret="meanwhile-" + "0" * 20)))
    stored: list[str] = []

    def others() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            stored.append(f"meanwhile-{number:020}")
            wait(store.api_keys.replace(NewKey(provider="openai", secret=stored[-1])))

    writer = threading.Thread(target=others)
    writer.start()
    try:
        for _ in range(2):
            rotate(acme, batch=10)
    finally:
        stop.set()
        writer.join()
    assert len(stored) > 3
    (mine,) = set(rows(acme)) - set(secrets)
    check(acme, secrets | {mine: stored[-1]}, done=True)


def _rotate_at_once(path: Path, start: Any, answers: Any) -> None:
    start.wait()
    try:
        answers.put(rotate_master(SqliteDatabase(path), system_ambient(), batch=5))
    except Exception as error:  # noqa: BLE001
        answers.put(error)


def test_two_rotations_at_once_are_one_after_the_other_or_together(acme: SqliteDatabase) -> None:
    secrets = fill(acme, 100)
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        start, answers = context.Event(), context.Queue()
        both = [context.Process(target=_rotate_at_once, args=(acme.path, start, answers)) for _ in range(2)]
        for process in both:
            process.start()
        start.set()
        ended = [answers.get() for _ in both]
        for process in both:
            process.join()
        assert all(isinstance(end, Rotation) for end in ended), ended
        check(acme, secrets, done=True)


# Killed.


def _rotate_and_tell(path: Path, batch: int, pipe: Any) -> None:
    os.write(pipe.fileno(), b".")
    rotate_master(SqliteDatabase(path), system_ambient(), lambda *_: os.write(pipe.fileno(), b"."), batch=batch)
    os.write(pipe.fileno(), b"!")


def run_until(context: Any, path: Path, batch: int, delay: float | None) -> bool:
    """Rotate in a process of its own that is killed so long after it began; whether it was done before."""
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_rotate_and_tell, args=(path, batch, theirs))
    child.start()
    theirs.close()
    with ours:
        said = os.read(ours.fileno(), 1)
        if delay is not None:
            time.sleep(delay)
            child.kill()
        while chunk := os.read(ours.fileno(), 65536):
            said += chunk
    child.join()
    return said.endswith(b"!")


def kill_often(database: SqliteDatabase, keys: int, kills: int, batch: int) -> Counter[str]:
    """Where the kills struck: with how many master keys, and how much of the way done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    secrets, chance = fill(database, keys), random.Random(keys)
    begun = time.monotonic()
    assert run_until(context, database.path, batch, None)
    whole = time.monotonic() - begun
    check(database, secrets, done=True)
    struck: Counter[str] = Counter()
    while struck.total() < kills:
        if run_until(context, database.path, batch, chance.uniform(0, whole) * chance.random()):
            check(database, secrets, done=True)
            continue
        check(database, secrets, done=False)
        vault = vault_of(database)
        moved = sum(kid_of(sealed) == vault.keys.current for sealed in rows(database).values())
        assert len(vault.keys.kids) <= 2
        stage = "before" if len(vault.keys.kids) == 1 else "all" if moved == keys else "some" if moved else "none"
        struck[stage] += 1
    assert run_until(context, database.path, batch, None)
    check(database, secrets, done=True)
    with database.reading() as found:
        assert found.value("SELECT count(*) FROM provider_keys") == keys
    return struck


def test_a_rotation_that_is_killed_is_finished_by_the_next_run(acme: SqliteDatabase) -> None:
    kill_often(acme, keys=200, kills=5, batch=20)


@pytest.mark.soak
def test_fifty_kills_lose_none_of_ten_thousand_keys(acme: SqliteDatabase) -> None:
    struck = kill_often(acme, keys=10_000, kills=50, batch=100)
    print(struck)
    assert struck["some"] > 10


def test_a_crash_between_the_file_and_the_commit_is_resumed(acme: SqliteDatabase) -> None:
    """The one moment at which file and database disagree: the new master key is written, nothing else is."""
    secrets = fill(acme, 10)
    keys = vault_of(acme).keys
    old, new = keys.current, keys.rotate()
    rotation = rotate(acme)
    assert rotation == Rotation(new, 10, [old], [])
    check(acme, secrets, done=True)
    assert wait_nothing(acme) == 1


def wait_nothing(database: SqliteDatabase) -> int:
    """How many rotations the audit log of the first organization tells of."""
    with database.reading() as found:
        return int(found.value("SELECT count(*) FROM audit WHERE operation LIKE '%rotate%' AND org_id = 'org_00000'"))


def test_a_rotation_is_no_reason_to_wait(acme: SqliteDatabase, opener: Opener, clock: Clock) -> None:
    """Others get their turn between any two batches."""
    fill(acme, 200)
    store = opener().store
    wait(store.api_keys.set_fallback("openai", True))
    waits: list[float] = []

    async def write_beside() -> None:
        rotation = asyncio.get_running_loop().run_in_executor(None, partial(rotate, acme, batch=20))
        while not rotation.done():
            begun = time.monotonic()
            await store.api_keys.set_fallback("openai", bool(len(waits) % 2))
            waits.append(time.monotonic() - begun)
        await rotation

    wait(write_beside())
    assert len(waits) > 3
    assert max(waits) < 5
