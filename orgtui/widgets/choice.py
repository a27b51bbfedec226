"""One of a few, each with a word of explanation: a row a choice, arrows move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted


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
        self.styles.height = len(self._options)

    def watch_value(self) -> None:
        """Redraw and tell."""
        self.redraw()
        self.post_message(self.Changed())

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """A row each."""
        room = max(len(option.title) for option in self._options) + 2
        rows = []
        for option in self._options:
            chosen = option.value == self.value
            mark = ("●", ink.accent) if chosen else ("○", ink.dim)
            title = ink.dim if option.refused else ink.strong if chosen else ink.text
            words = option.refused or option.words
            row = Content.assemble(mark, " ", (option.title.ljust(room), title), (words, ink.dim))
            row = fitted(row, width)
            rows.append(row.stylize_before(ink.tint) if chosen and self.has_focus and ink.colours else row)
        return rows

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
        """The row under the mouse."""
        if event.y < len(self._options) and not self._options[event.y].refused:
            self.value = self._options[event.y].value
