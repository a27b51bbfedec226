"""Five small servers on this machine that answer as the model providers do, and record what they were sent.

`with provider_servers() as servers:` starts them. `servers.addresses` is what a `KeyChecker` takes. A program that is
started with `servers.environment` finds them at the providers' real addresses: through a proxy, with certificates of
an authority made for the occasion. `servers.behave("openai", "invalid")` chooses what one does from then on, and
`servers.requests("openai")` are the requests that it got.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
    "grok": "api.x.ai",
}
PROVIDERS = tuple(HOSTS)
# As short as each provider makes them, and nobody's.
KEYS = {
    "openai": "sk-proj-" + "Zq7" * 50,
    "anthropic": "sk-ant-api03-" + "Wk9" * 31 + "AA",
    "google": "AIza" + "Jx4Vb" * 7,
    "mistral": "Hy6Tn3Qw" * 4,
    "grok": "xai-" + "Gp8Rd" * 16,
}


@dataclass
class Request:
    """One request: `raw` is all that came over the connection, to its end."""

    raw: bytes = b""

    @property
    def head(self) -> list[str]:
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")

    @property
    def method(self) -> str:
        return self.head[0].split(" ")[0]

    @property
    def path(self) -> str:
        return self.head[0].split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in self.head[1:])

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def key(self) -> str:
        """The key that it carries."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        carried = headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("authorization", "")
        return carried.removeprefix("Bearer ")


@dataclass
class Exchange:
    """A request that waits for its answer."""

    provider: str
    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Behaviour = Callable[[Exchange], Awaitable[None]]


