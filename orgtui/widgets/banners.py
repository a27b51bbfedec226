"""What a section has to tell before anything else: what is wrong or about to change, and the key that sees to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.content import Content
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas

_MARKS = {"err": "✗", "warn": "!", "accent": "○", "dim": "▪"}


@dataclass(frozen=True, slots=True)
class Banner:
    """A title, the words after it, and the `key` that helps with what it `does`; `tone` is err, warn, accent or dim."""

    tone: str
    title: str
    words: str = ""
    key: str = ""
    does: str = ""


class Banners(Canvas):
    """Each as many lines as its words take; hidden while there is none."""

    banners: reactive[tuple[Banner, ...]] = reactive((), init=False, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.display = False

    def watch_banners(self, banners: tuple[Banner, ...]) -> None:
        """Show or hide."""
        self.display = bool(banners)
        self.redraw()
        self.refresh(layout=True)

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """As many lines as it takes."""
        return len(self.lines(max(width, 20), 100, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """One below the other."""
        return [line for banner in self.banners for line in _told(banner, width, ink)][:height]


def _told(banner: Banner, width: int, ink: Ink) -> list[Content]:
    tone = getattr(ink, banner.tone)
    title = {"err": ink.danger, "dim": ink.dim}.get(banner.tone, ink.strong)
    gap = "  " if banner.title and banner.words else ""
    line = Content.assemble((banner.title, title), gap, (banner.words, ink.dim if banner.tone == "dim" else ink.text))
    mark = Content.assemble((_MARKS[banner.tone], tone), " ")
    lines = list(line.wrap(max(width - 2, 18)))
    if banner.key:
        # Never broken: what the key does stands beside it.
        key = Content.assemble((banner.key, ink.key), (f" {banner.does}", ink.text))
        fits = lines[-1].cell_length + 2 + key.cell_length <= width - 2
        lines = [*lines[:-1], Content.assemble(lines[-1], "  ", key)] if fits else [*lines, key]
    return [Content.assemble("  " if number else mark, part) for number, part in enumerate(lines)]
