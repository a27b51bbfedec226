"""General: who the organization is, two people who save at once, and its end."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from PIL import Image

from orgtui.domain.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from orgtui.domain.money import Cost
from orgtui.domain.roles import PLATFORM, Role
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.store.contract import Store
from orgtui.store.contract.api_keys import NewKey
from orgtui.store.contract.general import GeneralChanges, Losses
from orgtui.store.contract.team import NewInvitation
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.contract.workspaces import Inventory, NewWorkspace
from tests.contract.arguments import CALL, CUSTOMER, RUN, keep, png, subscription
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, STRANGER, join, wait


def save(store: Store, **changes: object) -> object:
    return wait(store.general.save(GeneralChanges(**changes)))  # type: ignore[arg-type]


def test_a_fresh_organization(backend: Backend, store: Store) -> None:
    page = wait(store.general.show())
    assert (page.name, page.description, page.logo) == ("Acme", "", None)
    assert (page.members, page.workspaces, page.version) == (1, 1, 1)
    assert (page.created, page.timezone) == (backend.clock.now, "UTC")
    overview = wait(store.general.overview())
    assert (overview.name, overview.plan, overview.role) == ("Acme", "free", Role.OWNER)
    assert (overview.pending, overview.keys_connected, overview.workspaces) == (0, 0, 1)


def test_members_are_those_who_joined_and_those_who_are_invited(store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    wait(store.team.invite(NewInvitation(email="new@acme.example")))
    assert wait(store.general.show()).members == 3
    assert wait(store.general.overview()).pending == 1


def test_a_save_changes_what_it_names_and_leaves_the_rest(store: Store) -> None:
    save(store, seen=1, description="Line one\nline two")
    save(store, seen=2, name="  Acme Café ")
    page = wait(store.general.show())
    assert (page.name, page.description, page.version) == ("Acme Café", "Line one\nline two", 3)


def test_an_empty_description_takes_it_away(store: Store) -> None:
    save(store, seen=1, description="Something")
    save(store, seen=2, description="  ")
    assert wait(store.general.show()).description == ""


def test_a_stale_save_shows_both_values_and_changes_nothing(backend: Backend, store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    save(backend.open(ADMIN), seen=1, name="Acme AG", description="Ours")
    before = everything(backend)
    with pytest.raises(Stale) as stale:
        save(store, seen=1, name="Acme GmbH")
    assert stale.value.theirs == {"name": "Acme AG", "description": "Ours"}
    assert stale.value.yours == {"name": "Acme GmbH", "description": "Ours"}
    assert stale.value.version == 2
    assert everything(backend) == before
    save(store, seen=stale.value.version, name="Acme GmbH")
    assert wait(store.general.show()).name == "Acme GmbH"


def test_saving_what_is_there_already_changes_nothing_and_is_never_stale(backend: Backend, store: Store) -> None:
    save(store, seen=1, name="Acme AG")
    before = everything(backend)
    save(store, seen=1, name="Acme AG", description="")
    save(store, seen=2)
    wait(store.general.set_logo(None))
    assert everything(backend) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "Acme\x1b[31m"}, "name"),
        ({"description": "\u2066"}, "description"),
        ({"description": "x" * 281}, "description"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(store: Store, changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        save(store, seen=1, **changes)
    assert refused.value.field == field


def test_a_logo_is_kept_as_we_write_it_and_does_not_disturb_who_is_typing_a_name(store: Store) -> None:
    page = wait(store.general.set_logo(png()))
    assert page.logo is not None
    assert Image.open(io.BytesIO(page.logo)).format == "PNG"
    save(store, seen=1, name="Acme AG")
    assert wait(store.general.show()).logo == page.logo
    assert wait(store.general.set_logo(None)).logo is None


def test_every_change_moves_the_revision_and_no_question_does(store: Store) -> None:
    seen = [wait(store.general.revision())]
    wait(store.general.show())
    wait(store.usage.month())
    assert wait(store.general.revision()) == seen[0]
    for change in (
        store.workspaces.create(NewWorkspace(name="Staging")),
        store.usage.record(UsageBatch(runs=(RUN,))),
        store.general.set_logo(png()),
    ):
        wait(change)
        seen.append(wait(store.general.revision()))
    assert seen == [seen[0], seen[0] + 1, seen[0] + 2, seen[0] + 3]


def test_what_deleting_takes_away_is_told_first_and_gone_after(backend: Backend, store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    wait(store.team.invite(NewInvitation(email="new@acme.example")))
    (workspace,) = wait(store.workspaces.show()).workspaces
    inventory = Inventory(workflows={"w1": "One", "w2": "Two"}, agents={"a1": "Clerk"})
    wait(store.workspaces.set_inventory(workspace.id, inventory))
    wait(store.api_keys.add(NewKey(provider="openai", secret="k" * 20)))
    wait(store.usage.record(UsageBatch(runs=(RUN,), calls=(CALL,))))
    told = wait(store.general.show()).losses
    assert told == Losses(
        workspaces=1,
        workflows=2,
        agents=1,
        members=2,
        invitations=1,
        api_keys=1,
        runs=1,
        calls=1,
        credits=Cost(-Decimal(CALL.billed or 0) * Decimal("3.2")),
        plan=None,
    )
    assert wait(store.general.delete("Acme")) == told
    assert not any(everything(backend).values())


def test_deleting_needs_the_exact_name_as_it_is_now(store: Store) -> None:
    save(store, seen=1, name="Acme AG")
    for confirm in ("Acme", "acme ag", "Acme AG ", ""):
        with pytest.raises(Invalid) as refused:
            wait(store.general.delete(confirm))
        assert refused.value.field == "confirm"
    wait(store.general.delete("Acme AG"))


def test_nothing_is_deleted_that_would_go_on_to_be_charged(backend: Backend, store: Store) -> None:
    platform = backend.open(PLATFORM)
    wait(platform.billing.keep_customer(CUSTOMER, "test"))
    wait(keep(platform, subscription(cancel_at_period_end=True)))
    assert wait(store.general.show()).losses.plan == "pro"
    before = everything(backend)
    with pytest.raises(Conflict, match="The Pro subscription would go on to be charged"):
        wait(store.general.delete("Acme"))
    assert everything(backend) == before
    wait(keep(platform, subscription(status=SubscriptionStatus.CANCELED)))
    assert wait(store.general.delete("Acme")).plan is None


def test_whoever_still_has_a_deleted_organization_open_is_told_so(backend: Backend, store: Store) -> None:
    other = backend.open()
    wait(store.general.delete("Acme"))
    for question in (other.general.show(), other.general.set_logo(None), store.usage.month()):
        with pytest.raises(NotFound, match="deleted"):
            wait(question)
    with pytest.raises(NotFound):
        backend.open()


def test_an_admin_who_left_may_nothing_more(backend: Backend) -> None:
    with pytest.raises(Forbidden, match=STRANGER):
        wait(backend.open(STRANGER).general.show())
