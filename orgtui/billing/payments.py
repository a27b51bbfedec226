"""Payments: what is done with the payment provider, declared for whoever does it, here or on a server."""

from __future__ import annotations

from typing import Protocol

from orgtui.billing.provider import BillingNotReady, BillingRefused, Busy, ChangePreview, Declined, PortalPage
from orgtui.billing.results import Paying, Reconciled
from orgtui.domain.errors import Conflict, Invalid, NotFound, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.roles import Permission
from orgtui.domain.subscriptions import Subscription
from orgtui.store.contract.operation import operation

_PROVIDER = (BillingNotReady, BillingRefused, Busy, Unreachable)


class Payments(Protocol):
    """Payments of one organization. None of these takes an idempotency key: done again, each goes on where it ended."""

    @operation("GET", "/payments/prices", needs=Permission.VIEW, raises=_PROVIDER)
    async def prices(self) -> dict[str, Money]:
        """What a new subscriber pays a month, by plan; what is missing is not set up."""

    @operation("POST", "/payments/credits", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict, Invalid))
    async def buy(self, amount: Money, *, short: bool = False) -> Paying:
        """A page on which credits are paid; the one that waits for the same amount, if there is one.

        With `short` a new page has an address that fits a QR code. After an error what was ordered waits, and the same
        call goes on with it.
        """

    @operation("POST", "/payments/plans", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict, Invalid))
    async def subscribe(self, plan: str) -> Paying:
        """A page on which the first month of a plan is paid; raises Conflict while a subscription runs."""

    @operation("POST", "/payments/{id}/look", needs=Permission.VIEW, raises=(*_PROVIDER, NotFound))
    async def look(self, id: str) -> Paying:
        """How a payment stands at the provider now, written down."""

    @operation(
        "POST", "/payments/{id}/withdraw", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict, NotFound)
    )
    async def withdraw(self, id: str) -> Paying:
        """Close a payment's page, unless the payer was faster: then it is PAID. Raises Conflict where it was before."""

    @operation("POST", "/subscription/look", needs=Permission.VIEW, raises=_PROVIDER)
    async def refresh(self) -> Subscription | None:
        """Read the subscription again, and write it down."""

    @operation(
        "POST",
        "/subscription/preview",
        needs=Permission.MANAGE_BILLING,
        raises=(*_PROVIDER, Conflict, Invalid),
    )
    async def preview(self, plan: str) -> ChangePreview:
        """What changing to `plan` costs now, to the cent; raises Conflict where it cannot be done now."""

    @operation(
        "POST",
        "/subscription/upgrade",
        needs=Permission.MANAGE_BILLING,
        raises=(*_PROVIDER, Conflict, Declined, Invalid),
    )
    async def upgrade(self, preview: ChangePreview) -> Subscription:
        """Change to the preview's plan and charge what it says.

        Raises Declined, after which nothing has changed and a new preview is needed; Conflict for an old preview.
        """

    @operation(
        "POST",
        "/subscription/downgrade",
        needs=Permission.MANAGE_BILLING,
        raises=(*_PROVIDER, Conflict, Invalid),
    )
    async def downgrade(self, plan: str) -> Subscription:
        """Change to `plan` when the period ends, at no cost now; raises Conflict if it is cancelled for then."""

    @operation("POST", "/subscription/keep", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict))
    async def keep(self) -> Subscription:
        """Keep the plan: forget the change that was to come."""

    @operation("POST", "/subscription/cancel", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict))
    async def cancel(self) -> Subscription:
        """End the subscription with its period: Free from then on."""

    @operation("POST", "/subscription/resume", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict))
    async def resume(self) -> Subscription:
        """Take back `cancel`; raises Conflict once it has ended."""

    @operation("POST", "/subscription/end", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict))
    async def end(self) -> None:
        """End everything that could still be charged, at once: what goes before the end of the organization.

        Raises Conflict where a payment is on its way, and what the provider raises; then nothing may be deleted yet.
        """

    @operation("POST", "/payments/portal", needs=Permission.MANAGE_BILLING, raises=(*_PROVIDER, Conflict))
    async def manage(self, page: PortalPage = PortalPage.HOME) -> str:
        """The address of the provider's own pages: a bearer secret of minutes, not for logs; raises Conflict."""

    @operation("POST", "/payments/reconciliation", needs=Permission.VIEW, raises=(*_PROVIDER, Conflict))
    async def reconcile(self) -> Reconciled:
        """Bring the books up to what the provider has: payments, money that went back, the subscription.

        Run a second time at once, it changes nothing.
        """
