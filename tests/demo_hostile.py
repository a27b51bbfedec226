"""An app that shows hostile text in every kind of widget, with and without the filter."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style as RichStyle
from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.filter import LineFilter
from textual.style import Style
from textual.widgets import (
    Button,
    DataTable,
    Header,
    Input,
    Label,
    OptionList,
    RichLog,
    Select,
    Static,
    Tab,
    Tabs,
    Tree,
)

from tests.demo_app import Demo
from tests.ptyharness import PAYLOADS, hostile_names


class Hostile(Demo):
    """Every widget that shows a text, full of hostile ones."""

    CSS = "DataTable { height: 14; } #box { border: round white; } OptionList, RichLog, Tree { height: 8; }"

    def __init__(self, count: int) -> None:
        super().__init__()
        self.names = hostile_names(1, count)
        self.title = self.names[0]
        self.sub_title = self.names[3]

    def compose(self) -> ComposeResult:
        some = self.names[:45]
        yield Header()
        yield DataTable(cursor_type="row")
        with VerticalScroll(id="box") as box:
            box.border_title, box.border_subtitle = Content(some[1]).markup, some[2].replace("[", "")
            for url in ("https://ok.example/", f"https://x.example/{PAYLOADS['clipboard']}", PAYLOADS["title"]):
                yield Static(Text("linked", style=RichStyle(link=url)))
                yield Label(Content.styled("linked", Style(link=url)))
            yield Tabs(*[Tab(Content(name)) for name in some[:6]])
            yield Input(value=some[4], placeholder=some[5])
            yield Input(placeholder=some[6])
            yield OptionList(*[Content(name) for name in some])
            yield Select([(Content(name), index) for index, name in enumerate(some)], value=2)
            yield Button(Content(some[7]))
            tree: Tree[None] = Tree(Text(some[8]))
            for name in some:
                tree.root.add_leaf(Text(name))
            tree.root.expand()
            yield tree
            yield RichLog()
            for name in some:
                yield Label(Content(name))
                yield Static(Text(name))

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns(Text(self.names[1]), "Name", "Again")
        table.add_rows((str(index), Text(name), Content(name)) for index, name in enumerate(self.names))
        table.focus()
        for name in self.names[:45]:
            self.query_one(RichLog).write(Text(name))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        name = self.names[event.cursor_row]
        self.title = name
        self.clear_notifications()
        self.notify(name, title=name)


class Unfiltered(Hostile):
    """The same, as Textual would have it."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        return App.get_line_filters(self)

    def notify(self, message: str, **_: object) -> None:
        App.notify(self, message, markup=False)
