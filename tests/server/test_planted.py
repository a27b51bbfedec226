"""The tests of the API under test: the server is broken on purpose, and they must say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from orgtui.domain.errors import AlreadyThere, OrgtuiError
from orgtui.domain.roles import Permission
from orgtui.server import routes
from orgtui.server.admission import Admission
from orgtui.server.gate import Gate
from orgtui.store.sql import store, unit_of_work
from orgtui.store.sql.rows import Rows
from orgtui.store.sql.unit_of_work import UnitOfWork
from tests.server import fuzz, test_access, test_api
from tests.server.site import EVERY, Kit, Site, serving

Patch = pytest.MonkeyPatch


def no_permission(patch: Patch) -> None:
    """One operation is done for whoever has a token."""
    original = UnitOfWork._permit

    def permit(unit: UnitOfWork, rows: Any, operation: Any) -> Any:
        left_out = operation.id == "team.transfer"
        return original(unit, rows, replace(operation, needs=Permission.VIEW) if left_out else operation)

    patch.setattr(UnitOfWork, "_permit", permit)


def no_organization(patch: Patch) -> None:
    """What is looked up by its id is looked up in all organizations."""
    original = Rows.one

    def one(rows: Rows, sql: str, **parameters: Any) -> Any:
        return original(rows, re.sub(r"org_id = :org AND (id = :\w+ AND deleted_at)", r"\1", sql), **parameters)

    patch.setattr(Rows, "one", one)


def wrong_status(patch: Patch) -> None:
    patch.setattr(AlreadyThere, "status", 410)


def any_version(patch: Patch) -> None:
    """If-Match is read, and what was seen is what is there."""
    original = UnitOfWork.write

    def write(unit: UnitOfWork, operation: Any, function: Any, arguments: dict[str, Any]) -> Any:
        if operation.id == "general.save":
            with unit._database.reading() as rows:
                version = rows.value("SELECT version FROM organizations WHERE id = :org", org=unit._organization)
            arguments = {"changes": replace(arguments["changes"], seen=version)}
        return original(unit, operation, function, arguments)

    patch.setattr(UnitOfWork, "write", write)


def no_key(patch: Patch) -> None:
    patch.setattr(routes, "idempotency_key", lambda _key: nullcontext())


def written(change: Callable[[dict[str, Any]], None]) -> Callable[[Patch], None]:
    """The answer of one operation is not as its type says."""

    def plant(patch: Patch) -> None:
        original = routes._written

        def write(declared: Any, answer: Any) -> Any:
            response = original(declared, answer)
            if declared.id != "team.show":
                return response
            value = json.loads(response.body)
            change(value)
            return type(response)(json.dumps(value), media_type=routes.JSON)

        patch.setattr(routes, "_written", write)

    return plant


def long_word(patch: Patch) -> None:
    """A name that is longer than a column somewhere."""
    original = UnitOfWork.write

    def write(unit: UnitOfWork, operation: Any, function: Any, arguments: dict[str, Any]) -> Any:
        if operation.id == "workspaces.create" and len(arguments["workspace"].name) > 1000:
            raise RuntimeError("value too long for type character varying(1000)")
        return original(unit, operation, function, arguments)

    patch.setattr(UnitOfWork, "write", write)


def any_body(patch: Patch) -> None:
    original = Gate._take

    async def take(gate: Gate, headers: Any, receive: Any, _limit: int, body: bytearray) -> None:
        headers = {"content-length": "0"} if "content-length" in headers else headers
        await original(gate, headers, receive, 2**40, body)

    patch.setattr(Gate, "_take", take)


def revoked_works(patch: Patch) -> None:
    """What a token is worth is remembered."""
    for module, name in ((store, "maker"), (unit_of_work, "standing")):
        original, known = getattr(module, name), dict[str, Any]()

        def remember(
            rows: Any, organization: str, key: str, *more: Any, original: Any = original, known: Any = known
        ) -> Any:
            if key not in known:
                known[key] = original(rows, organization, key, *more)
            return known[key]

        patch.setattr(module, name, remember)


def no_limit_of_guesses(patch: Patch) -> None:
    patch.setattr(Admission, "_refuse_guessing", lambda *_: None)


def extra_taken(patch: Patch) -> None:
    """Query parameters that nobody declared are ignored."""
    patch.setattr(routes, "_know", lambda *_: None)


@dataclass(frozen=True)
class Bug:
    """How it is planted, and what is sure to find it."""

    plant: Callable[[Patch], None]
    by: str


BUGS = {
    "a permission is not asked for": Bug(no_permission, "roles"),
    "an id is looked up without its organization": Bug(no_organization, "ids of others"),
    "an error has another status": Bug(wrong_status, "keys"),
    "a version is not compared": Bug(any_version, "versions"),
    "an idempotency key is ignored": Bug(no_key, "keys"),
    "a field is not documented": Bug(written(lambda value: value.update(internal=1)), "documentation"),
    "a number where a text is documented": Bug(written(lambda value: value.update(timezone=1)), "documentation"),
    "a long text is a fault": Bug(long_word, "words"),
    "a body has no limit": Bug(any_body, "bodies"),
    "a revoked token works": Bug(revoked_works, "revoked"),
    "guesses have no limit": Bug(no_limit_of_guesses, "guesses"),
    "a query is not read to its end": Bug(extra_taken, "queries"),
}
BRIEF = ("a permission is not asked for", "guesses have no limit")


def roles(site: Site, ids: tuple[str, ...] = ()) -> None:
    for declared in EVERY:
        if not ids or declared.id in ids:
            site.renew()
            test_access.test_a_token_may_exactly_what_it_may(site, declared)


def ids_of_others(site: Site) -> None:
    for id_ in test_access.NAMED:
        site.renew()
        test_access.test_what_is_another_s_is_as_if_it_had_never_been(site, id_)


def documentation(site: Site) -> None:
    for operation in fuzz.operations(fuzz.schema(site)).values():
        fuzz.examine(site, operation, 5, thorough=False)


def words(site: Site) -> None:
    for which in test_api.WORDS:
        site.renew()
        test_api.test_no_word_is_a_fault(site, which)


SUITE: dict[str, Callable[[Site], None]] = {
    "guesses": test_access.test_ten_wrong_tokens_in_five_minutes_and_no_more,
    "revoked": test_access.test_revoked_means_revoked_with_the_next_request,
    "versions": test_api.test_a_version_that_is_old_is_refused,
    "keys": test_api.test_a_key_is_used_once,
    "queries": test_api.test_a_query_says_only_what_is_asked,
    "bodies": test_api.test_a_body_has_a_limit,
    "words": words,
    "ids of others": ids_of_others,
    "documentation": documentation,
    "roles": roles,
}


@pytest.fixture
def planted(made: Kit, tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    """A server with a bug."""
    with pytest.MonkeyPatch.context() as patch:
        opened: list[Any] = []

        def plant(name: str) -> Site:
            BUGS[name].plant(patch)
            opened.append(serving(made, tmp_path))
            site: Site = opened[-1].__enter__()
            return site

        yield plant
        for each in opened:
            each.__exit__(None, None, None)


def found(site: Site, names: Iterator[str] | list[str]) -> list[str]:
    """Which of the tests fail there."""
    failed = []
    for name in names:
        site.renew()
        try:
            SUITE[name](site)
        except (AssertionError, OrgtuiError, BaseExceptionGroup):
            failed.append(name)
    return failed


def test_as_it_is_nothing_is_found(site: Site) -> None:
    """Of the tests that cost little; the others run as themselves."""
    brief = [name for name in SUITE if name not in ("roles", "documentation", "ids of others", "words")]
    assert found(site, brief) == []


@pytest.mark.parametrize("name", BRIEF)
def test_a_bug_is_found(planted: Callable[[str], Site], name: str) -> None:
    if BUGS[name].by == "roles":
        site = planted(name)
        with pytest.raises(AssertionError):
            roles(site, ("team.transfer",))
    else:
        assert found(planted(name), [BUGS[name].by])


@pytest.mark.soak
@pytest.mark.parametrize("name", BUGS)
def test_every_bug_is_found(planted: Callable[[str], Site], name: str) -> None:
    told = found(planted(name), list(SUITE))
    print(f"{name}: {', '.join(told)}")
    assert BUGS[name].by in told
