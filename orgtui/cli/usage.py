"""`orgtui usage`: show a month, import events, export what a screen shows."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from orgtui.cli.output import ask, csv_columns, opened, print_json, say, table, write_csv
from orgtui.domain import figures
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.money import Cost
from orgtui.domain.providers import display_name
from orgtui.domain.text import clean
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract import Store
from orgtui.store.contract.operation import in_parts
from orgtui.store.contract.usage import (
    UNASSIGNED,
    DayExecutions,
    DaySpending,
    ModelUsage,
    Recorded,
    UsageBatch,
    UsageMonth,
)

BATCH = 2_000
_SHOWN = 20


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    show = verbs.add_parser("show", help="the figures of a month")
    show.add_argument("--month", metavar="YYYY-MM", help="the month (the current one)")
    show.set_defaults(run=_show)
    load = verbs.add_parser("import", help="keep events; the same event twice changes nothing")
    load.add_argument("files", nargs="+", metavar="FILE", help="files or directories; - is standard input")
    load.add_argument("--source", required=True, choices=("litellm", "n8n"), help="whose shapes these are")
    load.add_argument("--instance", metavar="NAME", help="which of several: two instances may use the same ids")
    load.add_argument("--own-key", action="store_true", help="the calls were paid with the organization's own keys")
    load.set_defaults(run=_import)
    export = verbs.add_parser("export", help="the tables of a month as CSV or JSON")
    export.add_argument("--month", metavar="YYYY-MM", help="the month (the current one)")
    export.add_argument(
        "--table", choices=tuple(TABLES), default="breakdown_by_model", help="which table (breakdown_by_model)"
    )
    export.add_argument("--raw", action="store_true", help="leave cells that a spreadsheet would take for a formula")
    export.set_defaults(run=_export)
    for verb in (show, export):
        part = verb.add_mutually_exclusive_group()
        part.add_argument("--workspace", metavar="NAME", help="of one workspace only, by name or id")
        part.add_argument("--no-workspace", action="store_true", help="only what belongs to no workspace that is there")
    for verb in (show, load, export):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


def shown(month: UsageMonth) -> dict[str, Any]:
    """What the screen shows, under the names that scripts rely on."""
    now, before = month.figures, month.previous
    return {
        "month": month.month,
        "timezone": month.timezone,
        "total_runs": now.total_runs,
        "success_rate": now.success_rate,
        "ai_credits_used": now.ai_credits_used,
        "total_tokens": now.total_tokens,
        "previous_month": before,
        "daily_executions": month.daily_executions,
        "monthly_spend": month.monthly_spend,
        "models_used": month.models_used,
        "daily_average": month.daily_average,
        "daily_spending": month.daily_spending,
        "breakdown_by_model": month.breakdown_by_model,
        "provider_cost": month.provider_cost,
        "own_key_cost": month.own_key_cost,
        "not_counted": month.not_counted,
        "unpriced_calls": month.unpriced_calls,
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """Which part of the organization was asked about; all of it where there is neither id nor name."""

    id: str | None = None
    name: str | None = None


def _month(arguments: argparse.Namespace) -> tuple[_Part, UsageMonth]:
    async def question(store: Store) -> tuple[_Part, UsageMonth]:
        part = _Part(UNASSIGNED if arguments.no_workspace else None)
        if arguments.workspace is not None:
            from orgtui.cli.workspaces import named

            space = await named(store, arguments.workspace)
            part = _Part(space.id, space.name)
        return part, await store.usage.month(arguments.month, part.id)

    return ask(arguments, question)


def _show(arguments: argparse.Namespace) -> None:
    part, month = _month(arguments)
    if arguments.json:
        print_json(shown(month) | {"workspace": part.name, "workspace_id": part.id})
        return
    now = month.figures
    where = f"  {part.name or 'no workspace'}" if part.id else ""
    say(f"Usage & Analytics  {month.month}  ({month.timezone}){where}")
    say()
    for label, value in (
        ("Total Runs", figures.count(now.total_runs)),
        ("Success Rate", figures.percent(now.success_rate)),
        ("AI Credits Used", figures.cost(now.ai_credits_used)),
        ("Total Tokens", figures.count(now.total_tokens)),
        ("Monthly Spend", figures.cost(month.monthly_spend)),
        ("Models Used", figures.count(month.models_used)),
        ("Daily Average", figures.cost(month.daily_average)),
    ):
        say(f"{label:<16}{value:>16}")
    if month.not_counted:
        words = ", ".join(f"{word.replace('_', ' ')} {count:,}" for word, count in month.not_counted.items())
        say(f"Not counted: {words}")
    if month.breakdown_by_model:
        say()
        table(
            ("Model", "Provider", "Calls", "Tokens", "Credits", "Cost"),
            [
                (
                    row.model,
                    display_name(row.provider),
                    f"{row.calls:,}",
                    f"{row.total_tokens:,}",
                    figures.cost(row.credits),
                    _cost(row),
                )
                for row in month.breakdown_by_model
            ],
            right=(2, 3, 4, 5),
        )
    parts = [f"{Cost(row.billed, row.currency)} billed" for row in month.provider_cost if row.billed]
    parts += [
        f"~{Cost(row.estimated, row.currency)} estimated from list prices"
        for row in month.provider_cost
        if row.estimated
    ]
    parts += [f"{_calls(month.unpriced_calls)} unpriced"] if month.unpriced_calls else []
    if parts:
        say(f"Providers: {', '.join(parts)}")


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"


def _cost(row: ModelUsage) -> str:
    if row.cost is None:
        return "unpriced" if row.unpriced_calls else figures.NONE
    return f"~{row.cost}" if row.estimated else str(row.cost)


TABLES: dict[str, type[Any]] = {
    "daily_executions": DayExecutions,
    "daily_spending": DaySpending,
    "breakdown_by_model": ModelUsage,
}


def _export(arguments: argparse.Namespace) -> None:
    _, month = _month(arguments)
    rows = getattr(month, arguments.table)
    if arguments.json:
        print_json(rows)
    else:
        write_csv(rows, csv_columns(TABLES[arguments.table]), sys.stdout, raw=arguments.raw)


@dataclass(slots=True)
class _Tally:
    new: int = 0
    known: int = 0
    updated: int = 0
    skipped: int = 0
    refused: int = 0
    unpriced: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def add(self, recorded: Recorded) -> None:
        """Add what became of one batch."""
        self.new += recorded.new
        self.known += recorded.known
        self.updated += recorded.updated
        self.unpriced.update(recorded.unpriced)


def _import(arguments: argparse.Namespace) -> int:
    from orgtui.sources.reader import Options, read

    options = Options(
        source=arguments.source,
        instance=arguments.instance,
        funding=Funding.OWN_KEY if arguments.own_key else Funding.CREDITS,
    )
    progress = _Progress(sys.stderr)
    items = read(arguments.files, options, stdin=sys.stdin.buffer, progress=progress.at)
    tally = _Tally()
    try:
        with opened(arguments) as (store, wait):
            for batch in _batches(items, tally):
                tally.add(wait(store.usage.record(batch)))
    except (OrgtuiError, KeyboardInterrupt) as error:
        progress.done()
        _tell_kept(tally.new + tally.updated, error, arguments.json)
        raise
    progress.done()
    _tell(tally, arguments.json)
    if not (tally.new or tally.known or tally.updated or tally.refused):
        raise Invalid(f"There is nothing of {arguments.source} in what was given; does --source name who recorded it?")
    return 1 if tally.refused else 0


def _batches(items: Iterable[object], tally: _Tally) -> Iterator[UsageBatch]:
    for part in in_parts(_events(items, tally), BATCH):
        runs = tuple(event for event in part if isinstance(event, Run))
        yield UsageBatch(runs=runs, calls=tuple(event for event in part if isinstance(event, Call)))


def _events(items: Iterable[object], tally: _Tally) -> Iterator[Run | Call]:
    from orgtui.sources.reader import Refused, Skipped

    for item in items:
        if isinstance(item, Run | Call):
            yield item
        elif isinstance(item, Skipped):
            tally.skipped += 1
        elif isinstance(item, Refused):
            tally.refused += 1
            if len(tally.reasons) < _SHOWN:
                tally.reasons.append(f"{item.where}: {item.reason}")


def _tell_kept(kept: int, error: BaseException, as_json: bool) -> None:
    """What is imported stays imported, whatever ended the rest."""
    if as_json and isinstance(error, OrgtuiError):
        error.details["imported"] = kept
    elif kept:
        said = f"not finished; {kept:,} events are imported and kept. Run it again to go on."
        print(f"orgtui: {said}", file=sys.stderr)


def _tell(tally: _Tally, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(tally, name) for name in ("new", "known", "updated", "skipped", "refused")}
        print_json(counts | {"unpriced_models": dict(sorted(tally.unpriced.items())), "reasons": tally.reasons})
        return
    parts = [f"{tally.new:,} new", f"{tally.known:,} known already"]
    parts += [f"{tally.updated:,} updated"] if tally.updated else []
    parts += [f"{tally.skipped:,} skipped (no events in them)"] if tally.skipped else []
    say(f"Imported: {', '.join(parts)}, {tally.refused:,} refused.")
    if tally.unpriced:
        models = [f"{model} ({_calls(count)})" for model, count in tally.unpriced.most_common(_SHOWN)]
        more = len(tally.unpriced) - len(models)
        say(f"Unpriced: {', '.join(models)}" + (f" and {more:,} more" if more else ""))
    for reason in tally.reasons:
        print(f"orgtui: refused {clean(reason)}", file=sys.stderr)
    if tally.refused > len(tally.reasons):
        print(f"orgtui: and {tally.refused - len(tally.reasons):,} more refused", file=sys.stderr)


class _Progress:
    """A bar on a terminal, nothing anywhere else."""

    WIDTH = 30

    def __init__(self, out: TextIO) -> None:
        self._out, self._shown = (out if out.isatty() else None), ""

    def at(self, done: int, total: int | None) -> None:
        """Show how many bytes of how many are read."""
        if self._out is None:
            return
        if total:
            filled = min(self.WIDTH, self.WIDTH * done // total)
            line = f"{'━' * filled}{'─' * (self.WIDTH - filled)} {100 * done // total:3d} %"
        else:
            line = f"{done / 1_000_000:,.1f} MB"
        if line != self._shown:
            self._shown = line
            self._out.write(f"\r{line}")
            self._out.flush()

    def done(self) -> None:
        """Take the bar away."""
        if self._out and self._shown:
            self._out.write(f"\r{' ' * len(self._shown)}\r")
            self._out.flush()
