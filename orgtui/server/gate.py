"""What stands around every request: its limits, its line in the log, and its figures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orgtui.domain.ambient import Ambient
from orgtui.domain.codes import is_token
from orgtui.domain.errors import MAY_BE_DONE, Forbidden, OrgtuiError, TooLarge, Unreachable
from orgtui.server import problems
from orgtui.store.wire import IDEMPOTENCY_KEY, IF_MATCH, PREFIX

# One line of the log: JSON values, without secrets.
Log = Callable[[dict[str, Any]], None]
# Of a request that is refused: bytes that are read all the same, and seconds.
_IGNORED, _PATIENCE = 16 * 2**20, 2.0
_SINGLE = ("Authorization", "Content-Type", IDEMPOTENCY_KEY, IF_MATCH)
# Bytes of an answer that are on their way at once.
_PART = 16 * 2**10
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of a request: bytes of its body, fewer from who shows no token; seconds for it to come in and be answered.

    `together` are bytes of all bodies that are in memory, beyond which none grows larger than `small`: whoever has a
    thousand connections has no more of it.
    """

    body: int = 4 * 2**20
    body_of_strangers: int = 512 * 2**10
    together: int = 16 * 2**20
    small: int = 16 * 2**10
    arrival: float = 10.0
    answer: float = 30.0


