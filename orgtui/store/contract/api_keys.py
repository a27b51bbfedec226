"""API Keys: the organization's own keys of the model providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orgtui.domain.errors import AlreadyThere, Invalid, NotFound
from orgtui.domain.roles import Permission
from orgtui.store.contract.operation import operation


class Purpose(StrEnum):
    """What a key is handed out for: a model call marks it as used, a check does not."""

    CALL = "call"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """One provider's row; `id` and what follows it, but for `never_fall_back`, are None while no key is there.

    `verdict` is what the last check found (a kind of `orgtui.key_check`, or `untested`), `note` its words.
    """

    provider: str
    name: str
    description: str
    never_fall_back: bool
    id: str | None = None
    hint: str | None = None
    enabled: bool = False
    added_by: str | None = None
    added: datetime | None = None
    last_used: datetime | None = None
    checked: datetime | None = None
    verdict: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeysPage:
    """All of the API Keys section: one row for each provider, in the seed's order; `connected` counts the usable."""

    providers: list[ProviderKey]
    connected: int
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to keep, and what a check found before it came here."""

    provider: str
    secret: str = field(repr=False)
    verdict: str = "untested"
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """A key for one purpose; where there is none to use, whether credits may pay instead."""

    provider: str
    secret: str | None = field(repr=False)
    may_use_credits: bool


class ApiKeys(Protocol):
    """Keys of the five providers."""

    @operation("GET", "/keys", needs=Permission.VIEW)
    async def show(self) -> KeysPage:
        """One row for each provider, in the seed's order."""

    @operation("POST", "/keys", needs=Permission.MANAGE_KEYS, raises=(AlreadyThere, Invalid, NotFound))
    async def add(self, key: NewKey) -> ProviderKey:
        """Keep a key for a provider that has none; the same key is not kept twice."""

    @operation("PUT", "/keys", needs=Permission.MANAGE_KEYS, raises=(AlreadyThere, Invalid, NotFound))
    async def replace(self, key: NewKey) -> ProviderKey:
        """Keep a key instead of the provider's own; the old one is gone."""

    @operation("PATCH", "/keys/{provider}", needs=Permission.MANAGE_KEYS, raises=(NotFound,))
    async def set_enabled(self, provider: str, enabled: bool) -> ProviderKey:
        """Use the key, or leave it unused without letting it go."""

    @operation("PUT", "/keys/{provider}/fallback", needs=Permission.MANAGE_KEYS, raises=(NotFound,))
    async def set_fallback(self, provider: str, never: bool) -> ProviderKey:
        """Never let credits pay for this provider's calls, or let them where no key can."""

    @operation("POST", "/keys/{provider}/verdict", needs=Permission.MANAGE_KEYS, raises=(Invalid, NotFound))
    async def checked(self, provider: str, id: str, verdict: str, note: str = "") -> ProviderKey:
        """Note what a check of the key *id* found; of a key that was replaced meanwhile it says nothing."""

    @operation("DELETE", "/keys/{provider}", needs=Permission.MANAGE_KEYS, raises=(NotFound,))
    async def remove(self, provider: str) -> ProviderKey:
        """Delete the key for good."""

    @operation("POST", "/keys/{provider}/use", needs=Permission.USE_KEYS, raises=(NotFound,))
    async def use(self, provider: str, purpose: Purpose = Purpose.CALL) -> KeyGrant:
        """Hand the decrypted key to the platform; audited, and never to people."""
