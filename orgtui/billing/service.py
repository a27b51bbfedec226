"""Payments that arrive exactly once, whoever provides them: intent, question, outcome, and the same again to recover.

What is to be paid is committed first; the provider is asked with a key made from that; what it says is committed last.
Between any two of these the program may end: `reconcile` runs the same code again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from orgtui.aside import aside
from orgtui.billing.provider import (
    BillingRefused,
    ChangePreview,
    Checkout,
    CheckoutStatus,
    Dispute,
    DisputeStatus,
    Enrolment,
    Event,
    Order,
    Pages,
    Payer,
    PaymentProvider,
    PortalPage,
    Refund,
    RefundStatus,
    SetupReport,
    Subject,
)
from orgtui.billing.results import Paying, Reconciled
from orgtui.domain.ambient import Ambient
from orgtui.domain.credits import checked
from orgtui.domain.errors import Conflict, Invalid, KeyReused, NotFound, OrgtuiError, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.subscriptions import Subscription
from orgtui.store.contract import Store
from orgtui.store.contract.billing import (
    Books,
    Mode,
    NewPayment,
    Payment,
    PaymentStatus,
    PlanAction,
    PlanRequest,
    Reversal,
    Settlement,
)

# Providers remember keys for a day, and refuse pages that close within half an hour.
_KEYS_LIVE, _SHORTEST = timedelta(hours=23), timedelta(minutes=31)
_PREVIEW_LIVES = timedelta(minutes=10)
# How far back is read again: clocks differ, a refund can fail a month and a dispute end many after it began.
_PAYMENTS_AGAIN, _REFUNDS_AGAIN, _DISPUTES_AGAIN = timedelta(hours=25), timedelta(days=45), timedelta(days=180)


class BillingService:
    """Billing of one organization: *store* is who acts, *platform* writes down what the provider says.

    *pages* are where the provider's pages send a browser afterwards, *links* is where our own short addresses of
    payments begin: with the payment's id behind it, each leads to where it is paid.
    """

    def __init__(
        self,
        store: Store,
        platform: Store,
        provider: PaymentProvider,
        ambient: Ambient,
        pages: Pages | None = None,
        links: str | None = None,
    ) -> None:
        self._store, self._platform, self.provider, self._ambient = store, platform, provider, ambient
        self._pages, self._links = pages, links

    def acting(self, store: Store) -> BillingService:
        """The same for whoever acts in *store*."""
        other = copy(self)
        other._store = store
        return other

    @property
    def mode(self) -> Mode:
        """Whether money is real."""
        return self.provider.mode

    async def prices(self) -> dict[str, Money]:
        """What a new subscriber pays a month, by plan; what is missing is not set up."""
        return dict(await aside(self.provider.prices))

    async def setup(self, *, dry_run: bool, webhook_url: str | None = None) -> SetupReport:
        """Bring the provider's catalogue into the state of our price list."""
        key = self._ambient.new_id("setup")
        return await aside(lambda: self.provider.setup(key=key, dry_run=dry_run, webhook_url=webhook_url))

    # Paying.

    async def buy(self, amount: Money, *, short: bool = False) -> Paying:
        """A page on which *amount* of credits is paid; the one that waits for the same amount, if there is one.

        With *short* a new page has an address that fits a QR code, unless links of our own do. Raises Invalid,
        Forbidden, and what the provider raises: then what was ordered waits, and the same call goes on with it.
        """
        return await self._pay(NewPayment(mode=self.mode, amount=checked(amount), short=short and not self._links))

    async def subscribe(self, plan: str) -> Paying:
        """A page on which the first month of *plan* is paid; raises Conflict while a subscription runs."""
        return await self._pay(NewPayment(mode=self.mode, plan=plan))

    async def look(self, id: str) -> Paying:
        """How a payment stands at the provider now, written down; raises NotFound."""
        return await self._seen(await self._store.billing.payment(id))

    async def withdraw(self, id: str) -> Paying:
        """Close a payment's page, unless the payer was faster: then it is PAID. Raises Conflict where it was before."""
        return await self._seen(await self._store.billing.withdraw(id))

    async def _pay(self, wanted: NewPayment) -> Paying:
        paying = await self._seen(await self._store.billing.order(wanted), may_open=True)
        if paying.payment.status in (PaymentStatus.EXPIRED, PaymentStatus.FAILED):
            # It was an old one that had only to be closed.
            paying = await self._seen(await self._store.billing.order(wanted), may_open=True)
        return paying

    async def _seen(self, payment: Payment, *, may_open: bool = False) -> Paying:
        """A payment as the provider has it, while it waits; whether or not its page is known yet."""
        if not payment.status.waits or payment.mode != self.mode:
            return Paying(payment)
        checkout = await self._read(payment, may_open=may_open)
        if checkout is None:
            return await self._gone(payment)
        if payment.page is None:
            # Answers what became of it while its page was asked for.
            payment = await self._platform.billing.opened(payment.id, checkout.id)
        page = payment.page or checkout.id
        wanted = payment.status.waits and not payment.withdrawn and payment.expires > self._ambient.now()
        if checkout.status is CheckoutStatus.OPEN and not wanted:
            key = f"orgtui:close:{payment.id}"
            checkout = await aside(lambda: self.provider.expire_checkout(page, key=key))
        # Of a short page it is the visit that tells how it stands, and that has an id of its own.
        return await self._settled(payment, replace(checkout, id=page))

    async def _read(self, payment: Payment, *, may_open: bool) -> Checkout | None:
        if payment.page is None:
            return await self._found(payment, may_open=may_open)
        page = payment.page
        try:
            return await aside(lambda: self.provider.checkout(page))
        except NotFound:
            # As after all data of a test account were deleted.
            return None

    async def _gone(self, payment: Payment) -> Paying:
        """There is no page to pay on; what is on its way to another account is not given up."""
        if payment.status is PaymentStatus.PROCESSING:
            return Paying(payment)
        return Paying(await self._platform.billing.settle(payment.id, _never(payment)))

    async def _found(self, payment: Payment, *, may_open: bool) -> Checkout | None:
        """The page of a payment of which none is known: asked for with its key, or looked for; None if there is none.

        Asking again with the key brings back the page that was made when the answer was lost. A page that knows when
        it closes cannot be asked for too late, and no key works for ever: from then on only looking helps. So it is
        after a refusal, which the same key brings again: a new attempt is another payment.
        """
        now, books = self._ambient.now(), await self._platform.billing.books()
        in_time = payment.short or payment.expires - now >= _SHORTEST
        if in_time and now - payment.created < _KEYS_LIVE and (may_open or not payment.withdrawn):
            customer = await self._customer(books)
            try:
                return await self._start(payment, books.organization, customer)
            except Unreachable:
                raise
            except KeyReused:
                # With other words than before, as when our own address changed: the key brings nothing back.
                pass
            except OrgtuiError:
                if may_open:
                    await self._platform.billing.settle(payment.id, _never(payment))
                    raise
        return await self._found_elsewhere(payment, books.organization)

    async def _found_elsewhere(self, payment: Payment, organization: str) -> Checkout | None:
        """The furthest page for a payment that the provider has, wherever our books think it is paid."""
        since = payment.created - _PAYMENTS_AGAIN
        checkout = await aside(lambda: self.provider.find_checkout(payment.id, since=since))
        return checkout if checkout is not None and checkout.organization == organization else None

    async def _start(self, payment: Payment, organization: str, customer: str) -> Checkout:
        key = f"orgtui:payment:{payment.id}"
        if payment.plan:
            enrolment = Enrolment(payment.id, organization, customer, payment.plan, self._pages, payment.expires)
            return await aside(lambda: self.provider.start_subscription(enrolment, key=key))
        order = Order(payment.id, organization, customer, payment.amount, self._pages, payment.expires)
        return await aside(lambda: self.provider.start_purchase(order, key=key, short=payment.short))

    async def _customer(self, books: Books) -> str:
        payer = Payer(books.organization, books.name, books.email)
        key = f"orgtui:customer:{books.organization}"
        customer = await aside(lambda: self.provider.ensure_customer(payer, key=key))
        await self._platform.billing.keep_customer(customer, self.mode)
        return customer

    async def _settled(self, payment: Payment, checkout: Checkout) -> Paying:
        """Write down what the provider says of a payment; nothing else makes money of it."""
        now = await self._platform.billing.settle(payment.id, _settlement(checkout))
        if now.plan and now.status is PaymentStatus.PAID and payment.status is not now.status:
            await self.refresh()
        if now.status is not PaymentStatus.OPEN or checkout.url is None:
            return Paying(now)
        return Paying(now, checkout.url, f"{self._links}{now.id}" if self._links else None)

    # The plan.

    async def refresh(self) -> Subscription | None:
        """Read the subscription again, and write it down.

        Where somebody else did so meanwhile, here or on another server, only the provider knows whose answer is newer.
        """
        while True:
            books = await self._platform.billing.books()
            customer = books.customer
            if customer is None or books.mode != self.mode:
                return None
            found = await aside(partial(self.provider.subscription, customer))
            if await self._platform.billing.keep_subscription(found, books.read):
                return found

    async def preview(self, plan: str) -> ChangePreview:
        """What changing to *plan* costs now, to the cent; raises Conflict where it cannot be done now."""
        running, at = await self._running(), self._ambient.now().replace(microsecond=0)
        return await aside(lambda: self.provider.preview_change(running.id, plan, at=at))

    async def upgrade(self, preview: ChangePreview) -> Subscription:
        """Change to the preview's plan and charge what it says.

        Raises Declined, after which nothing has changed and a new preview is needed; Conflict for an old preview.
        """
        now = self._ambient.now()
        if not now - _PREVIEW_LIVES <= preview.at <= now:
            raise Conflict("The price was shown more than 10 minutes ago; look at it again.")
        await self._store.billing.request(PlanRequest(action=PlanAction.UPGRADE, plan=preview.plan, due=preview.due))
        if (await self._running()).id != preview.subscription:
            # It may have come from outside, and would charge somebody else.
            raise Conflict("The price was for another subscription; look at it again.")
        # The preview's own key: however often it is agreed to, it is charged once.
        key = f"orgtui:change:{preview.subscription}:{preview.plan}:{int(preview.at.timestamp())}"
        return await self._changed(lambda: self.provider.change_now(preview, key=key))

    async def downgrade(self, plan: str) -> Subscription:
        """Change to *plan* when the period ends, at no cost now; raises Conflict if it is cancelled for then."""
        key = await self._request(PlanAction.DOWNGRADE, plan)
        running = await self._running()
        return await self._changed(lambda: self.provider.schedule_change(running.id, plan, key=key))

    async def keep(self) -> Subscription:
        """Keep the plan: forget the change that was to come."""
        key = await self._request(PlanAction.KEEP)
        running = await self._running()
        return await self._changed(lambda: self.provider.release_schedule(running.id, key=key))

    async def cancel(self) -> Subscription:
        """End the subscription with its period: Free from then on."""
        key = await self._request(PlanAction.CANCEL)
        running = await self._running()
        return await self._changed(lambda: self.provider.cancel_at_period_end(running.id, key=key))

    async def resume(self) -> Subscription:
        """Take back `cancel`; raises Conflict once it has ended."""
        key = await self._request(PlanAction.RESUME)
        running = await self._running()
        return await self._changed(lambda: self.provider.resume(running.id, key=key))

    async def end(self) -> None:
        """End everything that could still be charged, at once: what goes before the end of the organization.

        Raises Conflict where a payment is on its way, and what the provider raises; then nothing may be deleted yet.
        """
        for payment in (await self._platform.billing.books()).unsettled:
            await self.withdraw(payment.id)
        running = await self.refresh()
        if running is not None and not running.status.ended:
            key = await self._request(PlanAction.END)
            await self._changed(lambda: self.provider.cancel_now(running.id, key=key))

    async def manage(self, page: PortalPage = PortalPage.HOME) -> str:
        """The address of the provider's own pages: a bearer secret of minutes, not for logs; raises Conflict."""
        books = await self._platform.billing.books()
        if books.customer is None or books.mode != self.mode:
            raise Conflict("Nothing was ever paid here, so there is nothing to manage: choose a plan first.")
        customer, key = books.customer, await self._request(PlanAction.MANAGE)
        url = self._pages.back or self._pages.cancel if self._pages else None
        return await aside(lambda: self.provider.portal(customer, page=page, return_url=url, key=key))

    async def _request(self, action: PlanAction, plan: str | None = None) -> str:
        """Who asks is known before anything leaves; answers the key to do it with."""
        return f"orgtui:{await self._store.billing.request(PlanRequest(action=action, plan=plan))}"

    async def _running(self) -> Subscription:
        running = await self.refresh()
        if running is None or running.status.ended:
            raise Conflict("No subscription is running; choose a plan to begin.")
        return running

    async def _changed(self, change: Callable[[], Subscription]) -> Subscription:
        """How the subscription stands after the provider has changed it, written down."""
        read = (await self._platform.billing.books()).read
        changed = await aside(change)
        if await self._platform.billing.keep_subscription(changed, read):
            return changed
        return await self.refresh() or changed

    # What happened meanwhile.

    async def reconcile(self) -> Reconciled:
        """Bring the books up to what the provider has: payments, money that went back, the subscription.

        Run a second time at once, it changes nothing.
        """
        books, began = await self._platform.billing.books(), self._ambient.now()
        if books.mode is None and not books.unsettled:
            return Reconciled((), (), 0, (), None)
        # First, so that money of one mode never settles what was ordered in another.
        await self._customer(books)
        # Again: of another mode, or another account, nothing is known yet.
        books = await self._platform.billing.books()
        seen = list[Payment]()
        for payment in books.unsettled:
            # One that is refused keeps no other waiting.
            with suppress(Conflict, Invalid, NotFound, BillingRefused):
                seen.append((await self._seen(payment)).payment)
        # From an instant that is still to come nothing is known: a clock was wrong.
        since = books.reconciled if books.reconciled and books.reconciled <= began else books.created
        listed, unknown = await self._list_payments(books, since - _PAYMENTS_AGAIN)
        reversals = await self._list_reversals(books, since)
        subscription = await self.refresh()
        await self._platform.billing.reconciled(began)
        changed = {payment.id: payment for payment in (*seen, *listed) if not payment.status.waits}
        paid = tuple(one for one in changed.values() if one.status is PaymentStatus.PAID)
        ended = tuple(one for one in changed.values() if one.status is not PaymentStatus.PAID)
        return Reconciled(paid, ended, reversals, tuple(unknown), subscription)

    async def take(self, event: Event) -> None:
        """Act on what the provider told by itself: the event only says what to read again.

        What others sell on the same account is none of ours; of what the books do not know `reconcile` tells.
        """
        with suppress(NotFound):
            await self._take(event)

    async def _take(self, event: Event) -> None:
        books = await self._platform.billing.books()
        if event.subject is Subject.CHECKOUT:
            await self._take_checkout(books, await aside(lambda: self.provider.checkout(event.about)))
        elif event.subject is Subject.REFUND:
            await self._reversed(books, await aside(lambda: self.provider.refund(event.about)))
        elif event.subject is Subject.DISPUTE:
            await self._reversed(books, await aside(lambda: self.provider.dispute(event.about)))
        elif event.customer is not None and event.customer == books.customer:
            await self.refresh()

    async def _take_checkout(self, books: Books, checkout: Checkout | None) -> None:
        if checkout is not None and checkout.organization == books.organization:
            await self._settled(await self._platform.billing.payment(checkout.reference), checkout)

    async def _list_payments(self, books: Books, since: datetime) -> tuple[list[Payment], list[str]]:
        """Payments that ended since they were last seen, and what was paid for none that is known."""
        ended, unknown = list[Payment](), list[str]()
        for checkout in await aside(lambda: list(self.provider.checkouts(since=since))):
            if checkout.organization != books.organization:
                continue
            try:
                before = await self._platform.billing.payment(checkout.reference)
            except NotFound:
                unknown += [checkout.id] if checkout.status is CheckoutStatus.PAID else []
                continue
            now = (await self._settled(before, checkout)).payment
            if now.status is not before.status and not now.status.waits:
                ended.append(now)
        return ended, unknown

    async def _list_reversals(self, books: Books, since: datetime) -> int:
        went_back: list[Refund | Dispute] = []
        went_back += await aside(lambda: list(self.provider.refunds(since=since - _REFUNDS_AGAIN)))
        went_back += await aside(lambda: list(self.provider.disputes(since=since - _DISPUTES_AGAIN)))
        changed = 0
        for found in went_back:
            # Of a payment that the books have never heard of, `unknown` tells already.
            with suppress(NotFound):
                changed += await self._reversed(books, found)
        return changed

    async def _reversed(self, books: Books, found: Refund | Dispute | None) -> bool:
        """Write down money that went back; answers whether that was news."""
        if found is None or found.organization != books.organization:
            return False
        reversal = _reversal(found)
        with suppress(NotFound):
            return await self._platform.billing.reverse(reversal) is not None
        # It is told before what came, or what came gave no credits.
        await self._take_checkout(books, await aside(lambda: self.provider.checkout_of(found.payment)))
        with suppress(NotFound):
            return await self._platform.billing.reverse(reversal) is not None
        return False


def _settlement(checkout: Checkout) -> Settlement:
    return Settlement(
        status=PaymentStatus(checkout.status.value),
        amount=checkout.amount,
        page=checkout.id,
        payment=checkout.subscription if checkout.kind == "subscription" else checkout.payment,
        receipt=checkout.receipt,
        receipt_url=checkout.receipt_url,
        trouble=checkout.trouble,
    )


def _never(payment: Payment) -> Settlement:
    """Of a payment that the provider never had a page for."""
    return Settlement(status=PaymentStatus.EXPIRED, amount=payment.amount, page="")


def _reversal(found: Refund | Dispute) -> Reversal:
    if isinstance(found, Refund):
        return Reversal(
            kind="refund",
            id=found.id,
            payment=found.reference,
            money=found.payment,
            amount=found.amount,
            taken=found.status in (RefundStatus.PENDING, RefundStatus.SUCCEEDED),
        )
    return Reversal(
        kind="dispute",
        id=found.id,
        payment=found.reference,
        money=found.payment,
        amount=found.amount,
        taken=found.status in (DisputeStatus.OPEN, DisputeStatus.LOST),
    )
