"""Writes of the Billing section: what is ordered, what the provider says of it, and the credits that follow."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlmodel import select

from orgtui.domain.credits import EntryKind, checked, package_of
from orgtui.domain.errors import Conflict, Invalid, NotFound
from orgtui.domain.figures import count
from orgtui.domain.money import Money
from orgtui.domain.months import instant, micros
from orgtui.domain.plans import BY_KEY, paid_plan
from orgtui.domain.subscriptions import Subscription, SubscriptionStatus
from orgtui.domain.text import clean
from orgtui.store.contract import billing as contract
from orgtui.store.contract.billing import PaymentStatus
from orgtui.store.sql import ledger
from orgtui.store.sql.queries import billing as queries
from orgtui.store.sql.tables import BillingAccount, Organization, PaymentRow, SubscriptionRow
from orgtui.store.sql.unit_of_work import Write

# How long a page to pay on stays open.
OPEN_FOR = timedelta(hours=1)
_FREE = "free"
_NOTE = 200
_TOLD = frozenset(
    {
        PaymentStatus.OPEN,
        PaymentStatus.PROCESSING,
        PaymentStatus.PAID,
        PaymentStatus.FAILED,
        PaymentStatus.EXPIRED,
    }
)


# What people ask for.


def order(tx: Write, payment: contract.NewPayment) -> contract.Payment:
    """A new payment, or the one that waits for the same."""
    amount, slot = _wanted(tx, payment)
    _only_one_mode(tx, payment.mode)
    waiting = _waiting(tx, slot)
    if waiting is not None and waiting.plan == payment.plan:
        tx.unchanged()
        return _seen(tx, waiting.id)
    if waiting is not None:
        raise Conflict(
            f"The payment for {BY_KEY[waiting.plan or ''].name} waits; cancel it before you choose another.",
            payment=waiting.id,
        )
    row = PaymentRow(
        org_id=tx.organization,
        id=tx.ambient.new_id("pay"),
        kind="plan" if payment.plan else "credits",
        package="" if payment.plan else package_of(amount).key,
        plan=payment.plan,
        slot=slot,
        minor=amount.minor,
        currency=amount.currency,
        short=payment.short,
        status=PaymentStatus.CREATING.value,
        mode=payment.mode,
        created_at=micros(tx.now),
        created_by=tx.actor,
        expires_at=micros(tx.now + OPEN_FOR),
    )
    tx.session.add(row)
    tx.audit(row.id, after={"amount": str(amount), "for": payment.plan or "credits", "mode": payment.mode})
    return _seen(tx, row.id)


def _wanted(tx: Write, payment: contract.NewPayment) -> tuple[Money, str]:
    """What it costs, and the slot that it takes: one payment for each at a time."""
    if (payment.amount is None) == (payment.plan is None):
        raise Invalid("A payment is for credits or for a plan.", field="amount")
    if payment.amount is not None:
        return checked(payment.amount), f"{payment.mode}:credits:{payment.amount.minor}"
    plan = paid_plan(payment.plan or "")
    row = tx.session.get(SubscriptionRow, tx.organization)
    if row is not None and not SubscriptionStatus(row.status).ended:
        raise Conflict("A subscription is running already; change its plan instead.")
    return Money(plan.cents or 0), f"{payment.mode}:plan"


def _waiting(tx: Write, slot: str) -> PaymentRow | None:
    statement = select(PaymentRow).where(
        PaymentRow.org_id == tx.organization,
        PaymentRow.slot == slot,
        PaymentRow.status.in_((PaymentStatus.CREATING.value, PaymentStatus.OPEN.value)),  # type: ignore[attr-defined]
        PaymentRow.withdrawn_at.is_(None),  # type: ignore[union-attr]
    )
    return tx.session.exec(statement).first()


def withdraw(tx: Write, id: str) -> contract.Payment:
    """Not wanted any more; its page is closed next."""
    row = _payment(tx, id)
    status = PaymentStatus(row.status)
    if status in (PaymentStatus.PAID, PaymentStatus.PROCESSING):
        said = "has arrived" if status is PaymentStatus.PAID else "is on its way"
        raise Conflict(f"The payment {said}; it cannot be cancelled.")
    if row.withdrawn_at is not None or not status.waits:
        tx.unchanged()
        return _seen(tx, id)
    row.withdrawn_at = micros(tx.now)
    tx.audit(id, before={"withdrawn": False}, after={"withdrawn": True})
    return _seen(tx, id)


def request(tx: Write, request: contract.PlanRequest) -> str:
    """Who asked for what, and an id for it."""
    if request.plan is not None and request.plan not in BY_KEY:
        raise Invalid(f"“{clean(request.plan)}” is not a plan; take one of {', '.join(BY_KEY)}.", field="plan")
    id = tx.ambient.new_id("req")
    due = None if request.due is None else str(request.due)
    tx.audit(id, after={"action": request.action.value, "plan": request.plan, "due": due})
    return id


# What the provider says.


def keep_customer(tx: Write, customer: str, mode: contract.Mode) -> None:
    """Who we are there."""
    customer = clean(customer)[:_NOTE]
    if not customer:
        raise Invalid("A customer has an id.", field="customer")
    row = tx.session.get(BillingAccount, tx.organization)
    if row is not None and (row.customer, row.mode) == (customer, mode):
        tx.unchanged()
        return
    _only_one_mode(tx, mode)
    before = {"customer": row.customer, "mode": row.mode} if row else None
    if row is None:
        tx.session.add(BillingAccount(org_id=tx.organization, customer=customer, mode=mode))
    else:
        # Another customer is another account, of which nothing is known yet.
        row.reconciled_at = None
        if row.mode != mode:
            _forget_mode(tx, row.mode)
        row.customer, row.mode = customer, mode
    tx.audit(customer, before=before, after={"customer": customer, "mode": mode})


def _only_one_mode(tx: Write, mode: contract.Mode) -> None:
    """Money that is real and money that is not never stand in the same books."""
    other = tx.rows.value(
        "SELECT mode FROM payments WHERE org_id = :org AND mode <> :mode AND status IN ('paid', 'processing') LIMIT 1",
        org=tx.organization,
        mode=mode,
    )
    if other is not None:
        raise Conflict(f"These books hold payments of {other} mode; with a key of {mode} mode they cannot go on.")


def _forget_mode(tx: Write, mode: str) -> None:
    """What was only tried in the other mode ends here; there is no money in it."""
    tx.rows.run("DELETE FROM subscriptions WHERE org_id = :org", org=tx.organization)
    tx.rows.run(
        "UPDATE payments SET status = 'expired' WHERE org_id = :org AND mode = :mode "
        "AND status IN ('creating', 'open')",
        org=tx.organization,
        mode=mode,
    )


def keep_subscription(tx: Write, subscription: Subscription | None, read: datetime | None) -> bool:
    """How it stands now, unless another answer came between; the plan follows."""
    account = tx.session.get(BillingAccount, tx.organization)
    if subscription is not None and (account is None or account.customer != subscription.customer):
        raise Conflict("This subscription is another customer's.")
    row = tx.session.get(SubscriptionRow, tx.organization)
    if (row.read_at if row else None) != (micros(read) if read else None):
        tx.unchanged()
        return False
    organization = tx.session.get_one(Organization, tx.organization)
    plan = _plan_of(subscription, row, organization.plan)
    new = None if subscription is None else _row(tx, subscription)
    before = {"plan": organization.plan} | (_told(row) if row else {})
    same = (None if row is None else _facts(row)) == (None if new is None else _facts(new))
    if row is not None and new is None:
        tx.session.delete(row)
    elif new is not None:
        tx.session.merge(new)
    if same and plan == organization.plan:
        tx.unchanged()
        return True
    organization.plan = plan
    tx.audit(
        subscription.id if subscription else tx.organization,
        before=before,
        after={"plan": plan} | (_told(new) if new else {}),
    )
    return True


def _plan_of(subscription: Subscription | None, row: SubscriptionRow | None, plan: str) -> str:
    """What an organization may use: of a product that is not ours, and where none was ever seen, what it had."""
    if subscription is None:
        return plan if row is None else _FREE
    if not subscription.status.has_plan:
        return _FREE
    return subscription.plan or plan


def _row(tx: Write, now: Subscription) -> SubscriptionRow:
    later, card, owing = now.scheduled, now.card, now.owing
    return SubscriptionRow(
        org_id=tx.organization,
        id=now.id,
        customer=now.customer,
        status=now.status.value,
        plan=now.plan,
        minor=now.price.minor,
        currency=now.price.currency,
        start_at=micros(now.start),
        end_at=micros(now.end),
        cancel_at_period_end=now.cancel_at_period_end,
        next_plan=later.plan if later else None,
        next_minor=later.price.minor if later else None,
        next_at=micros(later.at) if later else None,
        card_brand=card.brand if card else None,
        card_last4=card.last4 if card else None,
        card_expires="{:04d}-{:02d}".format(*card.expires) if card and card.expires else None,
        owing_minor=owing.amount.minor if owing else None,
        owing_attempts=owing.attempts if owing else None,
        owing_next_at=micros(owing.next_attempt) if owing and owing.next_attempt else None,
        others=" ".join(now.others),
        read_at=micros(tx.now),
    )


def _facts(row: SubscriptionRow) -> dict[str, Any]:
    return row.model_dump(exclude={"read_at"})


def _told(row: SubscriptionRow) -> dict[str, Any]:
    ends = {"ends": instant(row.end_at).isoformat()} if row.cancel_at_period_end else {}
    return {"status": row.status, "scheduled": row.next_plan} | ends


def opened(tx: Write, id: str, page: str) -> contract.Payment:
    """Where it is paid; the first page stays, for a second one of the same key is the same."""
    row = _payment(tx, id)
    if row.page is not None:
        tx.unchanged()
        return _seen(tx, id)
    row.page = clean(page)[:_NOTE]
    tx.audit(id, before={"page": None}, after={"page": row.page})
    return _seen(tx, id)


def settle(tx: Write, id: str, settlement: contract.Settlement) -> contract.Payment:
    """How a payment stands: forward only, and money once."""
    row = _payment(tx, id)
    if settlement.status not in _TOLD:
        raise Invalid(f"A provider does not say {settlement.status.value}.", field="status")
    if settlement.status is PaymentStatus.PAID and not settlement.payment:
        raise Invalid("What was paid has an id at the provider.", field="payment")
    before = row.model_dump(include=_CHANGES)
    credited = _pay(tx, row, settlement) if settlement.status is PaymentStatus.PAID else _move(row, settlement)
    after = row.model_dump(include=_CHANGES)
    if before == after and not credited:
        tx.unchanged()
        return _seen(tx, id)
    tx.session.add(row)
    changed = {name for name in after if after[name] != before[name] and name != "receipt_url"}
    tx.audit(
        id,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed} | ({"credited": str(settlement.amount)} if credited else {}),
    )
    return _seen(tx, id)


_CHANGES = {"status", "receipt", "receipt_url", "trouble"}


def _pay(tx: Write, row: PaymentRow, told: contract.Settlement) -> bool:
    """Money is there: whether it became credits now."""
    if told.amount != (ordered := Money(row.minor, row.currency)):
        if row.status not in (PaymentStatus.PAID, PaymentStatus.MISMATCH):
            # It is told once. What is on its way meanwhile may be the right sum: that is still waited for.
            if row.status != PaymentStatus.PROCESSING:
                row.status, row.trouble = PaymentStatus.MISMATCH.value, None
            row.trouble = row.trouble or f"{told.amount} was paid, and {ordered} was ordered: no credits were given."
        return False
    if row.status != PaymentStatus.PAID:
        row.status, row.trouble = PaymentStatus.PAID.value, None
    # The first stays: of two pages that were paid, each would take the other's place whenever it is told.
    row.receipt = row.receipt or (told.receipt and clean(told.receipt)[:_NOTE])
    row.receipt_url = row.receipt_url or told.receipt_url
    if row.kind != "credits":
        return False
    # Not by the order: were one paid twice, on two pages, both sums are credits.
    entry = ledger.Entry(
        kind=EntryKind.PURCHASE,
        amount=ordered.major(),
        ref=_credited(told.payment),
        text=f"{package_of(ordered).name} package",
        payment=row.id,
    )
    return ledger.append(tx.rows, tx.organization, tx.now, entry)


def _credited(money: str | None) -> str:
    """What the ledger calls the credits that money of this id gave."""
    return f"payment:{money}"


def _move(row: PaymentRow, told: contract.Settlement) -> bool:
    """Nothing is paid yet, or never will be; never back from money, and of another page only that money comes."""
    stored, ours = PaymentStatus(row.status), row.page is None or told.page in (row.page, "")
    if stored is PaymentStatus.PAID:
        return False
    if told.status is PaymentStatus.PROCESSING:
        if stored is not PaymentStatus.PROCESSING:
            row.status = told.status.value
            row.trouble = row.trouble if stored is PaymentStatus.MISMATCH else None
    elif ours and stored.waits:
        if told.status is PaymentStatus.EXPIRED and row.withdrawn_at is not None:
            row.status = PaymentStatus.CANCELLED.value
        elif (told.status, stored) != (PaymentStatus.OPEN, PaymentStatus.PROCESSING):
            row.status = told.status.value
        row.trouble = told.trouble and clean(told.trouble)[:_NOTE]
    return False


def reverse(tx: Write, reversal: contract.Reversal) -> contract.LedgerEntry | None:
    """What went back is taken from the credits, and given again if it came back."""
    row = _payment(tx, reversal.payment)
    if row.kind != "credits":
        tx.unchanged()
        return None
    if ledger.amount_of(tx.rows, tx.organization, _credited(reversal.money)) is None:
        raise NotFound("This money gave no credits.")
    if reversal.amount.minor <= 0 or reversal.amount.currency != row.currency:
        raise Invalid(f"{reversal.amount} cannot go back of {Money(row.minor, row.currency)}.", field="amount")
    ref = f"{reversal.kind}:{clean(reversal.id)[:_NOTE]}"
    taken = ledger.amount_of(tx.rows, tx.organization, ref)
    kind = EntryKind(reversal.kind)
    if (taken is None) != reversal.taken:
        tx.unchanged()
        return None
    if reversal.taken:
        text = "Refunded" if kind is EntryKind.REFUND else "Taken back by the customer’s bank"
        entry = ledger.Entry(kind=kind, amount=-reversal.amount.major(), ref=ref, text=text, payment=row.id)
    else:
        text = "The refund failed" if kind is EntryKind.REFUND else "The dispute was won"
        entry = ledger.Entry(kind=kind, amount=-(taken or Decimal(0)), ref=f"{ref}:back", text=text, payment=row.id)
    return _entered(tx, entry)


def credit(tx: Write, credit: contract.NewCredit) -> contract.LedgerEntry:
    """A gift, or a correction."""
    if credit.amount.minor == 0 or (credit.kind == "grant" and credit.amount.minor < 0):
        raise Invalid(f"{credit.amount} cannot be given.", field="amount")
    _in_currency(tx, credit.amount)
    entry = ledger.Entry(
        kind=EntryKind(credit.kind),
        amount=credit.amount.major(),
        ref=f"{credit.kind}:{clean(credit.ref)[:_NOTE]}",
        text=clean(credit.text)[:_NOTE],
    )
    made = _entered(tx, entry)
    if made is None:
        return _entry(tx, entry.ref)
    return made


def _in_currency(tx: Write, amount: Money) -> None:
    currency = tx.session.get_one(Organization, tx.organization).currency
    if amount.currency != currency:
        raise Invalid(f"Credits here are in {currency}, not in {clean(amount.currency)}.", field="amount")


def _entered(tx: Write, entry: ledger.Entry) -> contract.LedgerEntry | None:
    """Add an entry and write it down, unless it is there."""
    if not ledger.append(tx.rows, tx.organization, tx.now, entry):
        tx.unchanged()
        return None
    made = _entry(tx, entry.ref)
    tx.audit(entry.payment or entry.ref, after={"kind": entry.kind.value, "amount": str(made.amount), "ref": entry.ref})
    return made


def _entry(tx: Write, ref: str) -> contract.LedgerEntry:
    seq = tx.rows.value("SELECT seq FROM ledger WHERE org_id = :org AND ref = :ref", org=tx.organization, ref=ref)
    return queries.ledger(tx.read(), before=seq + 1, limit=1).entries[0]


def reconciled(tx: Write, until: datetime) -> None:
    """How far the comparison with the provider came."""
    tx.unchanged()
    row = tx.session.get(BillingAccount, tx.organization)
    if row is not None:
        before = row.reconciled_at or 0
        # One that is still to come is of a clock that was wrong.
        row.reconciled_at = max(before, micros(until)) if before <= micros(tx.now) else micros(until)


# Consumption.


def consume(tx: Write, calls: int, spent: Decimal, ref: str) -> None:
    """Take what a batch of calls cost from the credits, in the transaction that keeps the calls."""
    if spent:
        said = f"{count(calls)} model {'call' if calls == 1 else 'calls'}"
        entry = ledger.Entry(kind=EntryKind.CONSUMPTION, amount=-spent, ref=ref, text=said)
        ledger.append(tx.rows, tx.organization, tx.now, entry)


# Rows.


def _payment(tx: Write, id: str) -> PaymentRow:
    row = tx.session.get(PaymentRow, (tx.organization, id))
    if row is None:
        raise NotFound("There is no such payment.")
    return row


def _seen(tx: Write, id: str) -> contract.Payment:
    return queries.payment(tx.read(), id)
