"""What is done beside the store: the services by section, and the two that people come to without a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from orgtui.billing.provider import BillingNotReady
from orgtui.billing.service import BillingService
from orgtui.domain.errors import NotFound
from orgtui.sign_in import SignIn
from orgtui.store.contract import Store

# Makes the object that does a contract's operations, for whoever's store it is given.
Service = Callable[[Store], Awaitable[Any]]
Services = Mapping[str, tuple[type[Any], Service]]
# Payments in the platform's name; raises BillingNotReady where there is no provider.
Till = Callable[[], Awaitable[BillingService]]
# What lets in whoever has no token yet.
Entrance = Callable[[], Awaitable[SignIn]]


def till_of(services: Services, platform: Store) -> Till:
    """For what the provider tells, and for whoever holds a payment's link."""

    async def till() -> BillingService:
        if "payments" not in services:
            raise BillingNotReady("No payment provider is set up here.")
        service: BillingService = await services["payments"][1](platform)
        return service

    return till


def entrance_of(services: Services, outside: Store) -> Entrance:
    """The way in for whoever has no token yet."""

    async def entrance() -> SignIn:
        if "sign_in" not in services:
            raise NotFound("Nobody is let in here without a token.")
        service: SignIn = await services["sign_in"][1](outside)
        return service

    return entrance
