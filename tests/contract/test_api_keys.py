"""API Keys: one row a provider, and never what was sealed."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from orgtui.domain.errors import AlreadyThere
from orgtui.store.contract import Store
from orgtui.store.contract.api_keys import NewKey
from tests.conftest import OWNER
from tests.contract.backends import Backend
from tests.contract.conftest import wait

KEY = NewKey(id="key_1", provider="anthropic", hint="sk-ant-…9fQ2", fingerprint="fp", sealed="v1.secret")


def test_five_providers_of_which_one_is_connected(backend: Backend, store: Store) -> None:
    wait(store.api_keys.add(KEY))
    rows = wait(store.api_keys.keys())
    assert [row.provider for row in rows] == ["openai", "anthropic", "google", "mistral", "grok"]
    assert [row.hint for row in rows] == [None, "sk-ant-…9fQ2", None, None, None]
    assert (rows[1].added_by, rows[1].added) == (OWNER, backend.clock.now)
    assert "secret" not in repr([asdict(row) for row in rows])
    assert "secret" not in repr(backend.rows("SELECT * FROM audit"))


def test_a_provider_has_one_key(store: Store) -> None:
    wait(store.api_keys.add(KEY))
    with pytest.raises(AlreadyThere):
        wait(store.api_keys.add(NewKey(id="key_2", provider="anthropic", hint="", fingerprint="", sealed="")))
