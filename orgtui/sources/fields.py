"""Checked access to what outsiders send: every field becomes one of our types or a reason that quotes no value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from orgtui.domain.money import EXACT
from orgtui.domain.months import instant
from orgtui.domain.text import DANGEROUS, clean

LONGEST_ID = 512
LONGEST_NAME = 200
MOST_TOKENS = 10**12
HIGHEST_COST = Decimal(10**9)
# Sums keep 80 digits (money.EXACT): nine before the point, room for ten million calls, and these after it.
FINEST_COST = 60
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MICROSECOND = Decimal("0.000001")


class Unusable(Exception):
    """A record that should be an event and cannot be one, or input that cannot be read on."""


class Uncounted(Exception):
    """An event that is not one yet."""


class NoEvent(Exception):
    """A record of another kind, which lies beside the events."""


def mapping(value: object) -> Mapping[str, Any]:
    """*value* when it is an object, else an empty one: optional details may have any shape."""
    return value if isinstance(value, dict) else {}


def name(value: object) -> str | None:
    """A display text, cleaned and cut to a sane length; None when there is none."""
    if not isinstance(value, str) or not value.strip():
        return None
    cut = value if len(value) <= LONGEST_NAME else value[: LONGEST_NAME - 1] + "…"
    return clean(cut).strip()


def identity(value: object, field: str) -> str:
    """An id as it came, because two raw ids must stay two; what a terminal would not show is refused."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if value is None or value == "":
        raise Unusable(f"has no {field}")
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"{field} is not a text")
    if len(value) > LONGEST_ID:
        raise Unusable(f"{field} is longer than {LONGEST_ID} characters")
    if DANGEROUS.search(value):
        raise Unusable(f"{field} contains control characters")
    return value


def tokens(value: object, field: str) -> int:
    """A number of tokens; sources write null for none."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unusable(f"{field} is not a whole number")
    if not 0 <= value <= MOST_TOKENS:
        raise Unusable(f"{field} is out of range")
    return value


def cost(value: object, field: str) -> Decimal | None:
    """A cost, exactly as written."""
    if value is None:
        return None
    amount = _number(value, field)
    if amount == 0:
        return Decimal(0)
    if not 0 < amount < HIGHEST_COST or len(amount.as_tuple().digits) - amount.adjusted() > FINEST_COST:
        raise Unusable(f"{field} is out of range")
    return amount


def moment(value: object, field: str) -> datetime:
    """An instant: epoch seconds or ISO 8601, where no zone means UTC; never rounded up into the next day."""
    if value is None:
        raise Unusable(f"has no {field}")
    when = _iso(value, field) if isinstance(value, str) else _epoch(_number(value, field), field)
    if not EARLIEST <= when < LATEST:
        raise Unusable(f"{field} is out of range")
    return when


def _number(value: object, field: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unusable(f"{field} is not a number")
    number = Decimal(value)
    if not number.is_finite():
        raise Unusable(f"{field} is not a finite number")
    return number


def _epoch(seconds: Decimal, field: str) -> datetime:
    if not 0 <= seconds < 10**11:
        raise Unusable(f"{field} is out of range")
    return instant(int(seconds.quantize(_MICROSECOND, ROUND_DOWN, EXACT).scaleb(6)))


def _iso(text: str, field: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Unusable(f"{field} is not a time") from error
