"""A table that is filtered as you type, sorted by a key, and says how much of it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widgets import DataTable, Input

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, spread

_NARROWEST = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title; figures stand at the right and sort highest first."""

    title: str
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what its cells show, what they sort by, and what `y` copies."""

    key: str
    cells: tuple[str, ...]
    order: tuple[Any, ...]
    copies: str


class _Rows(DataTable[Text]):
    BINDINGS = [
        Binding("j", "cursor_down", "Down", id="table.down", show=False),
        Binding("k", "cursor_up", "Up", id="table.up", show=False),
        Binding("g", "scroll_top", "First row", id="table.first", show=False),
        Binding("G", "scroll_bottom", "Last row", id="table.last", show=False),
    ]
    HELP = "Arrows move, / filters, s sorts by the next column, S turns the order round, y copies the row."

    def render_line(self, y: int) -> Strip:
        """The selected row wears a bar in its first column."""
        strip = super().render_line(y)
        if self.has_focus and self.row_count and y - self.header_height + self.scroll_offset.y == self.cursor_row:
            if y < self.header_height:
                return strip
            ink = Ink.of(self.app)
            bar = Segment("▎", (ink.tint + ink.accent if ink.colours else ink.tint).rich_style)
            return Strip([bar, *strip.crop(1)], strip.cell_length)
        return strip


class _Head(Canvas):
    words: reactive[tuple[str, str]] = reactive(("", ""), init=False)

    def watch_words(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        placeholder, count = self.words
        left = Content.assemble(("/", ink.key), " ", (placeholder, ink.dim))
        return [spread(left, Content.assemble((count, ink.dim)), width)]


class FilterTable(Vertical):
    """`rows` shown under `columns`; the filter looks at all cells."""

    BINDINGS = [
        Binding("slash", "filter", "Filter", id="table.filter", key_display="/"),
        Binding("s", "sort", "Sort", id="table.sort"),
        Binding("S", "turn", "Turn the order round", id="table.turn", show=False),
        Binding("y", "copy", "Copy", id="table.copy", show=False),
        Binding("escape", "unfilter", "Show all", id="table.unfilter", show=False),
    ]

    class Chosen(Message):
        """Enter, or a click, on a row."""

        def __init__(self, table: FilterTable, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

    rows: reactive[tuple[Row, ...]] = reactive((), init=False, repaint=False)
    needle: reactive[str] = reactive("", init=False, repaint=False)
    sort_by: reactive[int] = reactive(0, init=False, repaint=False)
    turned: reactive[bool] = reactive(False, init=False, repaint=False)

    def __init__(self, columns: Sequence[Column], *, noun: str, placeholder: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns, self._noun, self._placeholder = tuple(columns), noun, placeholder
        self._shown: list[Row] = []
        self._ready = False
        self._filled_for = 0

    def compose(self) -> ComposeResult:
        """Head or filter field, then the table."""
        yield _Head()
        field = Input(placeholder=self._placeholder, classes="filter")
        field.display = False
        yield field
        table = _Rows(cursor_type="row", zebra_stripes=False)
        for index, column in enumerate(self._columns):
            title = column.title if index else f" {column.title}"
            table.add_column(Text(title, justify="right" if column.figures else "left"), key=str(index))
        yield table

    def on_mount(self) -> None:
        """Fill in what was set before."""
        self._ready = True
        self._fill()

    def watch_rows(self) -> None:
        """Show the new rows."""
        self._fill()

    def watch_needle(self) -> None:
        """Show what matches."""
        self._fill()

    def watch_sort_by(self) -> None:
        """Show in the new order."""
        self._fill()

    def watch_turned(self) -> None:
        """Show the other way round."""
        self._fill()

    def _fill(self) -> None:
        if not self._ready:
            return
        words = self.needle.casefold().split()
        found = [row for row in self.rows if all(any(word in cell.casefold() for cell in row.cells) for word in words)]
        column = self._columns[self.sort_by]
        found.sort(key=lambda row: row.order[self.sort_by], reverse=column.figures != self.turned)
        self._shown = found
        table = self.query_one(_Rows)
        kept = table.cursor_row
        table.clear()
        room = self._text_room(found)
        for row in found:
            table.add_row(*(self._cell(cell, index, room) for index, cell in enumerate(row.cells)), key=row.key)
        if found:
            table.move_cursor(row=min(kept, len(found) - 1))
        shown = f"{len(found):,} of {len(self.rows):,}" if words else f"{len(self.rows):,}"
        order = f"by {column.title.lower()}{', turned round' if self.turned else ''}"
        self.query_one(_Head).words = (self.needle or self._placeholder, f"{shown} {self._noun} · {order}")

    def on_resize(self) -> None:
        """Words take what the figures leave."""
        if self._ready and self.size.width != self._filled_for:
            self._fill()

    def _text_room(self, rows: Sequence[Row]) -> int:
        """Cells for each column of words, so that no column of figures is cut."""
        self._filled_for = self.size.width
        figures = [index for index, column in enumerate(self._columns) if column.figures]
        taken = sum(
            max([len(self._columns[index].title), *(cell_len(row.cells[index]) for row in rows)]) + 2
            for index in figures
        )
        words = len(self._columns) - len(figures)
        return max(_NARROWEST, (self.size.width - 2 - taken) // max(words, 1) - 2)

    def _cell(self, cell: str, index: int, room: int) -> Text:
        if self._columns[index].figures:
            return Text(cell, justify="right")
        text = Text(cell if index else f" {cell}")
        text.truncate(room, overflow="ellipsis")
        return text

    def focus_rows(self) -> None:
        """Give the rows the keys."""
        self.screen.set_focus(self.query_one(_Rows))

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self, event.row_key.value or ""))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is for whoever is behind, unless something is filtered here."""
        return action != "unfilter" or bool(self.needle) or self.query_one(Input).display

    def action_filter(self) -> None:
        """Open the filter field."""
        field = self.query_one(Input)
        field.display, self.query_one(_Head).display = True, False
        # At once: the next key may be waiting already.
        self.screen.set_focus(field)

    def action_unfilter(self) -> None:
        """Back to all rows."""
        self.query_one(Input).value = ""
        self._leave_filter()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.needle = event.value

    @on(Input.Submitted)
    def _leave_filter(self) -> None:
        self.query_one(Input).display, self.query_one(_Head).display = False, True
        self.focus_rows()

    def action_sort(self) -> None:
        """By the next column."""
        self.turned = False
        self.sort_by = (self.sort_by + 1) % len(self._columns)

    def action_turn(self) -> None:
        """The other way round."""
        self.turned = not self.turned

    def action_copy(self) -> None:
        """Copy what the row stands for."""
        row = self.query_one(_Rows).cursor_row
        if 0 <= row < len(self._shown):
            self.app.copy_to_clipboard(self._shown[row].copies)
            self.notify(f"Copied: {self._shown[row].copies}")
