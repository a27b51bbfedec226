"""Usage & Analytics: whatever comes in, in whatever order and however often, the month is what a calculator says."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.money import Cost
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract import Store
from orgtui.store.contract.usage import Recorded, UsageBatch, UsageMonth, WorkflowRuns
from orgtui.store.contract.workspaces import NewWorkspace
from tests import rollups
from tests.contract.arguments import CALL, RUN
from tests.contract.backends import Backend, everything
from tests.contract.conftest import Founder, wait

RATE = Decimal("3.2")
BERLIN = ZoneInfo("Europe/Berlin")
FINAL = ("success", "error", "crashed", "canceled")
# As far as a run has come; the last four are equals, and the first of them stays.
STAGES = {"odd": 0, "new": 1, "running": 2, "waiting": 3, **dict.fromkeys(FINAL, 4)}
MODES = ("webhook", "trigger", "retry", "chat", "agent", "manual", "integrated", "error", "odd")
ASIDE = {"integrated": "sub_workflow", "error": "error_workflow"}
WORDS = {"crashed": "error", "canceled": "cancelled", "new": "running", "odd": "unknown"}


def record(store: Store, *events: Run | Call) -> Recorded:
    runs = tuple(event for event in events if isinstance(event, Run))
    calls = tuple(event for event in events if isinstance(event, Call))
    return wait(store.usage.record(UsageBatch(runs=runs, calls=calls)))


def month(store: Store, name: str = "2026-11") -> UsageMonth:
    return wait(store.usage.month(name))


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


# Against a plain model.

_EDGES = [at(2026, 3, 28, 12), at(2026, 3, 31, 12), at(2026, 10, 24, 12), at(2026, 10, 31, 12)]
_MOMENTS = st.builds(
    lambda edge, minutes: edge + timedelta(minutes=minutes),
    st.sampled_from(_EDGES),
    st.integers(min_value=0, max_value=36 * 60),
)
_IDS = st.integers(min_value=1, max_value=6).map(str)
_SOURCES = st.sampled_from(["n8n", "other"])
_WORKSPACES = st.sampled_from([None, "default", "Staging", "nowhere"])
_AMOUNTS = st.none() | st.sampled_from([Decimal(0), Decimal("1E-20")]) | st.decimals(0, 1000, places=21)
_TOKENS = st.integers(min_value=0, max_value=10**7)

_RUNS = st.builds(
    Run,
    source=_SOURCES,
    id=_IDS,
    status=st.sampled_from(list(STAGES)),
    mode=st.sampled_from(MODES),
    started_at=_MOMENTS,
    stopped_at=st.none() | _MOMENTS,
    workflow=st.sampled_from([None, "Invoices", "Triage"]),
    workspace=_WORKSPACES,
)
_CALLS = st.builds(
    Call,
    source=_SOURCES,
    id=_IDS,
    at=_MOMENTS,
    model=st.sampled_from(["gpt-4o", "sonnet", "in-house"]),
    provider=st.sampled_from([None, "openai"]),
    failed=st.booleans(),
    cache_hit=st.booleans(),
    input_tokens=_TOKENS,
    output_tokens=_TOKENS,
    total_tokens=_TOKENS,
    cached_tokens=_TOKENS,
    billed=_AMOUNTS,
    estimated=_AMOUNTS,
    currency=st.sampled_from(["USD", "USD", "EUR"]),
    funding=st.sampled_from(Funding),
    workspace=_WORKSPACES,
)
_BATCHES = st.lists(st.lists(_RUNS | _CALLS, max_size=8), max_size=6)


class Ledger:
    """What was told, kept as it came; the month is added up from the beginning each time."""

    def __init__(self, batches: list[list[Run | Call]]) -> None:
        told = [event for batch in batches for event in batch]
        self.calls: dict[tuple[str, str], Call] = {}
        tellings: dict[tuple[str, str], list[Run]] = {}
        for event in told:
            if isinstance(event, Call):
                self.calls.setdefault((event.source, event.id), event)
            else:
                tellings.setdefault((event.source, event.id), []).append(event)
        self.runs = [self.run(each) for each in tellings.values()]

    @staticmethod
    def run(tellings: list[Run]) -> tuple[date, str]:
        """A run's day and word, from all that was ever said of it."""
        furthest = max(tellings, key=lambda run: STAGES[run.status])
        day = min(run.started_at for run in tellings).astimezone(BERLIN).date()
        if furthest.mode in MODES[:5]:
            return day, WORDS.get(furthest.status, furthest.status)
        return day, ASIDE.get(furthest.mode, furthest.mode)

    def expected(self, year: int, number: int) -> dict[str, Any]:
        """The figures of a month."""
        runs = Counter(run for run in self.runs if (run[0].year, run[0].month) == (year, number))
        dated = [(call.at.astimezone(BERLIN).date(), call) for call in self.calls.values()]
        calls = [(day, call) for day, call in dated if (day.year, day.month) == (year, number)]
        finished = {day for day, word in runs if word in ("success", "error")}
        counted = {day: (runs[day, "success"], runs[day, "error"]) for day in finished}
        success, error = (sum(pair[side] for pair in counted.values()) for side in (0, 1))
        aside = Counter[str]()
        for (_, word), count in runs.items():
            aside.update({word: count} if word not in ("success", "error") else {})
        return {
            "runs": success + error if runs else None,
            "rate": success / (success + error) if success + error else None,
            "days": counted,
            "aside": dict(aside),
            "paid": paid([call for _, call in calls]) if calls else None,
            "tokens": sum(call.total_tokens for _, call in calls) if calls else None,
            "unpriced": sum(price(call) is None for _, call in calls),
            "providers": by_currency(call for _, call in calls),
            "own": by_currency(call for _, call in calls if call.funding is Funding.OWN_KEY),
            "models": grouped(calls, lambda _, call: (call.provider, call.model)),
            "spending": grouped(calls, lambda day, call: (day, call.provider, call.model)),
        }


