"""An address as a QR code in half blocks: black on white, with the quiet zone that readers need."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

# Modules of white around it: the standard asks for four, readers take two, and 80×24 has room for two.
QUIET = 2
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


@lru_cache(8)
def _made(text: str) -> Any:
    # Half of what a first screen may take to import, so only once there is something to pay.
    import segno

    return segno.make(text, error="l", micro=False)


@lru_cache(8)
def modules(text: str) -> tuple[tuple[bool, ...], ...]:
    """The code's modules with the quiet zone around them, True for black."""
    matrix = _made(text).matrix
    size = len(matrix) + 2 * QUIET
    blank = (False,) * size
    rows = [(*blank[:QUIET], *map(bool, row), *blank[:QUIET]) for row in matrix]
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


def image(text: str, ending: str) -> bytes:
    """The code as an .svg or .png picture."""
    from io import BytesIO

    out = BytesIO()
    _made(text).save(out, kind=ending.removeprefix("."), scale=8, border=4)
    return out.getvalue()
