"""Usage of one workspace: whatever came in and whatever became of the workspaces, the parts add up to the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.money import EXACT, Cost
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract import Store
from orgtui.store.contract.usage import UNASSIGNED, UsageBatch, UsageMonth, WorkflowRuns
from orgtui.store.contract.workspaces import NewWorkspace, WorkspaceChanges
from tests import rollups
from tests.contract.arguments import CALL, RUN
from tests.contract.backends import Backend
from tests.contract.conftest import Founder, wait

# Days of 23, 24 and 25 hours, a zone of half hours, and the first to see a new day.
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati")
MONTHS = ("2026-03", "2026-10")
WORDS = (None, "default", "Staging", "SHELF", "Gone", "Gone later", "nowhere")
_EDGES = [datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 10, 11)]
_EDGES += [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
_MOMENTS = st.builds(
    lambda edge, minutes: edge + timedelta(minutes=minutes),
    st.sampled_from(_EDGES),
    st.integers(min_value=-20 * 60, max_value=20 * 60),
)
_AMOUNTS = st.none() | st.sampled_from([Decimal(0), Decimal("1E-20")]) | st.decimals(0, 1000, places=21)
_TOKENS = st.integers(min_value=0, max_value=10**7)
_RUNS = st.builds(
    Run,
    source=st.just("n8n"),
    id=st.integers(min_value=1, max_value=12).map(str),
    status=st.sampled_from(["success", "error", "crashed", "canceled", "waiting", "odd"]),
    mode=st.sampled_from(["webhook", "trigger", "manual", "integrated"]),
    started_at=_MOMENTS,
    workflow_id=st.sampled_from([None, "1", "2"]),
    workflow=st.sampled_from([None, "Invoices", "Triage"]),
    workspace=st.sampled_from(WORDS),
)
_CALLS = st.builds(
    Call,
    source=st.just("litellm"),
    id=st.integers(min_value=1, max_value=30).map(str),
    at=_MOMENTS,
    model=st.sampled_from(["gpt-4o", "sonnet", "in-house"]),
    provider=st.sampled_from([None, "openai"]),
    failed=st.booleans(),
    input_tokens=_TOKENS,
    output_tokens=_TOKENS,
    total_tokens=_TOKENS,
    billed=_AMOUNTS,
    estimated=_AMOUNTS,
    currency=st.sampled_from(["USD", "USD", "EUR"]),
    funding=st.sampled_from(Funding),
    workspace=st.sampled_from(WORDS),
)
_BATCHES = st.lists(st.lists(_RUNS | _CALLS, max_size=12), min_size=2, max_size=5)


def record(store: Store, events: Iterable[Run | Call]) -> None:
    runs = tuple(event for event in events if isinstance(event, Run))
    wait(store.usage.record(UsageBatch(runs=runs, calls=tuple(event for event in events if isinstance(event, Call)))))


def prepared(store: Store) -> dict[str, str]:
    """Workspaces by name: one of them archived, two that shall be deleted."""
    made = {
        name: wait(store.workspaces.create(NewWorkspace(name=name))).id
        for name in ("Staging", "Shelf", "Gone", "Gone later")
    }
    wait(store.workspaces.archive(made["Shelf"]))
    return made


def there(store: Store) -> list[str]:
    """What adds up to the organization."""
    return [card.id for card in wait(store.workspaces.show(archived=True)).workspaces] + [UNASSIGNED]


def amount(cost: Cost | None) -> Decimal:
    return cost.amount if cost else Decimal(0)


def figures(page: UsageMonth) -> Counter[Any]:
    """Every figure of a page that can be added, by what it says."""
    now, sums = page.figures, Counter[Any]()
    sums.update({"runs": now.total_runs or 0, "tokens": now.total_tokens or 0, "credits": amount(now.ai_credits_used)})
    sums.update({"spend": amount(page.monthly_spend), "unpriced": page.unpriced_calls})
    sums.update({("not counted", word): count for word, count in page.not_counted.items()})
    for day in page.daily_executions:
        sums.update({(day.date, "success"): day.success, (day.date, "error"): day.error})
    for kind, costs in (("all", page.provider_cost), ("own", page.own_key_cost)):
        for cost in costs:
            sums.update({(kind, cost.currency, "billed"): cost.billed})
            sums.update({(kind, cost.currency, "estimated"): cost.estimated})
    for row in page.breakdown_by_model:
        key = row.provider, row.model
        sums.update({(*key, "calls"): row.calls, (*key, "failed"): row.failed_calls, (*key, "in"): row.input_tokens})
        sums.update({(*key, "out"): row.output_tokens, (*key, "tokens"): row.total_tokens})
        sums.update({(*key, "unpriced"): row.unpriced_calls, (*key, "credits"): amount(row.credits)})
    for cell in page.daily_spending:
        sums.update({(cell.date, cell.provider, cell.model): amount(cell.credits)})
    return +sums


def workflows(rows: list[WorkflowRuns]) -> Counter[Any]:
    sums = Counter[Any]()
    for row in rows:
        sums.update({(row.workflow, "success"): row.success, (row.workflow, "error"): row.error})
        sums.update({(row.workflow, "aside"): row.not_counted})
    return +sums


def check(store: Store, month: str, days: Iterable[date]) -> None:
    """Raise AssertionError unless the parts of a month, and of some days, add up."""
    whole, parts = wait(store.usage.month(month)), [wait(store.usage.month(month, id)) for id in there(store)]
    with localcontext(EXACT):
        assert sum((figures(part) for part in parts), Counter()) == figures(whole)
    for part in (whole, *parts):
        success = sum(day.success for day in part.daily_executions)
        runs = part.figures.total_runs
        assert part.figures.success_rate == (success / runs if runs else None)
        assert (part.month, part.timezone, part.latest) == (whole.month, whole.timezone, whole.latest)
        assert part.models_used == len(part.breakdown_by_model)
        previous = wait(store.usage.month(before(month), None if part is whole else there(store)[parts.index(part)]))
        assert part.previous == previous.figures
    for day in days:
        found = [workflows(wait(store.usage.day(day, id))) for id in there(store)]
        assert sum(found, Counter()) == workflows(wait(store.usage.day(day)))


def before(month: str) -> str:
    return f"2026-{int(month[-2:]) - 1:02d}"


def check_cards(store: Store) -> None:
    """Raise AssertionError unless each card says what the month of its workspace says."""
    for card in wait(store.workspaces.show(archived=True)).workspaces:
        page = wait(store.usage.month(None, card.id))
        assert (card.runs, card.spend) == (page.figures.total_runs, page.figures.ai_credits_used)
        assert wait(store.workspaces.open(card.id)).success_rate == page.figures.success_rate


def tell(founded: Founder, zone: str, batches: list[list[Run | Call]], cut: int) -> None:
    backend = founded(zone)
    store = backend.open()
    made = prepared(store)
    wait(store.workspaces.delete(made["Gone"], "Gone"))
    for number, batch in enumerate(batches):
        if number == cut:
            wait(store.workspaces.delete(made["Gone later"], "Gone later"))
        record(store, batch)
    days = {event.started_at.astimezone(ZoneInfo(zone)).date() for event in batches[0] if isinstance(event, Run)}
    for month in MONTHS:
        check(store, month, days)
    for now in (datetime(2026, 3, 31, 12, tzinfo=UTC), datetime(2026, 10, 31, 12, tzinfo=UTC)):
        backend.clock.now = now
        check_cards(store)
    rollups.check(backend.rows)


_SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=12, **_SETTINGS)  # type: ignore[arg-type]
@given(zone=st.sampled_from(ZONES), batches=_BATCHES, cut=st.integers(0, 4))
def test_the_parts_of_a_month_add_up_to_it(
    founded: Founder, zone: str, batches: list[list[Run | Call]], cut: int
) -> None:
    tell(founded, zone, batches, cut)


@pytest.mark.soak
@settings(max_examples=400, **_SETTINGS)  # type: ignore[arg-type]
@given(zone=st.sampled_from(ZONES), batches=_BATCHES, cut=st.integers(0, 4))
def test_the_parts_of_any_month_add_up_to_it(
    founded: Founder, zone: str, batches: list[list[Run | Call]], cut: int
) -> None:
    tell(founded, zone, batches, cut)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("month", MONTHS)
def test_every_hour_of_a_month_is_in_one_part(founded: Founder, zone: str, month: str) -> None:
    store = founded(zone).open()
    made = prepared(store)
    begin = datetime(2026, int(month[-2:]), 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    hours = [begin + timedelta(hours=hour) for hour in range(-30, 31 * 24 + 30)]
    record(
        store,
        [
            event
            for number, at in enumerate(hours)
            for event in (
                replace(RUN, id=str(number), started_at=at, workspace=WORDS[number % len(WORDS)]),
                replace(CALL, id=str(number), at=at, workspace=WORDS[-number % len(WORDS)]),
            )
        ],
    )
    wait(store.workspaces.delete(made["Gone"], "Gone"))
    check(store, month, [])
    parts = [wait(store.usage.month(month, id)).figures.total_runs or 0 for id in there(store)]
    assert all(parts[:3])
    end = datetime(2026, int(month[-2:]) + 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert sum(parts) == (end - begin) / timedelta(hours=1)


def test_what_is_asked_of_one_workspace_is_of_it_alone(store: Store) -> None:
    made = prepared(store)
    record(
        store,
        [
            replace(RUN, id="1", workspace="staging"),
            replace(RUN, id="2", workspace=made["Shelf"], status="error", workflow="Dunning"),
            replace(RUN, id="3", workspace=None, mode="manual"),
            replace(CALL, id="1", workspace="Staging", model="sonnet"),
        ],
    )
    staging = wait(store.usage.month("2026-11", made["Staging"]))
    assert (staging.figures.total_runs, staging.figures.success_rate, staging.models_used) == (1, 1.0, 1)
    shelf = wait(store.usage.month("2026-11", made["Shelf"]))
    assert (shelf.figures.total_runs, shelf.figures.success_rate, shelf.figures.ai_credits_used) == (1, 0.0, None)
    nobody = wait(store.usage.month("2026-11", UNASSIGNED))
    assert (nobody.figures.total_runs, nobody.not_counted, nobody.models_used) == (0, {"manual": 1}, 0)
    day = RUN.started_at.date()
    assert wait(store.usage.day(day, made["Shelf"])) == [WorkflowRuns("Dunning", 0, 1, 0)]
    assert wait(store.usage.day(day, UNASSIGNED)) == [WorkflowRuns("Invoice intake", 0, 0, 1)]


def test_a_workspace_may_be_called_none(backend: Backend, store: Store) -> None:
    made = wait(store.workspaces.create(NewWorkspace(name=UNASSIGNED)))
    record(store, [replace(RUN, workspace="none"), replace(RUN, id="2", workspace=None)])
    assert wait(store.usage.month(None, made.id)).figures.total_runs == 1
    assert wait(store.usage.month(None, UNASSIGNED)).figures.total_runs == 1


def test_a_new_name_moves_no_figure_and_the_old_one_is_nobody_s(store: Store) -> None:
    made = prepared(store)
    record(store, [replace(RUN, workspace="Staging")])
    wait(store.workspaces.save(made["Staging"], WorkspaceChanges(seen=1, name="Rehearsal")))
    record(store, [replace(RUN, id="2", workspace="Staging"), replace(RUN, id="3", workspace="rehearsal")])
    assert wait(store.usage.month(None, made["Staging"])).figures.total_runs == 2
    assert wait(store.usage.month(None, UNASSIGNED)).figures.total_runs == 1


def test_a_month_that_is_none_is_refused_for_a_workspace_too(store: Store) -> None:
    for month in ("2026-12", "x"):
        with pytest.raises(Invalid):
            wait(store.usage.month(month, UNASSIGNED))
