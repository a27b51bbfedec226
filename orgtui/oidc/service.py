"""Signing in, above the store: who proves an address of a member is given a token by it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Forbidden, KeyReused, NotFound
from orgtui.secret import Secret
from orgtui.settings import Oidc
from orgtui.sign_in import Joined, Provider, SignInRefused
from orgtui.store.contract import Store
from orgtui.store.contract.access import NewSecret, SignedIn
from orgtui.store.contract.operation import current_key, idempotency_key

if TYPE_CHECKING:
    from orgtui.oidc.proofs import Verifier


class SignInService:
    """The `SignIn` of a server with an identity provider.

    *outside* is the store for who is nobody yet; *platform* makes tokens for who is proven to be a member.
    """

    def __init__(self, oidc: Oidc, verifier: Verifier, outside: Store, platform: Store, ambient: Ambient) -> None:
        self._oidc, self._verifier, self._ambient = oidc, verifier, ambient
        self._outside, self._platform = outside, platform

    async def provider(self) -> Provider:
        """Where people sign in."""
        return Provider(self._oidc.issuer, self._oidc.client_id)

    async def enter(self, id_token: Secret) -> NewSecret:
        """A token. That a proof was used the store knows for a day, on every server; it is believed for minutes."""
        found = await self._verifier.proven(id_token)
        person = SignedIn(email=found.email, issuer=self._oidc.issuer, attempt=self._ambient.random(16).hex())
        try:
            with idempotency_key(f"sign-in:{found.digest}"):
                return await self._platform.access.admit(person)
        except KeyReused:
            raise SignInRefused("This sign-in was used already; begin anew.") from None
        except Forbidden as error:
            raise SignInRefused(error.message) from None

    async def join(self, code: str, name: str) -> Joined:
        """In, but not yet known to be the person: that is for the provider to say."""
        return Joined(await self._outside.team.join(code, name), None)


class NoSignIn:
    """The same where no identity provider is set up: who had an invitation is whom it was sent to."""

    def __init__(self, outside: Store, platform: Store) -> None:
        self._outside, self._platform = outside, platform

    async def provider(self) -> Provider:
        """Nowhere."""
        raise NotFound("No identity provider is set up here; come with a token.")

    async def enter(self, id_token: Secret) -> NewSecret:
        """For nobody."""
        raise NotFound("No identity provider is set up here; come with a token.")

    async def join(self, code: str, name: str) -> Joined:
        """A token; who did not hear the answer and asks with the same key is told it again."""
        member = await self._outside.team.join(code, name)
        person = SignedIn(email=member.email, issuer=None, attempt=member.id)
        with idempotency_key(f"{current_key()}:token") if current_key() else nullcontext():
            return Joined(member, await self._platform.access.admit(person))
