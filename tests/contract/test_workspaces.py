"""Workspaces: settings of their own, people of their own, and an end after which there is nothing to be found."""

from __future__ import annotations

import io
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from orgtui.domain.errors import AlreadyThere, Conflict, Invalid, NotFound, OrgtuiError, Stale
from orgtui.domain.money import Cost
from orgtui.domain.roles import WorkspaceRole
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.operation import operations
from orgtui.store.contract.usage import UNASSIGNED, UsageBatch
from orgtui.store.contract.workspaces import (
    MOST_ITEMS,
    Inventory,
    NewWorkspace,
    Workspace,
    WorkspaceChanges,
    WorkspacePage,
)
from tests.conftest import OWNER
from tests.contract.arguments import CALL, RUN, png
from tests.contract.backends import Backend, everything
from tests.contract.conftest import ADMIN, Founder, join, wait

STATUSES = ("success", "error", "success", "canceled")
PARTNER = "alan@partner.example"
EDITOR, VIEWER = WorkspaceRole.EDITOR, WorkspaceRole.VIEWER
NOTHING = Inventory(workflows={}, agents={})


def make(store: Store, name: str, **more: str) -> Workspace:
    return wait(store.workspaces.create(NewWorkspace(name=name, **more)))


def names(store: Store, *, archived: bool = False) -> list[str]:
    return [card.name for card in wait(store.workspaces.show(archived=archived)).workspaces]


def first(store: Store) -> str:
    return wait(store.workspaces.show()).workspaces[0].id


def save(store: Store, id: str, seen: int = 1, **changes: str) -> WorkspacePage:
    return wait(store.workspaces.save(id, WorkspaceChanges(seen=seen, **changes)))


def give(store: Store, id: str, email: str, role: WorkspaceRole = EDITOR, name: str = "") -> WorkspacePage:
    return wait(store.workspaces.set_member(id, email, role, name))


def who(page: WorkspacePage) -> list[tuple[str, str, str]]:
    return [(person.email, person.role.value, person.source) for person in page.people]


@pytest.fixture
def staging(store: Store) -> str:
    """A workspace beside Default."""
    return make(store, "Staging", description="Rehearsal").id


# Cards.


def test_cards_by_name_with_what_they_hold(store: Store) -> None:
    made = make(store, "Build", description="Where it starts")
    make(store, "ångström")
    answer = wait(store.workspaces.set_inventory(made.id, Inventory(workflows={"1": "A", "2": "B"}, agents={"1": "C"})))
    cards = wait(store.workspaces.show()).workspaces
    assert [card.name for card in cards] == ["Build", "Default", "ångström"]
    assert cards[0] == answer
    assert (answer.description, answer.members, answer.workflows, answer.agents) == ("Where it starts", 1, 2, 1)


def test_a_card_has_this_month_s_runs_and_spend_in_the_organization_s_timezone(founded: Founder) -> None:
    backend = founded("Pacific/Kiritimati")
    store = backend.open()
    busy, waiting, own = (make(store, name).id for name in ("Busy", "Waiting", "Unpriced"))
    # There it is the first of December already.
    backend.clock.now = now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    before = datetime(2026, 11, 30, 9, tzinfo=UTC)
    runs = [
        replace(RUN, id=str(n), started_at=now, status=status, workspace="busy") for n, status in enumerate(STATUSES)
    ]
    runs += [replace(RUN, id="old", started_at=before, workspace="busy")]
    runs += [replace(RUN, id="w", started_at=now, status="waiting", workspace="waiting")]
    calls = [replace(CALL, id=str(n), at=now, workspace="busy", billed=Decimal(n)) for n in range(3)]
    calls += [
        replace(CALL, id="old", at=before, workspace="busy"),
        replace(CALL, id="nobody's", at=now, workspace=None),
    ]
    calls += [replace(CALL, id="u", at=now, workspace="unpriced", billed=None)]
    wait(store.usage.record(UsageBatch(runs=tuple(runs), calls=tuple(calls))))
    page = wait(store.workspaces.show())
    shown = {card.id: (card.runs, card.spend) for card in page.workspaces}
    assert (page.month, page.timezone) == ("2026-12", "Pacific/Kiritimati")
    assert shown == {busy: (3, Cost(Decimal("9.6"), "EUR")), waiting: (0, None), own: (None, None)} | {
        id_: (None, None) for id_ in shown if id_ not in (busy, waiting, own)
    }
    assert wait(store.workspaces.open(busy)).success_rate == 2 / 3
    assert wait(store.workspaces.open(waiting)).success_rate is None


