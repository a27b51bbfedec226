"""The charts as they stand in the terminal: every test reads rendered cells of a running app."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from orgtui.themes import DARK, LIGHT, THEMES, Ink
from orgtui.widgets.bar_charts import MARKERS, Axis, Column, DailyBars, DayBar, RunsChart, SpendingChart, swatch

SUCCESSES = [42, 129, 149, 122, 127, 132, 40, 45, 134, 142, 98, 89, 88, 54, 52]
SUCCESSES += [93, 158, 157, 122, 134, 38, 32, 126, 98, 105, 110, 95, 44, 46, 149]
ERRORS = [3, 4, 2, 4, 0, 0, 0, 3, 4, 5, 4, 19, 8, 4, 0, 4, 3, 5, 11, 0, 4, 3, 3, 0, 4, 0, 4, 3, 0, 2]
EIGHTHS = " ▁▂▃▄▅▆▇█"
WIDE, NARROW = 65, 38


def runs(*days: tuple[int, int]) -> list[DayBar]:
    """Days from (success, error)."""
    first = date(2026, 11, 1)
    return [DayBar(first + timedelta(index), success, error) for index, (success, error) in enumerate(days)]


def month(days: dict[int, tuple[int, int]], length: int = 30) -> list[DayBar]:
    """A month of which only some days, counted from 1, have runs."""
    return runs(*(days.get(number, (0, 0)) for number in range(1, length + 1)))


NOVEMBER = runs(*zip(SUCCESSES, ERRORS, strict=True))


def spending(days: dict[int, Sequence[str]], length: int = 30) -> list[list[Decimal]]:
    return [[Decimal(value) for value in days.get(number, ())] for number in range(1, length + 1)]


class Bed(App[None]):
    """A chart and nothing else."""

    CSS = "Screen { background: $background; color: $foreground; }"

    def __init__(self, chart: DailyBars[Any], width: int, height: int, theme: str) -> None:
        super().__init__()
        for known in THEMES.values():
            self.register_theme(known)
        self.theme = theme
        self.chart = chart
        chart.styles.width, chart.styles.height = width, height
        self.heard: list[int] = []

    def compose(self) -> ComposeResult:
        yield self.chart

    def on_daily_bars_day_selected(self, message: DailyBars.DaySelected) -> None:
        assert message.control is self.chart
        self.heard.append(message.index)


@asynccontextmanager
async def shown(
    chart: DailyBars[Any], width: int = WIDE, height: int = 12, theme: str = "dark", **values: object
) -> AsyncIterator[tuple[Bed, Pilot[None]]]:
    """The chart in a running app."""
    app = Bed(chart, width, height, theme)
    async with app.run_test(size=(width + 2, height + 1)) as pilot:
        for name, value in values.items():
            setattr(chart, name, value)
        chart.focus()
        await pilot.pause()
        yield app, pilot


def live(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test."""

    @wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


Look = tuple[str, str | None, str | None]


def cells(chart: DailyBars[Any], y: int) -> list[Look]:
    """Character, colour and background of each cell of a row, as rendered."""

    def name(color: Any) -> str | None:
        return None if color is None else color.name if color.triplet is None else color.triplet.hex

    return [
        (char, name(segment.style.color), name(segment.style.bgcolor))
        for segment in chart.render_line(y)
        for char in segment.text
    ]


def rows(chart: DailyBars[Any]) -> list[str]:
    return [chart.render_line(y).text.rstrip() for y in range(chart.size.height)]


Grid = list[list[Look]]


def grid(chart: DailyBars[Any]) -> Grid:
    """The rows above the axis, from the base up."""
    return [cells(chart, y) for y in reversed(range(chart.size.height - 2))]


def bar(chart: DailyBars[Any], number: int, drawn: Grid | None = None) -> list[Look]:
    """The cells of a day from the base up, without rules and blanks above it."""
    x = chart._plan.x(number - 1)  # type: ignore[union-attr]
    column = [row[x] for row in drawn or grid(chart)]
    while column and column[-1][0] in " ┈":
        column.pop()
    return column


def glyphs(chart: DailyBars[Any], number: int, drawn: Grid | None = None) -> str:
    return "".join(char for char, _, _ in bar(chart, number, drawn))


