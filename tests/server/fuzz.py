"""What Schemathesis asks of every operation: requests as its schema allows them and as it does not, and all checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from pydantic import ValidationError
from schemathesis import CheckFunction, Response
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import unsupported_method

from orgtui.domain.providers import BY_KEY
from orgtui.domain.roles import PLATFORM_TOKEN_PERMISSIONS, READING_PERMISSIONS, Permission
from tests.contract.arguments import GUEST, PEER
from tests.server.site import BY_ID, Kit, Site

SEED = 20261123
_ALL = (HypothesisTestMode.EXAMPLES, HypothesisTestMode.COVERAGE, HypothesisTestMode.FUZZING)
_addresses = count()


def schema(site: Site) -> BaseSchema:
    """What the server says of itself."""
    found = schemathesis.openapi.from_url(f"{site.url}/openapi.json", config=_config(site.kit))
    return found


def _config(kit: Kit) -> SchemathesisConfig:
    world = kit.world
    words = {
        "ids": [world.peer, world.invitation, world.workspace, world.shelf, world.payment, world.token],
        "providers": list(BY_KEY),
        "emails": [GUEST],
        "confirms": ["Acme", "Default", PEER],
        "tags": ['"1"', '"2"', f'"{world.version}"'],
    }
    bound = {
        "path.id": "ids",
        "path.provider": "providers",
        "path.email": "emails",
        "query.confirm": "confirms",
        "header.If-Match": "tags",
    }
    # What is well written can still be refused for what it says: an address that is none, a name that is taken, a
    # version that is old. That it is never refused for how it is written, `written_well` checks beside it.
    meant = ["2xx", "401", "403", "404", "409", "412", "422", "428"]
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            # The token is always there: whether it is asked for is what `ignored_auth` tries, and the matrix of roles.
            "generation": {"with-security-parameters": False},
            "dictionaries": {name: {"values": values} for name, values in words.items()},
            "parameters": {place: {"dictionary": name, "probability": 0.7} for place, name in bound.items()},
            "checks": {"positive_data_acceptance": {"expected-statuses": meant}},
        }
    )


@schemathesis.check
def written_well(_context: CheckContext, response: Any, case: Case) -> None:
    """What the schema allows is refused for what it means only: schema and validator are of one mind."""
    if case.meta and case.meta.generation.mode.is_positive and response.status_code in (400, 415, 422):
        problem = response.json()
        assert problem["title"] == "invalid", problem
        assert "errors" not in problem, problem


@schemathesis.check
def nothing_more(_context: CheckContext, response: Any, case: Case) -> None:
    """An answer is what its type says, to the letter: schemas of answers are open, so that clients are patient."""
    declared = BY_ID[case.operation.definition.raw["operationId"]]
    if response.status_code == 200 and response.request.method == declared.verb:
        try:
            read = declared.answers.validate_json(response.content, strict=True)
        except ValidationError as error:
            raise AssertionError(str(error)) from error
        assert json.loads(declared.answers.dump_json(read)) == json.loads(response.content)


def operations(found: BaseSchema) -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """The operations by their ids."""
    return {each.ok().definition.raw["operationId"]: each.ok() for each in found.get_all_operations()}


def whose(operation: str) -> str:
    """Whose token it is asked with: the platform's, for what no person may."""
    needed = BY_ID[operation].needs or Permission.VIEW
    return "platform" if needed in PLATFORM_TOKEN_PERMISSIONS - READING_PERMISSIONS else "owner"


def examine(site: Site, operation: APIOperation[Any, Any, Any, Any], examples: int, *, thorough: bool) -> None:
    """Send requests, each to the organization as it was in the beginning, and check every answer.

    *thorough*: with the examples of the documentation, and with a case for each single thing that can be wrong.
    """
    id = operation.definition.raw["operationId"]
    token = site.kit.tokens[whose(id)]

    def ask(case: Case) -> None:
        # Each from an address of its own: that whoever guesses tokens is stopped is another test.
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"fuzz-{next(_addresses)}"}
        answer = case.call(headers=headers, timeout=30)
        # With these headers it asks again to see whether the token is needed.
        again = {"headers": headers, "timeout": 30}
        case.validate_response(answer, headers=headers, excluded_checks=_mistaken(answer), transport_kwargs=again)
        if case.method != "GET" and answer.status_code < 300:
            site.renew()

    site.renew()
    for run in _runs(operation, ask, examples, thorough=thorough):
        run()


def _mistaken(answer: Response) -> list[CheckFunction]:
    """At /invitations/accept DELETE is no undeclared method but that of /invitations/{id}, where none is called so."""
    unknown = answer.status_code == 404 and answer.json()["title"] == "not_found"
    return [unsupported_method] if unknown else []


def _runs(
    operation: APIOperation[Any, Any, Any, Any], ask: Callable[[Case], None], examples: int, *, thorough: bool
) -> Iterator[Callable[[], None]]:
    phases = (Phase.explicit, Phase.generate, Phase.shrink) if thorough else (Phase.generate,)
    chosen = settings(
        max_examples=examples,
        phases=phases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    config = HypothesisTestConfig(
        project=operation.schema.config,
        modes=list(_ALL) if thorough else [HypothesisTestMode.FUZZING],
        settings=chosen,
        seed=SEED,
    )
    yield create_test(operation=operation, test_func=ask, config=config)
