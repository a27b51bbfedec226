"""Adding, replacing and testing keys, with a real store and servers that answer as the providers do."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from orgtui.composition import demo_key_service
from orgtui.domain.errors import AlreadyThere, Conflict, Forbidden, Invalid, NotFound, OrgtuiError
from orgtui.domain.providers import VERDICTS
from orgtui.key_check import KeyChecker, Kind
from orgtui.key_service import KeyService
from orgtui.key_tests import KeyRefused, Outcome
from orgtui.secret import Secret
from orgtui.store.contract.api_keys import ProviderKey, Purpose
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.conftest import Clock, Opener
from tests.contract.conftest import STRANGER, wait
from tests.provider_servers import KEYS, PROVIDERS, Exchange, ProviderServers, answer, provider_servers

PATIENCE = 8.0
OTHER = "sk-proj-" + "Mw3" * 50


@pytest.fixture(scope="module")
def started() -> Iterator[ProviderServers]:
    with provider_servers() as servers:
        yield servers


@pytest.fixture
def servers(started: ProviderServers) -> Iterator[ProviderServers]:
    yield started
    started.reset()


def serving(opened: SqlStore, servers: ProviderServers, seconds: float = PATIENCE) -> KeyService:
    return KeyService(opened.store, opened.platform, KeyChecker(servers.addresses, seconds=seconds))


@pytest.fixture
def service(store: SqlStore, servers: ProviderServers) -> KeyService:
    return serving(store, servers)


def row(store: SqlStore, provider: str = "openai") -> ProviderKey:
    return next(key for key in wait(store.store.api_keys.show()).providers if key.provider == provider)


def stored(store: SqlStore, provider: str = "openai") -> str | None:
    return wait(store.platform.api_keys.use(provider, Purpose.CHECK)).secret


def revision(store: SqlStore) -> int:
    return wait(store.store.general.revision())


def test_the_verdicts_of_checks_are_the_ones_that_are_stored() -> None:
    assert {*Kind, "untested"} == VERDICTS


# Adding.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_that_the_provider_accepts_is_kept(
    store: SqlStore, service: KeyService, servers: ProviderServers, clock: Clock, provider: str
) -> None:
    outcome = wait(service.add(provider, f' export API_KEY="{KEYS[provider]}"\n'))
    assert outcome == Outcome(row(store, provider), f"{outcome.key.name} accepts the key.")
    assert (outcome.key.verdict, outcome.key.checked, outcome.key.note) == ("valid", clock.now, "")
    assert outcome.good
    assert [request.key for request in servers.requests(provider)] == [KEYS[provider]]
    assert stored(store, provider) == KEYS[provider]


@pytest.mark.parametrize("keep", ["add", "replace"])
def test_a_key_that_the_provider_refuses_changes_nothing(
    store: SqlStore, service: KeyService, servers: ProviderServers, keep: str
) -> None:
    if keep == "replace":
        wait(service.add("openai", KEYS["openai"]))
    before, moment = row(store), revision(store)
    servers.behave("openai", "invalid")
    with pytest.raises(KeyRefused) as refused:
        wait(getattr(service, keep)("openai", OTHER))
    kept = "The old key stays." if keep == "replace" else "Nothing was stored."
    message = refused.value.message
    assert message.startswith("OpenAI does not accept the key (HTTP 401 invalid_api_key: Incorrect API key provided")
    assert message.endswith(kept)
    assert (refused.value.exit_code, refused.value.status, refused.value.code) == (1, 422, "key_refused")
    assert refused.value.details == {"field": "key", "verdict": "invalid"}
    assert (row(store), revision(store)) == (before, moment)
    assert stored(store) == (KEYS["openai"] if keep == "replace" else None)


@pytest.mark.parametrize(
    ("behaviour", "verdict", "note"),
    [
        ("no_quota", "no_quota", "HTTP 429 insufficient_quota: You exceeded your current quota"),
        ("restricted", "not_allowed", "HTTP 401 invalid_request_error: You have insufficient permissions"),
        ("rate_limited", "rate_limited", "HTTP 429 rate_limit_exceeded: Rate limit reached"),
        ("down", "provider_down", "HTTP 500 server_error: The server had an error"),
        ("silent", "no_network", "the connection ended before a whole answer came"),
        ("html", "unexpected", "HTTP 200 without a list of models"),
    ],
)
def test_a_key_of_which_the_provider_says_nothing_is_kept_with_what_was_said(
    store: SqlStore, service: KeyService, servers: ProviderServers, behaviour: str, verdict: str, note: str
) -> None:
    servers.behave("openai", behaviour)
    outcome = wait(service.add("openai", KEYS["openai"]))
    assert (outcome.key.verdict, outcome.good) == (verdict, False)
    assert outcome.key.note.startswith(note)
    assert outcome.words.startswith(("OpenAI ", "What answered does not look like OpenAI"))
    assert stored(store) == KEYS["openai"]


def test_a_provider_that_never_answers_is_waited_for_so_long_and_no_longer(
    store: SqlStore, servers: ProviderServers
) -> None:
    servers.behave("openai", "slow")
    outcome = wait(serving(store, servers, seconds=0.3).add("openai", KEYS["openai"]))
    assert (outcome.key.verdict, outcome.key.note) == ("provider_down", "no whole answer within 0.3 s")


def test_unchecked_asks_nobody(store: SqlStore, service: KeyService, servers: ProviderServers) -> None:
    servers.behave("openai", "invalid")
    outcome = wait(service.add("openai", KEYS["openai"], unchecked=True))
    assert (outcome.key.verdict, outcome.key.checked, outcome.words) == ("untested", None, "OpenAI was not asked.")
    wait(service.replace("openai", OTHER, unchecked=True))
    assert servers.requests("openai") == []
    assert stored(store) == OTHER


@pytest.mark.parametrize("unchecked", [False, True])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The key is empty"),
        (KEYS["anthropic"], "This is a key of Anthropic, not of OpenAI"),
        ("sk-proj-…wxyz", "This is a masked key"),
        ("sk-short", "too short"),
        ("orgtui_inv_" + "a1" * 20, "an access token of orgtui"),
    ],
)
def test_what_is_no_key_of_the_provider_goes_nowhere(
    store: SqlStore, service: KeyService, servers: ProviderServers, text: str, said: str, unchecked: bool
) -> None:
    moment = revision(store)
    with pytest.raises(Invalid, match=said) as refused:
        wait(service.add("openai", text, unchecked=unchecked))
    assert refused.value.field == "key"
    assert servers.requests("openai") == []
    assert revision(store) == moment


def test_what_is_odd_about_a_key_is_said_and_it_is_kept(store: SqlStore, service: KeyService) -> None:
    admin = wait(service.add("openai", "sk-admin-" + "Zq7" * 50))
    assert len(admin.warnings) == 1
    assert "This is an admin key" in admin.warnings[0]
    unusual = wait(service.add("mistral", "Hy6Tn3Q" * 3))
    assert "does not look like the keys that Mistral AI gives out" in unusual.warnings[0]
    assert stored(store, "mistral") == "Hy6Tn3Q" * 3


def test_a_secret_may_be_handed_over_as_one(store: SqlStore, service: KeyService) -> None:
    wait(service.add("openai", Secret(KEYS["openai"])))
    assert stored(store) == KEYS["openai"]


# Who is not asked.


def test_a_provider_is_not_asked_where_the_answer_would_change_nothing(
    store: SqlStore, opener: Opener, service: KeyService, servers: ProviderServers
) -> None:
    wait(service.add("openai", KEYS["openai"]))
    servers.requests("openai").clear()
    attempts: tuple[tuple[Any, type[OrgtuiError], str], ...] = (
        (service.add("openai", OTHER), AlreadyThere, "OpenAI has a key already; replace it"),
        (service.replace("grok", KEYS["grok"]), NotFound, "Grok has no key"),
        (service.test("grok"), NotFound, "Grok has no key"),
        (service.add("openia", OTHER), NotFound, "take one of openai, anthropic, google, mistral, grok"),
        (service.test(OTHER), NotFound, "There is no such provider"),
        (serving(opener(STRANGER), servers).replace("openai", OTHER), Forbidden, "is not a member"),
        (serving(opener(STRANGER), servers).test("openai"), Forbidden, "is not a member"),
    )
    moment = revision(store)
    for attempt, kind, said in attempts:
        with pytest.raises(kind, match=said) as refused:
            wait(attempt)
        assert OTHER not in repr(refused.value)
    assert [request for provider in PROVIDERS for request in servers.requests(provider)] == []
    assert revision(store) == moment


# Replacing.


def test_the_new_key_is_asked_about_before_the_old_one_goes(
    store: SqlStore, service: KeyService, servers: ProviderServers
) -> None:
    wait(service.add("openai", KEYS["openai"]))
    seen = []

    async def look(exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        seen.append((exchange.request.key, await loop.run_in_executor(None, stored, store)))
        await exchange.send(answer(200, {"data": [{"id": "gpt-5"}]}))

    servers.behave("openai", look)
    outcome = wait(service.replace("openai", OTHER))
    assert seen == [(OTHER, KEYS["openai"])]
    assert outcome.good
    assert stored(store) == OTHER


def test_the_same_key_again_is_a_conflict(store: SqlStore, service: KeyService) -> None:
    wait(service.add("openai", KEYS["openai"]))
    with pytest.raises(AlreadyThere, match="This is the key that OpenAI has already"):
        wait(service.replace("openai", KEYS["openai"]))


def test_two_who_add_at_once_leave_one_key(opener: Opener, servers: ProviderServers) -> None:
    stores = [opener(), opener()]

    async def both() -> list[Any]:
        keys = (KEYS["openai"], OTHER)
        adds = (serving(one, servers).add("openai", key) for one, key in zip(stores, keys, strict=True))
        return await asyncio.gather(*adds, return_exceptions=True)

    ended = wait(both())
    assert sorted(type(end).__name__ for end in ended) == ["AlreadyThere", "Outcome"]
    first = next(number for number, end in enumerate(ended) if isinstance(end, Outcome))
    assert stored(stores[0]) == (KEYS["openai"], OTHER)[first]


# Testing.


def test_a_stored_key_is_tested_and_the_verdict_noted(
    store: SqlStore, service: KeyService, servers: ProviderServers, clock: Clock
) -> None:
    added = wait(service.add("mistral", KEYS["mistral"], unchecked=True)).key
    good = wait(service.test("mistral"))
    assert (good.good, good.words, good.key.checked) == (True, "Mistral AI accepts the key.", clock.now)
    assert [request.key for request in servers.requests("mistral")] == [KEYS["mistral"]]
    servers.behave("mistral", "invalid")
    bad = wait(service.test("mistral"))
    assert (bad.good, bad.words) == (False, "Mistral AI does not accept the key.")
    now = row(store, "mistral")
    assert (now.id, now.verdict, now.last_used) == (added.id, "invalid", None)
    assert now.note.startswith("HTTP 401: Unauthorized")
    assert wait(store.store.general.overview()).keys_connected == 0


def test_a_test_says_nothing_of_storing(service: KeyService, servers: ProviderServers) -> None:
    wait(service.add("openai", KEYS["openai"]))
    for behaviour in ("silent", "down", "rate_limited", "restricted", "html"):
        servers.behave("openai", behaviour)
        assert "stored" not in wait(service.test("openai")).words


def test_a_disabled_key_is_not_tested(store: SqlStore, service: KeyService, servers: ProviderServers) -> None:
    wait(service.add("openai", KEYS["openai"], unchecked=True))
    wait(store.store.api_keys.set_enabled("openai", False))
    with pytest.raises(Conflict, match="The key of OpenAI is disabled; enable it to test it"):
        wait(service.test("openai"))
    assert servers.requests("openai") == []


def test_a_key_that_is_replaced_while_it_is_tested_keeps_no_verdict_of_the_other(
    store: SqlStore, service: KeyService, servers: ProviderServers
) -> None:
    wait(service.add("openai", KEYS["openai"], unchecked=True))

    async def meanwhile(exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        replacing = service.replace("openai", OTHER, unchecked=True)
        await loop.run_in_executor(None, wait, replacing)
        await exchange.send(answer(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}))

    servers.behave("openai", meanwhile)
    outcome = wait(service.test("openai"))
    assert outcome.words == "OpenAI does not accept the key."
    assert (row(store).verdict, stored(store)) == ("untested", OTHER)


# The demo.


def test_the_demo_has_the_keys_of_the_picture(demo_store: SqlStore) -> None:
    page = wait(demo_store.store.api_keys.show())
    assert page.connected == wait(demo_store.store.general.overview()).keys_connected == 3
    assert [key.hint for key in page.providers] == ["sk-…wxyz", "sk-ant-…9fQ2", "AIza…7d0M", "…c81e", None]
    assert [key.verdict for key in page.providers] == ["valid", "valid", "valid", "invalid", None]
    refused = page.providers[3]
    assert (refused.note, f"{refused.checked:%d %b %Y %H:%M}") == ("HTTP 401: Unauthorized", "28 Nov 2026 08:14")
    used = [f"{key.last_used:%d %H:%M}" if key.last_used else None for key in page.providers]
    assert used == ["30 13:00", "30 12:00", "29 22:52", None, None]


def test_the_demo_asks_no_provider(demo_store: SqlStore) -> None:
    service = demo_key_service(demo_store)
    assert not wait(service.test("mistral")).good
    assert wait(service.test("openai")).good
    assert wait(service.replace("mistral", KEYS["mistral"])).good
    assert wait(service.add("grok", KEYS["grok"])).words == "A demo asks nobody; Grok would."


# Nothing speaks of a key.


def everything_told(error: BaseException) -> str:
    """All that a crash could print, locals included, without those of this module."""
    stack: traceback.TracebackException | None = traceback.TracebackException.from_exception(error, capture_locals=True)
    told = [repr(error), repr(vars(error))]
    while stack is not None:
        frames = [frame for frame in stack.stack if frame.filename != __file__]
        told += ["".join(stack.format_exception_only())]
        told += [f"{frame.filename}:{frame.lineno} {frame.line} {frame.locals}" for frame in frames]
        stack = stack.__cause__ or stack.__context__
    return "\n".join(told)


@pytest.mark.parametrize("call", ["add", "replace", "test"])
@pytest.mark.parametrize("behaviour", ["invalid", "echo", "garbage", "reset", "huge", "breaks"])
def test_no_error_and_no_traceback_holds_a_key(
    store: SqlStore, service: KeyService, servers: ProviderServers, acme: SqliteDatabase, call: str, behaviour: str
) -> None:
    if call != "add":
        wait(service.add("openai", OTHER if call == "replace" else KEYS["openai"], unchecked=True))
    if behaviour == "breaks":
        acme.keys.path.rename(acme.keys.path.with_name("elsewhere"))
    else:
        servers.behave("openai", behaviour)
    arguments = () if call == "test" else (KEYS["openai"],)
    try:
        told = repr(wait(getattr(service, call)("openai", *arguments)))
    except OrgtuiError as error:
        told = everything_told(error)
    else:
        # What was read once opens keys; only sealing wants the file as it is now.
        assert behaviour != "breaks" or call == "test"
    assert KEYS["openai"] not in told
    assert KEYS["openai"][20:40] not in told


@pytest.mark.parametrize("text", [KEYS["anthropic"], KEYS["openai"] + " and more", "…" + KEYS["openai"], "x" * 9_000])
def test_no_refusal_of_a_pasted_text_holds_it(service: KeyService, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        wait(service.add("openai", text))
    told = everything_told(refused.value)
    assert text not in told
    assert text[20:40] not in told
