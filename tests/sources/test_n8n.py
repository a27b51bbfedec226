import json
from collections import Counter, defaultdict

import pytest

from orgtui.domain.usage import Run, outcome
from orgtui.sources import n8n
from orgtui.sources.fields import NoEvent, Uncounted, Unusable
from orgtui.sources.reader import Refused, Skipped

COLUMNS = {"success": "ok", "error": "error", "crashed": "error", "waiting": "waiting", "canceled": "canceled"}
ROW = {
    "id": "137",
    "finished": False,
    "mode": "webhook",
    "retryOf": None,
    "retrySuccessId": None,
    "status": "success",
    "startedAt": "2026-11-23T13:59:30.026Z",
    "stoppedAt": "2026-11-23T13:59:30.116Z",
    "workflowId": "w1",
    "waitTill": None,
}


def counted(runs):
    columns = Counter(COLUMNS.get(run.status, "other") for run in runs)
    return {column: columns[column] for column in ("canceled", "error", "ok", "other", "waiting")} | {"runs": len(runs)}


def grouped(runs, key):
    groups = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return {name: counted(group) for name, group in groups.items()}


def runs_of(items):
    return list({(run.source, run.id): run for run in items if isinstance(run, Run)}.values())


@pytest.fixture(
    scope="module",
    params=[
        ("totals", ["n8n/api"]),
        ("executions.respread", ["n8n/executions.respread.json", "n8n/api/workflows.json"]),
    ],
    ids=["pages", "respread"],
)
def recording(request, imported, samples, expected):
    name, inputs = request.param
    items = imported("n8n", *(samples / each for each in inputs))
    assert not [each for each in items if isinstance(each, Refused)]
    return runs_of(items), expected["n8n"][name]


def test_totals_are_those_of_the_recording(recording):
    runs, want = recording
    production = [run for run in runs if run.mode in ("webhook", "trigger", "retry")]
    assert counted(runs) == want["total"]
    assert grouped(runs, lambda run: run.mode) == want["by_mode"]
    assert grouped(runs, lambda run: run.workflow) == want["by_workflow"]
    assert grouped(runs, lambda run: str(run.started_at.date())) == want["by_day_utc_startedAt"]
    assert grouped(runs, lambda run: str(run.started_at.date())[:7]) == want["by_month_utc_startedAt"]
    assert counted(production) == want["production_only_total"]
    assert (
        grouped(production, lambda run: str(run.started_at.date()))
        == want["production_only(webhook,trigger,retry)_by_day"]
    )


def test_a_directory_of_answers_is_its_executions_and_nothing_is_refused(imported, samples):
    items = imported("n8n", samples / "n8n/api")
    assert len(runs_of(items)) == 137
    assert {(each.where, each.reason) for each in items if not isinstance(each, Run)} == {
        ("executions_bad_cursor.json", "is an error answer of n8n"),
        ("executions_wrong_key.json", "is an error answer of n8n"),
        ("projects.json", "is an error answer of n8n"),
        ("executions_status_crashed.json", "holds no records"),
        ("executions_status_new.json", "holds no records"),
        ("executions_status_running.json", "holds no records"),
        ("tags.json", "holds no records"),
        ("insights_summary.json", "holds no n8n executions"),
        ("requests.json", "holds no n8n executions (18 records)"),
        ("users.json", "holds no n8n executions"),
        ("workflows.json", "names workflows (9 records)"),
    }


def run(row, **names):
    return n8n.run(row, source="n8n", names=names)


def test_one_row_field_by_field():
    one = n8n.run(ROW, source="eu", names={"w1": "Mail triage"})
    assert (one.source, one.id, one.status, one.mode) == ("eu", "137", "success", "webhook")
    assert (one.workflow_id, one.workflow, one.workspace) == ("w1", "Mail triage", None)
    assert str(one.started_at) == "2026-11-23 13:59:30.026000+00:00"
    assert str(one.stopped_at) == "2026-11-23 13:59:30.116000+00:00"
    assert outcome(one.status, one.mode) == "success"


def test_a_run_without_its_workflow_has_no_name():
    assert run(ROW).workflow is None
    assert run(ROW | {"workflowId": None}).workflow_id is None


def test_what_has_not_started_is_skipped(imported):
    with pytest.raises(Uncounted):
        run(ROW | {"startedAt": None})
    page = {
        "data": [ROW, ROW | {"id": "138", "status": "new", "startedAt": None, "stoppedAt": None}],
        "nextCursor": None,
    }
    assert imported("n8n", json.dumps(page).encode())[1] == Skipped("stdin record 2", "not started yet")


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"id": "1\x1b[31m"},
        {"id": "1" * 513},
        {"status": None},
        {"status": 3},
        {"mode": None},
        {"startedAt": "today"},
        {"startedAt": "3000-01-01T00:00:00.000Z"},
        {"stoppedAt": []},
        {"workflowId": {"a": 1}},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_is_refused(change):
    with pytest.raises(Unusable):
        run(ROW | change)


def test_a_row_without_the_time_it_started_is_refused():
    with pytest.raises(Unusable, match="startedAt"):
        run({key: value for key, value in ROW.items() if key != "startedAt"})


def test_hostile_names_are_cleaned():
    names = {}
    with pytest.raises(NoEvent):
        n8n.run({"id": "w1", "name": "\x1b[2J=SUM(A1)\u202e", "nodes": []}, source="n8n", names=names)
    assert n8n.run(ROW, source="n8n", names=names).workflow == "\ufffd[2J=SUM(A1)\ufffd"
    assert run(ROW | {"status": "suc\x07cess"}).status == "suc\ufffdcess"


@pytest.mark.parametrize("workflow", [{"nodes": [], "name": 3, "id": "w"}, {"nodes": [], "name": "x", "id": None}])
def test_a_workflow_without_name_or_id_names_nothing(workflow):
    names = {}
    n8n.remember(workflow, names)
    assert names == {}


def test_names_are_found_in_whichever_order_the_inputs_come(imported, samples):
    page, workflows = samples / "n8n/api/executions_page1.json", samples / "n8n/api/workflows.json"
    for inputs in ([page, workflows], [workflows, page], [workflows.read_bytes() + page.read_bytes()]):
        runs = runs_of(imported("n8n", *inputs))
        assert len(runs) == 50
        assert all(run.workflow for run in runs)


def test_instances_are_kept_apart(imported, samples):
    page = samples / "n8n/api/executions_page1.json"
    runs = runs_of(imported("n8n", page, instance="eu") + imported("n8n", page))
    assert Counter(run.source for run in runs) == {"eu": 50, "n8n": 50}