# The axis.


@pytest.mark.parametrize(
    ("maximum", "height", "top", "step"),
    [
        ("162", 19, "200", "50"),
        ("162", 10, "200", "50"),
        ("162", 8, "200", "100"),
        ("11.2", 8, "12", "4"),
        ("11.2", 6, "12", "4"),
        ("0.19", 6, "0.2", "0.1"),
        ("0.22", 19, "0.25", "0.05"),
        ("225", 19, "250", "50"),
        ("0", 10, "2", "1"),
        ("1", 2, "1", "1"),
        ("100000000000000000000", 10, "100000000000000000000", "50000000000000000000"),
    ],
)
def test_the_axis_is_round(maximum: str, height: int, top: str, step: str) -> None:
    quantum = Fraction(1) if Fraction(maximum).denominator == 1 else Fraction(1, 100)
    assert Axis.over(Fraction(maximum), height, quantum) == Axis(Fraction(top), Fraction(step), height)


@given(st.fractions(0, 10**40), st.integers(2, 40), st.sampled_from([Fraction(1), Fraction(1, 100)]))
def test_the_axis_holds_its_maximum_and_its_ticks(maximum: Fraction, height: int, quantum: Fraction) -> None:
    axis = Axis.over(maximum, height, quantum)
    assert maximum <= axis.top
    assert axis.step >= quantum
    assert str(axis.step.numerator).strip("0") in {"1", "2", "4", "5", "25"}
    assert axis.ticks()[0] == 0
    assert axis.ticks()[-1] == axis.top
    places = [axis.height(tick, 1) for tick in axis.ticks()]
    assert len(set(places)) == len(places) <= 6
    assert height < 4 or all(later - earlier >= 2 for earlier, later in pairwise(places))


@live
async def test_ticks_rules_and_axis_stand_where_the_scale_says() -> None:
    chart = RunsChart()
    async with shown(chart, height=21, days=NOVEMBER):
        text = rows(chart)
        labels = {line[:4].strip(): y for y, line in enumerate(text) if line[:4].strip()}
        assert labels == {"200": 0, "150": 5, "100": 9, "50": 14, "0": 19}
        assert text[0] == "200 " + "┈" * 61
        assert text[19] == "  0 " + "─" * 61
        assert cells(chart, 0)[0][1] == DARK["dim"]
        assert cells(chart, 0)[4][1] == DARK["hair"]
        assert cells(chart, 19)[4][1] == DARK["hair"]


# Runs.


@live
async def test_a_month_of_runs() -> None:
    chart = RunsChart()
    async with shown(chart, days=NOVEMBER, selected=11):
        assert rows(chart) == [
            "200 ┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
            "         ·             ·             · ·                       ·",
            "150 ┈┈ · ▄ · ┈┈┈┈┈┈┈ · ▁ ┈┈┈┈┈┈┈┈┈┈┈ ▇ ▇ ┈┈┈┈┈┈┈ · ┈┈┈┈┈┈┈┈┈┈┈ ▄",
            "       ▄ █ ▁ ▃ ▅     ▆ █             █ █ ▒ ▆     ▂   ·         █",
            "       █ █ █ █ █     █ █ ·   ·     · █ █ █ █     █   ▂ ▄ ·     █",
            "100 ┈┈ █ █ █ █ █ ┈┈┈ █ █ ▇ ▒ ▃ ┈┈┈ ▅ █ █ █ █ ┈┈┈ █ ▇ █ █ ▆ ┈┈┈ █",
            "     · █ █ █ █ █   · █ █ █ █ █ ·   █ █ █ █ █     █ █ █ █ █ ·   █",
            " 50  ▁ █ █ █ █ █ ┈ ▂ █ █ █ █ █ ▆ ▅ █ █ █ █ █ · · █ █ █ █ █ ▂ ▂ █",
            "     █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ ▇ ▅ █ █ █ █ █ █ █ █",
            "     █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █",
            "  0 ───────────────────────━─────────────────────────────────────",
            "     1       5             12    15        20        25        30",
        ]


