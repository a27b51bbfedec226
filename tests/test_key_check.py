"""The check of a provider key, against servers that answer as the providers do: verdicts, the wire, and no trace."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui import __version__
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.providers import BY_KEY
from orgtui.domain.text import harmless
from orgtui.key_check import LONGEST_ANSWER, PROVIDER_ADDRESSES, SECONDS, KeyChecker, Kind, Verdict
from orgtui.secret import Secret
from tests.provider_servers import (
    ANSWERS,
    HOSTS,
    KEYS,
    MANNERS,
    MODELS,
    PROVIDERS,
    Exchange,
    ProviderServers,
    answer,
    openai_error,
    provider_servers,
)

# Longer than any answer of these servers takes on a busy machine, shorter than anybody waits for a test.
PATIENCE = 8.0
SAID = {
    "openai": {
        "invalid": Kind.INVALID,
        "deactivated": Kind.INVALID,
        "forbidden": Kind.NOT_ALLOWED,
        "restricted": Kind.NOT_ALLOWED,
        "elsewhere": Kind.NOT_ALLOWED,
        "rate_limited": Kind.RATE_LIMITED,
        "no_quota": Kind.NO_QUOTA,
        "unpaid": Kind.NO_QUOTA,
        "down": Kind.PROVIDER_DOWN,
    },
    "anthropic": {
        "invalid": Kind.INVALID,
        "forbidden": Kind.NOT_ALLOWED,
        "restricted": Kind.NOT_ALLOWED,
        "disabled": Kind.NOT_ALLOWED,
        "rate_limited": Kind.RATE_LIMITED,
        "no_quota": Kind.NO_QUOTA,
        "unpaid": Kind.NO_QUOTA,
        "limited": Kind.NO_QUOTA,
        "down": Kind.PROVIDER_DOWN,
    },
    "google": {
        "invalid": Kind.INVALID,
        "unauthenticated": Kind.INVALID,
        "leaked": Kind.INVALID,
        "forbidden": Kind.NOT_ALLOWED,
        "suspended": Kind.NOT_ALLOWED,
        "abroad": Kind.NOT_ALLOWED,
        "rate_limited": Kind.RATE_LIMITED,
        "no_quota": Kind.NO_QUOTA,
        "down": Kind.PROVIDER_DOWN,
    },
    "mistral": {
        "invalid": Kind.INVALID,
        "unauthorized": Kind.INVALID,
        "bare": Kind.INVALID,
        "forbidden": Kind.NOT_ALLOWED,
        "rate_limited": Kind.RATE_LIMITED,
        "too_many": Kind.RATE_LIMITED,
        "no_quota": Kind.NO_QUOTA,
        "down": Kind.PROVIDER_DOWN,
    },
    "grok": {
        "invalid": Kind.INVALID,
        "encoded": Kind.INVALID,
        "forbidden": Kind.NOT_ALLOWED,
        "rate_limited": Kind.RATE_LIMITED,
        "no_quota": Kind.NO_QUOTA,
        "empty": Kind.NO_QUOTA,
        "spent": Kind.NO_QUOTA,
        "down": Kind.PROVIDER_DOWN,
    },
}
DONE = {
    "valid": Kind.VALID,
    "html": Kind.UNEXPECTED,
    "html_401": Kind.UNEXPECTED,
    "html_403": Kind.UNEXPECTED,
    "html_429": Kind.RATE_LIMITED,
    "html_502": Kind.PROVIDER_DOWN,
    "other_json": Kind.UNEXPECTED,
    "other_list": Kind.UNEXPECTED,
    "nested": Kind.UNEXPECTED,
    "garbage": Kind.NO_NETWORK,
    "silent": Kind.NO_NETWORK,
    "cut": Kind.NO_NETWORK,
    "reset": Kind.NO_NETWORK,
    "redirect": Kind.UNEXPECTED,
    "huge": Kind.VALID,
    "huge_page": Kind.UNEXPECTED,
    "huge_head": Kind.NO_NETWORK,
    "echo": Kind.INVALID,
}
# These take all the time that there is.
WAITING = {"slow", "drip", "byte_a_second"}
CREDENTIALS = {
    "openai": [f"Authorization: Bearer {KEYS['openai']}"],
    "anthropic": [f"x-api-key: {KEYS['anthropic']}", "anthropic-version: 2023-06-01"],
    "google": [f"x-goog-api-key: {KEYS['google']}"],
    "mistral": [f"Authorization: Bearer {KEYS['mistral']}"],
    "grok": [f"Authorization: Bearer {KEYS['grok']}"],
}
PATHS = {
    "openai": "/v1/models",
    "anthropic": "/v1/models?limit=1",
    "google": "/v1beta/models?pageSize=1",
    "mistral": "/v1/models",
    "grok": "/v1/models",
}


@pytest.fixture(scope="module")
def started() -> Iterator[ProviderServers]:
    with provider_servers() as servers:
        yield servers


@pytest.fixture
def servers(started: ProviderServers) -> Iterator[ProviderServers]:
    yield started
    started.reset()


@pytest.fixture
def outside(servers: ProviderServers, monkeypatch: pytest.MonkeyPatch) -> ProviderServers:
    """The same servers, found at the providers' real addresses: nothing else of the checker is changed."""
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    return servers


