"""What a real LiteLLM and a real n8n sent, through the real commands: every figure is the one worked out elsewhere."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.store.sql.sqlite import SqliteDatabase
from tests import rollups
from tests.cli.conftest import Result, Run
from tests.conftest import SAMPLES, Clock, copy_of_acme

EXPECTED = json.loads((SAMPLES / "EXPECTED.json").read_text(encoding="utf-8"))
LITELLM, N8N = EXPECTED["litellm"], EXPECTED["n8n"]
MONTHS = tuple(f"2026-{number:02}" for number in range(5, 12))
RATE = Decimal("3.2")
SETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "json_array": ("litellm/json_array", "litellm", LITELLM["json_array"]["totals"]),
    "respread": ("litellm/json_array.respread.jsonl.gz", "litellm", LITELLM["json_array.respread"]["totals"]),
    "ndjson": ("litellm/ndjson", "litellm", LITELLM["ndjson"]["totals"]),
    "single": ("litellm/single", "litellm", LITELLM["single"]["totals"]),
    "retry": ("litellm/retry", "litellm", LITELLM["retry"]["totals_unique_of_everything_received"]),
    "executions": ("n8n/api", "n8n", N8N["totals"]),
    "executions_respread": ("n8n/executions.respread.json", "n8n", N8N["executions.respread"]),
    "otlp": ("n8n/otlp", "n8n", N8N["otlp"]),
}
CALLS = tuple(name for name, (_, source, _) in SETS.items() if source == "litellm")
# The records come without a price for these two; the second is on a price list.
UNPRICED, ESTIMATED = "openai/acme-internal-7b", "xai/grok-4"


@pytest.fixture(params=["UTC", "Europe/Berlin"])
def timezone(request: pytest.FixtureRequest, tmp_path: Path, templates: Path, clock: Clock) -> str:
    """Acme lives in this timezone."""
    copy_of_acme(templates, tmp_path / "acme.db", clock, request.param)
    return str(request.param)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    found = SqliteDatabase(tmp_path / "acme.db")
    with closing(found):
        yield found


def take(run: Run, name: str, *options: str) -> Result:
    path, source, _ = SETS[name]
    return run("usage", "import", SAMPLES / path, "--source", source, "--json", *options)


def month(run: Run, name: str) -> dict[str, Any]:
    shown = run("usage", "show", "--month", name, "--json")
    assert shown.code == 0, shown.err
    answer: dict[str, Any] = shown.json
    assert answer["month"] == name
    return answer


def months(run: Run) -> list[dict[str, Any]]:
    return [month(run, name) for name in MONTHS]


def rows(database: SqliteDatabase) -> dict[str, int]:
    with database.reading() as found:
        # Every write through a server has a key, and leaves what it answered.
        tables = SQLModel.metadata.tables.keys() - {"idempotency_keys"}
        return {table: found.value(f"SELECT count(*) FROM {table}") for table in tables}


def roll_ups(database: SqliteDatabase) -> None:
    with database.reading() as found:
        rollups.check(found.all)


def full_name(row: dict[str, Any]) -> str:
    return f"{row['provider']}/{row['model']}" if row["provider"] else str(row["model"])


def amount(cost: dict[str, str] | None) -> Decimal:
    return Decimal(cost["amount"]) if cost else Decimal(0)


def added(amounts: Any) -> Decimal:
    with localcontext(prec=80):
        return sum(amounts, Decimal(0))


def check_calls(shown: dict[str, Any], total: dict[str, Any] | None, models: dict[str, Any]) -> None:
    """A month of calls against its totals, and those of each model in it."""
    if total is None:
        assert shown["total_tokens"] is None
        assert shown["ai_credits_used"] is None
        assert shown["breakdown_by_model"] == shown["daily_spending"] == shown["provider_cost"] == []
        return
    by_model = {full_name(row): row for row in shown["breakdown_by_model"]}
    assert set(by_model) == set(models)
    assert shown["models_used"] == len(models)
    assert shown["total_tokens"] == total["total_tokens"]
    for name, expected in models.items():
        row = by_model[name]
        told = [row[key] for key in ("calls", "failed_calls", "input_tokens", "output_tokens", "total_tokens")]
        keys = ("calls", "failure", "prompt_tokens", "completion_tokens", "total_tokens")
        assert told == [expected[key] for key in keys]
        free = expected["zero_cost_success_not_cache_hit"]
        assert row["unpriced_calls"] == (free if name == UNPRICED else 0)
        estimated = amount(row["estimated"])
        assert added([amount(row["cost"]), -estimated]) == Decimal(expected["response_cost"])
        assert bool(estimated) == (name == ESTIMATED and free > 0)
        with localcontext(prec=80):
            assert amount(row["credits"]) == amount(row["cost"]) * RATE
    (provider,) = shown["provider_cost"]
    assert provider["currency"] == "USD"
    assert Decimal(provider["billed"]) == Decimal(total["response_cost"])
    assert Decimal(provider["estimated"]) == added(amount(row["estimated"]) for row in by_model.values())
    assert shown["ai_credits_used"]["currency"] == "EUR"
    with localcontext(prec=80):
        cost = Decimal(provider["billed"]) + Decimal(provider["estimated"])
        assert amount(shown["ai_credits_used"]) == amount(shown["monthly_spend"]) == cost * RATE
    assert added(amount(row["credits"]) for row in shown["daily_spending"]) == cost * RATE
    assert added(amount(row["cost"]) for row in shown["daily_spending"]) == cost
    assert shown["unpriced_calls"] == sum(row["unpriced_calls"] for row in by_model.values())
    assert shown["own_key_cost"] == []


def check_days(database: SqliteDatabase, shown: list[dict[str, Any]], days: dict[str, Any]) -> None:
    """Each day's calls, failures, tokens and billed cost."""
    with database.reading() as found:
        tokens = "input_tokens, output_tokens, total_tokens, cached_tokens"
        stored = found.all(f"SELECT day, calls, failed_calls, {tokens}, estimated FROM call_days")
    sums: dict[str, Counter[str]] = {}
    keys = ("calls", "failure", "prompt_tokens", "completion_tokens", "total_tokens", "cached_prompt_tokens")
    for day, *counts, _ in stored:
        sums.setdefault(day, Counter()).update(dict(zip(keys, counts, strict=True)))
    assert {day: {key: value[key] for key in keys} for day, value in days.items()} == {
        day: {key: count[key] for key in keys} for day, count in sums.items()
    }
    told: dict[str, list[Decimal]] = {}
    for each in shown:
        for row in each["daily_spending"]:
            told.setdefault(row["date"], []).append(amount(row["cost"]))
    for day, *_, estimated in stored:
        told[day].append(-Decimal(estimated))
    assert {day: added(costs) for day, costs in told.items()} == {
        day: Decimal(value["response_cost"]) for day, value in days.items()
    }


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_those_of_the_ledger(run: Run, database: SqliteDatabase, timezone: str, name: str) -> None:
    taken = take(run, name)
    totals = SETS[name][2]
    expected = {"new": totals["total"]["calls"], "updated": 0, "refused": 0, "reasons": []}
    assert (taken.code, {key: taken.json[key] for key in expected}) == (0, expected)
    free = totals["by_model"].get(UNPRICED, {}).get("zero_cost_success_not_cache_hit", 0)
    assert taken.json["unpriced_models"] == ({"acme-internal-7b": free} if free else {})
    shown = months(run)
    days = totals.get("by_day_Europe/Berlin_startTime") if timezone != "UTC" else totals["by_day_utc_startTime"]
    check_days(database, shown, days or totals["by_day_utc_startTime"])
    if timezone == "UTC":
        by_model = totals.get("by_month_and_model", {"2026-11": totals["by_model"]})
        for each in shown:
            total = totals["by_month_utc_startTime"].get(each["month"])
            check_calls(each, total, by_model.get(each["month"], {}))
    roll_ups(database)


