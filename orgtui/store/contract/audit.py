"""Audit: who changed what, and the proof that nobody changed that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from orgtui.domain.errors import Invalid
from orgtui.domain.roles import Permission
from orgtui.store.contract.operation import operation

PAGE = 200
LONGEST_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: `role` is the actor's at that moment; `before` and `after` are JSON values."""

    seq: int
    at: datetime
    actor: str
    role: str
    operation: str
    subject: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, the newest first; `total` counts all that match, `next` is the `before` of the page that follows."""

    entries: list[AuditEntry]
    total: int
    next: int | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found: `rows` are sound up to the first problem; `head` is `SEQ:MAC`, to be kept elsewhere."""

    sound: bool
    rows: int
    head: str
    problem: str | None


class Audit(Protocol):
    """The log of changes."""

    @operation("GET", "/audit", needs=Permission.VIEW_AUDIT, raises=(Invalid,))
    async def entries(
        self,
        text: str = "",
        since: date | None = None,
        until: date | None = None,
        before: int | None = None,
        limit: int = PAGE,
    ) -> AuditPage:
        """Entries whose words are all in actor, operation, subject or values; days are the organization's."""

    @operation("GET", "/audit/verification", needs=Permission.VIEW_AUDIT, raises=(Invalid,))
    async def verify(self, head: str | None = None) -> Verification:
        """Check every row, and that they continue from *head*, one that an earlier check answered."""
