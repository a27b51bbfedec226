"""Team against a plain model: whoever does whatever in whatever order, answers, refusals and the page are the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from orgtui.domain.errors import Forbidden, OrgtuiError
from orgtui.domain.roles import Role
from orgtui.store.contract import Store
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.team import Delivery, NewInvitation
from tests.conftest import OWNER
from tests.contract.backends import Backend
from tests.contract.conftest import STRANGER, Founder, wait
from tests.contract.team_model import Accept, TeamModel

ADDRESSES = ("grace@acme.example", "Linus@acme.example", "barbara@acme.example", "edsger@acme.example")
# Who acts: the first and the last of the owners, of the admins, or somebody who is not there.
ACTORS = st.sampled_from(["owner", "last owner", "OWNER", "admin", "last admin", "LAST ADMIN", "nobody"])
EMAILS = st.sampled_from([*ADDRESSES * 2, ADDRESSES[0].upper(), OWNER, "no address"])
NAMES = st.sampled_from(["Grace", "grace", "Émile", "Zoe", " "])
ROLES = st.sampled_from(Role)
DELIVERIES = st.sampled_from(Delivery)
NOTES = st.sampled_from(["", "250 ok", "550 no such mailbox"])
TIMES = st.sampled_from([1, 60, 61, 86_400, 7 * 86_400 - 1, 7 * 86_400])
# The last of them, one of before, one of long ago; or something of another kind.
OTHER = -1
ANY = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, OTHER])
TWICE = st.sampled_from([False, False, False, True])


class TeamMachine(RuleBasedStateMachine):
    """Every operation of Team, and the time."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend, self.stores, self.keys = backend, dict[str, Store](), 0
        page = wait(self.store(OWNER).team.show())
        (founder,) = page.members
        self.timezone = page.timezone
        self.model = TeamModel(backend.clock.now, {founder.id: founder})
        # All that ever were: what is gone is asked for too.
        self.joined, self.invited, self.codes = [founder.id], ["inv_none"], ["orgtui_inv_" + "0" * 43]

    def store(self, actor: str) -> Store:
        if actor not in self.stores:
            self.stores[actor] = self.backend.open(actor)
        return self.stores[actor]

    def address(self, actor: str) -> str:
        """Who that is now."""
        role = Role.OWNER if "owner" in actor.lower() else Role.ADMIN
        members = self.model.members.values()
        there = [member.email for member in members if member.role is role]
        if actor == "nobody" or not there:
            known = {member.email.casefold() for member in members}
            return next((email for email in ADDRESSES if email.casefold() not in known), STRANGER)
        address = there[-1 if "last" in actor.lower() else 0]
        return address.upper() if actor.isupper() else address

    def step(
        self,
        actor: str,
        expected: Callable[[], Accept],
        act: Callable[[Store], Coroutine[Any, Any, Any]],
        twice: bool = False,
    ) -> Any:
        """Do it, and once more with its key, as somebody does to whom the answer did not come through."""
        store, self.keys = self.store(actor), self.keys + 1
        refusal: type[OrgtuiError] | None = None
        try:
            accept = expected()
        except OrgtuiError as error:
            refusal = type(error)
        if refusal:
            with pytest.raises(refusal) as refused:
                wait(act(store))
            assert type(refused.value) is refusal
            return None
        if not twice:
            answer = wait(act(store))
        else:
            with idempotency_key(f"key {self.keys}"):
                answer = wait(act(store))
                assert wait(act(store)) == answer
        accept(answer)
        return answer

    def member_id(self, back: int) -> str:
        return self.invited[-1] if back == OTHER else self.joined[-1 - back % len(self.joined)]

    def invitation_id(self, back: int) -> str:
        return self.joined[-1] if back == OTHER else self.invited[-1 - back % len(self.invited)]

    def sent(self, invitation: Any) -> None:
        if invitation:
            self.codes.append(invitation.code)
            if invitation.member.id not in self.invited:
                self.invited.append(invitation.member.id)

    @initialize(roles=st.lists(ROLES, min_size=2, max_size=3), sender=ACTORS)
    def some_are_there(self, roles: list[Role], sender: str) -> None:
        for email, role in zip(ADDRESSES, roles, strict=False):
            self.invite("owner", email, role, False)
            self.join("nobody", 0, "Somebody", False)
        self.invite(sender, ADDRESSES[3], roles[0], False)

    @rule(actor=ACTORS, email=EMAILS, role=ROLES, twice=TWICE)
    def invite(self, actor: str, email: str, role: Role, twice: bool) -> None:
        actor = self.address(actor)
        invitation = NewInvitation(email=email, role=role)
        expected = partial(self.model.invite, actor, email, role)
        self.sent(self.step(actor, expected, lambda store: store.team.invite(invitation), twice))

    @rule(actor=ACTORS, back=ANY, twice=TWICE)
    def resend(self, actor: str, back: int, twice: bool) -> None:
        actor, id = self.address(actor), self.invitation_id(back)
        expected = partial(self.model.resend, actor, id)
        self.sent(self.step(actor, expected, lambda store: store.team.resend(id), twice))

    @rule(actor=ACTORS, back=ANY, sends=st.integers(1, 3), delivery=DELIVERIES, note=NOTES)
    def delivered(self, actor: str, back: int, sends: int, delivery: Delivery, note: str) -> None:
        actor, told = self.address(actor), (self.invitation_id(back), sends, delivery, note)
        self.step(actor, partial(self.model.delivered, actor, *told), lambda store: store.team.delivered(*told))

    @rule(actor=ACTORS, back=ANY, twice=TWICE)
    def revoke(self, actor: str, back: int, twice: bool) -> None:
        actor, id = self.address(actor), self.invitation_id(back)
        self.step(actor, partial(self.model.revoke, actor, id), lambda store: store.team.revoke(id), twice)

    @rule(actor=ACTORS, back=ANY, name=NAMES, twice=TWICE)
    def join(self, actor: str, back: int, name: str, twice: bool) -> None:
        self.accept(actor, self.codes[-1 - back % len(self.codes)], name, twice)

    @rule(back=ANY, name=NAMES, late=st.booleans())
    def join_at_the_last_moment(self, back: int, name: str, late: bool) -> None:
        """When the week is over, or a microsecond before."""
        invitation = self.model.invitations.get(self.invitation_id(back))
        if invitation and invitation.expires and invitation.expires > self.model.now:
            self.backend.clock.now = invitation.expires - timedelta(microseconds=0 if late else 1)
            self.model.now = self.backend.clock.now
            code = next(code for code, id in self.model.codes.items() if id == invitation.id)
            self.accept("nobody", code, name, False)

    def accept(self, actor: str, code: str, name: str, twice: bool) -> None:
        expected = partial(self.model.join, code, name)
        joined = self.step(self.address(actor), expected, lambda store: store.team.join(code, name), twice)
        if joined:
            self.joined.append(joined.id)

    @rule(actor=ACTORS, back=ANY, role=ROLES, twice=TWICE)
    def set_role(self, actor: str, back: int, role: Role, twice: bool) -> None:
        actor, id = self.address(actor), self.member_id(back)
        expected = partial(self.model.set_role, actor, id, role)
        self.step(actor, expected, lambda store: store.team.set_role(id, role), twice)

    @rule(actor=ACTORS, back=ANY, wrong=TWICE, twice=TWICE)
    def transfer(self, actor: str, back: int, wrong: bool, twice: bool) -> None:
        actor, id = self.address(actor), self.member_id(back)
        confirm = OWNER if wrong or id not in self.model.members else self.model.members[id].email.upper()
        expected = partial(self.model.transfer, actor, id, confirm)
        self.step(actor, expected, lambda store: store.team.transfer(id, confirm), twice)

    @rule(actor=ACTORS, back=ANY, twice=TWICE)
    def remove(self, actor: str, back: int, twice: bool) -> None:
        actor, id = self.address(actor), self.member_id(back)
        self.step(actor, partial(self.model.remove, actor, id), lambda store: store.team.remove(id), twice)

    @rule(actor=ACTORS, twice=TWICE)
    def leave(self, actor: str, twice: bool) -> None:
        actor = self.address(actor)
        self.step(actor, partial(self.model.leave, actor), lambda store: store.team.leave(), twice)

    @rule(actor=ACTORS)
    def present(self, actor: str) -> None:
        actor = self.address(actor)
        self.step(actor, partial(self.model.present, actor), lambda store: store.team.present())

    @rule(seconds=TIMES)
    def time_passes(self, seconds: int) -> None:
        self.backend.clock.now += timedelta(seconds=seconds)
        self.model.now = self.backend.clock.now

    @invariant()
    def the_page_is_the_models(self) -> None:
        for actor in {self.address("owner"), self.address("last admin")}:
            try:
                expected = self.model.page(actor, self.timezone)
            except Forbidden:
                with pytest.raises(Forbidden):
                    wait(self.store(actor).team.show())
            else:
                assert wait(self.store(actor).team.show()) == expected

    def teardown(self) -> None:
        owner = self.address("owner")
        entries = wait(self.store(owner).audit.entries(limit=1_000)).entries[:-1]
        told = [(entry.actor, entry.role, entry.operation, entry.subject) for entry in reversed(entries)]
        assert told == self.model.log
        assert wait(self.store(owner).audit.verify()).rows == len(told) + 1
        assert wait(self.store(owner).general.revision()) == len(told)
        self.backend.close()


def run(founded: Founder, runs: int, steps: int) -> None:
    """So many histories of at most so many steps, each from an organization of its own."""
    run_state_machine_as_test(
        lambda: TeamMachine(founded("Europe/Berlin")),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )


def test_team_does_what_the_model_does(founded: Founder) -> None:
    run(founded, 25, 25)


def test_team_does_what_the_model_does_for_a_while(founded: Founder) -> None:
    run(founded, 3, 20)


@pytest.mark.soak
def test_team_does_what_the_model_does_a_thousand_times(founded: Founder) -> None:
    run(founded, 1_000, 50)