def test_an_open_workspace_is_its_card_and_more(backend: Backend, store: Store, staging: str) -> None:
    page = wait(store.workspaces.open(staging))
    assert page.workspace == next(card for card in wait(store.workspaces.show()).workspaces if card.id == staging)
    assert (page.logo, page.success_rate, page.version) == (None, None, 1)
    assert (page.month, page.timezone, page.workspace.created) == ("2026-11", "UTC", backend.clock.now)


# Names and saves.


@pytest.mark.parametrize("name", ["default", "DEFAULT", " Default "])
def test_a_name_is_taken_whatever_its_case(store: Store, staging: str, name: str) -> None:
    with pytest.raises(AlreadyThere, match="a workspace named Default") as refused:
        make(store, name)
    assert refused.value.details["field"] == "name"
    with pytest.raises(AlreadyThere):
        save(store, staging, name=name)


def test_an_archived_workspace_keeps_its_name(store: Store, staging: str) -> None:
    wait(store.workspaces.archive(staging))
    with pytest.raises(AlreadyThere, match="an archived workspace named Staging"):
        make(store, "STAGING")
    with pytest.raises(AlreadyThere, match="archived"):
        save(store, first(store), name="staging")


def test_its_own_name_may_change_its_case(store: Store, staging: str) -> None:
    assert save(store, staging, name="STAGING").workspace.name == "STAGING"
    make(store, "Other")
    save(store, staging, seen=2, name="Rehearsal")
    make(store, "staging")


def test_a_save_changes_what_it_names_and_leaves_the_rest(store: Store, staging: str) -> None:
    save(store, staging, description="  One\ntwo ")
    page = save(store, staging, seen=2, name=" Rehearsal ")
    assert (page.workspace.name, page.workspace.description, page.version) == ("Rehearsal", "One\ntwo", 3)
    assert save(store, staging, seen=3, description="").workspace.description == ""


def test_a_stale_save_shows_both_values_and_changes_nothing(backend: Backend, store: Store, staging: str) -> None:
    wait(join(store, ADMIN, "Grace"))
    save(backend.open(ADMIN), staging, name="Rehearsal", description="Ours")
    before = everything(backend)
    with pytest.raises(Stale) as stale:
        save(store, staging, name="Stage")
    assert stale.value.theirs == {"name": "Rehearsal", "description": "Ours"}
    assert stale.value.yours == {"name": "Stage", "description": "Ours"}
    assert stale.value.version == 2
    assert everything(backend) == before
    assert save(store, staging, seen=2, name="Stage").workspace.name == "Stage"


