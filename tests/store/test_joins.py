"""An invitation makes one member, however many accept it at the same moment."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orgtui.store.contract.team import NewInvitation
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.contract.conftest import STRANGER, wait
from tests.store.races import race, stores


def look(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def accept_at_once(path: Path, rounds: int, threads: int, clock: Clock) -> None:
    """Everybody has the code, and each a name of their own."""
    with stores(path, [OWNER, *[STRANGER] * threads], clock.ambient()) as (owner, *others):
        for number in range(rounds):
            invitation = wait(owner.team.invite(NewInvitation(email=f"{number}@acme.example")))
            names = [f"Name {number} {thread}" for thread in range(threads)]
            acts = [
                [partial(store.team.join, invitation.code, name)] for store, name in zip(others, names, strict=True)
            ]
            outcomes = race(acts)
            assert sorted(outcomes) == ["done", *["not_found"] * (threads - 1)]
            joined = look(path, f"SELECT name, email FROM members WHERE name LIKE 'Name {number} %'")
            assert joined == [(names[outcomes.index("done")], f"{number}@acme.example")]
            assert look(path, "SELECT count(*) FROM invitations") == [(0,)]
        assert look(path, "SELECT count(*) FROM audit WHERE operation = 'team.join'") == [(rounds,)]
        assert wait(owner.audit.verify()).sound


def test_of_many_who_accept_at_once_one_joins(memory: Path, templates: Path, clock: Clock) -> None:
    copy_of_acme(templates, memory / "acme.db", clock)
    accept_at_once(memory / "acme.db", 4, 30, clock)


@pytest.mark.soak
def test_of_a_hundred_who_accept_at_once_one_joins(tmp_path: Path, templates: Path, clock: Clock) -> None:
    copy_of_acme(templates, tmp_path / "acme.db", clock)
    accept_at_once(tmp_path / "acme.db", 50, 100, clock)


def test_an_invitation_is_accepted_or_withdrawn_and_never_both(memory: Path, templates: Path, clock: Clock) -> None:
    path, ends = memory / "acme.db", set[str]()
    copy_of_acme(templates, path, clock)
    with stores(path, [OWNER] * 8, clock.ambient()) as opened:
        for number in range(20):
            invitation = wait(opened[0].team.invite(NewInvitation(email=f"{number}@acme.example")))
            code, id_ = invitation.code, invitation.member.id
            acts = [[partial(store.team.join, code, f"Name {number}")] for store in opened[number % 5 :]]
            revoke, resend = [partial(opened[0].team.revoke, id_)], [partial(opened[1].team.resend, id_)]
            joins, (revoked, resent) = (outcomes := race([*acts, revoke, resend]))[:-2], outcomes[-2:]
            members = look(path, f"SELECT count(*) FROM members WHERE name = 'Name {number}'")
            assert members == [(joins.count("done"),)]
            assert joins.count("done") + (revoked == "done") == 1
            assert set(outcomes) <= {"done", "not_found"}
            ends.add("joined" if "done" in joins else f"withdrawn, {resent}")
        assert wait(opened[0].audit.verify()).sound
    assert len(ends) > 1
