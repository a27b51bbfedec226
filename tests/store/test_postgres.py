"""What is PostgreSQL's own: who is let in, who waits for whom, what a restart takes away, and what it never does."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import PIPE
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, OrgtuiError, StoreRefused, Unreachable
from orgtui.settings import PostgresUrl, Settings
from orgtui.store.contract.api_keys import NewKey
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import operations
from orgtui.store.contract.team import Team
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.sql.database import Dropped
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.postgres import PostgresDatabase, encrypted
from orgtui.store.sql.rotation import rotate_master
from orgtui.store.sql.rows import rows_of
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from orgtui.vault import Binding, Vault
from tests.conftest import OWNER, ROOT, Clock, Opener
from tests.contract.conftest import wait
from tests.postgres import GUARDED, Place, Server
from tests.store.races import race

SERVE = """
import time
from tests.postgres import server
with server() as running:
    print(running.url("postgres").options["host"], flush=True)
    time.sleep(60)
"""
# In the order of their code points, which is that of no language.
NAMES = ("B", "Z", "_", "a", "É", "ß", "ü", "ﬁ", "Ω", "\uffee", "😀")


@pytest.fixture
def opened(acme_place: Place, clock: Clock) -> Iterator[SqlStore]:
    """The same, opened for its owner."""
    opened = open_sql_store(acme_place.database(), None, clock.ambient(), at_once=3)
    yield opened
    opened.close()


def name_of(place: Place) -> str:
    with closing(place.database()) as database, database.reading() as rows:
        return str(rows.value("SELECT name FROM organizations"))


def rename(database: PostgresDatabase, name: str, then: Callable[[], Any] = lambda: None) -> None:
    with database.writing() as session:
        rows_of(session).run("UPDATE organizations SET name = :name", name=name)
        then()


# Who is let in.


@pytest.fixture
def guarded(postgres: Server, acme_place: Place) -> Iterator[PostgresUrl]:
    """Acme's, for who needs a password."""
    postgres.run(f"CREATE ROLE {GUARDED} LOGIN SUPERUSER PASSWORD 's3cret/@:word'")
    yield replace(acme_place.url, user=GUARDED, password="s3cret/@:word")
    postgres.run(f"DROP ROLE {GUARDED}")


def told(url: PostgresUrl, tmp_path: Path, kind: type[OrgtuiError] = StoreRefused) -> str:
    """Why it cannot be opened, in one line."""
    database = PostgresDatabase(url, keys=tmp_path / "master.key")
    with pytest.raises(kind) as refused, database.reading():
        pass
    assert type(refused.value) is kind
    assert "\n" not in refused.value.message
    return refused.value.message


def test_the_password_lets_in(guarded: PostgresUrl, acme_place: Place, clock: Clock) -> None:
    opened = open_sql_store(PostgresDatabase(guarded, keys=acme_place.keys), None, clock.ambient())
    assert wait(opened.store.general.show()).name == "Acme"
    opened.close()


def test_another_password_does_not_and_is_not_told(guarded: PostgresUrl, tmp_path: Path) -> None:
    said = told(replace(guarded, password="s3cret/@:wird"), tmp_path)
    assert said == f'{guarded.place} cannot be opened: password authentication failed for user "{GUARDED}".'


def test_without_one_it_says_that_it_takes_one(guarded: PostgresUrl, tmp_path: Path) -> None:
    said = told(replace(guarded, password=None), tmp_path)
    assert said == f"{guarded.place} cannot be opened: no password supplied."


def test_a_database_that_is_not_there_is_told(acme_place: Place, tmp_path: Path) -> None:
    said = told(replace(acme_place.url, database="nowhere"), tmp_path)
    assert said.endswith('cannot be opened: database "nowhere" does not exist.')