def test_saving_what_is_there_already_changes_nothing_and_is_never_stale(
    backend: Backend, store: Store, staging: str
) -> None:
    save(store, staging, name="Rehearsal")
    before = everything(backend)
    save(store, staging, seen=1, name="Rehearsal", description="Rehearsal")
    save(store, staging, seen=77)
    wait(store.workspaces.set_logo(staging, None))
    wait(store.workspaces.restore(staging))
    wait(store.workspaces.set_inventory(staging, NOTHING))
    assert everything(backend) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "Staging\x1b[31m"}, "name"),
        ({"description": "\u2066"}, "description"),
        ({"description": "x" * 281}, "description"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(
    backend: Backend, store: Store, staging: str, changes: dict[str, str], field: str
) -> None:
    before = everything(backend)
    for attempt in (
        lambda: save(store, staging, **changes),
        lambda: make(store, **{"name": "New"} | changes),
    ):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.field == field
    assert everything(backend) == before


# Logos.


def size(image: bytes | None) -> tuple[str | None, tuple[int, int]]:
    assert image is not None
    opened = Image.open(io.BytesIO(image))
    return opened.format, opened.size


def test_a_logo_is_kept_as_we_write_it_with_an_icon_for_the_card(store: Store, staging: str) -> None:
    page = wait(store.workspaces.set_logo(staging, png()))
    assert size(page.logo) == ("PNG", (64, 64))
    assert size(page.workspace.icon) == ("PNG", (32, 32))
    assert page.version == 1
    assert [card.icon for card in wait(store.workspaces.show()).workspaces] == [None, page.workspace.icon]
    page = wait(store.workspaces.set_logo(staging, None))
    assert (page.logo, page.workspace.icon) == (None, None)


def test_a_logo_that_is_none_changes_nothing(backend: Backend, store: Store, staging: str) -> None:
    wait(store.workspaces.set_logo(staging, png()))
    before = everything(backend)
    with pytest.raises(Invalid) as refused:
        wait(store.workspaces.set_logo(staging, b"no picture"))
    assert refused.value.field == "logo"
    assert everything(backend) == before


# People.


def test_owners_and_admins_of_the_organization_are_in_every_workspace(
    backend: Backend, store: Store, staging: str
) -> None:
    wait(join(store, ADMIN, "Grace"))
    page = wait(store.workspaces.open(staging))
    assert who(page) == [(OWNER, "owner", "organization owner"), (ADMIN, "admin", "organization admin")]
    assert page.workspace.members == 2
    assert [person.since for person in page.people] == [backend.clock.now] * 2


def test_a_role_given_in_a_workspace_counts_in_it_alone(backend: Backend, store: Store, staging: str) -> None:
    backend.clock.now += timedelta(days=1)
    page = give(store, staging, f"  {PARTNER} ", name="Alan")
    assert who(page)[-1] == (PARTNER, "editor", "workspace")
    assert (page.people[-1].name, page.people[-1].since) == ("Alan", backend.clock.now)
    assert [card.members for card in wait(store.workspaces.show()).workspaces] == [1, 2]


def test_people_stand_by_role_then_by_name(store: Store, staging: str) -> None:
    give(store, staging, "z@partner.example", VIEWER, "abel")
    give(store, staging, "y@partner.example", EDITOR, "Zoe")
    give(store, staging, "x@partner.example", WorkspaceRole.ADMIN, "Mia")
    page = give(store, staging, "w@partner.example", EDITOR, "adam")
    assert [person.name for person in page.people] == ["ada", "Mia", "adam", "Zoe", "abel"]


def test_one_address_is_one_person_whatever_its_case(store: Store, staging: str) -> None:
    give(store, staging, "Alan@Partner.example", VIEWER)
    page = give(store, staging, "ALAN@partner.EXAMPLE", EDITOR, "Alan T.")
    assert [(person.email, person.name, person.role) for person in page.people[1:]] == [
        ("Alan@partner.example", "Alan T.", EDITOR)
    ]
    assert wait(store.workspaces.remove_member(staging, "aLAN@partner.example")).workspace.members == 1


def test_who_has_no_name_is_called_what_their_address_or_the_organization_says(store: Store, staging: str) -> None:
    wait(join(store, ADMIN, "Grace Hopper"))
    assert give(store, staging, PARTNER).people[-1].name == "alan"
    give(store, staging, PARTNER, VIEWER, "Alan")
    assert give(store, staging, PARTNER, EDITOR).people[-1].name == "Alan"
    page = give(store, staging, ADMIN, WorkspaceRole.OWNER, "Somebody else")
    assert [person.name for person in page.people if person.email == ADMIN] == ["Grace Hopper"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (WorkspaceRole.OWNER, ("owner", "workspace")),
        (WorkspaceRole.ADMIN, ("admin", "organization admin")),
        (VIEWER, ("admin", "organization admin")),
    ],
)
def test_of_two_roles_the_higher_counts(
    store: Store, staging: str, given: WorkspaceRole, shown: tuple[str, str]
) -> None:
    wait(join(store, ADMIN, "Grace"))
    page = give(store, staging, ADMIN, given)
    assert (ADMIN, *shown) in who(page)
    assert page.workspace.members == 2


