"""Available Plans: two lines a plan with every fact of the price list, and the button that changes to it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.style import Style

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread

# Columns: where runs begin, and where hosting does if it has a column of its own.
_RUNS, _HOSTING, _NARROW_RUNS = 18, 44, 16
_WIDE = 84


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan; `button` changes to it, unless `said` stands in its place. `current` is the plan one has."""

    key: str
    name: str
    price: str
    runs: str
    nodes: str
    hosting: str
    button: str = ""
    said: str = ""
    current: bool = False


class PlanTable(Canvas, can_focus=True):
    """Arrows move, enter presses the plan's button; `dimmed` buttons cannot be pressed by whoever looks.

    `airy` puts a blank between plans, `low` takes the hairline away.
    """

    BINDINGS = [
        Binding("down,j", "step(1)", "Next plan", id="plans.next", show=False),
        Binding("up,k", "step(-1)", "Previous plan", id="plans.previous", show=False),
        Binding("home,g", "go(0)", "First plan", id="plans.first", show=False),
        Binding("end,G", "go(-1)", "Last plan", id="plans.last", show=False),
        Binding("enter", "press", "Change plan", id="plans.change", key_display="↵"),
    ]
    HELP = "Arrows move between the plans, enter upgrades or downgrades to the selected one."

    rows: reactive[tuple[PlanRow, ...]] = reactive((), init=False, repaint=False)
    selected: reactive[int] = reactive(0, init=False, repaint=False)
    airy: reactive[bool] = reactive(False, init=False, repaint=False)
    low: reactive[bool] = reactive(False, init=False, repaint=False)
    dimmed: reactive[bool] = reactive(False, init=False, repaint=False)

    class Pressed(Message):
        """Enter, or a click on a button: the plan's key."""

        def __init__(self, plan: str) -> None:
            super().__init__()
            self.plan = plan

    def watch_rows(self, before: tuple[PlanRow, ...], now: tuple[PlanRow, ...]) -> None:
        """The cursor begins on the current plan, and stays where it was put."""
        if [row.current for row in before] != [row.current for row in now]:
            self.selected = next((at for at, row in enumerate(now) if row.current), 0)
        self._fit()

    def watch_airy(self) -> None:
        """Redraw."""
        self._fit()

    def watch_low(self) -> None:
        """Redraw."""
        self._fit()

    def watch_dimmed(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_selected(self) -> None:
        """Redraw, and bring it into sight."""
        self.redraw()
        for scroll in self.ancestors:
            if isinstance(scroll, VerticalScroll):
                top = self._head + self.selected * self._pitch
                place = self.region.offset - scroll.content_region.offset + scroll.scroll_offset
                region = Region(0, top, 1, 2).translate(place)
                scroll.scroll_to_region(region, animate=False)

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    @property
    def chosen(self) -> PlanRow | None:
        """The selected plan."""
        return self.rows[self.selected] if self.selected < len(self.rows) else None

    @property
    def _head(self) -> int:
        return 1 if self.low else 2

    @property
    def _pitch(self) -> int:
        return 3 if self.airy else 2

    def _fit(self) -> None:
        self.styles.height = self._head + len(self.rows) * self._pitch - self.airy
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Header and plans."""
        drawn = [self._titles(width, ink)]
        if self._head > 1:
            drawn.append(Content.assemble(("─" * width, ink.hair)))
        for number, row in enumerate(self.rows):
            drawn += self._row(row, width, ink, here=number == self.selected)
            drawn += [Content("")] * self.airy
        return drawn[:height]

    def _titles(self, width: int, ink: Ink) -> Content:
        heading = Content.assemble(("Available Plans", ink.heading), "  ")
        if width >= _WIDE:
            runs = fitted(Content.assemble(("Workflow Runs, Nodes", ink.dim)), _HOSTING - _RUNS)
            return fitted(Content.assemble(fitted(heading, _RUNS), runs, ("Hosting", ink.dim)), width)
        runs = Content.assemble(("Workflow Runs, Nodes · Hosting", ink.dim))
        return fitted(Content.assemble(fitted(heading, _RUNS), runs), width)

    def _row(self, row: PlanRow, width: int, ink: Ink, *, here: bool) -> list[Content]:
        held = here and self.has_focus
        runs, wide = (_RUNS if width >= 66 else _NARROW_RUNS), width >= _WIDE
        name = fitted(Content.assemble("  ", (row.name, ink.strong if row.current else ink.heading)), runs)
        price = fitted(Content.assemble("  ", (row.price, ink.text)), runs)
        volume = fitted(Content.assemble((row.runs, ink.text)), _HOSTING - _RUNS if wide else 16)
        upper = Content.assemble(name, volume, (row.hosting if wide else "", ink.text))
        nodes = row.nodes if wide else f"{row.nodes} · {row.hosting}"
        if len(nodes) > width - runs:
            # The header says of what; that no more is left out than that.
            nodes = nodes.replace(" per workflow", "")
        both = [
            spread(upper, self._button(row, ink, held=held), width),
            fitted(Content.assemble(price, (nodes, ink.dim)), width),
        ]
        return [self._marked(line, ink, here=here, current=row.current) for line in both]

    def _button(self, row: PlanRow, ink: Ink, *, held: bool) -> Content:
        if row.current:
            return Content.assemble(("✓ Current plan", ink.key), "  ")
        if row.said:
            return Content.assemble((row.said, ink.dim), "  ")
        style = ink.chip if self.dimmed else ink.pressed if held else ink.quiet
        return Content.assemble((f" {row.button} ", style), " ")

    def _marked(self, line: Content, ink: Ink, *, here: bool, current: bool) -> Content:
        """The current plan is tinted; the bar marks the selected one."""
        if not (here or current):
            return line
        bar: Style = ink.accent if self.has_focus or not here else ink.dim
        marked = Content.assemble(("▎", bar) if here else " ", line[1:])
        if ink.colours:
            return marked.stylize_before(ink.tint) if current or self.has_focus else marked
        return Content(line.plain).stylize(ink.tint) if here and self.has_focus and current else marked

    def action_step(self, by: int) -> None:
        """The plan above or below."""
        self.selected = max(0, min(len(self.rows) - 1, self.selected + by))

    def action_go(self, to: int) -> None:
        """That plan; -1 is the last."""
        if self.rows:
            self.selected = to % len(self.rows)

    def action_press(self) -> None:
        """The plan's button."""
        if row := self.chosen:
            self.post_message(self.Pressed(row.key))

    def on_click(self, event: events.Click) -> None:
        """The plan under the mouse; its button where that is."""
        number, line = divmod(event.y - self._head, self._pitch)
        if not 0 <= number < len(self.rows):
            return
        self.selected = number
        if line == 0 and event.x >= self.size.width - len(self.rows[number].button) - 3:
            self.action_press()