def test_a_server_that_is_not_there_is_told(acme_place: Place, tmp_path: Path) -> None:
    secret = {"user": "ada", "password": "s3cret", "database": "acme", "options": {}}
    for host, port, why in (
        ("127.0.0.1", 1, "Connection refused"),
        ("::1", 1, "Connection refused"),
        ("nowhere.invalid", None, "Name or service not known"),
    ):
        said = told(PostgresUrl(host=host, port=port, **secret), tmp_path, Unreachable)  # type: ignore[arg-type]
        assert said.startswith(f"acme at {host}" + (f":{port}" if port else "") + " cannot be opened: ")
        assert why in said
        assert "s3cret" not in said
    gone = replace(acme_place.url, options={"host": str(tmp_path)})
    assert "No such file or directory" in told(gone, tmp_path, Unreachable)


SERVICES = """
[far]
host=db.acme.example
[there]
hostaddr=10.0.0.5
[checked]
host=db.acme.example
sslmode=verify-full
"""


@pytest.mark.parametrize(
    ("url", "environ", "mode"),
    [
        ("/acme", {}, None),
        ("localhost/acme", {}, None),
        ("[::1]/acme", {}, None),
        ("/acme?host=/run/postgresql,@abstract,127.0.0.1", {}, None),
        ("db.acme.example/acme?hostaddr=127.0.0.1", {}, None),
        ("db.acme.example/acme", {}, "require"),
        ("/acme?host=db.acme.example", {}, "require"),
        ("/acme?host=localhost,db.acme.example", {}, "require"),
        ("localhost/acme?hostaddr=10.0.0.5", {}, "require"),
        ("localhost/acme?host=10.0.0.5", {}, "require"),
        ("/acme", {"PGHOST": "db.acme.example"}, "require"),
        ("/acme", {"PGHOSTADDR": "10.0.0.5"}, "require"),
        ("localhost/acme", {"PGHOST": "db.acme.example"}, None),
        ("localhost/acme", {"PGHOSTADDR": "10.0.0.5"}, "require"),
        ("/acme?service=far", {}, "require"),
        ("localhost/acme?service=there", {}, "require"),
        ("/acme", {"PGSERVICE": "far"}, "require"),
        # Who says how, is believed.
        ("/acme?service=checked", {}, None),
        ("/acme?service=checked&sslmode=prefer", {}, "prefer"),
        ("db.acme.example/acme?sslmode=disable", {}, "disable"),
        ("db.acme.example/acme?sslmode=verify-full", {}, "verify-full"),
        ("db.acme.example/acme", {"PGSSLMODE": "prefer"}, None),
    ],
)
def test_nothing_goes_in_clear_over_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, environ: dict[str, str], mode: str | None
) -> None:
    services = tmp_path / "services"
    services.write_text(SERVICES)
    for name, value in (environ | {"PGSERVICEFILE": str(services)}).items():
        monkeypatch.setenv(name, value)
    said = Settings(store=f"postgresql://{url}").postgres
    assert said
    assert encrypted(said.parameters()).get("sslmode") == mode


def test_a_server_without_encryption_is_told_nothing(tmp_path: Path) -> None:
    arrived = list[bytes]()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def refuse() -> None:
            client, _ = server.accept()
            with client:
                arrived.append(client.recv(8))
                client.sendall(b"N")
                arrived.append(client.recv(1_000))

        listening = Thread(target=refuse)
        listening.start()
        # Which is this machine, too, but does not say so.
        options = {"hostaddr": "0.0.0.0"}
        url = PostgresUrl(host="localhost", port=server.getsockname()[1], database="acme", options=options)
        assert told(url, tmp_path, Unreachable).endswith("server does not support SSL, but SSL was required.")
        listening.join()
    assert arrived == [b"\0\0\0\x08\x04\xd2\x16\x2f", b""]


def test_one_that_keeps_text_in_another_encoding_is_refused(postgres: Server, tmp_path: Path) -> None:
    postgres.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    said = told(postgres.url("latin"), tmp_path)
    assert said.endswith("keeps text as LATIN1; make a database with ENCODING 'UTF8'.")


