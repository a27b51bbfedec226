"""What an organization can be asked and told: every operation is declared here, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orgtui.store.contract.access import Access
    from orgtui.store.contract.api_keys import ApiKeys
    from orgtui.store.contract.audit import Audit
    from orgtui.store.contract.billing import Billing
    from orgtui.store.contract.general import General
    from orgtui.store.contract.team import Team
    from orgtui.store.contract.usage import Usage
    from orgtui.store.contract.workspaces import Workspaces


class _Contracts(Mapping[str, type[Any]]):
    """The contracts by section, each imported when it is first asked for: the first screen needs one of them."""

    _names = {
        "general": "General",
        "team": "Team",
        "usage": "Usage",
        "billing": "Billing",
        "api_keys": "ApiKeys",
        "workspaces": "Workspaces",
        "access": "Access",
        "audit": "Audit",
    }

    def __getitem__(self, section: str) -> type[Any]:
        contract: type[Any] = getattr(import_module(f"{__name__}.{section}"), self._names[section])
        return contract

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


CONTRACTS = _Contracts()


class Store:
    """The sections of an organization, whatever keeps them: *make* derives a contract's face when it is first used.

    `label` is what the footer calls it.
    """

    def __init__(self, make: Callable[[type[Any]], Any], label: str = "local") -> None:
        self._make, self.label = make, label

    @cached_property
    def general(self) -> General:
        """Identity of the organization."""
        section: General = self._make(CONTRACTS["general"])
        return section

    @cached_property
    def team(self) -> Team:
        """Members and invitations."""
        section: Team = self._make(CONTRACTS["team"])
        return section

    @cached_property
    def usage(self) -> Usage:
        """Runs, tokens and cost."""
        section: Usage = self._make(CONTRACTS["usage"])
        return section

    @cached_property
    def billing(self) -> Billing:
        """The plan, the credits and what is paid."""
        section: Billing = self._make(CONTRACTS["billing"])
        return section

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Keys of the five providers."""
        section: ApiKeys = self._make(CONTRACTS["api_keys"])
        return section

    @cached_property
    def workspaces(self) -> Workspaces:
        """The organization's workspaces."""
        section: Workspaces = self._make(CONTRACTS["workspaces"])
        return section

    @cached_property
    def access(self) -> Access:
        """The tokens that open a server."""
        section: Access = self._make(CONTRACTS["access"])
        return section

    @cached_property
    def audit(self) -> Audit:
        """The log of changes."""
        section: Audit = self._make(CONTRACTS["audit"])
        return section
