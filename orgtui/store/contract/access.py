"""Access: the tokens by which people and programs come in through a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from orgtui.domain.errors import Forbidden, Invalid, NotFound
from orgtui.domain.roles import PERMISSIONS, PLATFORM_TOKEN_PERMISSIONS, READING_PERMISSIONS, Permission, Role
from orgtui.store.contract.operation import STRICT, operation

SHORTEST_DAYS, DAYS, LONGEST_DAYS = 1, 90, 366
# Of a token for who signed in: the identity provider is asked again that often whether they are still who they were.
SIGNED_IN_DAYS = 30


class Kind(StrEnum):
    """Who a token is for: its maker, the platform itself, or a program that only reads."""

    PERSON = "person"
    PLATFORM = "platform"
    AUTOMATION = "automation"


OWNERS_ONLY = "Only an owner can make a token for the platform."
PREFIXES = {Kind.PERSON: "orgtui_pat_", Kind.PLATFORM: "orgtui_plt_", Kind.AUTOMATION: "orgtui_aut_"}


def bounds(kind: Kind, role: Role) -> frozenset[Permission]:
    """All that a token of *kind* may when who made it has *role*."""
    if kind is Kind.PLATFORM:
        return PLATFORM_TOKEN_PERMISSIONS if role is Role.OWNER else frozenset()
    return PERMISSIONS[role] & READING_PERMISSIONS if kind is Kind.AUTOMATION else PERMISSIONS[role]


@dataclass(frozen=True, slots=True)
class Token:
    """A token that works, or has lapsed: `scopes` are what it may at most, `role` is its maker's as it is now.

    A person's token may what its maker may at the moment it is used, within its scopes. `made_with` is the id of the
    token by which the maker had come: revoked, it takes this one along.
    """

    id: str
    kind: Kind
    name: str
    scopes: tuple[Permission, ...]
    maker: str
    role: Role
    created: datetime
    expires: datetime
    expired: bool
    last_used: datetime | None
    made_with: str | None


@dataclass(frozen=True, slots=True)
class TokensPage:
    """All tokens, the newest first."""

    tokens: list[Token]
    timezone: str

    def going_with(self, id: str) -> list[Token]:
        """Those that are revoked with one: made with it, and with those in turn."""
        made = dict[str | None, list[Token]]()
        for token in self.tokens:
            made.setdefault(token.made_with, []).append(token)
        found = list(made.get(id, []))
        # The list grows while it is walked: a chain may be longer than a program calls itself.
        for token in found:
            found += made.get(token.id, [])
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """What a token is made of; without `scopes` it may all that its kind and its maker may."""

    name: str
    kind: Kind = Kind.PERSON
    scopes: tuple[Permission, ...] = ()
    days: int = DAYS

    __pydantic_config__: ClassVar = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody whose address an identity provider vouches for, or the invitation that was sent there.

    `issuer` is the provider's URL, None for an invitation that was accepted just now.

    `attempt` is another each time: under an idempotency key made from the proof, a proof that comes again is refused as
    another request, where it would else be answered as before.
    """

    email: str
    issuer: str | None
    attempt: str

    __pydantic_config__: ClassVar = STRICT


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A token just made; `secret` is shown this once and stored only as a keyed hash."""

    token: Token
    secret: str = field(repr=False)


class Access(Protocol):
    """Tokens. None is wider than its maker's role, when it is made and whenever it is used."""

    @operation("GET", "/tokens", needs=Permission.MANAGE_ACCESS)
    async def show(self) -> TokensPage:
        """Everybody's tokens; those of people who are gone are worthless, and not listed."""

    @operation("POST", "/tokens", needs=Permission.MANAGE_ACCESS, raises=(Forbidden, Invalid))
    async def create(self, token: NewToken) -> NewSecret:
        """Make a token for oneself, for a program that reads, or, as an owner, for the platform."""

    @operation("POST", "/tokens/signed-in", needs=Permission.ADMIT_MEMBERS, raises=(Forbidden,))
    async def admit(self, person: SignedIn) -> NewSecret:
        """Make a token in the name of the member who signed in; raises Forbidden where there is no such member."""

    @operation("DELETE", "/tokens/{id}", needs=Permission.MANAGE_ACCESS, raises=(Forbidden, NotFound))
    async def revoke(self, id: str) -> Token:
        """Make a token worthless from now on, and with it every token that was made with it."""
