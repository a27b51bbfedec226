"""The audit log's chain: whatever is changed behind the program's back is found, and nothing else is."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import shutil
import sqlite3
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import StoreRefused
from orgtui.domain.roles import Role
from orgtui.master_keys import MasterKeys, beside
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.audit import Verification
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import operations
from orgtui.store.contract.team import NewInvitation
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.sql import chain
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import OWNER, Clock, Opener, copy_of_acme
from tests.contract.arguments import QUIET, VALID, doer, people
from tests.contract.backends import TABLES
from tests.contract.conftest import ADMIN, join, wait
from tests.store import older
from tests.store.tampering import WAYS, tamper

HOSTILE = (
    "' OR 1=1 --",
    "\U0001f600e\u0301",
    '"};{"',
    "b'x'",
    "C:\\",
    "\xc4\xd6\xdc" * 19,
    "null",
    "1",
    "[]",
    "\\u0000",
)


@dataclass(frozen=True, slots=True)
class Log:
    """A log that nobody touched, and the heads it had on its way, from the first row on."""

    path: Path
    heads: list[str]

    def copy(self, to: Path) -> Path:
        """Its file and its keys once more."""
        shutil.copyfile(self.path, to)
        shutil.copytree(beside(self.path).parent, beside(to).parent, dirs_exist_ok=True)
        return to


def asked(path: Path, question: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
    """What the program answers that opens a file, asks once and closes it."""
    opened = open_sql_store(SqliteDatabase(path), OWNER, system_ambient())
    try:
        return wait(question(opened.store))
    finally:
        opened.close()


def verified(path: Path, head: str | None = None) -> Verification:
    """What the program itself says of a log."""
    found: Verification = asked(path, lambda store: store.audit.verify(head))
    return found


async def history(store: Store) -> list[str]:
    """A week of an organization whose people write what they like."""
    heads = [(await store.audit.verify()).head]
    await join(store, ADMIN, "Grace")
    for number, name in enumerate(HOSTILE, start=1):
        await store.workspaces.create(NewWorkspace(name=f"{name} 7", description=name))
        heads.append((await store.audit.verify()).head)
        await store.general.save(GeneralChanges(seen=number, name=name))
        heads.append((await store.audit.verify()).head)
    await store.team.invite(NewInvitation(email="o'hara+x@acme.example", role=Role.OWNER))
    return [*heads, (await store.audit.verify()).head]


@pytest.fixture(autouse=True)
def _short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two dozen rows are several."""
    monkeypatch.setattr(chain, "_BATCH", 7)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Log:
    """A log of two dozen rows."""
    path = tmp_path_factory.mktemp("log") / "acme.db"
    # Other tests copy the same template, which is made once: by the clock that all of them have.
    copy_of_acme(templates, path, Clock(datetime(2026, 11, 23, 12, tzinfo=UTC)))
    return Log(path, asked(path, history))


