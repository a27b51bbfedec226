"""Team: an invitation is for one person, works once, and lapses; nobody reaches above their role; an owner stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, LastOwner, NotFound, OrgtuiError
from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.team import Delivery, Departure, Invitation, Invited, Member, NewInvitation, Status
from tests.conftest import OWNER
from tests.contract.arguments import PARTNER, PEER
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, STRANGER, Founder, join, wait

WEEK = timedelta(days=7)
NEW = "new@acme.example"


def invite(store: Store, email: str = NEW, role: Role = Role.ADMIN) -> Invitation:
    return wait(store.team.invite(NewInvitation(email=email, role=role)))


def known(backend: Backend) -> dict[str, Member]:
    """Everybody on the page, by address."""
    ((anybody,),) = backend.rows("SELECT min(email) FROM members")
    return {member.email: member for member in wait(backend.open(anybody).team.show()).members}


def refused(backend: Backend, error: type[OrgtuiError], answer: Coroutine[Any, Any, Any]) -> OrgtuiError:
    """What was said, when nothing was changed."""
    before = everything(backend)
    with pytest.raises(error) as caught:
        wait(answer)
    assert everything(backend) == before
    return caught.value


@pytest.fixture
def admin(backend: Backend, store: Store) -> Store:
    """Grace, an admin."""
    wait(join(store, ADMIN, "Grace"))
    return backend.open(ADMIN)


# The page.


def test_people_by_name_then_invitations_by_address(founded: Founder) -> None:
    backend = founded("Europe/Berlin")
    store = backend.open(OWNER)
    wait(join(store, "zoe@acme.example", "Émile"))
    grace = wait(join(store, ADMIN, "grace"))
    invite(store, "Zoe.Z@acme.example")
    invite(backend.open(ADMIN), "ben@acme.example")
    page = wait(backend.open(ADMIN).team.show())
    assert [(member.name or member.email, member.role, member.status) for member in page.members] == [
        ("ada", Role.OWNER, Status.ACTIVE),
        ("grace", Role.ADMIN, Status.ACTIVE),
        ("Émile", Role.ADMIN, Status.ACTIVE),
        ("ben@acme.example", Role.ADMIN, Status.INVITED),
        ("Zoe.Z@acme.example", Role.ADMIN, Status.INVITED),
    ]
    assert (page.active, page.pending, page.total) == (3, 2, 5)
    assert (page.you, page.timezone) == (grace, "Europe/Berlin")


def test_a_member_tells_when_they_came_and_an_invitation_how_it_stands(backend: Backend, store: Store) -> None:
    founded = backend.clock.now
    backend.clock.now += timedelta(hours=1)
    invitation = invite(store, ADMIN)
    assert invitation.member == Member(
        id=invitation.member.id,
        email=ADMIN,
        name="",
        role=Role.ADMIN,
        status=Status.INVITED,
        since=backend.clock.now,
        invited_by=OWNER,
        expires=backend.clock.now + WEEK,
        sends=1,
        delivery=Delivery.UNSENT,
    )
    assert known(backend)[ADMIN] == invitation.member
    backend.clock.now += timedelta(hours=1)
    joined = wait(store.team.join(invitation.code, " Grace "))
    assert joined == Member(
        joined.id, ADMIN, "Grace", Role.ADMIN, Status.ACTIVE, backend.clock.now, last_seen=backend.clock.now
    )
    people = known(backend)
    assert people[ADMIN] == joined
    assert (people[OWNER].since, people[OWNER].last_seen) == (founded, None)
    assert len(people) == 2


def test_who_was_here_is_noted_once_a_minute(backend: Backend, store: Store, admin: Store) -> None:
    begun, seen = backend.clock.now, []
    for seconds in (0, 60, 61, 120, 122):
        backend.clock.now = begun + timedelta(seconds=seconds)
        wait(admin.team.present())
        last = known(backend)[ADMIN].last_seen
        assert last is not None
        seen.append((last - begun).total_seconds())
    assert seen == [0, 0, 61, 61, 122]
    assert known(backend)[OWNER].last_seen is None
    wait(store.team.present())
    assert known(backend)[OWNER].last_seen == backend.clock.now


# Invitations.


def test_a_code_can_be_told_from_anything_else_and_is_never_the_same(store: Store) -> None:
    codes = {invite(store, f"{number}@acme.example").code for number in range(5)}
    assert len(codes) == 5
    assert all(re.fullmatch("orgtui_inv_[0-9A-Za-z]{43}", code) for code in codes)


def test_only_a_hash_of_a_code_is_kept(backend: Backend, store: Store) -> None:
    first = invite(store)
    again = wait(store.team.resend(first.member.id))
    told = repr(everything(backend))
    for code in (first.code, again.code):
        assert code not in told
        assert code.removeprefix("orgtui_inv_") not in told


def test_an_invitation_works_once_however_its_code_was_pasted(backend: Backend, store: Store) -> None:
    code = invite(store, ADMIN).code
    assert wait(store.team.join(f"  {code}\n", "Grace")).email == ADMIN
    refused(backend, NotFound, store.team.join(code, "Mallory"))


@pytest.mark.parametrize(
    ("late", "works"), [(timedelta(seconds=-1), True), (timedelta(microseconds=-1), True), (timedelta(0), False)]
)
def test_an_invitation_lapses_after_seven_days(backend: Backend, store: Store, late: timedelta, works: bool) -> None:
    invitation = invite(store, ADMIN)
    assert invitation.expires == backend.clock.now + WEEK
    backend.clock.now = invitation.expires + late
    assert known(backend)[ADMIN].expired is not works
    if works:
        wait(store.team.join(invitation.code, "Grace"))
    else:
        refused(backend, NotFound, store.team.join(invitation.code, "Grace"))


def test_a_code_that_is_worth_nothing_does_not_say_why(backend: Backend, store: Store) -> None:
    used, withdrawn, resent, lapsed, cut = (invite(store, f"{number}@acme.example") for number in range(5))
    wait(store.team.join(used.code, "Somebody"))
    wait(store.team.revoke(withdrawn.member.id))
    wait(store.team.resend(resent.member.id))
    made_up = "orgtui_inv_" + "0" * 43
    worthless = [used.code, withdrawn.code, resent.code, made_up, "", cut.code[:-1], cut.code.swapcase()]
    said = [str(refused(backend, NotFound, store.team.join(code, "Mallory"))) for code in worthless]
    backend.clock.now = lapsed.expires
    said.append(str(refused(backend, NotFound, store.team.join(lapsed.code, "Mallory"))))
    said += [str(refused(backend, NotFound, store.team.invited(code))) for code in (made_up, used.code, lapsed.code)]
    assert set(said) == {"This invitation is not valid: it was used, withdrawn, or has lapsed. Ask for a new one."}


def test_looking_at_an_invitation_says_what_it_is_for_and_leaves_it(backend: Backend, store: Store) -> None:
    invitation, before = invite(store, ADMIN), None
    for _ in range(3):
        seen = wait(backend.open(STRANGER).team.invited(f" {invitation.code}\n"))
        assert seen == Invited("Acme", Role.ADMIN, invitation.expires, "UTC")
        before = before or everything(backend)
    assert everything(backend) == before
    assert wait(store.team.join(invitation.code, "Grace")).email == ADMIN


def test_a_name_that_is_refused_does_not_use_up_the_invitation(backend: Backend, store: Store) -> None:
    code = invite(store, ADMIN).code
    for name in ("", "Grace\u202e", "x" * 61):
        error = refused(backend, Invalid, store.team.join(code, name))
        assert isinstance(error, Invalid)
        assert error.field == "name"
    wait(store.team.join(code, "Grace"))


def test_an_invitation_sent_again_has_a_new_code_and_a_new_week(backend: Backend, store: Store, admin: Store) -> None:
    first = invite(store)
    wait(store.team.delivered(first.member.id, 1, Delivery.FAILED, "550 no such mailbox"))
    backend.clock.now += timedelta(days=6)
    again = wait(admin.team.resend(first.member.id))
    assert again.code != first.code
    assert again.member == Member(
        id=first.member.id,
        email=NEW,
        name="",
        role=Role.ADMIN,
        status=Status.INVITED,
        since=backend.clock.now,
        invited_by=ADMIN,
        expires=backend.clock.now + WEEK,
        sends=2,
        delivery=Delivery.UNSENT,
    )
    assert again.expires == backend.clock.now + WEEK
    refused(backend, NotFound, store.team.join(first.code, "Mallory"))
    backend.clock.now = first.expires + timedelta(days=5)
    assert wait(store.team.join(again.code, "Newcomer")).email == NEW


def test_a_lapsed_invitation_is_sent_again_and_not_made_twice(backend: Backend, store: Store) -> None:
    invitation = invite(store)
    backend.clock.now = invitation.expires
    refused(backend, AlreadyThere, store.team.invite(NewInvitation(email=NEW)))
    again = wait(store.team.resend(invitation.member.id))
    assert not again.member.expired
    wait(store.team.join(again.code, "Newcomer"))


def test_a_withdrawn_invitation_is_gone_and_the_address_free(backend: Backend, store: Store) -> None:
    invitation = invite(store)
    assert wait(store.team.revoke(invitation.member.id)) == invitation.member
    assert NEW not in known(backend)
    for gone in (store.team.revoke(invitation.member.id), store.team.resend(invitation.member.id)):
        refused(backend, NotFound, gone)
    assert wait(store.team.join(invite(store).code, "Newcomer")).email == NEW


def test_what_became_of_a_mail_is_kept_until_the_next_one(backend: Backend, store: Store) -> None:
    id = invite(store).member.id
    told = wait(store.team.delivered(id, 1, Delivery.FAILED, "550 \x1b[31mno such mailbox\n" + "x" * 300))
    assert (told.delivery, told.delivery_note[:21]) == (Delivery.FAILED, "550 \ufffd[31mno such mail")
    assert len(told.delivery_note) == 200
    once = everything(backend)
    assert wait(store.team.delivered(id, 1, Delivery.FAILED, "550 \x1b[31mno such mailbox\n" + "x" * 300)) == told
    assert everything(backend) == once
    wait(store.team.resend(id))
    resent = everything(backend)
    for sends in (1, 3):
        late = wait(store.team.delivered(id, sends, Delivery.SENT, "250 ok"))
        assert (late.delivery, late.delivery_note, late.sends) == (Delivery.UNSENT, "", 2)
    assert everything(backend) == resent
    assert wait(store.team.delivered(id, 2, Delivery.SENT, "250 ok")).delivery is Delivery.SENT


def test_who_accepts_is_who_the_audit_names(backend: Backend, store: Store) -> None:
    code = invite(store, ADMIN).code
    wait(backend.open(STRANGER).team.join(code, "Grace"))
    rows = backend.rows("SELECT actor, role FROM audit WHERE operation = 'team.join'")
    assert rows == [(ADMIN, "invitee")]


@pytest.mark.parametrize("email", ["ADA@acme.example", "ada@ACME.example", " ada@acme.example\n"])
def test_nobody_is_invited_who_is_there(backend: Backend, store: Store, email: str) -> None:
    refused(backend, AlreadyThere, store.team.invite(NewInvitation(email=email)))
    invite(store, ADMIN)
    refused(backend, AlreadyThere, store.team.invite(NewInvitation(email=email.lower().replace("ada", "Grace"))))


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@acme.example", "a b@acme.example", "ada@acme.example\x1b[2J"])
def test_an_address_that_is_none_is_refused(backend: Backend, store: Store, email: str) -> None:
    error = refused(backend, Invalid, store.team.invite(NewInvitation(email=email)))
    assert isinstance(error, Invalid)
    assert error.field == "email"


# Who may touch whom.

Act = Callable[[Store, Member], Coroutine[Any, Any, Any]]
ACTS: dict[str, Act] = {
    "promote": lambda store, member: store.team.set_role(member.id, Role.OWNER),
    "demote": lambda store, member: store.team.set_role(member.id, Role.ADMIN),
    "remove": lambda store, member: store.team.remove(member.id),
    "transfer": lambda store, member: store.team.transfer(member.id, member.email),
    "resend": lambda store, member: store.team.resend(member.id),
    "revoke": lambda store, member: store.team.revoke(member.id),
}
# What an admin may do: to an owner, to an admin, to who is invited as the one or the other.
ADMIN_MAY = {
    ("demote", PEER),
    ("remove", PEER),
    ("resend", "as-admin@acme.example"),
    ("revoke", "as-admin@acme.example"),
}
TARGETS = {
    "promote": (PARTNER, PEER),
    "demote": (PARTNER, PEER),
    "remove": (PARTNER, PEER),
    "transfer": (PARTNER, PEER),
    "resend": ("as-owner@acme.example", "as-admin@acme.example"),
    "revoke": ("as-owner@acme.example", "as-admin@acme.example"),
}


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
@pytest.mark.parametrize(("act", "target"), [(act, target) for act, targets in TARGETS.items() for target in targets])
def test_nobody_reaches_above_their_role(
    backend: Backend, store: Store, admin: Store, actor: str, act: str, target: str
) -> None:
    wait(join(store, PARTNER, "Barbara", Role.OWNER))
    wait(join(store, PEER, "Edsger"))
    invite(store, "as-owner@acme.example", Role.OWNER)
    invite(store, "as-admin@acme.example")
    answer = ACTS[act](backend.open(actor), known(backend)[target])
    if actor == OWNER or (act, target) in ADMIN_MAY:
        wait(answer)
    else:
        refused(backend, Forbidden, answer)


def test_an_admin_invites_admins_only(backend: Backend, admin: Store) -> None:
    error = refused(backend, Forbidden, admin.team.invite(NewInvitation(email=NEW, role=Role.OWNER)))
    assert error.message == "Only an owner can invite, change or remove an owner."
    invite(admin)


def test_an_admin_does_not_make_himself_an_owner(backend: Backend, admin: Store) -> None:
    refused(backend, Forbidden, admin.team.set_role(known(backend)[ADMIN].id, Role.OWNER))


def test_a_role_holds_from_the_moment_it_is_given(backend: Backend, store: Store) -> None:
    early = backend.open(ADMIN)
    refused(backend, Forbidden, early.team.present())
    id = wait(join(store, ADMIN, "Grace"))
    assert wait(early.general.overview()).role is Role.ADMIN
    assert wait(store.team.set_role(id, Role.OWNER)).role is Role.OWNER
    wait(early.team.set_role(known(backend)[OWNER].id, Role.ADMIN))
    refused(backend, Forbidden, store.team.set_role(id, Role.ADMIN))


def test_a_role_that_one_has_already_is_no_change(backend: Backend, store: Store, admin: Store) -> None:
    people, before = known(backend), everything(backend)
    assert wait(store.team.set_role(people[OWNER].id, Role.OWNER)) == people[OWNER]
    assert wait(admin.team.set_role(people[ADMIN].id, Role.ADMIN)) == people[ADMIN]
    assert everything(backend) == before


def test_ids_of_nobody_are_not_found(backend: Backend, store: Store) -> None:
    invited = invite(store).member.id
    for id in ("mem_none", "", invited):
        for answer in (store.team.set_role(id, Role.ADMIN), store.team.remove(id), store.team.transfer(id, NEW)):
            refused(backend, NotFound, answer)


# An owner is always there.


def last_owner(backend: Backend, store: Store) -> None:
    me = known(backend)[OWNER]
    for answer in (store.team.set_role(me.id, Role.ADMIN), store.team.remove(me.id), store.team.leave()):
        error = refused(backend, LastOwner, answer)
        assert error.message == "ada is the only owner. Make somebody else an owner first, or transfer ownership."
        assert error.exit_code == 5


def test_the_only_owner_stays_one(backend: Backend, store: Store, admin: Store) -> None:
    # An invitation, even as owner, is nobody yet.
    invite(store, NEW, Role.OWNER)
    last_owner(backend, store)


@pytest.mark.parametrize("act", ["demote", "remove", "leave", "transfer"])
def test_one_of_two_owners_may_go_and_the_other_stays(backend: Backend, store: Store, act: str) -> None:
    wait(join(store, PARTNER, "Barbara", Role.OWNER))
    partner = backend.open(PARTNER)
    acts: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "demote": lambda: store.team.set_role(known(backend)[PARTNER].id, Role.ADMIN),
        "remove": lambda: store.team.remove(known(backend)[PARTNER].id),
        "leave": partner.team.leave,
        "transfer": lambda: partner.team.transfer(known(backend)[OWNER].id, OWNER),
    }
    wait(acts[act]())
    assert [member.email for member in known(backend).values() if member.role is Role.OWNER] == [OWNER]
    last_owner(backend, store)


def test_ownership_is_handed_over_in_one_go(backend: Backend, store: Store, admin: Store) -> None:
    before = backend.rows("SELECT count(*) FROM audit")[0][0]
    grace = known(backend)[ADMIN]
    assert wait(store.team.transfer(grace.id, f" {ADMIN.upper()} ")).role is Role.OWNER
    assert {email: member.role for email, member in known(backend).items()} == {OWNER: Role.ADMIN, ADMIN: Role.OWNER}
    (entry,) = wait(store.audit.entries(limit=1)).entries
    assert (entry.seq, entry.subject, entry.actor, entry.role) == (before + 1, grace.id, OWNER, "owner")
    assert entry.before == {OWNER: "owner", ADMIN: "admin"}
    assert entry.after == {OWNER: "admin", ADMIN: "owner"}
    error = refused(backend, Forbidden, store.team.transfer(known(backend)[OWNER].id, OWNER))
    assert error.message == "Only an owner can transfer ownership."


def test_ownership_goes_to_somebody_else_whose_address_was_typed(backend: Backend, store: Store, admin: Store) -> None:
    people = known(backend)
    for confirm in ("", "Grace", OWNER, ADMIN[:-1], "transfer"):
        error = refused(backend, Invalid, store.team.transfer(people[ADMIN].id, confirm))
        assert (error.message, error.details) == (f"Type {ADMIN} to transfer ownership.", {"field": "confirm"})
    error = refused(backend, Invalid, store.team.transfer(people[OWNER].id, OWNER))
    assert error.details == {"field": "id"}


# Going.


def test_who_is_removed_may_nothing_more_and_can_be_invited_again(backend: Backend, store: Store, admin: Store) -> None:
    grace = known(backend)[ADMIN]
    assert wait(store.team.remove(grace.id)) == Departure(grace, 0)
    for answer in (admin.team.show(), admin.team.present(), admin.team.leave(), admin.team.remove(grace.id)):
        refused(backend, Forbidden, answer)
    refused(backend, NotFound, store.team.remove(grace.id))
    assert wait(join(store, ADMIN, "Grace again")) != grace.id
    assert wait(admin.team.show()).you == known(backend)[ADMIN].id


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "removed"])
def test_the_invitations_one_sent_go_with_one(backend: Backend, store: Store, admin: Store, leaves: bool) -> None:
    hers = [invite(admin, f"hers-{number}@acme.example") for number in range(3)]
    his = invite(store, "his@acme.example")
    taken_over = wait(store.team.resend(hers[2].member.id))
    given_away = wait(admin.team.resend(invite(store, "given@acme.example").member.id))
    grace = known(backend)[ADMIN]
    gone = wait(admin.team.leave() if leaves else store.team.remove(grace.id))
    assert gone == Departure(grace, 3)
    assert sorted(known(backend)) == sorted((OWNER, "his@acme.example", "hers-2@acme.example"))
    for invitation in (*hers, given_away):
        refused(backend, NotFound, store.team.join(invitation.code, "Mallory"))
    for invitation in (his, taken_over):
        wait(store.team.join(invitation.code, "Welcome"))
    entries = wait(store.audit.entries(text="leave" if leaves else "team.remove")).entries
    (entry,) = [entry for entry in entries if entry.subject == grace.id]
    cancelled = {"hers-0@acme.example", "hers-1@acme.example", "given@acme.example"}
    assert (entry.before["email"], set(entry.before["invitations"])) == (ADMIN, cancelled)


# Who is who.


def test_capitals_in_an_address_make_nobody_else(backend: Backend, store: Store) -> None:
    wait(join(store, "Grace.Hopper@acme.example", "Grace"))
    shouting = backend.open("GRACE.HOPPER@ACME.EXAMPLE")
    page = wait(shouting.team.show())
    assert page.you == known(backend)["Grace.Hopper@acme.example"].id
    invitation = invite(shouting)
    assert invitation.member.invited_by == "Grace.Hopper@acme.example"
    wait(shouting.general.save(GeneralChanges(seen=1, name="Acme AG")))
    backend.clock.now += timedelta(minutes=2)
    wait(shouting.team.present())
    assert known(backend)["Grace.Hopper@acme.example"].last_seen == backend.clock.now
    actors = backend.rows("SELECT actor FROM audit WHERE operation IN ('team.invite', 'general.save') ORDER BY seq")
    assert actors == [(OWNER,), ("Grace.Hopper@acme.example",), ("Grace.Hopper@acme.example",)]
    assert wait(shouting.team.leave()).cancelled == 1
