"""`orgtui general`: what the screen shows and does, for scripts."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.contract.arguments import png

SHOWN = {
    "organization_name": "Acme",
    "description": None,
    "organization_logo": None,
    "members": 1,
    "workspaces": 1,
    "created": "2026-11-23T12:00:00+00:00",
    "timezone": "UTC",
    "version": 1,
}


def test_show_in_json(orgtui: Run) -> None:
    shown = orgtui("general", "show", "--json").json
    assert shown.pop("id").startswith("org_")
    assert shown == SHOWN


def test_show_for_people(orgtui: Run) -> None:
    assert orgtui("general", "show").out.splitlines() == [
        "Organization Name Acme",
        "Description       —",
        "Organization Logo coloured avatar with the initial",
        "Members           1",
        "Workspaces        1",
        "Created           23 Nov 2026",
    ]


def test_set_changes_what_is_named(orgtui: Run) -> None:
    changed = orgtui("general", "set", "--name", "Acme Café", "--json")
    assert (changed.code, changed.json["organization_name"], changed.json["description"]) == (0, "Acme Café", None)
    orgtui("general", "set", "--description", "Two\nlines")
    assert orgtui("general", "show").out.splitlines()[1:3] == [
        "Description       Two",
        "                  lines",
    ]
    assert orgtui("general", "set", "--description", "", "--json").json["description"] is None


@pytest.mark.parametrize(
    "words",
    [[], ["--name", ""], ["--name", "Acme\u202e"], ["--name", "x" * 61], ["--description", "x" * 281]],
)
def test_a_set_that_is_refused_changes_nothing(orgtui: Run, words: list[str]) -> None:
    refused = orgtui("general", "set", *words)
    assert refused.code == 2
    assert refused.line.startswith("orgtui: ")
    shown = orgtui("general", "show", "--json").json
    assert {name: shown[name] for name in SHOWN} == SHOWN


def test_a_logo_is_set_and_removed(orgtui: Run, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(png())
    told = orgtui("general", "logo", tmp_path / "logo.png", "--json").json["organization_logo"]
    assert told.endswith("bytes, image/png")
    assert "an image" in orgtui("general", "show").out
    assert orgtui("general", "logo", "--remove", "--json").json["organization_logo"] is None


def oblong() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 32)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"a text, whatever its name", b"\x89PNG\r\n\x1a\n" + bytes(3 * 2**20), png()[:60], oblong()],
    ids=["missing", "empty", "text", "too large", "cut", "oblong"],
)
def test_a_logo_that_is_none_is_one_line_and_changes_nothing(
    orgtui: Run, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "logo.png").write_bytes(content)
    refused = orgtui("general", "logo", tmp_path / "logo.png")
    assert refused.code == 2
    assert refused.line.startswith("orgtui: ")
    assert orgtui("general", "show", "--json").json["version"] == 1


def test_delete_tells_first_and_needs_the_exact_name(orgtui: Run) -> None:
    told = orgtui("general", "delete")
    assert told.code == 0
    assert told.out.splitlines() == [
        "Deleting Acme takes away at once, and for good:",
        "        1  workspaces, with all their data and logs",
        "        1  memberships and invitations",
        "Nothing was deleted. To do it: orgtui general delete --confirm Acme",
    ]
    assert orgtui("general", "delete", "--confirm", "acme").code == 2
    assert orgtui("general", "show").code == 0
    gone = orgtui("general", "delete", "--confirm", "Acme", "--json").json
    assert (gone["deleted"], gone["organization_name"], gone["lost"]["members"]) == (True, "Acme", 1)
    assert orgtui("general", "show").code == 4
