"""API Keys: the organization's own keys of the model providers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orgtui.domain.errors import AlreadyThere, Invalid
from orgtui.domain.roles import Permission
from orgtui.store.contract.operation import operation


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """One provider's row; `hint` and what follows are None while no key is there."""

    provider: str
    hint: str | None
    added_by: str | None
    added: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as the store receives it: sealed by the vault, never in clear."""

    id: str
    provider: str
    hint: str
    fingerprint: str
    sealed: str


class ApiKeys(Protocol):
    """Keys of the five providers."""

    @operation("GET", "/keys", needs=Permission.VIEW)
    async def keys(self) -> list[ProviderKey]:
        """One row for each provider, in the seed's order."""

    @operation("POST", "/keys", needs=Permission.MANAGE_KEYS, raises=(AlreadyThere, Invalid))
    async def add(self, key: NewKey) -> ProviderKey:
        """Keep a sealed key."""
