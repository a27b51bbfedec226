"""General: who the organization is, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from orgtui.domain.attention import Attention
from orgtui.domain.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from orgtui.domain.money import Cost
from orgtui.domain.roles import Permission, Role
from orgtui.store.contract.operation import operation

DESCRIPTION_LIMIT = 280


@dataclass(frozen=True, slots=True)
class Overview:
    """What the frame around every section shows; `attention` is what billing wants seen to."""

    organization_id: str
    name: str
    plan: str
    actor: str
    role: Role
    timezone: str
    pending: int
    keys_connected: int
    workspaces: int
    attention: tuple[Attention, ...] = ()


@dataclass(frozen=True, slots=True)
class Losses:
    """What deleting the organization would take away; `plan` is that of a subscription which must be ended first."""

    workspaces: int
    workflows: int
    agents: int
    members: int
    invitations: int
    api_keys: int
    runs: int
    calls: int
    credits: Cost
    plan: str | None


@dataclass(frozen=True, slots=True)
class GeneralPage:
    """All of the General section. `members` counts Active and Invited; `created` is an instant in UTC."""

    organization_id: str
    name: str
    description: str
    logo: bytes | None
    members: int
    workspaces: int
    created: datetime
    timezone: str
    version: int
    losses: Losses

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralChanges:
    """What a save changes: None leaves a field as it is. `seen` is the version that was on the screen."""

    seen: int
    name: str | None = None
    description: str | None = None


class General(Protocol):
    """Identity of the organization."""

    @operation("GET", "/overview", needs=Permission.VIEW)
    async def overview(self) -> Overview:
        """What the frame shows: names, role, notices."""

    @operation("GET", "/revision", needs=Permission.VIEW)
    async def revision(self) -> int:
        """A number that grows with every change of the organization; cheap to ask."""

    @operation("GET", "/general", needs=Permission.VIEW)
    async def show(self) -> GeneralPage:
        """The whole General section."""

    @operation("PATCH", "/general", needs=Permission.EDIT_ORGANIZATION, raises=(Invalid, Stale))
    async def save(self, changes: GeneralChanges) -> GeneralPage:
        """Change name or description. Raises Stale with both values when the row moved on since `seen`."""

    @operation("PUT", "/general/logo", needs=Permission.EDIT_ORGANIZATION, raises=(Invalid,))
    async def set_logo(self, image: bytes | None) -> GeneralPage:
        """Keep the image (square PNG, JPEG or GIF, max 2 MB, re-encoded), or none: the avatar shows again."""

    @operation(
        "DELETE", "/general", needs=Permission.DELETE_ORGANIZATION, raises=(Conflict, Forbidden, Invalid, NotFound)
    )
    async def delete(self, confirm: str) -> Losses:
        """Delete the organization and everything in it, when `confirm` is its exact name. Answers what was lost.

        Raises Conflict while a subscription runs, which would go on to be charged.
        """
