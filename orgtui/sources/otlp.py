"""n8n exports each execution as an OpenTelemetry trace: one `workflow.execute` span is one Run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orgtui.domain.usage import Run
from orgtui.sources import fields
from orgtui.sources.fields import Unusable

# The decoder makes of two hostile bytes an object of a hundred; n8n sends some hundred KB at a time.
LARGEST = 16 * 2**20


def is_traces(head: bytes) -> bool:
    """Whether bytes that begin so are an ExportTraceServiceRequest, which no JSON resembles."""
    return head[:1] == b"\n" and any(byte < 0x20 and byte not in b"\t\r\n" for byte in head[:4096])


@dataclass(frozen=True, slots=True)
class Span:
    """A `workflow.execute` span: its attributes and its resource's, start and end in nanoseconds since 1970."""

    attributes: Mapping[str, object]
    start: int
    end: int


def spans(chunks: Iterator[bytes]) -> Iterator[tuple[str, Span]]:
    """The runs of a request body, each with its place; raises Unusable when it cannot be decoded."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(_body(chunks))
    except DecodeError:
        raise Unusable("is no OTLP trace, or ends in the middle of one") from None
    number = 0
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for span in (span for scope in resource_spans.scope_spans for span in scope.spans):
            if span.name == "workflow.execute":
                number += 1
                attributes = resource | _attributes(span.attributes)
                yield f"run {number}", Span(attributes, span.start_time_unix_nano, span.end_time_unix_nano)


def run(span: Span, *, instance: str | None) -> Run:
    """The run that a `workflow.execute` span tells of.

    A run that waits has a span for each stretch of work, under one id: the last status is its status, the first start
    its start.
    """
    told = span.attributes.get
    source = instance or told("n8n.instance.id")
    return Run(
        source=fields.identity(source, "n8n.instance.id") if source else "n8n",
        id=fields.identity(told("n8n.execution.id"), "n8n.execution.id"),
        status=fields.name(told("n8n.execution.status")) or "unknown",
        mode=fields.name(told("n8n.execution.mode")) or "unknown",
        started_at=fields.moment(_seconds(span.start), "start_time_unix_nano"),
        stopped_at=fields.moment(_seconds(span.end), "end_time_unix_nano") if span.end else None,
        workflow_id=fields.name(told("n8n.workflow.id")),
        workflow=fields.name(told("n8n.workflow.name")),
        workspace=fields.name(told("n8n.project.name")) or fields.name(told("n8n.project.id")),
    )


def _body(chunks: Iterator[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > LARGEST:
            raise Unusable(f"is larger than {LARGEST // 2**20} MiB")
    return bytes(body)


def _seconds(nanoseconds: int) -> Decimal:
    return Decimal(nanoseconds).scaleb(-9)


def _attributes(attributes: Iterable[Any]) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