def price(call: Call) -> Decimal | None:
    return call.estimated if call.billed is None else call.billed


def paid(calls: list[Call]) -> Decimal | None:
    """What credits paid; None when they paid for something, and nothing of it has a price."""
    bought = [call for call in calls if call.funding is Funding.CREDITS]
    amount = sum((RATE * (price(call) or 0) for call in bought), Decimal(0))
    return None if not amount and any(price(call) is None for call in bought) else amount


def by_currency(calls: Any) -> dict[str, tuple[Decimal, Decimal]]:
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for call in calls:
        billed, estimated = sums.get(call.currency, (Decimal(0), Decimal(0)))
        estimate = call.estimated if call.billed is None else None
        sums[call.currency] = billed + (call.billed or 0), estimated + (estimate or 0)
    return sums


def grouped(calls: list[tuple[date, Call]], key: Any) -> dict[Any, tuple[Any, ...]]:
    groups: dict[Any, list[Call]] = {}
    for day, call in calls:
        groups.setdefault(key(day, call), []).append(call)
    result = {}
    for name, members in groups.items():
        costs = by_currency(members)
        cost = sum(next(iter(costs.values()))) if len(costs) == 1 else None
        if not any(any(pair) for pair in costs.values()) and any(price(call) is None for call in members):
            cost = None
        counts = (len(members), sum(call.failed for call in members), sum(call.total_tokens for call in members))
        result[name] = (*counts, cost, paid(members))
    return result


def answered(page: UsageMonth) -> dict[str, Any]:
    """The page in the words of the ledger."""
    return {
        "runs": page.figures.total_runs,
        "rate": page.figures.success_rate,
        "days": {row.date: (row.success, row.error) for row in page.daily_executions if row.success or row.error},
        "aside": page.not_counted,
        "paid": amount(page.figures.ai_credits_used),
        "tokens": page.figures.total_tokens,
        "unpriced": page.unpriced_calls,
        "providers": {row.currency: (row.billed, row.estimated) for row in page.provider_cost},
        "own": {row.currency: (row.billed, row.estimated) for row in page.own_key_cost},
        "models": {
            (row.provider, row.model): (
                row.calls,
                row.failed_calls,
                row.total_tokens,
                amount(row.cost),
                amount(row.credits),
            )
            for row in page.breakdown_by_model
        },
        "spending": {
            (row.date, row.provider, row.model): (amount(row.cost), amount(row.credits)) for row in page.daily_spending
        },
    }


