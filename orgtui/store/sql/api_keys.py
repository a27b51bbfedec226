"""Writes of the API Keys section: here keys are sealed, and opened for the platform alone."""

from __future__ import annotations

from sqlmodel import select

from orgtui.domain.errors import AlreadyThere, Invalid
from orgtui.domain.months import micros
from orgtui.domain.provider_keys import LONGEST
from orgtui.domain.providers import BY_KEY, VERDICTS, Provider, keyed, keyless, known
from orgtui.domain.text import clean, harmless
from orgtui.secret import Secret, mask
from orgtui.store.contract import api_keys as contract
from orgtui.store.sql.queries import api_keys as queries
from orgtui.store.sql.tables import ProviderKey, ProviderPolicy
from orgtui.store.sql.unit_of_work import Write
from orgtui.vault import Binding

_NOTE = 240


def add(tx: Write, key: contract.NewKey) -> contract.ProviderKey:
    """The first key of a provider."""
    provider = known(key.provider)
    if _found(tx, provider):
        raise keyed(provider)
    row = _sealed(tx, key)
    tx.session.add(row)
    tx.audit(row.id, after=_told(row))
    return _seen(tx, provider)


def replace(tx: Write, key: contract.NewKey) -> contract.ProviderKey:
    """Another key in the place of the one that is there, at once."""
    provider = known(key.provider)
    old = _key(tx, provider)
    row = _sealed(tx, key)
    _forget(tx, old)
    tx.session.add(row)
    tx.audit(row.id, before=_told(old), after=_told(row))
    return _seen(tx, provider)


def set_enabled(tx: Write, provider: str, enabled: bool) -> contract.ProviderKey:
    """In use, or not."""
    whose = known(provider)
    row = _key(tx, whose)
    if row.enabled == enabled:
        tx.unchanged()
        return _seen(tx, whose)
    tx.audit(row.id, before={"enabled": row.enabled}, after={"enabled": enabled, "provider": provider})
    row.enabled = enabled
    return _seen(tx, whose)


def set_fallback(tx: Write, provider: str, never: bool) -> contract.ProviderKey:
    """Whether credits may pay, with a key or without one."""
    whose = known(provider)
    row = tx.session.get(ProviderPolicy, (tx.organization, provider))
    before = row.never_fall_back if row else False
    if before == never:
        tx.unchanged()
        return _seen(tx, whose)
    if row:
        row.never_fall_back = never
    else:
        tx.session.add(ProviderPolicy(org_id=tx.organization, provider=provider, never_fall_back=never))
    tx.audit(provider, before={"never_fall_back": before}, after={"never_fall_back": never})
    return _seen(tx, whose)


def checked(tx: Write, provider: str, id: str, verdict: str, note: str = "") -> contract.ProviderKey:
    """What a check found, unless it was of another key."""
    whose = known(provider)
    row = _key(tx, whose)
    verdict = _verdict(verdict)
    if row.id != id:
        tx.unchanged()
        return _seen(tx, whose)
    before = {"verdict": row.verdict, "note": row.note}
    row.verdict, row.note, row.checked_at = verdict, _note(note), micros(tx.now)
    tx.audit(id, before=before, after={"verdict": row.verdict, "note": row.note, "provider": provider})
    return _seen(tx, whose)


def remove(tx: Write, provider: str) -> contract.ProviderKey:
    """Gone for good."""
    whose = known(provider)
    row = _key(tx, whose)
    _forget(tx, row)
    tx.audit(row.id, before=_told(row))
    return _seen(tx, whose)


def use(tx: Write, provider: str, purpose: contract.Purpose = contract.Purpose.CALL) -> contract.KeyGrant:
    """The key in clear, where there is one in use."""
    whose = known(provider)
    row = _found(tx, whose)
    policy = tx.session.get(ProviderPolicy, (tx.organization, provider))
    granted = row is not None and row.enabled
    told = {"provider": provider, "purpose": purpose.value, "granted": granted}
    tx.audit(row.id if row else provider, after=told)
    may_use_credits = not (policy and policy.never_fall_back)
    if row is None or not granted:
        return contract.KeyGrant(provider, None, may_use_credits)
    if purpose == contract.Purpose.CALL:
        row.last_used_at = micros(tx.now)
    return contract.KeyGrant(provider, tx.vault.open(row.sealed, _binding(tx, row)), may_use_credits)


# Rows.


def _found(tx: Write, provider: Provider) -> ProviderKey | None:
    statement = select(ProviderKey).where(ProviderKey.org_id == tx.organization, ProviderKey.provider == provider.key)
    return tx.session.exec(statement).first()


def _key(tx: Write, provider: Provider) -> ProviderKey:
    if (row := _found(tx, provider)) is None:
        raise keyless(provider)
    return row


def _seen(tx: Write, provider: Provider) -> contract.ProviderKey:
    return next(row for row in queries.show(tx.read()).providers if row.provider == provider.key)


def _told(row: ProviderKey) -> dict[str, object]:
    return {"provider": row.provider, "hint": row.hint, "verdict": row.verdict}


def _forget(tx: Write, row: ProviderKey) -> None:
    """Take it out at once, and with it the answers in which the platform was given it."""
    tx.session.delete(row)
    tx.rows.run("DELETE FROM idempotency_keys WHERE org_id = :org AND operation = 'api_keys.use'", org=tx.organization)


# Keys.


def _sealed(tx: Write, key: contract.NewKey) -> ProviderKey:
    """A new row for it, sealed to where it stands."""
    secret = _checked(Secret(key.secret))
    fingerprint = tx.vault.fingerprint(secret)
    _only_here(tx, fingerprint)
    verdict = _verdict(key.verdict)
    row = ProviderKey(
        org_id=tx.organization,
        id=tx.ambient.new_id("key"),
        provider=key.provider,
        hint=mask(secret),
        fingerprint=fingerprint,
        sealed="",
        added_by=tx.actor,
        added_at=micros(tx.now),
        checked_at=None if verdict == "untested" else micros(tx.now),
        verdict=verdict,
        note=_note(key.note),
    )
    row.sealed = tx.vault.seal(secret, _binding(tx, row))
    return row


def _checked(secret: Secret) -> Secret:
    text = secret.reveal()
    fits, sendable = 0 < len(text) <= LONGEST, harmless(text) and " " not in text
    del text
    if not fits:
        raise Invalid(f"A key has 1 to {LONGEST} characters.", field="key")
    if not sendable:
        raise Invalid("The key contains characters that no key has; copy it again.", field="key")
    return secret


def _only_here(tx: Write, fingerprint: str) -> None:
    provider = tx.rows.value(
        "SELECT provider FROM provider_keys WHERE org_id = :org AND fingerprint = :fingerprint",
        org=tx.organization,
        fingerprint=fingerprint,
    )
    if provider is not None:
        raise AlreadyThere(f"This is the key that {BY_KEY[provider].name} has already.", field="key")


def _binding(tx: Write, row: ProviderKey) -> Binding:
    return Binding(tx.organization, row.provider, row.id)


def _verdict(word: str) -> str:
    if word not in VERDICTS:
        raise Invalid(f"A check finds one of {', '.join(sorted(VERDICTS))}.", field="verdict")
    return word


def _note(text: str) -> str:
    return clean(text)[:_NOTE]
