"""API Keys: five providers, a key that is asked about before it is kept, and that no screen ever shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.widgets import Button, OptionList

from orgtui.store.contract.api_keys import Purpose
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.widgets.secret_input import SecretInput
from tests.provider_servers import KEYS, ProviderServers, provider_servers
from tests.screens.harness import (
    Drive,
    awaited,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    row,
    sees,
    shown,
    sizes,
    toasts,
    typed,
    until,
)

PROVIDERS = ("openai", "anthropic", "google", "mistral", "grok")


@pytest.fixture(scope="module")
def started() -> Iterator[ProviderServers]:
    with provider_servers() as servers:
        yield servers


@pytest.fixture
def servers(started: ProviderServers) -> Iterator[ProviderServers]:
    yield started
    started.reset()


async def on(pilot: Drive, provider: str) -> None:
    await press(pilot, "enter", "g", *"j" * PROVIDERS.index(provider))


async def menu(pilot: Drive, entry: str) -> None:
    await press(pilot, "m")
    found = pilot.app.screen.query_one(OptionList)
    words = [str(found.get_option_at_index(at).prompt) for at in range(found.option_count)]
    found.highlighted = words.index(entry)
    await press(pilot, "enter")


async def stored(database: SqliteDatabase, provider: str) -> str | None:
    grant = await elsewhere(database, lambda store: store.platform.api_keys.use(provider, Purpose.CHECK))
    secret: str | None = grant.secret
    return secret


@sizes
@awaited
async def test_each_provider_has_its_row(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "api_keys"), size) as pilot:
        assert "3 of 5 connected" in lines(pilot)[0]
        for name, status, button in (
            ("OpenAI", "● Connected", "Replace"),
            ("Anthropic", "● Connected", "Replace"),
            ("Google AI", "● Connected", "Replace"),
            ("Mistral AI", "✗ Key rejected", "Replace"),
            ("Grok", "○ Not connected", "+ Add Key"),
        ):
            found = row(pilot, name, "#providers")
            assert status in found
            assert button in found
        assert "wxyz" in row(pilot, "OpenAI", "#providers")
        assert "uses AI credits" in shown(pilot, "#providers")
        assert "AES-256" in shown(pilot)


@pytest.mark.parametrize(
    ("answer", "words", "kept"),
    [
        ("valid", "● Connected", True),
        ("silent", "not tested", True),
        ("html", "not tested", True),
    ],
)
@awaited
async def test_a_key_is_asked_about_and_kept(
    demo_database: SqliteDatabase, servers: ProviderServers, answer: str, words: str, kept: bool
) -> None:
    servers.behave("grok", answer)
    async with opened(make_app(demo_database, "api_keys", addresses=servers.addresses)) as pilot:
        await on(pilot, "grok")
        await press(pilot, "enter")
        await typed(pilot, KEYS["grok"])
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot), 15)
        await until(pilot, lambda: words in shown(pilot, "#providers"))
    assert await stored(demo_database, "grok") == (KEYS["grok"] if kept else None)
    assert len(servers.requests("grok")) == 1


@awaited
async def test_a_refused_key_changes_nothing_unless_one_insists(
    demo_database: SqliteDatabase, servers: ProviderServers
) -> None:
    servers.behave("openai", "echo")
    before = await stored(demo_database, "openai")
    async with opened(make_app(demo_database, "api_keys", addresses=servers.addresses)) as pilot:
        await on(pilot, "openai")
        await press(pilot, "enter")
        await sees(pilot, "Replace OpenAI key", "Until the new one is accepted, sk-…wxyz")
        await typed(pilot, KEYS["openai"])
        await press(pilot, "enter")
        await sees(pilot, "✗ ", "Store untested")
        assert KEYS["openai"][8:] not in shown(pilot)
        assert await stored(demo_database, "openai") == before
        pilot.app.screen.query_one("#unchecked", Button).press()
        await until(pilot, lambda: toasts(pilot))
        await until(pilot, lambda: "not tested yet" in shown(pilot, "#providers"))
    assert await stored(demo_database, "openai") == KEYS["openai"]


@awaited
async def test_what_is_no_key_of_this_provider_is_told_while_typing(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "api_keys")) as pilot:
        await on(pilot, "grok")
        await press(pilot, "enter")
        button = pilot.app.screen.query_one("#add", Button)
        for text, words in (
            (KEYS["anthropic"], "This is a key of Anthropic"),
            ("xai-…abcd", "masked"),
            ("two words", "✗"),
        ):
            await typed(pilot, text)
            await sees(pilot, words)
            assert button.disabled
        await typed(pilot, KEYS["grok"])
        assert not button.disabled


@awaited
async def test_a_key_is_nowhere_to_be_seen(demo_database: SqliteDatabase, servers: ProviderServers) -> None:
    secret = KEYS["grok"]

    def clean(pilot: Drive) -> None:
        for told in (shown(pilot), " ".join(toasts(pilot)), pilot.app.clipboard, pilot.app.export_screenshot()):
            assert secret[4:14] not in told

    async with opened(make_app(demo_database, "api_keys", addresses=servers.addresses)) as pilot:
        await on(pilot, "grok")
        await press(pilot, "enter")
        await typed(pilot, secret)
        field = pilot.app.screen.query_one(SecretInput)
        assert field.value == secret
        clean(pilot)
        await press(pilot, "home", "shift+end", "ctrl+x")
        clean(pilot)
        assert field.value == secret
        await press(pilot, "ctrl+c")
        clean(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: pilot.app.screen.query("#providers"))
        await until(pilot, lambda: "● Connected" in row(pilot, "Grok", "#providers"))
        clean(pilot)
        await press(pilot, "0")
        await sees(pilot, "api_keys.add")
        clean(pilot)
    with demo_database.reading() as rows:
        assert secret not in repr(rows.all("SELECT * FROM audit"))


@awaited
async def test_ctrl_c_twice_quits_from_the_dialog_too(demo_database: SqliteDatabase) -> None:
    app = make_app(demo_database, "api_keys")
    async with opened(app) as pilot:
        await press(pilot, "enter", "G", "enter")
        await typed(pilot, KEYS["grok"])
        await press(pilot, "ctrl+a", "ctrl+c")
        assert toasts(pilot) == ["Press ctrl+c again to quit."]
        assert app.clipboard == ""
        await pilot.press("ctrl+c")
    assert app.return_code == 130


@awaited
async def test_verifying_asks_the_provider_and_keeps_what_it_said(
    demo_database: SqliteDatabase, servers: ProviderServers
) -> None:
    async with opened(make_app(demo_database, "api_keys", addresses=servers.addresses)) as pilot:
        await on(pilot, "mistral")
        await press(pilot, "v")
        await until(pilot, lambda: "● Connected" in row(pilot, "Mistral AI", "#providers"))
        assert "4 of 5 connected" in lines(pilot)[0]
        await press(pilot, "G", "v")
        assert toasts(pilot)[-1] == "Grok has no key yet; n adds one."
    assert len(servers.requests("mistral")) == 1
    assert servers.requests("grok") == []


@awaited
async def test_the_menu_switches_and_deletes(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "api_keys", actor="jonas.weber@acme.example")) as pilot:
        await on(pilot, "openai")
        await menu(pilot, "Do not use it")
        await until(pilot, lambda: "○ Disabled" in row(pilot, "OpenAI", "#providers"))
        await menu(pilot, "Use the key again")
        await until(pilot, lambda: "● Connected" in row(pilot, "OpenAI", "#providers"))
        await menu(pilot, "Never fall back to credits")
        await sees(pilot, "never falls back")
        await menu(pilot, "Delete key")
        await sees(pilot, "Delete the OpenAI key", "refused.")
        await press(pilot, "escape")
        assert "● Connected" in row(pilot, "OpenAI", "#providers")
        await menu(pilot, "Delete key")
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: "○ Not connected" in row(pilot, "OpenAI", "#providers"))
        await sees(pilot, "calls are refused: never falls back to credits")


@awaited
async def test_what_the_store_refuses_is_told(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "api_keys", fail={"api_keys.set_enabled"})) as pilot:
        await on(pilot, "openai")
        await menu(pilot, "Do not use it")
        await until(pilot, lambda: toasts(pilot))
        assert "● Connected" in row(pilot, "OpenAI", "#providers")
