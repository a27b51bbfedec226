"""Reads of the Workspaces section: a handful of grouped questions, however many workspaces there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from orgtui.domain.errors import NotFound
from orgtui.domain.money import EXACT, ZERO, Cost
from orgtui.domain.months import Month, instant, local_day, zone
from orgtui.domain.roles import WorkspaceRole
from orgtui.domain.usage import SUCCESS, Funding, is_counted
from orgtui.store.contract.workspaces import Workspace, WorkspaceMember, WorkspacePage, WorkspacesPage
from orgtui.store.sql.unit_of_work import Read

MISSING = "There is no such workspace."
_CARDS = """
SELECT id, name, description, created_at, archived_at, icon FROM workspaces
WHERE org_id = :org AND deleted_at IS NULL
"""
_MEMBERS = "SELECT email_key, email, name, role, joined_at FROM members WHERE org_id = :org"
_GIVEN = """
SELECT email_key, email, name, role, added_at FROM workspace_members
WHERE org_id = :org AND workspace_id = :workspace
"""
_GUESTS = """
SELECT workspace_id, count(*) FROM workspace_members AS given
WHERE org_id = :org AND NOT EXISTS (
    SELECT 1 FROM members WHERE members.org_id = given.org_id AND members.email_key = given.email_key
)
"""
_HELD = "SELECT workspace_id, kind, count(*) FROM inventory WHERE org_id = :org"
_RUNS = """
SELECT workspace_id, outcome, sum(runs) FROM run_days WHERE org_id = :org AND day BETWEEN :first AND :last
"""
_CALLS = """
SELECT workspace_id, funding, unpriced_calls, credits FROM call_days
WHERE org_id = :org AND day BETWEEN :first AND :last
"""


def show(tx: Read, archived: bool = False) -> WorkspacesPage:
    """Cards by name."""
    timezone, currency, month = _settings(tx)
    cards = _cards(tx, month, currency)
    # Not in SQL: each database has its own idea of the alphabet.
    cards.sort(key=lambda card: (card.name.casefold(), card.id))
    shown = [card for card in cards if archived or card.archived is None]
    return WorkspacesPage(shown, sum(card.archived is not None for card in cards), str(month), timezone)


def open(tx: Read, id: str) -> WorkspacePage:  # noqa: A001 (the operation's name)
    """One workspace with its people."""
    kept = tx.rows.one(
        "SELECT logo, version FROM workspaces WHERE org_id = :org AND id = :workspace AND deleted_at IS NULL",
        org=tx.organization,
        workspace=id,
    )
    if kept is None:
        raise NotFound(MISSING)
    logo, version = kept
    timezone, currency, month = _settings(tx)
    (shown,) = _cards(tx, month, currency, id)
    runs = _runs(tx, month, id)[id]
    counted = sum(count for word, count in runs.items() if is_counted(word))
    return WorkspacePage(
        workspace=shown,
        logo=_image(logo),
        people=people(tx, id),
        success_rate=runs[SUCCESS] / counted if counted else None,
        version=version,
        month=str(month),
        timezone=timezone,
    )


def card(tx: Read, id: str) -> Workspace:
    """One card, of a workspace that is there."""
    _, currency, month = _settings(tx)
    (found,) = _cards(tx, month, currency, id)
    return found


def check(tx: Read, id: str) -> None:
    """Raise NotFound where there is no such workspace."""
    if not tx.rows.one(
        "SELECT 1 FROM workspaces WHERE org_id = :org AND id = :workspace AND deleted_at IS NULL",
        org=tx.organization,
        workspace=id,
    ):
        raise NotFound(MISSING)


def people(tx: Read, workspace: str) -> list[WorkspaceMember]:
    """Everybody with a role in the workspace: the most first, then by name.

    Of a role that comes from the organization and one that was given here, the higher counts; of equals the
    organization's, because taking back the other would change nothing.
    """
    found: dict[str, WorkspaceMember] = {}
    for key, email, name, role, joined in tx.rows.all(_MEMBERS, org=tx.organization):
        found[key] = WorkspaceMember(email, name, WorkspaceRole(role), f"organization {role}", instant(joined))
    rank = list(WorkspaceRole).index
    for key, email, name, word, added in tx.rows.all(_GIVEN, org=tx.organization, workspace=workspace):
        role, above = WorkspaceRole(word), found.get(key)
        if above is None or rank(role) < rank(above.role):
            found[key] = WorkspaceMember(email, above.name if above else name, role, "workspace", instant(added))
    return sorted(found.values(), key=lambda member: (rank(member.role), member.name.casefold(), member.email))


def _settings(tx: Read) -> tuple[str, str, Month]:
    """The organization's timezone, its currency, and its current month."""
    row = tx.rows.one("SELECT timezone, currency FROM organizations WHERE id = :org", org=tx.organization)
    if row is None:
        raise AssertionError("an organization without its row")
    timezone, currency = row
    return timezone, currency, Month.of(local_day(tx.now, zone(timezone)))