def amount(cost: Cost | None) -> Decimal | None:
    return cost.amount if cost else None


def check_months(founded: Founder, batches: list[list[Run | Call]]) -> None:
    """Four months, each as the ledger has it, however often the same is told."""
    backend = founded("Europe/Berlin")
    store = backend.open()
    wait(store.workspaces.create(NewWorkspace(name="Staging")))
    for batch in batches:
        recorded = record(store, *batch)
        assert recorded.new + recorded.known + recorded.updated == len(batch)
    with localcontext(prec=80):
        ledger = Ledger(batches)
        for number in (3, 4, 10, 11):
            page, expected = month(store, f"2026-{number:02}"), ledger.expected(2026, number)
            expected["spending"] = {cell: values[3:] for cell, values in expected["spending"].items()}
            assert answered(page) == expected
            check_sums(page)
        rollups.check(backend.rows)
    once = everything(backend)
    for batch in batches:
        assert record(store, *batch).known == len(batch)
    assert everything(backend) == once
    backend.close()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_BATCHES)
def test_the_months_are_what_a_plain_ledger_says(founded: Founder, batches: list[list[Run | Call]]) -> None:
    check_months(founded, batches)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_BATCHES)
def test_a_few_months_are_what_a_plain_ledger_says(founded: Founder, batches: list[list[Run | Call]]) -> None:
    check_months(founded, batches)


def check_sums(page: UsageMonth) -> None:
    """Days, models and the month are one sum."""
    with localcontext(prec=80):
        spent = amount(page.monthly_spend) or Decimal(0)
        assert page.monthly_spend == page.figures.ai_credits_used
        assert sum(amount(row.credits) or 0 for row in page.daily_spending) == spent
        assert sum(amount(row.credits) or 0 for row in page.breakdown_by_model) == spent
        runs = sum(row.success + row.error for row in page.daily_executions)
        assert runs == (page.figures.total_runs or 0)
        assert sum(row.total_tokens for row in page.breakdown_by_model) == (page.figures.total_tokens or 0)
        assert page.models_used == len(page.breakdown_by_model)


# Runs.


def test_a_run_counts_on_the_day_it_began_when_it_ends_after_midnight(store: Store) -> None:
    waiting = replace(RUN, status="waiting", started_at=at(2026, 10, 31, 23, 50))
    assert record(store, waiting) == Recorded(new=1, known=0, updated=0)
    assert month(store, "2026-10").not_counted == {"waiting": 1}
    assert record(store, replace(RUN, started_at=at(2026, 11, 1, 0, 5))) == Recorded(new=0, known=0, updated=1)
    october, november = month(store, "2026-10"), month(store)
    assert (october.figures.total_runs, october.not_counted) == (1, {})
    assert october.daily_executions[-1].success == 1
    assert november.figures.total_runs is None


def test_what_is_said_of_a_run_counts_the_same_in_any_order(founded: Founder) -> None:
    told = (
        replace(RUN, status="running", workflow=None, started_at=at(2026, 11, 5, 23)),
        replace(RUN, status="waiting", workflow="Invoices", stopped_at=at(2026, 11, 5, 23, 5)),
        replace(RUN, status="success", workflow=None, stopped_at=at(2026, 11, 6, 1), workspace="Default"),
    )
    outcomes = []
    for order in itertools.permutations(told):
        backend = founded()
        store = backend.open()
        for run in order:
            record(store, run)
        record(store, *order)
        outcomes.append({table: backend.rows(f"SELECT * FROM {table}") for table in ("runs", "run_days")})
        outcomes[-1]["run_days"] = [row for row in outcomes[-1]["run_days"] if row[-1]]
    (stored,) = outcomes[0]["runs"]
    assert {"success", "Invoices", "2026-11-05"} <= set(stored)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_run_that_ended_does_not_begin_again(store: Store) -> None:
    record(store, RUN)
    for status in ("waiting", "running", "error", "anything"):
        assert record(store, replace(RUN, status=status)).known == 1
    assert month(store).figures.success_rate == 1.0


def test_the_same_id_of_two_sources_is_two_runs(store: Store) -> None:
    assert record(store, RUN, replace(RUN, source="n8n-eu")).new == 2
    assert month(store).figures.total_runs == 2


