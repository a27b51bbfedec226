"""Writes of Usage & Analytics: events once, and their roll-ups in the same transaction."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.domain.errors import Invalid
from orgtui.domain.money import EXACT, ZERO, plain, times, total
from orgtui.domain.months import instant, local_day, micros, zone
from orgtui.domain.usage import FINAL_STATUSES, Call, Funding, Run, outcome
from orgtui.store.contract.usage import Recorded, UsageBatch
from orgtui.store.sql.billing import consume
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.tables import NO_WORKSPACE, CallDay, CallRow, RunRow
from orgtui.store.sql.unit_of_work import Write
from orgtui.store.sql.workspaces import learn

MOST = 5_000
_CHUNK = 500
_ADD_RUNS = """
INSERT INTO run_days (org_id, day, workspace_id, outcome, runs) VALUES (:org_id, :day, :workspace_id, :outcome, :runs)
ON CONFLICT (org_id, day, workspace_id, outcome) DO UPDATE SET runs = run_days.runs + excluded.runs
"""
_COUNTS = ("calls", "failed_calls", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "unpriced_calls")
_SUMS = ("billed", "estimated", "credits")
_CALL_DAY = ("org_id", "day", "workspace_id", "provider", "model", "funding", "currency")
# How far a run that has not ended is; of two words for one run the further holds.
_UNFINISHED = {"new": 0, "running": 1, "waiting": 2}


def _insert(table: type[Any]) -> str:
    columns = list(table.model_fields)
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 (our own names)


def _keep(table: type[Any], key: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in table.model_fields if name not in key)
    return f"{_insert(table)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


_KEEP_RUN = _keep(RunRow, ("org_id", "source", "id"))
_KEEP_CALL_DAY = _keep(CallDay, _CALL_DAY)


@dataclass(frozen=True, slots=True)
class _Places:
    """How the organization reads a source's words: its timezone, and its workspaces by id and by name.

    An archived workspace is there; a deleted one is not.
    """

    timezone: ZoneInfo
    rate: Decimal
    workspaces: dict[str, str]
    ids: frozenset[str]

    @classmethod
    def of(cls, tx: Write) -> _Places:
        row = tx.rows.one("SELECT timezone, credit_rate FROM organizations WHERE id = :org", org=tx.organization)
        if row is None:
            raise AssertionError("an organization without its row")
        found = tx.rows.all(
            "SELECT id, name_key FROM workspaces WHERE org_id = :org AND deleted_at IS NULL", org=tx.organization
        )
        ids = frozenset(id_ for id_, _ in found)
        names = {key: id_ for id_, key in found} | {id_: id_ for id_ in ids}
        return cls(zone(row[0]), Decimal(row[1]), names, ids)

    def day(self, when: datetime) -> str:
        return local_day(when, self.timezone).isoformat()

    def workspace(self, said: str | None) -> str:
        return self.workspaces.get((said or "").casefold(), NO_WORKSPACE)


def record(tx: Write, batch: UsageBatch) -> Recorded:
    """Keep what is new, move on what was waiting, leave what is known."""
    if len(batch.runs) + len(batch.calls) > MOST:
        raise Invalid(f"A batch holds at most {MOST:,} events; send it in parts.")
    places = _Places.of(tx)
    runs, calls = _record_runs(tx, places, batch.runs), _record_calls(tx, places, batch.calls)
    result = Recorded(runs.new + calls.new, runs.known + calls.known, runs.updated, calls.unpriced)
    if result.new or result.updated:
        sources = {run.source for run in batch.runs} | {call.source for call in batch.calls}
        tx.audit(", ".join(sorted(sources)), after={"new": result.new, "updated": result.updated})
    else:
        tx.unchanged()
    return result


def _record_runs(tx: Write, places: _Places, runs: Sequence[Run]) -> Recorded:
    stored = dict(_stored_runs(tx, {(run.source, run.id) for run in runs}))
    latest = {key: run for key, (run, _) in stored.items()}
    for run in runs:
        key = run.source, run.id
        latest[key] = _merged(latest[key], run) if key in latest else run
    new = [run for key, run in latest.items() if key not in stored]
    moved = [run for key, run in latest.items() if key in stored and run != stored[key][0]]
    rows = [_run_row(tx, places, run) for run in new]
    for run in moved:
        known, (_, workspace, _) = stored[run.source, run.id]
        # Where it began it ends, whatever that workspace has been called since.
        kept = workspace if run.workspace == known.workspace else NO_WORKSPACE
        rows.append(_run_row(tx, places, run, kept))
    tx.rows.run_many(_KEEP_RUN, rows)
    _learn(tx, places, rows)
    counts = Counter((row["day"], row["workspace_id"], row["outcome"]) for row in rows)
    counts.subtract(stored[run.source, run.id][1] for run in moved)
    tx.rows.run_many(
        _ADD_RUNS,
        [
            {"org_id": tx.organization, "day": day, "workspace_id": workspace, "outcome": word, "runs": count}
            for (day, workspace, word), count in counts.items()
            if count
        ],
    )
    return Recorded(len(new), len(runs) - len(new) - len(moved), len(moved))


def _learn(tx: Write, places: _Places, rows: Iterable[dict[str, Any]]) -> None:
    """Note which workflows these runs were of; of two names for one, the later run's."""
    seen: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    for row in rows:
        workflow, workspace = row["workflow_id"], row["workspace_id"]
        if workflow and workspace in places.ids:
            told = (row["started_at"] if row["workflow"] else 0, row["workflow"] or "")
            known = seen[workspace]
            if workflow not in known or known[workflow] < told:
                known[workflow] = told
    names = {space: {id_: name for id_, (_, name) in known.items()} for space, known in seen.items()}
    learn(tx, names)


