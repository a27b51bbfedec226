"""Which function answers which request, with the SDK class that says what its parameters are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.fake_stripe.refusals import Refused, missing
from tests.fake_stripe.world import Object, World

Handler = Callable[..., Object]


@dataclass(frozen=True)
class Route:
    """One method and path; `{id}` in it is handed to the handler."""

    method: str
    pattern: re.Pattern[str]
    params: str
    handler: Handler

    def params_class(self) -> type:
        """The SDK's TypedDict for the parameters."""
        package, _, name = self.params.rpartition(".")
        module = import_module(f"stripe.params.{package}" if package else "stripe.params")
        found: type = getattr(module, name)
        return found


ROUTES: list[Route] = []


def route(method: str, path: str, params: str) -> Callable[[Handler], Handler]:
    """Make the decorated function answer *path*; it pops from its parameters what it understands."""

    def register(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
        ROUTES.append(Route(method, pattern, params, handler))
        return handler

    return register


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request and what stands in its path."""
    for one in ROUTES:
        if one.method == method and (match := one.pattern.fullmatch(path)):
            return one, match.groupdict()
    raise Refused(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
        stored=False,
    )


class NotDone(Exception):
    """A documented parameter that this fake does not act on: better to stop than to pretend."""


def done(params: dict[str, Any], where: str) -> None:
    """Every parameter was popped by what understands it; raises NotDone for those that were not."""
    if params:
        raise NotDone(f"fake_stripe does not do {', '.join(sorted(params))} in {where}")


def merged(metadata: dict[str, str], given: dict[str, str] | str | None) -> dict[str, str]:
    """Metadata after an update: an empty value takes a key away, an empty whole takes all."""
    if given is None:
        return metadata
    if isinstance(given, str):
        return {}
    return {key: value for key, value in (metadata | given).items() if value != ""}


def listed(world: World, params: dict[str, Any], url: str, objects: list[Object]) -> Object:
    """A page of *objects* (the oldest first), the newest first; takes the cursors and `created` from *params*."""
    found = [one for one in reversed(objects) if _created(one, params.get("created"))]
    params.pop("created", None)
    limit = params.pop("limit", 10)
    if not 1 <= limit <= 100:
        raise Refused("Invalid limit: must be between 1 and 100", param="limit", stored=False)
    after, before = params.pop("starting_after", None), params.pop("ending_before", None)
    if after and before:
        raise Refused("You cannot parameterize both starting_after and ending_before.", stored=False)
    if after:
        found = found[_place(found, after, "starting_after") + 1 :]
        page, more = found[:limit], len(found) > limit
    elif before:
        found = found[: _place(found, before, "ending_before")]
        page, more = found[-limit:], len(found) > limit
    else:
        page, more = found[:limit], len(found) > limit
    return {"object": "list", "data": page, "has_more": more, "url": url}


def matching(params: dict[str, Any], objects: list[Object], *names: str) -> list[Object]:
    """Those whose fields are what *params* say; the names are taken from *params*."""
    wanted = {name: params.pop(name) for name in names if name in params}
    return [one for one in objects if all(one.get(name) == value for name, value in wanted.items())]


def _place(found: list[Object], identifier: str, param: str) -> int:
    for place, one in enumerate(found):
        if one["id"] == identifier:
            return place
    raise missing("object", identifier, param)


def _created(one: Object, wanted: Any) -> bool:
    if wanted is None:
        return True
    at: int = one["created"]
    if isinstance(wanted, int):
        return at == wanted
    tests = {"gt": at.__gt__, "gte": at.__ge__, "lt": at.__lt__, "lte": at.__le__}
    return all(tests[name](bound) for name, bound in wanted.items())
