import gzip
from collections import Counter, defaultdict

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from orgtui.domain.usage import FINAL_STATUSES, Run
from orgtui.sources import otlp
from orgtui.sources.reader import Refused, Skipped


def attribute(key, value):
    field = {bool: "bool_value", int: "int_value", str: "string_value", float: "double_value"}[type(value)]
    return KeyValue(key=key, value=AnyValue(**{field: value}))


def body(*spans, resource=None, name="workflow.execute", start=1795442353505000000, end=1795442353633119288):
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(attribute(key, value) for key, value in (resource or {}).items())
    # An attribute of the resource as every exporter writes it; it tells traces from JSON.
    resource_spans.resource.attributes.append(attribute("service.name", "n8n"))
    scope = resource_spans.scope_spans.add()
    for attributes in spans:
        span = scope.spans.add(name=name, start_time_unix_nano=start, end_time_unix_nano=end)
        span.attributes.extend(attribute(key, value) for key, value in attributes.items())
    return request.SerializeToString()


EXECUTION = {
    "n8n.execution.id": "7",
    "n8n.execution.status": "success",
    "n8n.execution.mode": "webhook",
    "n8n.workflow.id": "w1",
    "n8n.workflow.name": "Mail triage",
    "n8n.project.id": "p1",
}


@pytest.fixture(scope="module")
def runs(imported, samples):
    items = imported("n8n", samples / "n8n/otlp")
    assert not [each for each in items if isinstance(each, Refused)]
    return [each for each in items if isinstance(each, Run)]


def test_counts_are_those_of_the_recording(runs, expected):
    want = expected["n8n"]["otlp"]
    spans = defaultdict(list)
    for run in runs:
        spans[run.id].append(run)
    assert len(runs) == want["workflow_execute_spans"]
    assert len(spans) == want["distinct_executions"]
    assert Counter(each[-1].status for each in spans.values()) == want["executions_by_last_span_status"]
    assert {key for key, each in spans.items() if len(each) == 2} == set(want["executions_with_two_workflow_spans"])
    assert Counter(f"{run.status}/{run.mode}" for run in runs) == want["span_count_by_status_and_mode"]


def test_they_are_the_executions_of_the_api(runs, expected, imported, samples):
    want = expected["n8n"]["otlp"]
    told = {run.id: run for run in imported("n8n", samples / "n8n/api") if isinstance(run, Run)}
    last = {run.id: run for run in runs}
    assert set(last) - set(told) == set(want["executions_only_in_otlp"])
    assert set(told) <= set(last)
    for key, run in told.items():
        assert (last[key].mode, last[key].workflow_id, last[key].workflow) == (run.mode, run.workflow_id, run.workflow)
    differing = {key: [last[key].status, run.status] for key, run in told.items() if last[key].status != run.status}
    assert differing == want["executions_whose_last_span_status_differs_from_the_api"]


def test_a_wait_is_two_spans_of_one_run(runs):
    waiting, success = (run for run in runs if run.id == "11")
    assert (waiting.status, success.status) == ("waiting", "success")
    assert success.status in FINAL_STATUSES
    assert waiting.started_at < success.started_at


def test_one_span_field_by_field(imported):
    data = body(EXECUTION, resource={"n8n.instance.id": "c7bb"})
    [run] = imported("n8n", data)
    assert (run.source, run.id, run.status, run.mode) == ("c7bb", "7", "success", "webhook")
    assert (run.workflow_id, run.workflow, run.workspace) == ("w1", "Mail triage", "p1")
    assert str(run.started_at) == "2026-11-23 13:59:13.505000+00:00"
    assert str(run.stopped_at) == "2026-11-23 13:59:13.633119+00:00"
    [named] = imported("n8n", data, instance="eu")
    assert named.source == "eu"


@pytest.mark.parametrize(
    ("attributes", "field", "value"),
    [
        ({}, "source", "n8n"),
        ({"n8n.project.name": "Finance"}, "workspace", "Finance"),
        ({"n8n.project.name": "\x1b[2J"}, "workspace", "\ufffd[2J"),
        ({"n8n.execution.id": 7}, "id", "7"),
        ({"n8n.execution.status": True}, "status", "unknown"),
        ({"n8n.execution.mode": 1.5}, "mode", "unknown"),
    ],
)
def test_attributes_of_any_type(imported, attributes, field, value):
    [run] = imported("n8n", body(EXECUTION | attributes))
    assert getattr(run, field) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (body({"n8n.execution.status": "success"}), "has no n8n.execution.id"),
        (body(EXECUTION | {"n8n.execution.id": "7\x1b"}), "n8n.execution.id contains control characters"),
        (body(EXECUTION | {"n8n.execution.id": True}), "n8n.execution.id is not a text"),
        (body(EXECUTION, resource={"n8n.instance.id": "x" * 513}), "n8n.instance.id is longer than 512 characters"),
        (body(EXECUTION, start=0), "start_time_unix_nano is out of range"),
        (body(EXECUTION, end=2**64 - 1), "end_time_unix_nano is out of range"),
    ],
)
def test_a_span_that_cannot_be_is_refused(imported, data, reason):
    assert imported("n8n", data) == [Refused("stdin run 1", reason)]


def test_other_spans_are_no_runs(imported):
    assert imported("n8n", body(EXECUTION, name="node.execute")) == [Skipped("stdin", "holds no records")]


def test_bodies_one_after_another_and_packed(imported):
    data = body(EXECUTION) + body(EXECUTION | {"n8n.execution.id": "8"})
    assert [run.id for run in imported("n8n", data)] == ["7", "8"]
    assert [run.id for run in imported("n8n", gzip.compress(data))] == ["7", "8"]


def test_a_body_cut_anywhere_is_said_once(imported, samples):
    data = (samples / "n8n/otlp/0004.body.pb").read_bytes()
    whole = imported("n8n", data)
    assert len(whole) == 6
    for cut in [*range(1, 80), *range(80, len(data), 97)]:
        items = imported("n8n", data[:cut])
        assert len(items) == 1, cut
        assert isinstance(items[0], Refused | Skipped), cut


def test_a_giant_body_is_refused(imported, monkeypatch):
    monkeypatch.setattr(otlp, "LARGEST", 1000)
    assert "is larger than" in imported("n8n", body(*[EXECUTION] * 100))[0].reason
