"""Adds, replaces and tests provider keys: the provider is asked first, so that a refused key changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orgtui.domain.errors import Conflict, Invalid
from orgtui.domain.provider_keys import Shape, shape
from orgtui.domain.providers import keyed, keyless, known
from orgtui.key_check import Kind, Verdict
from orgtui.key_tests import KeyRefused, Outcome
from orgtui.secret import Secret
from orgtui.store.contract import Store
from orgtui.store.contract.api_keys import NewKey, ProviderKey, Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_STORED = ": stored untested."


class Checker(Protocol):
    """What asks a provider about a key, as `orgtui.key_check.KeyChecker` does."""

    async def check(self, provider: str, secret: Secret) -> Verdict: ...


class DemoChecker:
    """Asks nobody, and speaks for the providers: they refuse the key that they refused in the demo, and no other."""

    async def check(self, provider: str, secret: Secret) -> Verdict:
        """The verdict."""
        from orgtui.store.demo import REFUSAL, REFUSED

        name = known(provider).name
        if secret == Secret(REFUSED):
            return Verdict(Kind.INVALID, f"{name} does not accept the key.", REFUSAL)
        return Verdict(Kind.VALID, f"A demo asks nobody; {name} would.", "")


class KeyService:
    """Keys of one organization: *store* is who acts, *platform* hands out what is stored, *checker* asks providers."""

    def __init__(self, store: Store, platform: Store, checker: Checker) -> None:
        self._store, self._platform, self._checker = store, platform, checker

    async def add(self, provider: str, text: str | Secret, *, unchecked: bool = False) -> Outcome:
        """Keep the key in *text* for a provider that has none, unless the provider refuses it.

        With *unchecked* the provider is not asked. Raises Invalid for what is no key, KeyRefused, AlreadyThere,
        NotFound; nothing is kept then.
        """
        pasted = text if isinstance(text, Secret) else Secret(text)
        del text
        if (await self._row(provider)).id is not None:
            raise keyed(known(provider))
        return await self._keep(self._store.api_keys.add, provider, pasted, unchecked, "Nothing was stored.")

    async def replace(self, provider: str, text: str | Secret, *, unchecked: bool = False) -> Outcome:
        """Keep the key in *text* instead of the provider's own, which stays until this one is accepted.

        Otherwise as `add`; raises NotFound where there is none to replace.
        """
        pasted = text if isinstance(text, Secret) else Secret(text)
        del text
        if (await self._row(provider)).id is None:
            raise keyless(known(provider))
        return await self._keep(self._store.api_keys.replace, provider, pasted, unchecked, "The old key stays.")

    async def test(self, provider: str) -> Outcome:
        """Ask the provider about the key that is stored, and note what it said; raises NotFound, Conflict."""
        row = await self._row(provider)
        if row.id is None:
            raise keyless(known(provider))
        if not row.enabled:
            raise Conflict(f"The key of {row.name} is disabled; enable it to test it.")
        secret = Secret((await self._platform.api_keys.use(provider, Purpose.CHECK)).secret or "")
        if not secret.reveal():
            raise Conflict(f"The key of {row.name} was changed meanwhile; test it again.")
        verdict = await self._checker.check(provider, secret)
        now = await self._store.api_keys.checked(provider, row.id, verdict.kind.value, _note(verdict))
        # Nothing is stored here, whatever the provider said.
        return Outcome(now, verdict.words.replace(_STORED, "."))

    async def _row(self, provider: str) -> ProviderKey:
        known(provider)
        page = await self._store.api_keys.show()
        return next(row for row in page.providers if row.provider == provider)

    async def _keep(
        self,
        keep: Callable[[NewKey], Awaitable[ProviderKey]],
        provider: str,
        pasted: Secret,
        unchecked: bool,
        kept: str,
    ) -> Outcome:
        found = _shaped(provider, pasted)
        if unchecked:
            row = await keep(NewKey(provider=provider, secret=found.key))
            return Outcome(row, f"{row.name} was not asked.", found.warnings)
        verdict = await self._checker.check(provider, Secret(found.key))
        if not verdict.may_store:
            raise _refused(verdict, kept)
        key = NewKey(provider=provider, secret=found.key, verdict=verdict.kind.value, note=_note(verdict))
        return Outcome(await keep(key), verdict.words, found.warnings)


def _shaped(provider: str, pasted: Secret) -> Shape:
    try:
        return shape(provider, pasted.reveal())
    except Invalid as error:
        refused = Invalid(error.message, field=error.field)
    # Not raised above: that error's traceback leads to where the text is among the variables.
    raise refused


def _refused(verdict: Verdict, kept: str) -> KeyRefused:
    said = f" ({verdict.detail})" if verdict.detail else ""
    return KeyRefused(f"{verdict.words.rstrip('.')}{said}. {kept}", field="key", verdict=verdict.kind.value)


def _note(verdict: Verdict) -> str:
    """What a row says of it: the provider's own words where it had any."""
    return "" if verdict.kind is Kind.VALID else verdict.detail or verdict.words