def answer(status: int, body: Any = b"", **headers: str) -> bytes:
    """A whole answer; a *body* that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(data)), "server": "cloudflare"} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + data


# What each provider answers. The bodies are those that users report to the trackers of their clients.


def openai_error(message: str, type_: str | None, code: str | None) -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic_error(type_: str, message: str) -> Any:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_011CU1szzTQAVLiNTCsGd1Mb"}


def google_error(code: int, status: str, message: str, reason: str | None = None) -> Any:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if reason is not None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        error["details"] = [info, {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US"}]
    return {"error": error}


def xai_error(code: str, message: str) -> Any:
    return {"code": code, "error": message}


def starred(key: str, first: int, stars: int, last: int) -> str:
    return f"{key[:first]}{'*' * stars}{key[-last:]}"


MODELS = {
    "openai": {
        "object": "list",
        "data": [{"id": "gpt-5", "object": "model", "created": 1754425777, "owned_by": "system"}],
    },
    "anthropic": {
        "data": [
            {
                "type": "model",
                "id": "claude-opus-4-6",
                "display_name": "Claude Opus 4.6",
                "created_at": "2026-02-04T00:00:00Z",
            }
        ],
        "has_more": True,
        "first_id": "claude-opus-4-6",
        "last_id": "claude-opus-4-6",
    },
    "google": {
        "models": [{"name": "models/gemini-3-pro", "version": "001", "displayName": "Gemini 3 Pro"}],
        "nextPageToken": "Ch5tb2RlbHM",
    },
    "mistral": {
        "object": "list",
        "data": [
            {
                "id": "mistral-large-2512",
                "object": "model",
                "created": 1764633600,
                "owned_by": "mistralai",
                "capabilities": {"completion_chat": True},
            }
        ],
    },
    "grok": {
        "data": [{"id": "grok-4.3", "created": 1770000000, "object": "model", "owned_by": "xai"}],
        "object": "list",
    },
}
_SERVICE_DISABLED = (
    "Generative Language API has not been used in project 12345 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345"
)
_MISSING_SCOPES = (
    "You have insufficient permissions for this operation. Missing scopes: api.model.read. Check that you have the "
    "correct role in your organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using a "
    "restricted API key, that it has the necessary scopes."
)
_OPENAI_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_ANTHROPIC_QUOTA = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
    "credits."
)
_XAI_SPENT = (
    "Your team 16f2151a has either used all available credits or reached its monthly spending limit. To continue "
    "making API requests, please purchase more credits or raise your spending limit."
)
_XAI_NEW = (
    "Your newly created team doesn't have any credits or licenses yet. You can purchase those on https://console.x.ai."
)
_GOOGLE_TOKEN = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)

Answer = Callable[[str], tuple[int, Any]]
ANSWERS: dict[str, dict[str, Answer]] = {
    "openai": {
        "invalid": lambda key: (
            401,
            openai_error(
                f"Incorrect API key provided: {starred(key, 8, 152, 4)}. You can find your API key at "
                "https://platform.openai.com/account/api-keys.",
                "invalid_request_error",
                "invalid_api_key",
            ),
        ),
        "deactivated": lambda _: (
            401,
            openai_error(
                "The OpenAI account associated with this API key has been deactivated.",
                "invalid_request_error",
                "account_deactivated",
            ),
        ),
        "forbidden": lambda _: (
            403,
            openai_error(
                "Country, region, or territory not supported",
                "request_forbidden",
                "unsupported_country_region_territory",
            ),
        ),
        "restricted": lambda _: (401, openai_error(_MISSING_SCOPES, "invalid_request_error", None)),
        "elsewhere": lambda _: (
            401,
            openai_error("IP not authorized: add your IP to the allowlist.", "invalid_request_error", None),
        ),
        "rate_limited": lambda _: (
            429,
            openai_error("Rate limit reached for requests", "requests", "rate_limit_exceeded"),
        ),
        "no_quota": lambda _: (429, openai_error(_OPENAI_QUOTA, "insufficient_quota", "insufficient_quota")),
        "unpaid": lambda _: (
            429,
            openai_error("Your account is not active.", "billing_not_active", "billing_not_active"),
        ),
        "down": lambda _: (
            500,
            openai_error("The server had an error while processing your request", "server_error", None),
        ),
    },
    "anthropic": {
        "invalid": lambda _: (401, anthropic_error("authentication_error", "invalid x-api-key")),
        "forbidden": lambda _: (403, {"error": {"type": "forbidden", "message": "Request not allowed"}}),
        "restricted": lambda _: (
            403,
            anthropic_error("permission_error", "Your API key does not have permission to use the specified resource."),
        ),
        "disabled": lambda _: (400, anthropic_error("invalid_request_error", "This organization has been disabled.")),
        "rate_limited": lambda _: (
            429,
            anthropic_error("rate_limit_error", "This request would exceed your account's rate limit."),
        ),
        "no_quota": lambda _: (400, anthropic_error("invalid_request_error", _ANTHROPIC_QUOTA)),
        "unpaid": lambda _: (402, anthropic_error("billing_error", "Billing error")),
        "limited": lambda _: (
            400,
            anthropic_error("invalid_request_error", "You have reached your specified API usage limits."),
        ),
        "down": lambda _: (529, anthropic_error("overloaded_error", "Overloaded")),
    },
    "google": {
        "invalid": lambda _: (
            400,
            google_error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
        ),
        "unauthenticated": lambda _: (
            401,
            google_error(401, "UNAUTHENTICATED", _GOOGLE_TOKEN, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ),
        "leaked": lambda _: (
            403,
            google_error(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
        ),
        "forbidden": lambda _: (403, google_error(403, "PERMISSION_DENIED", _SERVICE_DISABLED, "SERVICE_DISABLED")),
        "suspended": lambda key: (
            403,
            google_error(
                403,
                "PERMISSION_DENIED",
                f"Permission denied: Consumer 'api_key:{key}' has been suspended.",
                "CONSUMER_SUSPENDED",
            ),
        ),
        "abroad": lambda _: (
            400,
            google_error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        ),
        "rate_limited": lambda _: (
            429,
            google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        ),
        "no_quota": lambda _: (
            429,
            google_error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio."),
        ),
        "down": lambda _: (503, google_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    },
    "mistral": {
        "invalid": lambda _: (401, {"detail": "Unauthorized"}),
        "unauthorized": lambda _: (401, {"message": "Unauthorized", "request_id": "1f0c"}),
        "bare": lambda _: (401, b""),
        "forbidden": lambda _: (403, {"message": "Forbidden", "request_id": "1f0c"}),
        "rate_limited": lambda _: (
            429,
            {
                "object": "error",
                "message": "Rate limit exceeded",
                "type": "rate_limited",
                "param": None,
                "code": "1300",
            },
        ),
        "too_many": lambda _: (429, {"message": "Requests rate limit exceeded"}),
        "no_quota": lambda _: (402, {"message": "Payment Required", "request_id": "1f0c"}),
        "down": lambda _: (
            503,
            {"object": "error", "message": "Service unavailable.", "type": "internal_server_error"},
        ),
    },
    "grok": {
        "invalid": lambda key: (
            400,
            xai_error(
                "Client specified an invalid argument",
                f"Incorrect API key provided: {starred(key, 2, 3, 2)}. You can obtain an API key from "
                "https://console.x.ai.",
            ),
        ),
        "encoded": lambda key: (
            400,
            xai_error(
                "Client specified an invalid argument",
                f"Incorrect%20API%20key%20provided:%20{starred(key, 2, 3, 2)}.%20You%20can%20obtain%20an%20API%20key"
                "%20from%20https://console.x.ai.",
            ),
        ),
        "forbidden": lambda _: (
            403,
            xai_error("permission-denied", "Access to the models endpoint is denied."),
        ),
        "rate_limited": lambda _: (429, xai_error("Some resource has been exhausted", "Too many requests.")),
        "no_quota": lambda _: (
            403,
            xai_error("The caller does not have permission to execute the specified operation", _XAI_NEW),
        ),
        "empty": lambda _: (403, xai_error("permission-denied", "You have run out of credits.")),
        "spent": lambda _: (429, xai_error("Some resource has been exhausted", _XAI_SPENT)),
        "down": lambda _: (500, xai_error("internal", "Internal server error")),
    },
}

# What any of them, or what stands before them, may do.

PAGE = b"<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Welcome</body></html>"


async def valid(exchange: Exchange) -> None:
    await exchange.send(answer(200, MODELS[exchange.provider]))


async def html(exchange: Exchange) -> None:
    await exchange.send(answer(200, PAGE, content_type="text/html"))


async def html_401(exchange: Exchange) -> None:
    await exchange.send(answer(401, PAGE, content_type="text/html"))


async def html_403(exchange: Exchange) -> None:
    await exchange.send(answer(403, PAGE, content_type="text/html"))


async def html_429(exchange: Exchange) -> None:
    await exchange.send(answer(429, PAGE, content_type="text/html"))


async def html_502(exchange: Exchange) -> None:
    await exchange.send(answer(502, PAGE, content_type="text/html"))


async def other_json(exchange: Exchange) -> None:
    await exchange.send(answer(200, {"status": "ok", "data": "none", "models": 3}))


async def other_list(exchange: Exchange) -> None:
    """The list of models of a provider of the other kind."""
    await exchange.send(answer(200, MODELS["openai" if exchange.provider == "google" else "google"]))


async def nested(exchange: Exchange) -> None:
    await exchange.send(answer(200, b'{"data":' + b"[" * 60_000))


async def garbage(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n" + bytes(range(256)))


async def silent(exchange: Exchange) -> None:
    """Close without a word."""


async def cut(exchange: Exchange) -> None:
    whole = answer(200, MODELS[exchange.provider])
    await exchange.send(whole[:-20])


async def reset(exchange: Exchange) -> None:
    await exchange.send(answer(200, MODELS[exchange.provider])[:-20])
    exchange.writer.transport.abort()


async def slow(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.reader.read()


async def drip(exchange: Exchange, pause: float = 0.02) -> None:
    """Answer a byte at a time, with a body that takes longer than anybody waits."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"
    for byte in head + b" " * 60_000:
        await exchange.send(bytes((byte,)))
        await asyncio.sleep(pause)


