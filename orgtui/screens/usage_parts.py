"""What the two tabs of Usage & Analytics show, as a chart or as a table; each part is mounted when it is first seen."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive

from orgtui.domain import figures
from orgtui.domain.money import Cost, total
from orgtui.domain.providers import display_name
from orgtui.themes import MODELS, Ink
from orgtui.widgets.bar_charts import DayBar, RunsChart, SpendingChart
from orgtui.widgets.canvas import Canvas, spread
from orgtui.widgets.filter_table import Column, FilterTable, Row
from orgtui.widgets.note import Note
from orgtui.widgets.stats_bar import Stat, StatsBar
from orgtui.widgets.usage_panels import OTHER, Breakdown, CostsDay, DayCost, RunsDay, priced

if TYPE_CHECKING:
    from orgtui.store.contract.usage import DayExecutions, UsageMonth

SUMMARY = ("Monthly Spend", "Models Used", "Daily Average")
LEAST_CHART = 8
NOTE_ROWS = 4


class Part(Protocol):
    """What the screen asks of a part."""

    def show(self, page: UsageMonth) -> None:
        """Render a month."""

    def select(self, page: UsageMonth, day: int) -> None:
        """Render one of its days, by index."""


class _Heading(Canvas):
    legend: reactive[tuple[Content, ...]] = reactive((), init=False, repaint=False)

    def __init__(self, title: str) -> None:
        super().__init__(classes="heading")
        self._title = title

    def watch_legend(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        shown = () if self.screen.has_class("-wide") else self.legend
        return [spread(Content.assemble((self._title, ink.heading)), Content("   ").join(shown), width)]


class RunsPart(Vertical):
    """Daily Executions, with the selected day beside or under it."""

    def compose(self) -> ComposeResult:
        """Heading, chart, day."""
        yield _Heading("Daily Executions")
        with Horizontal(classes="chart-row"):
            yield RunsChart(id="runs-chart")
            yield RunsDay(id="runs-day", classes="day")
        yield RunsDay(id="runs-line", classes="day-line")

    def on_mount(self) -> None:
        """The legend names a number that is known once the chart has its height."""
        self.watch(self.query_one(RunsChart), "few", self._show_legend, init=False)

    def on_resize(self) -> None:
        """The legend is written shorter where it is narrow."""
        self._show_legend()

    def _show_legend(self) -> None:
        legend = self.query_one(RunsChart).legend()
        for day in self.query(RunsDay):
            day.legend = legend
        self.query_one(_Heading).legend = legend[:2] if self.screen.has_class("-small") else legend

    def show(self, page: UsageMonth) -> None:
        """A bar a day."""
        chart = self.query_one(RunsChart)
        chart.elapsed = page.elapsed_days
        chart.days = [DayBar(day.date, day.success, day.error) for day in page.daily_executions]
        self._show_legend()

    def select(self, page: UsageMonth, day: int) -> None:
        """Its figures."""
        self.query_one(RunsChart).selected = day
        for panel in self.query(RunsDay):
            panel.day = page.daily_executions[day]


class CostsPart(Vertical):
    """Summary, Daily Spending, Breakdown by Model."""

    def compose(self) -> ComposeResult:
        """Summary, heading, chart, day, ranking."""
        yield StatsBar([Stat(label) for label in SUMMARY], pitch=20, id="summary")
        with Horizontal(classes="heading-row"):
            yield _Heading("Daily Spending")
            yield CostsDay(id="costs-line", classes="day-line")
        with Horizontal(classes="chart-row"):
            yield SpendingChart(id="costs-chart")
            yield CostsDay(id="costs-day", classes="day")
        yield Breakdown(id="breakdown")

    def show(self, page: UsageMonth) -> None:
        """The month's spending."""
        self.query_one("#summary", StatsBar).stats = (
            Stat("Monthly Spend", figures.cost(page.monthly_spend)),
            Stat("Models Used", figures.count(page.models_used)),
            Stat("Daily Average", figures.cost(page.daily_average)),
        )
        chart = self.query_one(SpendingChart)
        chart.elapsed = page.elapsed_days
        chart.labels, chart.days = _ranked_days(page)
        self.query_one(Breakdown).models = page.breakdown_by_model
        self.on_resize()

    def on_resize(self) -> None:
        """The chart takes what the ranking leaves of the screen, and never less than it can be read in."""
        screen = self.screen
        # Rows of the frame, cards, tabs, summary, headings and blanks.
        around = 21 if screen.has_class("-tall") else 12 if screen.has_class("-tiny") else 11
        around += NOTE_ROWS if screen.query_one(Note).display else 0
        room = screen.size.height - around - max(len(self.query_one(Breakdown).models), 1)
        self.query_one(".chart-row").styles.height = max(room, LEAST_CHART)

    def select(self, page: UsageMonth, day: int) -> None:
        """Its spending by model."""
        self.query_one(SpendingChart).selected = day
        spent = _day_cost(page, page.daily_executions[day].date)
        for panel in self.query(CostsDay):
            panel.day = spent


