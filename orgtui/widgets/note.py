"""What stands in a section while there is nothing to show, or why what is shown may be old."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened, why, and what next; `kind` is loading, failed, forbidden or empty."""

    kind: str
    title: str
    why: str = ""
    following: str = ""
    retry: str = ""


class _Lines(Canvas):
    trouble: reactive[Trouble | None] = reactive(None, init=False, repaint=False)

    def watch_trouble(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        if self.trouble is None:
            return []
        kind, title = self.trouble.kind, self.trouble.title
        below = "  " if kind in ("failed", "forbidden") else ""
        head = {
            "failed": Content.assemble(("✗ ", ink.err), (title, ink.danger)),
            "forbidden": Content.assemble(("▪ ", ink.warn), (title, ink.strong)),
            "empty": Content.assemble((title, ink.strong)),
        }.get(kind, Content.assemble((title, ink.text)))
        rows = [fitted(head, width)]
        for text, style in ((self.trouble.why, ink.text if below else ink.dim), (self.trouble.following, ink.dim)):
            if text:
                rows += [
                    Content.assemble(below, line) for line in Content.assemble((text, style)).wrap(width - len(below))
                ]
        return rows[:height]


class Note(Horizontal):
    """A few lines and, where trying again helps, the button for it. Hidden while there is no trouble."""

    trouble: reactive[Trouble | None] = reactive(None, init=False, repaint=False)

    def __init__(self) -> None:
        super().__init__(classes="note")
        self.display = False

    def compose(self) -> ComposeResult:
        """Lines and button."""
        yield _Lines()
        button = Button("Try again", variant="primary", action="screen.refresh_section")
        button.display = False
        yield button

    def watch_trouble(self, trouble: Trouble | None) -> None:
        """Show or hide."""
        self.display = trouble is not None
        if not self.is_mounted:
            return
        self.query_one(_Lines).trouble = trouble
        button = self.query_one(Button)
        button.display = bool(trouble and trouble.retry)
