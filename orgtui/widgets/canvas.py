"""The base of widgets that draw their own lines: one widget instead of a tree of them, and no parsing of markup."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.strip import Strip
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


class Canvas(Widget):
    """Draws `lines` into its region; `hits` of the last drawing tell what a click meant."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._drawn: list[Strip] | None = None
        self._drawn_for: object = None

    def lines(self, width: int, height: int, ink: Ink) -> Sequence[Content]:
        """What to draw: at most *height* lines of at most *width* cells."""
        raise NotImplementedError(type(self).__name__)

    def redraw(self) -> None:
        """Draw again: what is shown has changed."""
        self._drawn = None
        self.refresh()

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
        width, height = self.size
        style = self.rich_style
        drawn_for = (width, height, style, self.app.theme)
        if self._drawn is None or self._drawn_for != drawn_for:
            lines = self.lines(width, height, Ink.of(self.app))
            base = self.visual_style
            self._drawn = [Strip(line.render_segments(base)).adjust_cell_length(width, style) for line in lines]
            self._drawn_for = drawn_for
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(width, style)