def test_who_is_removed_from_the_organization_keeps_what_they_were_given_here(store: Store, staging: str) -> None:
    member = wait(join_as(store, ADMIN))
    give(store, staging, ADMIN, VIEWER)
    wait(store.team.remove(member))
    page = wait(store.workspaces.open(staging))
    assert who(page)[-1] == (ADMIN, "viewer", "workspace")
    assert [card.members for card in wait(store.workspaces.show()).workspaces] == [1, 2]
    wait(store.workspaces.remove_member(staging, ADMIN))
    assert [card.members for card in wait(store.workspaces.show()).workspaces] == [1, 1]


async def join_as(store: Store, email: str) -> str:
    await join(store, email, "Grace")
    return next(member.id for member in (await store.team.show()).members if member.email == email)


def test_a_role_of_the_organization_is_not_taken_back_here(backend: Backend, store: Store, staging: str) -> None:
    wait(join(store, ADMIN, "Grace"))
    give(store, staging, ADMIN, WorkspaceRole.OWNER)
    page = wait(store.workspaces.remove_member(staging, ADMIN))
    assert (ADMIN, "admin", "organization admin") in who(page)
    before = everything(backend)
    with pytest.raises(Conflict, match=f"{ADMIN} is here as admin of the organization"):
        wait(store.workspaces.remove_member(staging, ADMIN.upper()))
    for nobody in (PARTNER, "no address", ""):
        with pytest.raises(NotFound, match="Nobody of this address"):
            wait(store.workspaces.remove_member(staging, nobody))
    assert everything(backend) == before


@pytest.mark.parametrize(
    ("email", "name", "field"),
    [("ada", "", "email"), ("a b@acme.example", "", "email"), (PARTNER, "\u202e", "name"), (PARTNER, "x" * 61, "name")],
)
def test_a_person_who_cannot_be_is_refused(
    backend: Backend, store: Store, staging: str, email: str, name: str, field: str
) -> None:
    before = everything(backend)
    with pytest.raises(Invalid) as refused:
        give(store, staging, email, name=name)
    assert refused.value.field == field
    assert everything(backend) == before


def test_giving_what_somebody_has_changes_nothing(backend: Backend, store: Store, staging: str) -> None:
    give(store, staging, PARTNER, EDITOR, "Alan")
    before = everything(backend)
    give(store, staging, PARTNER, EDITOR)
    give(store, staging, PARTNER, EDITOR, "Alan")
    assert everything(backend) == before


# What a workspace holds.


def test_an_inventory_replaces_the_one_before_or_adds_and_renames(backend: Backend, store: Store, staging: str) -> None:
    def items() -> list[tuple[Any, ...]]:
        return sorted(backend.rows("SELECT kind, id, name FROM inventory"))

    def told(inventory: Inventory, *, replace: bool) -> tuple[int, int]:
        card = wait(store.workspaces.set_inventory(staging, inventory, replace))
        return card.workflows, card.agents

    assert told(Inventory(workflows={"1": "A", "2": "B"}, agents={"1": "C"}), replace=True) == (2, 1)
    assert told(Inventory(workflows={"2": "Bee", "3": "D"}, agents={}), replace=False) == (3, 1)
    assert items() == [("agent", "1", "C"), ("workflow", "1", "A"), ("workflow", "2", "Bee"), ("workflow", "3", "D")]
    assert told(Inventory(workflows={"2": "Bee"}, agents={}), replace=True) == (1, 0)
    assert items() == [("workflow", "2", "Bee")]