@live
async def test_a_narrow_month_of_runs() -> None:
    chart = RunsChart()
    async with shown(chart, NARROW, 10, days=NOVEMBER, selected=11):
        assert rows(chart) == [
            "200 ┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
            "       ·      ·      ··           ·",
            "      ·▌·    ·▌      ▌▌·   ·      ▌",
            "      ▌▌▌▌▌  ▌▌· ·  ·▌▌▌▌  ▌ · ·  ▌",
            "100 ┈ ▌▌▌▌▌  ▌▌▌▒▌  ▌▌▌▌▌  ▌▌▌▌▌  ▌",
            "     ·▌▌▌▌▌ ·▌▌▌▌▌· ▌▌▌▌▌· ▌▌▌▌▌· ▌",
            "     ▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌·▌▌▌▌▌▌▌▌",
            "     ▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌▌",
            "  0 ────────────━──────────────────",
            "     1   5      12      20   25   30",
        ]


@live
async def test_runs_wear_their_tokens() -> None:
    for theme, tokens in (("dark", DARK), ("light", LIGHT)):
        chart = RunsChart()
        async with shown(chart, theme=theme, days=month({2: (160, 30), 3: (55, 9), 4: (200, 0)})):
            ground = tokens["ground"]
            assert bar(chart, 2) == [("█", tokens["ok"], ground)] * 8 + [("▒", tokens["err"], ground)] * 2
            assert bar(chart, 3)[-2:] == [("▆", tokens["ok"], ground), ("·", tokens["err"], ground)]


@live
async def test_half_a_row_of_errors_is_a_cell_and_less_is_a_crumb() -> None:
    chart = RunsChart()
    # Ten rows over 200: half a row is ten errors.
    async with shown(chart, days=month({1: (200, 0), 2: (100, 10), 3: (100, 9), 4: (0, 1), 5: (0, 10), 6: (8, 0)})):
        assert chart.few == 10
        assert glyphs(chart, 2) == "█████▒"
        assert glyphs(chart, 3) == "█████·"
        assert glyphs(chart, 4) == "·"
        assert glyphs(chart, 5) == "▒"
        assert glyphs(chart, 6) == "▃"
        assert [entry.plain for entry in chart.legend()] == ["█ success", "▒ error", "· fewer than 10"]


@live
async def test_few_follows_the_height() -> None:
    chart = RunsChart()
    seen: list[int] = []

    def legend_again(few: int) -> None:
        seen.append(few)

    async with shown(chart, height=21, days=NOVEMBER) as (app, pilot):
        app.watch(chart, "few", legend_again)
        chart.styles.height = 12
        await pilot.pause()
        assert seen == [6, 10]


@live
async def test_the_legend_names_no_crumb_where_none_can_be() -> None:
    chart = RunsChart()
    async with shown(chart, NARROW, days=month({1: (10, 2)})):
        assert [entry.plain for entry in chart.legend()] == ["▌ success", "▒ error"]


@live
async def test_the_scale_leaves_room_for_a_crumb_on_the_highest_bar() -> None:
    chart = RunsChart()
    async with shown(chart, days=month({1: (199, 1)})):
        assert rows(chart)[0].startswith("250 ")
        assert glyphs(chart, 1) == "████████·"


@live
async def test_what_is_still_to_come_draws_nothing() -> None:
    chart = RunsChart()
    async with shown(chart, days=NOVEMBER, elapsed=12):
        assert glyphs(chart, 12).endswith("▒")
        assert all(glyphs(chart, number) == "" for number in range(13, 31))
        assert rows(chart)[-1].split() == ["1", "5", "10", "15", "20", "25", "30"]
        chart.elapsed = 0
        assert all(glyphs(chart, number) == "" for number in range(1, 31))
        chart.elapsed = None
        assert glyphs(chart, 30).endswith("·")


@pytest.mark.parametrize(
    ("chart", "days", "labels"),
    [
        (RunsChart, month({}, 28), ["2", "1", "0"]),
        (SpendingChart, spending({}, 28), ["€0.02", "€0.01", "€0.00"]),
    ],
)
@live
async def test_an_empty_month_is_an_axis(chart: type[DailyBars[Any]], days: Any, labels: list[str]) -> None:
    async with shown(chart(), days=days) as (app, _):
        text = rows(app.chart)
        assert [line[:6].strip(" ┈─") for line in text[:-1] if line.strip()] == labels
        assert set("".join(text[:-1])) <= set("".join(labels)) | set(" ┈─")
        assert text[-1].split() == ["1", "5", "10", "15", "20", "25", "28"]


