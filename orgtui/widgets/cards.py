"""Workspaces as cards in a grid, which folds to a list where it is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread
from orgtui.widgets.logo import chip

GAP = 2
# A card is worth a card's room from this width on.
LEAST = 32


@dataclass(frozen=True, slots=True)
class Card:
    """A workspace: figures with their labels, and a line below them."""

    id: str
    name: str
    description: str
    figures: tuple[tuple[str, str], ...]
    note: str
    dim: bool = False


class Cards(Canvas, can_focus=True):
    """Arrows move in the grid, enter opens; the page scrolls with the selected card."""

    BINDINGS = [
        Binding("right,l", "step(1)", "Next card", id="cards.next", show=False),
        Binding("left,h", "step(-1)", "Previous card", id="cards.previous", show=False),
        Binding("down,j", "row(1)", "Card below", id="cards.below", show=False),
        Binding("up,k", "row(-1)", "Card above", id="cards.above", show=False),
        Binding("home,g", "go(0)", "First card", id="cards.first", show=False),
        Binding("end,G", "go(-1)", "Last card", id="cards.last", show=False),
        Binding("enter", "choose", "Open", id="cards.open", key_display="↵"),
    ]
    HELP = "Arrows move between the cards, enter opens one."

    cards: reactive[tuple[Card, ...]] = reactive((), init=False, repaint=False)
    selected: reactive[int] = reactive(0, init=False, repaint=False)
    tall: reactive[bool] = reactive(False, init=False, repaint=False)

    class Chosen(Message):
        """Enter, or a click, on a card."""

        def __init__(self, id: str) -> None:
            super().__init__()
            self.id = id

    def watch_cards(self, before: tuple[Card, ...], now: tuple[Card, ...]) -> None:
        """The cursor stays with its card."""
        kept = before[self.selected].id if self.selected < len(before) else None
        self.selected = next((at for at, card in enumerate(now) if card.id == kept), 0)
        self._fit()

    def watch_tall(self) -> None:
        """Redraw."""
        self._fit()

    def watch_selected(self) -> None:
        """Redraw, and bring it into sight."""
        self.redraw()
        for scroll in self.ancestors:
            if isinstance(scroll, VerticalScroll):
                top = self.selected // self._across * self._pitch
                region = Region(0, top, 1, self._pitch).translate(self.virtual_region.offset)
                scroll.scroll_to_region(region, animate=False)

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Another width, another grid."""
        self._fit()

    @property
    def chosen(self) -> Card | None:
        """The selected card."""
        return self.cards[self.selected] if self.selected < len(self.cards) else None

    @property
    def _across(self) -> int:
        return max(1, (self.size.width + GAP) // (LEAST + GAP)) if self.size.width < 120 else 3

    @property
    def _folded(self) -> bool:
        return self._across == 1

    @property
    def _pitch(self) -> int:
        return 3 if self._folded else 8 if self.tall else 7

    def _fit(self) -> None:
        rows = -(-len(self.cards) // self._across)
        self.styles.height = max(1, rows * self._pitch)
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Rows of cards."""
        across = self._across
        # Widths absorb the remainder, so that right edges align.
        free = width - GAP * (across - 1)
        widths = [free // across + (column < free % across) for column in range(across)]
        drawn: list[Content] = []
        for start in range(0, len(self.cards), across):
            row = self.cards[start : start + across]
            blocks = [
                self._card(card, room, ink, here=start + column == self.selected)
                for column, (card, room) in enumerate(zip(row, widths, strict=False))
            ]
            drawn += [Content(" " * GAP).join(parts) for parts in zip(*blocks, strict=True)]
            drawn.append(Content(""))
        return drawn[:height]

    def _card(self, card: Card, width: int, ink: Ink, *, here: bool) -> list[Content]:
        held = here and self.has_focus
        inner = self._inner(card, width - 1, ink, held=held)
        bar = ("▎", ink.accent if held else ink.dim if here else ink.hair)
        ground = ink.tint if held and ink.colours else ink.tile
        lines = [Content.assemble(bar, fitted(line, width - 1)) for line in inner]
        if held and not ink.colours:
            return [Content(line.plain).stylize(ink.tint) for line in lines]
        return [line.stylize_before(ground) for line in lines]

    def _inner(self, card: Card, width: int, ink: Ink, *, held: bool) -> list[Content]:
        title = ink.dim if card.dim else ink.strong
        opens = Content.assemble(("↵ ", ink.key)) if held else Content("")
        if self._folded:
            figures = " · ".join(f"{figure} {label.lower()}" for label, figure in card.figures)
            name = Content.assemble(" ", chip(card.name, card.id, ink), " ", (card.name, title))
            return [spread(name, opens, width), Content.assemble("     ", (figures, ink.dim))]
        head = spread(Content.assemble("  ", chip(card.name, card.id, ink), "  ", (card.name, title)), opens, width)
        rooms = [max(cell_len(label), cell_len(figure)) + 2 for label, figure in card.figures]
        numerals = [
            fitted(Content.assemble((figure, title)), room)
            for (_, figure), room in zip(card.figures, rooms, strict=True)
        ]
        labels = [
            fitted(Content.assemble((label, ink.dim)), room)
            for (label, _), room in zip(card.figures, rooms, strict=True)
        ]
        body = [
            head,
            Content.assemble(" " * 7, (card.description, ink.dim)),
            Content(""),
            Content.assemble("  ", *numerals),
            Content.assemble("  ", *labels),
            Content.assemble("  ", (card.note, ink.dim)),
        ]
        return [Content(""), *body] if self.tall else body

    def action_step(self, by: int) -> None:
        """The card beside."""
        self.selected = max(0, min(len(self.cards) - 1, self.selected + by))

    def action_row(self, by: int) -> None:
        """The card below or above."""
        to = self.selected + by * self._across
        if 0 <= to < len(self.cards):
            self.selected = to
        elif by > 0 and self.selected // self._across < (len(self.cards) - 1) // self._across:
            self.selected = len(self.cards) - 1

    def action_go(self, to: int) -> None:
        """That card; -1 is the last."""
        if self.cards:
            self.selected = to % len(self.cards)

    def action_choose(self) -> None:
        """Open it."""
        if card := self.chosen:
            self.post_message(self.Chosen(card.id))

    def on_click(self, event: events.Click) -> None:
        """The card under the mouse; once more opens it."""
        column = min(self._across - 1, event.x * self._across // max(self.size.width, 1))
        number = event.y // self._pitch * self._across + column
        if number >= len(self.cards):
            return
        if number == self.selected and self.has_focus:
            self.action_choose()
        self.selected = number


def matching(cards: Sequence[Card], words: str) -> tuple[Card, ...]:
    """The cards that have all the words in name or description."""
    wanted = words.casefold().split()
    return tuple(card for card in cards if all(word in f"{card.name} {card.description}".casefold() for word in wanted))
