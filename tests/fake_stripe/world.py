"""What one Stripe account holds: objects by id, the log of events, and a clock that tests turn."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stripe

from tests.fake_stripe import schema
from tests.fake_stripe.refusals import missing

Object = dict[str, Any]
Due = tuple[int, Callable[[], None]]
API_VERSION = stripe.api_version
DAY = 86_400
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class Asked:
    """The request under way, as its events name it."""

    id: str | None = None
    idempotency_key: str | None = None


@dataclass
class Settings:
    """How the account is set up; tests change what they need."""

    livemode: bool = False
    keys: set[str] = field(default_factory=lambda: {"sk_test_fake", "rk_test_fake"})
    webhook_secret: str = "whsec_fake"
    # Stripe's search is behind its writes: what is younger is not found.
    search_lag: int = 60
    minimum_charge: int = 50
    retry_after_days: tuple[int, ...] = (3, 5, 7)
    after_last_retry: str = "canceled"


class World:
    """An account. Every method expects that the caller holds `lock`."""

    def __init__(self, clock: Callable[[], float], base: str = "http://127.0.0.1") -> None:
        self.lock = threading.RLock()
        self.base = base
        self.settings = Settings()
        self.asked = Asked()
        self.tables: dict[str, dict[str, Object]] = {}
        self.events: list[Object] = []
        self.line_items: dict[str, list[Object]] = {}
        self.pending_items: dict[str, list[Object]] = {}
        self.card_numbers: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.later: dict[str, bool] = {}
        # To which something may still fall due: of a hundred thousand objects these are few.
        self.undecided: dict[str, Object] = {}
        self.unpaid: dict[str, Object] = {}
        self.notes: dict[str, dict[str, str]] = {}
        self.defects: list[str] = []
        self.agenda: list[Callable[[World], Iterable[Due]]] = []
        self._clock = clock
        self._moved = 0
        self._processing: int | None = None
        self._made = 0

    # Time.

    def now(self) -> int:
        """The account's time in Unix seconds: while something due is done, the instant at which it was due."""
        return self._processing if self._processing is not None else int(self._clock()) + self._moved

    def advance(self, seconds: int) -> None:
        """Let *seconds* pass and do all that falls due meanwhile."""
        self._moved += seconds
        self.settle()

    def settle(self) -> None:
        """Do what is due, in the order of its time."""
        if self._processing is not None:
            return
        while due := min(self._due(), key=lambda one: one[0], default=None):
            self._processing = due[0]
            try:
                due[1]()
            finally:
                self._processing = None

    def _due(self) -> Iterator[Due]:
        now = self.now()
        for source in self.agenda:
            yield from (due for due in source(self) if due[0] <= now)

    def instant(self) -> datetime:
        """The account's time, aware."""
        return datetime.fromtimestamp(self.now(), UTC)

    # Objects.

    def make(self, resource: type[stripe.StripeObject], prefix: str, /, **fields: Any) -> Object:
        """A new object of *resource*: every field that may be null is null until *fields* say otherwise."""
        made = self.form(resource, id=fields.pop("id", None) or self.new_id(prefix), **fields)
        self.table(made["object"])[made["id"]] = made
        return made

    def form(self, resource: type[stripe.StripeObject], **fields: Any) -> Object:
        """As `make`, but kept nowhere."""
        common = {"object": resource.OBJECT_NAME, "created": self.now(), "livemode": self.settings.livemode}  # type: ignore[attr-defined]
        known = schema.field_names(resource)
        return schema.skeleton(resource) | {key: value for key, value in common.items() if key in known} | fields

    def new_id(self, prefix: str, length: int = 24) -> str:
        """An id that no other object has; the same in every run."""
        self._made += 1
        digest = int.from_bytes(hashlib.sha512(f"{prefix}{self._made}".encode()).digest() * 2, "big")
        letters = []
        for _ in range(length):
            digest, index = divmod(digest, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return f"{prefix}_{''.join(letters)}"

    def table(self, name: str) -> dict[str, Object]:
        """Objects of one kind by id, the oldest first."""
        return self.tables.setdefault(name, {})

    def get(self, name: str, identifier: str, param: str = "id") -> Object:
        """One object; raises Refused as Stripe does."""
        found = self.table(name).get(identifier)
        if found is None:
            raise missing(name.rsplit(".", 1)[-1].replace("subscription_schedule", "schedule"), identifier, param)
        return found

    def find(self, identifier: str) -> Object | None:
        """The object of an id, whatever its kind."""
        return next((table[identifier] for table in self.tables.values() if identifier in table), None)

    # Events.

    def emit(self, kind: str, subject: Object, **previous: Any) -> None:
        """Log an event with *subject* as it is now."""
        data: Object = {"object": copy.deepcopy(subject)} | ({"previous_attributes": previous} if previous else {})
        event = self.form(
            stripe.Event,
            id=self.new_id("evt"),
            api_version=API_VERSION,
            type=kind,
            data=data,
            pending_webhooks=0,
            request={"id": self.asked.id, "idempotency_key": self.asked.idempotency_key},
        )
        event["data"] = data
        self.events.append(event)
        for said in schema.findings(event, stripe.Event) + schema.findings(
            data["object"], RESOURCES[subject["object"]]
        ):
            self.defects.append(f"{kind}: {said}")

    @contextmanager
    def asking(self, asked: Asked) -> Iterator[None]:
        """What happens inside was asked for by this request."""
        before, self.asked = self.asked, asked
        try:
            yield
        finally:
            self.asked = before


def changed(world: World, subject: Object, kind: str, **fields: Any) -> None:
    """Set *fields* of *subject* and log it, with what was there before; nothing where all of it is so already."""
    before = {key: subject[key] for key, value in fields.items() if subject.get(key) != value}
    subject.update(fields)
    if before:
        world.emit(kind, subject, **copy.deepcopy(before))


RESOURCES: dict[str, type[stripe.StripeObject]] = {
    resource.OBJECT_NAME: resource  # type: ignore[attr-defined]
    for resource in (
        stripe.Charge,
        stripe.Customer,
        stripe.Dispute,
        stripe.Event,
        stripe.Invoice,
        stripe.InvoicePayment,
        stripe.PaymentIntent,
        stripe.PaymentLink,
        stripe.PaymentMethod,
        stripe.Price,
        stripe.Product,
        stripe.Refund,
        stripe.Subscription,
        stripe.SubscriptionItem,
        stripe.SubscriptionSchedule,
        stripe.WebhookEndpoint,
        stripe.LineItem,
        stripe.billing_portal.Configuration,
        stripe.billing_portal.Session,
        stripe.checkout.Session,
    )
}
