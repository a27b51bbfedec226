"""The credits' ledger: entries are only ever added, each for one thing in the world, each with the sum so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orgtui.domain.credits import EntryKind
from orgtui.domain.money import EXACT, ZERO, plain
from orgtui.domain.months import micros
from orgtui.store.sql.rows import Rows

_LAST = "SELECT seq, balance FROM ledger WHERE org_id = :org ORDER BY seq DESC LIMIT 1"
_ADD = """
INSERT INTO ledger (org_id, seq, at, kind, amount, balance, ref, text, payment_id)
VALUES (:org, :seq, :at, :kind, :amount, :balance, :ref, :text, :payment)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What moves the balance, and why; `ref` names it, once for ever."""

    kind: EntryKind
    amount: Decimal
    ref: str
    text: str
    payment: str | None = None


def balance(rows: Rows, organization: str) -> Decimal | None:
    """The sum of all entries; None while there are none."""
    last = rows.one(_LAST, org=organization)
    return Decimal(last[1]) if last else None


def amount_of(rows: Rows, organization: str, ref: str) -> Decimal | None:
    """What the entry named *ref* moved; None where there is none."""
    found = rows.value("SELECT amount FROM ledger WHERE org_id = :org AND ref = :ref", org=organization, ref=ref)
    return None if found is None else Decimal(found)


def append(rows: Rows, organization: str, now: datetime, entry: Entry) -> bool:
    """Add *entry*, in a transaction that writes alone; answers False where it is there already."""
    if amount_of(rows, organization, entry.ref) is not None:
        return False
    seq, before = rows.one(_LAST, org=organization) or (0, "0")
    rows.run(
        _ADD,
        org=organization,
        seq=seq + 1,
        at=micros(now),
        kind=entry.kind.value,
        amount=plain(entry.amount),
        balance=plain(EXACT.add(Decimal(before), entry.amount)),
        ref=entry.ref,
        text=entry.text,
        payment=entry.payment,
    )
    return True


def since_last_credit(rows: Rows, organization: str) -> tuple[Decimal, Decimal]:
    """What there was to use since credits last came in, and what of it was used.

    What went back since then was never there to be used. Where none ever came in, all was used and nothing there.
    """
    now = balance(rows, organization) or ZERO
    top = rows.one(
        "SELECT seq, balance FROM ledger WHERE org_id = :org AND kind IN ('purchase', 'grant') "
        "ORDER BY seq DESC LIMIT 1",
        org=organization,
    )
    pool = ZERO
    if top is not None:
        others = rows.all(
            "SELECT amount FROM ledger WHERE org_id = :org AND kind IN ('refund', 'dispute', 'adjustment') "
            "AND seq > :seq",
            org=organization,
            seq=top[0],
        )
        pool = sum((Decimal(amount) for (amount,) in others), Decimal(top[1]))
    return pool, EXACT.subtract(pool, now)
