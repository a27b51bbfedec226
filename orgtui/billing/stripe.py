"""Stripe, through its official SDK: the only module that imports it, and not before it is needed."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from orgtui.billing import stripe_objects as objects
from orgtui.billing import stripe_setup, stripe_webhook
from orgtui.billing.provider import (
    BillingNotReady,
    BillingRefused,
    Busy,
    ChangePreview,
    Checkout,
    CheckoutStatus,
    Declined,
    Dispute,
    Enrolment,
    Event,
    Invoice,
    Order,
    Pages,
    Payer,
    PaymentProvider,
    PortalPage,
    Refund,
    SetupReport,
    check_amount,
    check_changeable_now,
    check_preview,
    check_running,
    check_schedulable,
    furthest,
)
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Conflict, Invalid, KeyReused, NotFound, OrgtuiError, Unreachable
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS, paid_plan
from orgtui.domain.subscriptions import Scheduled, Subscription
from orgtui.domain.text import clean
from orgtui.secret import Secret

# The SDK and the API version move together: https://github.com/stripe/stripe-python/wiki.
API_VERSION: Final = "2026-10-28.endive"
API: Final = "https://api.stripe.com"
# Where Stripe's pages are (https://docs.stripe.com/ips#stripe-domains): no other address is shown.
HOSTS: Final = frozenset(
    {"checkout.stripe.com", "billing.stripe.com", "buy.stripe.com", "invoice.stripe.com", "pay.stripe.com"}
)
_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{4,}")
_SECRETS = re.compile(r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_*]+")
_LONGEST_MESSAGE = 300
_CONNECT_TIMEOUT = 5.0
_PAGE = 100
_NOWHERE: Final = "https://stripe.com/"
_THANKS: Final = "Paid. Go back to your terminal: it shows the credits in a few seconds."
_NEEDS_CONSENT = {"authentication_required", "subscription_payment_intent_requires_action"}
# Refused as missing, these were never made: it is the catalogue that is not there, not what the caller named.
_OF_THE_CATALOGUE = ("line_items", "items", "phases", "configuration", "subscription_details")
_CHECKOUT: Final = ("payment_intent.latest_charge", "invoice")
_SUBSCRIPTION: Final = ("default_payment_method", "latest_invoice", "customer.invoice_settings.default_payment_method")

Call = Callable[[Any], Any]


class StripeBilling:
    """Payments through a Stripe account; it may be used from several threads."""

    def __init__(
        self,
        key: Secret,
        ambient: Ambient,
        *,
        webhook_secret: Secret | None = None,
        api_base: str | None = None,
        hosts: frozenset[str] = frozenset(),
        timeout: float = 15.0,
        retries: int = 2,
    ) -> None:
        """Nothing is opened yet. *hosts* are the account's own domains for payment pages; *timeout* is in seconds.

        Raises BillingNotReady for what is no secret key, and for an *api_base* that is not on this machine or comes
        with a live key: a live key is never sent anywhere but to Stripe.
        """
        self._mode = _mode(key)
        self._key = key
        self._ambient = ambient
        self._webhook_secret = webhook_secret
        self._base = api_base and _checked_base(api_base, self._mode)
        self._hosts = HOSTS | hosts
        self._timeout, self._retries = timeout, retries
        self._lock = threading.Lock()
        self._client: Any = None
        self._http: Any = None

    @property
    def mode(self) -> Literal["test", "live"]:
        """As the key says."""
        return self._mode

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._client = self._http = None

    def prices(self) -> Mapping[str, Money]:
        """What a new subscriber pays a month, by plan."""
        keys = {objects.lookup_key(plan.key): plan.key for plan in PLANS if plan.cents}
        listed = self._ask(lambda client: client.v1.prices.list({"lookup_keys": list(keys), "active": True}))
        return {keys[price.lookup_key]: objects.money(price.unit_amount, price.currency) for price in listed.data}

    # Customers.

    def ensure_customer(self, payer: Payer, *, key: str) -> str:
        """The id of the organization's customer."""
        customer = self._customer(payer.organization)
        if customer is None:
            # Only what never changes, so that the same key always comes with the same request.
            params = {"metadata": {"app": objects.APP, "organization": payer.organization}}
            customer = self._ask(lambda client: client.v1.customers.create(params, _once(key)))
        if (customer.name, customer.email) != (payer.name, payer.email):
            named = {"name": payer.name, "email": payer.email}
            # It says what shall be, so doing it twice is harmless; a key of ours would bring back a name of yesterday.
            self._ask(lambda client: client.v1.customers.update(customer.id, named))
        return str(customer.id)

    def _customer(self, organization: str) -> Any:
        if not re.fullmatch(r"\w+", organization, re.ASCII):
            raise Invalid("An organization's id is letters, digits and underscores.", field="organization")
        query = f"metadata['organization']:'{organization}' AND metadata['app']:'{objects.APP}'"
        found = self._ask(lambda client: client.v1.customers.search({"query": query}))
        return found.data[-1] if found.data else None

    # Paying once.

    def start_purchase(self, order: Order, *, key: str, short: bool = False) -> Checkout:
        """A page on which the order can be paid."""
        check_amount(order.amount)
        price = {
            "currency": order.amount.currency.lower(),
            "unit_amount": order.amount.minor,
            "product": objects.CREDITS,
        }
        names = {"app": objects.APP, "reference": order.id, "organization": order.organization}
        params: dict[str, Any] = {
            "line_items": [{"quantity": 1, "price_data": price}],
            "metadata": names,
            # A refund or a dispute knows only the payment.
            "payment_intent_data": {"metadata": names},
            "invoice_creation": {"enabled": True},
        }
        return self._start_link(order, params, key) if short else self._start_session(order, params, key)

    def _start_session(self, order: Order, params: dict[str, Any], key: str) -> Checkout:
        params |= {
            "mode": "payment",
            "customer": order.customer,
            "client_reference_id": order.id,
            "expires_at": int(order.expires.timestamp()),
            **_sent_to(order.pages),
            "expand": list(_CHECKOUT),
        }
        return self._read(self._ask(lambda client: client.v1.checkout.sessions.create(params, _once(key))))

    def _start_link(self, order: Order, params: dict[str, Any], key: str) -> Checkout:
        params |= {
            "customer_creation": "always",
            "restrictions": {"completed_sessions": {"limit": 1}},
            "after_completion": _afterwards(order.pages),
            "expand": ["line_items"],
        }
        made = self._ask(lambda client: client.v1.payment_links.create(params, _once(key)))
        return objects.link_checkout(made, self._link)

    def checkout(self, id: str) -> Checkout:
        """A payment as it is now."""
        if id.startswith("plink_"):
            return self._link_checkout(id)
        expand = {"expand": list(_CHECKOUT)}
        return self._ours(self._read(self._ask(lambda client: client.v1.checkout.sessions.retrieve(id, expand))))

    def _link_checkout(self, id: str) -> Checkout:
        """The session in which the link was paid, if there is one."""
        expand = {"expand": ["line_items"]}
        link = self._ask(lambda client: client.v1.payment_links.retrieve(id, expand))
        sessions = self._sessions({"payment_link": id})
        if (done := furthest(one for one in sessions if one.status not in _UNDECIDED)) is not None:
            return self._ours(done)
        return self._ours(objects.link_checkout(link, self._link))

    def find_checkout(self, reference: str, *, since: datetime) -> Checkout | None:
        """The payment for an order or enrolment that was started after *since*."""
        return furthest(one for one in self.checkouts(since=since) if one.reference == reference)

    def checkout_of(self, payment: str) -> Checkout | None:
        """The checkout in which this was paid."""
        return next(self._sessions({"payment_intent": payment}), None)

    def expire_checkout(self, id: str, *, key: str) -> Checkout:
        """Close an open page."""
        if id.startswith("plink_"):
            off = {"active": False}
            self._ask(lambda client: client.v1.payment_links.update(id, off, _once(key)))
            sessions = [one for one in self._sessions({"payment_link": id}) if one.status is CheckoutStatus.OPEN]
        else:
            sessions = [one for one in (self.checkout(id),) if one.status is CheckoutStatus.OPEN]
        for session in sessions:
            self._expire(session.id, f"{key}:{session.id}")
        return self.checkout(id)

    def _expire(self, session: str, key: str) -> None:
        try:
            self._ask(lambda client: client.v1.checkout.sessions.expire(session, {}, _once(key)))
        except BillingRefused:
            # It is not open any more: how it stands is read next.
            if self.checkout(session).status is CheckoutStatus.OPEN:
                raise

    def checkouts(self, *, since: datetime) -> Iterator[Checkout]:
        """All of our checkouts that were started after *since*."""
        return self._sessions({"created": {"gte": int(since.timestamp())}})

    def _sessions(self, params: dict[str, Any]) -> Iterator[Checkout]:
        for session in self._listed(lambda client: client.v1.checkout.sessions, params, _CHECKOUT):
            if objects.metadata(session, "reference"):
                yield self._read(session)

    def _read(self, session: Any) -> Checkout:
        return objects.checkout(session, self._link)

    def _ours(self, checkout: Checkout) -> Checkout:
        if not checkout.reference:
            raise NotFound("This payment was not started by orgtui.")
        return checkout

    # Paying every month.

    def start_subscription(self, enrolment: Enrolment, *, key: str) -> Checkout:
        """A page on which the first month is paid."""
        price = self._price(enrolment.plan)
        running = self.subscription(enrolment.customer)
        if running is not None and not running.status.ended:
            raise Conflict("A subscription is running already; change its plan instead.")
        names = {"app": objects.APP, "reference": enrolment.id, "organization": enrolment.organization}
        params = {
            "mode": "subscription",
            "customer": enrolment.customer,
            "client_reference_id": enrolment.id,
            "line_items": [{"quantity": 1, "price": price.id}],
            "metadata": names,
            "subscription_data": {"metadata": names},
            "expires_at": int(enrolment.expires.timestamp()),
            **_sent_to(enrolment.pages),
            "expand": list(_CHECKOUT),
        }
        return self._read(self._ask(lambda client: client.v1.checkout.sessions.create(params, _once(key))))

    def subscription(self, customer: str) -> Subscription | None:
        """The customer's running subscription, else the last that ended."""
        params = {"customer": customer, "status": "all"}
        found = list(self._listed(lambda client: client.v1.subscriptions, params, _SUBSCRIPTION))
        running = [one for one in found if one.status not in ("canceled", "incomplete_expired")]
        # Of several that run, the one that grants a plan counts.
        running.sort(key=lambda one: one.status not in ("active", "trialing", "past_due"))
        chosen = (running or found or [None])[0]
        return None if chosen is None else self._whole(chosen, tuple(one.id for one in running[1:]))

    def preview_change(self, subscription: str, plan: str, *, at: datetime) -> ChangePreview:
        """What changing to *plan* would cost at *at*."""
        price = self._price(plan)
        thing = self._subscription(subscription)
        now = self._whole(thing)
        check_changeable_now(now, plan)
        self._release_spent(thing)
        details = _switch(thing, price) | {"proration_date": int(at.timestamp())}
        params = {"subscription": subscription, "subscription_details": details}
        invoice = self._ask(lambda client: client.v1.invoices.create_preview(params))
        return objects.preview(invoice, now, plan, price, objects.at(int(at.timestamp())))

    def change_now(self, preview: ChangePreview, *, key: str) -> Subscription:
        """Change to the preview's plan and charge what it says."""
        price = self._price(preview.plan)
        thing = self._subscription(preview.subscription)
        check_preview(self._whole(thing), preview)
        self._release_spent(thing)
        params = _switch(thing, price) | {
            "proration_date": int(preview.at.timestamp()),
            # The default would switch the plan and leave a debt when the card is declined.
            "payment_behavior": "error_if_incomplete",
            "expand": list(_SUBSCRIPTION),
        }
        changed = self._ask(lambda client: client.v1.subscriptions.update(preview.subscription, params, _once(key)))
        return self._whole(changed)

    def schedule_change(self, subscription: str, plan: str, *, key: str) -> Subscription:
        """Change to *plan* when the period ends."""
        price = self._price(plan)
        thing = self._subscription(subscription)
        now = self._whole(thing)
        if now.scheduled is None or now.scheduled.plan != plan:
            check_schedulable(now, plan)
            self._schedule(thing, price, key)
        return self._whole(self._subscription(subscription))

    def _schedule(self, thing: Any, price: Any, key: str) -> None:
        """Two calls, as Stripe wants it; a schedule that is there already, half made or for another plan, is used."""
        params = {"from_subscription": thing.id}
        schedule = thing.schedule or self._ask(
            lambda client: client.v1.subscription_schedules.create(params, _once(f"{key}:create"))
        )
        (item,) = thing["items"].data
        now = {"start_date": item.current_period_start, "end_date": item.current_period_end}
        phases = [
            now | {"items": [{"price": item.price.id, "quantity": 1}]},
            {
                "items": [{"price": price.id, "quantity": 1}],
                "duration": {"interval": "month", "interval_count": 1},
                "proration_behavior": "none",
            },
        ]
        change = {"phases": phases, "end_behavior": "release", "proration_behavior": "none"}
        identifier = objects.identifier(schedule)
        self._ask(lambda client: client.v1.subscription_schedules.update(identifier, change, _once(f"{key}:phases")))

    def release_schedule(self, subscription: str, *, key: str) -> Subscription:
        """Keep the plan."""
        thing = self._subscription(subscription)
        return self._whole(self._subscription(subscription) if self._release(thing, key) else thing)

    def _release(self, thing: Any, key: str) -> bool:
        """Detach the schedule, if there is one: Stripe changes nothing about a subscription that has one."""
        if thing.schedule is None:
            return False
        schedule = objects.identifier(thing.schedule)
        self._ask(lambda client: client.v1.subscription_schedules.release(schedule, {}, _once(f"{key}:release")))
        return True

    def _release_spent(self, thing: Any) -> None:
        """Detach a schedule that changes nothing any more, or was only half made: it would be in the way.

        Its id is key enough: that it is to go is all that can be asked of it.
        """
        self._release(thing, f"spent:{objects.identifier(thing.schedule)}")

    def cancel_at_period_end(self, subscription: str, *, key: str) -> Subscription:
        """End with the period."""
        return self._set_end(subscription, True, key)

    def cancel_now(self, subscription: str, *, key: str) -> Subscription:
        """End at once."""
        thing = self._subscription(subscription)
        if not self._whole(thing).status.ended:
            self._release(thing, key)
            self._ask(lambda client: client.v1.subscriptions.cancel(subscription, {}, _once(f"{key}:cancel")))
        return self._whole(self._subscription(subscription))

    def resume(self, subscription: str, *, key: str) -> Subscription:
        """Take back `cancel_at_period_end`."""
        return self._set_end(subscription, False, key)

    def _set_end(self, subscription: str, ends: bool, key: str) -> Subscription:
        thing = self._subscription(subscription)
        check_running(self._whole(thing))
        if ends:
            self._release(thing, key)
        params = {"cancel_at_period_end": ends, "expand": list(_SUBSCRIPTION)}
        return self._whole(self._ask(lambda client: client.v1.subscriptions.update(subscription, params, _once(key))))

    def _subscription(self, id: str) -> Any:
        params = {"expand": list(_SUBSCRIPTION)}
        return self._ask(lambda client: client.v1.subscriptions.retrieve(id, params))

    def _whole(self, thing: Any, others: tuple[str, ...] = ()) -> Subscription:
        """A subscription with what its schedule will change."""
        now = objects.subscription(thing, None, self._link, others)
        waiting = self._scheduled(thing, now.plan)
        return now if waiting is None else objects.subscription(thing, waiting, self._link, others)

    def _scheduled(self, thing: Any, plan: str | None) -> Scheduled | None:
        if thing.schedule is None:
            return None
        schedule, params = objects.identifier(thing.schedule), {"expand": ["phases.items.price"]}
        found = self._ask(lambda client: client.v1.subscription_schedules.retrieve(schedule, params))
        return objects.scheduled(found, plan)

    def _price(self, plan: str) -> Any:
        """Today's price of a plan."""
        key = objects.lookup_key(paid_plan(plan).key)
        listed = self._ask(lambda client: client.v1.prices.list({"lookup_keys": [key], "active": True}))
        if not listed.data:
            raise BillingNotReady(f"Stripe has no price for {paid_plan(plan).name}; run `orgtui billing setup`.")
        return listed.data[0]

    def portal(self, customer: str, *, page: PortalPage, return_url: str | None, key: str) -> str:
        """The address of Stripe's own pages for this customer."""
        params: dict[str, Any] = {
            "customer": customer,
            "configuration": self._portal_configuration(),
        } | ({"return_url": return_url} if return_url else {})
        if page is PortalPage.PAYMENT_METHOD:
            params["flow_data"] = {"type": "payment_method_update"}
        made = self._ask(lambda client: client.v1.billing_portal.sessions.create(params, _once(key)))
        return str(self._link(made.url))

    def _portal_configuration(self) -> str:
        found = stripe_setup.portal_configuration(self)
        if found is None:
            raise BillingNotReady("Stripe's customer portal is not set up; run `orgtui billing setup`.")
        return str(found.id)

    def invoices(self, customer: str) -> Iterator[Invoice]:
        """All invoices, the newest first."""
        for thing in self._listed(lambda client: client.v1.invoices, {"customer": customer}):
            yield objects.invoice(thing, self._link)

    # Reconciling.

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        """All refunds of our purchases that were begun after *since*."""
        params = {"created": {"gte": int(since.timestamp())}}
        for thing in self._listed(lambda client: client.v1.refunds, params, ("payment_intent",)):
            if (ours := objects.refund(thing)) is not None:
                yield ours

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        """All disputes of our purchases that were begun after *since*."""
        params = {"created": {"gte": int(since.timestamp())}}
        for thing in self._listed(lambda client: client.v1.disputes, params, ("payment_intent",)):
            if (ours := objects.dispute(thing)) is not None:
                yield ours

    def refund(self, id: str) -> Refund | None:
        """A refund as it is now."""
        params = {"expand": ["payment_intent"]}
        return objects.refund(self._ask(lambda client: client.v1.refunds.retrieve(id, params)))

    def dispute(self, id: str) -> Dispute | None:
        """A dispute as it is now."""
        params = {"expand": ["payment_intent"]}
        return objects.dispute(self._ask(lambda client: client.v1.disputes.retrieve(id, params)))

    def events(self, *, since: datetime) -> Iterator[Event]:
        """What happened after *since*."""
        params = {"created": {"gte": int(since.timestamp())}, "types": list(stripe_webhook.TYPES)}
        for thing in self._listed(lambda client: client.v1.events, params):
            yield stripe_webhook.read(thing.to_dict(), livemode=self._live)

    def read_webhook(self, body: bytes, signature: str | None) -> Event:
        """The event in a webhook's raw body."""
        event = stripe_webhook.verified(body, signature, self._webhook_secret, self._ambient.now())
        return stripe_webhook.read(event, livemode=self._live)

    # Setting up.

    def setup(self, *, key: str, dry_run: bool, webhook_url: str | None = None) -> SetupReport:
        """Bring Stripe's catalogue into the state of our price list."""
        return stripe_setup.run(self, key=key, dry_run=dry_run, webhook_url=webhook_url, api_version=API_VERSION)

    # Asking.

    @property
    def _live(self) -> bool:
        return self._mode == "live"

    def ask(self, call: Call) -> Any:
        """What Stripe answers, for what stands beside this class; raises errors of ours only."""
        return self._ask(call)

    def _ask(self, call: Call) -> Any:
        client = self._opened()
        import stripe

        try:
            answer = call(client)
        except stripe.StripeError as error:
            failure = _translated(error)
        else:
            self._check_mode(answer)
            return answer
        # Not raised above: the SDK's frames and error hold the request, key and all, and this one would hold them.
        raise failure

    def listed(self, resource: Call, params: dict[str, Any], expand: tuple[str, ...] = ()) -> Iterator[Any]:
        """All objects of a list, page by page."""
        return self._listed(resource, params, expand)

    def _listed(self, resource: Call, params: dict[str, Any], expand: tuple[str, ...] = ()) -> Iterator[Any]:
        asked = params | {"limit": _PAGE} | ({"expand": [f"data.{path}" for path in expand]} if expand else {})

        def page_of(client: Any) -> Any:
            return resource(client).list(asked)

        while True:
            page = self._ask(page_of)
            yield from page.data
            if not page.has_more:
                return
            asked = asked | {"starting_after": page.data[-1].id}

    def _check_mode(self, answer: Any) -> None:
        for thing in answer.data if "data" in answer and "has_more" in answer else (answer,):
            if "livemode" in thing and thing.livemode is not self._live:
                found = "live" if thing.livemode else "test"
                raise BillingNotReady(f"Stripe answered in {found} mode to a {self._mode} key; check the account.")

    def _link(self, url: str | None) -> str | None:
        """An address of Stripe's that may be shown; raises BillingRefused for any other."""
        if url is None:
            return None
        parts = urlsplit(url)
        known = parts.scheme == "https" and parts.hostname in self._hosts and parts.port is None
        local = self._base is not None and f"{parts.scheme}://{parts.netloc}" == self._base
        if not (known or local) or clean(url) != url or parts.username is not None:
            raise BillingRefused(f"Stripe sent a link to {clean(parts.hostname or 'nowhere')}, which is not Stripe's.")
        return url

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                stripe = _imported()
                self._http = _http_client(stripe, self._timeout, local=self._base is not None)
                self._client = stripe.StripeClient(
                    self._key.reveal(),
                    stripe_version=API_VERSION,
                    base_addresses={"api": self._base or API},
                    http_client=self._http,
                    max_network_retries=self._retries,
                )
            return self._client


