"""An invitation makes one member, however many accept it at the same moment."""

from __future__ import annotations

from functools import partial

import pytest

from orgtui.store.contract.team import NewInvitation
from tests.conftest import OWNER, Clock
from tests.contract.conftest import STRANGER, wait
from tests.store.races import Ground, look, race, stores


def accept_at_once(ground: Ground, rounds: int, threads: int, clock: Clock) -> None:
    """Everybody has the code, and each a name of their own."""
    with stores(ground, [OWNER, *[STRANGER] * threads], clock.ambient()) as (owner, *others):
        for number in range(rounds):
            invitation = wait(owner.team.invite(NewInvitation(email=f"{number}@acme.example")))
            names = [f"Name {number} {thread}" for thread in range(threads)]
            acts = [
                [partial(store.team.join, invitation.code, name)] for store, name in zip(others, names, strict=True)
            ]
            outcomes = race(acts)
            assert sorted(outcomes) == ["done", *["not_found"] * (threads - 1)]
            joined = look(ground, f"SELECT name, email FROM members WHERE name LIKE 'Name {number} %'")
            assert joined == [(names[outcomes.index("done")], f"{number}@acme.example")]
            assert look(ground, "SELECT count(*) FROM invitations") == [(0,)]
        assert look(ground, "SELECT count(*) FROM audit WHERE operation = 'team.join'") == [(rounds,)]
        assert wait(owner.audit.verify()).sound


def test_of_many_who_accept_at_once_one_joins(ground: Ground, clock: Clock) -> None:
    accept_at_once(ground, 4, 30, clock)


@pytest.mark.soak
def test_of_a_hundred_who_accept_at_once_one_joins(ground: Ground, clock: Clock) -> None:
    accept_at_once(ground, 50, 100, clock)


def test_an_invitation_is_accepted_or_withdrawn_and_never_both(ground: Ground, clock: Clock) -> None:
    ends = set[str]()
    with stores(ground, [OWNER] * 8, clock.ambient()) as opened:
        for number in range(20):
            invitation = wait(opened[0].team.invite(NewInvitation(email=f"{number}@acme.example")))
            code, id_ = invitation.code, invitation.member.id
            acts = [[partial(store.team.join, code, f"Name {number}")] for store in opened[number % 5 :]]
            revoke, resend = [partial(opened[0].team.revoke, id_)], [partial(opened[1].team.resend, id_)]
            joins, (revoked, resent) = (outcomes := race([*acts, revoke, resend]))[:-2], outcomes[-2:]
            members = look(ground, f"SELECT count(*) FROM members WHERE name = 'Name {number}'")
            assert members == [(joins.count("done"),)]
            assert joins.count("done") + (revoked == "done") == 1
            assert set(outcomes) <= {"done", "not_found"}
            ends.add("joined" if "done" in joins else f"withdrawn, {resent}")
        assert wait(opened[0].audit.verify()).sound
    assert len(ends) > 1