def check(servers: ProviderServers, provider: str, key: str | None = None, seconds: float = PATIENCE) -> Verdict:
    checker = KeyChecker(servers.addresses, seconds=seconds)
    return asyncio.run(checker.check(provider, Secret(KEYS[provider] if key is None else key)))


def check_outside(provider: str, seconds: float = PATIENCE) -> Verdict:
    return asyncio.run(KeyChecker(seconds=seconds).check(provider, Secret(KEYS[provider])))


def tells(text: str, key: str) -> bool:
    """Whether more of the key than a mask shows stands in the text."""
    return any(key[start : start + 5].casefold() in text.casefold() for start in range(len(key) - 4))


def expected_request(provider: str, host: str) -> bytes:
    common = [f"GET {PATHS[provider]} HTTP/1.1", f"Host: {host}", f"User-Agent: orgtui/{__version__}"]
    accepted = ["Accept: application/json", "Accept-Encoding: identity"]
    return "\r\n".join((*common, *accepted, *CREDENTIALS[provider], "", "")).encode()


# Verdicts.


def test_every_answer_has_an_expected_verdict() -> None:
    assert {provider: set(said) for provider, said in SAID.items()} == {key: set(said) for key, said in ANSWERS.items()}
    assert DONE.keys() | WAITING == MANNERS.keys()
    assert MODELS.keys() == KEYS.keys() == HOSTS.keys() == BY_KEY.keys()


@pytest.mark.parametrize(("provider", "said"), [(provider, said) for provider, all_ in SAID.items() for said in all_])
def test_what_a_provider_says(servers: ProviderServers, provider: str, said: str) -> None:
    servers.behave(provider, said)
    verdict = check(servers, provider)
    assert verdict.kind is SAID[provider][said]
    status, body = ANSWERS[provider][said]("")
    assert verdict.detail.startswith(f"HTTP {status}")
    assert bool(body) == (":" in verdict.detail)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("manner", DONE)
def test_what_may_answer(servers: ProviderServers, provider: str, manner: str) -> None:
    servers.behave(provider, manner)
    begin = time.monotonic()
    verdict = check(servers, provider)
    assert verdict.kind is DONE[manner]
    assert time.monotonic() - begin < PATIENCE / 2, "it was decided, not waited for"
    assert len(servers.requests(provider)) == 1, "one question, whatever the answer"


@pytest.mark.parametrize("manner", ["slow", "drip"])
def test_time_is_limited_as_a_whole(servers: ProviderServers, manner: str) -> None:
    async def all_at_once() -> list[Verdict]:
        checker = KeyChecker(servers.addresses, seconds=1)
        return await asyncio.gather(*(checker.check(provider, Secret(KEYS[provider])) for provider in PROVIDERS))

    for provider in PROVIDERS:
        servers.behave(provider, manner)
    begin = time.monotonic()
    verdicts = asyncio.run(all_at_once())
    assert 1 <= time.monotonic() - begin < 3
    assert {verdict.kind for verdict in verdicts} == {Kind.PROVIDER_DOWN}
    assert {verdict.detail for verdict in verdicts} == {"no whole answer within 1 s"}
    assert all(len(servers.requests(provider)) == 1 for provider in PROVIDERS)


