"""Reads of Usage & Analytics: a month is a few hundred roll-up rows, however many events lie behind them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any, NamedTuple

from orgtui.domain.errors import Invalid
from orgtui.domain.money import EXACT, ZERO, Cost, total
from orgtui.domain.months import Month, instant, local_day, zone
from orgtui.domain.usage import ERROR, SUCCESS, Funding, is_counted
from orgtui.store.contract.usage import (
    UNASSIGNED,
    DayExecutions,
    DaySpending,
    Figures,
    ModelUsage,
    ProviderCost,
    UsageMonth,
    WorkflowRuns,
)
from orgtui.store.sql.queries.workspaces import check
from orgtui.store.sql.unit_of_work import Read

_RUNS = """
SELECT day, outcome, sum(runs) FROM run_days
WHERE org_id = :org AND day BETWEEN :first AND :last {part} GROUP BY day, outcome
"""
_CALLS = """
SELECT day, provider, model, funding, currency, calls, failed_calls, input_tokens, output_tokens, total_tokens,
       unpriced_calls, billed, estimated, credits
FROM call_days WHERE org_id = :org AND day BETWEEN :first AND :last {part}
"""
_FIRST_DAY = """
SELECT min(day) FROM (SELECT min(day) AS day FROM run_days WHERE org_id = :org AND runs > 0
                      UNION ALL SELECT min(day) FROM call_days WHERE org_id = :org) AS days
"""
_DAY = """
SELECT coalesce(workflow, workflow_id, ''), outcome, count(*) FROM runs
WHERE org_id = :org AND day = :day {part} GROUP BY coalesce(workflow, workflow_id, ''), outcome
"""
_OF_ONE = "AND workspace_id = :workspace"
_OF_NONE = """
AND workspace_id NOT IN (SELECT id FROM workspaces WHERE org_id = :org AND deleted_at IS NULL)
"""
# An average has no last digit; these are as many as anybody's calculator shows.
_AVERAGE = Context(prec=28)


class _RunDay(NamedTuple):
    """A row of `_RUNS`."""

    day: str
    outcome: str
    runs: int


class _CallDay(NamedTuple):
    """A row of `_CALLS`; decimals as they are stored."""

    day: str
    provider: str
    model: str
    funding: str
    currency: str
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    unpriced_calls: int
    billed: str
    estimated: str
    credits: str


@dataclass(slots=True)
class _Sums:
    """Sums of some calls; decimals are exact. `unsettled` is how many of the unpriced ones credits should have paid."""

    calls: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    tokens: int = 0
    unpriced: int = 0
    unsettled: int = 0
    billed: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    estimated: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    credits: Decimal = ZERO

    @classmethod
    def of(cls, rows: Iterable[_CallDay]) -> _Sums:
        """The sums of all *rows*."""
        sums = cls()
        for row in rows:
            sums.add(row)
        return sums

    def add(self, row: _CallDay) -> None:
        """Add one row."""
        self.calls += row.calls
        self.failed += row.failed_calls
        self.input += row.input_tokens
        self.output += row.output_tokens
        self.tokens += row.total_tokens
        self.unpriced += row.unpriced_calls
        self.unsettled += row.unpriced_calls if row.funding == Funding.CREDITS else 0
        self.billed[row.currency] = EXACT.add(self.billed[row.currency], Decimal(row.billed))
        self.estimated[row.currency] = EXACT.add(self.estimated[row.currency], Decimal(row.estimated))
        self.credits = EXACT.add(self.credits, Decimal(row.credits))

    def cost(self) -> Cost | None:
        """Billed and estimated together where one currency says it all; None when it is unpriced."""
        sums = {code: EXACT.add(self.billed[code], self.estimated[code]) for code in self.billed}
        if (self.unpriced and not any(sums.values())) or len(sums) != 1:
            return None
        ((currency, amount),) = sums.items()
        return Cost(amount, currency)

    def estimate(self) -> Cost | None:
        """The estimated part of `cost`, None when there is none."""
        cost = self.cost()
        return Cost(self.estimated[cost.currency], cost.currency) if cost and self.estimated[cost.currency] else None

    def provider_cost(self) -> tuple[ProviderCost, ...]:
        """One row per currency."""
        return tuple(ProviderCost(code, self.billed[code], self.estimated[code]) for code in sorted(self.billed))

    def paid(self, currency: str) -> Cost | None:
        """Credits used; None when nothing that credits pay for has a price."""
        return None if self.unsettled and not self.credits else Cost(self.credits, currency)


def month(tx: Read, month: str | None = None, workspace: str | None = None) -> UsageMonth:
    """Everything the section shows for a month; raises Invalid for one that is not there to be seen."""
    _check(tx, workspace)
    settings = tx.rows.one(
        "SELECT timezone, currency, created_at FROM organizations WHERE id = :org", org=tx.organization
    )
    if settings is None:
        raise AssertionError("an organization without its row")
    timezone, currency, created = settings
    today = local_day(tx.now, zone(timezone))
    latest = Month.of(today)
    wanted = Month.parse(month) if month else latest
    if wanted > latest:
        raise Invalid(f"{wanted.title} has not begun; the latest month is {latest}.", field="month")
    before = wanted.shift(-1)
    runs, calls = _runs(tx, wanted, workspace), _calls(tx, wanted, workspace)
    sums = _Sums.of(calls)
    elapsed = today.day if wanted == latest else wanted.length
    spend = sums.paid(currency) if calls else None
    return UsageMonth(
        month=str(wanted),
        timezone=timezone,
        earliest=str(min(_earliest(tx, created, timezone), wanted)),
        latest=str(latest),
        elapsed_days=elapsed,
        figures=_figures(runs, calls, currency),
        previous=_figures(_runs(tx, before, workspace), _calls(tx, before, workspace), currency),
        daily_executions=_daily(wanted, runs),
        monthly_spend=spend,
        models_used=len({(row.provider, row.model) for row in calls}),
        daily_average=Cost(_AVERAGE.divide(spend.amount, Decimal(elapsed)), currency) if spend else None,
        daily_spending=_spending(calls, currency),
        breakdown_by_model=_breakdown(calls, currency),
        provider_cost=sums.provider_cost(),
        own_key_cost=_Sums.of(row for row in calls if row.funding == Funding.OWN_KEY).provider_cost(),
        not_counted=_not_counted(runs),
        unpriced_calls=sums.unpriced,
    )


def day(tx: Read, day: date, workspace: str | None = None) -> list[WorkflowRuns]:
    """A day's runs by workflow, the busiest first."""
    _check(tx, workspace)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for workflow, word, count in _part(tx, _DAY, workspace, day=day.isoformat()):
        found[workflow][0 if word == SUCCESS else 1 if word == ERROR else 2] += count
    rows = [WorkflowRuns(workflow, *counts) for workflow, counts in found.items()]
    return sorted(rows, key=lambda row: (-row.success - row.error - row.not_counted, row.workflow))


