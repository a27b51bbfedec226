"""Workspaces: names are unique, and what the platform says is in one replaces what it said before."""

from __future__ import annotations

import pytest

from orgtui.domain.errors import AlreadyThere
from orgtui.store.contract import Store
from orgtui.store.contract.workspaces import Inventory, NewWorkspace
from tests.contract.conftest import wait


def test_cards_by_name_with_what_they_hold(store: Store) -> None:
    made = wait(store.workspaces.create(NewWorkspace(name="Build", description="Where it starts")))
    answer = wait(store.workspaces.set_inventory(made.id, Inventory(workflows={"1": "A", "2": "B"}, agents={"1": "C"})))
    cards = wait(store.workspaces.cards())
    assert [card.name for card in cards] == ["Build", "Default"]
    assert cards[0] == answer
    assert (answer.description, answer.workflows, answer.agents) == ("Where it starts", 2, 1)


def test_an_inventory_replaces_the_one_before(store: Store) -> None:
    (workspace,) = wait(store.workspaces.cards())
    wait(store.workspaces.set_inventory(workspace.id, Inventory(workflows={"1": "A", "2": "B"}, agents={"1": "C"})))
    after = wait(store.workspaces.set_inventory(workspace.id, Inventory(workflows={"2": "B"}, agents={})))
    assert (after.workflows, after.agents) == (1, 0)


@pytest.mark.parametrize("name", ["default", "DEFAULT", " Default "])
def test_a_name_is_taken_whatever_its_case(store: Store, name: str) -> None:
    with pytest.raises(AlreadyThere):
        wait(store.workspaces.create(NewWorkspace(name=name)))
