"""The audit rows' chain: each carries a MAC over itself and over the one before it, with a key that no table holds.

Whoever can write the database but lacks the key can neither edit, remove nor insert a row unseen. Rows cut off at the
end together with the organization's revision are seen against a head that was kept elsewhere.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from orgtui.domain.errors import Invalid
from orgtui.store.contract.audit import Verification
from orgtui.store.sql.rows import Rows

if TYPE_CHECKING:
    from orgtui.store.sql.tables import AuditRow

_COLUMNS = "org_id, seq, at, actor, role, operation, subject, before, after"
_SEQ, _MAC = re.compile("[0-9]{1,18}"), re.compile("[0-9a-f]{64}")
_FROM = f"SELECT {_COLUMNS}, mac FROM audit WHERE org_id = :org"  # noqa: S608 (our own names)
_BATCH = 1_000


def link(key: hmac.HMAC, previous: str, row: Sequence[Any]) -> str:
    """The MAC of a row, its columns in the order of the table, after the row with the MAC *previous*."""
    mac = key.copy()
    mac.update(json.dumps([previous, *row], separators=(",", ":"), default=_foreign).encode())
    return mac.hexdigest()


def _foreign(value: Any) -> list[str]:
    """What no row of ours holds, such as bytes, in a form that no text has."""
    return [repr(value)]


def next_row(
    rows: Rows,
    key: hmac.HMAC,
    *,
    organization: str,
    at: int,
    actor: str,
    role: str,
    operation: str,
    subject: str,
    before: Any = None,
    after: Any = None,
) -> AuditRow:
    """The row that follows the last one; `before` and `after` are JSON values, without secrets."""
    from orgtui.store.sql.tables import AuditRow

    last = rows.one("SELECT seq, mac FROM audit WHERE org_id = :org ORDER BY seq DESC LIMIT 1", org=organization)
    seq, previous = last or (0, "")
    values = (organization, seq + 1, at, actor, role, operation, subject, _told(before), _told(after))
    return AuditRow(**dict(zip(_COLUMNS.split(", "), values, strict=True)), mac=link(key, previous, values))


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def seal(rows: Rows, key: hmac.HMAC) -> None:
    """Chain the rows of a database that was made before there was a chain."""
    for (organization,) in rows.all("SELECT id FROM organizations"):
        previous = ""
        for *row, _ in _all(rows, organization):
            previous = link(key, previous, row)
            rows.run(
                "UPDATE audit SET mac = :mac WHERE org_id = :org AND seq = :seq",
                mac=previous,
                org=organization,
                seq=row[1],
            )


def verify(rows: Rows, key: hmac.HMAC, organization: str, head: str | None) -> Verification:
    """Whether the rows are the ones that were written; *head* is `SEQ:MAC` of a moment they must continue from."""
    kept = None if head is None else _parsed(head)
    count, previous = 0, ""
    for seq, mac, expected in _walk(rows, key, organization):
        if seq != count + 1 or mac != expected:
            return Verification(
                False, count, _head(count, previous), f"Row {count + 1} was edited, removed or inserted."
            )
        count, previous = seq, mac
        if kept and kept[0] == seq:
            if kept[1] != mac:
                return Verification(
                    False, count, _head(count, previous), f"Row {seq} is not the one of the head given."
                )
            kept = None
    revision = rows.value("SELECT revision FROM organizations WHERE id = :org", org=organization)
    # Each change moves the revision by one and leaves one row; the first row is the founding.
    if kept or not count or revision != count - 1:
        return Verification(False, count, _head(count, previous), f"Rows after {count} were cut off.")
    return Verification(True, count, _head(count, previous), None)


def _walk(rows: Rows, key: hmac.HMAC, organization: str) -> Iterator[tuple[Any, Any, str]]:
    previous = ""
    for *row, mac in _all(rows, organization):
        previous = link(key, previous, row)
        yield row[1], mac, previous


def _all(rows: Rows, organization: str) -> Iterator[Sequence[Any]]:
    """Batch after batch, of whatever kind the numbers are that stand there."""
    batch = rows.all(f"{_FROM} ORDER BY seq LIMIT {_BATCH}", org=organization)
    while batch:
        yield from batch
        batch = rows.all(f"{_FROM} AND seq > :last ORDER BY seq LIMIT {_BATCH}", org=organization, last=batch[-1][1])


def _head(seq: int, mac: str) -> str:
    return f"{seq}:{mac}"


def _parsed(head: str) -> tuple[int, str]:
    seq, _, mac = head.strip().partition(":")
    if not _SEQ.fullmatch(seq) or not _MAC.fullmatch(mac):
        raise Invalid("A head is SEQ:MAC, as `orgtui audit verify` prints it.", field="head")
    return int(seq), mac