_UNDECIDED = (CheckoutStatus.OPEN, CheckoutStatus.EXPIRED)


def _once(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _switch(thing: Any, price: Any) -> dict[str, Any]:
    """From the one item's price to *price*, to be paid for at once: preview and change must say the same."""
    (item,) = thing["items"].data
    return {"items": [{"id": item.id, "price": price.id}], "proration_behavior": "always_invoice"}


# The key and where it goes.


def _sent_to(pages: Pages | None) -> dict[str, str]:
    """Stripe's page must send a browser somewhere: without pages of our own, to Stripe."""
    return {
        "success_url": pages.success if pages else _NOWHERE,
        "cancel_url": pages.cancel if pages else _NOWHERE,
    }


def _afterwards(pages: Pages | None) -> dict[str, Any]:
    if pages is not None:
        return {"type": "redirect", "redirect": {"url": pages.success}}
    return {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": _THANKS}}


def _mode(key: Secret) -> Literal["test", "live"]:
    match = _KEY.fullmatch(key.reveal())
    if match is None:
        raise BillingNotReady("ORGTUI_STRIPE_SECRET_KEY is no secret key of Stripe's: those begin with sk_ or rk_.")
    return "live" if match[1] == "live" else "test"


def _checked_base(base: str, mode: str) -> str:
    parts = urlsplit(base)
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username is not None)
    if parts.scheme not in ("http", "https") or not plain or not _loopback(parts.hostname or ""):
        raise BillingNotReady("ORGTUI_STRIPE_API_BASE is for a test server on this machine: http://127.0.0.1:PORT.")
    if mode != "test":
        raise BillingNotReady("ORGTUI_STRIPE_API_BASE goes with a test key only; unset one of the two.")
    return f"{parts.scheme}://{parts.netloc}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# The SDK.


def _imported() -> Any:
    """The SDK, kept from writing to the terminal and the home directory, and from telling of the machine."""
    # It logs every call to stderr, in the middle of a screen.
    os.environ.pop("STRIPE_LOG", None)
    # On some machines it says something while it is imported.
    with contextlib.redirect_stderr(io.StringIO()):
        import stripe
    # Stripe may send notices for developers along with an answer; they would be printed.
    warnings.filterwarnings("ignore", module=r"stripe\._api_requestor")
    stripe.enable_telemetry = False
    stripe.app_info = None
    return stripe


def _http_client(stripe: Any, timeout: float, *, local: bool) -> Any:
    """Of the SDK's clients, one opens a connection for each thread and heeds .netrc, one has the proxy wrong."""
    import httpx

    limits = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT))
    # A test server on this machine is not behind the proxy.
    connections = httpx.Client(timeout=limits, trust_env=not local)

    # The SDK comes as Any: it is imported by whoever calls, when something is asked for.
    class Client(stripe.HTTPClient):  # type: ignore[misc]
        """The SDK's requests over httpx."""

        name = "httpx"

        def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None) -> Any:
            """Body, status and headers."""
            content = post_data.encode() if isinstance(post_data, str) else post_data
            try:
                answer = connections.request(method, url, headers=headers, content=content)
            except httpx.HTTPError as error:
                raise stripe.APIConnectionError(type(error).__name__, should_retry=True) from None
            return answer.content, answer.status_code, answer.headers

        def close(self) -> None:
            """Close connections."""
            connections.close()

    return Client()


