"""Reads of the Billing section: one answer from what the provider last said, the runs, and the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

from orgtui.domain.credits import EntryKind
from orgtui.domain.errors import Invalid, NotFound
from orgtui.domain.money import ZERO, Cost, Money, exponent, total
from orgtui.domain.months import Month, instant, local_day, zone
from orgtui.domain.subscriptions import Card, Owing, Scheduled, Subscription, SubscriptionStatus
from orgtui.store.contract.billing import (
    LONGEST_PAGE,
    PAGE,
    BillingPage,
    Books,
    CreditBalance,
    LedgerEntry,
    LedgerPage,
    Payment,
    PaymentsPage,
    PaymentStatus,
    RunsUsed,
)
from orgtui.store.sql import ledger as books_of
from orgtui.store.sql.queries.standing import runs_used, wanted
from orgtui.store.sql.unit_of_work import Read

_DAYS = 7
_PAYMENT = """
SELECT p.id, p.kind, p.minor, p.currency, p.package, p.plan, p.short, p.status, p.mode, p.created_at, p.created_by,
       p.expires_at, p.withdrawn_at, p.page, p.receipt, p.receipt_url, p.trouble
FROM payments AS p WHERE p.org_id = :org
"""
_NEWEST = "AND p.kind = 'credits' ORDER BY p.created_at DESC, p.id DESC LIMIT :limit"
_BEFORE = """
AND p.kind = 'credits' AND (p.created_at, p.id) <
    (SELECT b.created_at, b.id FROM payments AS b WHERE b.org_id = :org AND b.id = :before)
ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
"""
_WAITING = "AND p.status IN ('creating', 'open', 'processing') ORDER BY p.created_at, p.id"
_WENT_BACK = """
SELECT payment_id, kind, amount FROM ledger
WHERE org_id = :org AND payment_id IS NOT NULL AND kind IN ('refund', 'dispute')
"""
_SUBSCRIPTION = """
SELECT id, customer, status, plan, minor, currency, start_at, end_at, cancel_at_period_end, next_plan, next_minor,
       next_at, card_brand, card_last4, card_expires, owing_minor, owing_attempts, owing_next_at, others, read_at
