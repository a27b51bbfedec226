"""What stands under the members list: the selected person in a line, and what the two roles may."""

from __future__ import annotations

from typing import Any

from textual.content import Content
from textual.reactive import reactive

from orgtui.domain.roles import Role
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted

MAY = {
    Role.OWNER: "Full access to everything, including billing, danger zone, and ownership transfer.",
    Role.ADMIN: "Can manage workspaces, members, workflows, and settings. Cannot delete the organization or transfer "
    "ownership.",
}
BADGES = {Role.OWNER: (" OWNER ", "owner"), Role.ADMIN: (" ADMIN ", "chip")}


class Detail(Canvas):
    """A name and what is told of it, each part in one piece where it fits."""

    told: reactive[tuple[str, tuple[str, ...]]] = reactive(("", ()), init=False, repaint=False)

    def watch_told(self) -> None:
        """Redraw."""
        self.redraw()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All of it."""
        return len(self._rows(width, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """In as many lines as there are."""
        return [fitted(row, width) for row in self._rows(max(width, 1), ink)[:height]]

    def _rows(self, width: int, ink: Ink) -> list[Content]:
        name, parts = self.told
        rows = list(Content.assemble((name, ink.strong)).wrap(width))
        for number, part in enumerate(parts):
            longer = Content.assemble(rows[-1], (" · " if number else "  ", ink.dim), (part, ink.dim))
            if longer.cell_length <= width:
                rows[-1] = longer
            else:
                rows += Content.assemble((part, ink.dim)).wrap(width)
        return rows


class Roles(Canvas):
    """The seed's table of roles."""

    INDENT, WIDEST = 10, 70

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All of it."""
        return len(self._rows(width, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """A badge and its words for each role."""
        return self._rows(width, ink)

    def _rows(self, width: int, ink: Ink) -> list[Content]:
        rows = [Content.assemble(("Roles", ink.heading))]
        for role, words in MAY.items():
            badge, tone = BADGES[role]
            wrapped = Content.assemble((words, ink.dim)).wrap(max(10, min(width, self.WIDEST) - self.INDENT))
            rows.append(Content(""))
            for number, line in enumerate(wrapped):
                left = Content.assemble((badge, getattr(ink, tone))) if number == 0 else Content("")
                rows.append(Content.assemble(fitted(left, self.INDENT), line))
        return rows