def _merged(known: Run, told: Run) -> Run:
    """What two tellings of one run say together: the status that is further on, the first start, the last stop.

    It comes out the same in whatever order they come and however often, so that a second import changes nothing.
    """
    further, other = (told, known) if _progress(told.status) > _progress(known.status) else (known, told)
    return replace(
        further,
        started_at=min(known.started_at, told.started_at),
        stopped_at=max(filter(None, (known.stopped_at, told.stopped_at)), default=None),
        workflow_id=further.workflow_id or other.workflow_id,
        workflow=further.workflow or other.workflow,
        workspace=further.workspace or other.workspace,
    )


def _progress(status: str) -> int:
    return len(_UNFINISHED) if status in FINAL_STATUSES else _UNFINISHED.get(status, -1)


def _stored_runs(
    tx: Write, keys: Iterable[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], tuple[Run, tuple[str, str, str]]]]:
    """Known runs, each with the cell of the roll-up in which it is counted."""
    columns = "status, mode, started_at, stopped_at, workflow_id, workflow, workspace_said, day, workspace_id, outcome"
    for (source, id_), row in _known(tx, "runs", columns, keys):
        status, mode, started, stopped, workflow_id, workflow, said, day, workspace, word = row
        run = Run(
            source=source,
            id=id_,
            status=status,
            mode=mode,
            started_at=instant(started),
            stopped_at=None if stopped is None else instant(stopped),
            workflow_id=workflow_id,
            workflow=workflow,
            workspace=said,
        )
        yield (source, id_), (run, (day, workspace, word))


def _run_row(tx: Write, places: _Places, run: Run, workspace: str = NO_WORKSPACE) -> dict[str, Any]:
    return {
        "org_id": tx.organization,
        "source": run.source,
        "id": run.id,
        "day": places.day(run.started_at),
        "workspace_id": workspace or places.workspace(run.workspace),
        "workspace_said": run.workspace,
        "status": run.status,
        "mode": run.mode,
        "outcome": outcome(run.status, run.mode),
        "started_at": micros(run.started_at),
        "stopped_at": micros(run.stopped_at) if run.stopped_at else None,
        "workflow_id": run.workflow_id,
        "workflow": run.workflow,
    }


def _record_calls(tx: Write, places: _Places, calls: Sequence[Call]) -> Recorded:
    first = {(call.source, call.id): call for call in reversed(calls)}
    known = {key for key, _ in _known(tx, "calls", "1", first)}
    new = [call for key, call in first.items() if key not in known]
    rows = [_call_row(tx, places, call) for call in new]
    tx.rows.run_many(_insert(CallRow), rows)
    _roll_up(tx.rows, rows)
    _consume(tx, rows)
    unpriced = Counter(call.model for call in new if call.cost is None)
    return Recorded(len(new), len(calls) - len(new), 0, dict(sorted(unpriced.items())))


