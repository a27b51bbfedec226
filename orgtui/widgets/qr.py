"""An address as a QR code: half blocks, black on white whatever the theme, and whole or not at all."""

from __future__ import annotations

from textual.color import Color
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.style import Style

from orgtui.qr import half_blocks, modules
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas

# Readers want dark on light, which a terminal's own colours need not be.
PAPER = Style(Color.parse("#ffffff"), Color.parse("#000000"))


def cells(text: str) -> Size:
    """How many columns and lines the code takes: 33×17 for an address of up to 53 characters."""
    size = len(modules(text))
    return Size(size, -(-size // 2))


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