@pytest.mark.soak
def test_a_byte_a_second_is_given_ten(servers: ProviderServers) -> None:
    servers.behave("mistral", "byte_a_second")
    begin = time.monotonic()
    assert check(servers, "mistral", seconds=SECONDS).detail == "no whole answer within 10 s"
    assert 10 <= time.monotonic() - begin < 12


WORDS = {
    Kind.VALID: "OpenAI accepts the key.",
    Kind.INVALID: "OpenAI does not accept the key.",
    Kind.NO_QUOTA: "OpenAI knows the key, but its account has no credits left or has reached its limit.",
    Kind.NOT_ALLOWED: "OpenAI refused to list its models, which says nothing against the key: stored untested.",
    Kind.RATE_LIMITED: "OpenAI has too many requests at the moment: stored untested.",
    Kind.PROVIDER_DOWN: "OpenAI has a fault at the moment: stored untested.",
    Kind.NO_NETWORK: "OpenAI cannot be reached: stored untested.",
    Kind.UNEXPECTED: "What answered does not look like OpenAI: stored untested.",
}


@pytest.mark.parametrize(
    ("said", "kind"), [*SAID["openai"].items(), *((manner, kind) for manner, kind in DONE.items() if manner != "echo")]
)
def test_words(servers: ProviderServers, said: str, kind: Kind) -> None:
    servers.behave("openai", said)
    verdict = check(servers, "openai")
    assert verdict.words == WORDS[kind]
    assert verdict.may_store == (kind is not Kind.INVALID)
    assert verdict.tested == ("untested" not in verdict.words)


def test_details_are_the_providers_words(servers: ProviderServers) -> None:
    servers.behave("openai", "invalid")
    assert check(servers, "openai").detail == (
        "HTTP 401 invalid_api_key: Incorrect API key provided: … You can find your API key at "
        "https://platform.openai.com/account/api-keys."
    )
    servers.behave("grok", "encoded")
    assert check(servers, "grok").detail == (
        "HTTP 400 Client specified an invalid argument: Incorrect API key provided: … You can obtain an API key from "
        "https://console.x.ai."
    )
    servers.behave("mistral", "invalid")
    assert check(servers, "mistral").detail == (
        "HTTP 401: Unauthorized (Mistral says so, too, to a key whose quota is used up)"
    )
    servers.behave("google", "suspended")
    assert check(servers, "google").detail == (
        "HTTP 403 CONSUMER_SUSPENDED: Permission denied: Consumer … has been suspended."
    )


def test_a_detail_is_one_short_harmless_line(servers: ProviderServers) -> None:
    message = "\x1b]0;title\x07 first\nsecond\u202e %1b[2J [red]" + " word" * 2_000

    async def hostile(exchange: Exchange) -> None:
        await exchange.send(answer(403, openai_error(message, None, "\x9b31m")))

    servers.behave("openai", hostile)
    verdict = check(servers, "openai")
    assert verdict.kind is Kind.NOT_ALLOWED
    assert len(verdict.detail) == 240
    assert harmless(verdict.detail.replace("\ufffd", "").removesuffix("…"))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'"Unauthorized"',
        b'{"error": null}',
        b'{"error": {"message": null, "details": 3}}',
        b'{"error": []}',
        b'{"detail": [{"loc": "header"}]}',
        b"\xff\xfe",
        b"1" * 5_000,
        b"[" * 50_000,
    ],
)
def test_an_error_that_says_nothing_is_no_word_of_the_provider(servers: ProviderServers, body: bytes) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.send(answer(401, body))

    servers.behave("openai", behave)
    verdict = check(servers, "openai")
    assert (verdict.kind, verdict.detail) == (Kind.UNEXPECTED, "HTTP 401")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_64_kb_are_read_and_no_more(servers: ProviderServers, provider: str) -> None:
    """A list may be longer than that (Mistral has more than fifty models): its beginning is enough."""
    list_, id_ = ("models", "name") if provider == "google" else ("data", "id")
    start = f'{{"{list_}": [{{"{id_}": "a-model"}}, "'.encode()

    def padded(size: int) -> bytes:
        return start + b"x" * (size - len(start))

    for size, kind in ((LONGEST_ANSWER, Kind.UNEXPECTED), (LONGEST_ANSWER + 1, Kind.VALID)):

        async def behave(exchange: Exchange, body: bytes = padded(size)) -> None:
            await exchange.send(answer(200, body))

        servers.behave(provider, behave)
        assert check(servers, provider).kind is kind