def test_names_of_what_a_workspace_holds_are_cleaned(backend: Backend, store: Store, staging: str) -> None:
    workflows = {"1": "\x1b[2J", "2": " ", "3": "x" * 999, "4": "Ünï "}
    wait(store.workspaces.set_inventory(staging, Inventory(workflows=workflows, agents={})))
    found = dict(backend.rows("SELECT id, name FROM inventory"))
    assert found == {"1": "\ufffd[2J", "2": "2", "3": "x" * 199 + "…", "4": "Ünï"}


@pytest.mark.parametrize("id_", ["", " ", "x" * 513, "a\x07b"])
def test_an_id_that_is_none_is_refused(backend: Backend, store: Store, staging: str, id_: str) -> None:
    before = everything(backend)
    for inventory in (Inventory(workflows={id_: "A"}, agents={}), Inventory(workflows={}, agents={id_: "A"})):
        with pytest.raises(Invalid, match="is not an id of"):
            wait(store.workspaces.set_inventory(staging, inventory))
    assert everything(backend) == before


def test_a_workspace_holds_so_many_and_no_more(backend: Backend, store: Store, staging: str) -> None:
    most = Inventory(workflows={str(n): "A" for n in range(MOST_ITEMS - 1)}, agents={"1": "B"})
    assert wait(store.workspaces.set_inventory(staging, most)).workflows == MOST_ITEMS - 1
    before = everything(backend)
    one = Inventory(workflows={}, agents={"2": "C"})
    with pytest.raises(Invalid, match=r"at most 10,000 workflows and agents; these would be 10,001\."):
        wait(store.workspaces.set_inventory(staging, one, replace=False))
    assert everything(backend) == before
    runs = (replace(RUN, id="n", workflow_id="new", workspace="Staging"),)
    wait(store.usage.record(UsageBatch(runs=runs)))
    assert wait(store.workspaces.open(staging)).workspace.workflows == MOST_ITEMS - 1
    assert wait(store.workspaces.set_inventory(staging, one)).agents == 1


# What runs teach.


def taught(backend: Backend) -> list[tuple[Any, ...]]:
    return sorted(backend.rows("SELECT workspace_id, kind, id, name FROM inventory"))


def test_runs_tell_which_workflows_a_workspace_holds(backend: Backend, store: Store, staging: str) -> None:
    other = make(store, "Other").id
    seen = [("Staging", "1", None), ("staging", "1", "One"), (other, "1", "Uno"), ("Staging", "2", None)]
    seen += [("nowhere", "3", "Three"), (None, "4", "Four"), ("Staging", None, "Nameless"), ("Staging", "5", "\x07")]
    runs = [
        replace(RUN, id=str(n), workspace=workspace, workflow_id=workflow, workflow=name)
        for n, (workspace, workflow, name) in enumerate(seen)
    ]
    wait(store.usage.record(UsageBatch(runs=tuple(runs), calls=(CALL,))))
    assert taught(backend) == sorted(
        [
            (staging, "workflow", "1", "One"),
            (staging, "workflow", "2", "2"),
            (staging, "workflow", "5", "\ufffd"),
            (other, "workflow", "1", "Uno"),
        ]
    )


def test_a_run_names_what_has_no_name_and_renames_nothing(backend: Backend, store: Store, staging: str) -> None:
    def ran(number: int, name: str | None) -> str:
        run = replace(RUN, id=str(number), workspace="Staging", workflow_id="w", workflow=name)
        wait(store.usage.record(UsageBatch(runs=(run,))))
        ((_, _, _, known),) = taught(backend)
        return str(known)

    assert [ran(1, None), ran(2, "First"), ran(3, "Second"), ran(4, None)] == ["w", "First", "First", "First"]
    wait(store.workspaces.set_inventory(staging, Inventory(workflows={"w": "Listed"}, agents={})))
    assert ran(5, "Third") == "Listed"


