"""Team: an invitation is for one person, works once, and lapses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orgtui.domain.errors import AlreadyThere, Invalid, NotFound
from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from orgtui.store.contract.team import NewInvitation
from tests.contract.backends import Backend
from tests.contract.conftest import ADMIN, STRANGER, join, wait


def invite(store: Store, email: str = ADMIN, role: Role = Role.ADMIN) -> str:
    return wait(store.team.invite(NewInvitation(email=email, role=role))).code


def test_people_by_name_then_invitations_by_address(store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    invite(store, "zoe@acme.example")
    invite(store, "ben@acme.example", Role.OWNER)
    members = wait(store.team.members())
    assert [(member.name or member.email, member.role, member.status) for member in members] == [
        ("ada", Role.OWNER, "active"),
        ("Grace", Role.ADMIN, "active"),
        ("ben@acme.example", Role.OWNER, "invited"),
        ("zoe@acme.example", Role.ADMIN, "invited"),
    ]


def test_an_invitation_works_once(store: Store) -> None:
    code = invite(store)
    assert wait(store.team.join(code, "Grace")).email == ADMIN
    with pytest.raises(NotFound):
        wait(store.team.join(code, "Mallory"))


@pytest.mark.parametrize(("late", "works"), [(timedelta(seconds=-1), True), (timedelta(0), False)])
def test_an_invitation_lapses_after_seven_days(backend: Backend, store: Store, late: timedelta, works: bool) -> None:
    invitation = wait(store.team.invite(NewInvitation(email=ADMIN)))
    assert invitation.expires == backend.clock.now + timedelta(days=7)
    backend.clock.now = invitation.expires + late
    if works:
        wait(store.team.join(invitation.code, "Grace"))
    else:
        with pytest.raises(NotFound):
            wait(store.team.join(invitation.code, "Grace"))


def test_who_accepts_is_who_the_audit_names(backend: Backend, store: Store) -> None:
    code = invite(store)
    wait(backend.open(STRANGER).team.join(code, "Grace"))
    rows = backend.rows("SELECT actor, role FROM audit WHERE operation = 'team.join'")
    assert rows == [(ADMIN, "invitee")]


def test_only_a_hash_of_the_code_is_kept(backend: Backend, store: Store) -> None:
    code = invite(store)
    assert code not in repr(backend.rows("SELECT * FROM invitations"))
    assert code not in repr(backend.rows("SELECT * FROM audit"))


@pytest.mark.parametrize("email", ["ADA@acme.example", "ada@ACME.example"])
def test_nobody_is_invited_who_is_a_member(store: Store, email: str) -> None:
    with pytest.raises(AlreadyThere):
        invite(store, email)


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@acme.example", "ada@acme.example\x1b[2J"])
def test_an_address_that_is_none_is_refused(store: Store, email: str) -> None:
    with pytest.raises(Invalid) as refused:
        invite(store, email)
    assert refused.value.field == "email"


def test_a_role_holds_from_the_moment_it_is_given(backend: Backend, store: Store) -> None:
    early = backend.open(ADMIN)
    wait(join(store, ADMIN, "Grace"))
    assert wait(early.general.overview()).role is Role.ADMIN
