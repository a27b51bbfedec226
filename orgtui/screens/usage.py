"""The Usage & Analytics section: what ran and what it cost, a month at a time."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive

from orgtui.domain import figures
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.money import Cost, total
from orgtui.domain.months import Month
from orgtui.domain.providers import display_name
from orgtui.screens.section import SectionScreen
from orgtui.store.contract.usage import DayExecutions, Figures, UsageMonth
from orgtui.themes import MODELS, Ink
from orgtui.widgets.bar_charts import DailyBars, DayBar, RunsChart, SpendingChart
from orgtui.widgets.canvas import Canvas, spread
from orgtui.widgets.filter_table import Column, FilterTable, Row
from orgtui.widgets.frame import Foot, Masthead
from orgtui.widgets.note import Note
from orgtui.widgets.stats_bar import Stat, StatsBar
from orgtui.widgets.tab_bar import TabBar
from orgtui.widgets.usage_panels import OTHER, Breakdown, CostsDay, DayCost, RunsDay

if TYPE_CHECKING:
    from orgtui.store.contract import Store

CARDS = ("Total Runs", "Success Rate", "AI Credits Used", "Total Tokens")
SUMMARY = ("Monthly Spend", "Models Used", "Daily Average")
TABS = ("Workflow Runs", "AI Costs")
RUNS, COSTS = 0, 1
LEAST_CHART = 8
_MONTH = Binding.Group("Month")
_DAY = Binding.Group("Day")


class _Heading(Canvas):
    legend: reactive[tuple[Content, ...]] = reactive((), init=False, repaint=False)

    def __init__(self, title: str, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._title = title

    def watch_legend(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        shown = () if self.screen.has_class("-wide") else self.legend
        return [spread(Content.assemble((self._title, ink.heading)), Content("   ").join(shown), width)]


class UsageScreen(SectionScreen[UsageMonth]):
    """Cards, tabs, charts, ranking; [ and ] turn the month, the arrows the day."""

    SECTION = "usage"
    BINDINGS = [
        Binding("left_square_bracket", "turn_month(-1)", "Previous month", id="usage.previous-month", group=_MONTH),
        Binding("right_square_bracket", "turn_month(1)", "Next month", id="usage.next-month", group=_MONTH),
        Binding("left", "move_day(-1)", "Previous day", id="usage.day-before", group=_DAY),
        Binding("right", "move_day(1)", "Next day", id="usage.day-after", group=_DAY),
        Binding("tab", "turn_tab", "Next tab", id="usage.tab"),
        Binding("t", "table", "Table", id="usage.table"),
        Binding("e", "export", "Export", id="usage.export"),
        Binding("p", "pick_month", "Pick a month", id="usage.pick-month", show=False),
        Binding("d", "day", "Runs of this day", id="usage.day", show=False),
        Binding("pagedown,space", "scroll(1)", "Scroll down", id="usage.scroll-down", show=False),
        Binding("pageup", "scroll(-1)", "Scroll up", id="usage.scroll-up", show=False),
    ]
    HELP = "Runs, tokens and cost of a month, in the organization's timezone."

    month: reactive[str | None] = reactive(None, init=False, repaint=False)
    tabled: reactive[bool] = reactive(False, init=False, repaint=False)
    selected: reactive[int] = reactive(0, init=False, repaint=False)

    def compose_section(self) -> ComposeResult:
        """Cards, tabs, and both tabs' contents."""
        yield StatsBar([Stat(label) for label in CARDS], id="cards")
        yield TabBar(TABS)
        yield Note()
        with Vertical(id="runs", classes="tab"):
            yield _Heading("Daily Executions", id="runs-heading")
            with Horizontal(classes="chart-row"):
                yield RunsChart(id="runs-chart")
                yield RunsDay(id="runs-day", classes="day")
            yield RunsDay(id="runs-line", classes="day-line")
        with Vertical(id="costs", classes="tab"):
            yield StatsBar([Stat(label) for label in SUMMARY], pitch=20, id="summary")
            with Horizontal(classes="heading-row"):
                yield _Heading("Daily Spending", id="costs-heading")
                yield CostsDay(id="costs-line", classes="day-line")
            with Horizontal(classes="chart-row"):
                yield SpendingChart(id="costs-chart")
                yield CostsDay(id="costs-day", classes="day")
            yield Breakdown(id="breakdown")
        yield from self._tables()

    def _tables(self) -> ComposeResult:
        days = [Column("Date"), *(Column(title, True) for title in ("Runs", "Success", "Errors", "Success Rate"))]
        yield FilterTable(days, noun="days", placeholder="Filter by date", id="runs-table")
        models = [Column("Model"), Column("Provider")]
        models += [Column(title, True) for title in ("Calls", "Failed", "Tokens", "Credits", "Cost")]
        yield FilterTable(models, noun="models", placeholder="Filter by model or provider", id="costs-table")

    def on_mount(self) -> None:
        """One tab shows at a time."""
        super().on_mount()
        self._arrange()

    # The question and its answer.

    async def ask(self, store: Store) -> UsageMonth:
        """The chosen month, the current one at first."""
        return await store.usage.month(self.month)

    def show(self, page: UsageMonth) -> None:
        """Render the month."""
        self._arrange()
        now, before = page.figures, page.previous
        than = Month.parse(page.month).shift(-1).short.partition(" ")[0]
        self.query_one("#cards", StatsBar).stats = _cards(now, before, than)
        self.query_one("#summary", StatsBar).stats = (
            Stat("Monthly Spend", figures.cost(page.monthly_spend)),
            Stat("Models Used", figures.count(page.models_used)),
            Stat("Daily Average", figures.cost(page.daily_average)),
        )
        self._show_month(page)
        runs, costs = self.query_one(RunsChart), self.query_one(SpendingChart)
        runs.elapsed = costs.elapsed = page.elapsed_days
        runs.days = [DayBar(day.date, day.success, day.error) for day in page.daily_executions]
        legend, costs_by_day = _ranked_days(page)
        costs.labels, costs.days = legend, costs_by_day
        self.query_one(Breakdown).models = page.breakdown_by_model
        self._fit()
        self.query_one("#runs-table", FilterTable).rows = tuple(
            map(_run_row, page.daily_executions[: page.elapsed_days])
        )
        self.query_one("#costs-table", FilterTable).rows = _model_rows(page)
        self.selected = min(self.selected or page.elapsed_days - 1, page.elapsed_days - 1)
        self._show_day()
        self.call_after_refresh(self._show_legends)

    def _show_month(self, page: UsageMonth) -> None:
        month, ink = Month.parse(page.month), Ink.of(self.app)
        title = month.short if self.has_class("-small") else month.title
        back = ("‹", ink.key) if page.month > page.earliest else (" ", ink.dim)
        forth = ("›", ink.key) if page.month < page.latest else (" ", ink.dim)
        self.query_one(Masthead).corner = Content.assemble(back, " ", (title, ink.text), " ", forth)

    def _show_legends(self) -> None:
        legend = self.query_one(RunsChart).legend()
        for day in self.query(RunsDay):
            day.legend = legend
        self.query_one("#runs-heading", _Heading).legend = legend[:2] if self.has_class("-small") else legend

    def _show_day(self) -> None:
        page: UsageMonth | None = self.page
        if page is None:
            return
        for chart in (self.query_one(RunsChart), self.query_one(SpendingChart)):
            chart.selected = self.selected
        day = page.daily_executions[self.selected]
        for panel in self.query(RunsDay):
            panel.day = day
        spent = _day_cost(page, day.date)
        for costs in self.query(CostsDay):
            costs.day = spent

    def watch_selected(self) -> None:
        """Another day's figures."""
        self._show_day()

    def on_resize(self) -> None:
        """Month and legends are written shorter where it is narrow."""
        super().on_resize()
        self._fit()
        if self.page is not None:
            self._show_month(self.page)
            self.call_after_refresh(self._show_legends)

    def _fit(self) -> None:
        """The spending chart takes what the ranking leaves of the screen, and never less than it can be read in."""
        tall, tiny = self.has_class("-tall"), self.has_class("-tiny")
        # Rows of the frame, cards, tabs, summary, headings and blanks.
        around = 19 if tall else 12 if tiny else 11
        models = len(self.page.breakdown_by_model) if self.page is not None else 0
        room = self.size.height - around - max(models, 1)
        self.query_one("#costs .chart-row").styles.height = max(room, LEAST_CHART)

    # What is done.

    def hint(self, action: str) -> str | None:
        """The footer names the tab that tab leads to."""
        return self.query_one(TabBar).following if action == "turn_tab" else None

    def action_turn_tab(self) -> None:
        """The other tab."""
        self.query_one(TabBar).turn()

    @on(TabBar.Changed)
    def _arrange(self) -> None:
        active = self.query_one(TabBar).active
        self.set_class(active == COSTS, "-costs")
        for index, name in enumerate(("runs", "costs")):
            here = index == active
            self.query_one(f"#{name}").display = here and not self.tabled and self.page is not None
            self.query_one(f"#{name}-table").display = here and self.tabled and self.page is not None
        if self.tabled:
            self.query_one(f"#{('runs', 'costs')[active]}-table", FilterTable).focus_rows()
        elif self.focused is None or not self.focused.display:
            self.query_one("Sidebar").focus()
        self.query_one(Foot).redraw()

    def action_table(self) -> None:
        """Figures instead of the chart, or back."""
        self.tabled = not self.tabled
        self._arrange()
        if not self.tabled:
            self.query_one("Sidebar").focus()

    def action_move_day(self, by: int) -> None:
        """The day before or after."""
        if self.page is not None:
            self.selected = max(0, min(self.page.elapsed_days - 1, self.selected + by))

    @on(DailyBars.DaySelected)
    def _chosen(self, event: DailyBars.DaySelected) -> None:
        self.selected = event.index

    def action_turn_month(self, by: int) -> None:
        """The month before or after, within what there is."""
        if self.page is None:
            return
        wanted = str(Month.parse(self.month or self.page.month).shift(by))
        if self.page.earliest <= wanted <= self.page.latest:
            self.go_to_month(wanted)
        else:
            self.notify("There is nothing before this month." if by < 0 else "The next month has not begun.")

    def go_to_month(self, month: str) -> None:
        """Show that month."""
        self.month, self.selected = month, 0
        self.load()

    @work
    async def action_pick_month(self) -> None:
        """Choose from all months there are."""
        from orgtui.screens.dialogs.month_picker import MonthPicker

        if self.page is None:
            return
        month = await self.app.push_screen_wait(MonthPicker(self.page.earliest, self.page.latest, self.page.month))
        if month is not None:
            self.go_to_month(month)

    def action_enter_section(self) -> None:
        """Enter opens the selected day."""
        self.action_day()

    @work
    async def action_day(self) -> None:
        """The selected day's runs by workflow."""
        from orgtui.screens.dialogs.day_runs import DayRuns

        if self.page is None:
            return
        day = self.page.daily_executions[self.selected].date
        try:
            rows = await (await self.orgtui.store()).usage.day(day)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        await self.app.push_screen_wait(DayRuns(day, rows))

    def action_scroll(self, by: int) -> None:
        """Where the terminal is too low for all of it."""
        body = self.query_one("#body")
        body.scroll_relative(y=by * max(1, body.size.height - 2), animate=False)

    @work
    async def action_export(self) -> None:
        """What is on the screen, as a file."""
        from orgtui.screens.dialogs.export import ExportDialog

        if self.page is None:
            return
        table = "daily_executions" if self.query_one(TabBar).active == RUNS else "breakdown_by_model"
        name = f"usage-{self.page.month}-{table.replace('_', '-')}"
        rows = getattr(self.page, table)
        said = await self.app.push_screen_wait(ExportDialog(name, rows))
        if said:
            self.notify(said)


def _cards(now: Figures, before: Figures, than: str) -> tuple[Stat, ...]:
    used, used_before = now.ai_credits_used, before.ai_credits_used
    spent, spent_before = used.amount if used else None, used_before.amount if used_before else None
    return (
        Stat("Total Runs", figures.count(now.total_runs), figures.change(now.total_runs, before.total_runs, than)),
        Stat("Success Rate", figures.percent(now.success_rate), figures.points(now.success_rate, before.success_rate)),
        Stat("AI Credits Used", figures.cost(used), figures.change(spent, spent_before, than)),
        Stat(
            "Total Tokens",
            figures.compact(now.total_tokens),
            figures.change(now.total_tokens, before.total_tokens, than),
        ),
    )


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
            figures.cost(usage.credits),
            figures.cost(usage.cost) if usage.cost else "unpriced",
        )
        credits_ = usage.credits.amount if usage.credits else Decimal(-1)
        cost = usage.cost.amount if usage.cost else Decimal(-1)
        order = (usage.model, provider, usage.calls, usage.failed_calls, usage.total_tokens, credits_, cost)
        rows.append(Row(f"{usage.provider}/{usage.model}", cells, order, usage.model))
    return tuple(rows)


SCREEN = UsageScreen
