"""n8n's list of workflows, as what a workspace holds: its pages, and what else may lie beside them."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.errors import Invalid
from orgtui.sources import n8n
from orgtui.sources.fields import NoEvent, Unusable
from orgtui.sources.n8n import Workflow
from orgtui.sources.reader import Refused, Skipped, workflows

ROW = {"id": "S8fFVIBhk3pxh7G3", "name": "Approval (wait)", "active": True, "isArchived": False}


def page(*rows: Any, cursor: str | None = None) -> bytes:
    return json.dumps({"data": rows, "nextCursor": cursor}).encode()


def found(*inputs: str | Path | bytes) -> list[Any]:
    stdin = b"".join(each for each in inputs if isinstance(each, bytes))
    paths = ["-" if isinstance(each, bytes) else str(each) for each in inputs]
    return list(workflows(paths, stdin=io.BytesIO(stdin), progress=lambda _done, _of: None))


def test_the_recorded_list(samples: Path) -> None:
    items = found(samples / "n8n/api/workflows.json")
    listed = json.loads((samples / "n8n/api/workflows.json").read_bytes())["data"]
    assert items == [Workflow(row["id"], row["name"]) for row in listed]
    assert len(items) == 9


def test_pages_in_every_framing(tmp_path: Path) -> None:
    rows = [ROW | {"id": f"w{number}", "active": number % 2 == 0} for number in range(5)]
    expected = [Workflow(row["id"], "Approval (wait)") for row in rows]
    (tmp_path / "1.json").write_bytes(page(*rows[:3], cursor="abc"))
    (tmp_path / "2.json.gz").write_bytes(gzip.compress(page(*rows[3:])))
    assert found(tmp_path) == found(tmp_path / "1.json", tmp_path / "2.json.gz") == expected
    assert found(page(*rows[:3], cursor="abc") + page(*rows[3:])) == expected
    assert found(b"\n".join(json.dumps(row).encode() for row in rows)) == expected


def test_what_lies_beside_is_no_workflow(samples: Path) -> None:
    items = found(samples / "n8n")
    assert len({item.id for item in items if isinstance(item, Workflow)}) == 9
    assert not [item for item in items if isinstance(item, Refused)]
    reasons = {item.reason.partition(" (")[0] for item in items if isinstance(item, Skipped)}
    assert reasons == {"is an error answer of n8n", "holds no n8n workflows", "holds no records", "is a trace"}


def test_an_archived_one_is_not_held_and_an_inactive_one_is() -> None:
    items = found(page(ROW | {"isArchived": True}, ROW | {"id": "w2", "active": False}))
    assert items == [Workflow("w2", "Approval (wait)"), Skipped("stdin", "is archived in n8n")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW | {"id": None}, "has no id"),
        (ROW | {"id": "a\x1bb"}, "id contains control characters"),
        (ROW | {"id": "x" * 513}, "id is longer than 512 characters"),
        (ROW | {"name": " "}, "has no name"),
        (ROW | {"name": 7}, "has no name"),
        ("text", "is not an object"),
    ],
)
def test_a_row_that_is_none_is_refused_and_the_rest_is_read(row: Any, reason: str) -> None:
    assert found(page(row, ROW)) == [Refused("stdin record 1", reason), Workflow(ROW["id"], ROW["name"])]


def test_names_are_cleaned_and_cut() -> None:
    assert n8n.workflow(ROW | {"id": 7, "name": "\x1b[2J" + "x" * 300}) == Workflow("7", "\ufffd[2J" + "x" * 195 + "…")


@pytest.mark.parametrize("row", [{"id": "1", "name": "A tag"}, {"id": "1", "name": "A project", "type": "team"}])
def test_other_things_with_names_are_no_workflows(row: dict[str, str]) -> None:
    with pytest.raises(NoEvent, match="holds no n8n workflows"):
        n8n.workflow(row)


def test_a_page_that_is_cut_gives_what_came_before() -> None:
    items = found(page(ROW, ROW | {"id": "w2"})[:-60])
    assert items[0] == Workflow(ROW["id"], ROW["name"])
    assert isinstance(items[-1], Refused)
    assert Unusable.__name__ not in items[-1].reason


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="does not exist"):
        found(tmp_path / "none.json")
