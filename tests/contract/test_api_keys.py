"""API Keys: one row a provider, never what was sealed, and the key itself for the platform alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from orgtui.domain.errors import AlreadyThere, Forbidden, Invalid, KeyReused, NotFound, OrgtuiError
from orgtui.domain.providers import PROVIDERS
from orgtui.domain.roles import PLATFORM
from orgtui.store.contract import Store
from orgtui.store.contract.api_keys import KeyGrant, NewKey, ProviderKey, Purpose
from orgtui.store.contract.operation import idempotency_key
from tests.conftest import OWNER
from tests.contract.backends import Backend, everything
from tests.contract.conftest import wait

SECRET = "sk-ant-api03-0123456789-THIS-STAYS-INSIDE-9fQ2"
OTHER = "sk-ant-api03-9876543210-THIS-STAYS-INSIDE-TOO-7xZ1"
KEY = NewKey(provider="anthropic", secret=SECRET)
FIVE = ["openai", "anthropic", "google", "mistral", "grok"]


@pytest.fixture
def platform(backend: Backend) -> Store:
    return backend.open(PLATFORM)


def row(store: Store, provider: str = "anthropic") -> ProviderKey:
    return next(key for key in wait(store.api_keys.show()).providers if key.provider == provider)


def audited(backend: Backend) -> list[tuple[str, str, str, str]]:
    return backend.rows("SELECT actor, role, operation, after FROM audit ORDER BY seq")  # type: ignore[return-value]


# Rows.


def test_five_providers_in_the_seeds_order_of_which_none_has_a_key(store: Store) -> None:
    page = wait(store.api_keys.show())
    assert [key.provider for key in page.providers] == FIVE
    assert [(key.name, key.description) for key in page.providers] == [
        ("OpenAI", "GPT models"),
        ("Anthropic", "Claude models"),
        ("Google AI", "Gemini models"),
        ("Mistral AI", "Mistral models"),
        ("Grok", "xAI models"),
    ]
    assert (page.connected, page.timezone) == (0, "UTC")
    assert page.providers[1] == ProviderKey("anthropic", "Anthropic", "Claude models", never_fall_back=False)


def test_a_key_is_a_hint_and_a_history(backend: Backend, store: Store) -> None:
    added = wait(store.api_keys.add(KEY))
    assert added == row(store)
    assert added.id
    assert added == ProviderKey(
        "anthropic",
        "Anthropic",
        "Claude models",
        False,
        id=added.id,
        hint="sk-ant-…9fQ2",
        enabled=True,
        added_by=OWNER,
        added=backend.clock.now,
        verdict="untested",
    )
    assert [key.hint for key in wait(store.api_keys.show()).providers] == [None, "sk-ant-…9fQ2", None, None, None]


def test_a_verdict_that_came_with_the_key_is_of_now(backend: Backend, store: Store) -> None:
    added = wait(store.api_keys.add(replace(KEY, verdict="no_quota", note="HTTP 402: \x1b[31mPayment\u202e Required")))
    assert (added.verdict, added.checked) == ("no_quota", backend.clock.now)
    assert added.note == "HTTP 402: \ufffd[31mPayment\ufffd Required"


@pytest.mark.parametrize("secret", ["", "has a space in its middle", "ключ-ключ-ключ-ключ-ключ", "x" * 513, "a\nb"])
def test_what_no_header_can_carry_is_no_key(backend: Backend, store: Store, secret: str) -> None:
    before = everything(backend)
    with pytest.raises(Invalid) as refused:
        wait(store.api_keys.add(replace(KEY, secret=secret)))
    assert refused.value.field == "key"
    assert everything(backend) == before


def test_a_verdict_is_one_of_a_checks(store: Store) -> None:
    with pytest.raises(Invalid, match="invalid, no_network, no_quota, not_allowed, provider_down, rate_limited, unexp"):
        wait(store.api_keys.add(replace(KEY, verdict="fine")))


def test_a_provider_has_one_key(backend: Backend, store: Store) -> None:
    wait(store.api_keys.add(KEY))
    before = everything(backend)
    with pytest.raises(AlreadyThere, match="Anthropic has a key already; replace it"):
        wait(store.api_keys.add(replace(KEY, secret=OTHER)))
    assert everything(backend) == before


def test_the_same_key_is_not_kept_twice(backend: Backend, store: Store) -> None:
    wait(store.api_keys.add(KEY))
    wait(store.api_keys.add(NewKey(provider="mistral", secret="m" * 32)))
    before = everything(backend)
    attempts = (
        store.api_keys.add(NewKey(provider="openai", secret=SECRET)),
        store.api_keys.replace(KEY),
        store.api_keys.replace(NewKey(provider="mistral", secret=SECRET)),
    )
    for attempt in attempts:
        with pytest.raises(AlreadyThere, match="This is the key that Anthropic has already") as refused:
            wait(attempt)
        assert SECRET not in repr(refused.value)
    assert everything(backend) == before


def test_another_organization_may_have_the_same_key(founded: object, backend: Backend, store: Store) -> None:
    wait(store.api_keys.add(KEY))
    elsewhere = founded()  # type: ignore[operator]
    assert wait(elsewhere.open().api_keys.add(KEY)).hint == "sk-ant-…9fQ2"


@pytest.mark.parametrize("call", ["add", "replace", "set_enabled", "set_fallback", "checked", "remove", "use"])
def test_an_unknown_provider_is_told_the_five(backend: Backend, call: str) -> None:
    arguments = {
        "add": {"key": NewKey(provider=SECRET, secret=OTHER)},
        "replace": {"key": NewKey(provider=SECRET, secret=OTHER)},
        "set_enabled": {"provider": SECRET, "enabled": True},
        "set_fallback": {"provider": SECRET, "never": True},
        "checked": {"provider": SECRET, "id": "key_1", "verdict": "valid"},
    }.get(call, {"provider": SECRET})
    acting = backend.open(PLATFORM if call == "use" else None)
    with pytest.raises(NotFound, match="take one of openai, anthropic, google, mistral, grok") as refused:
        wait(getattr(acting.api_keys, call)(**arguments))
    assert SECRET not in repr(refused.value)


@pytest.mark.parametrize("call", ["replace", "set_enabled", "checked", "remove"])
def test_what_has_no_key_says_so(store: Store, call: str) -> None:
    arguments = {
        "replace": {"key": KEY},
        "set_enabled": {"provider": "anthropic", "enabled": False},
        "checked": {"provider": "anthropic", "id": "key_1", "verdict": "valid"},
        "remove": {"provider": "anthropic"},
    }[call]
    with pytest.raises(NotFound, match="Anthropic has no key"):
        wait(getattr(store.api_keys, call)(**arguments))


# Changes.


def test_replacing_leaves_nothing_of_the_old_one(backend: Backend, store: Store, platform: Store) -> None:
    old = wait(store.api_keys.add(replace(KEY, verdict="invalid", note="HTTP 401")))
    wait(platform.api_keys.use("anthropic"))
    ((sealed, fingerprint),) = backend.rows("SELECT sealed, fingerprint FROM provider_keys")
    backend.clock.now += timedelta(hours=1)
    new = wait(store.api_keys.replace(replace(KEY, secret=OTHER, verdict="valid")))
    assert new.id != old.id
    assert (new.hint, new.verdict, new.note, new.last_used) == ("sk-ant-…7xZ1", "valid", "", None)
    assert (new.added, new.checked) == (backend.clock.now, backend.clock.now)
    assert wait(platform.api_keys.use("anthropic")).secret == OTHER
    left = repr(everything(backend))
    assert sealed not in left
    assert fingerprint not in left
    assert backend.rows("SELECT count(*) FROM provider_keys") == [(1,)]


def test_a_disabled_key_is_kept_and_not_handed_out(backend: Backend, store: Store, platform: Store) -> None:
    added = wait(store.api_keys.add(KEY))
    disabled = wait(store.api_keys.set_enabled("anthropic", False))
    assert disabled == replace(added, enabled=False)
    for purpose in Purpose:
        assert wait(platform.api_keys.use("anthropic", purpose)) == KeyGrant("anthropic", None, True)
    before = everything(backend)
    assert wait(store.api_keys.set_enabled("anthropic", False)) == disabled
    assert everything(backend) == before
    assert wait(store.api_keys.set_enabled("anthropic", True)) == added
    assert wait(platform.api_keys.use("anthropic")).secret == SECRET


def test_a_check_speaks_of_the_key_that_was_checked(backend: Backend, store: Store) -> None:
    added = wait(store.api_keys.add(KEY))
    backend.clock.now += timedelta(hours=1)
    seen = wait(store.api_keys.checked("anthropic", added.id or "", "invalid", "HTTP 401: " + "x" * 900))
    assert (seen.verdict, seen.checked, len(seen.note)) == ("invalid", backend.clock.now, 240)
    wait(store.api_keys.replace(replace(KEY, secret=OTHER)))
    before = everything(backend)
    late = wait(store.api_keys.checked("anthropic", added.id or "", "invalid", "of the one before"))
    assert (late.verdict, late.note) == ("untested", "")
    assert everything(backend) == before
    with pytest.raises(Invalid, match="A check finds one of"):
        wait(store.api_keys.checked("anthropic", late.id or "", "fine"))


def test_removing_is_for_good(backend: Backend, store: Store, platform: Store) -> None:
    wait(store.api_keys.add(KEY))
    gone = wait(store.api_keys.remove("anthropic"))
    assert gone == ProviderKey("anthropic", "Anthropic", "Claude models", never_fall_back=False)
    assert backend.rows("SELECT * FROM provider_keys") == []
    assert wait(platform.api_keys.use("anthropic")).secret is None
    assert wait(store.api_keys.add(KEY)).hint == "sk-ant-…9fQ2"


# Connected.


def test_connected_is_what_can_be_used(store: Store) -> None:
    for number, (provider, verdict) in enumerate(
        zip(FIVE, ("valid", "untested", "invalid", "no_quota", "no_network"), strict=True)
    ):
        wait(store.api_keys.add(NewKey(provider=provider, secret=f"{number}" * 30, verdict=verdict)))

    def connected() -> int:
        page, overview = wait(store.api_keys.show()), wait(store.general.overview())
        assert page.connected == overview.keys_connected
        return page.connected

    assert connected() == 4
    wait(store.api_keys.set_enabled("openai", False))
    assert connected() == 3
    wait(store.api_keys.set_enabled("google", False))
    assert connected() == 3
    # What would be lost is every key, in use or not.
    assert wait(store.general.show()).losses.api_keys == 5


# Falling back to credits.


def test_falling_back_is_decided_with_a_key_or_without(backend: Backend, store: Store, platform: Store) -> None:
    assert wait(platform.api_keys.use("grok")) == KeyGrant("grok", None, True)
    assert wait(store.api_keys.set_fallback("grok", True)).never_fall_back
    assert wait(platform.api_keys.use("grok")) == KeyGrant("grok", None, False)
    wait(store.api_keys.add(NewKey(provider="grok", secret="xai-" + "g" * 40)))
    assert row(store, "grok").never_fall_back
    wait(store.api_keys.set_enabled("grok", False))
    assert wait(platform.api_keys.use("grok")) == KeyGrant("grok", None, False)
    wait(store.api_keys.remove("grok"))
    before = everything(backend)
    assert wait(store.api_keys.set_fallback("grok", True)).never_fall_back
    assert wait(store.api_keys.set_fallback("openai", False)).never_fall_back is False
    assert everything(backend) == before
    assert not wait(store.api_keys.set_fallback("grok", False)).never_fall_back
    assert wait(platform.api_keys.use("grok")).may_use_credits
    assert [key.never_fall_back for key in wait(store.api_keys.show()).providers] == [False] * 5


# Handing keys out.


def test_the_platform_gets_the_key_and_the_use_is_noted(backend: Backend, store: Store, platform: Store) -> None:
    added = wait(store.api_keys.add(KEY))
    backend.clock.now += timedelta(minutes=5)
    assert wait(platform.api_keys.use("anthropic", Purpose.CHECK)) == KeyGrant("anthropic", SECRET, True)
    assert row(store) == added
    assert wait(platform.api_keys.use("anthropic")) == KeyGrant("anthropic", SECRET, True)
    assert row(store) == replace(added, last_used=backend.clock.now)
    assert audited(backend)[-2:] == [
        (PLATFORM, PLATFORM, "api_keys.use", f'{{"granted": true, "provider": "anthropic", "purpose": "{purpose}"}}')
        for purpose in ("check", "call")
    ]


def test_nobody_else_gets_a_key(backend: Backend, store: Store) -> None:
    wait(store.api_keys.add(KEY))
    before = everything(backend)
    for acting in (store, backend.open("Platform"), backend.open("platform ")):
        with pytest.raises(Forbidden) as refused:
            wait(acting.api_keys.use("anthropic"))
        assert SECRET not in repr(refused.value)
    with pytest.raises(Forbidden, match="Keys are handed to the platform only; nobody reads them"):
        wait(store.api_keys.use("anthropic"))
    assert everything(backend) == before


def test_nobody_can_be_invited_as_the_platform(store: Store) -> None:
    from orgtui.store.contract.team import NewInvitation

    with pytest.raises(Invalid, match="is not an e-mail address"):
        wait(store.team.invite(NewInvitation(email=PLATFORM)))


def test_nothing_but_the_ciphertext_holds_a_key(backend: Backend, store: Store, platform: Store) -> None:
    wait(store.api_keys.add(KEY))
    with idempotency_key("once"):
        assert wait(platform.api_keys.use("anthropic")).secret == SECRET
    wait(store.api_keys.replace(replace(KEY, secret=OTHER)))
    wait(store.api_keys.remove("anthropic"))
    page = wait(store.api_keys.show())
    told = repr(everything(backend)) + repr(page) + repr([asdict(key) for key in page.providers])
    for secret in (SECRET, OTHER):
        assert secret not in told
        assert secret[12:-5] not in told


# Once, under an idempotency key.


def test_two_keys_are_two_requests(backend: Backend, store: Store) -> None:
    with idempotency_key("one request"):
        added = wait(store.api_keys.add(KEY))
        assert wait(store.api_keys.add(KEY)) == added
        before = everything(backend)
        for other in (OTHER, SECRET[:-1], SECRET + "x"):
            with pytest.raises(KeyReused):
                wait(store.api_keys.add(replace(KEY, secret=other)))
        assert everything(backend) == before


def test_a_repeated_use_answers_the_same_until_the_key_is_another(
    backend: Backend, store: Store, platform: Store
) -> None:
    wait(store.api_keys.add(KEY))
    with idempotency_key("a call"):
        first = wait(platform.api_keys.use("anthropic"))
        once = everything(backend)
        assert wait(platform.api_keys.use("anthropic")) == first == KeyGrant("anthropic", SECRET, True)
        assert everything(backend) == once
    wait(store.api_keys.replace(replace(KEY, secret=OTHER)))
    with idempotency_key("a call"):
        assert wait(platform.api_keys.use("anthropic")).secret == OTHER
    wait(store.api_keys.remove("anthropic"))
    with idempotency_key("a call"):
        assert wait(platform.api_keys.use("anthropic")).secret is None


# The platform.


def test_the_platform_looks_records_and_gets_keys_and_does_nothing_else(backend: Backend, platform: Store) -> None:
    assert wait(platform.general.overview()).actor == PLATFORM
    assert wait(platform.team.show()).you is None
    before = everything(backend)
    refused = (
        platform.api_keys.add(KEY),
        platform.api_keys.remove("openai"),
        platform.general.delete("Acme"),
        platform.team.leave(),
        platform.team.present(),
        platform.audit.entries(),
    )
    for attempt in refused:
        with pytest.raises(Forbidden, match=r"The platform does not do this \([a-z_.]+\); a member does"):
            wait(attempt)
    assert everything(backend) == before


def test_the_platform_of_a_deleted_organization_finds_nothing(store: Store, platform: Store) -> None:
    wait(platform.general.overview())
    wait(store.general.delete("Acme"))
    with pytest.raises(OrgtuiError, match="has been deleted"):
        wait(platform.api_keys.use("openai"))


def test_the_providers_are_the_ones_that_usage_knows() -> None:
    assert [provider.key for provider in PROVIDERS] == FIVE
