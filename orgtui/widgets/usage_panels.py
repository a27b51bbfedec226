"""What stands beside and under the charts: the selected day's figures, and the ranking of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from textual.content import Content
from textual.reactive import reactive

from orgtui.domain import figures
from orgtui.domain.money import Cost
from orgtui.domain.providers import display_name
from orgtui.store.contract.usage import DayExecutions, ModelUsage
from orgtui.themes import MODELS, Ink
from orgtui.widgets.bar_charts import swatch
from orgtui.widgets.canvas import Canvas, fitted, spread
from orgtui.widgets.meter import meter

OTHER = "other models"


@dataclass(frozen=True, slots=True)
class DayCost:
    """A day's spending: one amount for each line of the legend."""

    day: date
    total: Cost | None
    parts: tuple[tuple[str, Cost | None], ...]


def day_title(day: date) -> str:
    """`Thu 12 Nov`."""
    return f"{day:%a} {day.day} {day:%b}"


class RunsDay(Canvas):
    """The selected day's runs: a column beside the chart, or one line under it."""

    day: reactive[DayExecutions | None] = reactive(None, init=False, repaint=False)
    legend: reactive[tuple[Content, ...]] = reactive((), init=False, repaint=False)

    def watch_day(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_legend(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The column, or the line."""
        if self.day is None:
            return []
        if height == 1:
            return [self._line(width, ink)]
        rows = [fitted(Content.assemble((day_title(self.day.date), ink.strong)), width)]
        if height >= 12:
            rows += [Content.assemble(("─" * width, ink.hair))]
        rows += [
            spread(Content.assemble((label, ink.dim)), Content.assemble((value, style)), width)
            for label, value, style in self._figures(ink)
        ]
        if height >= 12:
            rows += [Content(""), Content.assemble(("↵", ink.key), " ", ("Runs of this day", ink.dim))]
            rows += [Content("")] * (height - len(rows) - len(self.legend) - 1)
            rows += self.legend
        return rows[:height]

    def _figures(self, ink: Ink) -> list[tuple[str, str, Any]]:
        day = self.day
        if day is None:
            return []
        runs = day.success + day.error
        rate = figures.percent(day.success / runs if runs else None)
        label = "Success Rate" if self.size.width >= 20 else "Rate"
        return [
            ("Runs", f"{runs:,}", ink.strong),
            ("Success", f"{day.success:,}", ink.strong),
            ("Errors", f"{day.error:,}", ink.danger if day.error else ink.strong),
            (label, rate, ink.strong),
        ]

    def _line(self, width: int, ink: Ink) -> Content:
        day = self.day
        if day is None:
            return Content("")
        words = ("runs", "success", "errors", "success rate")
        parts = [
            Content.assemble((value, style), " ", (word, ink.dim))
            for (_, value, style), word in zip(self._figures(ink), words, strict=True)
        ]
        return fitted(Content("   ").join([Content.assemble((day_title(day.date), ink.strong)), *parts]), width)


class CostsDay(Canvas):
    """The selected day's spending by model, in the legend's order."""

    day: reactive[DayCost | None] = reactive(None, init=False, repaint=False)

    def watch_day(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Title and total, then the models; or the first line alone."""
        if self.day is None:
            return []
        title = Content.assemble((day_title(self.day.day), ink.strong if height > 1 else ink.dim))
        total = Content.assemble((figures.cost(self.day.total), ink.strong if height > 1 else ink.dim))
        if height == 1:
            return [spread(Content(""), Content.assemble(title, "  ", total), width)]
        rows = [spread(title, total, width), Content.assemble(("─" * width, ink.hair))]
        for rank, (name, cost) in enumerate(self.day.parts, 1):
            left = Content.assemble(swatch(ink, rank, 1), " ", (name, ink.dim), " ")
            rows.append(spread(left, Content.assemble((figures.cost(cost), ink.text)), width))
        return rows[:height]


class Breakdown(Canvas):
    """Breakdown by Model: icon, name, a bar in proportion to spend, tokens, share and cost, highest first."""

    models: reactive[tuple[ModelUsage, ...]] = reactive((), init=False, repaint=False)

    @property
    def _head(self) -> int:
        return 2 if self.app.size.height >= 30 else 1

    def watch_models(self) -> None:
        """Another number of rows, another height."""
        self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """Header, hairline, a row a model."""
        return self._head + max(1, len(self.models))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The ranking."""
        tokens, share, cost = (9, 9, 11) if width >= 66 else (0, 8, 10)
        right = Content.assemble(
            ("Tokens".rjust(tokens) if tokens else "", ink.dim),
            ("Share".rjust(share), ink.dim),
            ("Cost".rjust(cost), ink.dim),
        )
        rows = [spread(Content.assemble(("Breakdown by Model", ink.heading)), right, width)]
        if self._head > 1:
            rows.append(Content.assemble(("─" * width, ink.hair)))
        if not self.models:
            return [*rows, Content.assemble(("No model was called in this month.", ink.dim))]
        names = min(max(max(len(row.model) for row in self.models), 12), 24 if width >= 66 else 18)
        providers = 12 if width >= 88 else 0
        room = width - 4 - names - 2 - providers - tokens - share - cost
        shares = shares_of([row.credits for row in self.models])
        top = max((row.credits.amount for row in self.models if row.credits), default=Decimal(0))
        for rank, (row, part) in enumerate(zip(self.models, shares, strict=True), 1):
            style = ink.models[min(rank, MODELS) - 1]
            fraction = row.credits.amount / top if row.credits and top else Decimal(0)
            figure = priced(row, row.credits)
            rows.append(
                Content.assemble(
                    swatch(ink, min(rank, MODELS)),
                    "  ",
                    fitted(Content.assemble((row.model, ink.text)), names),
                    "  ",
                    fitted(Content.assemble((display_name(row.provider), ink.dim)), providers) if providers else "",
                    meter(fraction, max(room, 0), style, ink.hair) if room > 3 else " " * max(room, 0),
                    (figures.compact(row.total_tokens).rjust(tokens) if tokens else "", ink.dim),
                    (part.rjust(share), ink.dim),
                    (figure.rjust(cost), ink.strong),
                )
            )
        return rows


def priced(row: ModelUsage, cost: Cost | None) -> str:
    """`€81.42`, with ~ before what is partly estimated from list prices, and a word for what has no price."""
    if cost is None:
        return "unpriced" if row.unpriced_calls else figures.NONE
    return f"~{cost}" if row.estimated else str(cost)


def shares_of(amounts: Sequence[Cost | None]) -> list[str]:
    """Percentages with one decimal that sum to exactly 100, by largest remainder; — where nothing has a price."""
    values = [amount.amount if amount else Decimal(0) for amount in amounts]
    whole = sum(values)
    if not whole:
        return [figures.NONE] * len(values)
    exact = [value * 1000 / whole for value in values]
    tenths = [int(part) for part in exact]
    order = sorted(range(len(exact)), key=lambda index: (tenths[index] - exact[index], index))
    for index in order[: 1000 - sum(tenths)]:
        tenths[index] += 1
    return [
        figures.NONE if amount is None else f"{part / 10:.1f} %" for amount, part in zip(amounts, tenths, strict=True)
    ]
