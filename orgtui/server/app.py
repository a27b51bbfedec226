"""The server as one ASGI application: the contract's routes for whoever comes with a token, and how it fares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

import orgtui
from orgtui.domain.ambient import Ambient
from orgtui.domain.codes import new_token
from orgtui.domain.errors import OrgtuiError, StoreRefused, Unauthenticated, Unreachable
from orgtui.server import problems
from orgtui.server.admission import Admission
from orgtui.server.desks import Services, entrance_of, till_of
from orgtui.server.gate import Figures, Gate, Limits, Log
from orgtui.server.pages import add_pages
from orgtui.server.routes import router
from orgtui.server.webhooks import add_webhooks
from orgtui.store.contract import CONTRACTS
from orgtui.store.contract.access import PREFIXES, Kind
from orgtui.store.contract.operation import Operation
from orgtui.store.sql.store import Guest, SqlStore
from orgtui.store.wire import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is served: an open store, and by section the contracts and services that stand above it.

    `behind_proxy`: whose address a request has is what the proxy in front says. `public_url` is where people find it.
    """

    opened: SqlStore
    ambient: Ambient
    log: Log
    services: Services = field(default_factory=dict)
    behind_proxy: bool = False
    public_url: str | None = None
    limits: Limits = field(default_factory=Limits)


def application(house: House) -> ASGIApp:
    """The server; nothing is opened here, and nothing closed."""
    figures = Figures()

    async def admit(secret: str) -> Guest:
        try:
            return await house.opened.admit(secret)
        except (StoreRefused, Unreachable) as error:
            raise _withheld(error, house.log) from None

    admission = Admission(admit, house.ambient, figures, behind_proxy=house.behind_proxy)

    async def perform(guest: Guest | None, declared: Operation, arguments: dict[str, Any]) -> Any:
        store = guest.store if guest else house.opened.outside
        section: Any
        if made := house.services.get(declared.section):
            if guest:
                await guest.permit(declared)
            section = await made[1](store)
        else:
            section = getattr(store, declared.section)
        return await getattr(section, declared.name)(**arguments)

    app = FastAPI(
        title="orgtui",
        version=orgtui.__version__,
        summary="The settings of an organization: team, usage, billing, provider keys, workspaces.",
        # To send a client elsewhere takes the word of its Host header.
        redirect_slashes=False,
        openapi_url=None,
    )
    contracts = {**CONTRACTS, **{section: contract for section, (contract, _) in house.services.items()}}
    operations = router(contracts, admission.enter, perform)
    app.include_router(operations)
    till = till_of(house.services, house.opened.platform)
    entrance = entrance_of(house.services, house.opened.outside)
    add_pages(app, house.opened.outside.team, till, entrance, house.ambient, house.public_url)
    add_webhooks(app, till)
    _look_after(app, house.ambient, admit, figures)
    _describe(app)
    _tell(app, [route for route in (*operations.routes, *app.routes) if isinstance(route, Route)], house.log)
    return Gate(app, ambient=house.ambient, log=house.log, figures=figures, limits=house.limits)


def _look_after(app: FastAPI, ambient: Ambient, admit: Callable[[str], Awaitable[Guest]], figures: Figures) -> None:
    """For whoever keeps it running."""

    ok = Response("ok\n", media_type="text/plain")

    @app.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
    async def healthz() -> Response:
        return ok

    @app.api_route("/readyz", methods=["GET", "HEAD"], include_in_schema=False)
    async def readyz() -> Response:
        try:
            # Which takes the database and the key.
            await admit(new_token(PREFIXES[Kind.PERSON], ambient.random))
        except Unauthenticated:
            return ok
        raise AssertionError("a token that was made up opens it")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)


def _withheld(error: OrgtuiError, log: Log) -> Unreachable:
    """What is told to who was not let in: where the store lies, and what ails it, is for who keeps it running."""
    log({"level": "warning", "event": "store", "what": error.message})
    return Unreachable("The store cannot be used now; the server's log says why.")


def _tell(app: FastAPI, routes: Sequence[Route], log: Log) -> None:
    """Every refusal in the one form."""

    @app.exception_handler(OrgtuiError)
    async def told(request: Request, error: OrgtuiError) -> Response:
        if isinstance(error, StoreRefused) and not getattr(request.state, "token", None):
            error = _withheld(error, log)
        return problems.response(error)

    @app.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        # Goes on to the gate, which writes it down; but Starlette would have answered by then, with words of its own.
        return problems.fault(request.state.id)

    @app.exception_handler(RequestValidationError)
    async def refused(_request: Request, error: RequestValidationError) -> Response:
        return problems.response(problems.refused(error.errors()))

    @app.exception_handler(HTTPException)
    async def strayed(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            answer = problems.response(problems.WrongMethod(f"{request.method} is not for this path."))
            answer.headers["Allow"] = ", ".join(_methods(routes, request.scope["path"]))
            return answer
        if error.status_code == 404:
            return problems.response(problems.NoSuchPlace("There is no such path here."))
        return problems.response(problems.Malformed("The request cannot be read."))


def _methods(routes: Sequence[Route], path: str) -> list[str]:
    """What can be done at a path, each of which is a route of its own; of two that it fits, the one that names more."""
    fitting = [route.path for route in routes if route.path_regex.match(path)]
    template = min(fitting, key=lambda found: found.count("{"))
    return sorted({method for route in routes if route.path == template for method in route.methods or ()})


def _describe(app: FastAPI) -> None:
    """The documentation, which says how to come in; made once and now, because it is large and takes half a second."""
    document = app.openapi()
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "description": "orgtui access create NAME"}
    written = to_json(document)

    async def described() -> Response:
        return Response(written, media_type=JSON)

    app.add_api_route("/openapi.json", described, include_in_schema=False)