def look(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# The format, frozen: what one version chained, every later one verifies.

KEY = bytes(range(32))
ROW = ("org_1", 2, 1795435200000000, "ada@acme.example", "owner", "general.save", "org_1", "null", '{"name": "Ä☃"}')
MAC = "c7f20736d168152c2c85c03fc1af00ea30b9dd1f78834a9d10811ec83702d114"


def test_a_mac_is_what_the_format_says() -> None:
    """By hand: HMAC-SHA256 over compact JSON of the MAC before and the columns, everything beyond ASCII escaped."""
    told = (
        '["' + "ab" * 32 + '","org_1",2,1795435200000000,"ada@acme.example","owner","general.save","org_1","null",'
        '"{\\"name\\": \\"\\u00c4\\u2603\\"}"]'
    )
    expected = hmac.new(KEY, told.encode(), hashlib.sha256).hexdigest()
    assert chain.link(hmac.new(KEY, digestmod="sha256"), "ab" * 32, ROW) == expected == MAC


def test_bytes_are_not_the_text_that_shows_them() -> None:
    key = hmac.new(KEY, digestmod="sha256")
    assert chain.link(key, "", [b"x"]) != chain.link(key, "", [repr(b"x")])


def test_each_row_is_chained_to_the_one_before(log: Log, memory: Path) -> None:
    keys = MasterKeys.open(beside(log.path), random=os.urandom, create=False)
    previous = ""
    for *row, mac in look(log.path, "SELECT * FROM audit ORDER BY seq"):
        told = json.dumps([previous, *row], separators=(",", ":"))
        expected = keys.chain()
        expected.update(told.encode())
        assert mac == expected.hexdigest()
        previous = mac
    assert log.heads[-1] == f"{row[1]}:{previous}"
    assert len(log.heads) > len(HOSTILE)


# Tampering.


def tamper_often(log: Log, directory: Path, times: int) -> Counter[str]:
    """Each way in turn; answers how often each of them made another log."""
    effective = Counter[str]()
    for number in range(times):
        way = list(WAYS)[number % len(WAYS)]
        path = log.copy(directory / "acme.db")
        changed = tamper(path, way, random.Random(number))
        effective[way] += changed
        assert noticed(path) is changed, (way, number)
    return effective


def noticed(path: Path) -> bool:
    """Whether the check says that a log is another one; that it holds what is no text says it too."""
    opened = open_sql_store(SqliteDatabase(path), OWNER, system_ambient())
    try:
        # What was put there may be refused where it is read, in words, and breaks nothing.
        with suppress(StoreRefused):
            wait(opened.store.audit.entries(text="e", before=100))
        return not wait(opened.store.audit.verify()).sound
    except StoreRefused:
        return True
    finally:
        opened.close()


def test_what_was_tampered_with_is_found(log: Log, memory: Path) -> None:
    effective = tamper_often(log, memory, 5 * len(WAYS))
    assert all(effective[way] for way in WAYS)


@pytest.mark.soak
def test_a_thousand_tamperings_are_found(log: Log, memory: Path) -> None:
    assert tamper_often(log, memory, 1_200).total() >= 1_000


def test_the_first_row_that_is_wrong_is_named(log: Log, memory: Path) -> None:
    for head in log.heads[:-1]:
        row = int(head.partition(":")[0]) + 1
        path = log.copy(memory / "acme.db")
        run(path, *LOOSE, f"UPDATE audit SET actor = 'mallory@acme.example' WHERE seq >= {row}")
        assert verified(path) == Verification(False, row - 1, head, f"Row {row} was edited, removed or inserted.")


def test_what_was_cut_off_with_its_count_is_missed_by_who_kept_a_head(log: Log, memory: Path) -> None:
    for place, head in enumerate(log.heads[:-1]):
        rows = int(head.partition(":")[0])
        path = log.copy(memory / "acme.db")
        run(path, *LOOSE, f"DELETE FROM audit WHERE seq > {rows}", f"UPDATE organizations SET revision = {rows - 1}")
        # Nothing in the file tells; that is why a head is kept elsewhere.
        assert verified(path) == Verification(True, rows, head, None)
        assert verified(path, log.heads[0]).sound
        for later in (log.heads[place + 1], log.heads[-1]):
            assert verified(path, later) == Verification(False, rows, head, f"Rows after {rows} were cut off.")


def test_a_log_without_any_row_is_none(log: Log, memory: Path) -> None:
    path = log.copy(memory / "acme.db")
    for revision in (-1, 0, 5):
        statements = ["DELETE FROM audit", f"UPDATE organizations SET revision = {revision}"]
        run(path, *(LOOSE if revision == -1 else ()), *statements)
        assert verified(path) == Verification(False, 0, "0:", "Rows after 0 were cut off.")


def test_what_is_no_text_is_not_repeated(log: Log, memory: Path) -> None:
    path = log.copy(memory / "acme.db")
    run(path, *LOOSE, "UPDATE audit SET actor = CAST(x'1b5b326aff0a' AS TEXT) WHERE seq = 2")
    for question in (lambda store: store.audit.verify(), lambda store: store.audit.entries()):
        with pytest.raises(StoreRefused) as refused:
            asked(path, question)
        assert refused.value.message == (f"{path} holds text of another program, which is not UTF-8; restore a backup.")


def test_a_log_that_grew_again_after_it_was_cut_is_not_the_one_of_the_head(log: Log, memory: Path) -> None:
    path, cut = log.copy(memory / "acme.db"), int(log.heads[4].partition(":")[0])
    run(path, *LOOSE, f"DELETE FROM audit WHERE seq > {cut}", f"UPDATE organizations SET revision = {cut - 1}")
    for number in range(len(log.heads)):
        asked(path, lambda store, n=number: store.team.invite(NewInvitation(email=f"{n}@acme.example")))  # type: ignore[misc]
    assert verified(path).sound
    assert verified(path, log.heads[4]).sound
    for head in log.heads[5:]:
        assert verified(path, head).problem == f"Row {head.partition(':')[0]} is not the one of the head given."


def test_the_log_of_another_organization_is_not_this_ones(log: Log, memory: Path) -> None:
    """Not even one that was chained with the same key."""
    other = memory / "other.db"
    shutil.copytree(beside(log.path).parent, beside(other).parent)
    found(SqliteDatabase(other), Founding(name="Other", owner=OWNER), system_ambient())
    path = log.copy(memory / "acme.db")
    ((organization,),) = look(path, "SELECT id FROM organizations")
    theirs = look(other, "SELECT * FROM audit")
    assert verified(other).sound
    run(path, *LOOSE, "DELETE FROM audit", "UPDATE organizations SET revision = 0")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", theirs)
    assert not verified(path).sound
    run(path, f"UPDATE audit SET org_id = '{organization}'")
    assert verified(path).problem == "Row 1 was edited, removed or inserted."


# What no other program does by mistake.

LOOSE = ("DROP TRIGGER audit_is_not_changed", "DROP TRIGGER audit_is_not_deleted")


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET after = 'null' WHERE seq = 2", "audit rows are not changed"),
        ("UPDATE audit SET mac = '' WHERE seq = 2", "audit rows are not changed"),
        ("UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2", "audit rows are not changed"),
        ("DELETE FROM audit WHERE seq = 2", "audit rows are not deleted"),
        ("DELETE FROM audit", "audit rows are not deleted"),
    ],
)
def test_rows_are_neither_changed_nor_deleted(log: Log, memory: Path, statement: str, words: str) -> None:
    path = log.copy(memory / "acme.db")
    with pytest.raises(sqlite3.IntegrityError, match=words):
        run(path, statement)
    assert verified(path, log.heads[-1]).sound
    run(path, *LOOSE, statement)
    assert not verified(path).sound


