"""The base of widgets that draw their own lines: one widget instead of a tree of them, and no parsing of markup."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from orgtui.themes import Ink

GAP = "  "


def fitted(content: Content, width: int) -> Content:
    """The content in exactly *width* cells, an ellipsis where it is cut."""
    if content.cell_length > width:
        content = content.truncate(max(width, 0), ellipsis=True)
    return content.pad_right(max(0, width - content.cell_length))


def spread(left: Content, right: Content, width: int) -> Content:
    """*left* and *right* at both ends of *width* cells; the left one gives way."""
    room = max(0, width - right.cell_length)
    return Content.assemble(fitted(left, room), right) if room else fitted(right, width)


def beside(left: Content, words: str, tone: Style, width: int) -> list[Content]:
    """*words* at the right of *left*, in as many rows of *width* cells as they need."""
    indent = left.cell_length
    wrapped = Content.assemble((words, tone)).wrap(max(10, width - indent)) if words else [Content("")]
    return [
        fitted(Content.assemble(" " * indent if number else left, line), width) for number, line in enumerate(wrapped)
    ]


def _differing(old: Strip | None, new: Strip | None, y: int, width: int) -> Region:
    """The part of row *y* between the first and the last segment that are not the same."""
    before, after = list(old or ()), list(new or ())
    start = end = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        start += one.cell_length
    for one, other in zip(reversed(before), reversed(after), strict=False):
        if one != other or start + end + one.cell_length > width:
            break
        end += one.cell_length
    return Region(start, y, width - start - end, 1)


class Canvas(Widget):
    """Draws `lines` into its region; `hits` of the last drawing tell what a click meant."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: list[Strip] | None = None
        self._drawn_at: Size | None = None

    def lines(self, width: int, height: int, ink: Ink) -> Sequence[Content]:
        """What to draw: at most *height* lines of at most *width* cells."""
        raise NotImplementedError(type(self).__name__)

    def redraw(self) -> None:
        """Draw again: what is shown has changed. Only the rows that differ are sent."""
        before, self._drawn = self._drawn, None
        if before is None or not self.is_attached or self._drawn_at != self.size:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip_longest(before, self._draw())):
            if old != new:
                self.refresh(_differing(old, new, y, self.size.width))

    def notify_style_update(self) -> None:
        """Colours changed with the theme or with a state."""
        self._drawn = None
        super().notify_style_update()

    def on_resize(self, _event: events.Resize) -> None:
        """Another width, other lines."""
        self.redraw()

    def render(self) -> str:
        """Nothing: `render_line` draws."""
        return ""

    def render_line(self, y: int) -> Strip:
        """One line of the drawing."""
        drawn = self._drawn
        if drawn is None or self._drawn_at != self.size:
            drawn = self._draw()
        return drawn[y] if y < len(drawn) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> list[Strip]:
        self._drawn_at = self.size
        width, height = self.size
        style, base = self.rich_style, self.visual_style
        lines = self.lines(width, height, Ink.of(self.app))
        self._drawn = [Strip(line.render_segments(base)).adjust_cell_length(width, style) for line in lines]
        return self._drawn
