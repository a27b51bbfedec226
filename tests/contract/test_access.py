"""Access: a token is worth what its maker is, at most what it was made for, until it lapses or is revoked."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from orgtui.domain.codes import is_token, new_token
from orgtui.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated
from orgtui.domain.roles import PERMISSIONS, PLATFORM, Permission, Role
from orgtui.store.contract import Store
from orgtui.store.contract.access import PREFIXES, Kind, NewToken, Token
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.team import NewInvitation
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.conftest import OWNER, Opener, copy_of_acme
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, join, wait


def made(store: Store, **more: Any) -> tuple[Token, str]:
    secret = wait(store.access.create(NewToken(**({"name": "Laptop"} | more))))
    return secret.token, secret.secret


@pytest.mark.parametrize("kind", Kind)
def test_a_token_is_shown_once_and_written_to_be_known(backend: Backend, store: Store, kind: Kind) -> None:
    token, secret = made(store, kind=kind)
    assert re.fullmatch(r"orgtui_(pat|plt|aut)_[0-9A-Za-z]{43}", secret)
    assert secret.startswith(PREFIXES[kind])
    assert is_token(secret)
    assert (token.kind, token.maker, token.role, token.last_used) == (kind, OWNER, Role.OWNER, None)
    assert (token.created, token.expires) == (backend.clock.now, backend.clock.now + timedelta(days=90))
    assert wait(store.access.show()).tokens == [token]
    assert secret[-12:] not in repr(everything(backend))
    assert secret not in repr(wait(store.access.create(NewToken(name="Other"))))


def test_the_newest_is_first_and_a_lapsed_one_says_so(backend: Backend, store: Store) -> None:
    old, _ = made(store, name="Old", days=1)
    backend.clock.now += timedelta(days=1)
    new, _ = made(store, name="New")
    first, second = wait(store.access.show()).tokens
    assert (first.id, first.expired, second.id, second.expired) == (new.id, False, old.id, True)
    backend.clock.now += timedelta(days=31)
    newest, _ = made(store, name="Newest")
    assert [token.id for token in wait(store.access.show()).tokens] == [newest.id, new.id]


def test_only_owners_speak_for_the_platform(backend: Backend, store: Store) -> None:
    wait(join(store, ADMIN, "Grace Hopper"))
    with pytest.raises(Forbidden, match="Only an owner"):
        made(backend.open(ADMIN), kind=Kind.PLATFORM)


@pytest.mark.parametrize("permission", [Permission.MANAGE_BILLING, Permission.USE_KEYS, Permission.SETTLE_PAYMENTS])
def test_an_admin_gives_no_more_than_an_admin_may(backend: Backend, store: Store, permission: Permission) -> None:
    wait(join(store, ADMIN, "Grace Hopper"))
    with pytest.raises(Forbidden, match=permission.value):
        made(backend.open(ADMIN), scopes=(permission,))


def test_nobody_revokes_above_their_own(backend: Backend, store: Store) -> None:
    wait(join(store, ADMIN, "Grace Hopper"))
    admin = backend.open(ADMIN)
    owners, _ = made(store)
    own, _ = made(admin)
    with pytest.raises(Forbidden):
        wait(admin.access.revoke(owners.id))
    assert wait(admin.access.revoke(own.id)) == own
    with pytest.raises(NotFound):
        wait(admin.access.revoke(own.id))
    assert [token.id for token in wait(store.access.show()).tokens] == [owners.id]


@pytest.mark.parametrize("days", [0, -1, 367, 10**9])
def test_it_lives_a_day_to_a_year(store: Store, days: int) -> None:
    with pytest.raises(Invalid):
        made(store, days=days)


# What one is worth; where tokens are looked at is behind every server, so one database is enough.


def test_it_is_its_maker(opener: Opener) -> None:
    opened = opener()
    guest = wait(opened.admit(made(opened.store)[1]))
    assert wait(guest.store.general.overview()).actor == OWNER
    wait(guest.store.team.invite(NewInvitation(email=ADMIN)))
    assert wait(opened.store.audit.entries()).entries[0].actor == OWNER


@pytest.mark.parametrize("change", ["", "x", "short", "checksum", "unknown"])
def test_what_is_no_token_or_unknown(opener: Opener, change: str) -> None:
    opened = opener()
    _, secret = made(opened.store)
    wrong = {
        "": "",
        "x": secret + "x",
        "short": secret[:-1],
        "checksum": secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        "unknown": new_token(PREFIXES[Kind.PERSON], os.urandom),
    }[change]
    with pytest.raises(Unauthenticated):
        wait(opened.admit(wrong))


def test_revoked_means_revoked_for_who_is_in_already(opener: Opener) -> None:
    opened = opener()
    token, secret = made(opened.store)
    guest = wait(opened.admit(secret))
    wait(opened.store.access.revoke(token.id))
    with pytest.raises(Unauthenticated):
        wait(guest.store.general.overview())
    with pytest.raises(Unauthenticated):
        wait(opened.admit(secret))


def test_it_lapses_to_the_microsecond(opener: Opener, clock: Any) -> None:
    opened = opener()
    guest = wait(opened.admit(made(opened.store, days=1)[1]))
    clock.now += timedelta(days=1) - timedelta(microseconds=1)
    wait(guest.store.general.overview())
    clock.now += timedelta(microseconds=1)
    with pytest.raises(Unauthenticated):
        wait(guest.store.general.overview())


def test_who_leaves_takes_their_tokens_along_and_does_not_bring_them_back(opener: Opener) -> None:
    opened = opener()
    member = wait(join(opened.store, ADMIN, "Grace Hopper"))
    guest = wait(opened.admit(made(opener(ADMIN).store)[1]))
    wait(guest.store.general.overview())
    wait(opened.store.team.remove(member))
    assert wait(opened.store.access.show()).tokens == []
    wait(join(opened.store, ADMIN, "Grace Hopper"))
    with pytest.raises(Unauthenticated):
        wait(guest.store.general.overview())


def test_it_may_no_more_than_its_maker_may_now(opener: Opener) -> None:
    opened = opener()
    partner = wait(join(opened.store, ADMIN, "Grace Hopper", Role.OWNER))
    store = opener(ADMIN).store
    own, platform = (wait(opened.admit(made(store, kind=kind)[1])) for kind in (Kind.PERSON, Kind.PLATFORM))
    wait(platform.store.api_keys.use("openai"))
    wait(opened.store.team.set_role(partner, Role.ADMIN))
    assert wait(own.store.general.overview()).role is Role.ADMIN
    with pytest.raises(Forbidden, match="Only an owner"):
        wait(own.store.general.delete("Acme"))
    with pytest.raises(Unauthenticated):
        wait(platform.store.api_keys.use("openai"))


def test_automation_reads(opener: Opener) -> None:
    opened = opener()
    guest = wait(opened.admit(made(opened.store, kind=Kind.AUTOMATION)[1]))
    assert wait(guest.store.team.show()).active == 1
    assert wait(guest.store.audit.verify()).sound
    for refused in (guest.store.team.present(), guest.store.access.show(), guest.store.general.set_logo(None)):
        with pytest.raises(Forbidden):
            wait(refused)


def test_scopes_narrow(opener: Opener) -> None:
    opened = opener()
    guest = wait(opened.admit(made(opened.store, scopes=(Permission.VIEW, Permission.MANAGE_ACCESS))[1]))
    wait(guest.store.general.overview())
    with pytest.raises(Forbidden, match=r"team\.invite"):
        wait(guest.store.team.invite(NewInvitation(email=ADMIN)))
    with pytest.raises(Forbidden, match="made with a token"):
        made(guest.store)
    made(guest.store, scopes=(Permission.VIEW,))


def test_a_platform_token_tells_of_runs_and_not_of_payments(opener: Opener) -> None:
    opened = opener()
    guest = wait(opened.admit(made(opened.store, kind=Kind.PLATFORM)[1]))
    assert wait(guest.store.api_keys.use("openai")).secret is None
    assert wait(opened.store.audit.entries()).entries[0].actor in (OWNER, PLATFORM)
    with pytest.raises(Forbidden):
        wait(guest.store.billing.books())
    with pytest.raises(Forbidden):
        wait(guest.store.access.show())


def test_what_was_made_with_a_token_does_not_outlive_it(opener: Opener) -> None:
    opened = opener()
    first, secret = made(opened.store, days=10)
    guest = wait(opened.admit(secret))
    second, other = made(guest.store, days=300)
    assert second.expires == first.expires
    _, last = made(wait(opened.admit(other)).store)
    wait(opened.store.access.revoke(first.id))
    assert wait(opened.store.access.show()).tokens == []
    for gone in (secret, other, last):
        with pytest.raises(Unauthenticated):
            wait(opened.admit(gone))


def test_what_goes_with_a_token_is_in_the_log(opener: Opener) -> None:
    opened = opener()
    first, secret = made(opened.store)
    guest = wait(opened.admit(secret))
    (second, other), (third, _) = made(guest.store), made(guest.store)
    last, _ = made(wait(opened.admit(other)).store)
    alone, _ = made(opened.store)
    wait(opened.store.access.revoke(first.id))
    wait(opened.store.access.revoke(alone.id))
    of_alone, of_first, *_ = wait(opened.store.audit.entries()).entries
    assert sorted(of_first.before["made_with_it"]) == sorted([second.id, third.id, last.id])
    assert "made_with_it" not in of_alone.before


def test_a_chain_however_long_is_revoked_by_its_first(opener: Opener, acme: SqliteDatabase) -> None:
    opened = opener()
    first, _ = made(opened.store)
    with closing(sqlite3.connect(acme.path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM access_tokens").fetchone())
        chain = [first.id, *(f"tok_{number}" for number in range(1_500))]
        links = [row | {"id": id, "hash": id, "made_with": before} for before, id in pairwise(chain)]
        marks = ", ".join(f":{name}" for name in row)
        connection.executemany(f"INSERT INTO access_tokens VALUES ({marks})", links)
    wait(opened.store.access.revoke(first.id))
    assert wait(opened.store.access.show()).tokens == []


def test_what_was_made_with_a_token_does_not_grow_beyond_it(opener: Opener) -> None:
    """One that names all that an admin may, of somebody who is made an owner."""
    opened = opener()
    member = wait(join(opened.store, ADMIN, "Grace Hopper"))
    every = tuple(sorted(PERMISSIONS[Role.ADMIN]))
    parent = wait(opened.admit(made(opener(ADMIN).store, scopes=every)[1]))
    child = wait(opened.admit(made(parent.store)[1]))
    wait(opened.store.team.set_role(member, Role.OWNER))
    for guest in (parent, child):
        with pytest.raises(Forbidden, match="made for less"):
            wait(guest.store.general.delete("Acme"))


def test_what_a_token_was_answered_is_told_to_no_other(opener: Opener, clock: Any) -> None:
    """Who has a narrower one of the same person, and knows or guesses an idempotency key."""
    opened = opener()
    _, secret = made(opened.store, days=1)
    _, reads = made(opened.store, kind=Kind.AUTOMATION)
    full, narrow = wait(opened.admit(secret)), wait(opened.admit(reads))
    with idempotency_key("laptop-1"):
        token, _ = made(full.store)
        assert made(full.store)[0] == token
        with pytest.raises(Forbidden):
            made(narrow.store)
        # The owner's own keys are others', too.
        assert made(opened.store)[0].id != token.id
        clock.now += timedelta(days=1) - timedelta(seconds=1)
        assert made(wait(opened.admit(secret)).store)[0].id == token.id
        clock.now += timedelta(seconds=1)
        with pytest.raises(Unauthenticated):
            wait(opened.admit(secret))


def test_a_row_carried_elsewhere_opens_nothing(opener: Opener, tmp_path: Any, templates: Any, clock: Any) -> None:
    opened = opener()
    _, secret = made(opened.store)
    here = next(tmp_path.glob("acme.db"))
    other = tmp_path / "other.db"
    found(SqliteDatabase(other), Founding(name="Other", owner=OWNER), clock.ambient())
    with sqlite3.connect(here) as source, sqlite3.connect(other) as target:
        row = source.execute("SELECT * FROM access_tokens").fetchone()
        (org,) = target.execute("SELECT id FROM organizations").fetchone()
        target.execute(f"INSERT INTO access_tokens VALUES ({', '.join('?' * len(row))})", (org, *row[1:]))
    elsewhere = open_sql_store(SqliteDatabase(other), None, clock.ambient())
    with pytest.raises(Unauthenticated):
        wait(elsewhere.admit(secret))
    elsewhere.close()


def test_its_last_use_is_noted_once_a_minute(opener: Opener, clock: Any) -> None:
    opened = opener()
    _, secret = made(opened.store)
    began = clock.now
    for seconds, noted in ((0, 0), (59, 0), (60, 0), (61, 61)):
        clock.now = began + timedelta(seconds=seconds)
        wait(opened.admit(secret))
        # The one thread of writes: what comes after it comes after the note.
        wait(opened.store.team.present())
        (token,) = wait(opened.store.access.show()).tokens
        assert token.last_used == began + timedelta(seconds=noted)


def test_notes_of_use_wait_in_no_queue(tmp_path: Any, templates: Any, clock: Any) -> None:
    """While another program writes: they would hold up what is written later, and the end."""
    copy_of_acme(templates, tmp_path / "acme.db", clock)
    database = SqliteDatabase(tmp_path / "acme.db", patience=0.5)
    opened = open_sql_store(database, None, clock.ambient())
    _, secret = made(opened.store)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(20):
            wait(opened.admit(secret))
        began = time.perf_counter()
        opened.close()
        assert time.perf_counter() - began < 2
