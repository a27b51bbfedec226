"""How figures are written: grouped, with their unit, and — where there is none."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from orgtui.domain.money import Cost

NONE = "—"
_RECENT = 10
_UNITS = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def count(number: int | None) -> str:
    """`2,885`."""
    return NONE if number is None else f"{number:,}"


def some(number: int, one: str, many: str = "") -> str:
    """`1 agent`, `2 agents`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def compact(number: int | None) -> str:
    """`41.2M`: three figures and a unit, exact below 10,000."""
    if number is None or number < 10_000:
        return count(number)
    for size, unit in _UNITS:
        if number >= size:
            digits = (Decimal(number) / size).quantize(Decimal("0.1"), ROUND_HALF_UP)
            return f"{digits}{unit}"
    raise AssertionError("unreachable")


def percent(rate: float | None) -> str:
    """`97.4 %`; never 100 % while something failed, never 0 % while something succeeded."""
    if rate is None:
        return NONE
    if 0 < rate < 1:
        tenths = min(max(round(rate * 1000), 1), 999)
        return f"{tenths / 10:.1f} %"
    return f"{rate * 100:.0f} %"


def cost(amount: Cost | None) -> str:
    """`€184.37`, `<€0.01`, or — where nothing has a price."""
    return NONE if amount is None else str(amount)


def change(now: float | Decimal | None, before: float | Decimal | None, than: str) -> str:
    """`↑ 12 % on Oct`: how *now* compares with *before*; empty where there is nothing to compare."""
    if now is None or not before:
        return ""
    ratio = round((float(now) / float(before) - 1) * 100)
    if ratio == 0:
        return f"= as in {than}"
    return f"{'↑' if ratio > 0 else '↓'} {abs(ratio):,} % on {than}"


def ago(then: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`now`, `12 min ago`, `2 h ago`, `yesterday`, `5 d ago`, `19 Nov 2026`: days are the zone's."""
    seconds = (now - then).total_seconds()
    days = (now.astimezone(zone).date() - then.astimezone(zone).date()).days
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if days == 0 or seconds < 6 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    if days == 1:
        return "yesterday"
    return f"{days} d ago" if days <= _RECENT else f"{then.astimezone(zone):%-d %b %Y}"


def points(now: float | None, before: float | None) -> str:
    """`↓ 0.6 pt`: the difference of two rates in percentage points."""
    if now is None or before is None:
        return ""
    tenths = round((now - before) * 1000)
    if tenths == 0:
        return "= 0.0 pt"
    return f"{'↑' if tenths > 0 else '↓'} {abs(tenths) / 10:.1f} pt"