class RunsTable(FilterTable):
    """Daily Executions in figures."""

    def __init__(self, *, id: str) -> None:
        columns = [Column("Date"), *(Column(title, True) for title in ("Runs", "Success", "Errors", "Success Rate"))]
        super().__init__(columns, noun="days", placeholder="Filter by date", id=id)

    def show(self, page: UsageMonth) -> None:
        """A row a day that has begun."""
        self.rows = tuple(map(_run_row, page.daily_executions[: page.elapsed_days]))

    def select(self, page: UsageMonth, day: int) -> None:
        """The table has a cursor of its own."""


class CostsTable(FilterTable):
    """Breakdown by Model in figures."""

    def __init__(self, *, id: str) -> None:
        columns = [Column("Model"), Column("Provider")]
        columns += [Column(title, True) for title in ("Calls", "Failed", "Tokens", "Credits", "Cost")]
        super().__init__(columns, noun="models", placeholder="Filter by model or provider", id=id)
        self.set_reactive(FilterTable.sort_by, len(columns) - 2)

    def show(self, page: UsageMonth) -> None:
        """A row a model."""
        self.rows = _model_rows(page)

    def select(self, page: UsageMonth, day: int) -> None:
        """The table has a cursor of its own."""


# By tab, then chart or table.
PARTS: dict[str, type[RunsPart] | type[CostsPart] | type[RunsTable] | type[CostsTable]] = {
    "runs": RunsPart,
    "runs-table": RunsTable,
    "costs": CostsPart,
    "costs-table": CostsTable,
}


def _ranks(page: UsageMonth) -> tuple[dict[tuple[str | None, str], int], list[str]]:
    """Which line of the legend each model is on; what is beyond the colours shares the last one."""
    models = page.breakdown_by_model
    merged = len(models) > MODELS
    ranks = {(row.provider, row.model): min(index, MODELS - 1) for index, row in enumerate(models)}
    names = [row.model for row in models[: MODELS - 1 if merged else MODELS]]
    return ranks, [*names, OTHER] if merged else names


def _ranked_days(page: UsageMonth) -> tuple[list[str], list[tuple[Decimal, ...]]]:
    ranks, names = _ranks(page)
    cells: dict[tuple[date, int], list[Decimal]] = defaultdict(list)
    for cell in page.daily_spending:
        if cell.credits:
            cells[cell.date, ranks[cell.provider, cell.model]].append(cell.credits.amount)
    days = [tuple(total(cells[day.date, rank]) for rank in range(len(names))) for day in page.daily_executions]
    return names, days


def _day_cost(page: UsageMonth, day: date) -> DayCost:
    ranks, names = _ranks(page)
    cells: dict[int, list[Cost]] = defaultdict(list)
    for cell in page.daily_spending:
        if cell.date == day and cell.credits:
            cells[ranks[cell.provider, cell.model]].append(cell.credits)

    def added(costs: list[Cost]) -> Cost | None:
        return Cost(total(cost.amount for cost in costs), costs[0].currency) if costs else None

    parts = tuple((name, added(cells[rank])) for rank, name in enumerate(names))
    return DayCost(day, added([cost for costs in cells.values() for cost in costs]), parts)


def _run_row(day: DayExecutions) -> Row:
    runs = day.success + day.error
    rate = day.success / runs if runs else None
    cells = (f"{day.date:%a %d %b}", f"{runs:,}", f"{day.success:,}", f"{day.error:,}", figures.percent(rate))
    order = (day.date, runs, day.success, day.error, -1 if rate is None else rate)
    return Row(day.date.isoformat(), cells, order, f"{day.date}: {runs} runs, {day.error} errors")


def _model_rows(page: UsageMonth) -> tuple[Row, ...]:
    rows = []
    for usage in page.breakdown_by_model:
        provider = display_name(usage.provider)
        cells = (
            usage.model,
            provider,
            f"{usage.calls:,}",
            f"{usage.failed_calls:,}",
            f"{usage.total_tokens:,}",
            priced(usage, usage.credits),
            priced(usage, usage.cost),
        )
        credits_ = usage.credits.amount if usage.credits else Decimal(-1)
        cost = usage.cost.amount if usage.cost else Decimal(-1)
        order = (usage.model, provider, usage.calls, usage.failed_calls, usage.total_tokens, credits_, cost)
        rows.append(Row(f"{usage.provider}/{usage.model}", cells, order, usage.model))
    return tuple(rows)
