"""Reads of the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from orgtui.domain.errors import Invalid, StoreRefused
from orgtui.domain.months import instant, micros, zone_or_utc
from orgtui.store.contract.audit import LONGEST_PAGE, PAGE, AuditEntry, AuditPage, Verification
from orgtui.store.sql import chain
from orgtui.store.sql.unit_of_work import Read

_DAYS = "FROM audit WHERE org_id = :org AND at >= :since AND at < :until"
_ENTRIES = f"SELECT seq, at, actor, role, operation, subject, before, after {_DAYS}"
_NEWEST = "ORDER BY seq DESC LIMIT 1000"
_ALWAYS = 0, 1 << 62


def entries(
    tx: Read,
    text: str = "",
    since: date | None = None,
    until: date | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> AuditPage:
    """The newest first."""
    if not 1 <= limit <= LONGEST_PAGE:
        raise Invalid(f"A page has 1 to {LONGEST_PAGE} entries.", field="limit")
    timezone = tx.rows.value("SELECT timezone FROM organizations WHERE id = :org", org=tx.organization)
    days = {
        "org": tx.organization,
        "since": _midnight(since, timezone) if since else _ALWAYS[0],
        "until": _midnight(until + timedelta(days=1), timezone) if until and until < date.max else _ALWAYS[1],
    }
    words = text.casefold().split()
    try:
        if words:
            # Not in SQL: each database has its own idea of capitals. All of them are counted, and a page kept.
            left, total = list[tuple[Any, ...]](), 0
            for row in _from(tx, days, None):
                if _matches(row, words):
                    total += 1
                    if len(left) <= limit and (before is None or row[0] < before):
                        left.append(row)
        else:
            total = tx.rows.value(f"SELECT count(*) {_DAYS}", **days)
            left = list(islice(_from(tx, days, before), limit + 1))
        page = [_entry(*row) for row in left[:limit]]
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreRefused("The audit log is not as it was written; see: orgtui audit verify") from error
    return AuditPage(page, total, page[-1].seq if len(left) > limit else None, timezone)


def _from(tx: Read, days: dict[str, Any], before: int | None) -> Iterator[tuple[Any, ...]]:
    """Those of the days, the newest first, batch after batch."""
    while batch := (
        tx.rows.all(f"{_ENTRIES} {_NEWEST}", **days)
        if before is None
        else tx.rows.all(f"{_ENTRIES} AND seq < :before {_NEWEST}", **days, before=before)
    ):
        yield from batch
        before = batch[-1][0]


def _matches(row: tuple[Any, ...], words: list[str]) -> bool:
    told = " ".join(row[2:]).replace('\\"', '"').replace("\\\\", "\\").casefold()
    return all(word in told for word in words)


def _midnight(day: date, timezone: str) -> int:
    return micros(datetime.combine(day, time(), zone_or_utc(timezone)))


def _entry(
    seq: int, at: int, actor: str, role: str, operation: str, subject: str, before: str, after: str
) -> AuditEntry:
    return AuditEntry(seq, instant(at), actor, role, operation, subject, json.loads(before), json.loads(after))


def verify(tx: Read, head: str | None = None) -> Verification:
    """Every row, from the first."""
    return chain.verify(tx.rows, tx.chain(), tx.organization, head)
