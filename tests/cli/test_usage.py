"""`orgtui usage`: months, exports, and imports that say what became of everything."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orgtui.cli import usage
from orgtui.sources.fields import LONGEST_ID
from orgtui.store.contract.operation import MOST_TEXT
from tests.cli.conftest import Run
from tests.places import small_disk

CALL = {
    "id": "1",
    "startTime": "2026-11-05T12:00:00Z",
    "model": "openai/gpt-4o",
    "status": "success",
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "response_cost": 0.0035,
}
RUN = {
    "id": 7,
    "status": "success",
    "mode": "webhook",
    "startedAt": "2026-11-05T12:00:00.000Z",
    "stoppedAt": "2026-11-05T12:00:01.000Z",
    "workflowId": "w1",
}


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def take(orgtui: Run, *records: dict[str, Any], source: str = "litellm", more: tuple[str, ...] = ()) -> Any:
    taken = orgtui("usage", "import", "-", "--source", source, "--json", *more, stdin=lines(*records))
    assert taken.code == 0, taken.err
    return taken.json


def shown(orgtui: Run, month: str = "2026-11") -> Any:
    return orgtui("usage", "show", "--month", month, "--json").json


def test_the_names_that_scripts_rely_on(orgtui: Run) -> None:
    take(orgtui, CALL)
    take(orgtui, RUN, source="n8n")
    page = shown(orgtui)
    assert {
        name: page[name]
        for name in ("month", "timezone", "total_runs", "success_rate", "total_tokens", "models_used", "not_counted")
    } == {
        "month": "2026-11",
        "timezone": "UTC",
        "total_runs": 1,
        "success_rate": 1.0,
        "total_tokens": 1100,
        "models_used": 1,
        "not_counted": {},
    }
    credits_ = {"currency": "EUR", "amount": "0.0112"}
    assert page["ai_credits_used"] == page["monthly_spend"] == credits_
    assert page["daily_average"]["currency"] == "EUR"
    assert page["daily_executions"][4] == {"date": "2026-11-05", "success": 1, "error": 0}
    assert len(page["daily_executions"]) == 30
    cost = {"currency": "USD", "amount": "0.0035"}
    assert page["daily_spending"] == [
        {"date": "2026-11-05", "provider": "openai", "model": "gpt-4o", "cost": cost, "credits": credits_}
    ]
    assert page["breakdown_by_model"] == [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "calls": 1,
            "failed_calls": 0,
            "input_tokens": 1000,
            "output_tokens": 100,
            "total_tokens": 1100,
            "cost": cost,
            "credits": credits_,
            "unpriced_calls": 0,
            "estimated": None,
        }
    ]
    assert page["provider_cost"] == [{"currency": "USD", "billed": "0.0035", "estimated": "0"}]


def test_no_data_is_null(orgtui: Run) -> None:
    for month in ("2026-11", "2019-02", "0001-01"):
        page = shown(orgtui, month)
        nulls = ("total_runs", "success_rate", "ai_credits_used", "total_tokens", "monthly_spend", "daily_average")
        assert {page[name] for name in nulls} == {None}
        assert set(page["previous_month"].values()) == {None}
    assert "Total Runs                     —" in orgtui("usage", "show").out


def test_the_current_month_is_the_default(orgtui: Run) -> None:
    assert orgtui("usage", "show", "--json").json["month"] == "2026-11"


@pytest.mark.parametrize("month", ["2026-12", "2026-00", "26-11", "x"])
def test_a_month_that_cannot_be_shown_is_one_line(orgtui: Run, month: str) -> None:
    refused = orgtui("usage", "show", "--month", month)
    assert refused.code == 2
    assert refused.line.startswith("orgtui: ")


def test_a_month_before_the_organization_is_shown_when_it_has_data(orgtui: Run) -> None:
    take(orgtui, CALL | {"startTime": "2021-02-03T00:00:00Z"})
    assert shown(orgtui, "2021-02")["total_tokens"] == 1100


def test_show_for_people_marks_what_is_estimated_and_what_has_no_price(orgtui: Run) -> None:
    free = {"response_cost": 0.0}
    take(orgtui, CALL, CALL | free | {"id": "2", "model": "xai/grok-4"}, CALL | free | {"id": "3", "model": "in-house"})
    told = {line.split()[0]: line for line in orgtui("usage", "show").out.splitlines() if line}
    assert told["gpt-4o"].split()[-2:] == ["€0.01", "<$0.01"]
    assert told["grok-4"].split()[-1].startswith(("~$", "~<$"))
    assert told["in-house"].split()[-2:] == ["—", "unpriced"]
    assert told["Providers:"].startswith("Providers: <$0.01 billed, ~")
    assert told["Providers:"].endswith(" estimated from list prices, 1 call unpriced")


# Import.


def test_an_import_says_what_became_of_everything(orgtui: Run) -> None:
    body = lines(CALL, CALL, {"note": "no call"}, CALL | {"id": "2", "response_cost": 0.0, "model": "in-house"})
    body += lines(CALL | {"id": "3", "prompt_tokens": -1})
    taken = orgtui("usage", "import", "-", "--source", "litellm", stdin=body)
    assert taken.code == 1
    assert taken.out.splitlines() == [
        "Imported: 2 new, 1 known already, 1 skipped (no events in them), 1 refused.",
        "Unpriced: in-house (1 call)",
    ]
    assert taken.err.startswith("orgtui: refused stdin line 5: prompt_tokens")
    assert taken.err.count("\n") == 1


def test_an_import_in_json(orgtui: Run) -> None:
    free = {"response_cost": 0.0, "model": "in-house"}
    assert take(orgtui, CALL, CALL | free | {"id": "2"}, CALL | free | {"id": "3"}) == {
        "new": 3,
        "known": 0,
        "updated": 0,
        "skipped": 0,
        "refused": 0,
        "unpriced_models": {"in-house": 2},
        "reasons": [],
    }


def test_a_waiting_run_that_ended_is_updated(orgtui: Run) -> None:
    take(orgtui, RUN | {"status": "waiting"}, source="n8n")
    assert shown(orgtui)["not_counted"] == {"waiting": 1}
    assert take(orgtui, RUN, source="n8n")["updated"] == 1
    assert shown(orgtui)["not_counted"] == {}
    taken = orgtui("usage", "import", "-", "--source", "n8n", stdin=lines(RUN | {"id": 8}, RUN))
    assert taken.out == "Imported: 1 new, 1 known already, 0 refused.\n"


def test_two_instances_may_use_the_same_ids(orgtui: Run) -> None:
    for instance in ("eu", "us"):
        assert take(orgtui, RUN, source="n8n", more=("--instance", instance))["new"] == 1
    assert shown(orgtui)["total_runs"] == 2


def test_calls_on_the_organizations_own_keys_cost_no_credits(orgtui: Run) -> None:
    take(orgtui, CALL, more=("--own-key",))
    page = shown(orgtui)
    assert page["ai_credits_used"] == {"currency": "EUR", "amount": "0"}
    assert page["own_key_cost"] == page["provider_cost"] == [{"currency": "USD", "billed": "0.0035", "estimated": "0"}]


def test_more_events_than_a_batch_holds(orgtui: Run) -> None:
    count = 2 * usage.BATCH + 1
    assert take(orgtui, *(CALL | {"id": str(number)} for number in range(count)))["new"] == count
    assert shown(orgtui)["breakdown_by_model"][0]["calls"] == count


def test_more_text_than_one_operation_takes(orgtui: Run) -> None:
    """Ids as long as they may be: a batch of these would be twice as much."""
    assert usage.BATCH * LONGEST_ID * 4 > 1.9 * MOST_TEXT
    calls = [CALL | {"id": f"{number:04}{'☃' * (LONGEST_ID - 4)}"} for number in range(usage.BATCH)]
    assert take(orgtui, *calls)["new"] == usage.BATCH


def test_what_is_refused_is_named_at_most_twenty_times(orgtui: Run) -> None:
    broken = [CALL | {"id": str(number), "status": "odd"} for number in range(30)]
    taken = orgtui("usage", "import", "-", "--source", "litellm", stdin=lines(*broken))
    assert taken.code == 1
    said = taken.err.splitlines()
    assert len(said) == 21
    assert said[-1] == "orgtui: and 10 more refused"


@pytest.mark.parametrize("source", ["litellm", "n8n"])
def test_a_file_that_does_not_exist_is_said_not_to(orgtui: Run, source: str) -> None:
    refused = orgtui("usage", "import", "/nope", "--source", source)
    assert (refused.code, refused.line) == (2, "orgtui: “/nope” does not exist.")


@pytest.mark.parametrize(("body", "source"), [(b"", "n8n"), (lines(CALL), "n8n"), (lines(RUN), "litellm")])
def test_where_nothing_of_the_source_is_found_it_asks_for_the_source(orgtui: Run, body: bytes, source: str) -> None:
    taken = orgtui("usage", "import", "-", "--source", source, stdin=body)
    assert taken.code == 2
    assert "0 new" in taken.out
    assert taken.err.startswith(f"orgtui: There is nothing of {source} in what was given")


def test_a_file_of_another_kind_imports_nothing(orgtui: Run, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40)
    taken = orgtui("usage", "import", tmp_path / "program", "--source", "litellm")
    assert taken.code == 1
    assert "0 new" in taken.out
    assert taken.err.count("\n") == 1


def test_an_import_that_meets_a_full_disk_says_so_and_goes_on_later(
    orgtui: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "BATCH", 50)
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(lines(*(CALL | {"id": f"{number:064}"} for number in range(1_500))))
    undisturbed = orgtui("usage", "import", calls, "--source", "litellm", "--json").json
    expected = shown(orgtui)
    with small_disk(tmp_path / "disk", 700) as disk:
        small = f"sqlite:///{disk / 'acme.db'}"
        assert orgtui("init", "--name", "Acme", "--owner", "ada@acme.example", at=small).code == 0
        failed = orgtui("usage", "import", calls, "--source", "litellm", at=small)
        assert (failed.code, failed.out) == (6, "")
        kept, why = failed.err.splitlines()
        assert "Run it again to go on" in kept
        assert "full" in why
        page = orgtui("usage", "show", "--json", at=small).json
        done = page["breakdown_by_model"][0]["calls"]
        assert f"{done:,} events are imported and kept" in kept
        failed = orgtui("usage", "import", calls, "--source", "litellm", "--json", at=small)
        assert (failed.code, json.loads(failed.line)["imported"]) == (6, 0)
        subprocess.run(["mount", "-o", "remount,size=32m", disk], check=True)
        again = orgtui("usage", "import", calls, "--source", "litellm", "--json", at=small).json
        assert (again["new"], again["known"]) == (undisturbed["new"] - done, done)
        assert orgtui("usage", "show", "--json", at=small).json == expected


def test_two_imports_at_once_count_everything_once(orgtui: Run, tmp_path: Path, store: str) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(lines(*(CALL | {"id": str(number)} for number in range(3 * usage.BATCH))))
    program = Path(sys.executable).with_name("orgtui")
    words: list[str | Path] = [program, "--store", store, "usage", "import", calls, "--source", "litellm", "--json"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    told = [json.loads(each.communicate(timeout=60)[0]) for each in both]
    assert [each["new"] + each["known"] for each in told] == [3 * usage.BATCH] * 2
    assert sum(each["new"] for each in told) == 3 * usage.BATCH
    assert shown(orgtui)["breakdown_by_model"][0]["calls"] == 3 * usage.BATCH


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_taken_away() -> None:
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        progress = usage._Progress(out)
        for done in (0, 50, 100):
            progress.at(done, 100)
        progress.at(2_500_000, None)
        progress.done()
    bar = terminal.getvalue().split("\r")
    assert bar[2] == f"{'━' * 15}{'─' * 15}  50 %"
    assert bar[4] == "2.5 MB"
    assert bar[-1] == ""
    assert bar[-2].strip() == ""
    assert file.getvalue() == ""


# Export.


def exported(orgtui: Run, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(orgtui("usage", "export", *words).out)))


def test_a_table_as_csv_and_as_json(orgtui: Run) -> None:
    take(orgtui, CALL)
    (row,) = exported(orgtui)
    assert (row["model"], row["calls"], row["cost"], row["cost_currency"]) == ("gpt-4o", "1", "0.0035", "USD")
    assert (row["estimated"], row["estimated_currency"]) == ("", "")
    (spent,) = exported(orgtui, "--table", "daily_spending")
    assert (spent["date"], spent["credits"], spent["credits_currency"]) == ("2026-11-05", "0.0112", "EUR")
    assert len(exported(orgtui, "--table", "daily_executions")) == 30
    for table in usage.TABLES:
        assert orgtui("usage", "export", "--table", table, "--json").json == shown(orgtui)[table]


@pytest.mark.parametrize("table", usage.TABLES)
def test_an_empty_table_has_the_header_of_a_full_one(orgtui: Run, table: str) -> None:
    empty = orgtui("usage", "export", "--table", table, "--month", "2019-01").out.splitlines()
    take(orgtui, CALL)
    full = orgtui("usage", "export", "--table", table).out.splitlines()
    assert empty[0] == full[0]


def test_no_cell_is_run_by_a_spreadsheet(orgtui: Run) -> None:
    take(orgtui, CALL | {"model": "=HYPERLINK(1)"})
    assert exported(orgtui)[0]["model"] == "'=HYPERLINK(1)"
    assert exported(orgtui, "--raw")[0]["model"] == "=HYPERLINK(1)"
    assert orgtui("usage", "export", "--json").json[0]["model"] == "=HYPERLINK(1)"
