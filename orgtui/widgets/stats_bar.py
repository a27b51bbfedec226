"""The stats bar: numerals over their labels, a comparison below where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted

NONE = "—"


@dataclass(frozen=True, slots=True)
class Stat:
    """One stat; `note` compares it with something."""

    label: str
    value: str = NONE
    note: str = ""


class StatsBar(Canvas):
    """Stats side by side. `pitch` is the width of a column, 0 shares the width out evenly."""

    stats: reactive[tuple[Stat, ...]] = reactive((), init=False, repaint=False)
    stale: reactive[bool] = reactive(False, init=False, repaint=False)

    def __init__(
        self,
        stats: Sequence[Stat],
        *,
        pitch: int = 0,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(StatsBar.stats, tuple(stats))
        self._pitch = pitch

    def watch_stats(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_stale(self) -> None:
        """Figures that may be old are dim."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Numerals, labels, comparisons; or all in one line when there is only one."""
        numeral = ink.dim if self.stale else ink.strong
        if height == 1:
            parts = [Content.assemble((stat.value, numeral), " ", (stat.label, ink.dim), "    ") for stat in self.stats]
            return [fitted(Content.assemble(*parts), width)]
        widths = self._widths(width)
        rows = (
            [(stat.value, numeral) for stat in self.stats],
            [(stat.label, ink.dim) for stat in self.stats],
            [(stat.note, ink.dim) for stat in self.stats],
        )
        return [
            Content.assemble(*(fitted(Content.assemble(cell), room) for cell, room in zip(row, widths, strict=True)))
            for row in rows[:height]
        ]

    def _widths(self, width: int) -> list[int]:
        count = len(self.stats)
        needed = [max(len(stat.label), len(stat.value)) for stat in self.stats]
        gap = 2 if sum(needed) + 2 * (count - 1) <= width else 1
        wanted = [need + gap for need in needed]
        pitch = self._pitch or width // max(count, 1)
        widths = [max(pitch, want) for want in wanted]
        if sum(widths) - gap > width or max(wanted, default=0) > pitch:
            widths = wanted
        if widths:
            widths[-1] = max(1, width - sum(widths[:-1]))
        return widths
