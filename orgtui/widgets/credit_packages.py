"""Purchase AI Credits: the four packages as tiles, of which one is chosen; a row each where it is narrow."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from orgtui.domain.credits import PACKAGES, Package
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted

_GAP = 2
# Four tiles need this; below it they are rows.
_TILED = 66
# From this width on a tile's words stand under its name.
_ROOMY = 21


class CreditPackages(Canvas, can_focus=True):
    """Arrows choose, enter buys; `dimmed` where whoever looks cannot buy."""

    BINDINGS = [
        Binding("left", "step(-1)", "Package before", id="packages.previous", group=Binding.Group("Package")),
        Binding("right", "step(1)", "Package after", id="packages.next", group=Binding.Group("Package")),
        Binding("home,g", "go(0)", "First package", id="packages.first", show=False),
        Binding("end,G", "go(-1)", "Last package", id="packages.last", show=False),
        Binding("enter", "buy", "Purchase", id="packages.buy", key_display="↵"),
    ]
    HELP = "Left and right choose a package, enter buys it; with Custom you enter the amount."

    # Popular first: it is what most people want, and the middle of what there is.
    selected: reactive[int] = reactive(1, init=False, repaint=False)
    tall: reactive[bool] = reactive(False, init=False, repaint=False)
    dimmed: reactive[bool] = reactive(False, init=False, repaint=False)

    class Changed(Message):
        """Another package is chosen."""

    class Bought(Message):
        """Enter, or another click on the chosen one."""

    @property
    def package(self) -> Package:
        """The chosen package."""
        return PACKAGES[self.selected]

    def watch_selected(self) -> None:
        """Redraw and tell."""
        self.redraw()
        self.post_message(self.Changed())

    def watch_tall(self) -> None:
        """Blank lines within the tiles, or none."""
        self._fit()

    def watch_dimmed(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Tiles or rows."""
        self._fit()

    def _fit(self) -> None:
        self.styles.height = 6 if self.tall and self._tiled else 4
        self.redraw()

    @property
    def _tiled(self) -> bool:
        return self.size.width >= _TILED

    def _widths(self, width: int) -> list[int]:
        """Of each tile: the first absorb what is left over, so that right edges align."""
        free = width - _GAP * (len(PACKAGES) - 1)
        return [free // len(PACKAGES) + (number < free % len(PACKAGES)) for number in range(len(PACKAGES))]

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Tiles side by side, or rows."""
        if not self._tiled:
            return [self._row(number, width, ink) for number in range(len(PACKAGES))][:height]
        tiles = [self._tile(number, room, ink) for number, room in enumerate(self._widths(width))]
        return [Content(" " * _GAP).join(parts) for parts in zip(*tiles, strict=True)][:height]

    def _mark(self, number: int, ink: Ink) -> Content:
        chosen = number == self.selected
        return Content.assemble(("●", ink.accent if not self.dimmed else ink.dim) if chosen else ("○", ink.dim))

    def _tile(self, number: int, width: int, ink: Ink) -> list[Content]:
        package, chosen = PACKAGES[number], number == self.selected
        words = Content.assemble((package.tokens, ink.dim)).wrap(max(width - (5 if width >= _ROOMY else 3), 8))
        indent = "   " if width >= _ROOMY else " "
        inner = [
            Content.assemble(" ", self._mark(number, ink), " ", (package.name, ink.strong)),
            Content.assemble("   ", (package.price, ink.strong if chosen else ink.text)),
            *(Content.assemble(indent, line) for line in words),
        ]
        inner = [*inner, Content("")][:4]
        if self.tall:
            inner = [Content(""), *inner, Content("")]
        bar = ("▎", ink.hair if not chosen else ink.accent if self.has_focus else ink.dim)
        ground = ink.tint if chosen and ink.colours else ink.tile
        return [Content.assemble(bar, fitted(line, width - 1)).stylize_before(ground) for line in inner]

    def _row(self, number: int, width: int, ink: Ink) -> Content:
        package, chosen = PACKAGES[number], number == self.selected
        bar = ("▎", ink.accent if self.has_focus else ink.dim) if chosen else " "
        line = Content.assemble(
            bar,
            " ",
            self._mark(number, ink),
            " ",
            (package.name.ljust(10), ink.strong),
            (package.price.ljust(12), ink.strong if chosen else ink.text),
            (package.tokens, ink.dim),
        )
        line = fitted(line, width)
        return line.stylize_before(ink.tint) if chosen and self.has_focus and ink.colours else line

    def action_step(self, by: int) -> None:
        """The package beside."""
        self.selected = max(0, min(len(PACKAGES) - 1, self.selected + by))

    def action_go(self, to: int) -> None:
        """That package; -1 is the last."""
        self.selected = to % len(PACKAGES)

    def action_buy(self) -> None:
        """Buy the chosen one."""
        self.post_message(self.Bought())

    def on_click(self, event: events.Click) -> None:
        """The tile under the mouse; once more buys it."""
        number = event.y
        if self._tiled:
            ends = [0]
            for room in self._widths(self.size.width):
                ends.append(ends[-1] + room + _GAP)
            number = next((at for at, end in enumerate(ends[1:]) if event.x < end), len(PACKAGES) - 1)
        if not 0 <= number < len(PACKAGES):
            return
        if number == self.selected and self.has_focus:
            self.action_buy()
        self.selected = number