async def byte_a_second(exchange: Exchange) -> None:
    await drip(exchange, 1)


async def redirect(exchange: Exchange) -> None:
    """Lead on to itself: a second request would be recorded."""
    await exchange.send(answer(302, b"", location=f"/elsewhere?from={exchange.provider}"))


async def huge(exchange: Exchange) -> None:
    """A list of models that does not end before the reader does."""
    field_, id_ = ("models", "name") if exchange.provider == "google" else ("data", "id")
    await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n" + f'{{"object":"list","{field_}":['.encode())
    model = json.dumps({id_: "a-model", "description": "x" * 1000}).encode()
    while True:
        await exchange.send(model + b",")


async def huge_page(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n" + PAGE)
    while True:
        await exchange.send(b"<p>Welcome</p>" * 1000)


async def huge_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.send(b"x-more: " + b"x" * 1000 + b"\r\n")


async def echo(exchange: Exchange) -> None:
    """A wrong key, quoted whole in a sentence in every way there is."""
    key = exchange.request.key
    encoded = "".join(f"%{ord(char):02X}" for char in key)
    parts = f"{key[:9]} begins {key[4:-4]} {key[11:16]}"
    message = f"Incorrect API key provided: {key}, '{key}' key={key.upper()} {encoded} {parts}."
    bodies = {
        "openai": openai_error(message, f"type_{key}", f"code_{key}"),
        "anthropic": anthropic_error(f"authentication_error_{key}", message),
        "google": google_error(400, f"INVALID_{key}", message, f"REASON_{key}"),
        "mistral": {"detail": message},
        "grok": xai_error(f"Bad {key}", message),
    }
    await exchange.send(answer(401, bodies[exchange.provider], x_echo=key))


def _said(name: str) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer(*ANSWERS[exchange.provider][name](exchange.request.key)))

    return behave


MANNERS: dict[str, Behaviour] = {
    behaviour.__name__: behaviour
    for behaviour in (
        valid,
        html,
        html_401,
        html_403,
        html_429,
        html_502,
        other_json,
        other_list,
        nested,
        garbage,
        silent,
        cut,
        reset,
        slow,
        drip,
        byte_a_second,
        redirect,
        huge,
        huge_page,
        huge_head,
        echo,
    )
}