@live
async def test_without_data_nothing_is_plotted(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = RunsChart()
    built: list[int] = []
    build = chart.plt.build
    monkeypatch.setattr(chart.plt, "build", lambda: built.append(1) or build())
    async with shown(chart) as (_, pilot):
        assert rows(chart) == [""] * 12
        await pilot.press("left", "right", "home", "end")
        await pilot.click(chart, offset=(20, 5))
        assert not built
        assert chart.selected is None
        # A plot that was once drawn without data keeps its limits, were it not cleared.
        chart.days = NOVEMBER
        await pilot.pause()
        assert rows(chart)[0].startswith("200 ┈")
        assert len(built) == 1
        chart.days = ()
        assert rows(chart) == [""] * 12


@live
async def test_bars_are_exact_to_an_eighth() -> None:
    chart = RunsChart()
    async with shown(chart, 72, days=month({})):

        @settings(max_examples=25, deadline=None)
        @given(st.lists(st.integers(0, 10**12), min_size=28, max_size=31))
        def exact(successes: list[int]) -> None:
            chart.days = runs(*((success, 0) for success in successes))
            axis = chart._plan.axis  # type: ignore[union-attr]
            assert axis.top >= max(successes)
            drawn = grid(chart)
            for number, success in enumerate(successes, 1):
                height = sum(EIGHTHS.index(glyph) for glyph in glyphs(chart, number, drawn))
                assert height == math.floor(Fraction(success * 10 * 8) / axis.top + Fraction(1, 2))

        exact()


@live
async def test_errors_stand_on_successes_and_both_add_up() -> None:
    chart = RunsChart()
    async with shown(chart, 72, days=month({})):

        @settings(max_examples=25, deadline=None)
        @given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 90)), min_size=28, max_size=31))
        def stacked(days: list[tuple[int, int]]) -> None:
            chart.days = runs(*days)
            row = chart._plan.axis.top / 10  # type: ignore[union-attr]
            rows_drawn = grid(chart)
            for number, (success, error) in enumerate(days, 1):
                drawn = glyphs(chart, number, rows_drawn)
                assert drawn.rstrip("·▒").rstrip("▁▂▃▄▅▆▇").strip("█") == ""
                assert ("·" in drawn) == (0 < error < row / 2)
                assert drawn.count("▒") == math.floor(error / row + Fraction(1, 2))
                if "▒" in drawn:
                    assert len(drawn) == math.floor((success + error) / row + Fraction(1, 2))

        stacked()


# Spending.


def models(chart: DailyBars[Any], number: int, drawn: Grid, tokens: dict[str, str]) -> list[tuple[int, int]]:
    """A day's models from the base up, as (rank, eighths)."""
    ranks = {tokens[f"model{rank}"]: rank for rank in range(1, 6)}
    parts: list[tuple[int, int]] = []
    for glyph, front, behind in bar(chart, number, drawn):
        parts.append((ranks[front or ""], EIGHTHS.index(glyph)))
        if behind != tokens["ground"]:
            parts.append((ranks[behind or ""], 8 - EIGHTHS.index(glyph)))
    return parts


@live
async def test_a_boundary_shows_both_models() -> None:
    chart = SpendingChart()
    days = spending({1: ["5", "3"], 2: ["10"], 3: ["0", "0", "1.5"], 4: ["0.7", "0.3", "1"], 5: ["1.5", "0.13", "8"]})
    async with shown(chart, days=days):
        one, two, three, ground = DARK["model1"], DARK["model2"], DARK["model3"], DARK["ground"]
        assert rows(chart)[0].startswith("€10 ┈")
        assert bar(chart, 1) == [("█", one, ground)] * 5 + [("█", two, ground)] * 3
        assert bar(chart, 2) == [("█", one, ground)] * 10
        assert bar(chart, 3) == [("█", three, ground), ("▄", three, ground)]
        assert bar(chart, 4) == [("▆", one, two), ("█", three, ground)]
        # Three models in one cell: the two that fill most of it.
        assert bar(chart, 5)[:3] == [("█", one, ground), ("▄", one, three), ("█", three, ground)]


