"""Reads of Usage & Analytics: a month is a few hundred roll-up rows, however many events lie behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from orgtui.domain.errors import Invalid
from orgtui.domain.money import EXACT, ZERO, Cost, total
from orgtui.domain.months import Month, instant, local_day, zone
from orgtui.domain.usage import ERROR, SUCCESS, Funding, is_counted
from orgtui.store.contract.usage import (
    DayExecutions,
    DaySpending,
    Figures,
    ModelUsage,
    ProviderCost,
    UsageMonth,
    WorkflowRuns,
)
from orgtui.store.sql.unit_of_work import Read

_RUNS = """
SELECT day, outcome, sum(runs) FROM run_days
WHERE org_id = :org AND day BETWEEN :first AND :last GROUP BY day, outcome ORDER BY day
"""
_CALLS = """
SELECT day, provider, model, funding, currency, calls, failed_calls, input_tokens, output_tokens, total_tokens,
       unpriced_calls, billed, estimated, credits
FROM call_days WHERE org_id = :org AND day BETWEEN :first AND :last ORDER BY day, provider, model
"""
_FIRST_DAY = """
SELECT min(day) FROM (SELECT min(day) AS day FROM run_days WHERE org_id = :org
                      UNION ALL SELECT min(day) FROM call_days WHERE org_id = :org) AS days
"""
_DAY = """
SELECT coalesce(workflow, workflow_id, ''), outcome, count(*) FROM runs
WHERE org_id = :org AND day = :day GROUP BY coalesce(workflow, workflow_id, ''), outcome
"""


@dataclass(slots=True)
class _Calls:
    """Sums of some calls; decimals are exact."""

    calls: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    tokens: int = 0
    unpriced: int = 0
    billed: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    estimated: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    credits: Decimal = ZERO

    def add(self, row: Sequence[Any]) -> None:
        """Add one roll-up row, as `_CALLS` answers it."""
        _, _, _, _, currency, calls, failed, input_, output, tokens, unpriced, billed, estimated, credits_ = row
        self.calls += calls
        self.failed += failed
        self.input += input_
        self.output += output
        self.tokens += tokens
        self.unpriced += unpriced
        self.billed[currency] = EXACT.add(self.billed[currency], Decimal(billed))
        self.estimated[currency] = EXACT.add(self.estimated[currency], Decimal(estimated))
        self.credits = EXACT.add(self.credits, Decimal(credits_))

    def cost(self) -> Cost | None:
        """Billed and estimated together where one currency says it all; None when it is unpriced."""
        sums = {code: EXACT.add(self.billed[code], self.estimated[code]) for code in self.billed}
        if (self.unpriced and not any(sums.values())) or len(sums) != 1:
            return None
        ((currency, amount),) = sums.items()
        return Cost(amount, currency)

    def provider_cost(self) -> tuple[ProviderCost, ...]:
        """One row per currency."""
        return tuple(ProviderCost(code, self.billed[code], self.estimated[code]) for code in sorted(self.billed))

    def paid(self, currency: str) -> Cost | None:
        """Credits used; None when nothing of it has a price."""
        return None if self.unpriced and not self.credits else Cost(self.credits, currency)


def month(tx: Read, month: str | None) -> UsageMonth:
    """Everything the section shows for a month; raises Invalid for one that is not there to be seen."""
    settings = tx.rows.one(
        "SELECT timezone, currency, created_at FROM organizations WHERE id = :org", org=tx.organization
    )
    if settings is None:
        raise AssertionError("an organization without its row")
    timezone, currency, created = settings
    today = local_day(tx.now, zone(timezone))
    wanted = Month.parse(month) if month else Month.of(today)
    if wanted > Month.of(today):
        raise Invalid(f"{wanted.title} has not begun; the latest month is {Month.of(today)}.", field="month")
    runs, calls = _runs(tx, wanted), _calls(tx, wanted)
    all_calls = _sum(calls)
    elapsed = today.day if wanted == Month.of(today) else wanted.length
    spend = all_calls.paid(currency) if calls else None
    return UsageMonth(
        month=str(wanted),
        timezone=timezone,
        earliest=str(min(_earliest(tx, created, timezone), wanted)),
        latest=str(Month.of(today)),
        elapsed_days=elapsed,
        figures=_figures(runs, calls, currency),
        previous=_figures(_runs(tx, wanted.shift(-1)), _calls(tx, wanted.shift(-1)), currency),
        daily_executions=_daily(wanted, runs),
        monthly_spend=spend,
        models_used=len({(row[1], row[2]) for row in calls}),
        daily_average=Cost(EXACT.divide(spend.amount, Decimal(elapsed)), currency) if spend else None,
        daily_spending=_spending(calls, currency),
        breakdown_by_model=_breakdown(calls, currency),
        provider_cost=all_calls.provider_cost(),
        own_key_cost=_sum(row for row in calls if row[3] == Funding.OWN_KEY).provider_cost(),
        not_counted=_not_counted(runs),
        unpriced_calls=all_calls.unpriced,
    )


def day(tx: Read, day: date) -> list[WorkflowRuns]:
    """A day's runs by workflow, the busiest first."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for workflow, word, count in tx.rows.all(_DAY, org=tx.organization, day=day.isoformat()):
        found[workflow][0 if word == SUCCESS else 1 if word == ERROR else 2] += count
    rows = [WorkflowRuns(workflow, *counts) for workflow, counts in found.items()]
    return sorted(rows, key=lambda row: (-row.success - row.error - row.not_counted, row.workflow))


