"""`orgtui workspaces`: what the cards and a workspace's own settings show and do, for scripts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import OWNER, SAMPLES
from tests.contract.arguments import png

PARTNER = "alan@partner.example"
WORKFLOWS = SAMPLES / "n8n" / "api" / "workflows.json"
CARD = {
    "workspace_name": "Staging",
    "workspace_logo": None,
    "description": "Rehearsal",
    "members": 1,
    "workflows": 0,
    "agents": 0,
    "runs": None,
    "spend": None,
    "archived": None,
}
CALL = {
    "id": "1",
    "startTime": "2026-11-05T12:00:00Z",
    "model": "openai/gpt-4o",
    "status": "success",
    "total_tokens": 1100,
    "response_cost": 0.5,
    "metadata": {"user_api_key_team_id": "staging"},
}


@pytest.fixture
def staged(orgtui: Run) -> Run:
    """With a workspace beside Default."""
    made = orgtui("workspaces", "create", "Staging", "--description", "Rehearsal", "--json")
    assert made.code == 0, made.err
    return orgtui


def listed(orgtui: Run, *words: str) -> list[str]:
    return [row["workspace_name"] for row in orgtui("workspaces", "list", *words, "--json").json["workspaces"]]


def spend(orgtui: Run) -> None:
    """One call of the workspace Staging, for half a dollar."""
    body = json.dumps(CALL).encode()
    assert orgtui("usage", "import", "-", "--source", "litellm", stdin=body).code == 0


# Looking.


def test_list_in_json(staged: Run) -> None:
    page = staged("workspaces", "list", "--json").json
    assert {name: page[name] for name in ("archived", "month", "timezone")} == {
        "archived": 0,
        "month": "2026-11",
        "timezone": "UTC",
    }
    assert [row["workspace_name"] for row in page["workspaces"]] == ["Default", "Staging"]
    card = page["workspaces"][1]
    assert card.pop("id").startswith("ws_")
    assert card.pop("created").startswith("2026-11-23T12:00:0")
    assert card == CARD


def test_list_for_people(staged: Run) -> None:
    spend(staged)
    staged("workspaces", "archive", "Default")
    lines = staged("workspaces", "list", "--archived").out.splitlines()
    assert [line.split() for line in lines] == [
        ["Workspace", "Members", "Workflows", "Agents", "Runs", "Nov", "2026", "Spend", "Nov", "2026"],
        ["Default", "1", "0", "0", "—", "—", "archived", "23", "Nov", "2026"],
        ["Staging", "1", "0", "0", "—", "€1.60"],
    ]
    assert staged("workspaces", "list").out.splitlines()[-1] == "1 archived; --archived shows them too."


def test_list_as_csv(staged: Run) -> None:
    spend(staged)
    staged("workspaces", "set", "staging", "--description", "=SUM(A1)\ntwo lines")
    rows = list(csv.DictReader(io.StringIO(staged("workspaces", "list", "--csv").out)))
    assert [row["workspace_name"] for row in rows] == ["Default", "Staging"]
    wanted = {"members": "1", "runs": "", "spend": "1.6", "spend_currency": "EUR", "month": "2026-11", "archived": ""}
    assert {name: rows[1][name] for name in wanted} == wanted
    assert rows[1]["description"] == "'=SUM(A1) two lines"
    assert (rows[0]["spend"], rows[0]["spend_currency"]) == ("", "")


def test_show_in_json(staged: Run) -> None:
    spend(staged)
    shown = staged("workspaces", "show", "STAGING", "--json").json
    assert shown["spend"] == {"currency": "EUR", "amount": "1.6"}
    assert (shown["success_rate"], shown["month"], shown["timezone"], shown["version"]) == (None, "2026-11", "UTC", 1)
    (person,) = shown["people"]
    assert person.pop("since") == "2026-11-23T12:00:00+00:00"
    assert person == {"email": OWNER, "name": "ada", "role": "owner", "source": "organization owner"}


def test_show_for_people(staged: Run) -> None:
    spend(staged)
    staged("workspaces", "members", "Staging", "--add", PARTNER, "--role", "editor", "--name", "Alan")
    assert staged("workspaces", "show", "Staging").out.splitlines() == [
        "Workspace Name    Staging",
        "Description       Rehearsal",
        "Workspace Logo    coloured avatar with the initial",
        "Workflows         0",
        "Agents            0",
        "Created           23 Nov 2026",
        "Nov 2026          — runs, — success, €1.60 spend",
        "Members           2",
        "",
        "Name  Email                 Role    From                Since",
        "ada   ada@acme.example      owner   organization owner  23 Nov 2026",
        "Alan  alan@partner.example  editor  workspace           23 Nov 2026",
    ]


def test_a_workspace_is_named_by_its_name_or_its_id(staged: Run) -> None:
    id_ = staged("workspaces", "show", " sTaGiNg ", "--json").json["id"]
    assert staged("workspaces", "show", id_, "--json").json["workspace_name"] == "Staging"
    # A name that looks like an id does not hide the one whose id it is.
    staged("workspaces", "create", id_)
    assert staged("workspaces", "show", id_, "--json").json["workspace_name"] == "Staging"


@pytest.mark.parametrize(
    "words",
    [
        ["show", "Nowhere"],
        ["set", "Nowhere", "--name", "X"],
        ["members", "Nowhere"],
        ["archive", "Nowhere"],
        ["restore", "Nowhere"],
        ["delete", "Nowhere"],
        ["delete", "Nowhere", "--confirm", "Nowhere"],
        ["import", str(WORKFLOWS), "--workspace", "Nowhere"],
    ],
    ids=" ".join,
)
def test_one_that_is_not_there_is_said_so(staged: Run, words: list[str]) -> None:
    refused = staged("workspaces", *words)
    assert refused.code == 4
    assert refused.line == "orgtui: There is no workspace “Nowhere”; see: orgtui workspaces list --archived"
    assert listed(staged) == ["Default", "Staging"]


def test_times_are_the_organization_s(run: Run) -> None:
    run("init", "--name", "Acme", "--owner", OWNER, "--timezone", "Pacific/Kiritimati")
    run("workspaces", "create", "Staging")
    shown = run("workspaces", "archive", "Staging", "--json").json
    (listed_,) = run("workspaces", "list", "--json").json["workspaces"]
    times = (shown["archived"], shown["created"], shown["people"][0]["since"], listed_["created"])
    assert {time[:11] + time[-6:] for time in times} == {"2026-11-24T+14:00"}
    assert "24 Nov 2026" in run("workspaces", "show", "Staging").out


# Making and changing.


def test_create_tells_the_id(orgtui: Run) -> None:
    made = orgtui("workspaces", "create", " Straße 7 ").out
    assert made.startswith("Straße 7 is made (ws_")
    again = orgtui("workspaces", "create", "STRASSE 7")
    assert (again.code, again.line) == (5, "orgtui: There is a workspace named Straße 7 already.")
    assert orgtui("workspaces", "create", "").code == 2


def test_set_changes_what_is_named(staged: Run, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(png())
    changed = staged("workspaces", "set", "staging", "--name", "Stage", "--logo", tmp_path / "logo.png", "--json").json
    assert (changed["workspace_name"], changed["description"]) == ("Stage", "Rehearsal")
    assert changed["workspace_logo"].endswith("bytes, image/png")
    row = staged("workspaces", "list", "--json").json["workspaces"][1]
    assert (row["workspace_name"], row["workspace_logo"]) == ("Stage", "image/png")
    assert staged("workspaces", "set", "stage", "--description", "", "--json").json["description"] is None
    assert staged("workspaces", "set", "stage", "--no-logo", "--json").json["workspace_logo"] is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["--name", ""], 2),
        (["--name", "default"], 5),
        (["--description", "x" * 281], 2),
        (["--name", "Stage", "--logo", "no-logo.png"], 2),
        (["--name", "Stage", "--logo", "LICENSE"], 2),
        (["--logo", "x", "--no-logo"], 2),
    ],
    ids=str,
)
def test_a_set_that_is_refused_changes_nothing_of_it(
    staged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LICENSE").write_text("no picture")
    before = staged("workspaces", "show", "Staging", "--json").json
    refused = staged("workspaces", "set", "Staging", *words)
    assert refused.code == code
    assert refused.line.startswith("orgtui: ")
    assert staged("workspaces", "show", "Staging", "--json").json == before


# People.


def test_members_are_added_changed_and_removed(staged: Run) -> None:
    added = staged("workspaces", "members", "Staging", "--add", PARTNER, "--role", "editor", "--json").json
    assert (added["workspace_name"], added["members"], added["people"][1]["role"]) == ("Staging", 2, "editor")
    staged("workspaces", "members", "Staging", "--add", PARTNER, "--role", "viewer", "--name", "Alan T.")
    told = staged("workspaces", "members", "staging").out.splitlines()[2]
    assert " ".join(told.split()) == f"Alan T. {PARTNER} viewer workspace 23 Nov 2026"
    assert staged("workspaces", "members", "Staging", "--remove", PARTNER, "--json").json["members"] == 1


def test_a_role_below_what_the_organization_gives_is_told_so(staged: Run) -> None:
    given = staged("workspaces", "members", "Staging", "--add", OWNER, "--role", "viewer")
    assert given.code == 0
    assert given.out.splitlines()[-1] == (
        f"{OWNER} is organization owner, which is as much or more; the role given here is kept beside it."
    )
    staged("workspaces", "members", "Staging", "--remove", OWNER)
    refused = staged("workspaces", "members", "Staging", "--remove", OWNER)
    assert (refused.code, "change that in Team" in refused.line) == (5, True)
    assert staged("workspaces", "members", "Staging", "--remove", PARTNER).code == 4


@pytest.mark.parametrize(
    "words",
    [
        ["--add", PARTNER],
        ["--role", "editor"],
        ["--name", "Alan"],
        ["--add", PARTNER, "--role", "king"],
        ["--add", "nobody", "--role", "viewer"],
        ["--add", PARTNER, "--role", "viewer", "--remove", PARTNER],
        ["--remove", PARTNER, "--role", "viewer"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_with_members_is_one_line(staged: Run, words: list[str]) -> None:
    refused = staged("workspaces", "members", "Staging", *words)
    assert refused.code == 2
    assert refused.line.startswith("orgtui: ")
    assert staged("workspaces", "members", "Staging", "--json").json["members"] == 1


# Its end.


def test_archive_and_restore(staged: Run) -> None:
    assert staged("workspaces", "archive", "Staging").out == "Staging is archived.\n"
    assert (listed(staged), listed(staged, "--archived")) == (["Default"], ["Default", "Staging"])
    assert staged("workspaces", "archive", "Staging", "--json").json["archived"].startswith("2026-11-23T12:00")
    last = staged("workspaces", "archive", "Default")
    assert (last.code, "the only active workspace" in last.line) == (5, True)
    assert staged("workspaces", "restore", "Staging").out == "Staging is active.\n"
    assert staged("workspaces", "restore", "Staging", "--json").json["archived"] is None


def test_delete_tells_first_and_needs_the_exact_name(staged: Run) -> None:
    staged("workspaces", "set", "Staging", "--name", "The stage")
    staged("workspaces", "members", "the stage", "--add", PARTNER, "--role", "viewer")
    staged("workspaces", "import", WORKFLOWS, "--workspace", "the stage")
    spend(staged)
    told = staged("workspaces", "delete", "the stage")
    assert (told.code, told.out.splitlines()) == (
        0,
        [
            "Deleting The stage takes away at once, and for good:",
            "        9  workflows",
            "        1  roles that were given in it",
            "           its settings; what it ran and cost stays in the organization's figures",
            "Nothing was deleted. To do it: orgtui workspaces delete 'The stage' --confirm 'The stage'",
        ],
    )
    assert staged("workspaces", "delete", "the stage", "--json").json["deleted"] is False
    before = staged("usage", "show", "--json").json
    assert staged("workspaces", "delete", "the stage", "--confirm", "the stage").code == 2
    assert listed(staged) == ["Default", "The stage"]
    gone = staged("workspaces", "delete", "the stage", "--confirm", "The stage", "--json").json
    assert gone == {
        "deleted": True,
        "workspace_name": "The stage",
        "lost": {"workflows": 9, "agents": 0, "roles": 1, "logo": False},
    }
    assert listed(staged, "--archived") == ["Default"]
    assert staged("workspaces", "show", "The stage").code == 4
    assert staged("usage", "show", "--json").json == before


# Import.


def test_an_import_adds_and_renames_and_takes_nothing_away(staged: Run, tmp_path: Path) -> None:
    taken = staged("workspaces", "import", WORKFLOWS, "--workspace", "staging")
    assert (taken.code, taken.err) == (0, "")
    assert taken.out.splitlines() == [
        "Imported: 9 new, 0 known already, 0 refused.",
        "Staging holds 9 workflows and 0 agents.",
    ]
    row = {"id": "w1", "name": "One", "active": True}
    again = staged("workspaces", "import", "-", "--workspace", "Staging", "--json", stdin=json.dumps(row).encode())
    assert again.json == {
        "workspace_name": "Staging",
        "read": 1,
        "new": 1,
        "skipped": 0,
        "refused": 0,
        "workflows": 10,
        "agents": 0,
        "reasons": [],
    }
    again = staged("workspaces", "import", WORKFLOWS, "--workspace", "Staging")
    assert again.out.splitlines()[0] == "Imported: 0 new, 9 known already, 0 refused."


def test_what_is_refused_in_an_import_is_named_and_the_rest_is_kept(staged: Run) -> None:
    rows = [{"id": "w1", "name": "One", "active": True}, {"id": "", "name": "Two", "active": True}, {"id": "t"}]
    taken = staged("workspaces", "import", "-", "--workspace", "Staging", stdin=json.dumps({"data": rows}).encode())
    assert taken.code == 1
    assert taken.out.splitlines()[0] == "Imported: 1 new, 0 known already, 1 skipped (no workflows in them), 1 refused."
    assert taken.err == "orgtui: refused stdin record 2: has no id\n"


def test_an_import_of_something_else_is_one_line(staged: Run, tmp_path: Path) -> None:
    for body in (b"", b'{"message": "unauthorized"}', b'{"data": [], "nextCursor": null}'):
        refused = staged("workspaces", "import", "-", "--workspace", "Staging", stdin=body)
        assert refused.code == 2
        assert "There are no workflows in what was given" in refused.line
    assert staged("workspaces", "import", tmp_path / "none", "--workspace", "Staging").code == 2


def test_more_text_than_one_operation_takes(staged: Run) -> None:
    rows = [{"id": f"{number:04}{'w' * 508}", "name": "A" * 200, "active": True} for number in range(4_000)]
    taken = staged("workspaces", "import", "-", "--workspace", "Staging", stdin=json.dumps(rows).encode())
    assert (taken.code, taken.out.splitlines()[0]) == (0, "Imported: 4,000 new, 0 known already, 0 refused.")
    assert staged("workspaces", "show", "Staging", "--json").json["workflows"] == 4_000


def test_too_many_at_once_is_one_line_and_changes_nothing(staged: Run) -> None:
    rows = [{"id": f"w{number}", "name": "A", "active": True} for number in range(10_001)]
    refused = staged("workspaces", "import", "-", "--workspace", "Staging", stdin=json.dumps(rows).encode())
    assert (refused.code, "at most 10,000 workflows and agents; these would be 10,001" in refused.line) == (2, True)
    assert staged("workspaces", "show", "Staging", "--json").json["workflows"] == 0


# Usage of one.


def test_usage_of_one_workspace(staged: Run) -> None:
    spend(staged)
    page = staged("usage", "show", "--workspace", "STAGING", "--json").json
    assert (page["workspace"], page["monthly_spend"]) == ("Staging", {"currency": "EUR", "amount": "1.6"})
    assert page["workspace_id"].startswith("ws_")
    assert staged("usage", "show", "--workspace", "Default", "--json").json["monthly_spend"] is None
    rest = staged("usage", "show", "--no-workspace", "--json").json
    assert (rest["workspace"], rest["workspace_id"], rest["monthly_spend"]) == (None, "none", None)
    whole = staged("usage", "show", "--json").json
    assert (whole["workspace"], whole["workspace_id"], whole["total_tokens"]) == (None, None, 1100)
    assert staged("usage", "show", "--workspace", "staging").out.splitlines()[0].endswith("(UTC)  Staging")
    assert staged("usage", "show", "--no-workspace").out.splitlines()[0].endswith("(UTC)  no workspace")


def test_usage_of_one_workspace_is_exported(staged: Run) -> None:
    spend(staged)
    rows = list(csv.DictReader(io.StringIO(staged("usage", "export", "--workspace", "staging").out)))
    assert [row["model"] for row in rows] == ["gpt-4o"]
    assert staged("usage", "export", "--workspace", "default", "--json").json == []
    assert staged("usage", "export", "--no-workspace", "--json").json == []


def test_usage_of_a_workspace_that_is_not_there(staged: Run) -> None:
    assert staged("usage", "show", "--workspace", "Nowhere").code == 4
    assert staged("usage", "show", "--workspace", "Staging", "--no-workspace").code == 2
    staged("workspaces", "delete", "Staging", "--confirm", "Staging")
    assert staged("usage", "show", "--workspace", "Staging").code == 4
