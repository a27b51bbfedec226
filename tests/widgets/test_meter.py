"""The meter: exact to half a cell, honest at both ends."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color
from textual.style import Style

from orgtui.widgets.meter import meter

FILLED, TRACK = Style(foreground=Color.parse("#87afff")), Style(foreground=Color.parse("#40454e"))
SHARES = st.one_of(st.floats(-1, 2), st.decimals(-1, 2, allow_nan=False))


def halves(text: str) -> int:
    return 2 * text.count("━") + text.count("╸")


@pytest.mark.parametrize(
    ("fraction", "drawn"),
    [
        (0, "──────────"),
        (0.0001, "╸─────────"),
        (0.049, "╸─────────"),
        (0.1, "━─────────"),
        (0.125, "━╸────────"),
        (Decimal("0.5"), "━━━━━─────"),
        (0.96, "━━━━━━━━━╸"),
        (1, "━━━━━━━━━━"),
        (-3, "──────────"),
        (float("inf"), "━━━━━━━━━━"),
    ],
)
def test_half_steps(fraction: float, drawn: str) -> None:
    assert meter(fraction, 10, FILLED, TRACK).plain == drawn


def test_the_line_is_filled_and_the_rest_is_track() -> None:
    spans = [(span.start, span.end, span.style) for span in meter(0.25, 6, FILLED, TRACK).spans]
    assert spans == [(0, 2, FILLED), (2, 6, TRACK)]


def test_no_room() -> None:
    assert meter(0.5, 0, FILLED, TRACK).plain == ""


@given(SHARES, st.integers(1, 120))
def test_always_as_wide_as_asked_and_to_the_nearest_half(fraction: float | Decimal, width: int) -> None:
    text = meter(fraction, width, FILLED, TRACK).plain
    assert len(text) == width
    assert text == "━" * text.count("━") + "╸" * text.count("╸") + "─" * text.count("─")
    exact = min(max(float(fraction), 0), 1) * width * 2
    assert abs(halves(text) - exact) <= 0.5 + 1e-9 or (fraction > 0 and halves(text) == 1)
    assert (halves(text) == 0) == (fraction <= 0)


@given(SHARES, SHARES, st.integers(1, 60))
def test_more_is_never_shorter(one: float | Decimal, other: float | Decimal, width: int) -> None:
    less, more = sorted((float(one), float(other)))
    assert halves(meter(less, width, FILLED, TRACK).plain) <= halves(meter(more, width, FILLED, TRACK).plain)