def _consume(tx: Write, rows: Sequence[dict[str, Any]]) -> None:
    """What these calls cost in credits leaves the balance now; an event is new once, and so is a batch of new ones."""
    paid = [row for row in rows if row["credits"] not in (None, "0")]
    names = sorted((row["source"], row["id"]) for row in paid)
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]
    consume(tx, len(paid), total(Decimal(row["credits"]) for row in paid), f"calls:{digest}")


def _call_row(tx: Write, places: _Places, call: Call) -> dict[str, Any]:
    if call.funding is Funding.OWN_KEY:
        settled: Decimal | None = ZERO
    else:
        settled = None if call.cost is None else times(call.cost, places.rate)
    return {
        "org_id": tx.organization,
        "source": call.source,
        "id": call.id,
        "day": places.day(call.at),
        "workspace_id": places.workspace(call.workspace),
        "workspace_said": call.workspace,
        "at": micros(call.at),
        "provider": call.provider or "",
        "model": call.model,
        "failed": call.failed,
        "cache_hit": call.cache_hit,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "total_tokens": call.total_tokens,
        "cached_tokens": call.cached_tokens,
        "billed": None if call.billed is None else plain(call.billed),
        "estimated": None if call.billed is not None or call.estimated is None else plain(call.estimated),
        "currency": call.currency,
        "funding": call.funding.value,
        "credit_rate": plain(places.rate),
        "credits": None if settled is None else plain(settled),
    }


@dataclass(slots=True)
class _Sums:
    counts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(_SUMS, ZERO))

    def add(self, row: dict[str, Any]) -> None:
        unpriced = row["billed"] is None and row["estimated"] is None
        self.counts.update(calls=1, failed_calls=int(row["failed"]), unpriced_calls=int(unpriced))
        self.counts.update({name: row[name] for name in _COUNTS if name.endswith("_tokens")})
        for name in _SUMS:
            self.sums[name] = EXACT.add(self.sums[name], Decimal(row[name] or 0))


def _roll_up(rows: Rows, calls: Iterable[dict[str, Any]]) -> None:
    days: dict[tuple[Any, ...], _Sums] = defaultdict(_Sums)
    for call in calls:
        days[tuple(call[name] for name in _CALL_DAY)].add(call)
    where = " AND ".join(f"{name} = :{name}" for name in _CALL_DAY)
    stored = f"SELECT {', '.join((*_COUNTS, *_SUMS))} FROM call_days WHERE {where}"  # noqa: S608 (our own names)
    merged = []
    for values, sums in days.items():
        key = dict(zip(_CALL_DAY, values, strict=True))
        before = rows.one(stored, **key) or (0,) * len(_COUNTS) + ("0",) * len(_SUMS)
        counts = {name: old + sums.counts[name] for name, old in zip(_COUNTS, before, strict=False)}
        amounts = {
            name: plain(EXACT.add(Decimal(old), sums.sums[name]))
            for name, old in zip(_SUMS, before[len(_COUNTS) :], strict=True)
        }
        merged.append(key | counts | amounts)
    rows.run_many(_KEEP_CALL_DAY, merged)


def _known(
    tx: Write, table: str, columns: str, keys: Iterable[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    """Those events of *keys* that are stored, with their *columns*."""
    ids: dict[str, list[str]] = defaultdict(list)
    for source, id_ in keys:
        ids[source].append(id_)
    for source, wanted in ids.items():
        for start in range(0, len(wanted), _CHUNK):
            values = {f"id{index}": id_ for index, id_ in enumerate(wanted[start : start + _CHUNK])}
            names = ", ".join(f":{name}" for name in values)
            for id_, *row in tx.rows.all(
                f"SELECT id, {columns} FROM {table} "  # noqa: S608 (our own names)
                f"WHERE org_id = :org AND source = :source AND id IN ({names})",
                org=tx.organization,
                source=source,
                **values,
            ):
                yield (source, id_), tuple(row)
