"""Routes derived by walking the contract: no operation is written here."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from orgtui.domain.errors import Invalid
from orgtui.server.examples import example
from orgtui.server.problems import VersionMissing, WrongType, documented, invalid
from orgtui.store.contract.operation import Operation, idempotency_key, operations
from orgtui.store.incoming import ByTheLetter
from orgtui.store.sql.store import Guest
from orgtui.store.wire import IDEMPOTENCY_KEY, IF_MATCH, JSON, SLASHED, Shape, etag, shape, version_of

# Finds out who asks, or raises.
Enter = Callable[[Request], Awaitable[Guest]]
# Who asks, None where anybody may, and what: the answer of an operation with its arguments.
Perform = Callable[[Guest | None, Operation, dict[str, Any]], Awaitable[Any]]
_KEY_PATTERN = r"^[!-~]([ -~]{0,198}[!-~])?$"


class _Raw(Request):
    """A request of *guest*, whose JSON nobody has read yet: it is read once, strictly, by what knows its types."""

    def __init__(self, request: Request, guest: Guest | None) -> None:
        super().__init__(request.scope, request.receive)
        self.guest = guest

    async def json(self) -> Any:
        return await self.body()


def router(contracts: Mapping[str, type[Any]], enter: Enter, perform: Perform) -> APIRouter:
    """The routes of all operations of these contracts; nothing is told to whom *enter* refuses, not even mistakes."""

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle, open_to_all = super().get_route_handler(), "security" not in (self.openapi_extra or {})

            async def read(request: Request) -> Response:
                guest = None if open_to_all else await enter(request)
                _know(request, self.dependant)
                if self.body_field is not None:
                    _expect_json(request)
                return await handle(_Raw(request, guest))

            return read

    made = APIRouter(route_class=Route)
    found = [(section, shape(one)) for section, contract in contracts.items() for one in operations(contract).values()]
    for section, to in sorted(found, key=lambda one: _literal(one[1])):
        _add(made, section, to, perform)
    return made


def _know(request: Request, declared: Dependant) -> None:
    """What nobody asked for is refused, as in a body, and what is told twice: it was meant to say something."""
    headers = {parameter.alias for parameter in declared.header_params}
    if request.method != "GET" and IDEMPOTENCY_KEY in request.headers and IDEMPOTENCY_KEY not in headers:
        raise Invalid("This takes no idempotency key: send it without, and look before you do it again.")
    names = {parameter.alias for parameter in declared.query_params}
    for number, (name, _) in enumerate(told := request.query_params.multi_items()):
        if name not in names:
            raise Invalid("There is no such parameter here, in the query.", known=sorted(names))
        if name in dict(told[:number]):
            raise Invalid(f"{name} is told twice.", field=name)


def _expect_json(request: Request) -> None:
    """A form or a text that happens to be JSON was meant for somebody else; nothing said is taken as meant so."""
    told, _, more = request.headers.get("content-type", JSON).lower().partition(";")
    if told.strip() != JSON or more.replace(" ", "").replace('"', "") not in ("", "charset=utf-8"):
        raise WrongType(f"Send the body as {JSON}, in UTF-8.")


def _add(made: APIRouter, section: str, to: Shape, perform: Perform) -> None:
    declared = to.operation
    answer = declared.hints["return"]
    nothing = answer is type(None)
    extra: dict[str, Any] = {}
    if declared.needs is not None:
        extra = {"security": [{"token": []}], "x-needs": declared.needs.value}
    made.add_api_route(
        _template(to),
        _endpoint(to, perform),
        methods=[declared.verb],
        operation_id=declared.id,
        tags=[section],
        summary=(declared.method.__doc__ or "").strip().partition("\n")[0],
        description=inspect.cleandoc(declared.method.__doc__ or ""),
        status_code=204 if nothing else 200,
        response_model=None if nothing else answer,
        responses=documented(declared, versioned=to.versioned),
        openapi_extra=extra,
    )


def _template(to: Shape) -> str:
    """The path as the router reads it."""
    return re.sub(r"{(\w+)}$", lambda name: f"{{{name[1]}:path}}" if name[1] in SLASHED else name[0], to.path)


def _literal(to: Shape) -> list[bool]:
    """By this what a path says itself comes before what could be an id in its place."""
    return [part.startswith("{") for part in to.path.split("/")]


def _endpoint(to: Shape, perform: Perform) -> Callable[..., Awaitable[Response]]:
    declared = to.operation

    async def endpoint(**given: Any) -> Response:
        request, key, match, body = (given.pop(name, None) for name in _OURS)
        arguments = given if body is None else given | to.arguments(body, _seen(to, match))
        if key is None:
            answer = await perform(request.guest, declared, arguments)
        else:
            with idempotency_key(key):
                answer = await perform(request.guest, declared, arguments)
        return _written(declared, answer)

    # FastAPI reads from it what to look for in the request, and what to document.
    endpoint.__signature__ = inspect.Signature(list(_parameters(to)))  # type: ignore[attr-defined]
    return endpoint


# Names that no operation gives a parameter.
_OURS = ("_http", "_key", "_match", "_body")


def _parameters(to: Shape) -> Iterator[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    yield inspect.Parameter("_http", kind, annotation=Request)
    for name, hint in to.in_path.items():
        yield inspect.Parameter(
            name, kind, annotation=Annotated[hint, ByTheLetter(), _word(hint), Path(examples=[example(hint, name)])]
        )
    for name, hint in to.in_query.items():
        default = to.operation.signature.parameters[name].default
        yield inspect.Parameter(
            name, kind, annotation=Annotated[hint, ByTheLetter(), _word(hint), Query()], default=default
        )
    if to.body is not None:
        body: Any = to.body
        media = Annotated[body, _strict(body), Body(media_type=JSON, examples=[example(body)])]
        yield inspect.Parameter("_body", kind, annotation=media)
    if to.operation.keyed:
        told = "Of your own making, one for each attempt: the same request with the same key happens once."
        yield inspect.Parameter(
            "_key",
            kind,
            annotation=Annotated[str | None, Header(alias=IDEMPOTENCY_KEY, pattern=_KEY_PATTERN, description=told)],
            default=None,
        )
    if to.versioned:
        told = "The ETag of what was read: a change of anything newer is refused."
        yield inspect.Parameter(
            "_match", kind, annotation=Annotated[str | None, Header(alias=IF_MATCH, description=told)], default=None
        )


def _word(hint: Any) -> BeforeValidator:
    """How a value that stands in a path or a query is read: a number or a truth as JSON writes it, else as text."""
    adapter, textual = TypeAdapter[Any](Annotated[hint, ByTheLetter()]), not {bool, int} & {hint, *get_args(hint)}

    def read(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        return adapter.validate_json(json.dumps(text) if textual else text, strict=True)

    return BeforeValidator(read)


def _strict(body: type[BaseModel]) -> BeforeValidator:
    """How a body is read: as JSON that says what its schema says, no more and no less."""

    def read(raw: Any) -> Any:
        try:
            return body.model_validate_json(raw, strict=True) if isinstance(raw, bytes) else raw
        except ValidationError as error:
            found = invalid(error)
        # Not raised above: that error's traceback leads to where the body is among the variables.
        raise found

    return BeforeValidator(read)


def _seen(to: Shape, match: str | None) -> int | None:
    if not to.versioned:
        return None
    seen = version_of(match or "")
    if seen is None:
        raise VersionMissing(f"Say which version is changed: {IF_MATCH} with the ETag of what was read.")
    return seen


def _written(declared: Operation, answer: Any) -> Response:
    if answer is None and declared.hints["return"] is type(None):
        return Response(status_code=204)
    version = getattr(answer, "version", None)
    headers = {} if version is None else {"ETag": etag(version)}
    return Response(declared.answers.dump_json(answer), headers=headers, media_type=JSON)
