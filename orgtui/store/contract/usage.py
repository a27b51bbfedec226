"""Usage & Analytics: what ran, what it cost, month by month."""

from __future__ import annotations

from dataclasses import dataclass, field

# In a class whose field is called date, the plain name would mean the field, and no schema could be made of it.
from datetime import date as calendar_date
from decimal import Decimal
from typing import Protocol

from orgtui.domain.errors import Invalid, NotFound
from orgtui.domain.money import Cost
from orgtui.domain.roles import Permission
from orgtui.domain.usage import Call, Run
from orgtui.store.contract.operation import operation

UNASSIGNED = "none"
"""In the place of a workspace's id: what belongs to none that is there, because it named none, or one since deleted."""


@dataclass(frozen=True, slots=True)
class DayExecutions:
    """One column of Daily Executions."""

    date: calendar_date
    success: int
    error: int


@dataclass(frozen=True, slots=True)
class DaySpending:
    """One model's part of a day: `cost` in the provider's currency, `credits` in the organization's; None: unpriced."""

    date: calendar_date
    provider: str | None
    model: str
    cost: Cost | None
    credits: Cost | None


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """One row of Breakdown by Model; `unpriced_calls` are in `calls` but in no cost.

    `estimated` is the part of `cost` that comes from list prices, None where all of it was billed.
    """

    provider: str | None
    model: str
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: Cost | None
    credits: Cost | None
    unpriced_calls: int
    estimated: Cost | None = None


@dataclass(frozen=True, slots=True)
class ProviderCost:
    """What the providers ask in one currency: billed by the source, estimated from list prices."""

    currency: str
    billed: Decimal
    estimated: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """The four cards; None where there is no data."""

    total_runs: int | None
    success_rate: float | None
    ai_credits_used: Cost | None
    total_tokens: int | None


@dataclass(frozen=True, slots=True)
class UsageMonth:
    """All of the Usage & Analytics section for one month, in the organization's timezone.

    `elapsed_days` is the denominator of the daily average: days so far in the current month, all days in a past one.
    `earliest` and `latest` bound the month picker (YYYY-MM). `own_key_cost` is what calls on the organization's own
    keys cost at the providers: real money, but no credits.
    """

    month: str
    timezone: str
    earliest: str
    latest: str
    elapsed_days: int
    figures: Figures
    previous: Figures
    daily_executions: tuple[DayExecutions, ...]
    monthly_spend: Cost | None
    models_used: int
    daily_average: Cost | None
    daily_spending: tuple[DaySpending, ...]
    breakdown_by_model: tuple[ModelUsage, ...]
    provider_cost: tuple[ProviderCost, ...]
    own_key_cost: tuple[ProviderCost, ...]
    not_counted: dict[str, int]
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class WorkflowRuns:
    """One workflow's runs on a day."""

    workflow: str
    success: int
    error: int
    not_counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBatch:
    """Events to keep, at most 5,000; the same event twice changes nothing."""

    runs: tuple[Run, ...] = ()
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: new, known already, or known and since moved on (a waiting run that ended).

    `unpriced` counts the new calls that have no price, by model.
    """

    new: int
    known: int
    updated: int
    unpriced: dict[str, int] = field(default_factory=dict)


class Usage(Protocol):
    """Runs, tokens and cost: of the organization, or of one `workspace` (its id, or UNASSIGNED), archived ones too.

    Its workspaces and UNASSIGNED add up to the organization, in every figure.
    """

    @operation("GET", "/usage", needs=Permission.VIEW, raises=(Invalid, NotFound))
    async def month(self, month: str | None = None, workspace: str | None = None) -> UsageMonth:
        """Everything the section shows for `month` (YYYY-MM; the current one by default)."""

    @operation("GET", "/usage/days/{day}", needs=Permission.VIEW, raises=(Invalid, NotFound))
    async def day(self, day: calendar_date, workspace: str | None = None) -> list[WorkflowRuns]:
        """A day's runs by workflow, the busiest first."""

    @operation("POST", "/usage/events", needs=Permission.RECORD_USAGE, raises=(Invalid,))
    async def record(self, batch: UsageBatch) -> Recorded:
        """Keep events and their roll-ups in one transaction."""