def test_a_row_in_the_place_of_another_is_found(log: Log, memory: Path) -> None:
    """SQLite asks no trigger about the row that REPLACE takes away."""
    path = log.copy(memory / "acme.db")
    columns = "org_id, seq, at, 'mallory@acme.example', role, operation, subject, before, after, mac"
    run(path, f"INSERT OR REPLACE INTO audit SELECT {columns} FROM audit WHERE seq = 2")
    assert verified(path).problem == "Row 2 was edited, removed or inserted."


def test_the_organization_can_still_be_deleted(log: Log, memory: Path) -> None:
    path = log.copy(memory / "acme.db")
    name = look(path, "SELECT name FROM organizations")[0][0]
    asked(path, lambda store: store.general.delete(name))
    assert {table: look(path, f"SELECT * FROM {table}") for table in TABLES} == {table: [] for table in TABLES}


# No false alarm.

_TEXT = st.text(max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_CHANGE = st.fixed_dictionaries(
    {
        "at": st.integers(min_value=-(1 << 62), max_value=1 << 62),
        "actor": _TEXT,
        "role": _TEXT,
        "operation": _TEXT,
        "subject": _TEXT,
        "before": _JSON,
        "after": _JSON,
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(_CHANGE, max_size=12))
def test_whatever_was_written_is_sound(acme: SqliteDatabase, changes: list[dict[str, Any]]) -> None:
    keys = acme.keys.open(os.urandom)
    with suppress(_Done), acme.writing() as session:
        connection: Any = session.connection().connection.driver_connection
        rows = Rows(connection)
        organization = rows.value("SELECT id FROM organizations")
        for change in changes:
            session.add(chain.next_row(rows, keys.chain(), organization=organization, **change))
            session.flush()
        rows.run("UPDATE organizations SET revision = :count", count=len(changes))
        session.expire_all()
        checked = chain.verify(rows, keys.chain(), organization, None)
        assert (checked.sound, checked.rows, checked.problem) == (True, len(changes) + 1, None)
        raise _Done


class _Done(Exception):
    """Takes the example back."""


@pytest.mark.parametrize("changes", [0, 1, 2, 250])
def test_a_log_of_the_first_schema_is_sound_once_it_is_chained(tmp_path: Path, clock: Clock, changes: int) -> None:
    path = tmp_path / "acme.db"
    older.organization(SqliteDatabase(path), clock, changes=changes)
    checked = verified(path)
    assert (checked.sound, checked.rows) == (True, changes + 1)
    asked(path, lambda store: store.team.invite(NewInvitation(email="new@acme.example")))
    assert verified(path, checked.head).rows == changes + 2


def test_new_master_keys_chain_as_the_old_ones_did(log: Log, memory: Path) -> None:
    path = log.copy(memory / "acme.db")
    keys = MasterKeys.open(beside(path), random=os.urandom, create=False)
    opened = open_sql_store(SqliteDatabase(path), OWNER, system_ambient())
    heads, old = [wait(opened.store.audit.verify(log.heads[-1])).head], keys.current
    for number in range(3):
        keys.rotate()
        for store in (opened.store, None):
            invitation = NewInvitation(email=f"{number}-{store is None}@acme.example")
            wait(store.team.invite(invitation)) if store else asked(path, lambda new, i=invitation: new.team.invite(i))  # type: ignore[misc]
        heads.append(verified(path, heads[-1]).head)
    keys.drop(old)
    opened.close()
    assert all(verified(path, head).sound for head in heads)
    assert verified(path).rows == int(log.heads[-1].partition(":")[0]) + 6


# Without its key.


def gone(file: Path) -> None:
    file.unlink()


def gone_with_its_directory(file: Path) -> None:
    shutil.rmtree(file.parent)


def open_to_all(file: Path) -> None:
    file.chmod(0o644)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir(0o700)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


UNFIT = [gone, gone_with_its_directory, open_to_all, cut_short, empty, a_link, a_directory, a_pipe]


@pytest.mark.parametrize("spoil", UNFIT, ids=lambda spoil: spoil.__name__)
def test_without_its_key_everything_can_be_read_and_nothing_changed(
    acme: SqliteDatabase, opener: Opener, clock: Clock, spoil: Callable[[Path], None]
) -> None:
    world = wait(people(opener(OWNER).store, opener(OWNER).platform))
    kept = acme.path.with_name("kept")
    shutil.copytree(beside(acme.path).parent, kept)
    spoil(beside(acme.path))
    clock.now += timedelta(minutes=2)
    before = {table: look(acme.path, f"SELECT * FROM {table}") for table in TABLES}
    for declared in [declared for contract in CONTRACTS.values() for declared in operations(contract).values()]:
        # Each time a program of its own: one that has read the key has it.
        actor = doer(declared)
        fresh = open_sql_store(SqliteDatabase(acme.path), actor, clock.ambient())
        answer = getattr(getattr(fresh.store, declared.section), declared.name)(**VALID[declared.id](world))
        if declared.id == "audit.verify" or (declared.writes and declared.id not in QUIET):
            with pytest.raises(StoreRefused) as refused:
                wait(answer)
            assert str(beside(acme.path)) in refused.value.message
            assert "\n" not in refused.value.message
        else:
            wait(answer)
        fresh.close()
        if declared.id in QUIET:
            before |= {table: look(acme.path, f"SELECT * FROM {table}") for table in ("members", "billing_accounts")}
    assert {table: look(acme.path, f"SELECT * FROM {table}") for table in TABLES} == before
    shutil.rmtree(beside(acme.path).parent, ignore_errors=True)
    shutil.copytree(kept, beside(acme.path).parent)
    asked(acme.path, lambda store: store.team.invite(NewInvitation(email="new@acme.example")))
    assert verified(acme.path).sound


def test_no_other_key_fits(log: Log, memory: Path) -> None:
    path = log.copy(memory / "acme.db")
    beside(path).unlink()
    MasterKeys.open(beside(path), random=os.urandom, create=True)
    assert verified(path).problem == "Row 1 was edited, removed or inserted."


# A long one.


@pytest.mark.parametrize("text", ["", "Openai"])
def test_a_page_of_a_long_log_is_not_all_of_it_in_memory(log: Log, memory: Path, text: str) -> None:
    path = log.copy(memory / "acme.db")
    ((organization, first),) = look(path, "SELECT org_id, max(seq) FROM audit GROUP BY org_id")
    used = ("platform", "platform", "api_keys.use", "key_1", "null", '{"provider": "openai"}', "")
    last = first + 20_000
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(organization, seq, 1_795_435_200_000_000 + seq, *used) for seq in range(first + 1, last + 1)],
        )
    opened = open_sql_store(SqliteDatabase(path), OWNER, system_ambient())
    read = partial(opened.store.audit.entries, text, limit=1_000)
    tracemalloc.start()
    page = wait(read(before=first + 1_500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [entry.seq for entry in page.entries] == list(range(first + 1_499, first + 499, -1))
    assert (page.total, page.next) == (20_000 if text else last, first + 500)
    assert [entry.seq for entry in wait(read()).entries] == list(range(last, last - 1_000, -1))
    opened.close()
    # All of them at once are eleven million.
    assert peak < 5_000_000


# How long it takes.


@pytest.mark.soak
def test_a_hundred_thousand_rows_are_checked_in_two_seconds(log: Log, memory: Path) -> None:
    path, key = log.copy(memory / "acme.db"), MasterKeys.open(beside(log.path), random=os.urandom, create=False)
    (*last, previous) = look(path, "SELECT * FROM audit ORDER BY seq DESC LIMIT 1")[0]
    made = []
    for seq in range(last[1] + 1, 100_001):
        row = [last[0], seq, *last[2:]]
        previous = chain.link(key.chain(), previous, row)
        made.append([*row, previous])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", made)
        connection.execute("UPDATE organizations SET revision = 99999")
    # The second of them by the machine's own pace: how long it takes to encode and hash as much.
    taken, pace = [], []
    for _ in range(3):
        begun = time.perf_counter()
        assert verified(path).rows == 100_000
        taken.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        for row in made:
            hmac.digest(KEY, json.dumps(row).encode(), "sha256")
        pace.append(time.perf_counter() - begun)
    print(f"100,000 rows checked in {min(taken):.2f} s, {min(taken) / min(pace):.2f} x the pace")
    assert min(taken) < max(2.0, 4 * min(pace))
