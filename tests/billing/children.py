"""Programs of their own on one till: they tell each step they take, and are ended at any of them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from orgtui.billing.provider import Pages
from orgtui.billing.service import BillingService
from orgtui.billing.stripe import StripeBilling
from orgtui.domain.ambient import Ambient
from orgtui.domain.money import Money
from orgtui.secret import Secret
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store

PRELOADED = [
    "stripe",
    "stripe._stripe_client",
    "stripe.checkout._session_service",
    "httpcore",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "orgtui.store.sql.billing",
    "orgtui.store.sql.queries.billing",
    "tests.billing.till",
]
PAGES = Pages("https://acme.example/paid", "https://acme.example/back")
GOOD = "4242424242424242"


@dataclass(frozen=True)
class Place:
    """Where a child works: the books, the fake, and the fake's time, which stands still meanwhile."""

    path: Path
    base: str
    key: str
    secret: str
    now: datetime


def open_service(place: Place) -> BillingService:
    """A program that has just begun."""
    ambient = Ambient(now=lambda: place.now, random=os.urandom)
    opened = open_sql_store(SqliteDatabase(place.path), None, ambient)
    # A fault of the network is what some of these tests make: it is not waited for.
    provider = StripeBilling(
        Secret(place.key), ambient, webhook_secret=Secret(place.secret), api_base=place.base, retries=4
    )
    return BillingService(opened.store, opened.platform, provider, ambient, PAGES)


def pay(url: str) -> int:
    """Pay on a page of the fake."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None: ...

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
    data = urlencode({"card": GOOD}).encode()
    try:
        with opener.open(urllib.request.Request(url.partition("#")[0], data), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def watched(service: BillingService, say: Callable[[], None]) -> BillingService:
    """The service, saying something before and after each of its steps."""
    from tests.billing.till import Knife

    class Teller(Knife):
        def moment(self) -> None:
            say()

    return Teller().on(service)


def purchases(place: Place, count: int, pipe: Any) -> None:
    """Begin as orgtui does, then buy and be paid so many times; a byte for each moment of it, and `D` at the end."""
    service = watched(open_service(place), lambda: os.write(pipe.fileno(), b".") and None)

    async def go() -> None:
        await service.reconcile()
        os.write(pipe.fileno(), b"R")
        for _ in range(count):
            paying = await service.buy(Money(1_000))
            if paying.url is not None:
                await asyncio.to_thread(pay, paying.url)
                os.write(pipe.fileno(), b"P")
                await service.look(paying.payment.id)
        os.write(pipe.fileno(), b"D")

    asyncio.run(go())


def polls(place: Place, payment: str, times: int, pipe: Any) -> None:
    """Look, as a screen does that waits, and compare between looks."""
    service = open_service(place)

    async def go() -> None:
        os.write(pipe.fileno(), b"B")
        for turn in range(times):
            await service.look(payment)
            if turn % 5 == 0:
                await service.reconcile()
        os.write(pipe.fileno(), b"D")

    asyncio.run(go())


def deliveries(place: Place, bodies: Path, which: Sequence[tuple[int, int, str]], pipe: Any) -> None:
    """Take webhooks, each by the place of its raw body and its signature; a byte when one is done with."""
    service = open_service(place)

    async def go() -> None:
        with bodies.open("rb") as held:
            for start, length, signature in which:
                held.seek(start)
                await service.take(service.provider.read_webhook(held.read(length), signature))
                os.write(pipe.fileno(), b"2")

    asyncio.run(go())


class Children:
    """Starts programs quickly: what they need is imported once."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def start(self, program: Callable[..., None], *args: Any) -> tuple[Any, Any]:
        """The process, and the end of its pipe that it is heard at."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=program, args=(*args, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def heard(self, program: Callable[..., None], *args: Any, at: int | None = None) -> bytes:
        """What a program said until it ended, or was killed after so many bytes."""
        process, ours = self.start(program, *args)
        said = b""
        with ours:
            while chunk := os.read(ours.fileno(), 65_536):
                said += chunk
                if at is not None and len(said) >= at:
                    process.kill()
                    at = None
        process.join()
        return said
