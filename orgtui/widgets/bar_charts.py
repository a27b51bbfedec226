"""The charts of a month: a bar a day, plotted by plotext, with the tops, marks and days it cannot draw drawn over it.

plotext plots in rows of the terminal: it places ticks, rules and whole cells, one marker a series. Its canvas is read
back as text, each marker takes its token's style, and cells in which a bar ends are replaced by eighths. The two rows
below the baseline depend on the selected day alone, so moving it neither plots nor repaints anything above them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.style import Style
from textual.theme import Theme
from textual_plotext import PlotextPlot

from orgtui.domain.money import ZERO, Cost, exponent
from orgtui.themes import MODELS, Ink

# One a rank. They are what plotext plots with, and what is shown where colours cannot tell models apart.
MARKERS = "█▓▒░∙"
_EIGHTHS = " ▁▂▃▄▅▆▇"
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_HALF = Fraction(1, 2)
# The axis and the labels of the days.
_FEET = 2
_NARROWEST = 8
# Labels of days need this many blank cells between them to read as separate figures.
_APART = 3
_DAY = Binding.Group("Day")

Cell = tuple[str, Style]
Day = TypeVar("Day")


@dataclass(frozen=True, slots=True)
class DayBar:
    """A day's runs."""

    day: date
    success: int
    error: int

    @property
    def runs(self) -> int:
        """Both outcomes."""
        return self.success + self.error


@dataclass(frozen=True, slots=True)
class Axis:
    """A round scale from zero to `top` over `rows` rows, with a tick every `step`."""

    top: Fraction
    step: Fraction
    rows: int

    @classmethod
    def over(cls, maximum: Fraction, rows: int, quantum: Fraction) -> Axis:
        """The lowest round top that holds *maximum*, cut finely but with room for its ticks; steps are ≥ *quantum*."""

        def worth(count: int) -> tuple[Fraction, bool, int]:
            return steps[count] * count, 2 * rows < 5 * count, (4, 3, 5, 2, 1).index(count)

        counts = [count for count in (2, 3, 4, 5) if rows >= 2 * count] or [1]
        steps = {count: _round_up(max(maximum / count, quantum)) for count in counts}
        best = min(counts, key=worth)
        return cls(steps[best] * best, steps[best], rows)

    def height(self, value: Fraction, parts: int = 8) -> int:
        """How many *parts* of a row *value* is high, half up."""
        return math.floor(value * self.rows * parts / self.top + _HALF)

    def ticks(self) -> list[Fraction]:
        """From zero to the top."""
        return [self.step * index for index in range(int(self.top / self.step) + 1)]


def _round_up(value: Fraction) -> Fraction:
    """The next 1, 2, 4 or 5 of a power of ten."""
    # A logarithm is not exact next to a power of ten: the neighbours make up for it.
    power = math.floor(math.log10(value.numerator) - math.log10(value.denominator))
    round_values = [digit * Fraction(10) ** (power + shift) for shift in (-1, 0, 1) for digit in (1, 2, 4, 5)]
    return next(candidate for candidate in round_values if candidate >= value)


