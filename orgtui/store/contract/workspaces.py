"""Workspaces: the isolated environments below the organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orgtui.domain.errors import AlreadyThere, Invalid, NotFound
from orgtui.domain.roles import Permission
from orgtui.store.contract.operation import operation


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace card."""

    id: str
    name: str
    description: str
    workflows: int
    agents: int
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkspace:
    """What a workspace is made of."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the platform says a workspace holds: ids and names of its workflows and agents."""

    workflows: dict[str, str]
    agents: dict[str, str]


class Workspaces(Protocol):
    """The organization's workspaces."""

    @operation("GET", "/workspaces", needs=Permission.VIEW)
    async def cards(self) -> list[Workspace]:
        """All workspaces by name."""

    @operation("POST", "/workspaces", needs=Permission.MANAGE_WORKSPACES, raises=(AlreadyThere, Invalid))
    async def create(self, workspace: NewWorkspace) -> Workspace:
        """Make a workspace; names are unique in the organization, whatever their case."""

    @operation(
        "PUT", "/workspaces/{workspace}/inventory", needs=Permission.MANAGE_WORKSPACES, raises=(NotFound, Invalid)
    )
    async def set_inventory(self, workspace: str, inventory: Inventory) -> Workspace:
        """Replace what the platform says the workspace holds."""
