"""Stripe's catalogue for our price list: products, prices by lookup key, the portal, the webhook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from orgtui.billing.provider import CURRENCY, SetupReport, Step
from orgtui.billing.stripe_objects import APP, CREDITS, lookup_key, metadata, product_of
from orgtui.billing.stripe_webhook import TYPES
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS, Plan
from orgtui.secret import Secret

_CREDITS_NAME: Final = "AI Credits"
# Plans are changed in orgtui, where the price is shown to the cent; the portal is for cards, bills and leaving.
_FEATURES: Final[dict[str, dict[str, Any]]] = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
    "subscription_update": {"enabled": False},
}


class Asker(Protocol):
    """What asks Stripe."""

    def ask(self, call: Callable[[Any], Any]) -> Any:
        """Stripe's answer."""
        ...

    def listed(self, resource: Callable[[Any], Any], params: dict[str, Any]) -> Iterator[Any]:
        """All objects of a list."""
        ...


@dataclass(frozen=True, slots=True)
class _Work:
    """A step and what does it, given an idempotency key."""

    step: Step
    do: Callable[[str], Any]


def run(asker: Asker, *, key: str, dry_run: bool, webhook_url: str | None, api_version: str) -> SetupReport:
    """Find what is missing or different, and mend it unless it is a *dry_run*."""
    work = [*_products(asker), *_prices(asker), *_portal(asker)]
    if webhook_url is not None:
        work += _webhook(asker, webhook_url, api_version)
    secret = None
    for one in () if dry_run else work:
        done = one.do(f"{key}:{one.step.action}:{one.step.thing}:{one.step.name}")
        if one.step.thing == "webhook" and "secret" in done and done.secret is not None:
            secret = Secret(done.secret)
    return SetupReport(tuple(one.step for one in work), dry_run, secret)


def _options(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _paid() -> list[Plan]:
    return [plan for plan in PLANS if plan.cents]


# Products.


def _products(asker: Asker) -> Iterator[_Work]:
    wanted = {product_of(plan.key): (plan.name, plan.key) for plan in _paid()} | {CREDITS: (_CREDITS_NAME, "credits")}
    listed = asker.listed(lambda client: client.v1.products, {"ids": list(wanted)})
    there = {product.id: product for product in listed}
    for id, (name, plan) in wanted.items():
        product = there.get(id)
        names = {"app": APP, "plan": plan}
        params: dict[str, Any]
        if product is None:
            params = {"id": id, "name": name, "metadata": names}
            yield _Work(Step("create", "product", id, f"{name} is made."), _create(asker, "products", params))
        elif product.name != name or not product.active or metadata(product, "plan") != plan:
            params = {"name": name, "active": True, "metadata": names}
            yield _Work(Step("update", "product", id, f"{name} is mended."), _update(asker, "products", id, params))


def _create(asker: Asker, resource: str, params: dict[str, Any]) -> Callable[[str], Any]:
    return lambda key: asker.ask(lambda client: getattr(client.v1, resource).create(params, _options(key)))


def _update(asker: Asker, resource: str, id: str, params: dict[str, Any]) -> Callable[[str], Any]:
    return lambda key: asker.ask(lambda client: getattr(client.v1, resource).update(id, params, _options(key)))


# Prices.


def _prices(asker: Asker) -> Iterator[_Work]:
    """Whoever has an old price keeps it: its successor takes the lookup key, and the old one is not sold any more."""
    keys = {lookup_key(plan.key): plan for plan in _paid()}
    listed = asker.listed(lambda client: client.v1.prices, {"lookup_keys": list(keys)})
    there = {price.lookup_key: price for price in listed}
    for key, plan in keys.items():
        price = there.get(key)
        good = price is not None and _as_listed(price, plan)
        if not good:
            amount = Money(plan.cents or 0, CURRENCY)
            step = Step("create", "price", key, f"{plan.name} costs {amount} a month from now on.")
            yield _Work(step, _create(asker, "prices", _price_params(plan)))
        yield from _old_prices(asker, plan, price.id if price is not None and good else None)


def _as_listed(price: Any, plan: Plan) -> bool:
    recurring = price.recurring
    monthly = recurring is not None and (recurring.interval, recurring.interval_count) == ("month", 1)
    same = (price.unit_amount, price.currency, price.product) == (plan.cents, CURRENCY.lower(), product_of(plan.key))
    return bool(monthly and same and price.active)


def _price_params(plan: Plan) -> dict[str, Any]:
    return {
        "product": product_of(plan.key),
        "currency": CURRENCY.lower(),
        "unit_amount": plan.cents,
        "recurring": {"interval": "month"},
        "lookup_key": lookup_key(plan.key),
        "transfer_lookup_key": True,
        "metadata": {"app": APP, "plan": plan.key},
    }


def _old_prices(asker: Asker, plan: Plan, current: str | None) -> Iterator[_Work]:
    """Those of ours that are still sold beside the current one: also what a setup that was cut short left behind."""
    listed = asker.listed(lambda client: client.v1.prices, {"product": product_of(plan.key), "active": True})
    for price in listed:
        if price.id != current and metadata(price, "plan") == plan.key:
            amount = Money(price.unit_amount, price.currency.upper())
            step = Step("archive", "price", price.id, f"{plan.name} is no longer sold for {amount}.")
            yield _Work(step, _update(asker, "prices", price.id, {"active": False}))


# The portal.


def portal_configuration(asker: Asker) -> Any:
    """Our configuration of the customer portal, or None."""
    listed = asker.listed(lambda client: client.v1.billing_portal.configurations, {"active": True})
    return next((one for one in listed if metadata(one, "kind") == "portal"), None)


def _portal(asker: Asker) -> Iterator[_Work]:
    found = portal_configuration(asker)
    params: dict[str, Any] = {"features": _FEATURES, "metadata": {"app": APP, "kind": "portal"}}
    if found is None:
        step = Step("create", "portal", "portal", "The customer portal is opened.")
        yield _Work(step, lambda key: asker.ask(lambda client: _configurations(client).create(params, _options(key))))
    elif not all(_holds(found.features[name], wanted) for name, wanted in _FEATURES.items()):
        step = Step("update", "portal", "portal", "What customers may do in the portal is mended.")
        yield _Work(
            step, lambda key: asker.ask(lambda client: _configurations(client).update(found.id, params, _options(key)))
        )


def _configurations(client: Any) -> Any:
    return client.v1.billing_portal.configurations


def _holds(feature: Any, wanted: dict[str, Any]) -> bool:
    return all(feature[name] == value for name, value in wanted.items())


# The webhook.


def _webhook(asker: Asker, url: str, api_version: str) -> Iterator[_Work]:
    listed = asker.listed(lambda client: client.v1.webhook_endpoints, {})
    found = next((one for one in listed if one.url == url), None)
    params: dict[str, Any] = {"enabled_events": list(TYPES), "metadata": {"app": APP}}
    if found is None:
        params |= {"url": url, "api_version": api_version}
        step = Step("create", "webhook", url, "Stripe reports to this address from now on.")
        yield _Work(step, _create(asker, "webhook_endpoints", params))
    elif set(found.enabled_events) != set(TYPES) or found.status != "enabled":
        params |= {"disabled": False}
        step = Step("update", "webhook", url, "What Stripe reports is mended.")
        yield _Work(step, _update(asker, "webhook_endpoints", found.id, params))
