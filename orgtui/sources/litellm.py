"""LiteLLM tells of every model call, by its callback or in its spend logs: one record is one Call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orgtui.domain.money import ZERO
from orgtui.domain.usage import Call, Funding
from orgtui.sources import fields, prices
from orgtui.sources.fields import NoEvent, Unusable, mapping

_MARKS = frozenset({"startTime", "litellm_call_id", "request_id", "response_cost"})


def call(record: Mapping[str, Any], *, source: str, funding: Funding) -> Call:
    """The call that a callback record or a row of `/spend/logs/v2` tells of; prompts and answers stay outside."""
    if _MARKS.isdisjoint(record):
        raise NoEvent("holds no LiteLLM calls")
    if "startTime" in record and all(isinstance(value, str) for value in record.values()):
        raise Unusable("is in the old format of litellm.generic_api_use_v1; switch that setting off")
    if "id" not in record and "request_id" in record:
        record = _as_callback(record)
    identity = fields.identity(record.get("id"), "id")
    provider, model = _provider_and_model(record)
    at = fields.moment(record.get("startTime"), "startTime")
    failed, cache_hit = _failed(record), record.get("cache_hit") in (True, "True", "true")
    tokens_in = fields.tokens(record.get("prompt_tokens"), "prompt_tokens")
    tokens_out = fields.tokens(record.get("completion_tokens"), "completion_tokens")
    told_total = record.get("total_tokens")
    total = tokens_in + tokens_out if told_total is None else fields.tokens(told_total, "total_tokens")
    cached = _cached_tokens(record)
    recorded = fields.cost(record.get("response_cost"), "response_cost")
    billed = _billed(recorded, total, failed=failed, cache_hit=cache_hit)
    estimated = None
    if billed is None and total:
        estimated = prices.list_price(
            provider, model, input_tokens=tokens_in, output_tokens=tokens_out, cached_tokens=cached, at=at
        )
    return Call(
        source=source,
        id=identity,
        at=at,
        model=model,
        provider=provider,
        failed=failed,
        cache_hit=cache_hit,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=total,
        cached_tokens=cached,
        billed=billed,
        estimated=estimated,
        funding=_funding(record) or funding,
        workspace=_workspace(record),
    )


def _as_callback(row: Mapping[str, Any]) -> Mapping[str, Any]:
    status = row.get("status") or mapping(row.get("metadata")).get("status") or "success"
    return {**row, "id": row["request_id"], "response_cost": row.get("spend"), "status": status}


def _billed(recorded: Decimal | None, total: int, *, failed: bool, cache_hit: bool) -> Decimal | None:
    """The recorded cost; but LiteLLM writes 0 for a model it knows no price of, and that is not a price."""
    if recorded is None:
        return ZERO if cache_hit or (failed and not total) else None
    return None if not recorded and total and not failed and not cache_hit else recorded


def _provider_and_model(record: Mapping[str, Any]) -> tuple[str | None, str]:
    model = record.get("model")
    if model is not None and not isinstance(model, str):
        raise Unusable("model is not a text")
    shown = fields.name(model) or "unknown"
    prefix, _, rest = shown.partition("/")
    return (prefix, rest) if prefix and rest else (fields.name(record.get("custom_llm_provider")), shown)


def _failed(record: Mapping[str, Any]) -> bool:
    status = record.get("status")
    if status not in ("success", "failure"):
        raise Unusable("status is neither success nor failure")
    return bool(status == "failure")


def _cached_tokens(record: Mapping[str, Any]) -> int:
    metadata = mapping(record.get("metadata"))
    usage = metadata.get("usage_object") or metadata.get("additional_usage_values")
    details = mapping(mapping(usage).get("prompt_tokens_details"))
    return fields.tokens(details.get("cached_tokens"), "cached_tokens")


def _funding(record: Mapping[str, Any]) -> Funding | None:
    word = _said_by_caller(record).get("funding") or _tagged(record, "funding:")
    # Any other word is the caller's own affair: the key says nothing that is ours.
    return next((funding for funding in Funding if funding == word), None)


def _workspace(record: Mapping[str, Any]) -> str | None:
    metadata = mapping(record.get("metadata"))
    candidates = (
        _said_by_caller(record).get("workspace"),
        _tagged(record, "ws:"),
        metadata.get("user_api_key_team_alias"),
        metadata.get("user_api_key_team_id"),
        record.get("team_id"),
    )
    return next(filter(None, map(fields.name, candidates)), None)


def _said_by_caller(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(record.get("metadata")).get("spend_logs_metadata"))


def _tagged(record: Mapping[str, Any], prefix: str) -> str | None:
    tags = record.get("request_tags")
    if not isinstance(tags, list):
        return None
    return next((tag[len(prefix) :] for tag in tags if isinstance(tag, str) and tag.startswith(prefix)), None)
