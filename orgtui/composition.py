"""The one place where settings become a store: everything below receives what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid
from orgtui.domain.roles import PLATFORM
from orgtui.settings import Settings
from orgtui.store.sql.database import Database
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from orgtui.billing.service import BillingService
    from orgtui.key_service import KeyService
    from orgtui.mail import Mailer


def database(settings: Settings) -> Database:
    """The database the settings name; nothing is opened yet."""
    if (server := settings.postgres) is not None:
        from orgtui.store.sql.postgres import PostgresDatabase

        return PostgresDatabase(server, keys=settings.master_key or server.key_path)
    return SqliteDatabase(settings.path, keys=settings.master_key)


def open_store(settings: Settings, ambient: Ambient) -> SqlStore:
    """Open the store for whoever acts; raises Invalid for the platform, which is nobody's name."""
    if settings.actor == PLATFORM:
        raise Invalid(f"“{PLATFORM}” is no member; act as one with --as EMAIL.", field="as")
    return open_sql_store(database(settings), settings.actor, ambient)


def mailer(settings: Settings) -> Mailer | None:
    """What sends mail, None where no server is set; raises Invalid for a password file that is not private."""
    if (smtp := settings.smtp) is None:
        return None
    from orgtui.mail import Mailer, password_in
    from orgtui.vault import Secret

    password = None if smtp.password is None else Secret(smtp.password)
    return Mailer(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        sender=smtp.sender,
        username=smtp.username,
        password=password_in(smtp.password_file) if smtp.password_file else password,
    )


def key_service(opened: SqlStore) -> KeyService:
    """What adds and tests the keys of an open store, with the providers themselves."""
    from orgtui.key_check import KeyChecker
    from orgtui.key_service import KeyService

    return KeyService(opened.store, opened.platform, KeyChecker())


def demo_key_service(opened: SqlStore) -> KeyService:
    """The same for a demo, from which nothing leaves this machine."""
    from orgtui.key_service import DemoChecker, KeyService

    return KeyService(opened.store, opened.platform, DemoChecker())


def billing_service(settings: Settings, opened: SqlStore, ambient: Ambient) -> BillingService:
    """Billing of an open store, with Stripe; raises BillingNotReady where that is not set up, or not safe."""
    from orgtui.billing.provider import BillingNotReady, Pages
    from orgtui.billing.service import BillingService
    from orgtui.billing.stripe import StripeBilling
    from orgtui.vault import Secret

    if (given := settings.stripe) is None:
        raise BillingNotReady("No payment provider is set up here: set ORGTUI_STRIPE_SECRET_KEY.")
    secret = None if given.webhook_secret is None else Secret(given.webhook_secret)
    provider = StripeBilling(Secret(given.key), ambient, webhook_secret=secret, api_base=given.api_base)
    public = settings.public_url
    pages = Pages(f"{public}/paid", f"{public}/cancelled") if public else None
    return BillingService(opened.store, opened.platform, provider, ambient, pages)


def demo_billing_service(opened: SqlStore, ambient: Ambient) -> BillingService:
    """The same for a demo: payments that only seem to be made, and go on from what its books say.

    It asks the store itself: call it in a thread.
    """
    import asyncio

    from orgtui.billing.demo import continued
    from orgtui.billing.service import BillingService

    provider = asyncio.run(continued(opened.platform, ambient))
    return BillingService(opened.store, opened.platform, provider, ambient)