@dataclass
class ProviderServers:
    """The five, while they run."""

    addresses: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    connects: list[bytes] = field(default_factory=list)
    """What the proxy was asked, to the byte."""
    certified: tuple[str, ...] = PROVIDERS
    """For whom the certificate is good that all of them show behind the proxy."""
    _requests: dict[str, list[Request]] = field(default_factory=lambda: {provider: [] for provider in PROVIDERS})
    _behaviours: dict[str, Behaviour] = field(default_factory=lambda: dict.fromkeys(PROVIDERS, valid))
    _open: int = 0
    _idle: threading.Condition = field(default_factory=threading.Condition)

    def behave(self, provider: str, behaviour: str | Behaviour) -> None:
        """From now on *provider* answers so: by a name of `MANNERS` or of its `ANSWERS`, or as a function does."""
        if isinstance(behaviour, str):
            behaviour = MANNERS[behaviour] if behaviour in MANNERS else _said(behaviour)
        self._behaviours[provider] = behaviour

    def requests(self, provider: str) -> list[Request]:
        """What it was sent, whole: this waits until every connection has ended."""
        with self._idle:
            assert self._idle.wait_for(lambda: self._open == 0, timeout=5), "a connection was left open"
        return self._requests[provider]

    def reset(self) -> None:
        """As at the start, for the next test."""
        for provider in PROVIDERS:
            self.requests(provider).clear()
            self._behaviours[provider] = valid
        self.connects.clear()
        self.certified = PROVIDERS

    async def _serve(self, provider: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = Request()
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            request.raw = await reader.readuntil(b"\r\n\r\n")
            self._requests[provider].append(request)
            try:
                await self._behaviours[provider](Exchange(provider, request, reader, writer))
                if writer.can_write_eof():
                    writer.write_eof()
                    request.raw += await reader.read()
                else:
                    # TLS has no half-closed connections: whoever still waits for an answer must be let go.
                    with suppress(TimeoutError):
                        request.raw += await asyncio.wait_for(reader.read(), 0.2)
            finally:
                writer.close()

    def _counted(
        self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._count(+1)
            try:
                await serve(reader, writer)
            finally:
                self._count(-1)

        return counted

    def _count(self, step: int) -> None:
        with self._idle:
            self._open += step
            self._idle.notify_all()


@contextmanager
def provider_servers() -> Iterator[ProviderServers]:
    """Run the five until the block ends."""
    servers = ProviderServers()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="orgtui-providers-") as directory:
        authority = Authority(Path(directory))
        stop = asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(_run(servers, authority, ready, stop),))
        thread.start()
        try:
            assert ready.wait(10)
            yield servers
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()


async def _run(servers: ProviderServers, authority: Authority, ready: threading.Event, stop: asyncio.Event) -> None:
    listening = []
    for provider in PROVIDERS:
        # A default argument, because the loop goes on.
        async def serve(reader: Any, writer: Any, provider: str = provider) -> None:
            await servers._serve(provider, reader, writer)

        server = await asyncio.start_server(servers._counted(serve), "127.0.0.1", 0)
        servers.addresses[provider] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        listening.append(server)

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            asked = await reader.readuntil(b"\r\n\r\n")
            servers.connects.append(asked)
            host = asked.split(b" ")[1].decode().removesuffix(":443")
            provider = next((key for key, own in HOSTS.items() if own == host), None)
            if provider is None or not asked.startswith(b"CONNECT "):
                writer.write(answer(403, PAGE, content_type="text/html"))
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.start_tls(authority.identity(servers.certified))
            await servers._serve(provider, reader, writer)

    server = await asyncio.start_server(servers._counted(proxy), "127.0.0.1", 0)
    listening.append(server)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    # The small names count first, where both are set.
    servers.environment |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), address)
    servers.environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), "")
    servers.environment["SSL_CERT_FILE"] = str(authority.certificate)
    ready.set()
    await stop.wait()
    for server in listening:
        server.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class Authority:
    """Vouches for certificates; `certificate` is its own, for those who are to believe it."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._directory, self.certificate = directory, directory / "authority.pem"
        own = _started("An authority for tests", self._key)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate.write_bytes(own.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def identity(self, providers: tuple[str, ...]) -> ssl.SSLContext:
        """What a server needs to pass for these providers."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(HOSTS[provider]) for provider in providers])
        certificate = _started("The providers", key).add_extension(names, critical=False).sign(self._key, SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self._directory / "identity.pem"
        file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _started(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    # OpenSSL knows one day, a test may travel to another: these count on all of them.
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("An authority for tests"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