@live
async def test_a_top_cell_belongs_to_the_model_that_fills_most_of_it() -> None:
    chart = SpendingChart()
    async with shown(chart, days=spending({1: ["10"], 2: ["1.25", "0.5"], 3: ["1.5", "0.25"]})):
        assert bar(chart, 2)[-1] == ("▆", DARK["model2"], DARK["ground"])
        assert bar(chart, 3)[-1] == ("▆", DARK["model1"], DARK["ground"])


AMOUNTS = st.lists(
    st.lists(st.decimals(0, 10**6, places=6), min_size=0, max_size=5),
    min_size=28,
    max_size=31,
)


@live
async def test_stacks_are_exact_and_in_order() -> None:
    chart = SpendingChart()
    async with shown(chart, 72, days=spending({})):

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(AMOUNTS)
        def exact(days: list[list[Decimal]]) -> None:
            chart.days = days
            axis = chart._plan.axis  # type: ignore[union-attr]
            assert axis.top >= max(sum(map(Fraction, day), Fraction(0)) for day in days)
            rows_drawn = grid(chart)
            for number, day in enumerate(days, 1):
                drawn = models(chart, number, rows_drawn, DARK)
                total = sum(map(Fraction, day), Fraction(0))
                height = sum(size for _, size in drawn)
                assert height == math.floor(total * 80 / axis.top + Fraction(1, 2))
                assert [rank for rank, _ in drawn] == sorted(rank for rank, _ in drawn)
                for rank, _size in drawn:
                    assert day[rank - 1] > 0

        exact()


@live
async def test_markers_tell_models_apart_where_colours_do_not() -> None:
    chart = SpendingChart()
    day = ["3", "2.4", "1.8", "1.2", "1"]
    async with shown(chart, theme="ansi", days=spending({1: ["10"], 2: day, 3: ["2", "1.1", "0.2"], 4: ["0.1"]})):
        assert glyphs(chart, 2) == "███▓▓▒▒░∙"
        hues = [6] * 3 + [5] * 2 + [2] * 2 + [3] + [7]
        assert [style for _, style, _ in bar(chart, 2)] == [f"color({hue})" for hue in hues]
        # The last model is less than half a row: it lies on the bar. So does one that is all there is.
        assert glyphs(chart, 3) == "██▓∙"
        assert glyphs(chart, 4) == "∙"
        assert not {"▁", "▂", "▃", "▄", "▅", "▆", "▇"} & set("".join(rows(chart)))


@pytest.mark.parametrize(("theme", "width"), [("ansi", 72), ("ansi", 40), ("dark", 40)])
@live
async def test_whole_cells_add_up(theme: str, width: int) -> None:
    chart = SpendingChart()
    async with shown(chart, width, theme=theme, days=spending({})):

        @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(AMOUNTS)
        def whole(days: list[list[Decimal]]) -> None:
            chart.days = days
            row = chart._plan.axis.top / 10  # type: ignore[union-attr]
            rows_drawn = grid(chart)
            for number, day in enumerate(days, 1):
                total = sum(map(Fraction, day), Fraction(0))
                height = math.floor(total / row + Fraction(1, 2))
                drawn = glyphs(chart, number, rows_drawn)
                assert drawn[height:] in {"", "∙"}
                assert len(drawn) >= height
                assert bool(total) == bool(drawn)

        whole()


@live
async def test_narrow_spending() -> None:
    chart = SpendingChart()
    async with shown(chart, NARROW, days=spending({1: ["6", "4"], 2: ["1", "1.6"], 3: ["2", "0.1"]})):
        assert glyphs(chart, 1) == "▌" * 10
        assert glyphs(chart, 2) == "▌▌▌"
        assert [front for _, front, _ in bar(chart, 3)] == [DARK["model1"]] * 2 + [DARK["model2"]]
    chart = SpendingChart()
    async with shown(chart, NARROW, theme="ansi", days=spending({1: ["6", "4"]})):
        assert glyphs(chart, 1) == "██████▓▓▓▓"


