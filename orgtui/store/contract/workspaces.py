"""Workspaces: the isolated environments below the organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from orgtui.domain.errors import AlreadyThere, Conflict, Invalid, NotFound, Stale
from orgtui.domain.money import Cost
from orgtui.domain.roles import Permission, WorkspaceRole
from orgtui.store.contract.operation import operation

MOST_ITEMS = 10_000
"""How many workflows and agents one workspace holds at most."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace card; `icon` is a small PNG of its logo. Runs and spend are this month's, None without data."""

    id: str
    name: str
    description: str
    members: int
    workflows: int
    agents: int
    created: datetime
    archived: datetime | None = None
    icon: bytes | None = None
    runs: int | None = None
    spend: Cost | None = None

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}


@dataclass(frozen=True, slots=True)
class WorkspacesPage:
    """All of the Workspaces section; `archived` counts those that are shown only on request."""

    workspaces: list[Workspace]
    archived: int
    month: str
    timezone: str


@dataclass(frozen=True, slots=True)
class WorkspaceMember:
    """One person of a workspace: `role` is the effective one, `source` where it comes from.

    `source` is `organization owner`, `organization admin`, or `workspace` for a role given in the workspace itself.
    """

    email: str
    name: str
    role: WorkspaceRole
    source: str
    since: datetime


@dataclass(frozen=True, slots=True)
class WorkspacePage:
    """A workspace's own settings; what deleting takes away is its inventory, its members and its logo."""

    workspace: Workspace
    logo: bytes | None
    people: list[WorkspaceMember]
    success_rate: float | None
    version: int
    month: str
    timezone: str

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkspace:
    """What a workspace is made of."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceChanges:
    """What a save changes: None leaves a field as it is. `seen` is the version that was on the screen."""

    seen: int
    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the platform says a workspace holds: names of its workflows and agents by their ids; MOST_ITEMS at most."""

    workflows: dict[str, str]
    agents: dict[str, str]


class Workspaces(Protocol):
    """The organization's workspaces; one that is not archived always remains."""

    @operation("GET", "/workspaces", needs=Permission.VIEW)
    async def show(self, archived: bool = False) -> WorkspacesPage:
        """Workspaces by name, the archived ones too where asked for."""

    @operation("GET", "/workspaces/{id}", needs=Permission.VIEW, raises=(NotFound,))
    async def open(self, id: str) -> WorkspacePage:
        """One workspace's own settings."""

    @operation("POST", "/workspaces", needs=Permission.MANAGE_WORKSPACES, raises=(AlreadyThere, Invalid))
    async def create(self, workspace: NewWorkspace) -> Workspace:
        """Make a workspace; names are unique in the organization, whatever their case."""

    @operation(
        "PATCH",
        "/workspaces/{id}",
        needs=Permission.MANAGE_WORKSPACES,
        raises=(AlreadyThere, Invalid, NotFound, Stale),
    )
    async def save(self, id: str, changes: WorkspaceChanges) -> WorkspacePage:
        """Change name or description. Raises Stale with both values when the row moved on since `seen`."""

    @operation("PUT", "/workspaces/{id}/logo", needs=Permission.MANAGE_WORKSPACES, raises=(Invalid, NotFound))
    async def set_logo(self, id: str, image: bytes | None) -> WorkspacePage:
        """Keep the image (square PNG, JPEG or GIF, max 2 MB, re-encoded), or none: the avatar shows again."""

    @operation(
        "PUT", "/workspaces/{id}/members/{email}", needs=Permission.MANAGE_WORKSPACES, raises=(Invalid, NotFound)
    )
    async def set_member(self, id: str, email: str, role: WorkspaceRole, name: str = "") -> WorkspacePage:
        """Give somebody a role in the workspace; owners and admins of the organization have theirs without."""

    @operation(
        "DELETE", "/workspaces/{id}/members/{email}", needs=Permission.MANAGE_WORKSPACES, raises=(Conflict, NotFound)
    )
    async def remove_member(self, id: str, email: str) -> WorkspacePage:
        """Take back a role given in the workspace."""

    @operation("POST", "/workspaces/{id}/archive", needs=Permission.MANAGE_WORKSPACES, raises=(Conflict, NotFound))
    async def archive(self, id: str) -> Workspace:
        """Set it aside: hidden, its name kept, nothing lost."""

    @operation("POST", "/workspaces/{id}/restore", needs=Permission.MANAGE_WORKSPACES, raises=(NotFound,))
    async def restore(self, id: str) -> Workspace:
        """Bring it back."""

    @operation("DELETE", "/workspaces/{id}", needs=Permission.MANAGE_WORKSPACES, raises=(Conflict, Invalid, NotFound))
    async def delete(self, id: str, confirm: str) -> Workspace:
        """Delete it when `confirm` is its exact name. What it ran and cost stays in the organization's figures."""

    @operation("PUT", "/workspaces/{id}/inventory", needs=Permission.SET_INVENTORY, raises=(NotFound, Invalid))
    async def set_inventory(self, id: str, inventory: Inventory, replace: bool = True) -> Workspace:
        """Note what the platform says the workspace holds: all of it, or additions and new names."""
