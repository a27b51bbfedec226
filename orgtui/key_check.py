"""Asks a provider one harmless question with a key, its list of models, to learn whether the key works."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from orgtui import __version__
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.providers import BY_KEY
from orgtui.domain.text import clean
from orgtui.secret import Secret

if TYPE_CHECKING:
    import httpx

# Each provider's reference of its list of models:
#   https://platform.openai.com/docs/api-reference/models/list
#   https://platform.claude.com/docs/en/api/models-list
#   https://ai.google.dev/api/models#method:-models.list
#   https://docs.mistral.ai/api/endpoint/models
#   https://docs.x.ai/docs/api-reference#list-models
PROVIDER_ADDRESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "https://api.openai.com",
        "anthropic": "https://api.anthropic.com",
        "google": "https://generativelanguage.googleapis.com",
        "mistral": "https://api.mistral.ai",
        "grok": "https://api.x.ai",
    }
)
_PATHS = {
    "openai": "/v1/models",
    "anthropic": "/v1/models?limit=1",
    "google": "/v1beta/models?pageSize=1",
    "mistral": "/v1/models",
    "grok": "/v1/models",
}
# Numbers only: a name could be made to lead elsewhere.
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):\d{1,5}")
_SENDABLE = re.compile(r"[!-~]+")

SECONDS: Final = 10.0
_SECONDS_TO_CONNECT: Final = 5.0
LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_DETAIL: Final = 240
# The mask of a key shows four characters of it at its end; nothing from a provider shows more.
_TELLING: Final = 5


class Kind(StrEnum):
    """What a check found out."""

    VALID = "valid"
    INVALID = "invalid"
    NO_QUOTA = "no_quota"
    NOT_ALLOWED = "not_allowed"
    RATE_LIMITED = "rate_limited"
    PROVIDER_DOWN = "provider_down"
    NO_NETWORK = "no_network"
    UNEXPECTED = "unexpected"


_WORDS = {
    Kind.VALID: "{name} accepts the key.",
    Kind.INVALID: "{name} does not accept the key.",
    Kind.NO_QUOTA: "{name} knows the key, but its account has no credits left or has reached its limit.",
    Kind.NOT_ALLOWED: "{name} refused to list its models, which says nothing against the key: stored untested.",
    Kind.RATE_LIMITED: "{name} has too many requests at the moment: stored untested.",
    Kind.PROVIDER_DOWN: "{name} has a fault at the moment: stored untested.",
    Kind.NO_NETWORK: "{name} cannot be reached: stored untested.",
    Kind.UNEXPECTED: "What answered does not look like {name}: stored untested.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found out: `words` is the sentence to show, `detail` what the provider said, if anything.

    Neither contains the key, whatever the provider sent back.
    """

    kind: Kind
    words: str
    detail: str

    @property
    def may_store(self) -> bool:
        """Whether the key is worth keeping: all but one that the provider refused."""
        return self.kind is not Kind.INVALID

    @property
    def tested(self) -> bool:
        """Whether the provider looked at the key at all."""
        return self.kind in (Kind.VALID, Kind.INVALID, Kind.NO_QUOTA)


_Finding = tuple[Kind, str]


