"""How billing stands, in as few rows as the frame around every section can afford to ask for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from orgtui.domain.attention import Attention, Standing, attention
from orgtui.domain.months import Month, instant, local_day, micros, zone
from orgtui.domain.plans import BY_KEY
from orgtui.domain.proration import Period, period_at
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.domain.usage import ERROR, SUCCESS
from orgtui.store.sql import ledger
from orgtui.store.sql.unit_of_work import Read

_COUNTED = f"outcome IN ('{SUCCESS}', '{ERROR}')"
_WHOLE_DAYS = f"""
SELECT coalesce(sum(runs), 0) FROM run_days
WHERE org_id = :org AND day > :first AND day < :last AND {_COUNTED}
"""  # noqa: S608 (our own names)
_PART_DAYS = f"""
SELECT count(*) FROM runs
WHERE org_id = :org AND day IN (:first, :last) AND started_at >= :start AND started_at < :end AND {_COUNTED}
"""  # noqa: S608 (our own names)


def wanted(tx: Read) -> tuple[Attention, ...]:
    """What wants attention now."""
    status = tx.rows.value("SELECT status FROM subscriptions WHERE org_id = :org", org=tx.organization)
    used, limit, _ = runs_used(tx)
    standing = Standing(
        status=None if status is None else SubscriptionStatus(status),
        balance=ledger.balance(tx.rows, tx.organization),
        runs=used,
        limit=limit,
    )
    return attention(standing)


def runs_used(tx: Read) -> tuple[int, int | None, Period]:
    """Counted runs of the billing cycle, the plan's limit of them, and the cycle.

    Whole days come from the roll-up; of the two at the ends of the cycle each run is looked at.
    """
    plan, timezone = tx.rows.one("SELECT plan, timezone FROM organizations WHERE id = :org", org=tx.organization) or (
        "",
        "UTC",
    )
    here = zone(timezone)
    cycle = _cycle(tx, here)
    days = {"first": local_day(cycle.start, here).isoformat(), "last": local_day(cycle.end, here).isoformat()}
    used = tx.rows.value(_WHOLE_DAYS, org=tx.organization, **days)
    used += tx.rows.value(_PART_DAYS, org=tx.organization, **days, start=micros(cycle.start), end=micros(cycle.end))
    known = BY_KEY.get(plan)
    return int(used), known.runs if known else None, cycle


def _cycle(tx: Read, here: ZoneInfo) -> Period:
    """The subscription's period, also where nobody has read it since it ended; without one, the calendar month."""
    row = tx.rows.one("SELECT status, start_at, end_at FROM subscriptions WHERE org_id = :org", org=tx.organization)
    if row is not None and SubscriptionStatus(row[0]).has_plan:
        start, end = instant(row[1]), instant(row[2])
        return Period(start, end) if tx.now < end else period_at(start, tx.now)
    month = Month.of(local_day(tx.now, here))
    return Period(_midnight(month.first, here), _midnight(month.shift(1).first, here))


def _midnight(day: date, here: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=here).astimezone(UTC)