FROM subscriptions WHERE org_id = :org
"""
_LEDGER = """
SELECT seq, at, kind, amount, balance, ref, text, payment_id FROM ledger
WHERE org_id = :org AND seq < :before ORDER BY seq DESC LIMIT :limit
"""
_SPENT = "SELECT credits FROM call_days WHERE org_id = :org AND day BETWEEN :first AND :last"
_END_OF_SEQ = 1 << 62


def show(tx: Read) -> BillingPage:
    """The whole section."""
    plan, timezone, _ = _organization(tx)
    found = _subscription(tx)
    used, limit, cycle = runs_used(tx)
    payments = _payments(tx, _NEWEST, limit=PAGE)
    return BillingPage(
        plan=plan,
        mode=tx.rows.value("SELECT mode FROM billing_accounts WHERE org_id = :org", org=tx.organization),
        subscription=found[0] if found else None,
        read=found[1] if found else None,
        runs=RunsUsed(used, limit, cycle.start, cycle.end),
        credits=_credits(tx),
        payments=payments,
        purchases=_purchases(tx),
        waiting=_payments(tx, _WAITING),
        attention=wanted(tx),
        timezone=timezone,
    )


def payments(tx: Read, before: str | None = None, limit: int = PAGE) -> PaymentsPage:
    """The newest first."""
    _check(limit)
    if before is None:
        found = _payments(tx, _NEWEST, limit=limit + 1)
    else:
        payment(tx, before)
        found = _payments(tx, _BEFORE, limit=limit + 1, before=before)
    more = found[limit - 1].id if len(found) > limit else None
    return PaymentsPage(found[:limit], _purchases(tx), more, _organization(tx)[1])


def payment(tx: Read, id: str) -> Payment:
    """One of them."""
    found = _payments(tx, "AND p.id = :id", id=id)
    if not found:
        raise NotFound("There is no such payment.")
    return found[0]


def ledger(tx: Read, before: int | None = None, limit: int = PAGE) -> LedgerPage:
    """The newest first."""
    _check(limit)
    _, timezone, currency = _organization(tx)
    found = tx.rows.all(_LEDGER, org=tx.organization, before=_END_OF_SEQ if before is None else before, limit=limit + 1)
    entries = [_entry(row, currency) for row in found[:limit]]
    return LedgerPage(
        entries,
        total=int(tx.rows.value("SELECT count(*) FROM ledger WHERE org_id = :org", org=tx.organization)),
        balance=Cost(books_of.balance(tx.rows, tx.organization) or ZERO, currency),
        next=entries[-1].seq if len(found) > limit else None,
        timezone=timezone,
    )


def books(tx: Read) -> Books:
    """What the platform knows before it asks the provider."""
    name, created = tx.rows.one("SELECT name, created_at FROM organizations WHERE id = :org", org=tx.organization) or (
        "",
        0,
    )
    email = tx.rows.value(
        "SELECT email FROM members WHERE org_id = :org AND role = 'owner' ORDER BY joined_at, id LIMIT 1",
        org=tx.organization,
    )
    account = tx.rows.one(
        "SELECT customer, mode, reconciled_at FROM billing_accounts WHERE org_id = :org", org=tx.organization
    )
    customer, mode, reconciled = account or (None, None, None)
    read = tx.rows.value("SELECT read_at FROM subscriptions WHERE org_id = :org", org=tx.organization)
    return Books(
        organization=tx.organization,
        name=name,
        email=email or "",
        plan=_organization(tx)[0],
        created=instant(created),
        customer=customer,
        mode=mode,
        read=_at(read),
        reconciled=_at(reconciled),
        unsettled=_payments(tx, _WAITING),
    )


# Parts.


def _organization(tx: Read) -> tuple[str, str, str]:
    """Plan, timezone and currency."""
    row = tx.rows.one("SELECT plan, timezone, currency FROM organizations WHERE id = :org", org=tx.organization)
    if row is None:
        raise AssertionError("an organization without its row")
    return row[0], row[1], row[2]


def _credits(tx: Read) -> CreditBalance:
    _, timezone, currency = _organization(tx)
    balance = books_of.balance(tx.rows, tx.organization) or ZERO
    pool, used = books_of.since_last_credit(tx.rows, tx.organization)
    daily = _daily(tx, timezone)
    days = None
    if daily and balance > 0:
        days = int((balance / daily).to_integral_value(ROUND_FLOOR))
    return CreditBalance(
        balance=Cost(balance, currency),
        pool=Cost(pool, currency),
        used=Cost(used, currency),
        daily=None if daily is None else Cost(daily, currency),
        days_left=days,
    )


def _daily(tx: Read, timezone: str) -> Decimal | None:
    today = local_day(tx.now, zone(timezone))
    found = tx.rows.all(
        _SPENT,
        org=tx.organization,
        first=(today - timedelta(days=_DAYS)).isoformat(),
        last=(today - timedelta(days=1)).isoformat(),
    )
    if not found:
        return None
    return Context(prec=28).divide(total(Decimal(spent) for (spent,) in found), Decimal(_DAYS))


def _purchases(tx: Read) -> int:
    return int(
        tx.rows.value("SELECT count(*) FROM payments WHERE org_id = :org AND kind = 'credits'", org=tx.organization)
    )


def _check(limit: int) -> None:
    if not 1 <= limit <= LONGEST_PAGE:
        raise Invalid(f"A page has 1 to {LONGEST_PAGE} entries.", field="limit")


# Payments.


def _payments(tx: Read, which: str, **parameters: Any) -> list[Payment]:
    rows = tx.rows.all(_PAYMENT + which, org=tx.organization, **parameters)
    back = _went_back(tx, [row[0] for row in rows])
    return [_payment(row, back.get(row[0], {})) for row in rows]


def _went_back(tx: Read, ids: list[str]) -> dict[str, dict[str, Decimal]]:
    """By payment, what went back in refunds and in disputes."""
    sums: dict[str, dict[str, Decimal]] = {}
    names = {f"p{index}": id for index, id in enumerate(ids)}
    if not names:
        return sums
    one_of = f"AND payment_id IN ({', '.join(f':{name}' for name in names)})"
    for id, kind, amount in tx.rows.all(_WENT_BACK + one_of, org=tx.organization, **names):
        kinds = sums.setdefault(id, {})
        kinds[kind] = kinds.get(kind, ZERO) - Decimal(amount)
    return sums


def _payment(row: tuple[Any, ...], back: dict[str, Decimal]) -> Payment:
    (id, kind, minor, currency, package, plan, short, status, mode, created, by, expires, withdrawn, page) = row[:14]
    amount = Money(minor, currency)
    gone = back.get("refund", ZERO) + back.get("dispute", ZERO)
    refunded = Money(int(gone.scaleb(exponent(currency))), currency)
    return Payment(
        id=id,
        kind=kind,
        amount=amount,
        package=package,
        plan=plan,
        short=bool(short),
        status=_status(PaymentStatus(status), amount, refunded, disputed=back.get("dispute", ZERO) > 0),
        mode=mode,
        created=instant(created),
        created_by=by,
        expires=instant(expires),
        withdrawn=withdrawn is not None,
        page=page,
        refunded=refunded,
        receipt=row[14],
        receipt_url=row[15],
        trouble=row[16],
    )


def _status(stored: PaymentStatus, amount: Money, refunded: Money, *, disputed: bool) -> PaymentStatus:
    """What became of the money stands in the ledger."""
    if stored is not PaymentStatus.PAID or refunded.minor <= 0:
        return stored
    if disputed:
        return PaymentStatus.DISPUTED
    return PaymentStatus.REFUNDED if refunded.minor >= amount.minor else PaymentStatus.PARTLY_REFUNDED


def _entry(row: tuple[Any, ...], currency: str) -> LedgerEntry:
    seq, at, kind, amount, balance, ref, text, paid = row
    return LedgerEntry(
        seq=seq,
        at=instant(at),
        kind=EntryKind(kind),
        amount=Cost(Decimal(amount), currency),
        balance=Cost(Decimal(balance), currency),
        ref=ref,
        text=text,
        payment=paid,
    )


# The subscription.


def _subscription(tx: Read) -> tuple[Subscription, datetime] | None:
    """The subscription, and when it was read."""
    row = tx.rows.one(_SUBSCRIPTION, org=tx.organization)
    if row is None:
        return None
    (id, customer, status, plan, minor, currency, start, end, cancelled, *rest, others, read) = row
    next_plan, next_minor, next_at, brand, last4, expires, owing, attempts, again = rest
    subscription = Subscription(
        id=id,
        customer=customer,
        status=SubscriptionStatus(status),
        plan=plan,
        price=Money(minor, currency),
        start=instant(start),
        end=instant(end),
        cancel_at_period_end=bool(cancelled),
        scheduled=None if next_at is None else Scheduled(next_plan, Money(next_minor, currency), instant(next_at)),
        card=None if brand is None else Card(brand, last4, _expires(expires)),
        owing=None if owing is None else Owing(Money(owing, currency), None, attempts, _at(again)),
        others=tuple(others.split()),
    )
    return subscription, instant(read)


def _expires(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    month = Month.parse(text)
    return month.year, month.month


def _at(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)
