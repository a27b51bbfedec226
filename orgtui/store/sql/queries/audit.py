"""Reads of the audit log."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any

from orgtui.domain.errors import Invalid, StoreRefused
from orgtui.domain.months import instant, micros, zone_or_utc
from orgtui.store.contract.audit import LONGEST_PAGE, PAGE, AuditEntry, AuditPage, Verification
from orgtui.store.sql import chain
from orgtui.store.sql.unit_of_work import Read

_ENTRIES = """
SELECT seq, at, actor, role, operation, subject, before, after FROM audit
WHERE org_id = :org AND at >= :since AND at < :until ORDER BY seq DESC
"""
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
    found = tx.rows.all(
        _ENTRIES,
        org=tx.organization,
        since=_midnight(since, timezone) if since else _ALWAYS[0],
        until=_midnight(until + timedelta(days=1), timezone) if until and until < date.max else _ALWAYS[1],
    )
    # Not in SQL: each database has its own idea of capitals.
    words = text.casefold().split()
    try:
        matching = [row for row in found if _matches(row, words)] if words else found
        left = [row for row in matching if before is None or row[0] < before]
        page = [_entry(*row) for row in left[:limit]]
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreRefused("The audit log is not as it was written; see: orgtui audit verify") from error
    return AuditPage(page, len(matching), page[-1].seq if len(left) > limit else None, timezone)


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
