"""Every operation over HTTP by its own documentation: whatever is sent, what comes back is what was announced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from schemathesis.schemas import BaseSchema

from tests.server import fuzz
from tests.server.site import EVERY, Site

IDS = [declared.id for declared in EVERY]


@pytest.fixture(scope="session")
def schema(running: Site) -> BaseSchema:
    """Read once: to prepare a strategy costs more than its examples."""
    return fuzz.schema(running)


@pytest.fixture(scope="session")
def documented(schema: BaseSchema) -> dict[str, Any]:
    return fuzz.operations(schema)


def bodies(schema: BaseSchema) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema of each body there is."""
    for path in schema.raw_schema["paths"].values():
        for operation in path.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield operation["operationId"], media["schema"]


def parts(schema: dict[str, Any], found: Any, seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all that it is made of, each with its name."""
    if isinstance(found, list):
        for each in found:
            yield from parts(schema, each, seen)
    elif isinstance(found, dict):
        if "$ref" in found:
            name = found["$ref"].rpartition("/")[2]
            if name in seen:
                return
            seen.add(name)
            found = schema["components"]["schemas"][name]
        yield found.get("title", ""), found
        for key, value in found.items():
            if key not in ("examples", "default"):
                yield from parts(schema, list(value.values()) if key == "properties" else value, seen)


def test_every_operation_is_documented(documented: dict[str, Any]) -> None:
    assert sorted(documented) == sorted(IDS)


def test_no_object_of_a_body_takes_what_it_does_not_name(schema: BaseSchema) -> None:
    """Closed, or a map of values of one type: a field that is misspelt is refused, not ignored."""
    raw, open_, tried = schema.raw_schema, set[str](), 0
    for operation, body in bodies(schema):
        for name, part in parts(raw, body, set()):
            if part.get("type") == "object":
                tried += 1
                more = part.get("additionalProperties", True)
                if more is not False and not (isinstance(more, dict) and "type" in more and "properties" not in part):
                    open_.add(f"{operation}: {name}")
    assert tried > 40
    assert not open_


def test_every_number_and_word_of_a_body_is_narrow(schema: BaseSchema) -> None:
    """No number that a float would change, no float at all, no bytes but base64."""
    for operation, body in bodies(schema):
        for name, part in parts(schema.raw_schema, body, set()):
            assert part.get("type") != "number", (operation, name)
            if part.get("type") == "integer":
                assert (part["minimum"], part["maximum"]) == (-(2**53) + 1, 2**53 - 1), (operation, name)
            if "contentEncoding" in part:
                assert "pattern" in part, (operation, name)


WRITTEN = {
    "no zone": '"2026-11-23T12:00:00"',
    "seconds": "1764000000",
    "seconds in a string": '"1764000000"',
    "no time": '"2026-11-23"',
    "no such day": '"2026-02-30T12:00:00Z"',
    "a space": '"2026-11-23 12:00:00Z"',
}


@pytest.mark.parametrize("how", WRITTEN)
def test_an_instant_has_its_zone_and_is_written_in_one_way(site: Site, how: str) -> None:
    run = f'{{"source": "n8n", "id": "1", "status": "success", "mode": "webhook", "started_at": {WRITTEN[how]}}}'
    answer = site.ask("POST", "/v1/usage/events", f'{{"runs": [{run}]}}'.encode(), token="owner")
    assert (answer.status, answer.code) == (422, "invalid")
    assert "RFC 3339" in answer.json["detail"]


DECIMALS = {
    '"0.0035"': 200,
    '"-1.5"': 200,
    "0.0035": 422,
    "1": 422,
    '"1e400"': 422,
    '"1E+999999999"': 422,
    '"NaN"': 422,
    '"Infinity"': 422,
    '"1_000"': 422,
    '" 1"': 422,
    '""': 422,
    '"٣"': 422,
}


@pytest.mark.parametrize("written", DECIMALS)
def test_a_decimal_is_digits_in_a_string(site: Site, written: str) -> None:
    call = f'{{"source": "l", "id": "1", "at": "2026-11-23T12:00:00Z", "model": "m", "billed": {written}}}'
    answer = site.ask("POST", "/v1/usage/events", f'{{"calls": [{call}]}}'.encode(), token="owner")
    assert answer.status == DECIMALS[written]


def test_a_query_says_only_what_is_asked(site: Site) -> None:
    assert site.get("/workspaces?archived=true").status == 200
    for query in ("archive=true", "archived=true&archived=false", "archived=1", "archived=yes", "archived"):
        assert site.get(f"/workspaces?{query}").status == 422, query
    for day in ("0", "1764000000", "2026-11-23T00:00:00", "2026-11-5"):
        assert site.get(f"/usage/days/{day}").status == 422, day


@pytest.mark.parametrize("id", IDS)
def test_a_few_requests(site: Site, documented: dict[str, Any], id: str) -> None:
    fuzz.examine(site, documented[id], 5, thorough=False)


@pytest.mark.soak
@pytest.mark.parametrize("id", IDS)
def test_many_requests(site: Site, documented: dict[str, Any], id: str) -> None:
    fuzz.examine(site, documented[id], 500, thorough=True)
