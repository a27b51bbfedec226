"""Customers, products and prices."""

from __future__ import annotations

import re
from typing import Any

import stripe

from tests.fake_stripe.refusals import Refused
from tests.fake_stripe.routes import done, listed, matching, merged, route
from tests.fake_stripe.world import Object, World, changed

_SEARCH = re.compile(
    r"""(metadata\[(?P<q1>['"])(?P<key>[^'"]+)(?P=q1)\]|(?P<field>email|name)):(?P<q2>['"])(?P<value>[^'"]*)(?P=q2)"""
)
LOOKUP_KEYS = 10


# Customers.


@route("POST", "/v1/customers", "CustomerCreateParams")
def create_customer(world: World, params: dict[str, Any]) -> Object:
    """A customer who owes nothing."""
    customer = world.make(
        stripe.Customer,
        "cus",
        balance=0,
        delinquent=False,
        email=params.pop("email", None),
        invoice_prefix=world.new_id("p", 8)[2:].upper(),
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata=merged({}, params.pop("metadata", None)),
        name=params.pop("name", None),
        next_invoice_sequence=1,
        preferred_locales=params.pop("preferred_locales", []),
        description=params.pop("description", None),
        tax_exempt="none",
    )
    # What is includable only is absent, not null.
    for name in ("sources", "subscriptions", "tax_ids", "tax", "cash_balance", "invoice_credit_balance"):
        customer.pop(name, None)
    world.emit("customer.created", customer)
    return customer


@route("GET", "/v1/customers/search", "CustomerSearchParams")
def search_customers(world: World, params: dict[str, Any]) -> Object:
    """Customers whose metadata, e-mail or name is exactly so; what is young is not found yet, as at Stripe."""
    query = params.pop("query")
    terms = [match.groupdict() for match in _SEARCH.finditer(query)]
    if not terms or _SEARCH.sub("", query).replace(" AND ", "").strip():
        raise Refused(f"We were unable to parse your search query: {query}", param="query", stored=False)
    limit = params.pop("limit", 10)
    old = [one for one in world.table("customer").values() if one["created"] + world.settings.search_lag <= world.now()]
    found = [one for one in reversed(old) if all(_is(one, term) for term in terms)]
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": len(found) > limit,
        "url": "/v1/customers/search",
        "next_page": None,
    }


def _is(customer: Object, term: dict[str, str]) -> bool:
    held = customer["metadata"].get(term["key"]) if term["key"] else customer[term["field"]]
    return bool(held == term["value"])


@route("GET", "/v1/customers/{id}", "CustomerRetrieveParams")
def get_customer(world: World, params: dict[str, Any], id: str) -> Object:
    """One customer."""
    return world.get("customer", id)