def test_the_runs_of_a_day_are_listed_by_workflow_the_busiest_first(store: Store) -> None:
    runs = [replace(RUN, id=str(number)) for number in range(3)]
    runs += [replace(RUN, id="e", status="crashed"), replace(RUN, id="m", mode="manual")]
    runs += [replace(RUN, id="t", workflow="Triage"), replace(RUN, id="other", started_at=at(2026, 11, 6))]
    record(store, *runs)
    assert wait(store.usage.day(date(2026, 11, 5))) == [
        WorkflowRuns("Invoice intake", 3, 1, 1),
        WorkflowRuns("Triage", 1, 0, 0),
    ]


# Calls and their cost.


def test_credits_are_the_cost_in_dollars_times_the_factor(store: Store) -> None:
    record(store, CALL, replace(CALL, id="2", billed=None, estimated=Decimal("0.5")))
    page = month(store)
    exact = (Decimal("0.00350000000000000000001") + Decimal("0.5")) * RATE
    assert page.figures.ai_credits_used == page.monthly_spend == Cost(exact, "EUR")
    (row,) = page.provider_cost
    assert (row.currency, row.billed, row.estimated) == ("USD", CALL.billed, Decimal("0.5"))
    (model,) = page.breakdown_by_model
    assert model.estimated == Cost(Decimal("0.5"), "USD")


def test_what_was_billed_is_not_estimated(store: Store) -> None:
    record(store, replace(CALL, estimated=Decimal(9)))
    page = month(store)
    assert page.provider_cost[0].estimated == 0
    assert page.breakdown_by_model[0].estimated is None


def test_a_call_on_the_organizations_own_key_costs_no_credits_but_is_told(store: Store) -> None:
    record(store, replace(CALL, funding=Funding.OWN_KEY))
    page = month(store)
    assert page.figures.ai_credits_used == Cost(Decimal(0), "EUR")
    assert page.own_key_cost == page.provider_cost
    assert page.own_key_cost[0].billed == CALL.billed


def test_an_own_key_call_without_a_price_is_unpriced_and_still_costs_no_credits(store: Store) -> None:
    recorded = record(store, replace(CALL, funding=Funding.OWN_KEY, billed=None))
    page = month(store)
    assert recorded.unpriced == {"gpt-4o": 1}
    assert (page.unpriced_calls, page.breakdown_by_model[0].cost) == (1, None)
    assert page.figures.ai_credits_used == Cost(Decimal(0), "EUR")


def test_what_has_no_price_is_counted_and_never_zero(store: Store) -> None:
    free = replace(CALL, id="2", model="cached", cache_hit=True, billed=Decimal(0))
    recorded = record(store, free, replace(CALL, model="in-house", billed=None))
    assert recorded == Recorded(new=2, known=0, updated=0, unpriced={"in-house": 1})
    by_model = {row.model: row for row in month(store).breakdown_by_model}
    assert (by_model["in-house"].cost, by_model["in-house"].credits) == (None, None)
    assert by_model["in-house"].unpriced_calls == 1
    assert by_model["cached"].cost == Cost(Decimal(0), "USD")


def test_a_call_is_told_once_and_the_first_telling_stays(store: Store) -> None:
    other = replace(CALL, billed=Decimal(7))
    assert record(store, CALL, other) == Recorded(new=1, known=1, updated=0)
    assert record(store, other) == Recorded(new=0, known=1, updated=0)
    assert month(store).provider_cost[0].billed == CALL.billed


def test_models_of_two_providers_stay_two(store: Store) -> None:
    record(store, CALL, replace(CALL, id="2", provider="azure"))
    assert {(row.provider, row.model) for row in month(store).breakdown_by_model} == {
        ("openai", "gpt-4o"),
        ("azure", "gpt-4o"),
    }


def test_sums_of_many_small_amounts_are_exact(store: Store) -> None:
    costs = [Decimal(f"{number}.{'0' * 44}1") for number in range(1_000)]
    calls = [replace(CALL, id=str(number), billed=cost) for number, cost in enumerate(costs)]
    record(store, *calls)
    assert month(store).provider_cost[0].billed == Decimal(f"499500.{'0' * 41}1000")


# Months and days.


