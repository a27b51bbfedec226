"""What the server does besides the store: payments, keys with a question to their provider, signing in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orgtui.billing.payments import Payments
from orgtui.billing.service import BillingService
from orgtui.composition import billing_service, key_service, sign_in_service
from orgtui.domain.ambient import Ambient
from orgtui.key_tests import KeyTests
from orgtui.server.desks import Services
from orgtui.settings import Settings
from orgtui.sign_in import SignIn
from orgtui.store.contract import Store
from orgtui.store.sql.store import SqlStore


def services(settings: Settings, opened: SqlStore, ambient: Ambient) -> Services:
    """The services by section. What talks to a payment provider is made when it is first needed, and once."""
    till = _Once(lambda: billing_service(settings, opened.platform, opened, ambient))

    async def payments(store: Store) -> Payments:
        return (await till.get()).acting(store)

    async def key_tests(store: Store) -> KeyTests:
        return await asyncio.to_thread(key_service, store, opened)

    door = sign_in_service(settings, opened, ambient)

    async def sign_in(_store: Store) -> SignIn:
        return door

    return {"payments": (Payments, payments), "key_tests": (KeyTests, key_tests), "sign_in": (SignIn, sign_in)}


class _Once:
    """Something that takes a while to make; where it cannot be made, the next one tries again."""

    def __init__(self, make: Callable[[], BillingService]) -> None:
        self._make, self._turn = make, asyncio.Lock()
        self._made: BillingService | None = None

    async def get(self) -> BillingService:
        """It, made in a thread."""
        async with self._turn:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made