class KeyChecker:
    """Checks keys with the providers themselves; other *addresses* than theirs may lead to this machine only."""

    def __init__(self, addresses: Mapping[str, str] = PROVIDER_ADDRESSES, *, seconds: float = SECONDS) -> None:
        for provider, address in addresses.items():
            if address != PROVIDER_ADDRESSES[provider] and not _LOOPBACK.fullmatch(address):
                raise ValueError(f"keys of {provider} are sent to {PROVIDER_ADDRESSES[provider]} or to this machine")
        self._addresses = dict(addresses)
        self._seconds = seconds

    async def check(self, provider: str, secret: Secret) -> Verdict:
        """Ask the provider of that key in `BY_KEY` for its list of models, with *secret*.

        What goes wrong is a verdict; it stands at the latest after 10 s. HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and
        SSL_CERT_DIR count, as for other programs. Raises Invalid on `key` for what no header can carry.
        """
        name, address = BY_KEY[provider].name, self._addresses[provider]
        if not _SENDABLE.fullmatch(secret.reveal()):
            raise Invalid("The key contains characters that no key has; copy it again.", field="key")
        fault = None
        try:
            async with asyncio.timeout(self._seconds):
                kind, detail = await self._asked(provider, address, secret)
        except TimeoutError:
            kind, detail = Kind.PROVIDER_DOWN, f"no whole answer within {self._seconds:g} s"
        except Exception as error:  # noqa: BLE001 - its traceback holds the key among the HTTP client's variables
            fault = type(error).__name__
        if fault is not None:
            raise OrgtuiError(f"The key could not be checked with {name}: {fault} in the HTTP client.")
        return Verdict(kind, _WORDS[kind].format(name=name), _scrubbed(detail, secret))

    async def _asked(self, provider: str, address: str, secret: Secret) -> _Finding:
        # The import and the certificates take a tenth of a second, which an event loop does not have.
        await asyncio.to_thread(import_module, "httpx")
        import httpx

        try:
            client = await asyncio.to_thread(self._client, address)
        except (ImportError, OSError, ValueError, httpx.InvalidURL):
            return Kind.NO_NETWORK, "the proxy or the certificates that this environment names cannot be used"
        with _unlogged():
            return await self._answered(client, provider, address, secret)

    async def _answered(self, client: httpx.AsyncClient, provider: str, address: str, secret: Secret) -> _Finding:
        import httpx

        from orgtui.asking import why

        try:
            async with client:
                # Made apart from the client, it has these headers and Host, and no others.
                request = httpx.Request("GET", address + _PATHS[provider], headers=_headers(provider, secret))
                response = await client.send(request, stream=True)
                try:
                    body, whole = await _beginning(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError) as error:
            return Kind.NO_NETWORK, why(error)
        return _judged(provider, response.status_code, body, whole)

    def _client(self, address: str) -> httpx.AsyncClient:
        import ssl

        import httpx

        timeout = httpx.Timeout(None, connect=min(_SECONDS_TO_CONNECT, self._seconds / 2))
        if _LOOPBACK.fullmatch(address):
            # What stays on this machine goes through no proxy, and needs no certificates, which take long to load.
            trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, verify=trusted)
        return httpx.AsyncClient(timeout=timeout, follow_redirects=False)


_key_is_out: ContextVar[bool] = ContextVar("key_is_out", default=False)


def _says_nothing_of_a_key(_: logging.LogRecord) -> bool:
    return not _key_is_out.get()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Nothing that the HTTP client logs in here is kept: it writes down answers, which may quote the key.

    That goes for this context alone; what others send at the same time is logged as ever.
    """
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("httpx", "httpcore")]:
        # Only a logger's own filters are asked, not those above it; one that is there already is not added again.
        logging.getLogger(name).addFilter(_says_nothing_of_a_key)
    token = _key_is_out.set(True)
    try:
        yield
    finally:
        _key_is_out.reset(token)


def _headers(provider: str, secret: Secret) -> dict[str, str]:
    headers = {"User-Agent": f"orgtui/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    key = secret.reveal()
    if provider == "anthropic":
        return headers | {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if provider == "google":
        return headers | {"x-goog-api-key": key}
    return headers | {"Authorization": f"Bearer {key}"}


async def _beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """The body, or as much of it as is read, and whether that is all."""
    body = bytearray()
    read: Any = response.aiter_raw()
    # Closed here and now: what is left of it would be ended later, outside of the silence that is kept about a key.
    async with aclosing(read):
        async for chunk in read:
            body += chunk
            if len(body) > LONGEST_ANSWER:
                return bytes(body[:LONGEST_ANSWER]), False
    return bytes(body), True


# What an answer means.


@dataclass(frozen=True, slots=True)
class _Said:
    """A provider's error: its codes, and its sentence."""

    codes: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class _Sign:
    """What tells a kind, whatever the status: one of the codes, or one of the phrases in the sentence."""

    kind: Kind
    codes: frozenset[str]
    phrases: tuple[str, ...]

    def seen_in(self, said: _Said) -> bool:
        sentence = unquote(said.message).casefold()
        return not self.codes.isdisjoint(said.codes) or any(phrase in sentence for phrase in self.phrases)


