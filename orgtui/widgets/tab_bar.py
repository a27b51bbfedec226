"""Two or three tabs over a hairline, the active one underlined."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted

_GAP = 3


class TabBar(Canvas):
    """Tabs by their titles; `active` is an index. Its last row is a hairline that joins the sidebar's."""

    active: reactive[int] = reactive(0, init=False, repaint=False)

    class Changed(Message):
        """Another tab is active."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, titles: Sequence[str], *, indent: int = 2) -> None:
        super().__init__(classes="joins")
        self.titles, self._indent = tuple(titles), indent

    @property
    def following(self) -> str:
        """The title of the next tab."""
        return self.titles[(self.active + 1) % len(self.titles)]

    def watch_active(self, index: int) -> None:
        """Redraw and tell."""
        self.redraw()
        self.post_message(self.Changed(index))

    def turn(self) -> None:
        """To the next tab, the first after the last."""
        self.active = (self.active + 1) % len(self.titles)

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Titles, and the underlined hairline."""
        indent = 1 if width < 70 else self._indent
        titles, start, spans = Content(" " * indent), indent, []
        for index, title in enumerate(self.titles):
            here = index == self.active
            titles = Content.assemble(titles, (title, ink.strong if here else ink.dim), " " * _GAP)
            spans.append((start, len(title)))
            start += len(title) + _GAP
        left, length = spans[self.active]
        rule = Content.assemble(
            ("─" * left, ink.hair), ("━" * length, ink.accent), ("─" * max(0, width - left - length), ink.hair)
        )
        return [fitted(titles, width), fitted(rule, width)]

    def on_click(self, event: events.Click) -> None:
        """The tab under the mouse."""
        start = 1 if self.size.width < 70 else self._indent
        for index, title in enumerate(self.titles):
            if start <= event.x < start + len(title):
                self.active = index
            start += len(title) + _GAP
