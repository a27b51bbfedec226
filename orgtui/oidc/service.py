"""Signing in, above the store: who proves an address of a member is given a token by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Forbidden, KeyReused, NotFound
from orgtui.secret import Secret
from orgtui.settings import Oidc
from orgtui.sign_in import Provider, SignInRefused
from orgtui.store.contract import Store
from orgtui.store.contract.access import NewSecret, SignedIn
from orgtui.store.contract.operation import idempotency_key

if TYPE_CHECKING:
    from orgtui.oidc.proofs import Verifier


class SignInService:
    """The `SignIn` of a server; *platform* is the store that makes tokens for who is proven to be a member."""

    def __init__(self, oidc: Oidc, verifier: Verifier, platform: Store, ambient: Ambient) -> None:
        self._oidc, self._verifier, self._platform, self._ambient = oidc, verifier, platform, ambient

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


class NoSignIn:
    """The same where no identity provider is set up."""

    async def provider(self) -> Provider:
        """Nowhere."""
        raise NotFound("No identity provider is set up here; come with a token.")

    async def enter(self, id_token: Secret) -> NewSecret:
        """For nobody."""
        raise NotFound("No identity provider is set up here; come with a token.")