def test_of_two_names_in_one_telling_the_later_run_s_holds(backend: Backend, store: Store, staging: str) -> None:
    runs = [
        replace(RUN, id=name, workspace="Staging", workflow_id="w", workflow=name, started_at=RUN.started_at - ago)
        for name, ago in (("Now", timedelta(0)), ("Before", timedelta(days=1)))
    ]
    wait(store.usage.record(UsageBatch(runs=tuple(runs))))
    assert [row[-1] for row in taught(backend)] == ["Now"]


# Archived.


def test_an_archived_workspace_is_hidden_and_nothing_of_it_is_lost(
    backend: Backend, store: Store, staging: str
) -> None:
    give(store, staging, PARTNER)
    wait(store.workspaces.set_inventory(staging, Inventory(workflows={"1": "A"}, agents={"2": "B"})))
    card = wait(store.workspaces.archive(staging))
    assert card.archived == backend.clock.now
    assert (names(store), names(store, archived=True)) == (["Default"], ["Default", "Staging"])
    assert [wait(store.workspaces.show(archived=both)).archived for both in (True, False)] == [1, 1]
    assert wait(store.general.overview()).workspaces == wait(store.general.show()).workspaces == 1
    assert wait(store.general.show()).losses.workspaces == 2
    before = everything(backend)
    assert wait(store.workspaces.archive(staging)) == card
    assert everything(backend) == before
    back = wait(store.workspaces.restore(staging))
    assert back == replace(card, archived=None)
    assert (back.members, back.workflows, back.agents, back.description) == (2, 1, 1, "Rehearsal")
    assert names(store) == ["Default", "Staging"]


def test_an_archived_workspace_has_its_settings_and_its_events_count(store: Store, staging: str) -> None:
    wait(store.workspaces.archive(staging))
    run = replace(RUN, workspace="STAGING", workflow_id="w")
    wait(store.usage.record(UsageBatch(runs=(run,), calls=(replace(CALL, workspace=staging),))))
    card = wait(store.workspaces.open(staging)).workspace
    assert (card.runs, card.workflows, card.spend is not None) == (1, 1, True)
    assert wait(store.usage.month(None, staging)).figures.total_runs == 1
    save(store, staging, name="Rehearsal")
    assert give(store, staging, PARTNER).workspace.members == 2


def test_one_active_workspace_always_remains(backend: Backend, store: Store, staging: str) -> None:
    default = next(card.id for card in wait(store.workspaces.show()).workspaces if card.name == "Default")
    wait(store.workspaces.archive(default))
    before = everything(backend)
    for attempt in (store.workspaces.archive(staging), store.workspaces.delete(staging, "Staging")):
        with pytest.raises(Conflict, match="Staging is the only active workspace") as refused:
            wait(attempt)
        assert refused.value.exit_code == 5
        assert "\n" not in refused.value.message
    assert everything(backend) == before
    # An archived one may go: it was not the one that remains.
    wait(store.workspaces.delete(default, "Default"))
    with pytest.raises(Conflict):
        wait(store.workspaces.archive(staging))


# Deleted.


def test_deleting_needs_the_exact_name_as_it_is_now(backend: Backend, store: Store, staging: str) -> None:
    save(store, staging, name="Stage")
    before = everything(backend)
    for confirm in ("Staging", "stage", "Stage ", ""):
        with pytest.raises(Invalid) as refused:
            wait(store.workspaces.delete(staging, confirm))
        assert refused.value.field == "confirm"
    assert everything(backend) == before
    assert wait(store.workspaces.delete(staging, "Stage")).name == "Stage"


