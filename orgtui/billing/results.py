"""What comes of business with the payment provider."""

from __future__ import annotations

from dataclasses import dataclass, field

from orgtui.domain.subscriptions import Subscription
from orgtui.store.contract.billing import Payment


@dataclass(frozen=True, slots=True)
class Paying:
    """A payment as it stands; `url` is where to pay while it is open: a bearer secret, not for logs."""

    payment: Payment
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a comparison with the provider changed: payments that had become money, or had ended; money gone back.

    `unknown` are paid purchases of this organization that its books have never heard of, as after an old backup was
    restored, by their provider's id.
    """

    paid: tuple[Payment, ...]
    ended: tuple[Payment, ...]
    reversals: int
    unknown: tuple[str, ...]
    subscription: Subscription | None
