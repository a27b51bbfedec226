"""Help for what has focus: its keys and words, from the bindings themselves."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button

from orgtui.screens.dialogs.dialog import Dialog
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted


class _Keys(Canvas):
    def __init__(self, rows: list[tuple[str, str]], words: str) -> None:
        super().__init__(id="key-list")
        self._rows, self._words = rows, words

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All rows: the panel scrolls."""
        return len(self._rows) + (len(Content(self._words).wrap(width)) + 1 if self._words else 0)

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        room = max((len(keys) for keys, _ in self._rows), default=0) + 2
        head = [*Content.assemble((self._words, ink.dim)).wrap(width), Content("")] if self._words else []
        return head + [
            fitted(Content.assemble((keys.ljust(room), ink.key), (words, ink.text)), width)
            for keys, words in self._rows
        ]


def gathered(screen: Screen[Any]) -> list[tuple[str, str, ActiveBinding]]:
    """Keys, words and binding of everything that works on *screen* now, one entry an action."""
    found: dict[tuple[int, str], tuple[list[str], str, ActiveBinding]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        # Ours have ids; what Textual's own widgets bind for editing is what a person expects of a field anyway.
        if not binding.id or not binding.description or not active.enabled:
            continue
        keys, _, _ = found.setdefault((id(active.node), binding.action), ([], binding.description, active))
        display = screen.app.get_key_display(binding)
        if display not in keys:
            keys.append(display)
    return [(" ".join(keys), words, active) for keys, words, active in found.values()]


class Help(Dialog[None]):
    """The keys of the screen below."""

    HEADING = "Keys"
    BINDINGS = [
        Binding("down,j,pagedown,space", "scroll(1)", "Down", id="help.down", show=False),
        Binding("up,k,pageup", "scroll(-1)", "Up", id="help.up", show=False),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        focused = below.focused
        self._rows = [(keys, words) for keys, words, _ in gathered(below)]
        texts = [getattr(node, "HELP", None) for node in (focused, below)]
        self._words = " ".join(text for text in texts if text)

    def compose_dialog(self) -> ComposeResult:
        """The list."""
        yield _Keys(self._rows, self._words)

    def action_scroll(self, by: int) -> None:
        """Where the keys are more than fit."""
        content = self.query_one("#content")
        content.scroll_relative(y=by * max(1, content.size.height // 2), animate=False)

    def buttons(self) -> ComposeResult:
        """Only one way to go."""
        yield Button("Close", id="cancel", variant="primary", action="screen.cancel")
