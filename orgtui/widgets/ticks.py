"""Some of many: a list in which each is ticked or not; space ticks, and one key ticks all or none."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option as Item

from orgtui.themes import Ink


class Ticks(OptionList):
    """`ticked` are the values with a tick, in the order of the list."""

    BINDINGS = [
        Binding("space", "select", "Tick or not", id="ticks.tick", show=False),
        Binding("a", "all", "Tick all, or none", id="ticks.all", show=False),
        Binding("j", "cursor_down", "Down", id="ticks.down", show=False),
        Binding("k", "cursor_up", "Up", id="ticks.up", show=False),
    ]
    HELP = "Arrows move, space ticks or takes a tick away, a ticks all or none."

    class Changed(Message):
        """Other ticks."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._rows: list[tuple[str, str, str]] = []
        self._ticked: set[str] = set()

    def offer(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Other values, each with its title and a word of explanation; all of them ticked."""
        self._rows, self._ticked = list(rows), {value for value, _, _ in rows}
        self.clear_options()
        self.add_options([Item(self._prompt(at)) for at in range(len(self._rows))])
        self.highlighted = 0 if rows else None
        self.post_message(self.Changed())

    @property
    def ticked(self) -> list[str]:
        """What is ticked."""
        return [value for value, _, _ in self._rows if value in self._ticked]

    @property
    def whole(self) -> bool:
        """Whether all are."""
        return len(self._ticked) == len(self._rows)

    def _prompt(self, at: int) -> Content:
        value, title, words = self._rows[at]
        ink, room = Ink.of(self.app), max(len(title) for _, title, _ in self._rows) + 2
        there = value in self._ticked
        mark = ("✓ ", ink.ok) if there else ("· ", ink.dim)
        return Content.assemble(mark, (title.ljust(room), ink.text if there else ink.dim), (words, ink.dim))

    def _tick(self, ticked: set[str]) -> None:
        self._ticked = ticked
        for at in range(len(self._rows)):
            self.replace_option_prompt_at_index(at, self._prompt(at))
        self.post_message(self.Changed())

    def action_select(self) -> None:
        """Tick the highlighted one, or take its tick away."""
        if self.highlighted is not None:
            self._tick(self._ticked ^ {self._rows[self.highlighted][0]})

    def action_all(self) -> None:
        """All; none where all are."""
        self._tick(set() if self.whole else {value for value, _, _ in self._rows})