@pytest.mark.parametrize("name", ["executions", "executions_respread"])
def test_runs_count_by_their_outcome_and_day(orgtui: Run, database: SqliteDatabase, name: str) -> None:
    totals = SETS[name][2]
    taken = take(orgtui, name)
    assert (taken.code, taken.json["new"], taken.json["refused"]) == (0, totals["total"]["runs"], 0)
    days, by_month = totals["production_only(webhook,trigger,retry)_by_day"], totals["by_month_utc_startedAt"]
    told: dict[str, tuple[int, int]] = {}
    for shown in months(orgtui):
        told |= {row["date"]: (row["success"], row["error"]) for row in shown["daily_executions"]}
        check_runs(shown, by_month.get(shown["month"]))
    expected = {day: (count["ok"], count["error"]) for day, count in days.items()}
    assert {day: counts for day, counts in told.items() if day in days or any(counts)} == expected
    roll_ups(database)


def check_runs(shown: dict[str, Any], total: dict[str, int] | None) -> None:
    success = sum(row["success"] for row in shown["daily_executions"])
    counted = success + sum(row["error"] for row in shown["daily_executions"])
    assert shown["total_runs"] == (counted if total else None)
    assert shown["success_rate"] == (success / counted if counted else None)
    assert counted + sum(shown["not_counted"].values()) == (total["runs"] if total else 0)


def test_what_is_no_production_run_is_told_by_its_reason(orgtui: Run) -> None:
    take(orgtui, "executions")
    shown = month(orgtui, "2026-11")
    modes, production = N8N["totals"]["by_mode"], N8N["totals"]["production_only_total"]
    assert shown["total_runs"] == production["ok"] + production["error"] == 111
    assert shown["not_counted"] == {
        "cancelled": production["canceled"],
        "error_workflow": modes["error"]["runs"],
        "sub_workflow": modes["integrated"]["runs"],
        "waiting": production["waiting"],
    }


