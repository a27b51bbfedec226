"""The form for an identity, and the danger zone: mounted once there is something to fill in, after the first frame."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Input, Static, TextArea

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.field import Field
from orgtui.widgets.logo import Logo


class LogoWords(Canvas):
    """What stands beside the logo."""

    def __init__(self, label: str) -> None:
        super().__init__(id="logo-words")
        self._label = label

    has_logo: reactive[bool] = reactive(False, init=False, repaint=False)

    def watch_has_logo(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        state = "Your logo" if self.has_logo else "Colored avatar with the initial"
        first = (state, ink.text) if self.screen.has_class("-wide") else (self._label, ink.heading)
        return [
            fitted(Content.assemble(line), width) for line in (first, ("Square PNG, JPEG or GIF, max 2 MB", ink.dim))
        ]


class IdentityForm(Vertical):
    """Logo, name, description, Save Changes; *whose* stands before what they are called."""

    def __init__(self, whose: str) -> None:
        super().__init__(id="form")
        self._whose = whose

    def compose(self) -> ComposeResult:
        """The fields."""
        logo = f"{self._whose} Logo"
        yield Field(logo, _logo_row(logo), id="logo-field")
        yield Field(f"{self._whose} Name", Input(id="name", select_on_focus=False), id="name-field")
        area = TextArea(id="description", tab_behavior="focus", highlight_cursor_line=False)
        yield Field("Description", area, aside="optional", counts=True, id="description-field")
        with Horizontal(id="save-row"):
            yield Button("Save Changes", variant="primary", id="save", action="screen.save")
            yield Static("", id="unsaved", markup=False)


def _logo_row(label: str) -> Horizontal:
    buttons = Horizontal(
        Button("Upload Logo…", id="upload", action="screen.upload_logo"),
        Button("Remove", id="remove-logo", action="screen.remove_logo"),
        id="logo-buttons",
    )
    return Horizontal(Logo(id="logo"), Vertical(LogoWords(label), buttons, id="logo-side"), id="logo-row")


def danger_zone(title: str, *more: Button) -> Horizontal:
    """What cannot be taken back, in red; `#losses` says what it takes away."""
    words = Vertical(Static(title, markup=False), Static("", id="losses", markup=False), id="danger-words")
    return Horizontal(
        Static("Danger Zone", id="danger-title", markup=False),
        words,
        Horizontal(*more, Button("Delete…", variant="error", id="delete", action="screen.delete"), id="danger-buttons"),
        id="danger",
    )