def _translated(error: Any) -> OrgtuiError:
    """An error of the SDK as one of ours, in one clear line that holds no key."""
    import stripe

    said = _said(error)
    more: dict[str, Any] = {"request": clean(error.request_id)} if error.request_id else {}
    if isinstance(error, stripe.CardError):
        if error.code in _NEEDS_CONSENT:
            message = "The bank asks for your consent; confirm the payment method in Manage Subscription and try again."
            return Declined(message, reason="authentication", **more)
        return Declined(f"The payment was declined: {said}", **more)
    if isinstance(error, stripe.IdempotencyError):
        return KeyReused(f"Stripe: {said}", **more)
    if isinstance(error, stripe.RateLimitError):
        return Busy("Stripe has too much to do; try again in a moment.", retry_after=_retry_after(error), **more)
    if isinstance(error, stripe.AuthenticationError):
        return BillingNotReady("Stripe does not know the key; check ORGTUI_STRIPE_SECRET_KEY.", **more)
    if isinstance(error, stripe.PermissionError):
        return BillingNotReady(f"The Stripe key may not do this: {said}", **more)
    if isinstance(error, stripe.APIConnectionError):
        return Unreachable(f"Stripe did not answer ({said}); try again.", **more)
    if isinstance(error, stripe.InvalidRequestError):
        return _invalid(error, said, more)
    if error.http_status == 409:
        return Busy("Stripe is still busy with the same request; try again in a moment.", **more)
    return Unreachable("Stripe has a problem of its own; try again later.", **more)


def _invalid(error: Any, said: str, more: dict[str, Any]) -> OrgtuiError:
    if error.code == "resource_missing" and error.param and error.param.startswith(_OF_THE_CATALOGUE):
        return BillingNotReady(f"Stripe is not set up for this; run `orgtui billing setup` ({said}).", **more)
    if error.code == "resource_missing" and error.param:
        return NotFound(f"Stripe: {said}", **more)
    return BillingRefused(f"Stripe: {said}", **more)


def _said(error: Any) -> str:
    text = _SECRETS.sub("***", clean(" ".join((error.user_message or "it did not say why").split())))
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


def _retry_after(error: Any) -> float | None:
    given = (error.headers or {}).get("retry-after", "")
    return float(given) if given.isascii() and given.isdecimal() else None


if TYPE_CHECKING:
    _CONFORMS: type[PaymentProvider] = StripeBilling