@route("POST", "/v1/customers/{id}", "CustomerUpdateParams")
def update_customer(world: World, params: dict[str, Any], id: str) -> Object:
    """Change name, e-mail, metadata or the default payment method."""
    customer = world.get("customer", id)
    fields = {name: params.pop(name) or None for name in ("name", "email", "description") if name in params}
    if (settings := params.pop("invoice_settings", None)) is not None:
        method = settings.pop("default_payment_method", None)
        done(settings, "invoice_settings")
        world.get("payment_method", method, "invoice_settings[default_payment_method]")
        fields["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method}
    fields["metadata"] = merged(customer["metadata"], params.pop("metadata", None))
    changed(world, customer, "customer.updated", **fields)
    return customer


@route("GET", "/v1/customers", "CustomerListParams")
def list_customers(world: World, params: dict[str, Any]) -> Object:
    """Customers, the newest first."""
    found = matching(params, list(world.table("customer").values()), "email")
    return listed(world, params, "/v1/customers", found)


# Products.


@route("POST", "/v1/products", "ProductCreateParams")
def create_product(world: World, params: dict[str, Any]) -> Object:
    """A service, under an id of the caller's choice or our own."""
    wanted = params.pop("id", None)
    if wanted in world.table("product"):
        raise Refused(f"Product already exists: {wanted}", code="resource_already_exists", param="id")
    product = world.make(
        stripe.Product,
        "prod",
        id=wanted,
        active=params.pop("active", True),
        description=params.pop("description", None),
        images=[],
        marketing_features=[],
        metadata=merged({}, params.pop("metadata", None)),
        name=params.pop("name"),
        tax_code=params.pop("tax_code", None),
        type="service",
        updated=world.now(),
    )
    world.emit("product.created", product)
    return product


@route("GET", "/v1/products/{id}", "ProductRetrieveParams")
def get_product(world: World, params: dict[str, Any], id: str) -> Object:
    """One product."""
    return world.get("product", id)


@route("POST", "/v1/products/{id}", "ProductUpdateParams")
def update_product(world: World, params: dict[str, Any], id: str) -> Object:
    """Change what a product is called and whether it is sold."""
    product = world.get("product", id)
    fields = {name: params.pop(name) for name in ("name", "active", "description", "tax_code") if name in params}
    fields["metadata"] = merged(product["metadata"], params.pop("metadata", None))
    changed(world, product, "product.updated", **fields)
    product["updated"] = world.now()
    return product


@route("GET", "/v1/products", "ProductListParams")
def list_products(world: World, params: dict[str, Any]) -> Object:
    """Products, the newest first."""
    found = matching(params, list(world.table("product").values()), "active")
    if (ids := params.pop("ids", None)) is not None:
        found = [one for one in found if one["id"] in ids]
    return listed(world, params, "/v1/products", found)


# Prices.


@route("POST", "/v1/prices", "PriceCreateParams")
def create_price(world: World, params: dict[str, Any]) -> Object:
    """A price of a product, once or every so often."""
    world.get("product", params.get("product", ""), "product")
    key = params.pop("lookup_key", None)
    transfer = params.pop("transfer_lookup_key", False)
    held = _check_key(world, key, transfer)
    price = make_price(world, params, active=params.pop("active", True))
    done(params, "price")
    _move_key(world, held, price, key)
    world.emit("price.created", price)
    return price


def make_price(world: World, params: dict[str, Any], *, active: bool) -> Object:
    """A price of what *params* (of a price or of inline price data) say."""
    amount = params.pop("unit_amount", None)
    if amount is None:
        raise Refused("You must specify either `unit_amount` or `unit_amount_decimal`.", code="parameter_missing")
    if amount < 0 or amount > 99_999_999:
        code = "amount_too_large" if amount > 0 else "parameter_invalid_integer"
        raise Refused("Invalid unit_amount: it must be between 0 and 99999999.", code=code, param="unit_amount")
    recurring = params.pop("recurring", None)
    if recurring is not None:
        interval, count = recurring.pop("interval"), recurring.pop("interval_count", 1)
        done(recurring, "recurring")
        recurring = {
            "interval": interval,
            "interval_count": count,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        }
    price = world.make(
        stripe.Price,
        "price",
        active=active,
        billing_scheme="per_unit",
        currency=params.pop("currency").lower(),
        metadata=merged({}, params.pop("metadata", None)),
        nickname=params.pop("nickname", None),
        product=params.pop("product"),
        recurring=recurring,
        tax_behavior=params.pop("tax_behavior", "unspecified"),
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=str(amount),
    )
    # Includable only.
    for name in ("currency_options", "tiers"):
        price.pop(name, None)
    return price


def _check_key(world: World, key: str | None, transfer: bool) -> Object | None:
    """The price that has the lookup key now, which must be free to give it up."""
    held = next((one for one in world.table("price").values() if key and one["lookup_key"] == key), None)
    if held and not transfer:
        raise Refused(
            f"A price (`{held['id']}`) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    return held


def _move_key(world: World, held: Object | None, price: Object, key: str | None) -> None:
    if held and held is not price:
        changed(world, held, "price.updated", lookup_key=None)
    price["lookup_key"] = key


@route("GET", "/v1/prices/{id}", "PriceRetrieveParams")
def get_price(world: World, params: dict[str, Any], id: str) -> Object:
    """One price."""
    return world.get("price", id)


@route("POST", "/v1/prices/{id}", "PriceUpdateParams")
def update_price(world: World, params: dict[str, Any], id: str) -> Object:
    """Change what may change of a price: never its amount."""
    price = world.get("price", id)
    fields = {name: params.pop(name) for name in ("active", "nickname", "tax_behavior") if name in params}
    fields["metadata"] = merged(price["metadata"], params.pop("metadata", None))
    transfer = params.pop("transfer_lookup_key", False)
    if "lookup_key" in params:
        key = params.pop("lookup_key")
        _move_key(world, _check_key(world, key, transfer), price, key)
    changed(world, price, "price.updated", **fields)
    return price


@route("GET", "/v1/prices", "PriceListParams")
def list_prices(world: World, params: dict[str, Any]) -> Object:
    """Prices, the newest first; at most ten lookup keys a question."""
    found = matching(params, list(world.table("price").values()), "active", "product", "currency", "type")
    if (keys := params.pop("lookup_keys", None)) is not None:
        if len(keys) > LOOKUP_KEYS:
            raise Refused(
                f"Array too long: must contain at most {LOOKUP_KEYS} values.", param="lookup_keys", stored=False
            )
        found = [one for one in found if one["lookup_key"] in keys]
    return listed(world, params, "/v1/prices", found)