def test_an_endless_answer_is_left(servers: ProviderServers) -> None:
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await exchange.send(b"x" * 65_536)
            sent += 65_536

    servers.behave("openai", endless)
    assert check(servers, "openai").kind is Kind.UNEXPECTED
    servers.requests("openai")
    assert sent < 16 << 20, "what the system's buffers take, and not more"


# The wire.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_request_to_the_byte(servers: ProviderServers, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert check(servers, provider).kind is Kind.VALID
    (request,) = servers.requests(provider)
    assert request.raw == expected_request(provider, servers.addresses[provider].removeprefix("http://"))
    assert (request.method, request.path, request.body) == ("GET", PATHS[provider], b"")
    assert request.key == KEYS[provider]
    assert not any(servers.requests(other) for other in PROVIDERS if other != provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_real_address_is_asked_over_tls(
    outside: ProviderServers, provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a proxy, which learns the name of the provider and nothing else; no other secret is taken along."""
    host = HOSTS[provider]
    (tmp_path / "netrc").write_text(f"machine {host} login ada password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert check_outside(provider).kind is Kind.VALID
    (request,) = outside.requests(provider)
    assert request.raw == expected_request(provider, host)
    assert outside.connects == [f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nAccept: */*\r\n\r\n".encode()]


@pytest.mark.parametrize("manner", ["valid", "echo", "html", "cut", "garbage", "redirect"])
def test_tls_changes_no_verdict(outside: ProviderServers, manner: str) -> None:
    outside.behave("anthropic", manner)
    assert check_outside("anthropic").kind is DONE[manner]


def test_tls_that_breaks_on_the_way(outside: ProviderServers) -> None:
    async def in_clear(exchange: Exchange) -> None:
        os.write(exchange.writer.get_extra_info("socket").fileno(), answer(200, MODELS["openai"]))

    outside.behave("openai", in_clear)
    verdict = check_outside("openai")
    assert (verdict.kind, verdict.detail) == (Kind.NO_NETWORK, "it does not speak TLS as it should")


def test_five_at_once_do_not_mix(servers: ProviderServers) -> None:
    async def all_at_once() -> list[Verdict]:
        checker = KeyChecker(servers.addresses, seconds=PATIENCE)
        secrets = [(provider, Secret(KEYS[provider])) for provider in PROVIDERS]
        return await asyncio.gather(*(checker.check(*each) for each in secrets * 4))

    servers.behave("google", "invalid")
    kinds = [verdict.kind for verdict in asyncio.run(all_at_once())]
    assert kinds == [Kind.INVALID if provider == "google" else Kind.VALID for provider in PROVIDERS] * 4
    assert all({request.key for request in servers.requests(each)} == {KEYS[each]} for each in PROVIDERS)


def test_a_check_that_is_given_up_leaves_no_connection(servers: ProviderServers) -> None:
    async def given_up() -> None:
        checking = asyncio.create_task(
            KeyChecker(servers.addresses).check("openai", Secret(KEYS["openai"])),
        )
        while not servers._requests["openai"]:
            await asyncio.sleep(0.01)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking

    servers.behave("openai", "slow")
    asyncio.run(given_up())
    assert len(servers.requests("openai")) == 1


# Where it goes.


def test_the_addresses() -> None:
    assert {provider: f"https://{host}" for provider, host in HOSTS.items()} == PROVIDER_ADDRESSES
    assert PROVIDER_ADDRESSES.keys() == BY_KEY.keys()
    assert SECONDS == 10
    with pytest.raises(TypeError):
        PROVIDER_ADDRESSES["openai"] = "https://evil.example"  # type: ignore[index]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "http://api.openai.com",
        "https://api.openai.com/",
        "https://api.openai.com:443",
        "https://api.openai.com.evil.example",
        "https://api.openai.com@evil.example",
        "https://api.x.ai",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:80@evil.example",
        "http://127.0.0.1:80/path",
        "http://127.0.0.1.evil.example:80",
        "http://127.0.0.1:80\n",
        "http://10.0.0.1:80",
        "http://0.0.0.0:80",
        "",
    ],
)
def test_no_other_address_is_taken(address: str) -> None:
    with pytest.raises(ValueError, match=r"^keys of openai are sent to https://api\.openai\.com or to this machine$"):
        KeyChecker({"openai": address})


def test_loopback_is_taken() -> None:
    KeyChecker({"openai": "http://[::1]:8080", "grok": "http://127.0.0.1:8080", "google": PROVIDER_ADDRESSES["google"]})


# The network.


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        checker = KeyChecker({"openai": f"http://127.0.0.1:{held.getsockname()[1]}"})
        verdict = asyncio.run(checker.check("openai", Secret(KEYS["openai"])))
    assert (verdict.kind, verdict.detail) == (Kind.NO_NETWORK, "the connection was refused")


def test_a_certificate_that_nobody_vouches_for(outside: ProviderServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    verdict = check_outside("openai")
    assert verdict.kind is Kind.NO_NETWORK
    assert verdict.detail == (
        "its certificate is not trusted; if a proxy replaces it, SSL_CERT_FILE can name the proxy's"
    )
    assert outside.requests("openai") == [], "the key was not sent"


def test_a_certificate_for_another_name(outside: ProviderServers) -> None:
    outside.certified = ("mistral",)
    assert check_outside("mistral").kind is Kind.VALID
    verdict = check_outside("openai")
    assert verdict.kind is Kind.NO_NETWORK
    assert verdict.detail == "its certificate is for another name"
    assert outside.requests("openai") == [], "the key was not sent"


def test_a_proxy_that_refuses(outside: ProviderServers, monkeypatch: pytest.MonkeyPatch) -> None:
    outside.behave("grok", "html_403")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, outside.addresses["grok"])
    verdict = check_outside("openai")
    assert (verdict.kind, verdict.detail) == (Kind.NO_NETWORK, "the proxy refused the connection")
    assert not tells(outside.requests("grok")[0].raw.decode("latin-1"), KEYS["openai"])


@pytest.mark.parametrize(
    ("proxy", "detail"),
    [
        ("http://a..b:1", "no such name is known here"),
        ("http://127.0.0.1:1", "the connection was refused"),
        ("ftp://127.0.0.1:1", "the proxy or the certificates that this environment names cannot be used"),
        ("socks5://127.0.0.1:1", "the proxy or the certificates that this environment names cannot be used"),
        ("http://127.0.0.1:port", "the proxy or the certificates that this environment names cannot be used"),
    ],
)
def test_a_proxy_that_is_none(
    outside: ProviderServers, monkeypatch: pytest.MonkeyPatch, proxy: str, detail: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    verdict = check_outside("openai")
    assert (verdict.kind, verdict.detail) == (Kind.NO_NETWORK, detail)


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nnonsense\n"])
def test_certificates_that_are_none(
    outside: ProviderServers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "certificates.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates.pem"))
    verdict = check_outside("openai")
    assert verdict.kind is Kind.NO_NETWORK
    assert verdict.detail == "the proxy or the certificates that this environment names cannot be used"


# No trace of the key.


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("manner", ["echo", "invalid"])
def test_a_key_that_comes_back_is_not_shown(servers: ProviderServers, provider: str, manner: str) -> None:
    servers.behave(provider, manner)
    verdict = check(servers, provider)
    assert verdict.kind is Kind.INVALID
    assert not tells(repr(verdict), KEYS[provider])
    assert "*" not in verdict.detail


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.text("QXZJKVW0189+/=%._-", min_size=1, max_size=60),
    around=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=6, max_size=6),
)
def test_no_part_of_any_key_comes_through(servers: ProviderServers, key: str, around: list[str]) -> None:
    half = len(key) // 2
    quoted = (key, key.lower(), key[:half], key[half:], "".join(f"%{ord(char):02x}" for char in key))
    message = "".join(text for pair in zip(around, (*quoted, ""), strict=True) for text in pair)

    async def quoting(exchange: Exchange) -> None:
        await exchange.send(answer(403, openai_error(message, None, f"code_{key}")))

    servers.behave("openai", quoting)
    verdict = check(servers, "openai", key)
    assert not tells(verdict.detail, key)
    assert not tells(verdict.words, key)


@pytest.mark.parametrize("manner", ["valid", "invalid", "down", "html", "garbage", "cut", "huge", "redirect", "echo"])
def test_no_log_tells_of_the_key(servers: ProviderServers, manner: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for provider in PROVIDERS:
        servers.behave(provider, manner)
        check(servers, provider)
        assert not tells(caplog.text, KEYS[provider])
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]


def test_what_others_send_meanwhile_is_logged(servers: ProviderServers, caplog: pytest.LogCaptureFixture) -> None:
    """Only the check is silent, and only while it lasts: somebody else's request in its midst is in the log."""
    caplog.set_level(logging.DEBUG)
    released = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        while not released.is_set():
            await asyncio.sleep(0.01)
        await exchange.send(answer(200, MODELS["openai"]))

    async def both() -> None:
        checking = asyncio.create_task(KeyChecker(servers.addresses).check("openai", Secret(KEYS["openai"])))
        while not servers._requests["openai"]:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{servers.addresses['grok']}/elsewhere")
            released.set()
            assert (await checking).kind is Kind.VALID
            await client.get(f"{servers.addresses['grok']}/after")

    servers.behave("openai", held)
    asyncio.run(both())
    sent = [record.message for record in caplog.records if record.name == "httpx"]
    assert [part in line for part, line in zip(("/elsewhere", "/after"), sent, strict=True)] == [True, True]
    assert "receive_response_headers.complete" in caplog.text
    assert "/v1/models" not in caplog.text
    assert not tells(caplog.text, KEYS["openai"])


@pytest.mark.parametrize("key", ["", "sk proj", "sk\r\nX-Evil: 1", "sk\0", "ключ", "sk-…wxyz", "\x7f", "\ud800"])
def test_what_no_header_can_carry_is_not_sent(servers: ProviderServers, key: str) -> None:
    with pytest.raises(Invalid, match=r"^The key contains characters that no key has; copy it again\.$") as refused:
        check(servers, "openai", key)
    assert refused.value.field == "key"
    assert servers.requests("openai") == []


class Broken(httpx.AsyncHTTPTransport):
    """A fault in the library, with the request in its words."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        raise RuntimeError(f"cannot send {headers}")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_fault_of_the_library_tells_nothing(
    servers: ProviderServers, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Broken)
    monkeypatch.setattr(httpx._client, "AsyncHTTPTransport", Broken)
    with pytest.raises(OrgtuiError) as fault:
        check(servers, provider)
    name = BY_KEY[provider].name
    assert fault.value.message == f"The key could not be checked with {name}: RuntimeError in the HTTP client."
    assert not any(tells(text, KEYS[provider]) for text in everything_told(fault.value))


def everything_told(error: BaseException) -> Iterator[str]:
    """What a traceback that prints the variables of every frame of the checker and the library would print."""
    assert error.__cause__ is None
    assert error.__context__ is None
    yield "".join(traceback.format_exception(error))
    frames: list[Any] = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if Path(frame.f_code.co_filename) != Path(__file__)]
    assert any(frame.f_code.co_name == "check" for frame in own)
    for frame in own:
        yield from (repr(value) for value in frame.f_locals.values())


def test_the_http_client_is_imported_by_the_first_check_only() -> None:
    script = "import sys, orgtui.key_check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "orgtui.key_check" in modules
    assert not modules & {"httpx", "httpcore", "certifi", "cryptography", "textual"}
