"""An address as a QR code: half blocks, black on white whatever the theme, and whole or not at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from textual.color import Color
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.style import Style

from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas

# Modules of white around it: the standard asks for four, readers take two, and 80×24 has room for two.
QUIET = 2
# Readers want dark on light, which a terminal's own colours need not be.
PAPER = Style(Color.parse("#ffffff"), Color.parse("#000000"))
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


@lru_cache(8)
def _made(text: str) -> Any:
    # Half of what a first screen may take to import, so only once there is something to pay.
    import segno

    return segno.make(text, error="l", micro=False)


@lru_cache(8)
def modules(text: str) -> tuple[tuple[bool, ...], ...]:
    """The code's modules with the quiet zone around them, True for black."""
    made = _made(text)
    size = len(made.matrix) + 2 * QUIET
    blank = (False,) * size
    rows = [(*blank[:QUIET], *map(bool, row), *blank[:QUIET]) for row in made.matrix]
    return (*[blank] * QUIET, *rows, *[blank] * QUIET)


def half_blocks(text: str, *, light_ink: bool = False) -> list[str]:
    """Two rows of modules to a line; with *light_ink* the blocks are what is white."""
    rows = modules(text)
    blank = (False,) * len(rows)
    pairs = zip(rows[::2], (*rows[1::2], blank), strict=False)
    return [
        "".join(_BLOCKS[upper != light_ink, lower != light_ink] for upper, lower in zip(top, bottom, strict=True))
        for top, bottom in pairs
    ]


def cells(text: str) -> Size:
    """How many columns and lines the code takes: 33×17 for an address of up to 53 characters."""
    size = len(modules(text))
    return Size(size, -(-size // 2))


def image(text: str, ending: str) -> bytes:
    """The code as an .svg or .png picture."""
    from io import BytesIO

    out = BytesIO()
    _made(text).save(out, kind=ending.removeprefix("."), scale=8, border=4)
    return out.getvalue()


class QrCode(Canvas):
    """Shows `address` in exactly the cells it takes."""

    address: reactive[str] = reactive("", init=False, repaint=False)

    def watch_address(self, address: str) -> None:
        """Another code, perhaps another size."""
        size = cells(address) if address else Size(0, 0)
        self.styles.width, self.styles.height = size.width, size.height
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The code; nothing where it would be cut off."""
        if not self.address or (width, height) != tuple(cells(self.address)):
            return []
        # Without colour the blocks are the terminal's light on its dark, as most terminals are.
        light_ink = self.app.no_color
        blocks = half_blocks(self.address, light_ink=light_ink)
        return [Content.styled(line, Style() if light_ink else PAPER) for line in blocks]
