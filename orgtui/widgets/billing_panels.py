"""The plan one has with its Workflow Runs, and the balance card: figures, a meter, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread
from orgtui.widgets.meter import meter

CURRENT = "Your current plan"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A meter with its label and exact figures; `words` stand below it. `tone` colours what is used."""

    label: str
    fraction: float
    percent: str
    figures: str
    words: str
    tone: str = "accent"


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The plan's name, its price, one line about it, and its runs."""

    name: str
    price: str
    about: str
    runs: Gauge


class PlanCard(Canvas):
    """Name and price; the button stands beside them."""

    facts: reactive[PlanFacts | None] = reactive(None, init=False, repaint=False)

    def watch_facts(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """One line."""
        if self.facts is None:
            return []
        return [fitted(Content.assemble((self.facts.name, ink.strong), "   ", (self.facts.price, ink.text)), width)]


class RunsMeter(Canvas):
    """What is to know about the plan, then Workflow Runs: the bar, the percentage, the exact figures, the reset."""

    facts: reactive[PlanFacts | None] = reactive(None, init=False, repaint=False)

    def watch_facts(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Three lines, with a blank between where there is room."""
        if self.facts is None:
            return []
        runs = self.facts.runs
        label = Content.assemble((runs.label, ink.text), "  ")
        percent = f"{runs.percent}  " if runs.percent else ""
        right = Content.assemble("   ", (percent, ink.dim), (runs.figures, ink.strong))
        room = width - label.cell_length - right.cell_length
        bar = meter(runs.fraction, room, getattr(ink, runs.tone), ink.hair) if room > 3 else Content(" " * max(room, 0))
        words = Content.assemble(" " * label.cell_length, (runs.words, ink.dim))
        if words.cell_length > width:
            words = Content.assemble((runs.words, ink.dim))
        about = self.facts.about
        if len(about) > width:
            # The table says so too.
            about = about.removeprefix(f"{CURRENT} · ")
        rows = [Content.assemble((about, ink.dim)), Content.assemble(label, bar, right), words]
        if height > len(rows):
            rows.insert(1, Content(""))
        return [fitted(row, width) for row in rows[:height]]


class BalanceCard(Canvas):
    """What is left of the credits, how much of what came in is used, and how long it lasts."""

    gauge: reactive[Gauge | None] = reactive(None, init=False, repaint=False)

    def watch_gauge(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Figure, meter, figures; then the words."""
        gauge = self.gauge
        if gauge is None:
            return []
        style = ink.danger if gauge.tone == "err" else ink.strong
        left = Content.assemble((gauge.percent, style), "  ", (gauge.label, ink.dim), "   ")
        right = Content.assemble("  ", (gauge.figures, ink.dim))
        room = width - left.cell_length - right.cell_length
        if room > 6:
            bar = meter(gauge.fraction, room, getattr(ink, gauge.tone), ink.hair)
            head = Content.assemble(left, bar, right)
        else:
            head = spread(left, right, width)
        words = Content.assemble((gauge.words, ink.dim)).wrap(max(width, 20))
        return [head, *(fitted(line, width) for line in words)][:height]
