"""What usage is made of: runs of workflows and calls of models, and the rules of what counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

SUCCESS, ERROR = "success", "error"
# Modes in which the platform's customers run workflows; n8n's names.
PRODUCTION_MODES = frozenset({"webhook", "trigger", "retry", "chat", "agent"})
_NOT_PRODUCTION = {"integrated": "sub_workflow", "error": "error_workflow", "manual": "manual"}
_OUTCOMES = {
    "success": SUCCESS,
    "error": ERROR,
    "crashed": ERROR,
    "waiting": "waiting",
    "running": "running",
    "new": "running",
    "canceled": "cancelled",
}
FINAL_STATUSES = frozenset({"success", "error", "crashed", "canceled"})


class Funding(StrEnum):
    """Who pays the provider for a call."""

    CREDITS = "credits"
    OWN_KEY = "own_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a workflow, as its source tells it; `(source, id)` is its identity.

    `workspace` is the source's own word for where it belongs (a project, a team), None when it says nothing.
    """

    source: str
    id: str
    status: str
    mode: str
    started_at: datetime
    stopped_at: datetime | None = None
    workflow_id: str | None = None
    workflow: str | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a model, as its source tells it; `(source, id)` is its identity.

    `billed` is what the source charged, `estimated` its list price; both None: unpriced. `provider` is the prefix of
    the model's name. Tokens are as recorded: input includes cached ones, output includes reasoning.
    """

    source: str
    id: str
    at: datetime
    model: str
    provider: str | None = None
    failed: bool = False
    cache_hit: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    billed: Decimal | None = None
    estimated: Decimal | None = None
    currency: str = "USD"
    funding: Funding = Funding.CREDITS
    workspace: str | None = None

    @property
    def cost(self) -> Decimal | None:
        """Billed, else estimated, else None (unpriced)."""
        return self.billed if self.billed is not None else self.estimated


def outcome(status: str, mode: str) -> str:
    """How a run counts: `success` and `error` are counted, any other word is the reason why it is not."""
    if mode not in PRODUCTION_MODES:
        return _NOT_PRODUCTION.get(mode, mode or "unknown")
    return _OUTCOMES.get(status, "unknown")


def is_counted(word: str) -> bool:
    """Whether an outcome is part of Total Runs."""
    return word in (SUCCESS, ERROR)
