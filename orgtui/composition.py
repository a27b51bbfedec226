"""The one place where settings become a store and its services: everything below receives what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid
from orgtui.domain.roles import PLATFORM
from orgtui.settings import ServerUrl, Settings

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments
    from orgtui.billing.provider import PaymentProvider
    from orgtui.billing.service import BillingService
    from orgtui.key_service import KeyService
    from orgtui.key_tests import KeyTests
    from orgtui.mail import Mailer
    from orgtui.sign_in import SignIn
    from orgtui.store.contract import Store
    from orgtui.store.sql.database import Database
    from orgtui.store.sql.store import SqlStore


NO_ACTOR = "On a server you are whose token you have; leave --as and ORGTUI_AS away."


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store, wherever it is, and what stands above it.

    The services are made when they are asked for, which may take a moment; `payments` raises BillingNotReady where no
    provider is set up.
    """

    store: Store
    close: Callable[[], None]
    key_tests: Callable[[], KeyTests]
    payments: Callable[[], Payments]


def database(settings: Settings) -> Database:
    """The database the settings name; nothing is opened yet. Raises Invalid for a server's address."""
    from orgtui.store.sql.sqlite import SqliteDatabase

    if settings.server is not None:
        raise Invalid(
            "This works on the database itself: do it where the server runs, with its --store.", field="store"
        )
    if (server := settings.postgres) is not None:
        from orgtui.store.sql.postgres import PostgresDatabase

        return PostgresDatabase(server, keys=settings.master_key or server.key_path)
    return SqliteDatabase(settings.path, keys=settings.master_key)


def open_store(settings: Settings, ambient: Ambient) -> Opened:
    """Open the store for whoever acts; raises Invalid for the platform, which is nobody's name."""
    if settings.server is not None:
        return _remote(settings, settings.server, ambient)
    opened = open_sql(settings, ambient)
    return Opened(
        opened.store,
        opened.close,
        lambda: key_service(opened.store, opened),
        lambda: billing_service(settings, opened.store, opened, ambient),
    )


def open_sql(settings: Settings, ambient: Ambient, *, at_once: int = 1) -> SqlStore:
    """The same of a database itself, with all that only its own program may."""
    from orgtui.store.sql.store import open_sql_store

    if settings.actor == PLATFORM:
        raise Invalid(f"“{PLATFORM}” is no member; act as one with --as EMAIL.", field="as")
    return open_sql_store(database(settings), settings.actor, ambient, at_once=at_once)


def _remote(settings: Settings, server: ServerUrl, ambient: Ambient) -> Opened:
    from orgtui.store.remote import open_remote_store
    from orgtui.tokens import kept

    if settings.actor is not None:
        raise Invalid(NO_ACTOR, field="as")
    remote = open_remote_store(server.url, kept(settings), ambient)

    def key_tests() -> KeyTests:
        from orgtui.key_tests import KeyTests

        made: KeyTests = remote.service(KeyTests)
        return made

    def payments() -> Payments:
        from orgtui.billing.payments import Payments

        made: Payments = remote.service(Payments)
        return made

    return Opened(remote.store, remote.close, key_tests, payments)


@contextmanager
def door(server: ServerUrl, ambient: Ambient) -> Iterator[SignIn]:
    """How one comes in to a server without a token."""
    from orgtui.sign_in import SignIn
    from orgtui.store.remote import open_remote_store

    remote = open_remote_store(server.url, None, ambient)
    try:
        made: SignIn = remote.service(SignIn)
        yield made
    finally:
        remote.close()


def sign_in_service(settings: Settings, opened: SqlStore, ambient: Ambient) -> SignIn:
    """How a server lets people sign in; raises Invalid where what that takes is not installed."""
    from orgtui.oidc.service import NoSignIn, SignInService

    if (oidc := settings.oidc) is None:
        return NoSignIn(opened.outside, opened.platform)
    from orgtui.oidc.issuer import SERVERS_PATIENCE, Issuer

    try:
        from orgtui.oidc.proofs import Verifier
    except ModuleNotFoundError as error:
        raise Invalid(f"To let people sign in takes {error.name}: pip install '.[oidc]' in the checkout.") from error
    issuer = Issuer(oidc.issuer, seconds=SERVERS_PATIENCE)
    verifier = Verifier(issuer, oidc.client_id, ambient, settings.public_url)
    return SignInService(oidc, verifier, opened.outside, opened.platform, ambient)


def mailer(settings: Settings) -> Mailer | None:
    """What sends mail, None where no server is set; raises Invalid for a password file that is not private."""
    if (smtp := settings.smtp) is None:
        return None
    from orgtui.mail import Mailer, password_in
    from orgtui.secret import Secret

    password = None if smtp.password is None else Secret(smtp.password)
    return Mailer(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        sender=smtp.sender,
        username=smtp.username,
        password=password_in(smtp.password_file) if smtp.password_file else password,
    )


def key_service(store: Store, opened: SqlStore) -> KeyService:
    """What adds and tests keys for whoever acts in *store*, with the providers themselves."""
    from orgtui.key_check import KeyChecker
    from orgtui.key_service import KeyService

    return KeyService(store, opened.platform, KeyChecker())


def demo_key_service(opened: SqlStore) -> KeyService:
    """The same for a demo, from which nothing leaves this machine."""
    from orgtui.key_service import DemoChecker, KeyService

    return KeyService(opened.store, opened.platform, DemoChecker())


def billing_service(settings: Settings, store: Store, opened: SqlStore, ambient: Ambient) -> BillingService:
    """Billing for whoever acts in *store*, with Stripe; raises BillingNotReady where it is not set up, or not safe."""
    from orgtui.billing.provider import Pages
    from orgtui.billing.service import BillingService

    public = settings.public_url
    pages = Pages(f"{public}/paid", f"{public}/cancelled", f"{public}/back") if public else None
    links = f"{public}/pay/" if public else None
    return BillingService(store, opened.platform, stripe(settings, ambient), ambient, pages, links)


def stripe(settings: Settings, ambient: Ambient) -> PaymentProvider:
    """Stripe, as the settings name it; raises BillingNotReady."""
    from orgtui.billing.provider import BillingNotReady
    from orgtui.billing.stripe import StripeBilling
    from orgtui.secret import Secret

    if (given := settings.stripe) is None:
        raise BillingNotReady("No payment provider is set up here: set ORGTUI_STRIPE_SECRET_KEY.")
    secret = None if given.webhook_secret is None else Secret(given.webhook_secret)
    return StripeBilling(Secret(given.key), ambient, webhook_secret=secret, api_base=given.api_base)


def demo_billing_service(opened: SqlStore, ambient: Ambient) -> BillingService:
    """The same for a demo: payments that only seem to be made, and go on from what its books say.

    It asks the store itself: call it in a thread.
    """
    import asyncio

    from orgtui.billing.demo import continued
    from orgtui.billing.service import BillingService

    provider = asyncio.run(continued(opened.platform, ambient))
    return BillingService(opened.store, opened.platform, provider, ambient)
