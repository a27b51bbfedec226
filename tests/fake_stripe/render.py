"""Answers as they leave: a copy, expanded where the request asks, and checked against the SDK's resources."""

from __future__ import annotations

import copy
from collections.abc import Callable

import stripe

from tests.fake_stripe import schema
from tests.fake_stripe.checkout import line_items
from tests.fake_stripe.invoices import payments_of
from tests.fake_stripe.refusals import Refused
from tests.fake_stripe.world import RESOURCES, Object, World

_DEEPEST = 4


def _subscriptions_of(world: World, customer: Object) -> Object:
    found = [one for one in world.table("subscription").values() if one["customer"] == customer["id"]]
    url = f"/v1/customers/{customer['id']}/subscriptions"
    return {"object": "list", "data": found, "has_more": False, "url": url}


def _refunds_of(world: World, charge: Object) -> Object:
    found = [one for one in world.table("refund").values() if one["charge"] == charge["id"]]
    return {"object": "list", "data": found, "has_more": False, "url": f"/v1/charges/{charge['id']}/refunds"}


# Fields that are there only when they are asked for.
_INCLUDABLE: dict[tuple[str, str], Callable[[World, Object], Object]] = {
    ("checkout.session", "line_items"): lambda world, session: line_items(world, session["id"]),
    ("payment_link", "line_items"): lambda world, link: line_items(world, link["id"]),
    ("invoice", "payments"): payments_of,
    ("customer", "subscriptions"): _subscriptions_of,
    ("charge", "refunds"): _refunds_of,
}


def rendered(world: World, answer: Object, expand: list[str]) -> Object:
    """What is sent for *answer*; raises Refused for what cannot be expanded."""
    copied = copy.deepcopy(answer)
    for path in expand:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise Refused(
                f"You cannot expand more than {_DEEPEST} levels of a property. Property: {path}", stored=False
            )
        _expand(world, copied, steps, path)
    return copied


def _expand(world: World, at: object, steps: list[str], path: str) -> None:
    if not steps:
        return
    if isinstance(at, list):
        for item in at:
            _expand(world, item, steps, path)
        return
    step, *rest = steps
    if not isinstance(at, dict):
        raise Refused(f"This property cannot be expanded ({path}).", stored=False)
    include = _INCLUDABLE.get((str(at.get("object")), step))
    if include and step not in at:
        at[step] = copy.deepcopy(include(world, at))
    if step not in at:
        raise Refused(f"This property cannot be expanded ({path}).", stored=False)
    if isinstance(at[step], str):
        found = world.find(at[step])
        if found is None:
            raise Refused(f"This property cannot be expanded ({path}).", stored=False)
        at[step] = copy.deepcopy(found)
    if at[step] is not None:
        _expand(world, at[step], rest, path)


def findings(answer: Object) -> list[str]:
    """What is wrong with an answer, according to the SDK."""
    kind = answer["object"]
    if kind in ("list", "search_result"):
        return [said for item in answer["data"] for said in findings(item)]
    resource: type[stripe.StripeObject] | None = RESOURCES.get(kind)
    return schema.findings(answer, resource) if resource else [f"{kind} is nothing that this fake knows"]
