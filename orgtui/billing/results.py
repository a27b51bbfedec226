"""What comes of business with the payment provider."""

from __future__ import annotations

from dataclasses import dataclass, field

from orgtui.domain.subscriptions import Subscription
from orgtui.store.contract.billing import Payment


@dataclass(frozen=True, slots=True)
class Paying:
    """A payment as it stands; `url` is where to pay while it is open: a bearer secret, not for logs.

    `link` is an address of our own that leads there, where there is a server for it.
    """

    payment: Payment
    url: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)

    @property
    def short(self) -> str | None:
        """Where to pay, in an address that fits a QR code; None where there is none so short."""
        return self.link or (self.url if self.payment.short else None)

    @property
    def address(self) -> str | None:
        """Where to pay, as people are told: the short one if there is one."""
        return self.short or self.url


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
