"""LiteLLM tells of every model call, by its callback or in its spend logs: one record is one Call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    return _priced(_measured(record, source, funding), fields.cost(record.get("response_cost"), "response_cost"))


def _as_callback(row: Mapping[str, Any]) -> Mapping[str, Any]:
    status = row.get("status") or mapping(row.get("metadata")).get("status") or "success"
    return {**row, "id": row["request_id"], "response_cost": row.get("spend"), "status": status}


def _measured(record: Mapping[str, Any], source: str, funding: Funding) -> Call:
    provider, model = _provider_and_model(record)
    tokens_in = fields.tokens(record.get("prompt_tokens"), "prompt_tokens")
    tokens_out = fields.tokens(record.get("completion_tokens"), "completion_tokens")
    return Call(
        source=source,
        id=fields.identity(record.get("id"), "id"),
        at=fields.moment(record.get("startTime"), "startTime"),
        model=model,
        provider=provider,
        failed=_failed(record),
        cache_hit=record.get("cache_hit") in (True, "True", "true"),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=fields.tokens(record.get("total_tokens", tokens_in + tokens_out), "total_tokens"),
        cached_tokens=_cached_tokens(record),
        funding=_funding(record) or funding,
        workspace=_workspace(record),
    )


def _priced(call: Call, recorded: Decimal | None) -> Call:
    """With the recorded cost; LiteLLM writes 0 for what it knows no price of, and that is not a price."""
    if recorded is None:
        nothing_bought = call.cache_hit or (call.failed and not call.total_tokens)
        billed = ZERO if nothing_bought else None
    else:
        unpriced = not recorded and call.total_tokens and not call.failed and not call.cache_hit
        billed = None if unpriced else recorded
    if billed is not None or not call.total_tokens:
        return replace(call, billed=billed)
    return replace(
        call,
        estimated=prices.list_price(
            call.provider,
            call.model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cached_tokens=call.cached_tokens,
            at=call.at,
        ),
    )


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
