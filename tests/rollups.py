"""The roll-ups, worked out once more from the events that are stored: both must say the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Rows = Callable[[str], list[tuple[Any, ...]]]
_CELL = "day, workspace_id, provider, model, funding, currency"
_COUNTS = ("calls", "failed", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "unpriced")
_AMOUNTS = ("billed", "estimated", "credits")


def stored(rows: Rows) -> tuple[dict[Any, int], dict[Any, tuple[Any, ...]]]:
    """Runs by cell, and calls by cell, as the roll-ups have them; without the cells that a run has left."""
    cells = rows("SELECT day, workspace_id, outcome, runs FROM run_days WHERE runs <> 0")
    runs = {(day, workspace, word): count for day, workspace, word, count in cells}
    counts = "calls, failed_calls, input_tokens, output_tokens, total_tokens, cached_tokens, unpriced_calls"
    calls = {}
    for row in rows(f"SELECT {_CELL}, {counts}, billed, estimated, credits FROM call_days"):
        calls[row[:6]] = (*row[6:13], *map(Decimal, row[13:]))
    return runs, calls


def worked_out(rows: Rows) -> tuple[dict[Any, int], dict[Any, tuple[Any, ...]]]:
    """The same from the events."""
    runs = Counter(rows("SELECT day, workspace_id, outcome FROM runs"))
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0] * len(_COUNTS) + [Decimal(0)] * len(_AMOUNTS))
    columns = "failed, input_tokens, output_tokens, total_tokens, cached_tokens, billed, estimated, credits"
    for row in rows(f"SELECT {_CELL}, {columns} FROM calls"):
        failed, given, answered, total, cached, billed, estimated, paid = row[6:]
        unpriced = billed is None and estimated is None
        amounts = (Decimal(amount or 0) for amount in (billed, estimated, paid))
        for index, value in enumerate((1, failed, given, answered, total, cached, unpriced, *amounts)):
            sums[row[:6]][index] += value
    return dict(runs), {cell: tuple(values) for cell, values in sums.items()}


def check(rows: Rows) -> None:
    """Raise AssertionError where they differ."""
    assert stored(rows) == worked_out(rows)