def _runs(tx: Read, month: Month) -> list[tuple[str, str, int]]:
    rows = tx.rows.all(_RUNS, org=tx.organization, first=month.first.isoformat(), last=month.last.isoformat())
    return [(day, outcome, int(runs)) for day, outcome, runs in rows if runs]


def _calls(tx: Read, month: Month) -> list[tuple[Any, ...]]:
    return tx.rows.all(_CALLS, org=tx.organization, first=month.first.isoformat(), last=month.last.isoformat())


def _sum(rows: Iterable[Sequence[Any]]) -> _Calls:
    result = _Calls()
    for row in rows:
        result.add(row)
    return result


def _figures(runs: list[tuple[str, str, int]], calls: list[tuple[Any, ...]], currency: str) -> Figures:
    success = sum(count for _, word, count in runs if word == SUCCESS)
    counted = sum(count for _, word, count in runs if is_counted(word))
    sums = _sum(calls)
    return Figures(
        total_runs=counted if runs else None,
        success_rate=success / counted if counted else None,
        ai_credits_used=sums.paid(currency) if calls else None,
        total_tokens=sums.tokens if calls else None,
    )


def _daily(month: Month, runs: list[tuple[str, str, int]]) -> tuple[DayExecutions, ...]:
    counts = {(day, word): count for day, word, count in runs}
    return tuple(
        DayExecutions(day, counts.get((day.isoformat(), SUCCESS), 0), counts.get((day.isoformat(), ERROR), 0))
        for day in month.days
    )


def _spending(calls: list[tuple[Any, ...]], currency: str) -> tuple[DaySpending, ...]:
    cells: dict[tuple[str, str, str], _Calls] = defaultdict(_Calls)
    for row in calls:
        cells[row[0], row[1], row[2]].add(row)
    return tuple(
        DaySpending(date.fromisoformat(day), provider or None, model, sums.cost(), sums.paid(currency))
        for (day, provider, model), sums in cells.items()
    )


def _breakdown(calls: list[tuple[Any, ...]], currency: str) -> tuple[ModelUsage, ...]:
    models: dict[tuple[str, str], _Calls] = defaultdict(_Calls)
    for row in calls:
        models[row[1], row[2]].add(row)

    def rank(item: tuple[tuple[str, str], _Calls]) -> tuple[Decimal, Decimal, int, tuple[str, str]]:
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
        )
        for (provider, model), sums in sorted(models.items(), key=rank)
    )


def _not_counted(runs: list[tuple[str, str, int]]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for _, word, count in runs:
        if not is_counted(word):
            counts[word] += count
    return dict(sorted(counts.items()))


def _earliest(tx: Read, created: int, timezone: str) -> Month:
    first = tx.rows.value(_FIRST_DAY, org=tx.organization)
    born = Month.of(local_day(instant(created), zone(timezone)))
    return min(born, Month.of(date.fromisoformat(first))) if first else born