def test_traces_tell_the_same_runs_as_the_api_with_the_last_word_of_each(orgtui: Run) -> None:
    taken = take(orgtui, "otlp")
    totals = N8N["otlp"]
    words = totals["span_count_by_status_and_mode"]
    assert taken.json["new"] == totals["distinct_executions"]
    shown = month(orgtui, "2026-11")
    success = words["success/webhook"] + words["success/trigger"]
    assert sum(row["success"] for row in shown["daily_executions"]) == success
    assert sum(row["error"] for row in shown["daily_executions"]) == words["error/webhook"] + words["error/retry"]
    assert shown["not_counted"] == {
        "error_workflow": words["success/error"],
        "sub_workflow": words["success/integrated"],
        "waiting": totals["executions_by_last_span_status"]["waiting"],
    }


def test_traces_and_api_of_one_instance_are_one_set_of_runs(orgtui: Run) -> None:
    take(orgtui, "otlp", "--instance", "main")
    taken = take(orgtui, "executions", "--instance", "main")
    assert taken.json["new"] == 0
    assert taken.json["updated"] >= len(N8N["otlp"]["executions_whose_last_span_status_differs_from_the_api"])
    both = month(orgtui, "2026-11")
    production = N8N["totals"]["production_only_total"]
    only_in_traces = len(N8N["otlp"]["executions_only_in_otlp"])
    assert both["total_runs"] == production["ok"] + production["error"] + only_in_traces
    assert both["not_counted"]["cancelled"] == production["canceled"]
    assert both["not_counted"]["waiting"] == production["waiting"]


@pytest.mark.parametrize("name", SETS)
def test_a_second_import_changes_nothing(orgtui: Run, database: SqliteDatabase, name: str) -> None:
    first = take(orgtui, name).json
    before, count = months(orgtui), rows(database)
    again = take(orgtui, name)
    told = first["new"] + first["known"] + first["updated"]
    assert (again.json["new"], again.json["updated"], again.json["known"]) == (0, 0, told)
    assert (months(orgtui), rows(database)) == (before, count)


@pytest.mark.parametrize("name", ["json_array", "respread", "ndjson", "executions_respread"])
def test_a_file_that_was_cut_and_is_then_whole_counts_once(
    orgtui: Run, database: SqliteDatabase, tmp_path: Path, name: str
) -> None:
    path, source, totals = SETS[name]
    files = [SAMPLES / path] if (SAMPLES / path).is_file() else sorted((SAMPLES / path).glob("*body*"))
    chance = random.Random(name)
    for file in files:
        data = file.read_bytes()
        for at in (*(chance.randrange(len(data)) for _ in range(3)), len(data) - 1):
            cut = tmp_path / file.name
            cut.write_bytes(data[:at])
            taken = orgtui("usage", "import", cut, "--source", source, "--json")
            assert taken.code in (0, 1)
            assert (taken.code == 1) == bool(taken.json["refused"])
    roll_ups(database)
    take(orgtui, name)
    if source == "litellm":
        for each in months(orgtui):
            check_calls_total(each, totals["by_month_utc_startTime"].get(each["month"]))
    else:
        assert rows(database)["runs"] == totals["total"]["runs"]
    roll_ups(database)


def check_calls_total(shown: dict[str, Any], total: dict[str, Any] | None) -> None:
    assert shown["total_tokens"] == (total["total_tokens"] if total else None)
    assert [Decimal(row["billed"]) for row in shown["provider_cost"]] == (
        [Decimal(total["response_cost"])] if total else []
    )


def test_a_broken_line_is_named_and_the_others_are_kept(orgtui: Run, tmp_path: Path) -> None:
    packed = SAMPLES / "litellm" / "json_array.respread.jsonl.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    lines[99] = lines[99][:200] + b"\n"
    (tmp_path / "calls.jsonl").write_bytes(b"".join(lines))
    taken = orgtui("usage", "import", tmp_path / "calls.jsonl", "--source", "litellm")
    assert taken.code == 1
    assert "299 new" in taken.out
    assert "1 refused" in taken.out
    assert "line 100" in taken.err
    assert taken.err.count("\n") == 1


def test_standard_input_is_read_too(orgtui: Run) -> None:
    body = (SAMPLES / "litellm" / "ndjson" / "0001.body.ndjson").read_bytes()
    taken = orgtui("usage", "import", "-", "--source", "litellm", "--json", stdin=body)
    assert (taken.code, taken.json["new"]) == (0, len(body.splitlines()))


def test_nothing_of_what_was_asked_or_answered_is_kept(orgtui: Run, tmp_path: Path) -> None:
    prompts = gzip.decompress((SAMPLES / "litellm" / "json_array" / "0001.body.json.gz").read_bytes())
    take(orgtui, "json_array")
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("acme.db*") if file.is_file())
    assert b"gpt-4o-mini" in stored
    for word in (b"ipsum", b"dolor", b"consectetur"):
        assert word in prompts
        assert word not in stored
