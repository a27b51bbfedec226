"""A small app that shows whatever it is given in every kind of widget, and fails on request: python -m tests.demo_app."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

from orgtui import tty

try:
    PROFILE = tty.prepare(os.environ)
except tty.NoScreen as refusal:
    print(refusal.message, file=sys.stderr)
    sys.exit(refusal.exit_code)
tty.hold_gc()

from rich.style import Style as RichStyle  # noqa: E402
from rich.text import Text  # noqa: E402
from textual import work  # noqa: E402
from textual.app import App, ComposeResult  # noqa: E402
from textual.binding import Binding  # noqa: E402
from textual.containers import VerticalScroll  # noqa: E402
from textual.content import Content  # noqa: E402
from textual.filter import LineFilter  # noqa: E402
from textual.style import Style  # noqa: E402
from textual.widgets import (  # noqa: E402
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

from orgtui.terminal import SafeApp, run  # noqa: E402
from orgtui.themes import THEMES  # noqa: E402
from orgtui.widgets.secret_input import SecretInput  # noqa: E402
from tests.ptyharness import hostile_names  # noqa: E402


class Demo(SafeApp[None]):
    """What all the demonstrations share."""

    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("x", "fail('callback')"),
        Binding("a", "fail('worker')"),
        Binding("t", "fail('thread')"),
        Binding("z", "linger"),
        Binding("b", "block"),
        Binding("c", "copy"),
        Binding("f", "flood"),
    ]

    def __init__(self) -> None:
        super().__init__(PROFILE)
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = PROFILE.theme

    def action_fail(self, where: str) -> None:
        secret = "sk-canary-" + "0123456789" * 3
        {"callback": fail, "worker": self.fail_in_worker, "thread": self.fail_in_thread}[where](secret)

    @work
    async def fail_in_worker(self, secret: str) -> None:
        await asyncio.sleep(0)
        fail(secret)

    @work(thread=True)
    def fail_in_thread(self, secret: str) -> None:
        fail(secret)

    def action_linger(self) -> None:
        self.run_worker(lambda: time.sleep(30), thread=True, exit_on_error=False)
        self.set_timer(0.1, lambda: self.exit(return_code=7))

    def action_block(self) -> None:
        time.sleep(30)

    def action_flood(self) -> None:
        self.set_interval(0.01, lambda: self.screen.refresh(layout=True))

    def action_copy(self) -> None:
        self.copy_to_clipboard("safe\x1b[31m\ud800\n")


def fail(secret: str) -> None:
    """Fail with a secret in the locals and in the message."""
    api_key = secret
    raise ValueError(f"\x1b]52;c;eA==\x07 the provider refused {api_key}")


class Small(Demo):
    """Starts and ends fast."""

    def compose(self) -> ComposeResult:
        yield Static("ready")


class Secret(Demo):
    """One secret field."""

    def compose(self) -> ComposeResult:
        yield SecretInput(id="secret")
        yield Static("ready")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        assert isinstance(event.input, SecretInput)
        self.query_one(Static).update(Content(f"took {len(event.input.take())} {event!r} {event.input!r}"))


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
                yield Static(Text("linked", style=RichStyle(link="https://ok.example/" if len(name) % 2 else name)))
                yield Label(Content.styled("linked", Style(link=name)))

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

    def get_line_filters(self) -> list[LineFilter]:
        return list(App.get_line_filters(self))

    def notify(self, message: str, **_: object) -> None:  # type: ignore[override]
        App.notify(self, message, markup=False)


def main() -> int:
    """Run the app that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", choices=("small", "secret", "hostile", "unfiltered"))
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    if arguments.app == "hostile":
        return run(Hostile(arguments.count))
    if arguments.app == "unfiltered":
        return run(Unfiltered(arguments.count))
    return run(Secret() if arguments.app == "secret" else Small())


if __name__ == "__main__":
    sys.exit(main())