def _check(tx: Read, workspace: str | None) -> None:
    if workspace not in (None, UNASSIGNED):
        check(tx, workspace)


def _part(tx: Read, sql: str, workspace: str | None, **parameters: str) -> list[tuple[Any, ...]]:
    """The rows of one workspace, of none, or all."""
    part = "" if workspace is None else _OF_NONE if workspace == UNASSIGNED else _OF_ONE
    return tx.rows.all(sql.format(part=part), org=tx.organization, workspace=workspace, **parameters)


def _runs(tx: Read, month: Month, workspace: str | None) -> list[_RunDay]:
    rows = _part(tx, _RUNS, workspace, first=f"{month}-01", last=f"{month}-31")
    return [_RunDay(day, outcome, int(runs)) for day, outcome, runs in rows if runs]


def _calls(tx: Read, month: Month, workspace: str | None) -> list[_CallDay]:
    rows = _part(tx, _CALLS, workspace, first=f"{month}-01", last=f"{month}-31")
    return [_CallDay._make(row) for row in rows]


def _figures(runs: list[_RunDay], calls: list[_CallDay], currency: str) -> Figures:
    success = sum(row.runs for row in runs if row.outcome == SUCCESS)
    counted = sum(row.runs for row in runs if is_counted(row.outcome))
    sums = _Sums.of(calls)
    return Figures(
        total_runs=counted if runs else None,
        success_rate=success / counted if counted else None,
        ai_credits_used=sums.paid(currency) if calls else None,
        total_tokens=sums.tokens if calls else None,
    )


def _daily(month: Month, runs: list[_RunDay]) -> tuple[DayExecutions, ...]:
    counts = {(row.day, row.outcome): row.runs for row in runs}
    return tuple(
        DayExecutions(day, counts.get((day.isoformat(), SUCCESS), 0), counts.get((day.isoformat(), ERROR), 0))
        for day in month.days
    )


def _spending(calls: list[_CallDay], currency: str) -> tuple[DaySpending, ...]:
    cells: dict[tuple[str, str, str], _Sums] = defaultdict(_Sums)
    for row in calls:
        cells[row.day, row.provider, row.model].add(row)
    return tuple(
        DaySpending(date.fromisoformat(day), provider or None, model, sums.cost(), sums.paid(currency))
        for (day, provider, model), sums in sorted(cells.items())
    )


def _breakdown(calls: list[_CallDay], currency: str) -> tuple[ModelUsage, ...]:
    models: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    for row in calls:
        models[row.provider, row.model].add(row)

    def rank(item: tuple[tuple[str, str], _Sums]) -> tuple[Decimal, Decimal, int, tuple[str, str]]:
        key, sums = item
        return -sums.credits, -total((*sums.billed.values(), *sums.estimated.values())), -sums.tokens, key

    return tuple(
        ModelUsage(
            provider=provider or None,
            model=model,
            calls=sums.calls,
            failed_calls=sums.failed,
            input_tokens=sums.input,
            output_tokens=sums.output,
            total_tokens=sums.tokens,
            cost=sums.cost(),
            credits=sums.paid(currency),
            unpriced_calls=sums.unpriced,
            estimated=sums.estimate(),
        )
        for (provider, model), sums in sorted(models.items(), key=rank)
    )


def _not_counted(runs: list[_RunDay]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in runs:
        if not is_counted(row.outcome):
            counts[row.outcome] += row.runs
    return dict(sorted(counts.items()))


def _earliest(tx: Read, created: int, timezone: str) -> Month:
    born = Month.of(local_day(instant(created), zone(timezone)))
    first = tx.rows.value(_FIRST_DAY, org=tx.organization)
    return min(born, Month.of(date.fromisoformat(first))) if first else born
