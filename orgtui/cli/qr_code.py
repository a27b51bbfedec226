"""An address as a QR code on a terminal that has room for it."""

from __future__ import annotations

import os
from typing import TextIO

# Black on white by their fixed places among 256 colours: readers want dark on light, whatever the theme.
_PAPER, _PLAIN = "\x1b[38;5;16;48;5;231m", "\x1b[0m"


def qr_code(url: str, out: TextIO, *, beside: int) -> list[str]:
    """The QR code's lines, where it can be seen whole with so many other lines *beside* it; else nothing."""
    from orgtui.qr import half_blocks

    if not out.isatty() or (out.encoding or "").lower() != "utf-8":
        return []
    columns, rows = os.get_terminal_size(out.fileno())
    # Without colour the blocks are the terminal's light on its dark, as most terminals are.
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    lines = half_blocks(url, light_ink=plain)
    if len(lines[0]) > columns or len(lines) + beside > rows:
        return []
    return lines if plain else [f"{_PAPER}{line}{_PLAIN}" for line in lines]
