"""What stands in a section while there is nothing to show, or why what is shown may be old."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened, why, and what next; `kind` is loading, failed, forbidden or empty."""

    kind: str
    title: str
    why: str = ""
    following: str = ""
    retry: bool = False


class Note(Canvas, can_focus=True):
    """A few lines and, where trying again helps, the word to click for it. Hidden while there is no trouble."""

    BINDINGS = [Binding("enter", "screen.refresh_section", "Try again", id="note.again", show=False)]
    AGAIN = " Try again "

    trouble: reactive[Trouble | None] = reactive(None, init=False, repaint=False)

    def __init__(self) -> None:
        super().__init__(classes="note")
        self.display = False

    def watch_trouble(self, trouble: Trouble | None) -> None:
        """Show or hide."""
        self.display, self.can_focus = trouble is not None, bool(trouble and trouble.retry)
        self.redraw()
        self.refresh(layout=True)

    def watch_has_focus(self, _focused: bool) -> None:
        """The word says that enter is for it."""
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """As many lines as it takes."""
        return len(self.lines(max(width, 20), 100, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Title, reason, what next."""
        trouble = self.trouble
        if trouble is None:
            return []
        told = trouble.kind in ("failed", "forbidden")
        head = {
            "failed": Content.assemble(("✗ ", ink.err), (trouble.title, ink.danger)),
            "forbidden": Content.assemble(("▪ ", ink.warn), (trouble.title, ink.strong)),
            "empty": Content.assemble((trouble.title, ink.strong)),
        }.get(trouble.kind, Content.assemble((trouble.title, ink.text)))
        again = (
            Content.assemble((self.AGAIN, ink.pressed if self.has_focus else ink.button))
            if trouble.retry
            else Content("")
        )
        rows = [spread(head, again, width)]
        for text, style in ((trouble.why, ink.text if told else ink.dim), (trouble.following, ink.dim)):
            below = "  " if told else ""
            if text:
                lines = Content.assemble((text, style)).wrap(width - len(below))
                rows += [fitted(Content.assemble(below, line), width) for line in lines]
        return rows[:height]

    async def on_click(self, event: events.Click) -> None:
        """The word at the right of the first line."""
        again = self.trouble is not None and self.trouble.retry
        if again and event.y == 0 and event.x >= self.size.width - len(self.AGAIN):
            await self.screen.run_action("refresh_section")
