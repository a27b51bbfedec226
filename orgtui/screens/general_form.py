"""General's form and danger zone: mounted once there is something to fill in, so that the first frame need not wait."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Button, Input, Static, TextArea

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.field import Field
from orgtui.widgets.frame import Rule
from orgtui.widgets.logo import Logo


class LogoWords(Canvas):
    """What stands beside the logo."""

    has_logo: reactive[bool] = reactive(False, init=False, repaint=False)

    def watch_has_logo(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        state = "Your logo" if self.has_logo else "Colored avatar with the initial"
        first = (state, ink.text) if self.screen.has_class("-wide") else ("Organization Logo", ink.heading)
        return [
            fitted(Content.assemble(line), width) for line in (first, ("Square PNG, JPEG or GIF, max 2 MB", ink.dim))
        ]


class GeneralForm(Vertical):
    """Logo, name, description, Save Changes."""

    def compose(self) -> ComposeResult:
        """The fields."""
        yield Field("Organization Logo", _logo_row(), id="logo-field")
        yield Field("Organization Name", Input(id="name", select_on_focus=False), id="name-field")
        area = TextArea(id="description", tab_behavior="focus", highlight_cursor_line=False)
        yield Field("Description", area, aside="optional", counts=True, id="description-field")
        with Horizontal(id="save-row"):
            yield Button("Save Changes", variant="primary", id="save", action="screen.save")
            yield Static("", id="unsaved", markup=False)


def _logo_row() -> Horizontal:
    buttons = Horizontal(
        Button("Upload Logo…", id="upload", action="screen.upload_logo"),
        Button("Remove", id="remove-logo", action="screen.remove_logo"),
        id="logo-buttons",
    )
    return Horizontal(Logo(id="logo"), Vertical(LogoWords(id="logo-words"), buttons, id="logo-side"), id="logo-row")


def parts() -> list[Widget]:
    """What General mounts below its stats."""
    words = Vertical(
        Static("Delete organization", markup=False), Static("", id="losses", markup=False), id="danger-words"
    )
    danger = Horizontal(
        Static("Danger Zone", id="danger-title", markup=False),
        words,
        Button("Delete…", variant="error", id="delete", action="screen.delete"),
        id="danger",
    )
    return [GeneralForm(id="form"), Rule(), danger]