def test_events_fall_on_the_organizations_own_days(founded: Founder) -> None:
    store = founded("Europe/Berlin").open()
    last, first = at(2026, 10, 31, 22, 59, 59), at(2026, 10, 31, 23)
    record(store, replace(CALL, id="1", at=last), replace(CALL, id="2", at=first), replace(RUN, started_at=first))
    october, november = month(store, "2026-10"), month(store)
    assert [row.date for row in october.daily_spending] == [date(2026, 10, 31)]
    assert [row.date for row in november.daily_spending] == [date(2026, 11, 1)]
    assert (october.figures.total_runs, november.daily_executions[0].success) == (None, 1)


@pytest.mark.parametrize(("name", "hours"), [("2026-03", 743), ("2026-10", 745)])
def test_a_month_with_a_change_of_the_clock_has_every_hour_once(founded: Founder, name: str, hours: int) -> None:
    store = founded("Europe/Berlin").open()
    year, number = int(name[:4]), int(name[5:])
    begin = datetime(year, number, 1, tzinfo=BERLIN).astimezone(UTC)
    runs = [replace(RUN, id=str(hour), started_at=begin + timedelta(hours=hour)) for hour in range(-5, hours + 5)]
    calls = [replace(CALL, id=run.id, at=run.started_at, total_tokens=1) for run in runs]
    record(store, *runs, *calls)
    page = month(store, name)
    assert page.figures.total_runs == page.figures.total_tokens == hours
    assert sorted({row.success for row in page.daily_executions}) in ([23, 24], [24, 25])
    check_sums(page)


def test_a_month_without_anything_has_no_figures(store: Store) -> None:
    for name in ("2026-10", "2001-02", "0001-01"):
        page = month(store, name)
        assert (page.month, page.earliest) == (name, name)
        for figures in (page.figures, page.previous):
            assert set(vars_of(figures).values()) == {None}
        assert (page.monthly_spend, page.daily_average, page.models_used) == (None, None, 0)
        assert not page.breakdown_by_model
        assert not page.daily_spending
        assert all(row.success == row.error == 0 for row in page.daily_executions)


def vars_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def test_months_before_the_organization_was_made_are_there_when_they_have_data(store: Store) -> None:
    record(store, replace(RUN, started_at=at(2024, 2, 29, 12)))
    page = month(store, "2024-02")
    assert (page.figures.total_runs, page.elapsed_days) == (1, 29)
    assert month(store).earliest == "2024-02"


def test_a_month_is_compared_with_the_one_before(store: Store) -> None:
    record(store, replace(RUN, started_at=at(2025, 12, 31)), replace(RUN, id="2", started_at=at(2026, 1, 1)))
    page = month(store, "2026-01")
    assert (page.previous.total_runs, page.figures.total_runs) == (1, 1)


@pytest.mark.parametrize("name", ["2026-12", "9999-01", "2026-13", "2026-1", "November", "-"])
def test_a_month_that_has_not_begun_or_is_none_is_refused(store: Store, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        wait(store.usage.month(name))
    assert refused.value.field == "month"


def test_the_current_month_is_the_organizations_own_and_averages_over_its_days_so_far(founded: Founder) -> None:
    backend = founded("Europe/Berlin")
    backend.clock.now = at(2026, 10, 31, 23, 30)
    store = backend.open()
    record(store, replace(CALL, at=at(2026, 10, 31, 23, 10), billed=Decimal(1)))
    page = wait(store.usage.month())
    assert (page.month, page.latest, page.elapsed_days) == ("2026-11", "2026-11", 1)
    assert page.daily_average == Cost(RATE, "EUR")
    backend.clock.now = at(2026, 11, 3, 12)
    average = month(store).daily_average
    assert average is not None
    assert average.amount == RATE / 3


def test_calls_of_a_workspace_are_found_under_its_name_or_id(backend: Backend, store: Store) -> None:
    made = wait(store.workspaces.create(NewWorkspace(name="Straße 7")))
    words = ("STRASSE 7", made.id, "nowhere", None)
    record(store, *(replace(CALL, id=str(number), workspace=word) for number, word in enumerate(words)))
    found = [row[0] for row in backend.rows("SELECT workspace_id FROM calls ORDER BY id")]
    assert found == [made.id, made.id, "", ""]
