"""Reads of the API Keys section: never what was sealed."""

from __future__ import annotations

from orgtui.domain.months import instant
from orgtui.domain.providers import PROVIDERS
from orgtui.store.contract.api_keys import ProviderKey
from orgtui.store.sql.unit_of_work import Read


def keys(tx: Read) -> list[ProviderKey]:
    """One row for each provider."""
    found = {
        provider: ProviderKey(provider, hint, added_by, instant(added))
        for provider, hint, added_by, added in tx.rows.all(
            "SELECT provider, hint, added_by, added_at FROM provider_keys WHERE org_id = :org", org=tx.organization
        )
    }
    return [found.get(provider.key, ProviderKey(provider.key, None, None, None)) for provider in PROVIDERS]