def test_who_may_look_and_no_more_is_told(postgres: Server, acme_place: Place, clock: Clock) -> None:
    name = acme_place.url.database
    postgres.run("CREATE ROLE reader LOGIN")
    postgres.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name)
    url = replace(acme_place.url, user="reader")
    opened = open_sql_store(PostgresDatabase(url, keys=acme_place.keys), None, clock.ambient())
    assert wait(opened.store.general.show()).name == "Acme"
    with pytest.raises(StoreRefused, match="does not let reader do that: permission denied for table"):
        wait(opened.store.general.save(GeneralChanges(seen=1, name="Mine")))
    opened.close()
    postgres.run("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM reader", name)
    postgres.run("DROP ROLE reader")
    assert name_of(acme_place) == "Acme"


def test_a_replica_is_read_and_not_changed(postgres: Server, acme_place: Place, clock: Clock) -> None:
    name = acme_place.url.database
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on", name)
    opened = open_sql_store(acme_place.database(), None, clock.ambient())
    assert wait(opened.store.general.show()).name == "Acme"
    with pytest.raises(StoreRefused, match="cannot be changed: it is read-only, as a replica is"):
        wait(opened.store.general.save(GeneralChanges(seen=1, name="Mine")))
    opened.close()


# Who waits for whom.


def test_who_waits_too_long_is_told_and_nothing_changed(acme_place: Place) -> None:
    with closing(acme_place.database()) as slow, closing(acme_place.database(patience=0.2)) as hasty:
        with slow.writing(), pytest.raises(Unreachable) as refused:
            rename(hasty, "Too soon")
        assert refused.value.message == f"{acme_place.url.place} is busy: somebody else has been writing for 0.2 s."
        assert name_of(acme_place) == "Acme"
        rename(hasty, "Acme AG")
    assert name_of(acme_place) == "Acme AG"


def test_nobody_waits_to_read_and_sees_only_what_is_done(acme_place: Place) -> None:
    with closing(acme_place.database()) as database:
        rename(database, "Half", lambda: check_name(acme_place, "Acme"))
    check_name(acme_place, "Half")


def check_name(place: Place, name: str) -> None:
    assert name_of(place) == name


def test_a_read_is_of_one_moment(acme_place: Place) -> None:
    with closing(acme_place.database()) as database, closing(acme_place.database()) as other:
        with database.reading() as rows:
            assert rows.value("SELECT count(*) FROM members") == 1
            rename(other, "Later")
            assert rows.value("SELECT name FROM organizations") == "Acme"
        with database.reading() as rows:
            assert rows.value("SELECT name FROM organizations") == "Later"


def test_who_reads_again_connects_no_more(acme_place: Place) -> None:
    with closing(acme_place.database()) as database, ThreadPoolExecutor(8) as threads:
        together = Barrier(8)

        def connection(_: int) -> Any:
            with database.reading() as rows:
                together.wait(30)
                return rows.value("SELECT pg_backend_pid()")

        first, again = (set(threads.map(connection, range(8))) for _ in range(2))
    assert len(first) == 8
    assert again == first


def test_writers_of_two_organizations_do_not_wait_for_each_other(acme_place: Place, postgres: Server) -> None:
    columns = "name, description, timezone, currency, plan, credit_rate, created_at, version, revision"
    copied = f"INSERT INTO organizations (id, {columns}) SELECT 'org_other', {columns} FROM organizations"
    postgres.run(copied, acme_place.url.database)
    with closing(acme_place.database()) as one, closing(acme_place.database(patience=0.2)) as other:
        with one.reading() as rows:
            ours = rows.value("SELECT id FROM organizations WHERE id <> 'org_other'")
        with one.writing(ours):
            with other.writing("org_other"):
                pass
            for organization in (ours, None):
                with pytest.raises(Unreachable, match="busy"), other.writing(organization):
                    pass