@dataclass(frozen=True, slots=True)
class Column:
    """A day's bar: where each series ends, in eighths above the baseline, and the series that lies on it as a crumb."""

    ends: tuple[int, ...]
    crumb: int | None = None

    @property
    def cells(self) -> int:
        """Rows that the bar touches, without its crumb."""
        return -(-self.ends[-1] // 8)

    def split_cells(self) -> Iterator[tuple[int, str, int, int | None]]:
        """What whole cells cannot show, as (row, glyph, series, series behind it or None)."""
        for row in sorted({end // 8 for end in self.ends if end % 8}):
            floor = row * 8
            starts = (0, *self.ends)
            shares = [min(end, floor + 8) - max(start, floor) for start, end in zip(starts, self.ends, strict=False)]
            largest = sorted(range(len(shares)), key=lambda series: -shares[series])
            if self.ends[-1] < floor + 8:
                yield row, _EIGHTHS[self.ends[-1] - floor], largest[0], None
            else:
                lower, upper = sorted(largest[:2])
                yield row, _EIGHTHS[self.ends[lower] - floor], lower, upper


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything goes: the scale and its labels, the columns of the bars, and the columns of the terminal."""

    ink: Ink
    axis: Axis
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    pitch: int
    lead: int
    room: int

    @classmethod
    def fit(cls, ink: Ink, axis: Axis, labels: tuple[str, ...], days: int, room: int) -> Plan:
        """Without its columns yet: two cells a day if *room* has them, then a blank at either end if it has those."""
        spare = room - (len(max(labels, key=len)) + 1) - (2 * days - 1)
        return cls(ink, axis, labels, (), 2 if spare >= 0 else 1, 0 if spare == 0 else 1, room)

    @property
    def left(self) -> int:
        """Where the canvas starts, right of the labels and a blank."""
        return len(max(self.labels, key=len)) + 1

    @property
    def width(self) -> int:
        """The canvas; in the wide form the last day's gap belongs to it."""
        return min(self.lead + self.pitch * len(self.columns), max(self.room - self.left, 2))

    def x(self, index: int) -> int:
        """The day's column."""
        return self.left + self.lead + index * self.pitch

    def shows(self, index: int) -> bool:
        """Whether there is such a day and room for its bar."""
        return 0 <= index < len(self.columns) and self.x(index) < self.left + self.width

    def label(self, index: int) -> range:
        """The columns of the day's label: from its bar on, as far as there is room."""
        figures = len(str(index + 1))
        start = min(self.x(index), self.room - figures)
        return range(start, start + figures)

    def day_at(self, x: int) -> int:
        """The day whose bar, or the gap right of it, is at *x*; out of range beside the bars."""
        return (x - self.left - self.lead) // self.pitch


class DailyBars(PlotextPlot, Generic[Day], can_focus=True):
    """A month of bars, one of whose days can be selected. Subclasses say what a day's bar is made of."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("left", "move(-1)", "Day", tooltip="Previous day", id="usage.previous-day", group=_DAY),
        Binding("right", "move(1)", "Day", tooltip="Next day", id="usage.next-day", group=_DAY),
        # Apart from the arrows, or a footer that lists a group's keys would list these too.
        Binding("h", "move(-1)", "Previous day", show=False, id="usage.previous-day-letter"),
        Binding("l", "move(1)", "Next day", show=False, id="usage.next-day-letter"),
        Binding("home", "first", "First day", show=False, id="usage.first-day"),
        Binding("end", "last", "Last day", show=False, id="usage.last-day"),
    ]
    CRUMB = "·"
    EXACT_BELOW = 10_000

    days: reactive[Sequence[Day]] = reactive[Sequence[Day]]((), repaint=False)
    """A value a day, from the first of the month to its last; empty while there is nothing to draw yet."""
    elapsed: reactive[int | None] = reactive[int | None](None, repaint=False)
    """Days that have begun; later ones draw no bar and cannot be selected. None: all."""
    selected: reactive[int | None] = reactive[int | None](None, repaint=False)
    """Index of the selected day. Set it freely; only the user's own choice posts `DaySelected`."""

    class DaySelected(Message):
        """The user selected a day."""

        def __init__(self, chart: DailyBars[Any], index: int) -> None:
            super().__init__()
            self.chart = chart
            self.index = index

        @property
        def control(self) -> DailyBars[Any]:
            return self.chart

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.theme = "clear"
        self._plan: Plan | None = None
        self._plotted: list[list[Cell]] = []
        self._feet: list[list[Cell]] = []

    # What a subclass says.

    @abstractmethod
    def series(self, ink: Ink, narrow: bool) -> Sequence[Cell]:
        """Glyph and style of each series, from the base up; *narrow* is pitch 1."""

    @abstractmethod
    def maximum(self) -> Fraction:
        """The highest day."""

    @abstractmethod
    def quantum(self) -> Fraction:
        """The least step of the axis."""

    @abstractmethod
    def column(self, day: Day, axis: Axis, whole: bool) -> Column:
        """A day's bar, in whole rows if the chart can only draw such."""

    @abstractmethod
    def tick(self, value: Fraction, axis: Axis) -> str:
        """The label of a tick."""

    def figures(self, value: Fraction, axis: Axis, digits: int = 0) -> str:
        """`150`, `0.05`, `20K`: one unit for the whole axis."""
        if value and axis.top >= self.EXACT_BELOW:
            size, unit = next(pair for pair in _UNITS if axis.top >= pair[0])
            return f"{float(value / size):g}{unit}"
        return f"{float(value):,.{digits}f}"

    def whole(self, ink: Ink) -> bool:
        """Whether bars are made of whole cells even where there is room for the wide form."""
        return False

    # Planning: cheap, at each change of data, size or theme.

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _theme: Theme) -> None:
        self._replan()

    def on_resize(self) -> None:
        self._replan()

    def validate_days(self, days: Sequence[Day]) -> Sequence[Day]:
        return tuple(days)

    def watch_days(self) -> None:
        self._replan()

    def watch_elapsed(self) -> None:
        self._replan()

    def _replan(self) -> None:
        """Lay the chart out anew; it is plotted when a line of it is next asked for."""
        self._plotted = []
        self._plan = None
        if self.days and self.size.height >= _FEET + 2 and self.size.width >= _NARROWEST:
            self._plan = self._make_plan(Ink.of(self.app))
        self.refresh()

    def _make_plan(self, ink: Ink) -> Plan:
        rows = self.size.height - _FEET
        maximum = self.maximum()
        while True:
            axis = Axis.over(maximum, rows, self.quantum())
            labels = tuple(self.tick(value, axis) for value in axis.ticks())
            plan = self._with_columns(Plan.fit(ink, axis, labels, len(self.days), self.size.width))
            if all(column.cells + (column.crumb is not None) <= rows for column in plan.columns):
                return plan
            # A crumb lies on a bar that reaches the top: the next round scale has room for it.
            maximum = axis.top + self.quantum()

    def _with_columns(self, plan: Plan) -> Plan:
        whole = plan.pitch == 1 or self.whole(plan.ink)
        begun = [self.column(day, plan.axis, whole) for day in self.days[: self._begun]]
        future = [Column((0,) * len(self.series(plan.ink, False)))] * (len(self.days) - len(begun))
        return replace(plan, columns=(*begun, *future))

    @property
    def _begun(self) -> int:
        return len(self.days) if self.elapsed is None else min(max(self.elapsed, 0), len(self.days))

    # Drawing: the plot once a plan, the feet once a selection.

    def _canvas(self, plan: Plan) -> list[str]:
        """plotext's canvas as text, the axis last."""
        plt, rows = self.plt, plan.axis.rows
        # Without this the limits of the previous plot stay, and each plot takes longer than the one before.
        plt.clear_figure()
        plt.theme("clear")
        bars = [[0, *column.ends] for column in plan.columns]
        stacks = [[(bar[n + 1] - bar[n]) / 8 for bar in bars] for n in range(len(bars[0]) - 1)]
        columns = [plan.x(index) - plan.left for index in range(len(bars))]
        plt.stacked_bar(columns, stacks, marker=list(MARKERS[: len(stacks)]), width=0, reset_ticks=False)  # type: ignore[arg-type]
        plt.xlim(0, plan.width - 1)
        # A bar of n rows fills rows 1 to n: a tick is on the last row of a bar of its value, zero on the axis.
        plt.ylim(1, rows)
        plt.xticks([], [])
        ticks = [float(value * rows / plan.axis.top) for value in plan.axis.ticks()]
        plt.yticks(ticks, [f"{label} " for label in plan.labels])
        plt.grid(horizontal=True, vertical=False)
        plt.xaxes(True, False)
        plt.yaxes(False, False)
        # `plotsize` keeps within the terminal's own size; as textual-plotext does, insist.
        plt.plotsize(plan.left + plan.width, rows + 1)
        plt._set_size(plan.left + plan.width, rows + 1)
        return plt.uncolorize(plt.build()).splitlines()[: rows + 1]

    def _draw(self, plan: Plan) -> list[list[Cell]]:
        """The canvas in the look's glyphs and styles, with what plotext cannot draw."""
        series = self.series(plan.ink, plan.pitch == 1)
        look = dict(zip(MARKERS, series, strict=False)) | {"─": ("┈", plan.ink.hair), " ": (" ", plan.ink.text)}
        drawn = [
            [(char, plan.ink.dim) for char in line[: plan.left]] + [look[char] for char in line[plan.left :]]
            for line in self._canvas(plan)
        ]
        drawn[-1][plan.left :] = [("─", plan.ink.hair)] * plan.width
        for index, column in enumerate(plan.columns):
            for row, cell in self._over(column, series):
                if plan.shows(index):
                    drawn[plan.axis.rows - 1 - row][plan.x(index)] = cell
        return [_aired(line, plan.left) for line in drawn[:-1]] + drawn[-1:]

    def _over(self, column: Column, series: Sequence[Cell]) -> Iterator[tuple[int, Cell]]:
        """The cells that replace plotext's in a day's bar."""
        for row, glyph, front, behind in column.split_cells():
            ground = Style() if behind is None else Style(background=series[behind][1].foreground)
            yield row, (glyph, ground + series[front][1])
        if column.crumb is not None:
            yield column.cells, (self.CRUMB, series[column.crumb][1])

    def _draw_feet(self, plan: Plan) -> list[list[Cell]]:
        """The axis with the selected day marked, and the labels of the days."""
        axis = list(self._plotted[-1])
        labels: list[Cell] = [(" ", plan.ink.dim)] * plan.room
        if self.selected is not None and plan.shows(self.selected):
            axis[plan.x(self.selected)] = ("━", plan.ink.accent)
        for index in self._labelled(plan):
            style = plan.ink.key if index == self.selected else plan.ink.dim
            for x, char in zip(plan.label(index), str(index + 1), strict=True):
                labels[x] = (char, style)
        return [axis, labels]

    def _labelled(self, plan: Plan) -> list[int]:
        """The days with a label: the selected one, the last, and of every fifth those that keep apart from the rest."""
        last = len(plan.columns) - 1
        kept: list[int] = []
        for index in (-1 if self.selected is None else self.selected, last, 0, *range(4, last, 5)):
            label = plan.label(index)
            clear = range(label.start - _APART, label.stop + _APART)
            if plan.shows(index) and not any(x in clear for other in kept for x in plan.label(other)):
                kept.append(index)
        return kept

    def _cells(self) -> list[list[Cell]]:
        """Every row, top to bottom; empty without data or room."""
        if self._plan is None:
            return []
        if not self._plotted:
            self._plotted = self._draw(self._plan)
            self._feet = self._draw_feet(self._plan)
        return [*self._plotted[:-1], *self._feet]

    def render(self) -> str:
        """The chart as plain text, for whoever asks for the whole."""
        return "\n".join("".join(char for char, _style in line) for line in self._cells())

    def render_line(self, y: int) -> Strip:
        """One row, from what is already drawn."""
        base, lines = self.visual_style, self._cells()
        runs = groupby(_flowing(lines[y] if y < len(lines) else ()), key=itemgetter(1))
        segments = [Segment("".join(char for char, _ in run), (base + style).rich_style) for style, run in runs]
        return Strip(segments).adjust_cell_length(self.size.width, base.rich_style)

    # Selecting.

    def watch_selected(self) -> None:
        """Redraw the feet and repaint what differs."""
        if not self._plotted or self._plan is None:
            return
        before, self._feet = self._feet, self._draw_feet(self._plan)
        for y, (old, new) in enumerate(zip(before, self._feet, strict=True), start=self._plan.axis.rows):
            changed = [x for x, cells in enumerate(zip(old, new, strict=True)) if cells[0] != cells[1]]
            if changed:
                self.refresh(Region(changed[0], y, changed[-1] + 1 - changed[0], 1))

    def action_move(self, by: int) -> None:
        """Select a neighbour of the selected day, or the latest day if none is."""
        self._choose(self._begun - 1 if self.selected is None else self.selected + by)

    def action_first(self) -> None:
        """Select the first day."""
        self._choose(0)

    def action_last(self) -> None:
        """Select the latest day."""
        self._choose(self._begun - 1)

    def on_click(self, event: events.Click) -> None:
        """Select the day of the column."""
        offset = event.get_content_offset(self)
        if self._plan is not None and offset is not None and 0 <= self._plan.day_at(offset.x) < self._begun:
            self._choose(self._plan.day_at(offset.x))

    def _choose(self, index: int) -> None:
        index = max(0, min(index, self._begun - 1))
        if self._begun and index != self.selected:
            self.selected = index
            self.post_message(self.DaySelected(self, index))


class RunsChart(DailyBars[DayBar]):
    """Successes with errors above them; errors of less than half a row are a crumb."""

    few: reactive[int] = reactive(0, repaint=False)
    """Fewer errors than this are a crumb; the legend names it. It changes with the data and the height."""

    def series(self, ink: Ink, narrow: bool) -> Sequence[Cell]:
        return ("▌" if narrow else "█", ink.ok), ("▒", ink.err)

    def maximum(self) -> Fraction:
        return Fraction(max(day.runs for day in self.days))

    def quantum(self) -> Fraction:
        return Fraction(1)

    def column(self, day: DayBar, axis: Axis, whole: bool) -> Column:
        errors = axis.height(Fraction(day.error), 1) * 8
        if errors:
            # There are no eighths of ▒: where it shows, the bar is made of whole cells.
            end = axis.height(Fraction(day.runs), 1) * 8
            return Column((end - errors, end))
        end = axis.height(Fraction(day.success), 1) * 8 if whole else axis.height(Fraction(day.success))
        return Column((end, end), crumb=1 if day.error else None)

    def tick(self, value: Fraction, axis: Axis) -> str:
        return self.figures(value, axis)

    def _replan(self) -> None:
        super()._replan()
        if self._plan is not None:
            self.few = math.ceil(self._plan.axis.top / self._plan.axis.rows / 2)

    def legend(self) -> tuple[Content, ...]:
        """`█ success`, `▒ error` and, where a crumb can be, `· fewer than 6`."""
        ink = Ink.of(self.app)
        (success, ok), (error, err) = self.series(ink, self._plan is not None and self._plan.pitch == 1)
        entries = [(success, ok, "success"), (error, err, "error")]
        if self.few > 1:
            entries.append((self.CRUMB, err, f"fewer than {self.few:,}"))
        return tuple(Content.assemble((glyph, style), (f" {word}", ink.dim)) for glyph, style, word in entries)


class SpendingChart(DailyBars[Sequence[Decimal]]):
    """What each model cost, rank 1 at the base: a value a model and day, of at most five models."""

    CRUMB = "∙"
    EXACT_BELOW = 1_000

    labels: reactive[Sequence[str]] = reactive[Sequence[str]]((), repaint=False)
    """The models' names, for the legend."""
    currency: reactive[str] = reactive("EUR", repaint=False)

    def validate_days(self, days: Sequence[Sequence[Decimal]]) -> Sequence[Sequence[Decimal]]:
        if any(len(day) > MODELS for day in days):
            raise ValueError(f"at most {MODELS} models have a colour; merge the others")
        return tuple(tuple(day) + (ZERO,) * (MODELS - len(day)) for day in days)

    def watch_currency(self) -> None:
        self._replan()

    def series(self, ink: Ink, narrow: bool) -> Sequence[Cell]:
        if narrow and ink.colours:
            return [("▌", style) for style in ink.models]
        return [_model(ink, rank) for rank in range(1, MODELS + 1)]

    def whole(self, ink: Ink) -> bool:
        return not ink.colours

    def maximum(self) -> Fraction:
        return max(sum(map(_amount, day), Fraction(0)) for day in self.days)

    def quantum(self) -> Fraction:
        return Fraction(1, 10 ** exponent(self.currency))

    def column(self, day: Sequence[Decimal], axis: Axis, whole: bool) -> Column:
        amounts = [_amount(value) for value in day]
        ends = tuple(axis.height(end, 1) * 8 if whole else axis.height(end) for end in accumulate(amounts))
        top = max((series for series, amount in enumerate(amounts) if amount), default=0)
        hidden = ends[top] == (0, *ends)[top] and bool(amounts[top])
        return Column(ends, crumb=top if whole and hidden else None)

    def tick(self, value: Fraction, axis: Axis) -> str:
        digits = 0 if axis.step.denominator == 1 else exponent(self.currency)
        zero = Cost(ZERO, self.currency)
        # A symbol leads; a currency's code would follow, and take the bars' room.
        symbol = zero.exact().partition(str(zero.rounded()))[0]
        return symbol + self.figures(value, axis, digits)

    def legend(self) -> tuple[Content, ...]:
        """Each model's swatch and name."""
        ink = Ink.of(self.app)
        return tuple(
            Content.assemble(swatch(ink, rank, 1), (f" {label}", ink.dim)) for rank, label in enumerate(self.labels, 1)
        )


def _aired(line: list[Cell], left: int) -> list[Cell]:
    """The row with its rule kept off the bars: they stand freer, and a rule in every gap is most of a paint's bytes."""
    bars = [char not in " ┈" for char, _ in line]
    return [
        (" ", style) if char == "┈" and ((bars[x - 1] and x > left) or any(bars[x + 1 : x + 2])) else (char, style)
        for x, (char, style) in enumerate(line)
    ]


def _flowing(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells, blanks in the style before them: a blank shows no ink, and a style less is forty bytes less."""
    style: Style | None = None
    for char, own in cells:
        style = style if char == " " and style and not (own.background or style.background) else own
        yield char, style


def swatch(ink: Ink, rank: int, width: int = 2) -> Content:
    """What the model of *rank* (from 1) is drawn with: its colour, or its marker where colours cannot tell."""
    glyph, style = _model(ink, rank)
    return Content.styled(glyph * width, style)


def _model(ink: Ink, rank: int) -> Cell:
    return "█" if ink.colours else MARKERS[rank - 1], ink.models[rank - 1]


def _amount(value: Decimal) -> Fraction:
    """Refunds draw nothing."""
    return max(Fraction(value), Fraction(0))