@pytest.mark.parametrize(
    ("amount", "currency", "labels"),
    [
        ("11", "EUR", ["€12", "€8", "€4", "€0"]),
        ("0.18", "EUR", ["€0.20", "€0.15", "€0.10", "€0.05", "€0.00"]),
        ("1.8", "USD", ["$2.00", "$1.50", "$1.00", "$0.50", "$0.00"]),
        ("1.2", "JPY", ["¥2", "¥1", "¥0"]),
        ("900", "GBP", ["£1K", "£0.5K", "£0"]),
        ("18000", "EUR", ["€20K", "€15K", "€10K", "€5K", "€0"]),
        ("1800000", "EUR", ["€2M", "€1.5M", "€1M", "€0.5M", "€0"]),
        ("11", "CHF", ["12", "8", "4", "0"]),
    ],
)
@live
async def test_ticks_of_money(amount: str, currency: str, labels: list[str]) -> None:
    chart = SpendingChart()
    async with shown(chart, days=spending({9: [amount]}), currency=currency):
        assert [line[:8].strip(" ┈─") for line in rows(chart)[:-1] if line[:4].strip(" ┈")] == labels


@live
async def test_ticks_of_runs() -> None:
    chart = RunsChart()
    async with shown(chart, days=month({9: (9000, 0)})):
        assert rows(chart)[0].startswith("10K ")
        chart.days = month({9: (7000, 0)})
        assert rows(chart)[0].startswith("8,000 ")
        chart.days = month({9: (2 * 10**30, 0)})
        assert rows(chart)[0].strip().startswith("2e+18T ")


@live
async def test_refunds_draw_nothing() -> None:
    chart = SpendingChart()
    async with shown(chart, days=spending({1: ["4", "-3"], 2: ["-1"]})):
        assert rows(chart)[0].startswith("€4 ")
        assert len(glyphs(chart, 1)) == 10
        assert glyphs(chart, 2) == ""


def test_a_sixth_model_has_no_colour() -> None:
    with pytest.raises(ValueError, match="merge"):
        SpendingChart().days = [[Decimal(1)] * 6]


@pytest.mark.parametrize("theme", ["dark", "ansi"])
@live
async def test_swatches_match_the_bars(theme: str) -> None:
    chart = SpendingChart()
    days = spending({1: ["2", "2", "2", "2", "2"]})
    async with shown(chart, theme=theme, days=days, labels=["a", "b", "c", "d", "e"]) as (app, _):
        ink = Ink.of(app)
        drawn = [swatch(ink, rank) for rank in range(1, 6)]
        assert [content.plain[0] for content in drawn] == list(glyphs(chart, 1)[::2])
        assert (
            [content.plain for content in drawn] == ["██"] * 5 if theme == "dark" else [glyph * 2 for glyph in MARKERS]
        )
        assert [content.spans[0].style for content in drawn] == list(ink.models)
        assert [entry.plain for entry in chart.legend()] == [
            f"{content.plain[0]} {label}" for content, label in zip(drawn, "abcde", strict=True)
        ]


@live
async def test_a_change_of_theme_redraws() -> None:
    chart = SpendingChart()
    async with shown(chart, days=spending({1: ["5", "5"]})) as (app, pilot):
        assert bar(chart, 1)[0] == ("█", DARK["model1"], DARK["ground"])
        app.theme = "light"
        await pilot.pause()
        assert bar(chart, 1)[0] == ("█", LIGHT["model1"], LIGHT["ground"])
        app.theme = "ansi"
        await pilot.pause()
        assert glyphs(chart, 1) == "█████▓▓▓▓▓"


