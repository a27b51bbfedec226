"""A real server of orgtui on this machine, for tests that come to it over HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from orgtui.billing.payments import Payments
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Forbidden, Unauthenticated
from orgtui.key_tests import KeyTests
from orgtui.server import app as server
from orgtui.server.app import application
from orgtui.server.desks import Services
from orgtui.server.gate import Limits
from orgtui.sign_in import SignIn
from orgtui.store.contract import Store
from orgtui.store.contract.operation import Operation, face
from orgtui.store.sql.store import Guest, SqlStore


@contextmanager
def listening(app: Any, **options: Any) -> Iterator[str]:
    """The URL at which an ASGI application is served meanwhile."""
    # Named, or asyncio would not know that it is TCP, and leave each answer to wait 40 ms for an acknowledgement.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        # Who comes before the server is ready waits for it.
        listener.listen()
        running = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=15, **options))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_until_complete(running.serve([listener])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = running.force_exit = True
            thread.join()
            loop.close()


@dataclass
class House:
    """A store behind the server, which lets in whoever a test has opened it for, by name instead of a token."""

    outside: Store
    guests: dict[str, Guest] = field(default_factory=dict)
    services: dict[str, Callable[[Store], Any]] = field(default_factory=dict)


class Street:
    """One server for many stores, each below a path of its own: to derive its routes costs more than most tests."""

    def __init__(self) -> None:
        self._houses, self._here = dict[str, House](), ContextVar[House]("here")
        nobody = Store(lambda contract: face(contract, self._outside))
        opened = SqlStore(nobody, _refuse, nobody, nobody, self._admit, lambda: None)
        services: Services = {
            "payments": (Payments, lambda store: self._service("payments", store)),
            "key_tests": (KeyTests, lambda store: self._service("key_tests", store)),
            "sign_in": (SignIn, lambda store: self._service("sign_in", store)),
        }
        self._app = application(
            server.House(
                opened=opened,
                ambient=system_ambient(),
                log=lambda _: None,
                services=services,
                # Names are no tokens, and so nobody is known before they are let in.
                limits=Limits(body_of_strangers=Limits().body),
            )
        )

    def add(self, outside: Store) -> tuple[str, House]:
        """A store's path, and what is known of who may come in."""
        path = f"/{len(self._houses)}"
        self._houses[path] = House(outside)
        return path, self._houses[path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the server of its store."""
        head, _, rest = scope["path"][1:].partition("/")
        self._here.set(self._houses[f"/{head}"])
        await self._app({**scope, "path": f"/{rest}", "raw_path": b""}, receive, send)

    async def _admit(self, name: str) -> Guest:
        guests = self._here.get().guests
        if name not in guests:
            raise Unauthenticated("This is nobody.")
        return guests[name]

    async def _service(self, section: str, store: Store) -> Any:
        made = await asyncio.to_thread(self._here.get().services[section], store)
        return await made if isawaitable(made) else made

    async def _outside(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        return await getattr(getattr(self._here.get().outside, operation.section), operation.name)(**arguments)


class Way:
    """How tests come to a store through the street."""

    def __init__(self, url: str, street: Street) -> None:
        self._url, self._street = url, street

    def lead(self, opened: SqlStore, services: Mapping[str, Callable[[Store], Any]]) -> tuple[str, str]:
        """The URL of an open store, and the name that lets in whoever it was opened for."""
        path, house = self._street.add(opened.outside)
        house.guests["you"] = Guest(opened.store, "you", opened.permit)
        house.services |= services
        return self._url + path, "you"


async def _refuse(operation: Operation) -> None:
    raise Forbidden(operation.id)


# Where every store has a server in front of it.
WAY: Way | None = None
