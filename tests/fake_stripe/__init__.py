"""A Stripe of our own on loopback, which the official SDK cannot tell from the real one in what we use of it.

Its schema is the installed SDK: parameters are refused in Stripe's words, and an answer that the SDK would not
understand is a defect, which `FakeStripe.close` reports. Tests hold the clock, the cards, the network and the
webhooks. What it does not do it refuses loudly. It is no evidence for what real Stripe does: tax, coupons, 3-D Secure
pages, Smart Retries, several items in a subscription, rate limits and the exact words of every error are not here.
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.fake_stripe import checkout, events, payments, portal, subscriptions
from tests.fake_stripe.payments import ASKS, BAD, GOOD, SAVED_BUT_BAD, SEPA
from tests.fake_stripe.server import Fault, Request, Server, serve
from tests.fake_stripe.world import Object, Settings, World, changed

__all__ = ["ASKS", "BAD", "GOOD", "SAVED_BUT_BAD", "SEPA", "Defect", "FakeStripe", "Fault", "Request"]

KEY = "sk_test_fake"
START = datetime(2026, 11, 1, tzinfo=UTC)


class Defect(AssertionError):
    """The fake did what Stripe would not: mend the fake."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Stay: where a page sends people is not on this machine."""


class FakeStripe:
    """The fake, running; its methods may be called from any thread."""

    key = KEY

    def __init__(self, *, port: int = 0, start: datetime | None = START, webhook_url: str | None = None) -> None:
        """Serve on *port*. The clock stands at *start* until it is moved; without *start* it goes with the real one."""
        self._start = start
        self._server = Server(_world(self._clock), port)
        self._thread = serve(self._server)
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
        self._sender = _Sender(self, webhook_url) if webhook_url else None

    def _clock(self) -> float:
        return time.time() if self._start is None else self._start.timestamp()

    @property
    def base(self) -> str:
        """The SDK's api_base."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def world(self) -> World:
        """The account, for tests that look or reach inside; hold its `lock` while others use it."""
        return self._server.world

    @property
    def settings(self) -> Settings:
        """How the account is set up."""
        return self.world.settings

    @property
    def secret(self) -> str:
        """What webhooks are signed with."""
        return self.settings.webhook_secret

    def reset(self) -> None:
        """An empty account, and the clock at its start; reports the defects of the one that is left behind."""
        left = self._server.world
        with left.lock:
            self._server.world = _world(self._clock, left.base)
            self._server.faults, self._server.requests, self._server.remembered = [], [], {}
        _check(left)

    def close(self) -> None:
        """Stop answering; raises Defect if the fake did something wrong."""
        if self._sender:
            self._sender.stop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        _check(self.world)

    # The network.

    def inject(self, fault: Fault) -> None:
        """Let *fault* happen to the requests that it is for."""
        with self.world.lock:
            self._server.faults.append(fault)

    def requests(self, method: str = "", path: str = "") -> list[Request]:
        """The requests so far, the oldest first."""
        with self.world.lock:
            found = self._server.requests
            return [one for one in found if method in ("", one.method) and one.path.startswith(path)]

    def writes(self) -> list[Request]:
        """The requests that changed something or meant to, replays not counted."""
        return [one for one in self.requests() if one.method != "GET" and not one.replayed]

    # The clock.

    def now(self) -> datetime:
        """The account's time."""
        with self.world.lock:
            return self.world.instant()

    def advance(self, **by: float) -> None:
        """Let time pass (as timedelta counts it), and all happen that falls due."""
        with self.world.lock:
            self.world.advance(int(timedelta(**by).total_seconds()))

    # People.

    def visit(self, url: str, **form: str) -> tuple[int, str]:
        """What a browser gets for *url*: posted if there is a *form*; status, and where it leads or what it says."""
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.base:
            raise ValueError(f"{url} is not at {self.base}")
        data = urlencode(form).encode() if form else None
        try:
            with self._opener.open(urllib.request.Request(url.partition("#")[0], data), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location") or error.read().decode()

    def pay(self, url: str, card: str = GOOD, **form: str) -> int:
        """Go to a Checkout page or a payment link as a person does and pay there; answers the page's status."""
        if "/b/" in urlsplit(url).path:
            status, url = self.visit(url)
            if status != 303:
                return status
        return self.visit(url, card=card, **form)[0]

    def in_portal(self, url: str, action: str, **form: str) -> int:
        """Do something on a page of the customer portal: card (with number), cancel or resume."""
        return self.visit(url, action=action, **form)[0]

    def save_card(self, customer: str, card: str) -> None:
        """Let the customer pay with this card from now on."""
        with self.world.lock:
            portal.save_card(self.world, customer, card)

    def arrive(self, session: str, *, succeeds: bool = True) -> None:
        """Decide a slow payment now."""
        with self.world.lock:
            checkout.settle(self.world, session, succeeds=succeeds)

    def refund(self, intent: str, amount: int | None = None) -> Object:
        """Give money back, as somebody does in the Dashboard."""
        with self.world.lock:
            params = {"payment_intent": intent} | ({} if amount is None else {"amount": amount})
            return payments.create_refund(self.world, params)

    def fail_refund(self, refund: str) -> None:
        """Let the customer's bank send a refund back."""
        with self.world.lock:
            payments.fail_refund(self.world, refund)

    def dispute(self, intent: str, amount: int | None = None) -> Object:
        """Let the customer's bank take a payment back."""
        with self.world.lock:
            return payments.dispute(self.world, intent, amount)

    def close_dispute(self, identifier: str, *, won: bool) -> None:
        """End a dispute."""
        with self.world.lock:
            payments.close_dispute(self.world, identifier, won=won)

    def put_status(self, subscription: str, status: str) -> None:
        """Bring a subscription into a state that takes long to reach."""
        with self.world.lock:
            found = self.world.get("subscription", subscription)
            changed(self.world, found, "customer.subscription.updated", status=status)

    # Webhooks.

    def events(self, *kinds: str) -> list[Object]:
        """What was logged, the oldest first."""
        with self.world.lock:
            return [event for event in self.world.events if not kinds or event["type"] in kinds]

    def signed(self, event: Object, *, secret: str | None = None, at: datetime | None = None) -> tuple[bytes, str]:
        """Body and Stripe-Signature header of an event, signed now or *at* another time."""
        moment = int((at or self.now()).timestamp())
        return events.signed(event, secret or self.secret, moment)

    def deliver(self, url: str, *which: Object, at: datetime | None = None) -> list[int]:
        """Post events to *url* in the order given: twice, late or the wrong way round, as the test likes."""
        statuses = []
        for event in which:
            body, signature = self.signed(event, at=at)
            headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
            try:
                with self._opener.open(urllib.request.Request(url, body, headers), timeout=10) as answer:
                    statuses.append(answer.status)
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
                error.close()
        return statuses


class _Sender:
    """Posts every event soon after it was logged, as Stripe does: for a fake that a person started."""

    def __init__(self, fake: FakeStripe, url: str) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(fake, url), name="fake stripe webhooks", daemon=True)
        self._thread.start()

    def _run(self, fake: FakeStripe, url: str) -> None:
        sent = 0
        while not self._stopped.wait(0.2):
            for event in fake.events()[sent:]:
                sent += 1
                try:
                    fake.deliver(url, event)
                except OSError as error:
                    print(f"{event['type']} could not be delivered to {url}: {error}")

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()
        self._thread.join()


def _world(clock: Callable[[], float], base: str = "") -> World:
    world = World(clock, base)
    world.agenda += [checkout.due, subscriptions.periods, subscriptions.retries]
    return world


def _check(world: World) -> None:
    if world.defects:
        raise Defect("\n".join(world.defects))