# As the providers answer in 2026: Anthropic says 400 for an empty account, xAI 403 or 429; Google and xAI say 400 for a
# wrong key, Google 403 for one that was found in public; OpenAI says 401 to a good key that may not list models.
_SIGNS = (
    _Sign(
        Kind.NO_QUOTA,
        frozenset(("insufficient_quota", "credit_balance_exhausted", "billing_not_active", "billing_error")),
        (
            "credit balance is too low",
            "used all available credits",
            "doesn't have any credits",
            "run out of credits",
            "credits are depleted",
            "api usage limits",
        ),
    ),
    _Sign(Kind.INVALID, frozenset(("API_KEY_INVALID",)), ("incorrect api key", "reported as leaked")),
    _Sign(
        Kind.NOT_ALLOWED,
        frozenset(),
        ("missing scopes", "ip not authorized", "location is not supported", "has been disabled"),
    ),
)
_BY_STATUS = {
    401: Kind.INVALID,
    402: Kind.NO_QUOTA,
    403: Kind.NOT_ALLOWED,
    408: Kind.PROVIDER_DOWN,
    429: Kind.RATE_LIMITED,
}

# To the byte the same answer: https://github.com/diegosouzapw/OmniRoute/issues/7638
_ALSO = {("mistral", Kind.INVALID): " (Mistral says so, too, to a key whose quota is used up)"}


def _judged(provider: str, status: int, body: bytes, whole: bool) -> _Finding:
    text = body.decode(errors="replace")
    if status == 200:
        if _lists_models(provider, text, whole):
            return Kind.VALID, ""
        return Kind.UNEXPECTED, "HTTP 200 without a list of models"
    said = _said(text)
    detail = f"HTTP {status}" if said is None else _sentence(status, said)
    if status >= 500:
        return Kind.PROVIDER_DOWN, detail
    if said is None:
        # Whatever stands between may answer so; a page for a browser is no word of the provider.
        return Kind.RATE_LIMITED if status == 429 else Kind.UNEXPECTED, detail
    told = (sign.kind for sign in _SIGNS if sign.seen_in(said))
    kind = next(told, _BY_STATUS.get(status, Kind.UNEXPECTED))
    return kind, f"{detail}{_ALSO.get((provider, kind), '')}"


def _lists_models(provider: str, text: str, whole: bool) -> bool:
    """Whether *text* is a provider's list of models, or, where it was too long to be read whole, begins as one."""
    field, id_ = ("models", "name") if provider == "google" else ("data", "id")
    if whole:
        answer = _json(text)
        models = answer.get(field) if isinstance(answer, dict) else None
    else:
        start = re.match(rf'\s*\{{(?:\s*"object"\s*:\s*"list"\s*,)?\s*"{field}"\s*:\s*\[\s*', text)
        models = [_json(text[start.end() :], rest=True)] if start else None
    return isinstance(models, list) and all(isinstance(model, dict) and id_ in model for model in models)


def _json(text: str, *, rest: bool = False) -> Any:
    """The value in *text*, which something may follow if *rest*; None if there is none."""
    try:
        return json.JSONDecoder().raw_decode(text)[0] if rest else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _said(text: str) -> _Said | None:
    """A provider's error, which all but xAI and Mistral wrap as {"error": {…}}; an empty body says nothing."""
    if not text:
        return _Said((), "")
    answer = _json(text)
    if not isinstance(answer, dict):
        return None
    error = answer.get("error", answer)
    if isinstance(error, str):
        error = {"message": error, "code": answer.get("code")}
    if not isinstance(error, dict):
        return None
    details = error["details"] if isinstance(error.get("details"), list) else []
    reasons = (detail.get("reason") for detail in details if isinstance(detail, dict))
    named = (*reasons, error.get("code"), error.get("type"), error.get("status"))
    codes = tuple(code for code in named if isinstance(code, str) and code)
    message = next((found for key in ("message", "detail") if isinstance(found := error.get(key), str)), "")
    return _Said(codes, message) if codes or message else None


def _sentence(status: int, said: _Said) -> str:
    code = f" {said.codes[0]}" if said.codes else ""
    return f"HTTP {status}{code}: {said.message}" if said.message else f"HTTP {status}{code}"


def _scrubbed(text: str, secret: Secret) -> str:
    """One short line without any part of the key: providers quote it, more or less masked, in clear or encoded."""
    key = secret.reveal().casefold()
    parts = {key[start : start + _TELLING] for start in range(max(1, len(key) - _TELLING + 1))}
    words = (
        "…" if "**" in word or any(part in word.casefold() for part in parts) else word
        for word in clean(unquote(text)).split()
    )
    line = " ".join(words)
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"
