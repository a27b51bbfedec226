"""The routes are the contract's, each on a path of its own, and documented with what is true of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from orgtui.billing.payments import Payments
from orgtui.key_tests import KeyTests
from orgtui.server.routes import router
from orgtui.sign_in import SignIn
from orgtui.store.contract import CONTRACTS
from orgtui.store.contract.operation import Operation, operations
from orgtui.store.wire import PREFIX, shape
from tests.contract.arguments import VALID

SERVED = {**CONTRACTS, "payments": Payments, "key_tests": KeyTests, "sign_in": SignIn}


def named(declared: Operation) -> str:
    return declared.id


EVERY = [declared for contract in SERVED.values() for declared in operations(contract).values()]


async def nobody(*_arguments: Any) -> None:
    raise AssertionError


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = FastAPI()
    app.include_router(router(SERVED, nobody, nobody))
    return app.openapi()


def documented(document: dict[str, Any], declared: Operation) -> dict[str, Any]:
    path = PREFIX + declared.path
    found: dict[str, Any] = document["paths"][path][declared.verb.lower()]
    return found


def test_every_operation_is_documented_once(document: dict[str, Any]) -> None:
    told = [verb["operationId"] for path in document["paths"].values() for verb in path.values()]
    assert sorted(told) == sorted(declared.id for declared in EVERY)


def test_no_path_can_be_taken_for_another() -> None:
    """Which of two routes is asked must not depend on which is declared first."""

    def fits(path: str, other: str) -> bool:
        ours, theirs = path.split("/"), other.split("/")
        return len(ours) == len(theirs) and all(
            a == b or a.startswith("{") or b.startswith("{") for a, b in zip(ours, theirs, strict=True)
        )

    for one in EVERY:
        others = [other for other in EVERY if other is not one and other.verb == one.verb]
        # Where a value may be "me" no id is: ids have a prefix.
        clashes = {other.id for other in others if fits(one.path, other.path)} - {"team.present", "team.leave"}
        assert not clashes or one.id in ("team.present", "team.leave"), (one.id, clashes)


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_its_refusals_are_documented(document: dict[str, Any], declared: Operation) -> None:
    told = documented(document, declared)["responses"]
    for error in declared.raises:
        assert f"`{error.code}`" in told[str(error.status)]["description"]
    assert ("401" in told) == (declared.needs is not None)
    assert ("428" in told) == shape(declared).versioned


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_its_key_is_documented(document: dict[str, Any], declared: Operation) -> None:
    told = documented(document, declared)
    takes = declared.id == "sign_in.join" or (declared.writes and declared.section in list(CONTRACTS))
    assert takes == ("Idempotency-Key" in [parameter["name"] for parameter in told.get("parameters", [])])
    assert takes == ("`key_reused`" in told["responses"].get("409", {"description": ""})["description"])


@pytest.mark.parametrize("declared", EVERY, ids=named)
def test_its_example_is_valid(document: dict[str, Any], declared: Operation) -> None:
    body = shape(declared).body
    if body is None:
        assert "requestBody" not in documented(document, declared)
        return
    schema = documented(document, declared)["requestBody"]["content"]["application/json"]
    (example,) = schema.get("examples") or schema["schema"]["examples"]
    TypeAdapter(body).validate_json(TypeAdapter(Any).dump_json(example), strict=True)


def test_arguments_come_out_as_they_went_in() -> None:
    """What is not in the path or in the query is in the body."""
    assert VALID.keys() == {declared.id for declared in EVERY if declared.section in list(CONTRACTS)}
    for declared in EVERY:
        to = shape(declared)
        inside = set(to.in_path) | set(to.in_query)
        rest = {to.whole} if to.whole else set(to.body.model_fields if to.body else ())
        assert inside | rest == declared.hints.keys() - {"return"}
        assert inside.isdisjoint(rest)
        assert set(re.findall(r"{(\w+)}", to.path)) == set(to.in_path)
