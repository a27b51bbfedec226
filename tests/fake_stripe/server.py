"""The HTTP face: authentication, idempotency, faults on demand, then the routes; and the pages for people."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
import traceback
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fake_stripe import catalogue, events, forms, invoices, pages, payments, portal, render, routes, schema
from tests.fake_stripe.refusals import OUT_OF_THE_BLUE, Refused
from tests.fake_stripe.world import API_VERSION, DAY, Asked, Object, World

# Imported for their routes.
_HANDLERS = (catalogue, events, invoices, payments, portal)
_KEY_LENGTH = 255
_KEYS_LIVE = DAY


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match.

    `kind` is "error" (an answer of `status`, nothing done), "reset" (the connection is cut, nothing done), "lost" (all
    is done, but the connection is cut instead of an answer) or "delay" (of `seconds`, then as usual, with `headers`).
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None

    def hits(self, method: str, path: str) -> bool:
        """Whether the fault is for this request; `path` is a regular expression that matches anywhere."""
        return self.times > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass
class Request:
    """A request as it came, and the status of its answer (0: none was sent)."""

    method: str
    path: str
    params: dict[str, Any]
    headers: dict[str, str]
    status: int = 0
    replayed: bool = False

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return self.headers.get("idempotency-key")


@dataclass
class Remembered:
    """What an idempotency key stands for; no answer yet while its request is under way."""

    method: str
    path: str
    params: dict[str, Any]
    at: int
    request_id: str
    answer: tuple[int, Object] | None = None


class Server(ThreadingHTTPServer):
    """The fake as a server on loopback."""

    daemon_threads = True
    # The default of 5 is few for tests of many at once.
    request_queue_size = 128

    def __init__(self, world: World, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.world = world
        world.base = f"http://127.0.0.1:{self.server_port}"
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.remembered: dict[str, Remembered] = {}

    def server_bind(self) -> None:
        """As TCPServer does: HTTPServer's own asks the resolver for a name, which can take seconds."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no defect of the fake; anything else is."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.world.defects.append("".join(traceback.format_exception(error)))

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up."""
        with self.world.lock:
            found = next((fault for fault in self.faults if fault.hits(method, path)), None)
            if found:
                found.times -= 1
        return found


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # One write for head and body, at once: else every answer waits for the other side's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing: `requests` remembers them all."""

    def do_GET(self) -> None:
        """Read."""
        self._handle("GET")

    def do_POST(self) -> None:
        """Write."""
        self._handle("POST")

    def do_DELETE(self) -> None:
        """End."""
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if url.path.startswith("/v1/"):
            self._api(method, url.path, body if method == "POST" else url.query)
        else:
            self._page(method, url.path, body)

    # The API.

    def _api(self, method: str, path: str, encoded: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method, path, {}, headers)
        with self.server.world.lock:
            self.server.requests.append(request)
        fault = self.server.fault(method, path)
        if fault and fault.kind == "reset":
            self._cut()
        elif fault and fault.kind == "error":
            self._out_of_the_blue(request, fault)
        else:
            self._answered(request, encoded, fault)

    def _answered(self, request: Request, encoded: str, fault: Fault | None) -> None:
        world = self.server.world
        asked = Asked(world.new_id("req", 14), request.key)
        out: dict[str, str] = {"Request-Id": str(asked.id), "Stripe-Version": API_VERSION}
        try:
            self._authenticate(request)
            request.params = forms.parse(encoded)
            status, answer = self._once(request, asked, out, fault.seconds if fault else 0.0)
        except Refused as refused:
            status, answer = refused.status, refused.body
            out |= refused.headers
        out |= fault.headers if fault else {}
        request.status, request.replayed = status, "Idempotent-Replayed" in out
        if fault and fault.kind == "lost":
            request.status = 0
            self._cut()
            return
        self._send(status, json.dumps(answer), "application/json", out)

    def _authenticate(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            raise Refused("You did not provide an API key.", status=401, stored=False)
        if key not in self.server.world.settings.keys:
            hidden = f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}"
            raise Refused(f"Invalid API Key provided: {hidden}", status=401, stored=False)
        version = request.headers.get("stripe-version")
        if version != API_VERSION:
            raise Refused(f"Invalid Stripe API version: {version}", stored=False)

    def _once(self, request: Request, asked: Asked, out: dict[str, str], delay: float) -> tuple[int, Object]:
        """The answer; for a key that was used already the one that it had then."""
        world, key = self.server.world, request.key
        if key is None or request.method != "POST":
            time.sleep(delay)
            return self._done(request, asked)
        if len(key) > _KEY_LENGTH:
            raise Refused(f"The idempotency key is longer than {_KEY_LENGTH} characters.", stored=False)
        out["Idempotency-Key"] = key
        with world.lock:
            held = self.server.remembered.get(key)
            if held is not None and held.at + _KEYS_LIVE > world.now():
                answer = _replayed(held, request, key)
                out |= {"Idempotent-Replayed": "true", "Original-Request": held.request_id}
                return answer
            held = Remembered(request.method, request.path, request.params, world.now(), str(asked.id))
            self.server.remembered[key] = held
        time.sleep(delay)
        try:
            held.answer = self._done(request, asked)
        except Refused as refused:
            if refused.stored:
                held.answer = refused.status, refused.body
            raise
        finally:
            if held.answer is None:
                with world.lock:
                    del self.server.remembered[key]
        return held.answer

    def _done(self, request: Request, asked: Asked) -> tuple[int, Object]:
        world = self.server.world
        with world.lock, world.asking(asked):
            world.settle()
            try:
                return 200, self._run(request)
            except Refused:
                raise
            except Exception as error:  # noqa: BLE001  the test is told of it, whatever it is
                world.defects.append(f"{request.method} {request.path}: {''.join(traceback.format_exception(error))}")
                said = {"error": {"type": "api_error", "message": f"fake_stripe cannot do this: {error}"}}
                return 500, said

    def _run(self, request: Request) -> Object:
        world = self.server.world
        route, names = routes.find(request.method, request.path)
        params = schema.accept(request.params, route.params_class())
        expand = params.pop("expand", [])
        answer = route.handler(world, params, **names)
        routes.done(params, request.path)
        sent = render.rendered(world, answer, expand)
        if wrong := render.findings(sent):
            raise routes.NotDone(f"a wrong answer: {'; '.join(wrong)}")
        return sent

    def _out_of_the_blue(self, request: Request, fault: Fault) -> None:
        request.status = fault.status
        out = {"Request-Id": self.server.world.new_id("req", 14)} | fault.headers
        if fault.body is not None:
            self._send(fault.status, fault.body, "text/html", out)
            return
        kind, code, message = OUT_OF_THE_BLUE[fault.status]
        refused = Refused(message, status=fault.status, kind=kind, code=code)
        self._send(fault.status, json.dumps(refused.body), "application/json", out)

    def _cut(self) -> None:
        """Reset the connection: the other side learns nothing of what was done."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The server's own shutdown would say goodbye first.
        self.connection.close()

    # Pages.

    def _page(self, method: str, path: str, body: str) -> None:
        world = self.server.world
        try:
            form = forms.parse(body) if method == "POST" else {}
            with world.lock:
                world.settle()
                page = pages.answer(self.server, method, path, form)
        except Refused as refused:
            page = pages.Page(pages.text(str(refused)), status=404 if refused.status == 404 else 410)
        headers = {"Location": page.location} if page.location else {}
        self._send(page.status, page.html, "text/html; charset=utf-8", headers)

    def _send(self, status: int, body: str, kind: str, headers: dict[str, str]) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def _replayed(held: Remembered, request: Request, key: str) -> tuple[int, Object]:
    other = f"Try using a key other than '{key}' if you meant to execute a different request."
    if held.path != request.path:
        raise Refused(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{request.path}' vs '{held.path}'). {other}",
            kind="idempotency_error",
            stored=False,
        )
    if held.params != request.params:
        raise Refused(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            + other,
            kind="idempotency_error",
            stored=False,
        )
    if held.answer is None:
        raise Refused(
            "There is currently another in-progress request using this Idempotent Key (that probably means you "
            f"submitted twice, and the other request is still going through): {key}. Please try again later.",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
            stored=False,
        )
    return held.answer


def serve(server: Server) -> threading.Thread:
    """Answer in a thread of its own until `shutdown`."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="fake stripe", daemon=True)
    thread.start()
    return thread