def test_of_those_who_found_at_once_one_succeeds(place: Place, clock: Clock) -> None:
    def founder(number: int) -> Callable[..., Any]:
        async def go() -> None:
            found(place.database(), Founding(name=f"Acme {number}", owner=OWNER), clock.ambient())

        return go

    assert sorted(race([[founder(number)] for number in range(6)])) == ["already_there"] * 5 + ["done"]
    with closing(place.database()) as database, database.reading() as rows:
        for table in ("organizations", "members", "workspaces", "audit"):
            assert rows.value(f"SELECT count(*) FROM {table}") == 1


# What a restart takes away.


def test_after_a_restart_what_is_read_is_read_again(postgres: Server, opened: SqlStore) -> None:
    before = wait(opened.store.general.show())
    wait(several_at_once(opened))
    postgres.kill()
    with pytest.raises(Unreachable, match=r"cannot be opened: (No such file or directory|Connection refused)"):
        wait(opened.store.general.show())
    postgres.start()
    assert wait(opened.store.general.show()) == before
    wait(several_at_once(opened))
    postgres.kill()
    postgres.start()
    # Without a word that it was gone meanwhile, whichever connection it was.
    assert wait(opened.store.general.show()) == before


async def several_at_once(opened: SqlStore) -> None:
    """More than one connection is idle then."""
    await asyncio.gather(*(opened.store.general.show() for _ in range(6)))


def test_after_a_restart_what_is_asked_for_a_service_is_asked_again(postgres: Server, opened: SqlStore) -> None:
    invite = operations(Team)["invite"]
    wait(opened.permit(invite))
    postgres.kill()
    postgres.start()
    wait(opened.permit(invite))


def test_a_read_that_is_cut_off_is_told_to_be_one(postgres: Server, acme_place: Place) -> None:
    with closing(acme_place.database()) as database:

        def look() -> None:
            with database.reading() as rows:
                postgres.kill()
                rows.value("SELECT 1")

        with pytest.raises(Dropped):
            look()
        postgres.start()
        with database.reading() as rows:
            assert rows.value("SELECT name FROM organizations") == "Acme"


def test_after_a_restart_a_write_finds_another_connection(postgres: Server, opened: SqlStore) -> None:
    wait(opened.store.general.save(GeneralChanges(seen=1, name="Acme AG")))
    postgres.kill()
    postgres.start()
    wait(opened.store.general.save(GeneralChanges(seen=2, name="Acme SE")))
    assert wait(opened.store.audit.verify()).rows == 3


def test_a_write_that_is_cut_off_changed_nothing(postgres: Server, acme_place: Place) -> None:
    with closing(acme_place.database()) as database:

        def write() -> None:
            with database.writing() as session:
                rows_of(session).run("UPDATE organizations SET name = 'Half'")
                postgres.kill()
                rows_of(session).run("UPDATE organizations SET description = 'Half'")

        with pytest.raises(Unreachable) as refused:
            write()
        assert refused.value.message == f"{acme_place.url.place} ended the connection; nothing was changed."
        postgres.start()
        assert name_of(acme_place) == "Acme"
        rename(database, "Acme AG")
    assert name_of(acme_place) == "Acme AG"


def test_a_write_that_is_cut_off_at_its_end_may_be_saved_or_not(postgres: Server, acme_place: Place) -> None:
    with closing(acme_place.database()) as database:
        with pytest.raises(Unreachable, match="so it may be saved or not: look before you do it again"):
            rename(database, "Perhaps", postgres.kill)
        postgres.start()
        assert name_of(acme_place) == "Acme"


# What stands in it.


def test_the_migrations_make_what_the_tables_say(acme_place: Place) -> None:
    with closing(acme_place.database()) as database, database.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET actor = 'eve@acme.example'", "audit rows are not changed"),
        ("DELETE FROM audit", "audit rows are not deleted"),
        ("TRUNCATE audit", "audit rows are not deleted"),
        ("TRUNCATE organizations CASCADE", "audit rows are not deleted"),
    ],
)
def test_audit_rows_stay_as_they_are(postgres: Server, acme_place: Place, statement: str, said: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match=said):
        postgres.run(statement, acme_place.url.database)
    assert postgres.run("SELECT count(*) FROM audit", acme_place.url.database) == [(1,)]


