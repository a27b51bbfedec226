"""Checks ID tokens: by the keys that the issuer publishes, for this client, fresh, and of a verified address."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jwk, jws, jwt
from joserfc.errors import ClaimError, JoseError

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Unreachable
from orgtui.oidc.issuer import Document, Issuer
from orgtui.secret import Secret
from orgtui.sign_in import SignInRefused, nonce_for

# What may have signed, and with which kind of key: a public key is no secret for HS256, and none is no signature.
_ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC"}
_LEEWAY, _FRESH = 60, 600
# Keys are fetched again when they are old, or when one is not among them; never more often than the pause.
_OLD, _PAUSE = timedelta(hours=1), timedelta(seconds=10)
_LONGEST, _MOST_KEYS = 16_384, 100
_INVALID = "This sign-in is not valid; begin anew."
_CLAIMS = {
    "iss": "This sign-in is from another identity provider than this server's.",
    "aud": "This sign-in was made for another application.",
    "exp": "This sign-in has lapsed; begin anew.",
    "iat": "This sign-in is too old, or from the future: are the clocks right?",
    "nbf": "This sign-in is from the future: are the clocks right?",
}


@dataclass(frozen=True, slots=True)
class Proven:
    """Who somebody is; `digest` tells one proof from any other, however its signature is written."""

    email: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Key:
    """A key as it was published; `kid` may be missing."""

    kid: str | None
    kind: str
    key: Any


class Verifier:
    """Knows the issuer's keys. With a *public_url* a proof that is marked for another server is refused."""

    def __init__(self, issuer: Issuer, client_id: str, ambient: Ambient, public_url: str | None) -> None:
        self._issuer, self._client_id, self._ambient, self._public_url = issuer, client_id, ambient, public_url
        self._turn, self._keys = asyncio.Lock(), list[_Key]()
        self._fetched: datetime | None = None
        self._tried: datetime | None = None

    async def proven(self, id_token: Secret) -> Proven:
        """Who the token is about; raises SignInRefused, Unreachable."""
        text = id_token.reveal()
        header = _header(text)
        claims = _signed(text, await self._key(header))
        self._check(claims)
        return Proven(self._address(claims), hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest())

    def _check(self, claims: Document) -> None:
        """What an ID token must say (OpenID Connect Core 3.1.3.7); raises SignInRefused."""
        now = int(self._ambient.now().timestamp())
        wanted = jwt.JWTClaimsRegistry(
            now,
            _LEEWAY,
            iss={"essential": True, "value": self._issuer.url},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            wanted.validate(claims)
        except ClaimError as error:
            raise SignInRefused(_CLAIMS.get(error.claim, _INVALID)) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client_id) != self._client_id:
            raise SignInRefused(_CLAIMS["aud"])
        if not now - claims["iat"] <= _FRESH:
            raise SignInRefused(_CLAIMS["iat"])
        if self._public_url and claims.get("nonce", nonce_for(self._public_url)) != nonce_for(self._public_url):
            raise SignInRefused(f"This sign-in was made for another server; log in to {self._public_url}")

    def _address(self, claims: Document) -> str:
        email = claims.get("email")
        # What holds a NUL, or half a character, no store is asked about.
        if not isinstance(email, str) or not email or not email.isprintable():
            raise SignInRefused(f"{self._issuer.host} does not tell your e-mail address.")
        if claims.get("email_verified") is not True:
            raise SignInRefused(f"{self._issuer.host} has not verified your e-mail address.")
        return email

    async def _key(self, header: Document) -> Any:
        """The key that a token says it is signed with, when the issuer has it."""
        async with self._turn:
            if self._fetched is None or self._ambient.now() - self._fetched > _OLD:
                await self._fetch()
            found = _fitting(self._keys, header)
            if found is None and not self._just_tried():
                # As after the issuer has changed its keys.
                await self._fetch()
                found = _fitting(self._keys, header)
        if found is None:
            raise SignInRefused(_INVALID)
        return found.key

    def _just_tried(self) -> bool:
        """Whether it is too early to ask the issuer again, which anybody can make us do."""
        return self._tried is not None and self._ambient.now() - self._tried < _PAUSE

    async def _fetch(self) -> None:
        """Renew the keys; raises Unreachable."""
        if self._just_tried():
            raise Unreachable(f"{self._issuer.host} did not tell its keys a moment ago; try again soon.")
        try:
            document = await self._issuer.described()
            published = await self._issuer.get(self._issuer.place(document, "jwks_uri"))
        finally:
            self._tried = self._ambient.now()
        keys = list(_keys(published))
        if not keys:
            raise Unreachable(f"{self._issuer.host} publishes no key that could be used.")
        self._keys, self._fetched = keys, self._tried


def _header(text: str) -> Document:
    """The header of a token that may be one of ours; nothing in it is believed yet."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        header: Document = jws.extract_compact(text.encode("ascii")).headers()
        algorithm = header["alg"]
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise SignInRefused(_INVALID) from None
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise SignInRefused(_INVALID)
    return header


def _signed(text: str, key: Any) -> Document:
    """The claims, which were signed with *key*."""
    try:
        return jwt.decode(text, key, algorithms=list(_ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignInRefused(_INVALID) from None


def _fitting(keys: list[_Key], header: Document) -> _Key | None:
    """The key that *header* names; where it names none, the only one there is of that kind."""
    kind = _ALGORITHMS[header["alg"]]
    found = [key for key in keys if key.kind == kind and ("kid" not in header or key.kid == header["kid"])]
    return found[0] if len(found) == 1 else None


def _keys(published: Document) -> Iterator[_Key]:
    """Those that sign with what we know; others are there for others."""
    entries = published.get("keys")
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("kty") in _ALGORITHMS.values() and entry.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, TypeError, KeyError):
                yield _Key(entry.get("kid"), entry["kty"], jwk.import_key(entry))
