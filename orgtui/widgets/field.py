"""A form's field: label in a gutter (or above), the control, and the field's own word of help or of error."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread


class _Label(Canvas):
    word: reactive[str] = reactive("", init=False, repaint=False)

    def __init__(self, label: str, aside: str, *, danger: bool) -> None:
        super().__init__(classes="label")
        self._label, self._aside, self._danger = label, aside, danger

    def watch_word(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        label = Content.assemble((self._label, ink.danger if self._danger else ink.heading))
        if self.screen.has_class("-wide"):
            return [fitted(label, width), Content.assemble((self._aside, ink.dim))][:height]
        return [spread(label, Content.assemble((self.word, ink.dim)), width)]


class _Word(Canvas):
    word: reactive[str] = reactive("", init=False, repaint=False)
    bad: reactive[bool] = reactive(False, init=False, repaint=False)

    def __init__(self, *, right: bool) -> None:
        super().__init__(classes="word")
        self._right = right

    def watch_word(self) -> None:
        self.redraw()

    def watch_bad(self) -> None:
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        return max(1, len(Content(self.word).wrap(width))) if self.bad and width else 1

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        word = Content.assemble((self.word, ink.err if self.bad else ink.dim))
        if self.bad:
            return word.wrap(width)
        return [spread(Content(""), word, width) if self._right else fitted(word, width)]


class Field(Container):
    """A labelled control. `say` puts a word under it (or beside its label, where the terminal is narrow)."""

    def __init__(
        self,
        label: str,
        *controls: Widget,
        aside: str = "",
        counts: bool = False,
        danger: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._label = _Label(label, aside, danger=danger)
        self._word = _Word(right=counts)
        self._controls = controls

    def compose(self) -> ComposeResult:
        """Label and control side by side; the style sheet puts one above the other where it is narrow."""
        yield self._label
        with Vertical(classes="control"):
            yield from self._controls
            yield self._word

    def say(self, word: str, *, bad: bool = False) -> None:
        """A word about the value: a count, what was unsaved, what is wrong."""
        self._label.word = "" if bad else word
        self._word.bad, self._word.word = bad, word
        self._word.set_class(bad, "-bad")
        self._word.refresh(layout=True)
