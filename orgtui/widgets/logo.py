"""Shows who an organization or a workspace is: its logo in half-blocks, else an avatar with the initial."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from rich.cells import cell_len
from textual import work
from textual.color import Color
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.worker import Worker, WorkerState

from orgtui.domain.errors import Invalid
from orgtui.domain.text import clean, graphemes
from orgtui.images import RGB, Rows, luminance, pixels
from orgtui.themes import DARK, LIGHT, MODELS, Ink
from orgtui.widgets.canvas import Canvas

# From nothing to all of the text's colour: what an image is without colours of its own.
_SHADES = " ░▒▓█"
_BLACK: RGB = (0, 0, 0)
_Wanted = tuple[bytes, int, int, RGB]


def initial(title: str) -> str:
    """What a person sees as the first character, in upper case if that is one character too; none for no title."""
    text = clean(title.strip())
    end = next((end for end in range(1, len(text)) if graphemes(text[: end + 1]) > 1), len(text))
    first, upper = text[:end], text[:end].upper()
    return upper if graphemes(upper) == 1 else first


def chip(title: str, identity: str, ink: Ink) -> Content:
    """The avatar in three cells, for cards and lists."""
    return Content.assemble((_centred(initial(title), 3), _fill(identity, ink)))


def _fill(identity: str, ink: Ink) -> Style:
    """One of the models' colours, always the same for the same id; the first for none."""
    if not ink.colours:
        return Style(reverse=True, bold=True)
    colour = ink.models[zlib.adler32(identity.encode()) % MODELS if identity else 0].foreground
    # Ink has no token for text on a filled ground; which theme it is made of shows in its text.
    dark = ink.text.foreground is not None and ink.text.foreground.brightness > 0.5
    return Style(colour, Color.parse((DARK if dark else LIGHT)["onaccent"]), bold=True)


def _centred(text: str, width: int) -> str:
    free = width - cell_len(text)
    return " " * (free // 2) + text + " " * (free - free // 2) if free >= 0 else " " * width


class Logo(Canvas):
    """A logo as large as its styles say, stretched to it; while there is none, and until it is decoded, the avatar."""

    DEFAULT_CSS = "Logo { width: 7; height: 3; }"

    image: reactive[bytes | None] = reactive[bytes | None](None, init=False)
    """The kept PNG."""
    title: reactive[str] = reactive("", init=False)
    """The name whose initial the avatar shows."""
    identity: reactive[str] = reactive("", init=False)
    """The id that decides the avatar's colour."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._wanted: _Wanted | None = None
        self._pixels: Rows = ()

    def watch_image(self, image: bytes | None) -> None:
        """Forget the image before; a new one takes its place once it is decoded."""
        if image is None:
            self._wanted, self._pixels = None, ()
        self.redraw()

    def watch_title(self) -> None:
        """Another initial."""
        self.redraw()

    def watch_identity(self) -> None:
        """Another colour."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> Sequence[Content]:
        """The image if there is one of this size, else the avatar; decoding is asked for when either has changed."""
        rows = height * 2 if ink.colours else height
        if self.image is not None and width:
            self._want((self.image, width, rows, self._ground(ink)))
        if len(self._pixels) != rows or not rows or len(self._pixels[0]) != width:
            return self._avatar(width, height, ink)
        return self._half_blocks() if ink.colours else self._shades(ink)

    def _ground(self, ink: Ink) -> RGB:
        """What transparent pixels show; the terminal's own colour is not known."""
        background = self.visual_style.background
        return background.rgb if ink.colours and background is not None else _BLACK

    def _avatar(self, width: int, height: int, ink: Ink) -> list[Content]:
        fill, middle = _fill(self.identity, ink), (height - 1) // 2
        return [
            Content.assemble((_centred(initial(self.title) if y == middle else "", width), fill)) for y in range(height)
        ]

    def _half_blocks(self) -> list[Content]:
        pairs = zip(self._pixels[::2], self._pixels[1::2], strict=True)
        return [
            Content.assemble(
                *(("▀", Style(Color(*below), Color(*above))) for above, below in zip(upper, lower, strict=True))
            )
            for upper, lower in pairs
        ]

    def _shades(self, ink: Ink) -> list[Content]:
        return [
            Content.assemble(("".join(_SHADES[luminance(colour) * len(_SHADES) // 256] for colour in row), ink.text))
            for row in self._pixels
        ]

    # Decoding takes longer than a key press may.

    def _want(self, wanted: _Wanted) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self._decode(wanted)

    # Described by hand: the default would write the whole image out.
    @work(thread=True, exclusive=True, group="logo", description="decode a logo")
    def _decode(self, wanted: _Wanted) -> tuple[_Wanted, Rows]:
        try:
            return wanted, pixels(*wanted)
        except Invalid:
            # Nothing a person could do here: the avatar stays.
            return wanted, ()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Draw what was decoded, if it is still what is wanted."""
        if event.state is WorkerState.SUCCESS and event.worker.result is not None:
            wanted, decoded = event.worker.result
            if wanted == self._wanted:
                self._pixels = decoded
                self.redraw()
