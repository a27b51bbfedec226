"""The customer portal: its configuration, its sessions, and what a person does there."""

from __future__ import annotations

from typing import Any

import stripe

from tests.fake_stripe import payments, subscriptions
from tests.fake_stripe.checkout import url
from tests.fake_stripe.refusals import Refused
from tests.fake_stripe.routes import done, listed, matching, merged, route
from tests.fake_stripe.world import Object, World, changed


@route("POST", "/v1/billing_portal/configurations", "billing_portal.ConfigurationCreateParams")
def create_configuration(world: World, params: dict[str, Any]) -> Object:
    """What customers may do in the portal."""
    configuration = world.make(
        stripe.billing_portal.Configuration,
        "bpc",
        active=True,
        business_profile=dict.fromkeys(("headline", "privacy_policy_url", "terms_of_service_url")),
        default_return_url=None,
        features=_features({}, {}),
        is_default=False,
        login_page={"enabled": False, "url": None},
        metadata={},
        updated=world.now(),
    )
    _change(world, configuration, params)
    world.emit("billing_portal.configuration.created", configuration)
    return configuration


def _change(world: World, configuration: Object, params: dict[str, Any]) -> None:
    configuration["active"] = params.pop("active", configuration["active"])
    for name in ("default_return_url", "name"):
        if name in params:
            configuration[name] = params.pop(name) or None
    configuration["business_profile"] = configuration["business_profile"] | params.pop("business_profile", {})
    configuration["metadata"] = merged(configuration["metadata"], params.pop("metadata", None))
    configuration["features"] = _features(configuration["features"], params.pop("features", {}))
    login = params.pop("login_page", None)
    if login is not None:
        url = f"{world.base}/p/login/{configuration['id'][4:16]}" if login["enabled"] else None
        configuration["login_page"] = {"enabled": login["enabled"], "url": url}
    configuration["updated"] = world.now()


def _features(held: Object, wanted: Object) -> Object:
    reason = {"enabled": False, "options": ["too_expensive", "other"], "feedback_options": None}
    nothing: Object = {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": False},
        "payment_method_update": {"enabled": False, "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": reason,
            "enabled": False,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
        "subscription_update": {
            "default_allowed_updates": [],
            "enabled": False,
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }
    held = nothing | held
    features = {name: settings | wanted.pop(name, {}) for name, settings in held.items()}
    done(wanted, "features")
    return features


@route("POST", "/v1/billing_portal/configurations/{id}", "billing_portal.ConfigurationUpdateParams")
def update_configuration(world: World, params: dict[str, Any], id: str) -> Object:
    """Change what customers may do."""
    configuration = world.get("billing_portal.configuration", id)
    _change(world, configuration, params)
    world.emit("billing_portal.configuration.updated", configuration)
    return configuration


@route("GET", "/v1/billing_portal/configurations/{id}", "billing_portal.ConfigurationRetrieveParams")
def get_configuration(world: World, params: dict[str, Any], id: str) -> Object:
    """One configuration."""
    return world.get("billing_portal.configuration", id)


@route("GET", "/v1/billing_portal/configurations", "billing_portal.ConfigurationListParams")
def list_configurations(world: World, params: dict[str, Any]) -> Object:
    """Configurations, the newest first."""
    found = matching(params, list(world.table("billing_portal.configuration").values()), "active", "is_default")
    return listed(world, params, "/v1/billing_portal/configurations", found)


@route("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create_session(world: World, params: dict[str, Any]) -> Object:
    """A visit to the portal for one customer."""
    customer = world.get("customer", params.pop("customer", ""), "customer")
    configuration = params.pop("configuration", None)
    if configuration is None:
        raise Refused(
            "No configuration provided and your test mode default configuration has not been created. Provide a "
            "configuration or create your default by saving your customer portal settings in test mode at "
            "https://dashboard.stripe.com/test/settings/billing/portal."
        )
    world.get("billing_portal.configuration", configuration, "configuration")
    identifier = world.new_id("bps")
    session = world.make(
        stripe.billing_portal.Session,
        "bps",
        id=identifier,
        configuration=configuration,
        customer=customer["id"],
        flow=_flow(world, params.pop("flow_data", None)),
        locale=params.pop("locale", None),
        return_url=url(params.pop("return_url", None), "return_url"),
        url=f"{world.base}/p/session/test_{world.new_id('x', 78)[2:]}",
    )
    world.emit("billing_portal.session.created", session)
    return session


def _flow(world: World, wanted: Object | None) -> Object | None:
    if wanted is None:
        return None
    kinds = ("subscription_cancel", "subscription_pause", "subscription_update", "subscription_update_confirm")
    flow: Object = {"type": wanted.pop("type"), **dict.fromkeys(kinds)}
    if flow["type"] not in ("payment_method_update", "customer_update"):
        raise NotImplementedError(f"fake_stripe does not do the portal's {flow['type']}")
    done(wanted, "flow_data")
    nothing = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    return flow | {"after_completion": nothing}


# What a person does there.


def use_card(world: World, session: Object, number: str) -> Object:
    """Save a card and pay with it from now on; what is owed is tried again."""
    _enabled(world, session, "payment_method_update")
    return save_card(world, session["customer"], number)


def save_card(world: World, customer: str, number: str) -> Object:
    """The customer's card from now on."""
    holder = world.get("customer", customer)
    method = payments.make_method(world, number, customer, payments.billing_details(holder["email"], holder["name"]))
    settings = holder["invoice_settings"] | {"default_payment_method": method["id"]}
    changed(world, holder, "customer.updated", invoice_settings=settings)
    for subscription in world.table("subscription").values():
        if subscription["customer"] == customer:
            kind = "customer.subscription.updated"
            changed(world, subscription, kind, default_payment_method=method["id"])
    return method


def cancel(world: World, session: Object, ends: bool) -> None:
    """End the subscription with its period, or take that back."""
    _enabled(world, session, "subscription_cancel")
    for subscription in world.table("subscription").values():
        if subscription["customer"] == session["customer"] and subscription["status"] not in ("canceled",):
            subscriptions.update_subscription(world, {"cancel_at_period_end": ends}, subscription["id"])


def _enabled(world: World, session: Object, feature: str) -> None:
    configuration = world.get("billing_portal.configuration", session["configuration"])
    if not configuration["features"][feature]["enabled"]:
        raise Refused(f"This portal does not offer {feature}.")
