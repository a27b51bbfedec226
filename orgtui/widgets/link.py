"""An address that is to be opened somewhere else: as text to select, and as a link where the terminal has links."""

from __future__ import annotations

from typing import Any

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas


class Link(Canvas):
    """`address` alone on as many lines as it takes, with nothing beside it that would be selected with it."""

    ALLOW_SELECT = True

    address: reactive[str] = reactive("", init=False, repaint=False)

    def __init__(self, address: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(Link.address, address)

    def watch_address(self) -> None:
        """Another length, another height."""
        self.redraw()
        self.refresh(layout=True)

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """As many lines as it takes."""
        return max(1, -(-len(self.address) // max(width, 1)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Cut where the line ends: an address has no words to break at."""
        style = ink.accent + Style(underline=True, link=self.address)
        parts = [self.address[start : start + width] for start in range(0, len(self.address), max(width, 1))]
        return [Content.styled(part, style) for part in parts][:height]