def furnished(store: Store, id: str) -> None:
    """A workspace with something of everything."""
    wait(store.workspaces.set_logo(id, png()))
    give(store, id, PARTNER)
    wait(store.workspaces.set_inventory(id, Inventory(workflows={"1": "A"}, agents={"2": "B"})))
    run, call = replace(RUN, workspace=id, workflow_id="1"), replace(CALL, workspace=id)
    wait(store.usage.record(UsageBatch(runs=(run,), calls=(call,))))


def test_what_a_deleted_workspace_held_is_gone_and_what_it_ran_and_cost_stays(
    backend: Backend, store: Store, staging: str
) -> None:
    furnished(store, staging)
    card, whole = wait(store.workspaces.open(staging)).workspace, wait(store.usage.month())
    assert wait(store.workspaces.delete(staging, "Staging")) == card
    assert backend.rows("SELECT * FROM inventory") == backend.rows("SELECT * FROM workspace_members") == []
    ((name, description, logo, icon),) = backend.rows(
        "SELECT name, description, logo, icon FROM workspaces WHERE id = :id", id=staging
    )
    assert (name, description, logo, icon) == ("Staging", "", None, None)
    assert wait(store.usage.month()) == whole
    assert whole.figures.total_runs == 1
    assert wait(store.usage.month(None, UNASSIGNED)).figures == whole.figures
    losses = wait(store.general.show()).losses
    assert (losses.workspaces, losses.workflows, losses.agents, losses.runs, losses.calls) == (1, 0, 0, 1, 1)
    assert names(store, archived=True) == ["Default"]
    assert wait(store.general.overview()).workspaces == 1


Attempt = Callable[[Store, str], Coroutine[Any, Any, Any]]
REACHING: dict[str, Attempt] = {
    "workspaces.open": lambda store, id: store.workspaces.open(id),
    "workspaces.save": lambda store, id: store.workspaces.save(id, WorkspaceChanges(seen=1, name="Mine")),
    "workspaces.set_logo": lambda store, id: store.workspaces.set_logo(id, png("red")),
    "workspaces.set_member": lambda store, id: store.workspaces.set_member(id, "eve@elsewhere.example", VIEWER),
    "workspaces.remove_member": lambda store, id: store.workspaces.remove_member(id, PARTNER),
    "workspaces.archive": lambda store, id: store.workspaces.archive(id),
    "workspaces.restore": lambda store, id: store.workspaces.restore(id),
    "workspaces.delete": lambda store, id: store.workspaces.delete(id, "Staging"),
    "workspaces.set_inventory": lambda store, id: store.workspaces.set_inventory(id, NOTHING),
    "workspaces.set_inventory(add)": lambda store, id: store.workspaces.set_inventory(id, NOTHING, False),
    "usage.month": lambda store, id: store.usage.month(None, id),
    "usage.day": lambda store, id: store.usage.day(RUN.started_at.date(), id),
}


def refusals(store: Store, id: str) -> dict[str, tuple[type[OrgtuiError], str, dict[str, Any]]]:
    """What every operation that takes a workspace's id says to this one."""
    said = {}
    for name, attempt in REACHING.items():
        with pytest.raises(OrgtuiError) as refused:
            wait(attempt(store, id))
        said[name] = (type(refused.value), refused.value.message, refused.value.details)
    return said


def test_every_operation_that_takes_a_workspace_s_id_is_asked() -> None:
    takes = {
        declared.id
        for section, parameter in (("workspaces", "id"), ("usage", "workspace"))
        for declared in operations(CONTRACTS[section]).values()
        if parameter in declared.signature.parameters
    }
    assert {name.partition("(")[0] for name in REACHING} == takes - {"workspaces.create"}


