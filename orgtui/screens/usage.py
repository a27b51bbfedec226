"""The Usage & Analytics section: what ran and what it cost, a month at a time."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.reactive import reactive

from orgtui.domain import figures
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.months import Month
from orgtui.screens.section import SectionScreen
from orgtui.screens.usage_parts import PARTS, CostsPart, Part
from orgtui.store.contract.usage import UNASSIGNED
from orgtui.themes import Ink
from orgtui.widgets.bar_charts import DailyBars
from orgtui.widgets.filter_table import FilterTable
from orgtui.widgets.frame import Body, Foot, Masthead, Sidebar
from orgtui.widgets.note import Note, Trouble
from orgtui.widgets.stats_bar import Stat, StatsBar
from orgtui.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.usage import Figures, UsageMonth

CARDS = ("Total Runs", "Success Rate", "AI Credits Used", "Total Tokens")
TABS = ("Workflow Runs", "AI Costs")
TABLES = ("daily_executions", "breakdown_by_model")
_MONTH = Binding.Group("Month")
_DAY = Binding.Group("Day")


class UsageScreen(SectionScreen["UsageMonth"]):
    """Cards, tabs, charts, ranking; [ and ] turn the month, the arrows the day."""

    SECTION = "usage"
    NEEDS_ANSWER = frozenset(
        {"move_day", "table", "pick_workspace", "export", "pick_month", "day", "turn_month", "turn_tab"}
    )
    BINDINGS = [
        Binding("left_square_bracket", "turn_month(-1)", "Previous month", id="usage.previous-month", group=_MONTH),
        Binding("right_square_bracket", "turn_month(1)", "Next month", id="usage.next-month", group=_MONTH),
        Binding("left", "move_day(-1)", "Previous day", id="usage.day-before", group=_DAY),
        Binding("right", "move_day(1)", "Next day", id="usage.day-after", group=_DAY),
        Binding("tab", "turn_tab", "Next tab", id="usage.tab"),
        Binding("t", "table", "Table", id="usage.table"),
        Binding("e", "export", "Export", id="usage.export"),
        Binding("p", "pick_month", "Pick a month", id="usage.pick-month", show=False),
        Binding("w", "pick_workspace", "Workspace", id="usage.workspace", show=False),
        Binding("d", "day", "Runs of this day", id="usage.day", show=False),
        Binding("pagedown,space", "scroll(1)", "Scroll down", id="usage.scroll-down", show=False),
        Binding("pageup", "scroll(-1)", "Scroll up", id="usage.scroll-up", show=False),
    ]
    HELP = "Runs, tokens and cost of a month, in the organization's timezone."

    month: reactive[str | None] = reactive(None, init=False, repaint=False)
    # The id of the workspace that everything is narrowed to, and its name.
    workspace: str | None = None
    workspace_name = ""
    tabled: reactive[bool] = reactive(False, init=False, repaint=False)
    selected: reactive[int | None] = reactive(None, init=False, repaint=False)

    def __init__(self) -> None:
        super().__init__()
        self._filled = {"runs"}

    def compose_section(self) -> ComposeResult:
        """Cards, tabs, and the part that is seen first."""
        yield StatsBar([Stat(label) for label in CARDS], id="cards")
        yield TabBar(TABS)
        yield Note()
        yield PARTS["runs"](id="runs")

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self.query_one("#runs").display = False

    # The question and its answer.

    async def ask(self, store: Store) -> UsageMonth:
        """The chosen month, the current one at first."""
        return await store.usage.month(self.month, self.workspace)

    def show(self, page: UsageMonth) -> None:
        """Render the month."""
        than = Month.parse(page.month).shift(-1).short.partition(" ")[0]
        self.query_one("#cards", StatsBar).stats = _cards(page.figures, page.previous, than)
        self._show_month(page)
        for part in self._parts():
            part.show(page)
            part.select(page, self._day(page))
        self._arrange()
        if self._nothing:
            self.trouble = Trouble(
                "empty",
                f"Nothing was recorded in {Month.parse(page.month).title}.",
                "Runs and model calls come in with: orgtui usage import FILE… --source litellm|n8n",
            )

    @property
    def _nothing(self) -> bool:
        """Whether the month holds no event at all: then there is nothing to draw, and the note says what to do."""
        now: Figures = self.page.figures
        return now.total_runs is None and now.total_tokens is None

    def watch_trouble(self, trouble: Trouble | None) -> None:
        """A note takes rows from the chart."""
        super().watch_trouble(trouble)
        for part in self.query(CostsPart):
            part.on_resize()

    def _day(self, page: UsageMonth) -> int:
        """The selected day, by index; the latest one until somebody selects."""
        latest = self._latest(page)
        return latest if self.selected is None else min(self.selected, latest)

    @staticmethod
    def _latest(page: UsageMonth) -> int:
        """By index; a server's word for how many have passed is no more than that."""
        return min(page.elapsed_days, len(page.daily_executions)) - 1

    def _parts(self) -> list[Part]:
        return [cast("Part", found) for name in PARTS for found in self.query(f"#{name}") if name in self._filled]

    def _show_month(self, page: UsageMonth) -> None:
        month, ink = Month.parse(page.month), Ink.of(self.app)
        title = month.short if self.has_class("-small") else month.title
        back = ("‹", ink.key) if page.month > page.earliest else (" ", ink.dim)
        forth = ("›", ink.key) if page.month < page.latest else (" ", ink.dim)
        self.query_one(Masthead).place = self.workspace_name
        self.query_one(Masthead).corner = Content.assemble(back, " ", (title, ink.text), " ", forth)

    def watch_selected(self) -> None:
        """Another day's figures."""
        if self.page is not None:
            for part in self._parts():
                part.select(self.page, self._day(self.page))

    def on_resize(self) -> None:
        """The month is written shorter where it is narrow."""
        if self.page is not None:
            self._show_month(self.page)

    # Tabs, charts and tables.

    @property
    def _seen(self) -> str:
        tab = ("runs", "costs")[self.query_one(TabBar).active]
        return f"{tab}-table" if self.tabled else tab

    def _arrange(self) -> None:
        """Show the part that is to be seen; mount it when it is seen for the first time."""
        if self.page is None:
            return
        seen = self._seen
        self.set_class(seen == "costs", "-costs")
        for name in PARTS:
            for part in self.query(f"#{name}"):
                part.display = name == seen and not self._nothing
        if seen not in self._filled:
            return
        if self.tabled:
            self.query_one(f"#{seen}", FilterTable).focus_rows()
        elif self.focused is None or not self.focused.display:
            self.query_one(Sidebar).focus()
        self.query_one(Foot).redraw()

    async def _reveal(self) -> None:
        """Arrange, and mount what is seen for the first time: keys typed ahead wait for it."""
        seen = self._seen
        if self.page is not None and not self.query(f"#{seen}"):
            await self._mount_part(seen)
        self._arrange()

    async def _mount_part(self, name: str) -> None:
        part = PARTS[name](id=name)
        with self.app.batch_update():
            await self.query_one(Body).mount(part)
            # Only now has it children to show a month with; and the month may be another by now.
            self._filled.add(name)
            part.show(self.page)
            part.select(self.page, self._day(self.page))

    @property
    def awaited(self) -> str:
        """The month that is on its way."""
        return Month.parse(self.month).title if self.month else self.title_text

    def hint(self, action: str) -> str | None:
        """The footer names the tab that tab leads to."""
        return self.query_one(TabBar).following if action == "turn_tab" else super().hint(action)

    def action_turn_tab(self) -> None:
        """The other tab."""
        self.query_one(TabBar).turn()

    @on(TabBar.Changed)
    async def _turned(self) -> None:
        await self._reveal()

    async def action_table(self) -> None:
        """Figures instead of the chart, or back."""
        if self.page is None:
            return
        self.tabled = not self.tabled
        await self._reveal()
        if not self.tabled:
            self.query_one(Sidebar).focus()

    # Days and months.

    def action_move_day(self, by: int) -> None:
        """The day before or after."""
        if self.page is not None:
            self.selected = max(0, min(self._latest(self.page), self._day(self.page) + by))

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
        self.month = month
        self.set_reactive(UsageScreen.selected, None)
        self.load()

    async def action_pick_month(self) -> None:
        """Choose from all months there are."""
        from orgtui.screens.dialogs.pick import Pick, months

        if self.page is None:
            return

        def go(month: str | None) -> None:
            if month is not None:
                self.go_to_month(month)

        page: UsageMonth = self.page
        await self.app.push_screen(Pick("Month", months(page.earliest, page.latest), page.month), go)

    @work(exclusive=True, group="workspace")
    async def action_pick_workspace(self) -> None:
        """Narrow everything to one workspace, or to none of them."""
        from orgtui.screens.dialogs.pick import Pick

        try:
            spaces = (await (await self.orgtui.store()).workspaces.show(archived=True)).workspaces
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        choices = [
            ("", "All workspaces"),
            *((space.id, f"{space.name} (archived)" if space.archived else space.name) for space in spaces),
            (UNASSIGNED, "No workspace"),
        ]
        chosen = await self.app.push_screen_wait(Pick("Workspace", choices, self.workspace or ""))
        if chosen is not None:
            self.workspace = chosen or None
            self.workspace_name = dict(choices)[chosen] if chosen else ""
            self.load()

    def action_enter_section(self) -> None:
        """Enter opens the selected day."""
        self.action_day()

    def action_day(self) -> None:
        """The selected day's runs by workflow."""
        if self.page is not None:
            self.open_day(self.page.daily_executions[self._day(self.page)].date)

    @on(FilterTable.Chosen)
    def _row_chosen(self, event: FilterTable.Chosen) -> None:
        if event.table.id == "runs-table":
            self.open_day(date.fromisoformat(event.key))

    @work
    async def open_day(self, day: date) -> None:
        """A day's runs by workflow."""
        from orgtui.screens.dialogs.day_runs import DayRuns

        try:
            rows = await (await self.orgtui.store()).usage.day(day, self.workspace)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        await self.app.push_screen_wait(DayRuns(day, rows))

    def action_scroll(self, by: int) -> None:
        """Where the terminal is too low for all of it."""
        body = self.query_one(Body)
        body.scroll_relative(y=by * max(1, body.size.height - 2), animate=False)

    async def action_export(self) -> None:
        """What is on the screen, as a file."""
        from orgtui.screens.dialogs.export import ExportDialog

        if self.page is None:
            return
        table = TABLES[self.query_one(TabBar).active]
        name = f"usage-{self.page.month}-{table.replace('_', '-')}"

        def say(said: str | None) -> None:
            if said:
                self.notify(said)

        await self.app.push_screen(ExportDialog(name, getattr(self.page, table)), say)


def _cards(now: Figures, before: Figures, than: str) -> tuple[Stat, ...]:
    used, used_before = now.ai_credits_used, before.ai_credits_used
    spent, spent_before = used.amount if used else None, used_before.amount if used_before else None
    changes = (
        figures.change(now.total_runs, before.total_runs, than),
        figures.points(now.success_rate, before.success_rate),
        figures.change(spent, spent_before, than),
        figures.change(now.total_tokens, before.total_tokens, than),
    )
    values = (
        figures.count(now.total_runs),
        figures.percent(now.success_rate),
        figures.cost(used),
        figures.compact(now.total_tokens),
    )
    return tuple(Stat(*card) for card in zip(CARDS, values, changes, strict=True))


SCREEN = UsageScreen