def test_audit_rows_go_with_their_organization(postgres: Server, acme_place: Place) -> None:
    postgres.run("DELETE FROM organizations", acme_place.url.database)
    assert postgres.run("SELECT count(*) FROM audit", acme_place.url.database) == [(0,)]


def test_all_text_sorts_by_code_points(postgres: Server, acme_place: Place) -> None:
    query = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('character varying', 'text')"
    )
    columns = [row for row in postgres.run(query, acme_place.url.database) if row[0] != "alembic_version"]
    assert len(columns) > 100
    assert {collation for *_, collation in columns} == {"C"}


def test_names_are_in_the_order_of_a_file(opened: SqlStore, opener: Opener) -> None:
    stores = (opened.store, opener().store)
    for name in reversed(NAMES):
        for store in stores:
            wait(store.workspaces.create(NewWorkspace(name=name)))
    found, filed = ([space.name for space in wait(store.workspaces.show()).workspaces] for store in stores)
    assert len(found) == len(NAMES) + 1
    assert found == filed


def test_a_name_is_the_same_in_any_case(opened: SqlStore, opener: Opener) -> None:
    for store in (opened.store, opener().store):
        for first, second in (("Straße", "STRASSE"), ("ÉCLAIR", "éclair"), ("Σ", "ς")):
            wait(store.workspaces.create(NewWorkspace(name=first)))
            with pytest.raises(OrgtuiError, match="There is a workspace"):
                wait(store.workspaces.create(NewWorkspace(name=second)))


def test_who_acts_is_a_text(acme_place: Place, acme: SqliteDatabase, clock: Clock) -> None:
    for database in (acme_place.database(), acme):
        with pytest.raises(Invalid, match="NUL"):
            open_sql_store(database, "ada\0@acme.example", clock.ambient())


def test_master_keys_are_rotated_while_others_write(acme_place: Place, opened: SqlStore, clock: Clock) -> None:
    wait(opened.store.api_keys.add(NewKey(provider="openai", secret="sk-" + "a" * 40)))
    wait(opened.store.api_keys.add(NewKey(provider="mistral", secret="m" * 32)))
    with closing(acme_place.database()) as database:
        old = database.keys.open(system_ambient().random).current
        save = partial(opened.store.general.save, GeneralChanges(seen=1, name="Meanwhile"))
        rotation = rotate_master(
            database, system_ambient(), lambda done, _: wait(save()) if done == 1 else None, batch=1
        )
        with database.reading() as rows:
            sealed = rows.all("SELECT org_id, provider, id, sealed FROM provider_keys")
        vault = Vault(acme_place.database().keys.open(system_ambient().random), system_ambient().random)
    assert (rotation.moved, rotation.forgotten, rotation.damaged) == (2, [old], [])
    assert vault.keys.kids == (rotation.current,)
    secrets = {provider: vault.open(text, Binding(org, provider, id)) for org, provider, id, text in sealed}
    assert secrets == {"openai": "sk-" + "a" * 40, "mistral": "m" * 32}
    assert wait(opened.platform.api_keys.use("mistral")).secret == "m" * 32
    assert wait(opened.store.audit.verify()).sound


# The server of these tests.


def test_a_killed_worker_leaves_no_server_behind() -> None:
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", SERVE], stdout=PIPE, text=True, cwd=ROOT)
    assert worker.stdout is not None
    data = Path(worker.stdout.readline().strip())
    process = Path("/proc") / (data / "postmaster.pid").read_text().split()[0]
    assert data.name == "data"
    assert process.exists()
    worker.kill()
    worker.communicate()
    end = time.monotonic() + 10
    while (data.parent.exists() or is_running(process)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not data.parent.exists()
    assert not is_running(process)


def is_running(process: Path) -> bool:
    """Whether it is there, and not only until somebody asks how it ended."""
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except OSError:
        return False
