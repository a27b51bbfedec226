"""Coming in without a token yet, by an identity provider's word or by an invitation: declared for whoever asks."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import ClassVar, Protocol

from orgtui.domain.errors import Forbidden, Invalid, NotFound, Unreachable
from orgtui.secret import Secret
from orgtui.store.contract.access import NewSecret
from orgtui.store.contract.operation import operation
from orgtui.store.contract.team import Member


class SignInRefused(Forbidden):
    """The proof of who signs in is not valid, or they are nobody here."""

    code: ClassVar[str] = "sign_in_refused"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where people sign in: the identity provider's URL, and the id by which it knows orgtui."""

    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Who has just accepted an invitation; `token` is to come in with, None where one signs in instead."""

    member: Member
    token: NewSecret | None


def nonce_for(url: str) -> str:
    """What a sign-in for the server at *url* is marked with, so that no other server can pass it on."""
    digest = hashlib.sha256(f"orgtui sign-in {url.rstrip('/').lower()}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class SignIn(Protocol):
    """From a proof to a token; whoever asks has the proof, and needs no token."""

    @operation("GET", "/sign-in", needs=None, raises=(NotFound,))
    async def provider(self) -> Provider:
        """Where people sign in; raises NotFound where only tokens open this server."""

    @operation("POST", "/sign-in", needs=None, raises=(NotFound, SignInRefused, Unreachable))
    async def enter(self, id_token: Secret) -> NewSecret:
        """A token for the member whose e-mail address the provider's ID token holds; each ID token opens once."""

    @operation("POST", "/sign-in/invitation", needs=None, raises=(NotFound, Invalid), keyed=True)
    async def join(self, code: str, name: str) -> Joined:
        """Accept an invitation, and be let in: with a token of one's own, or else one signs in from now on."""