# Cells in which a bar changes.


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_cells_that_are_split_keep_the_order_and_the_height(heights: list[int]) -> None:
    ends = tuple(sum(heights[: count + 1]) for count in range(len(heights)))
    split = list(Column(ends).split_cells())
    assert [row for row, *_ in split] == sorted({end // 8 for end in ends if end % 8})
    for row, glyph, front, behind in split:
        assert glyph in "▁▂▃▄▅▆▇"
        assert heights[front]
        if behind is None:
            assert row * 8 + EIGHTHS.index(glyph) == ends[-1]
        else:
            assert front < behind
            assert heights[behind]


# Selecting a day.


@pytest.mark.parametrize(
    ("selected", "length", "labels"),
    [
        (None, 30, "1 5 10 15 20 25 30"),
        (None, 28, "1 5 10 15 20 25 28"),
        (None, 31, "1 5 10 15 20 25 31"),
        (0, 30, "1 5 10 15 20 25 30"),
        (1, 30, "2 5 10 15 20 25 30"),
        (2, 30, "1 3 5 10 15 20 25 30"),
        (11, 30, "1 5 12 15 20 25 30"),
        (13, 30, "1 5 10 14 20 25 30"),
        (28, 30, "1 5 10 15 20 25 29"),
        (29, 30, "1 5 10 15 20 25 30"),
        (40, 30, "1 5 10 15 20 25 30"),
    ],
)
@live
async def test_labels_make_room_for_the_selected_day(selected: int | None, length: int, labels: str) -> None:
    chart = RunsChart()
    async with shown(chart, 72, days=month({1: (90, 0)}, length), selected=selected):
        assert rows(chart)[-1].split() == labels.split()
        bold = {segment.text.strip() for segment in chart.render_line(11) if segment.style.bold}
        assert bold == ({str(selected + 1)} if selected is not None and selected < length else set())
        marks = [(x, cell[1]) for x, cell in enumerate(cells(chart, 10)) if cell[0] == "━"]
        assert marks == ([(5 + 2 * selected, DARK["accent"])] if bold and selected is not None else [])


@pytest.mark.parametrize(
    ("length", "labels"), [(28, "1 5 10 15 20 28"), (29, "1 5 10 15 20 29"), (31, "1 5 10 15 20 25 31")]
)
@live
async def test_labels_of_a_narrow_month_keep_apart(length: int, labels: str) -> None:
    chart = RunsChart()
    async with shown(chart, NARROW, days=month({1: (90, 0)}, length)):
        assert rows(chart)[-1].split() == labels.split()


@pytest.mark.parametrize(("width", "start", "pitch"), [(66, 5, 2), (65, 5, 2), (64, 5, 2), (63, 4, 2), (62, 5, 1)])
@live
async def test_a_tight_chart_gives_up_its_blanks_before_its_gaps(width: int, start: int, pitch: int) -> None:
    chart = RunsChart()
    async with shown(chart, width, days=NOVEMBER, selected=29):
        mark = cells(chart, 10)[start + 29 * pitch][0]
        assert mark == "━"
        assert rows(chart)[-1].endswith("30")


@live
async def test_keys_move_the_selected_day() -> None:
    chart = RunsChart()
    async with shown(chart, days=NOVEMBER, elapsed=20) as (app, pilot):
        for key, selected in {
            "left": 19, "h": 18, "right": 19, "l": 19, "home": 0, "end": 19,
        }.items():  # fmt: skip
            await pilot.press(key)
            assert chart.selected == selected
        await pilot.press("home", "left")
        assert chart.selected == 0
        # What does not move says nothing.
        assert app.heard == [19, 18, 19, 0, 19, 0]
        chart.selected = 5
        await pilot.pause()
        assert app.heard[-1] == 0


@live
async def test_a_click_selects_the_column() -> None:
    for width, pitch in ((WIDE, 2), (NARROW, 1)):
        chart = RunsChart()
        async with shown(chart, width, days=NOVEMBER, elapsed=20) as (app, pilot):
            await pilot.click(chart, offset=(5 + 7 * pitch, 3))
            assert chart.selected == 7
            await pilot.click(chart, offset=(5 + 7 * pitch + pitch - 1, 11))
            assert chart.selected == 7
            for beside in ((2, 3), (4, 3), (5 + 20 * pitch, 3), (width - 1, 3)):
                await pilot.click(chart, offset=beside)
                assert chart.selected == 7
            assert app.heard == [7]


@live
async def test_nothing_that_has_begun_nothing_to_select() -> None:
    chart = RunsChart()
    async with shown(chart, days=NOVEMBER, elapsed=0) as (app, pilot):
        await pilot.press("left", "right", "home", "end")
        assert (chart.selected, app.heard) == (None, [])


@live
async def test_moving_the_day_sends_little_and_plots_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = SpendingChart()
    values = [["4.5", "2.1", "1", "0.4", "0.2"]] * 30
    days = spending(dict(enumerate(values, 1)))
    async with shown(chart, height=21, days=days, selected=14) as (app, pilot):
        await pilot.pause()
        sent: list[int] = []

        def display(_screen: object, update: Any) -> None:
            if update is not None:
                sent.append(len(update.render_segments(app.console).encode()))

        def build() -> str:
            raise AssertionError("plotted again")

        monkeypatch.setattr(app, "_display", display)
        monkeypatch.setattr(chart.plt, "build", build)
        for key in ("left", "right", "right", "home", "end"):
            before = rows(chart)
            sent.clear()
            await pilot.press(key)
            await pilot.pause()
            assert 0 < sum(sent) < 1000, (key, sent)
            changed = [y for y, (old, new) in enumerate(zip(before, rows(chart), strict=True)) if old != new]
            assert set(changed) <= {19, 20}


@live
async def test_data_is_plotted_once() -> None:
    chart = RunsChart()
    built: list[int] = []
    async with shown(chart) as (app, pilot):
        build = chart.plt.build
        chart.plt.build = lambda: built.append(1) or build()  # type: ignore[method-assign,func-returns-value]
        chart.days, chart.elapsed, chart.selected = NOVEMBER, 20, 3
        await pilot.pause()
        chart.refresh()
        await pilot.pause()
        assert len(built) == 1
        first = rows(chart)
        chart.days = list(reversed(NOVEMBER))
        await pilot.pause()
        chart.days = NOVEMBER
        await pilot.pause()
        assert rows(chart) == first
        assert "Thu" not in app.export_screenshot()


@live
async def test_the_plot_is_the_widgets_size_not_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "9")
    chart = RunsChart()
    async with shown(chart, height=21, days=month({30: (200, 0)})):
        assert glyphs(chart, 30) == "█" * 19


@live
async def test_the_callers_list_stays_the_callers() -> None:
    chart, days = RunsChart(), list(NOVEMBER)
    async with shown(chart, days=days):
        before = rows(chart)
        days.clear()
        chart.elapsed = 30
        assert rows(chart) == before


def test_bindings_can_be_found_and_remapped() -> None:
    bindings = [binding for keys in RunsChart._merged_bindings.key_to_bindings.values() for binding in keys]  # type: ignore[union-attr]
    ids = {binding.id: binding.key for binding in bindings}
    assert ids == {
        "usage.previous-day": "left",
        "usage.next-day": "right",
        "usage.previous-day-letter": "h",
        "usage.next-day-letter": "l",
        "usage.first-day": "home",
        "usage.last-day": "end",
    }
    shown_ones = [binding for binding in bindings if binding.show]
    assert [(binding.key, binding.description) for binding in shown_ones] == [("left", "Day"), ("right", "Day")]
    assert len({binding.group for binding in shown_ones}) == 1


# Any data, any size.


AWKWARD = [runs(*[(0, 0)] * 28), runs(*[(0, 7)] * 29), runs(*[(10**18, 10**17)] * 30), runs((1, 0), *[(0, 1)] * 30)]
SPENT = [[[Decimal(day.success) / 7, Decimal(day.error) / 3] for day in days] for days in AWKWARD]
SIZES = [(20, 4), (33, 40), (47, 5), (66, 6), (80, 9), (200, 4), (9, 7), (5, 3), (0, 9)]


@pytest.mark.parametrize(
    ("chart", "months", "theme"),
    [(RunsChart, AWKWARD, "dark"), (SpendingChart, SPENT, "dark"), (SpendingChart, SPENT, "ansi")],
)
@live
async def test_no_size_breaks_a_chart(chart: type[DailyBars[Any]], months: list[Any], theme: str) -> None:
    async with shown(chart(), 200, 40, theme=theme) as (app, pilot):
        for width, height in SIZES:
            app.chart.styles.width, app.chart.styles.height = width, height
            await pilot.pause()
            assert app.chart.size == (width, height)
            for number, days in enumerate(months):
                app.chart.days, app.chart.selected = days, number * 9
                assert [app.chart.render_line(y).cell_length for y in range(height)] == [width] * height


@live
async def test_the_whole_chart_as_text() -> None:
    chart = RunsChart()
    async with shown(chart, days=NOVEMBER):
        assert [line.rstrip() for line in chart.render().splitlines()] == rows(chart)
