"""Reads of the API Keys section: never what was sealed."""

from __future__ import annotations

from datetime import datetime

from orgtui.domain.months import instant
from orgtui.domain.providers import PROVIDERS, Provider
from orgtui.store.contract.api_keys import KeysPage, ProviderKey
from orgtui.store.sql.queries.general import CONNECTED
from orgtui.store.sql.unit_of_work import Read

_KEYS = """
SELECT provider, id, hint, enabled, added_by, added_at, last_used_at, checked_at, verdict, note
FROM provider_keys WHERE org_id = :org
"""


def show(tx: Read) -> KeysPage:
    """One row for each provider, in the seed's order."""
    org = tx.organization
    kept = {provider: rest for provider, *rest in tx.rows.all(_KEYS, org=org)}
    never = dict(tx.rows.all("SELECT provider, never_fall_back FROM provider_policies WHERE org_id = :org", org=org))
    timezone = tx.rows.value("SELECT timezone FROM organizations WHERE id = :org", org=org)
    rows = [_row(provider, bool(never.get(provider.key)), kept.get(provider.key)) for provider in PROVIDERS]
    return KeysPage(rows, int(tx.rows.value(CONNECTED, org=org)), timezone)


def _row(provider: Provider, never: bool, kept: list[object] | None) -> ProviderKey:
    if kept is None:
        return ProviderKey(provider.key, provider.name, provider.description, never)
    id_, hint, enabled, by, added, used, checked, verdict, note = kept
    return ProviderKey(
        provider.key,
        provider.name,
        provider.description,
        never,
        id=str(id_),
        hint=str(hint),
        enabled=bool(enabled),
        added_by=str(by),
        added=_at(added),
        last_used=_at(used),
        checked=_at(checked),
        verdict=str(verdict),
        note=str(note),
    )


def _at(stored: object) -> datetime | None:
    return instant(stored) if isinstance(stored, int) else None
