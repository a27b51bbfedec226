"""`orgtui access`: tokens made, listed and revoked by scripts; shown once."""

from __future__ import annotations

import csv
import io

from orgtui.domain.codes import is_token
from tests.cli.conftest import Run

COLUMNS = ["id", "name", "kind", "scopes", "maker", "role", "created", "expires", "expired", "last_used", "made_with"]


def test_made_listed_revoked(orgtui: Run) -> None:
    made = orgtui("access", "create", "Laptop", "--scope", "view", "--days", "7", "--json").json
    assert is_token(made.pop("token"))
    assert made["expires"].startswith("2026-11-30T12:00:")
    page = orgtui("access", "list", "--json").json
    assert page == {"timezone": "UTC", "tokens": [made]}
    assert list(made) == COLUMNS
    assert made["scopes"] == ["view"]
    rows = list(csv.DictReader(io.StringIO(orgtui("access", "list", "--csv").out)))
    assert [list(row) for row in rows] == [COLUMNS]
    assert "Laptop  person  view  ada@acme.example  30 Nov 2026" in orgtui("access", "list").out
    assert orgtui("access", "revoke", "Laptop").out == "“Laptop” is revoked: it is worthless from now on.\n"
    assert orgtui("access", "list").out == "There are no tokens. Make one: orgtui access create NAME\n"


def test_for_people(orgtui: Run) -> None:
    first, second, secret = orgtui("access", "create", "Report", "--kind", "automation").out.splitlines()
    assert (first, second) == ("“Report” works until 21 Feb 2027, 12:00 (UTC).", "Its token is shown this once:")
    assert is_token(secret.strip())
    assert secret.strip() not in orgtui("access", "list").out


def test_what_is_refused(orgtui: Run) -> None:
    for name in ("One", "Two", "Two"):
        orgtui("access", "create", name)
    for words, code, said in (
        (("create", "A", "--scope", "everything"), 2, "There is no permission “everything”. Known: view, "),
        (("create", "A", "--scope", "use_keys"), 3, "not use_keys"),
        (("create", "A", "--days", "0"), 2, "from 1 to 366 days"),
        (("create", " "), 2, "Name"),
        (("revoke", "Three"), 4, "There is no token “Three” here"),
        (("revoke", "Two"), 2, "2 tokens are called “Two”: give the id."),
    ):
        refused = orgtui("access", *words)
        assert (refused.code, said in refused.line) == (code, True), refused
