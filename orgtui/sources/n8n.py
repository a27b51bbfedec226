"""n8n's API lists executions without names: one row is one Run, named from the workflows found beside it.

The list of workflows is also what a workspace holds.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from orgtui.domain.usage import Run
from orgtui.sources import fields
from orgtui.sources.fields import NoEvent, Uncounted, Unusable


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as n8n lists it."""

    id: str
    name: str


def run(row: Mapping[str, Any], *, source: str, names: MutableMapping[str, str]) -> Run:
    """The run that an execution row tells of; a workflow row adds to *names* instead."""
    if is_workflow(row):
        remember(row, names)
        raise NoEvent("names workflows")
    if "startedAt" not in row and "workflowId" not in row:
        raise NoEvent("is an error answer of n8n" if "message" in row else "holds no n8n executions")
    identity = fields.identity(row.get("id"), "id")
    if "startedAt" in row and row["startedAt"] is None:
        raise Uncounted("not started yet")
    workflow_id = None if row.get("workflowId") is None else fields.identity(row["workflowId"], "workflowId")
    return Run(
        source=source,
        id=identity,
        status=_word(row, "status"),
        mode=_word(row, "mode"),
        started_at=fields.moment(row.get("startedAt"), "startedAt"),
        stopped_at=None if row.get("stoppedAt") is None else fields.moment(row["stoppedAt"], "stoppedAt"),
        workflow_id=workflow_id,
        workflow=names.get(workflow_id) if workflow_id else None,
    )


def workflow(row: Mapping[str, Any]) -> Workflow:
    """The workflow that a row of `/workflows` tells of, active or not; an archived one is none."""
    if "name" not in row or not {"nodes", "active"} & row.keys():
        raise NoEvent("is an error answer of n8n" if "message" in row else "holds no n8n workflows")
    if row.get("isArchived") is True:
        raise NoEvent("is archived in n8n")
    identity = fields.identity(row.get("id"), "id")
    if not (shown := fields.name(row["name"])):
        raise Unusable("has no name")
    return Workflow(identity, shown)


def is_workflow(value: object) -> bool:
    """Whether *value* is a row of `/workflows`."""
    return isinstance(value, dict) and "nodes" in value and "name" in value


def remember(workflow: Mapping[str, Any], names: MutableMapping[str, str]) -> None:
    """Add a workflow's name to *names*, by its id."""
    if (shown := fields.name(workflow["name"])) and isinstance(workflow.get("id"), str | int):
        names[str(workflow["id"])] = shown


def _word(row: Mapping[str, Any], field: str) -> str:
    if not (word := fields.name(row.get(field))):
        raise Unusable(f"has no {field}")
    return word
