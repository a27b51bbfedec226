"""The log of events, the endpoints that want to hear of them, and what goes over the wire to those."""

from __future__ import annotations

import json
from typing import Any

import stripe

from tests.fake_stripe.checkout import url
from tests.fake_stripe.refusals import Refused, missing
from tests.fake_stripe.routes import listed, matching, merged, route
from tests.fake_stripe.world import DAY, Object, World

_KEPT = 30 * DAY
_MOST_TYPES = 20


@route("GET", "/v1/events/{id}", "EventRetrieveParams")
def get_event(world: World, params: dict[str, Any], id: str) -> Object:
    """One event, of the last thirty days."""
    for event in _kept(world):
        if event["id"] == id:
            return event
    raise missing("event", id)


@route("GET", "/v1/events", "EventListParams")
def list_events(world: World, params: dict[str, Any]) -> Object:
    """Events of the last thirty days, the newest first."""
    found = matching(params, _kept(world), "type")
    if (kinds := params.pop("types", None)) is not None:
        if len(kinds) > _MOST_TYPES:
            raise Refused(f"Array too long: must contain at most {_MOST_TYPES} values.", param="types", stored=False)
        found = [event for event in found if event["type"] in kinds]
    return listed(world, params, "/v1/events", found)


def _kept(world: World) -> list[Object]:
    return [event for event in world.events if event["created"] > world.now() - _KEPT]


def signed(event: Object, secret: str, at: int) -> tuple[bytes, str]:
    """Body and Stripe-Signature of an event; the body is laid out as Stripe does, which re-written JSON is not."""
    body = json.dumps(event, indent=2, ensure_ascii=False)
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, secret, at)


@route("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams")
def create_endpoint(world: World, params: dict[str, Any]) -> Object:
    """An address that is told of events; only this answer has its secret."""
    endpoint = world.make(
        stripe.WebhookEndpoint,
        "we",
        api_version=params.pop("api_version", None),
        description=params.pop("description", None) or None,
        enabled_events=params.pop("enabled_events"),
        metadata=merged({}, params.pop("metadata", None)),
        status="enabled",
        url=url(params.pop("url"), "url"),
    )
    del endpoint["secret"]
    world.secrets[endpoint["id"]] = world.new_id("whsec", 32)
    return endpoint | {"secret": world.secrets[endpoint["id"]]}


@route("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams")
def list_endpoints(world: World, params: dict[str, Any]) -> Object:
    """Endpoints, the newest first."""
    return listed(world, params, "/v1/webhook_endpoints", list(world.table("webhook_endpoint").values()))


@route("GET", "/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams")
def get_endpoint(world: World, params: dict[str, Any], id: str) -> Object:
    """One endpoint."""
    return world.get("webhook_endpoint", id)


@route("POST", "/v1/webhook_endpoints/{id}", "WebhookEndpointUpdateParams")
def update_endpoint(world: World, params: dict[str, Any], id: str) -> Object:
    """Change what an endpoint is told of."""
    endpoint = world.get("webhook_endpoint", id)
    for name in ("enabled_events", "url", "description"):
        if name in params:
            endpoint[name] = params.pop(name)
    if "disabled" in params:
        endpoint["status"] = "disabled" if params.pop("disabled") else "enabled"
    endpoint["metadata"] = merged(endpoint["metadata"], params.pop("metadata", None))
    return endpoint
