"""Writes of Usage & Analytics: events once, and their roll-ups in the same transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.domain.errors import Invalid
from orgtui.domain.money import EXACT, ZERO, plain, times
from orgtui.domain.months import local_day, micros, zone
from orgtui.domain.usage import FINAL_STATUSES, Call, Funding, Run, outcome
from orgtui.store.contract.usage import Recorded, UsageBatch
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.tables import NO_WORKSPACE, CallDay, CallRow, RunRow
from orgtui.store.sql.unit_of_work import Write

MOST = 5_000
_CHUNK = 500
_ADD_RUNS = """
INSERT INTO run_days (org_id, day, workspace_id, outcome, runs) VALUES (:org_id, :day, :workspace_id, :outcome, :runs)
ON CONFLICT (org_id, day, workspace_id, outcome) DO UPDATE SET runs = run_days.runs + excluded.runs
"""
_COUNTS = ("calls", "failed_calls", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "unpriced_calls")
_SUMS = ("billed", "estimated", "credits")
_CALL_DAY = ("org_id", "day", "workspace_id", "provider", "model", "funding", "currency")


def _insert(table: type[Any]) -> str:
    columns = list(table.__table__.columns.keys())
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 (our own names)


@dataclass(frozen=True, slots=True)
class _Places:
    """How the organization reads a source's words: its timezone, and its workspaces by id and by name."""

    timezone: ZoneInfo
    rate: Decimal
    workspaces: dict[str, str]

    @classmethod
    def of(cls, tx: Write) -> _Places:
        row = tx.rows.one("SELECT timezone, credit_rate FROM organizations WHERE id = :org", org=tx.organization)
        if row is None:
            raise AssertionError("an organization without its row")
        found = tx.rows.all("SELECT id, name_key FROM workspaces WHERE org_id = :org", org=tx.organization)
        names = {key: id_ for id_, key in found} | {id_: id_ for id_, _ in found}
        return cls(zone(row[0]), Decimal(row[1]), names)

    def day(self, when: datetime) -> str:
        return local_day(when, self.timezone).isoformat()

    def workspace(self, said: str | None) -> str:
        return self.workspaces.get((said or "").casefold(), NO_WORKSPACE)


def record(tx: Write, batch: UsageBatch) -> Recorded:
    """Keep what is new, move on what was waiting, leave what is known."""
    if len(batch.runs) + len(batch.calls) > MOST:
        raise Invalid(f"A batch holds at most {MOST:,} events; send it in parts.")
    places, rows = _Places.of(tx), tx.rows
    runs, calls = _record_runs(tx, rows, places, batch.runs), _record_calls(tx, rows, places, batch.calls)
    result = Recorded(runs.new + calls.new, runs.known + calls.known, runs.updated + calls.updated)
    if result.new or result.updated:
        sources = sorted({event.source for event in (*batch.runs, *batch.calls)})
        tx.audit(", ".join(sources), after={"new": result.new, "updated": result.updated})
    else:
        tx.unchanged()
    return result


def _record_runs(tx: Write, rows: Rows, places: _Places, runs: Sequence[Run]) -> Recorded:
    latest: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = (run.source, run.id)
        latest[key] = _later(latest[key], run) if key in latest else run
    known = {(source, id_): (status, row) for source, id_, status, row in _known_runs(tx, rows, latest)}
    new = [run for key, run in latest.items() if key not in known]
    moved = [run for key, run in latest.items() if key in known and _moves_on(known[key][0], run.status)]
    inserted, updated = [_run_row(tx, places, run) for run in new], [_run_row(tx, places, run) for run in moved]
    counts = Counter((row["day"], row["workspace_id"], row["outcome"]) for row in (*inserted, *updated))
    counts.subtract(known[run.source, run.id][1] for run in moved)
    rows.run_many("DELETE FROM runs WHERE org_id = :org_id AND source = :source AND id = :id", updated)
    rows.run_many(_insert(RunRow), (*inserted, *updated))
    rows.run_many(
        _ADD_RUNS,
        [
            {"org_id": tx.organization, "day": day, "workspace_id": workspace, "outcome": word, "runs": count}
            for (day, workspace, word), count in counts.items()
            if count
        ],
    )
    return Recorded(len(new), len(runs) - len(new) - len(moved), len(moved))


def _later(first: Run, second: Run) -> Run:
    return second if _moves_on(first.status, second.status) else first


def _moves_on(before: str, after: str) -> bool:
    """A final status stays; anything else gives way to another word."""
    return before not in FINAL_STATUSES and before != after


def _known_runs(
    tx: Write, rows: Rows, keys: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str, str, tuple[str, str, str]]]:
    for source, ids in _by_source(keys):
        for names, values in _chunks(ids):
            for id_, status, day, workspace, word in rows.all(
                f"SELECT id, status, day, workspace_id, outcome FROM runs "  # noqa: S608 (parameter names only)
                f"WHERE org_id = :org AND source = :source AND id IN ({names})",
                org=tx.organization,
                source=source,
                **values,
            ):
                yield source, id_, status, (day, workspace, word)


def _run_row(tx: Write, places: _Places, run: Run) -> dict[str, Any]:
    return {
        "org_id": tx.organization,
        "source": run.source,
        "id": run.id,
        "day": places.day(run.started_at),
        "workspace_id": places.workspace(run.workspace),
        "workspace_said": run.workspace,
        "status": run.status,
        "mode": run.mode,
        "outcome": outcome(run.status, run.mode),
        "started_at": micros(run.started_at),
        "stopped_at": micros(run.stopped_at) if run.stopped_at else None,
        "workflow_id": run.workflow_id,
        "workflow": run.workflow,
    }


def _record_calls(tx: Write, rows: Rows, places: _Places, calls: Sequence[Call]) -> Recorded:
    first = {(call.source, call.id): call for call in reversed(calls)}
    known = set(_known_calls(tx, rows, first))
    new = [_call_row(tx, places, call) for key, call in first.items() if key not in known]
    rows.run_many(_insert(CallRow), new)
    _roll_up(rows, new)
    return Recorded(len(new), len(calls) - len(new), 0)


def _known_calls(tx: Write, rows: Rows, keys: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for source, ids in _by_source(keys):
        for names, values in _chunks(ids):
            for (id_,) in rows.all(
                f"SELECT id FROM calls WHERE org_id = :org AND source = :source AND id IN ({names})",  # noqa: S608
                org=tx.organization,
                source=source,
                **values,
            ):
                yield source, id_


def _call_row(tx: Write, places: _Places, call: Call) -> dict[str, Any]:
    cost = call.cost
    settled = None if cost is None else times(cost, places.rate) if call.funding is Funding.CREDITS else ZERO
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
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*_COUNTS, *_SUMS))
    rows.run_many(f"{_insert(CallDay)} ON CONFLICT ({', '.join(_CALL_DAY)}) DO UPDATE SET {changes}", merged)


def _by_source(keys: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    ids: dict[str, list[str]] = defaultdict(list)
    for source, id_ in keys:
        ids[source].append(id_)
    yield from ids.items()


def _chunks(ids: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for start in range(0, len(ids), _CHUNK):
        values = {f"id{index}": id_ for index, id_ in enumerate(ids[start : start + _CHUNK])}
        yield ", ".join(f":{name}" for name in values), values
