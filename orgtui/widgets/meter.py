"""The meter: a share of a whole as a heavy line on a light track."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from textual.content import Content
from textual.style import Style


def meter(fraction: float | Decimal, width: int, filled: Style, track: Style) -> Content:
    """`━━━╸──────`: *fraction* of *width* cells to the nearest half; whatever is above zero shows."""
    share = Fraction(min(max(fraction, 0), 1))
    halves = int(share * width * 2 + Fraction(1, 2))
    if share and width:
        halves = max(halves, 1)
    whole, half = divmod(halves, 2)
    return Content.assemble(("━" * whole + "╸" * half, filled), ("─" * (width - whole - half), track))