class Figures:
    """What `/metrics` tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "orgtui_requests", "Requests by operation and status", ["operation", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "orgtui_request_seconds", "Time to the answer", ["operation"], buckets=_BUCKETS, registry=self.registry
        )
        self.running = Gauge("orgtui_requests_running", "Requests that are not answered yet", registry=self.registry)
        self.refused = Counter(
            "orgtui_tokens_refused", "Requests with a token that opens nothing", registry=self.registry
        )


class Gate:
    """Takes requests in whole and within limits, so that what is behind it never waits for a client."""

    def __init__(self, app: ASGIApp, *, ambient: Ambient, log: Log, figures: Figures, limits: Limits) -> None:
        self._app, self._ambient, self._log, self._figures, self._limits = app, ambient, log, figures, limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(self._ambient.random(8).hex(), send)
        scope.setdefault("state", {})["id"] = answering.id
        began = perf_counter()
        with self._figures.running.track_inprogress():
            try:
                await self._answer(scope, receive, answering.send)
            except OrgtuiError as error:
                # An answer that has begun ends there, and with it the connection.
                if not answering.status:
                    await problems.response(error)(scope, receive, answering.send)
            except Exception as error:  # noqa: BLE001 (nobody else would write it down)
                await self._broken(scope, answering, error)
        self._note(scope, answering, perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, arriving, body = Headers(scope=scope), _Arriving(receive), bytearray()
        patience = asyncio.timeout(self._limits.answer)
        try:
            try:
                _check(headers, scope["path"])
                # Whether it opens anything is not asked yet: but that it was copied whole nobody makes up.
                known = is_token(headers.get("authorization", "").partition(" ")[2])
                limit = self._limits.body if known else self._limits.body_of_strangers
                await self._take(headers, arriving, limit, body)
            except (Forbidden, TooLarge, problems.Malformed, problems.WrongType):
                await arriving.ignore()
                raise
            async with patience:
                await self._app(scope, _again(body, receive), send)
        except TimeoutError:
            if not patience.expired():
                raise
            # What was begun on a thread goes on there.
            then = "Try again." if scope["method"] in ("GET", "HEAD") else MAY_BE_DONE
            raise Unreachable(f"The store did not answer within {self._limits.answer:g} s. {then}") from None
        finally:
            self._held -= len(body)

    async def _take(self, headers: Headers, receive: Receive, limit: int, body: bytearray) -> None:
        """Take in the *body*; raises TooLarge, TooSlow, and Unreachable where there is too much of others."""
        too_large = TooLarge(f"The body is larger than {limit:,} bytes.")
        told = headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > limit:
            raise too_large
        try:
            async with asyncio.timeout(self._limits.arrival):
                while (message := await receive())["type"] == "http.request":
                    part = message.get("body", b"")
                    body += part
                    self._held += len(part)
                    if len(body) > limit:
                        raise too_large
                    if self._held > self._limits.together and len(body) > self._limits.small:
                        raise Unreachable("The server is taking in too much at once; try again.")
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            raise problems.TooSlow(f"The request did not come in within {self._limits.arrival:g} s.") from None
        raise problems.TooSlow("The client went away.")

    async def _broken(self, scope: Scope, answering: _Answering, error: Exception) -> None:
        # The types on the way, and no values: those may be secrets.
        self._log({"level": "error", "id": answering.id, "error": type(error).__name__, "at": _places(error)})
        if not answering.status:
            await problems.fault(answering.id)(scope, _nothing, answering.send)

    def _note(self, scope: Scope, answering: _Answering, seconds: float) -> None:
        state, route = scope["state"], scope.get("route")
        operation = getattr(route, "operation_id", None) or getattr(route, "path", "none")
        self._figures.requests.labels(operation, str(answering.status)).inc()
        self._figures.seconds.labels(operation).observe(seconds)
        cut = bool(answering.status) and not answering.whole
        self._log(
            {
                "level": "warning" if cut else "info",
                "id": answering.id,
                "operation": operation,
                "method": scope["method"],
                "status": answering.status,
                "cut": cut or None,
                "ms": round(seconds * 1000, 1),
                "token": state.get("token"),
            }
        )


class _Answering:
    """One answer on its way: `status` is 0 until it begins, `whole` when its end was sent."""

    def __init__(self, id: str, send: Send) -> None:
        self.id, self.status, self.whole, self._send = id, 0, False, send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            if self.status in (408, 413, 503):
                # What else of the request is still to come is not read.
                headers["Connection"] = "close"
        # In parts, each of which waits until the one before was taken: what is not read is not all written.
        body = message.get("body", b"")
        last = max(len(body) - 1, 0) // _PART * _PART
        for at in range(0, last, _PART):
            await self._send({**message, "body": body[at : at + _PART], "more_body": True})
        await self._send({**message, "body": body[last:]} if last else message)
        self.whole = message["type"] == "http.response.body" and not message.get("more_body", False)


def _check(headers: Headers, path: str) -> None:
    if "origin" in headers and path.startswith(PREFIX):
        raise Forbidden("Pages in a browser may not ask this server.")
    if "content-length" in headers and "transfer-encoding" in headers:
        # Of two lengths a proxy in front may have believed the other (RFC 9112, 6.1).
        raise problems.Ambiguous("The request says twice how long it is: Content-Length, and Transfer-Encoding.")
    if doubled := next((name for name in _SINGLE if len(headers.getlist(name)) > 1), None):
        raise problems.Malformed(f"{doubled} is told twice.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise problems.WrongType("Send the body as it is, not compressed.")


class _Arriving:
    """A request on its way in."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._more = receive, True

    async def __call__(self) -> Message:
        message = await self._receive()
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def ignore(self) -> None:
        """Read on for a while what is refused: to hang up on a client that still writes, is to leave it without why."""
        left = _IGNORED
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._more and left > 0:
                    left -= len((await self()).get("body", b""))


def _again(body: bytearray, receive: Receive) -> Receive:
    """The body that was taken in, and then whatever else there is to hear: that the client went away."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return replay


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _places(error: BaseException) -> list[str]:
    from traceback import extract_tb

    return [f"{frame.filename.rpartition('orgtui/')[2]}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]


def lines(write: Callable[[str], object], ambient: Ambient) -> Log:
    """A log of JSON lines."""

    def log(values: dict[str, Any]) -> None:
        told = {"at": ambient.now().isoformat(timespec="milliseconds"), **values}
        write(json.dumps({key: value for key, value in told.items() if value is not None}) + "\n")

    return log
