"""One of a few, each with a word of explanation; arrows move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, beside


@dataclass(frozen=True, slots=True)
class Option:
    """A choice; `refused` says why it cannot be taken."""

    value: str
    title: str
    words: str = ""
    refused: str = ""


class Choice(Canvas, can_focus=True):
    """`value` is what is chosen."""

    BINDINGS = [
        Binding("down,right,j", "step(1)", "Next", id="choice.next", show=False),
        Binding("up,left,k", "step(-1)", "Previous", id="choice.previous", show=False),
        Binding("space", "turn", "Next", id="choice.turn", show=False),
    ]
    HELP = "Arrows choose."

    value: reactive[str] = reactive("", init=False, repaint=False)

    class Changed(Message):
        """Another choice."""

    def __init__(self, options: Sequence[Option], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._options = tuple(options)
        self.set_reactive(Choice.value, self._options[0].value)
        self.styles.height = "auto"

    def watch_value(self) -> None:
        """Redraw and tell."""
        self.redraw()
        self.post_message(self.Changed())

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """A row each, more where the words do not fit into one."""
        return sum(len(rows) for rows in self._rows(width, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """All of them, one below the other."""
        return [row for rows in self._rows(width, ink) for row in rows]

    def _rows(self, width: int, ink: Ink) -> list[list[Content]]:
        """The rows of each option."""
        room = max(len(option.title) for option in self._options) + 2
        found = []
        for option in self._options:
            chosen = option.value == self.value
            mark = ("●", ink.accent) if chosen else ("○", ink.dim)
            title = ink.dim if option.refused else ink.strong if chosen else ink.text
            left = Content.assemble(mark, " ", (option.title.ljust(room), title))
            rows = beside(left, option.refused or option.words, ink.dim, width)
            lit = chosen and self.has_focus and ink.colours
            found.append([row.stylize_before(ink.tint) for row in rows] if lit else rows)
        return found

    def action_step(self, by: int) -> None:
        """The next that can be taken."""
        free = [option.value for option in self._options if not option.refused]
        at = free.index(self.value) + by
        if 0 <= at < len(free):
            self.value = free[at]

    def action_turn(self) -> None:
        """The next one, round and round."""
        free = [option.value for option in self._options if not option.refused]
        self.value = free[(free.index(self.value) + 1) % len(free)]

    def on_click(self, event: events.Click) -> None:
        """The option under the mouse."""
        rows = self._rows(self.size.width, Ink.of(self.app))
        hit = [option for option, own in zip(self._options, rows, strict=True) for _ in own]
        if event.y < len(hit) and not hit[event.y].refused:
            self.value = hit[event.y].value
