"""The five providers: a row each with what a person asks of a key, and the button that acts on it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """What a row says: `mark` and `tone` before the `status`, `details` below it, `bad` where they are a trouble."""

    key: str
    name: str
    description: str
    mark: str
    tone: str
    status: str
    hint: str
    details: str
    bad: bool
    button: str


class ProviderList(Canvas, can_focus=True):
    """Arrows move, enter presses the row's button; `airy` puts a hairline between rows."""

    BINDINGS = [
        Binding("down,j", "step(1)", "Next provider", id="providers.next", show=False),
        Binding("up,k", "step(-1)", "Previous provider", id="providers.previous", show=False),
        Binding("home,g", "go(0)", "First provider", id="providers.first", show=False),
        Binding("end,G", "go(-1)", "Last provider", id="providers.last", show=False),
        Binding("enter", "press", "Act on it", id="providers.act", show=False),
    ]
    HELP = "Arrows move between the providers, enter adds or replaces a key."

    rows: reactive[tuple[ProviderRow, ...]] = reactive((), init=False, repaint=False)
    selected: reactive[int] = reactive(0, init=False, repaint=False)
    airy: reactive[bool] = reactive(False, init=False, repaint=False)

    class Pressed(Message):
        """The button of the selected row."""

    def watch_rows(self) -> None:
        """Redraw."""
        self._fit()

    def watch_airy(self) -> None:
        """Redraw."""
        self._fit()

    def watch_selected(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    @property
    def _pitch(self) -> int:
        return 3 if self.airy else 2

    def _fit(self) -> None:
        self.styles.height = len(self.rows) * self._pitch
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Two lines a row."""
        drawn: list[Content] = []
        for number, row in enumerate(self.rows):
            drawn += self._row(row, width, ink, here=number == self.selected)
            if self.airy:
                drawn.append(Content.assemble(("─" * width, ink.hair)))
        return drawn[:height]

    def _row(self, row: ProviderRow, width: int, ink: Ink, *, here: bool) -> list[Content]:
        names = 21 if width >= 66 else 17
        held = here and self.has_focus
        button = Content.assemble((f" {row.button} ", ink.pressed if held else ink.quiet), " ")
        upper = Content.assemble(
            "  ",
            fitted(Content.assemble((row.name, ink.strong)), names - 2),
            (row.mark, getattr(ink, row.tone)),
            " ",
            fitted(Content.assemble((row.status, ink.text)), 16 if width >= 66 else 13),
            (row.hint if width >= 66 else row.hint[-5:], ink.text),
        )
        lower = Content.assemble(
            "  ",
            fitted(Content.assemble((row.description, ink.dim)), names),
            (row.details, ink.err if row.bad else ink.dim),
        )
        both = [spread(upper, button, width), fitted(lower, width)]
        if not here:
            return both
        bar = ("▎", ink.accent if self.has_focus else ink.dim)
        marked = [Content.assemble(bar, line[1:]) for line in both]
        if not ink.colours:
            return [Content(line.plain).stylize(ink.tint) for line in marked] if held else marked
        return [line.stylize_before(ink.tint) for line in marked] if held else marked

    def action_step(self, by: int) -> None:
        """The row above or below."""
        self.selected = max(0, min(len(self.rows) - 1, self.selected + by))

    def action_go(self, to: int) -> None:
        """That row; -1 is the last."""
        if self.rows:
            self.selected = to % len(self.rows)

    def action_press(self) -> None:
        """The row's button."""
        if self.rows:
            self.post_message(self.Pressed())

    def on_click(self, event: events.Click) -> None:
        """The row under the mouse; its button where that is."""
        number = event.y // self._pitch
        if number >= len(self.rows):
            return
        self.selected = number
        if event.y % self._pitch == 0 and event.x >= self.size.width - len(self.rows[number].button) - 3:
            self.action_press()