def test_a_deleted_workspace_is_as_if_it_had_never_been(backend: Backend, store: Store, staging: str) -> None:
    furnished(store, staging)
    wait(store.workspaces.delete(staging, "Staging"))
    before = everything(backend)
    assert (
        refusals(store, staging)
        == refusals(store, "ws_" + "a" * 20)
        == refusals(store, "")
        == {name: (NotFound, "There is no such workspace.", {}) for name in REACHING}
    )
    assert everything(backend) == before


def test_a_deleted_workspace_s_name_is_free_and_its_events_are_nobody_s(
    backend: Backend, store: Store, staging: str
) -> None:
    furnished(store, staging)
    wait(store.workspaces.delete(staging, "Staging"))
    late = (replace(RUN, id="late", workspace="Staging"), replace(RUN, id="later", workspace=staging))
    wait(store.usage.record(UsageBatch(runs=late)))
    assert backend.rows("SELECT workspace_id FROM runs WHERE id LIKE 'late%'") == [("",), ("",)]
    again = make(store, "STAGING")
    assert again.id != staging
    assert wait(store.usage.month(None, again.id)).figures.total_runs is None
    assert wait(store.usage.month(None, UNASSIGNED)).figures.total_runs == 3
    # And once more: tombstones of one name do not stand in each other's way.
    wait(store.workspaces.delete(again.id, "STAGING"))
    make(store, "Staging")


@pytest.mark.parametrize("end", ["renamed", "deleted"])
def test_a_run_ends_where_it_began_whatever_became_of_the_workspace(
    backend: Backend, store: Store, staging: str, end: str
) -> None:
    run = replace(RUN, status="waiting", workspace="Staging", workflow_id="w")
    wait(store.usage.record(UsageBatch(runs=(run,))))
    if end == "renamed":
        save(store, staging, name="Rehearsal")
    else:
        wait(store.workspaces.delete(staging, "Staging"))
    wait(store.usage.record(UsageBatch(runs=(replace(run, status="success"),))))
    assert backend.rows("SELECT workspace_id, status FROM runs") == [(staging, "success")]
    assert backend.rows("SELECT workspace_id, outcome FROM run_days WHERE runs <> 0") == [(staging, "success")]
    assert len(taught(backend)) == (end == "renamed")


def test_a_run_whose_workspace_is_told_later_moves_there(backend: Backend, store: Store, staging: str) -> None:
    run = replace(RUN, status="waiting")
    wait(store.usage.record(UsageBatch(runs=(run,))))
    wait(store.usage.record(UsageBatch(runs=(replace(run, status="success", workspace="Staging"),))))
    assert backend.rows("SELECT workspace_id, status FROM runs") == [(staging, "success")]


# The audit.


def test_the_log_tells_what_was_done_and_holds_no_picture(backend: Backend, store: Store, staging: str) -> None:
    furnished(store, staging)
    save(store, staging, name="Stage")
    wait(store.workspaces.archive(staging))
    wait(store.workspaces.restore(staging))
    wait(store.workspaces.remove_member(staging, PARTNER))
    wait(store.workspaces.delete(staging, "Stage"))
    told = [
        (entry.operation.partition(".")[2], entry.before, entry.after)
        for entry in wait(store.audit.entries()).entries
        if entry.subject == staging
    ]
    logo = told[-2][2]
    person = {"email": PARTNER, "role": "editor", "name": "alan"}
    assert isinstance(logo, dict)
    assert set(logo) == {"bytes", "sha256"}
    assert told[::-1] == [
        ("create", None, {"name": "Staging"}),
        ("set_logo", None, logo),
        ("set_member", None, person),
        ("set_inventory", {"workflows": 0, "agents": 0}, {"workflows": 1, "agents": 1, "renamed": 0}),
        ("save", {"name": "Staging"}, {"name": "Stage"}),
        ("archive", None, {"name": "Stage"}),
        ("restore", None, {"name": "Stage"}),
        ("remove_member", person, None),
        ("delete", {"name": "Stage", "members": 1, "workflows": 1, "agents": 1}, None),
    ]
    assert wait(store.audit.verify()).sound