def _cards(tx: Read, month: Month, currency: str, id: str | None = None) -> list[Workspace]:
    """All cards in no order, or the one."""
    shared = tx.rows.value("SELECT count(*) FROM members WHERE org_id = :org", org=tx.organization)
    guests = dict(tx.rows.all(_of(_GUESTS, id, "workspace_id"), org=tx.organization, workspace=id))
    held = Counter[tuple[str, str]]()
    for workspace, kind, count in tx.rows.all(
        _of(_HELD, id, "workspace_id", "kind"), org=tx.organization, workspace=id
    ):
        held[workspace, kind] = count
    runs, spend = _runs(tx, month, id), _spend(tx, month, currency, id)
    rows = tx.rows.all(_CARDS + (" AND id = :workspace" if id else ""), org=tx.organization, workspace=id)
    return [
        Workspace(
            id=workspace,
            name=name,
            description=description,
            members=shared + guests.get(workspace, 0),
            workflows=held[workspace, "workflow"],
            agents=held[workspace, "agent"],
            created=instant(created),
            archived=None if archived is None else instant(archived),
            icon=_image(icon),
            runs=_total(runs[workspace]),
            spend=spend.get(workspace),
        )
        for workspace, name, description, created, archived, icon in rows
    ]


def _of(sql: str, id: str | None, *groups: str) -> str:
    """The question asked of one workspace or of all, grouped."""
    return f"{sql}{' AND workspace_id = :workspace' if id else ''} GROUP BY {', '.join(groups)}"


def _runs(tx: Read, month: Month, id: str | None) -> defaultdict[str, Counter[str]]:
    """How many runs ended how, by workspace."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for workspace, word, count in tx.rows.all(
        _of(_RUNS, id, "workspace_id", "outcome"),
        org=tx.organization,
        workspace=id,
        first=f"{month}-01",
        last=f"{month}-31",
    ):
        found[workspace][word] += int(count)
    return found


def _total(runs: Counter[str]) -> int | None:
    """Counted runs as Total Runs has them: None where nothing ran at all."""
    return sum(count for word, count in runs.items() if is_counted(word)) if any(runs.values()) else None


def _spend(tx: Read, month: Month, currency: str, id: str | None) -> dict[str, Cost]:
    """Credits used, by workspace, as AI Credits Used has them: none where nothing that credits pay for has a price."""
    sums: dict[str, Decimal] = {}
    unsettled = Counter[str]()
    for workspace, funding, unpriced, amount in tx.rows.all(
        _CALLS + (" AND workspace_id = :workspace" if id else ""),
        org=tx.organization,
        workspace=id,
        first=f"{month}-01",
        last=f"{month}-31",
    ):
        sums[workspace] = EXACT.add(sums.get(workspace, ZERO), Decimal(amount))
        unsettled[workspace] += unpriced if funding == Funding.CREDITS else 0
    return {workspace: Cost(sum_, currency) for workspace, sum_ in sums.items() if sum_ or not unsettled[workspace]}


def _image(kept: bytes | None) -> bytes | None:
    return None if kept is None else bytes(kept)
