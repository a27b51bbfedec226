"""What about billing wants somebody's attention: the sidebar's mark, the banner and an exit code agree on it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from orgtui.domain.credits import LOW
from orgtui.domain.subscriptions import SubscriptionStatus

_NEARLY, _FULL = Decimal("0.8"), Decimal(1)


class Attention(StrEnum):
    """One thing to see to, the most urgent first."""

    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    INCOMPLETE = "incomplete"
    PAUSED = "paused"
    CREDITS_OVERDRAWN = "credits_overdrawn"
    CREDITS_EMPTY = "credits_empty"
    CREDITS_LOW = "credits_low"
    RUNS_USED_UP = "runs_used_up"
    RUNS_NEARLY_USED_UP = "runs_nearly_used_up"


_BY_STATUS = {
    SubscriptionStatus.PAST_DUE: Attention.PAST_DUE,
    SubscriptionStatus.UNPAID: Attention.UNPAID,
    SubscriptionStatus.INCOMPLETE: Attention.INCOMPLETE,
    SubscriptionStatus.PAUSED: Attention.PAUSED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is looked at: `balance` is None where no credits were ever moved, `limit` where a plan has none."""

    status: SubscriptionStatus | None
    balance: Decimal | None
    runs: int
    limit: int | None


def attention(standing: Standing) -> tuple[Attention, ...]:
    """What wants attention, the most urgent first."""
    found = [_BY_STATUS[standing.status]] if standing.status in _BY_STATUS else []
    if standing.balance is not None and standing.balance < LOW:
        found.append(_credits(standing.balance))
    if standing.limit is not None and standing.runs >= _NEARLY * standing.limit:
        full = standing.runs >= _FULL * standing.limit
        found.append(Attention.RUNS_USED_UP if full else Attention.RUNS_NEARLY_USED_UP)
    return tuple(found)


def _credits(balance: Decimal) -> Attention:
    if balance > 0:
        return Attention.CREDITS_LOW
    return Attention.CREDITS_OVERDRAWN if balance else Attention.CREDITS_EMPTY
