"""Every operation over HTTP by its own documentation: whatever is sent, what comes back is what was announced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from schemathesis.schemas import BaseSchema

from orgtui.server.gate import Limits
from orgtui.store.contract.access import NewToken
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import Operation
from orgtui.store.contract.workspaces import NewWorkspace
from tests.server import fuzz
from tests.server.site import BY_ID, EVERY, Site
from tests.server.test_access import ARGUMENTS, arguments

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


def test_a_version_that_is_old_is_refused(site: Site) -> None:
    save, seen = BY_ID["general.save"], site.kit.world.version
    first = site.do(save, {"changes": GeneralChanges(seen=seen, name="One")}, "owner")
    assert (first.status, first.headers["etag"]) == (200, f'"{seen + 1}"')
    second = site.do(save, {"changes": GeneralChanges(seen=seen, name="Two")}, "owner")
    assert (second.status, second.code) == (412, "stale")
    assert (second.json["theirs"]["name"], second.json["yours"]["name"], second.json["version"]) == ("One", "Two", 2)
    for tag in (None, "", "1", "*", 'W/"1"', '"one"', '"1", "2"', '"-1"', f'"{"9" * 30}"'):
        headers = {} if tag is None else {"If-Match": tag}
        missing = site.ask("PATCH", "/v1/general", b'{"name": "Two"}', token="owner", headers=headers)
        assert (missing.status, missing.code) == (428, "version_missing"), tag
    assert site.get("/general").json["name"] == "One"


def test_a_key_is_used_once(site: Site) -> None:
    create, workspace = BY_ID["workspaces.create"], {"workspace": NewWorkspace(name="Staging")}
    first, again = (site.do(create, workspace, "owner", Idempotency_Key="one") for _ in range(2))
    assert (first.status, again.status, first.body == again.body) == (200, 200, True)
    other = site.do(create, {"workspace": NewWorkspace(name="Other")}, "owner", Idempotency_Key="one")
    assert (other.status, other.code) == (409, "key_reused")
    there = site.do(create, workspace, "owner", Idempotency_Key="two")
    # The documentation follows the error, so that this is told nowhere else.
    assert (there.status, there.code) == (409, "already_there")
    for key in ("", "x" * 201, "ä"):
        answer = site.do(create, {"workspace": NewWorkspace(name="New")}, "owner", Idempotency_Key=key)
        assert answer.status == 422, key
        words = "1 to 200 printable ASCII characters, and no blank around them."
        assert answer.json["detail"] == f"header.Idempotency-Key: {words}"


def test_what_is_no_number_is_told_in_words(site: Site) -> None:
    assert site.get("/audit?limit=abc").json["detail"] == "query.limit: no number, and neither true nor false."


def test_who_joins_with_a_key_is_told_the_token_twice(site: Site) -> None:
    first, again = (
        site.do(BY_ID["sign_in.join"], ARGUMENTS["sign_in.join"](site.kit.world), None, Idempotency_Key="one")
        for _ in range(2)
    )
    assert (first.status, first.json["token"] is not None, again.body == first.body) == (200, True, True)


@pytest.mark.parametrize("declared", [one for one in EVERY if one.writes and not one.keyed], ids=lambda one: one.id)
def test_where_several_things_are_done_no_key_is_taken(site: Site, declared: Operation) -> None:
    """Of what is asked for again something would have been done: it is refused before anything is."""
    before = site.rows("SELECT max(seq) FROM audit")
    answer = site.do(declared, arguments(declared, site.kit.world), "owner", Idempotency_Key="one")
    assert (answer.status, answer.code, "no idempotency key" in answer.json["detail"]) == (422, "invalid", True)
    assert site.rows("SELECT max(seq) FROM audit") == before


def test_a_body_has_a_limit(site: Site) -> None:
    """Its last byte still counts; a stranger has less of it."""
    limits, whole = Limits(), b'{"name": "x", "description": "%s"}'
    for limit, token, within in ((limits.body, "owner", 422), (limits.body_of_strangers, None, 401)):
        body = whole % (b"x" * (limit - len(whole) + 2))
        assert len(body) == limit
        assert site.ask("POST", "/v1/workspaces", body, token=token).status == within
        assert site.ask("POST", "/v1/workspaces", body + b" ", token=token).status == 413


def test_a_number_that_no_database_holds_is_not_a_fault(site: Site) -> None:
    for number in (2**63 - 1, 2**63, 2**70, -(2**70), 10**400):
        for path in (f"/billing/ledger?before={number}", f"/audit?before={number}", f"/audit?limit={number}"):
            assert site.get(path).status in (200, 422), path
        answer = site.do(BY_ID["access.create"], {"token": NewToken(name="Laptop", days=number)}, "owner")
        assert (answer.status, answer.code) == (422, "invalid")


WORDS = {"long": "x" * 20_000, "NUL": "a\0b", "spaces": " " * 300, "wide": "😀" * 300, "empty": "", "order": "\x1b[2J"}


def with_word(value: Any, word: str) -> Any:
    """The same with another word for every one in it, but for those of which there are only some."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: with_word(getattr(value, each.name), word) for each in fields(value)}
        return replace(value, **changed)
    if isinstance(value, dict):
        return dict.fromkeys([word], word)
    if isinstance(value, tuple):
        return tuple(with_word(each, word) for each in value)
    return word if type(value) is str else value


@pytest.mark.parametrize("which", WORDS)
def test_no_word_is_a_fault(site: Site, which: str) -> None:
    for declared in EVERY:
        given = arguments(declared, site.kit.world)
        changed = {
            name: value if f"{{{name}}}" in declared.path else with_word(value, WORDS[which])
            for name, value in given.items()
        }
        answer = site.do(declared, changed, fuzz.whose(declared.id))
        assert answer.status < 500, (declared.id, answer.body)
        assert answer.status not in (404, 405) or answer.code == "not_found", (declared.id, answer.body)
        if answer.status < 300 and declared.writes:
            # And what was kept can be shown again.
            for read in ("general", "members", "workspaces", "billing", "keys", "tokens", "audit", "usage"):
                assert site.get(f"/{read}").status in (200, 401, 404), (declared.id, read)
            site.renew()


@pytest.mark.parametrize("id", IDS)
def test_a_few_requests(site: Site, documented: dict[str, Any], id: str) -> None:
    fuzz.examine(site, documented[id], 5, thorough=False)


@pytest.mark.soak
@pytest.mark.parametrize("id", IDS)
def test_many_requests(site: Site, documented: dict[str, Any], id: str) -> None:
    fuzz.examine(site, documented[id], 500, thorough=True)
