"""The demo: the same organization every time, as large as its story says, and there wherever it is started."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orgtui.domain.roles import Role
from orgtui.store import demo
from orgtui.store.contract import Store
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests import rollups
from tests.conftest import TODAY
from tests.contract.backends import TABLES
from tests.contract.conftest import wait
from tests.places import read_only


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    database = SqliteDatabase(path)
    with database.reading() as rows:
        found = {table: rows.all(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in TABLES}
    database.close()
    return found


@pytest.fixture
def seeded(demo_store: SqlStore) -> Store:
    return demo_store.store


def test_its_people_workspaces_and_keys(seeded: Store) -> None:
    overview, page = wait(seeded.general.overview()), wait(seeded.general.show())
    assert (overview.name, overview.plan, overview.role) == ("Acme Automation", "business", Role.OWNER)
    assert (overview.pending, overview.keys_connected, overview.workspaces) == (2, 3, 4)
    assert (page.members, page.timezone) == (7, "Europe/Berlin")


def test_its_cards(seeded: Store) -> None:
    page = wait(seeded.workspaces.show(archived=True))
    assert {card.name: (card.members, card.workflows, card.agents) for card in page.workspaces} == {
        "Finance": (6, 9, 2),
        "Legacy": (5, 0, 0),
        "Playground": (5, 2, 1),
        "Production": (7, 38, 12),
        "Staging": (5, 14, 6),
    }
    assert [card.name for card in page.workspaces if card.archived] == ["Legacy"]
    assert sum(card.runs or 0 for card in page.workspaces) == 2_885
    production = next(card.id for card in page.workspaces if card.name == "Production")
    people = wait(seeded.workspaces.open(production)).people
    assert [(person.name, person.role) for person in people if person.source == "workspace"] == [
        ("Noor Haddad", "editor"),
        ("Elsa Lindqvist", "viewer"),
    ]


def test_its_months(seeded: Store, demo_database: SqliteDatabase) -> None:
    page = wait(seeded.usage.month())
    assert (page.month, page.figures.total_runs) == ("2026-11", 2_885)
    assert page.models_used == 5
    assert page.own_key_cost
    assert page.figures.ai_credits_used is not None
    with demo_database.reading() as rows:
        assert rows.value("SELECT count(DISTINCT substr(day, 1, 7)) FROM run_days") == demo.HISTORY
        rollups.check(rows.all)


def test_what_is_done_in_it_is_not_kept(cache: Path) -> None:
    path = demo.throwaway(cache, TODAY, 1)
    opened = open_sql_store(SqliteDatabase(path), None, demo.seeded_ambient(TODAY, 1))
    (spare,) = [card for card in wait(opened.store.workspaces.show()).workspaces if card.name == "Playground"]
    wait(opened.store.workspaces.delete(spare.id, "Playground"))
    opened.close()
    demo.discard(path)
    again = demo.throwaway(cache, TODAY, 1)
    assert not any(row[-1] for row in dump(again)["workspaces"])
    demo.discard(again)


def test_where_nothing_can_be_kept_it_is_made_for_this_once_and_is_the_same(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "home").mkdir()
    kept = demo.throwaway(cache, TODAY, 1)
    with read_only(tmp_path / "home") as home:
        made = demo.throwaway(home / "cache", TODAY, 1)
    assert dump(made) == dump(kept)
    for path in (made, kept):
        demo.discard(path)
        assert not path.parent.exists()


@pytest.mark.soak
def test_another_seed_is_another_organization(tmp_path: Path, cache: Path) -> None:
    other, usual = demo.throwaway(tmp_path, TODAY, 2), demo.throwaway(cache, TODAY, 1)
    assert dump(other)["calls"] != dump(usual)["calls"]
    demo.discard(other)
    demo.discard(usual)


@pytest.mark.soak
@pytest.mark.parametrize("today", [date(2000, 1, 1), date(2028, 2, 29), date(2099, 12, 31)])
def test_any_day_may_be_its_today(tmp_path: Path, today: date) -> None:
    path = demo.throwaway(tmp_path, today, 1)
    opened = open_sql_store(SqliteDatabase(path), None, demo.seeded_ambient(today, 1))
    page = wait(opened.store.usage.month())
    opened.close()
    demo.discard(path)
    assert (page.month, page.elapsed_days, page.figures.total_runs) == (f"{today:%Y-%m}", today.day, 2_885)
