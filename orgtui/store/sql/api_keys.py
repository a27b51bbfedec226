"""Writes of the API Keys section: only sealed keys come this far."""

from __future__ import annotations

from orgtui.domain.errors import AlreadyThere, Invalid
from orgtui.domain.months import micros
from orgtui.domain.providers import BY_KEY
from orgtui.store.contract import api_keys as contract
from orgtui.store.sql.tables import ProviderKey
from orgtui.store.sql.unit_of_work import Write


def add(tx: Write, key: contract.NewKey) -> contract.ProviderKey:
    """Keep a sealed key for a provider that has none."""
    if key.provider not in BY_KEY:
        raise Invalid(f"“{key.provider}” is not one of {', '.join(BY_KEY)}.", field="provider")
    if tx.rows.one(
        "SELECT 1 FROM provider_keys WHERE org_id = :org AND provider = :provider",
        org=tx.organization,
        provider=key.provider,
    ):
        raise AlreadyThere(f"{BY_KEY[key.provider].name} has a key already; replace it.", field="provider")
    row = ProviderKey(
        org_id=tx.organization,
        id=key.id,
        provider=key.provider,
        hint=key.hint,
        fingerprint=key.fingerprint,
        sealed=key.sealed,
        added_by=tx.actor,
        added_at=micros(tx.now),
    )
    tx.session.add(row)
    tx.audit(row.id, after={"provider": row.provider, "hint": row.hint})
    return contract.ProviderKey(row.provider, row.hint, row.added_by, tx.now)
