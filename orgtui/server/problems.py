"""Every refusal of the server as problem details (RFC 9457), and what its documentation says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, to_json

from orgtui.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    OrgtuiError,
    StoreRefused,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unreachable,
)
from orgtui.store.contract.operation import Operation
from orgtui.store.wire import PROBLEM, RETRY_AFTER, problem_of


class Problem(BaseModel):
    """Why a request was not carried out: `title` is a stable code, `detail` one line for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["orgtui:not_found"])
    title: str = Field(examples=["not_found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such invitation; it was withdrawn or accepted."])


class Malformed(Invalid):
    """A request that no operation can be read from."""

    code, status = "malformed", 400


class Ambiguous(Malformed):
    """A request of two lengths, after which nobody knows where the next one begins."""


class NoSuchPlace(NotFound):
    """A path that no operation has."""

    code = "no_such_path"


class WrongMethod(OrgtuiError):
    """A path that exists, for other methods."""

    code, status, exit_code = "method_not_allowed", 405, 1


class TooSlow(OrgtuiError):
    """The request did not come in whole in its time."""

    code, status, exit_code = "too_slow", 408, 6


class WrongType(OrgtuiError):
    """The body is not plain JSON."""

    code, status, exit_code = "wrong_type", 415, 2


class VersionMissing(OrgtuiError):
    """A change that does not say what it changes (RFC 6585)."""

    code: ClassVar[str] = "version_missing"
    status: ClassVar[int] = 428
    exit_code: ClassVar[int] = 2


class Fault(OrgtuiError):
    """The server's own fault; the log has it under the request's id."""

    code = "fault"


def response(error: OrgtuiError) -> Response:
    """The answer that tells of an error."""
    headers = {}
    if isinstance(error, TooMany):
        headers[RETRY_AFTER] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Ambiguous):
        headers["Connection"] = "close"
    return Response(to_json(problem_of(error)), error.status, headers, PROBLEM)


def fault(id: str) -> Response:
    """The answer to request *id* when something failed that nobody thought of."""
    return response(Fault(f"The server failed; its log has it under {id}."))


def invalid(error: ValidationError) -> Invalid:
    """What is wrong with what came in; never what came in, which may be a secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Malformed(f"The body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}.")
    return refused(found)


def refused(found: Iterable[ErrorDetails | dict[str, Any]]) -> Invalid:
    """The same of what a validator found: the first in words, all of it for programs."""
    errors = [
        {"at": [_place(part) for part in one["loc"]], "what": _WORDS.get(one["type"], one["msg"])} for one in found
    ]
    first = errors[0]
    return Invalid(f"{'.'.join(first['at']) or 'The body'}: {str(first['what']).rstrip('.')}.", errors=errors)


# Where a validator speaks of its own means: of the one pattern there is, and of JSON within a query.
_WORDS = {
    "string_pattern_mismatch": "1 to 200 printable ASCII characters, and no blank around them",
    "json_invalid": "no number, and neither true nor false",
}


def _place(part: int | str) -> str:
    """A field's name or a number; what no field is called like came in too, and may be a secret in the wrong place."""
    return str(part) if isinstance(part, int) or re.fullmatch(r"[A-Za-z_-]{1,30}", part) else "…"


# What can become of any request: its own faults, and those of what it meets.
_ALWAYS = (NotFound, StoreRefused, Unreachable, Fault, TooMany, TooLarge, TooSlow, WrongType, Invalid, Malformed)


def documented(operation: Operation, *, versioned: bool) -> dict[int | str, dict[str, Any]]:
    """Every refusal that an operation can answer, by status, as OpenAPI writes them."""
    kinds: set[type[OrgtuiError]] = {*operation.raises, *_ALWAYS}
    kinds |= {Forbidden, Unauthenticated} if operation.needs else set()
    kinds |= {Conflict} if operation.writes else set()
    kinds |= {KeyReused} if operation.keyed else set()
    kinds |= {VersionMissing} if versioned else set()
    found: dict[int | str, dict[str, Any]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.code)):
        told = found.setdefault(kind.status, {"model": Problem, "description": "", "content": {PROBLEM: {}}})
        said = (kind.__doc__ or "").strip().partition("\n")[0]
        told["description"] = f"{told['description']} `{kind.code}`: {said}".strip()
    return found
