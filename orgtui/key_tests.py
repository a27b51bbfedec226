"""Keys with a question to their provider: declared for whoever asks it, here or on a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from orgtui.domain.errors import AlreadyThere, Conflict, Invalid, NotFound, OrgtuiError
from orgtui.domain.roles import Permission
from orgtui.key_check import Kind
from orgtui.secret import Secret
from orgtui.store.contract.api_keys import ProviderKey
from orgtui.store.contract.operation import operation


class KeyRefused(OrgtuiError):
    """The provider refused the key, and nothing was changed."""

    code: ClassVar[str] = "key_refused"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True)
class Outcome:
    """The provider's row as it is now, the sentence that the check ended with, and what is odd about the key."""

    key: ProviderKey
    words: str
    warnings: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the provider accepts the key."""
        return self.key.verdict == Kind.VALID


class KeyTests(Protocol):
    """The provider is asked first, so that a refused key changes nothing."""

    @operation(
        "POST",
        "/key-tests/{provider}/new",
        needs=Permission.MANAGE_KEYS,
        raises=(AlreadyThere, Invalid, KeyRefused, NotFound),
    )
    async def add(self, provider: str, text: Secret, *, unchecked: bool = False) -> Outcome:
        """Keep the key in `text` for a provider that has none, unless the provider refuses it.

        With `unchecked` the provider is not asked. Raises Invalid for what is no key; nothing is kept then.
        """

    @operation(
        "PUT",
        "/key-tests/{provider}/new",
        needs=Permission.MANAGE_KEYS,
        raises=(AlreadyThere, Invalid, KeyRefused, NotFound),
    )
    async def replace(self, provider: str, text: Secret, *, unchecked: bool = False) -> Outcome:
        """Keep the key in `text` instead of the provider's own, which stays until this one is accepted."""

    @operation("POST", "/key-tests/{provider}", needs=Permission.MANAGE_KEYS, raises=(Conflict, NotFound))
    async def test(self, provider: str) -> Outcome:
        """Ask the provider about the key that is stored, and note what it said; raises NotFound, Conflict."""
