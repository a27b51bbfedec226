"""How an operation travels over HTTP: what of it stands in the path, in the query, in a header and in the body."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, get_type_hints
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter, create_model
from pydantic import Field as ModelField
from pydantic_core import CoreSchema, to_jsonable_python

from orgtui.domain.errors import ERRORS, OrgtuiError
from orgtui.store.contract.operation import Operation
from orgtui.store.incoming import narrowed

PREFIX = "/v1"
JSON, PROBLEM = "application/json", "application/problem+json"
# The version that was on the screen: in a body it would be one more field, and caches and proxies know the header.
SEEN, IF_MATCH = "seen", "If-Match"
IDEMPOTENCY_KEY, RETRY_AFTER = "Idempotency-Key", "Retry-After"
# An address may have a slash in it, and so stands at a path's end; an id has none.
SLASHED = frozenset({"email"})
_MEMBERS = ("type", "title", "status", "detail")


@dataclass(frozen=True, slots=True)
class Request:
    """An operation and its arguments on their way: `path` has its query, `content` is JSON or empty."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Shape:
    """Where each parameter of an operation stands.

    `in_path` and `in_query` are the types by name. `body` is a model of all others; where that is a single dataclass,
    called `whole`, the body is its fields. `versioned`: its `seen` is in If-Match instead.
    """

    operation: Operation
    in_path: Mapping[str, Any]
    in_query: Mapping[str, Any]
    body: type[BaseModel] | None
    whole: str | None
    versioned: bool

    @property
    def path(self) -> str:
        """The template, below the server's root."""
        return PREFIX + self.operation.path

    @cached_property
    def _query(self) -> dict[str, TypeAdapter[Any]]:
        return {name: TypeAdapter(hint) for name, hint in self.in_query.items()}

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """What is sent for the operation with these *arguments*."""
        path = self.path
        for name in self.in_path:
            path = path.replace(f"{{{name}}}", _segment(str(arguments[name]), whole=name not in SLASHED))
        query = [
            f"{name}={quote(self._written(adapter, arguments[name]), safe='')}"
            for name, adapter in self._query.items()
            if arguments[name] is not None
        ]
        headers, content = dict[str, str](), b""
        if self.body is not None:
            headers["Content-Type"], content = JSON, self._content(self.body, arguments)
        if self.versioned and self.whole:
            headers[IF_MATCH] = etag(getattr(arguments[self.whole], SEEN))
        return Request(self.operation.verb, "?".join([path, "&".join(query)] if query else [path]), headers, content)

    def arguments(self, body: BaseModel, seen: int | None = None) -> dict[str, Any]:
        """The arguments that came in a *body*."""
        values = {name: getattr(body, name) for name in type(body).model_fields}
        if self.whole is None:
            return values
        kind = self.operation.hints[self.whole]
        return {self.whole: kind(**values, **({SEEN: seen} if self.versioned else {}))}

    def _content(self, body: type[BaseModel], arguments: Mapping[str, Any]) -> bytes:
        if self.whole:
            value = arguments[self.whole]
            values = {name: getattr(value, name) for name in body.model_fields}
        else:
            values = {name: arguments[name] for name in body.model_fields}
        return body.model_construct(**values).model_dump_json().encode()

    @staticmethod
    def _written(adapter: TypeAdapter[Any], value: Any) -> str:
        written = adapter.dump_python(value, mode="json")
        return written if isinstance(written, str) else json.dumps(written)


@cache
def shape(operation: Operation) -> Shape:
    """The shape of an operation: GET and DELETE have no body, other verbs no query."""
    in_path = {name: operation.hints[name] for name in re.findall(r"{(\w+)}", operation.path)}
    rest = {name: hint for name, hint in operation.hints.items() if name not in {*in_path, "return"}}
    if operation.verb in ("GET", "DELETE"):
        return Shape(operation, in_path, rest, None, None, False)
    if not rest:
        return Shape(operation, in_path, {}, None, None, False)
    if len(rest) == 1 and is_dataclass(kind := next(iter(rest.values()))):
        hints: dict[str, Any] = get_type_hints(kind)
        parts = {field.name: _part(hints[field.name], field) for field in fields(kind)}
        versioned = parts.pop(SEEN, None) is not None
        return Shape(operation, in_path, {}, _model(kind, kind.__doc__, parts), next(iter(rest)), versioned)
    parameters = operation.signature.parameters
    parts = {
        name: (hint, ... if parameters[name].default is inspect.Parameter.empty else parameters[name].default)
        for name, hint in rest.items()
    }
    return Shape(operation, in_path, {}, _model(operation.id, None, parts), None, False)


def _segment(text: str, *, whole: bool) -> str:
    """A value as part of a path, here and at every proxy, where nothing, dots and slashes have meanings of their own.

    No id looks like what these become, so that it is not found, as they are not. *whole*: the server takes no slash.
    """
    if not {"", ".", ".."}.isdisjoint(parts := text.split("/")) or (whole and len(parts) > 1):
        text = text.replace(".", "%2E").replace("/", "%2F") or " "
    return quote(text, safe="")


class _Body(BaseModel):
    """What all bodies are; extra fields are refused, not ignored, and those of dataclasses within too."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: CoreSchema = narrowed(handler(source), handler)
        return schema


def _model(of: Any, doc: str | None, parts: dict[str, Any]) -> type[BaseModel]:
    """A body; what an operation's parameters are is named after it."""
    name = of if isinstance(of, str) else of.__name__
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", name))
    model: type[BaseModel] = create_model(name, __base__=_Body, __doc__=doc, **parts)
    return model


def _part(hint: Any, field: Field[Any]) -> tuple[Any, Any]:
    """A field of a dataclass, as a model declares it."""
    if field.default_factory is not MISSING:
        return hint, ModelField(default_factory=field.default_factory)
    return hint, ... if field.default is MISSING else field.default


def etag(version: int) -> str:
    """A row's version as an entity tag (RFC 9110)."""
    return f'"{version}"'


def version_of(tag: str) -> int | None:
    """The version that an entity tag names, None where it names none."""
    match = re.fullmatch(r'"([0-9]{1,15})"', tag)
    return int(match[1]) if match else None


def error_of(operation: Operation, status: int, problem: Any) -> OrgtuiError | None:
    """The error that problem details (RFC 9457) tell of; None where they are none of ours.

    What only the server itself refuses, as a body that is too large, is told in its words.
    """
    if not isinstance(problem, dict) or problem.get("status") != status or not isinstance(problem.get("detail"), str):
        return None
    code = problem.get("title")
    if problem.get("type") != f"orgtui:{code}":
        return None
    kind = (ERRORS | {error.code: error for error in operation.raises}).get(str(code), OrgtuiError)
    details = {key: value for key, value in problem.items() if key not in _MEMBERS}
    try:
        return kind(problem["detail"], **details)
    except TypeError:
        return None


def problem_of(error: OrgtuiError) -> dict[str, Any]:
    """The same the other way."""
    details: dict[str, Any] = to_jsonable_python(error.details)
    return error.problem() | details
