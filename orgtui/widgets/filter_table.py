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
from orgtui.widgets.canvas import Canvas, fitted, spread

_NARROWEST = 10
# The titles and the line under them.
HEADER = 2


# What a cell shows: text, or texts each in a tone, which is the name of one of the ink's styles.
Cell = str | tuple[tuple[str, str], ...]


def plain(cell: Cell) -> str:
    """The text of a cell."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in cell)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title; figures stand at the right. Figures, and what has its `highest_first`, sort that way.

    A column that is `whole` is never cut; one that `grows` takes what is left over. It is there where the table has at
    least `least` and at most `most` cells.
    """

    title: str
    figures: bool = False
    highest_first: bool = False
    whole: bool = False
    grows: int = 0
    least: int = 0
    most: int = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what its cells show, what they sort by, and what `y` copies; one of each for every column there may be."""

    key: str
    cells: tuple[Cell, ...]
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
        if y == self.header_height - 1:
            style = self.rich_style + Ink.of(self.app).hair.rich_style
            return Strip([Segment("─" * self.size.width, style)], self.size.width)
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

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def watch_words(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        words, count = self.words
        title = Content.assemble((self._title, ink.heading), "   ") if self._title else Content("")
        left = Content.assemble(title, ("/", ink.key), " ", (words, ink.dim)) if words else title
        # What gives way ends before the count begins.
        room = width - len(count) - 1
        left = fitted(left, room) if 0 < room < left.cell_length else left
        return [spread(left, Content.assemble((count, ink.dim)), width)]


class FilterTable(Vertical):
    """`rows` shown under `columns`, at most `most` of them; the filter looks at all cells of all rows.

    With a `title` the line above says that, and what is filtered by; the field alone says what can be.
    """

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

    class Highlighted(Message):
        """The cursor came to a row; None where there is none."""

        def __init__(self, table: FilterTable, key: str | None) -> None:
            super().__init__()
            self.table, self.key = table, key

    class Sought(Message):
        """Other words in the filter of a table whose rows are found elsewhere."""

        def __init__(self, table: FilterTable, words: str) -> None:
            super().__init__()
            self.table, self.words = table, words

    rows: reactive[tuple[Row, ...]] = reactive((), init=False, repaint=False)
    needle: reactive[str] = reactive("", init=False, repaint=False)
    sort_by: reactive[int] = reactive(0, init=False, repaint=False)
    turned: reactive[bool] = reactive(False, init=False, repaint=False)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        noun: str,
        placeholder: str,
        seeks: bool = False,
        title: str = "",
        most: int | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id, classes="titled" if title else None)
        self._columns, self._noun, self._placeholder, self._seeks = tuple(columns), noun, placeholder, seeks
        self._title, self._most = title, most
        # How many there are where the rows are not all of them.
        self.total: int | None = None
        self._there: list[int] = []
        self._shown: list[Row] = []
        self._ready = False
        self._filled_for = 0

    def compose(self) -> ComposeResult:
        """Head or filter field, then the table."""
        yield _Head(self._title)
        field = Input(placeholder=self._placeholder, classes="filter")
        field.display = False
        yield field
        yield _Rows(cursor_type="row", zebra_stripes=False, header_height=HEADER)

    def on_mount(self) -> None:
        """Fill in what was set before."""
        self._ready = True
        self._fill()

    @staticmethod
    def validate_rows(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """One of each key, the first, whatever a server has sent."""
        kept = dict[str, Row]()
        for row in rows:
            kept.setdefault(row.key, row)
        return tuple(kept.values())

    def watch_rows(self) -> None:
        """Show the new rows; the cursor stays with its own, wherever that is now."""
        self._fill(self.selected if self._ready else None)

    def watch_needle(self) -> None:
        """Show what matches."""
        if self._seeks:
            self.post_message(self.Sought(self, self.needle))
        else:
            self._fill()

    def watch_sort_by(self) -> None:
        """Show in the new order."""
        self._fill()

    def watch_turned(self) -> None:
        """Show the other way round."""
        self._fill()

    def _fill(self, selected: str | None = None) -> None:
        if not self._ready or not self.size.width:
            return
        self._filled_for = self.size.width
        self._there = [
            index for index, column in enumerate(self._columns) if column.least <= self.size.width <= column.most
        ]
        words = "" if self._seeks else self.needle.casefold()
        found = [row for row in self.rows if self._matches(row, words.split())]
        sort_by = self._sorted_by
        column = self._columns[sort_by]
        found.sort(key=lambda row: row.order[sort_by], reverse=(column.figures or column.highest_first) != self.turned)
        # A table of many thousand rows is slow to fill; words find what is not among the first.
        self._shown = found[: self._most]
        self._fill_table(self._shown, selected)
        self._say(words, column)

    @property
    def _sorted_by(self) -> int:
        return self.sort_by if self.sort_by in self._there else self._there[0]

    def _matches(self, row: Row, words: Sequence[str]) -> bool:
        return all(any(word in plain(cell).casefold() for cell in row.cells) for word in words)

    def _say(self, words: str, column: Column) -> None:
        total = len(self.rows) if self.total is None else self.total
        shown = f"{len(self._shown):,} of {total:,}" if words or len(self._shown) < total else f"{total:,}"
        noun = self._noun.removesuffix("s") if shown == "1" else self._noun
        order = f"by {column.title.lower()}{', turned round' if self.turned else ''}"
        hint = "" if self._title else self._placeholder
        self.query_one(_Head).words = (self.needle or hint, f"{shown} {noun} · {order}")

    def _fill_table(self, found: Sequence[Row], selected: str | None) -> None:
        table, ink = self.query_one(_Rows), Ink.of(self.app)
        kept = table.cursor_row if selected else 0
        # A reversed row drops all other colours.
        table.cursor_foreground_priority = "renderable" if ink.colours else "css"
        widths = self._widths(found)
        with self.prevent(DataTable.RowHighlighted):
            table.clear(columns=True)
            for index in self._there:
                column = self._columns[index]
                title = f" {column.title}" if index == self._there[0] else column.title
                head = Text(title, justify="right" if column.figures else "left")
                table.add_column(head, key=str(index), width=widths[index])
            for row in found:
                table.add_row(*(self._cell(row.cells[i], i, widths[i], ink) for i in self._there), key=row.key)
            if found:
                there = next((number for number, row in enumerate(found) if row.key == selected), kept)
                table.move_cursor(row=min(there, len(found) - 1))
        self.post_message(self.Highlighted(self, self.selected))

    def on_resize(self) -> None:
        """Words take what the figures leave."""
        if self._ready and self.size.width != self._filled_for:
            self._fill(self.selected)

    def _widths(self, rows: Sequence[Row]) -> dict[int, int]:
        """Cells for each column: what it needs, less where that is too much, more where something is left."""
        columns = {index: self._columns[index] for index in self._there}
        first = self._there[0]
        wanted = {
            index: max([cell_len(column.title), *(cell_len(plain(row.cells[index])) for row in rows)])
            + (index == first)
            for index, column in columns.items()
        }
        scrolls = len(rows) + HEADER > self.query_one(_Rows).size.height
        room = self.size.width - 2 * len(columns) - scrolls
        left = room - sum(wanted.values())
        # Of two that are as wide the later one gives way: the first says which row it is.
        words = [index for index, column in reversed(columns.items()) if not column.figures and not column.whole]
        while left < 0 and wanted[widest := max(words, key=wanted.__getitem__)] > _NARROWEST:
            wanted[widest] -= 1
            left += 1
        growing = [index for index, column in columns.items() for _ in range(column.grows)]
        for number, index in enumerate(growing):
            wanted[index] += max(left, 0) // len(growing) + (number < max(left, 0) % len(growing))
        return wanted

    def _cell(self, cell: Cell, index: int, room: int, ink: Ink) -> Text:
        parts = ((cell, ""),) if isinstance(cell, str) else cell
        text = Text(" " if index == self._there[0] else "", justify="right" if self._columns[index].figures else "left")
        for words, tone in parts:
            text.append(words, getattr(ink, tone).rich_style if tone else None)
        text.truncate(room, overflow="ellipsis")
        return text

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor."""
        row = self.query_one(_Rows).cursor_row
        return self._shown[row].key if 0 <= row < len(self._shown) else None

    def focus_rows(self) -> None:
        """Give the rows the keys."""
        self.screen.set_focus(self.query_one(_Rows))

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self, event.row_key.value or ""))

    @on(DataTable.RowHighlighted)
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.Highlighted(self, event.row_key.value))

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
        there = [index for index in self._there if self._columns[index].title]
        if not there:
            return
        later = [index for index in there if index > self._sorted_by]
        self.sort_by = (later or there)[0]

    def action_turn(self) -> None:
        """The other way round."""
        self.turned = not self.turned

    def action_copy(self) -> None:
        """Copy what the row stands for."""
        row = self.query_one(_Rows).cursor_row
        if 0 <= row < len(self._shown):
            self.app.copy_to_clipboard(self._shown[row].copies)
            self.notify(f"Copied: {self._shown[row].copies}")
