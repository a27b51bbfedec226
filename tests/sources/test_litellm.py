import json
import re
from collections import defaultdict
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from orgtui.domain.money import ZERO, total
from orgtui.domain.usage import Call, Funding
from orgtui.sources import litellm
from orgtui.sources.fields import NoEvent, Unusable
from orgtui.sources.reader import Refused, Skipped

UTC = ZoneInfo("UTC")
DIMENSIONS = {
    "total": lambda call: None,
    "by_model": lambda call: f"{call.provider}/{call.model}" if call.provider else call.model,
    "by_provider": lambda call: str(call.provider),
    "by_day_utc_startTime": lambda call: str(call.at.astimezone(UTC).date()),
    "by_month_utc_startTime": lambda call: str(call.at.astimezone(UTC).date())[:7],
    "by_day_Europe/Berlin_startTime": lambda call: str(call.at.astimezone(ZoneInfo("Europe/Berlin")).date()),
    "by_month_America/Los_Angeles_startTime": (
        lambda call: str(call.at.astimezone(ZoneInfo("America/Los_Angeles")).date())[:7]
    ),
}
SETS = {
    "json_array": ("litellm/json_array", "totals"),
    "json_array.respread": ("litellm/json_array.respread.jsonl.gz", "totals"),
    "ndjson": ("litellm/ndjson", "totals"),
    "single": ("litellm/single", "totals"),
    "retry": ("litellm/retry", "totals_unique_of_everything_received"),
}


def summed(calls):
    """The figures of EXPECTED.json, from our records."""
    failed = [call for call in calls if call.failed]
    return {
        "calls": len(calls),
        "success": len(calls) - len(failed),
        "failure": len(failed),
        "prompt_tokens": sum(call.input_tokens for call in calls),
        "completion_tokens": sum(call.output_tokens for call in calls),
        "total_tokens": sum(call.total_tokens for call in calls),
        "cached_prompt_tokens": sum(call.cached_tokens for call in calls),
        "cache_hits": sum(call.cache_hit for call in calls),
        "zero_cost_success_not_cache_hit": sum(call.billed is None for call in calls),
        "failure_cost": total(call.billed for call in failed),
        "response_cost": total(call.billed or ZERO for call in calls),
    }


def grouped(calls, key):
    groups = defaultdict(list)
    for call in calls:
        groups[key(call)].append(call)
    return {name: summed(group) for name, group in groups.items()}


def exact(figures):
    return {name: Decimal(value) if name.endswith("cost") else value for name, value in figures.items()}


def unique(items):
    return list({(call.source, call.id): call for call in items if isinstance(call, Call)}.values())


@pytest.fixture(scope="module")
def calls_of(imported, samples):
    known = {}

    def calls_of(name):
        if name not in known:
            items = imported("litellm", samples / SETS[name][0])
            assert not [each for each in items if isinstance(each, Refused)]
            known[name] = unique(items)
        return known[name]

    return calls_of


@pytest.mark.parametrize("name", SETS)
def test_totals_are_those_of_the_recording(calls_of, expected, name):
    want = expected["litellm"][name][SETS[name][1]]
    dimensions = DIMENSIONS.keys() & want.keys()
    assert len(dimensions) >= 5
    for dimension in dimensions:
        figures = {None: want["total"]} if dimension == "total" else want[dimension]
        got = grouped(calls_of(name), DIMENSIONS[dimension])
        assert got == {key: exact(value) for key, value in figures.items()}, dimension


def test_totals_of_each_month_by_model(calls_of, expected):
    calls = calls_of("json_array.respread")
    for month, models in expected["litellm"]["json_array.respread"]["totals"]["by_month_and_model"].items():
        of_month = [call for call in calls if DIMENSIONS["by_month_utc_startTime"](call) == month]
        assert grouped(of_month, DIMENSIONS["by_model"]) == {key: exact(value) for key, value in models.items()}


def test_a_batch_sent_again_is_the_same_calls(imported, samples):
    items = imported("litellm", samples / "litellm/retry")
    assert len([each for each in items if isinstance(each, Call)]) == 81
    assert len(unique(items)) == 61


def test_companions_are_skipped_with_a_reason(imported, samples):
    items = imported("litellm", samples / "litellm/ledger", samples / "litellm/single/0001.headers.json")
    assert items == [
        Skipped("single.client.jsonl", "holds no LiteLLM calls (12 records)"),
        Skipped("single.served.jsonl", "holds no LiteLLM calls (12 records)"),
        Skipped("0001.headers.json", "holds no LiteLLM calls"),
    ]


def test_no_prompt_and_no_answer_comes_through(imported, samples, records):
    shown = set(re.findall(r"\w+", repr(imported("litellm", samples / "litellm"))))
    said = " ".join(str(record["messages"]) for record in records)
    secrets = set(re.findall(r"[a-z]{5,}", said)) - {"content"}
    assert {"lorem", "ipsum", "tempor"} <= secrets
    assert secrets & shown == set()
    assert {"example", "redacted", "traceback"} & shown == set()


def call(record, **options):
    return litellm.call(through_json(record), **{"source": "litellm", "funding": Funding.CREDITS, **options})


def through_json(record):
    return json.loads(json.dumps(record), parse_float=Decimal)


def test_one_record_field_by_field(record):
    record |= {"id": "c-1", "startTime": 1795442866.644609, "response_cost": 0.034019400000000005}
    one = call(record, source="eu-proxy")
    assert (one.source, one.id, one.model, one.currency) == ("eu-proxy", "c-1", record["model"].split("/")[1], "USD")
    assert str(one.at) == "2026-11-23 14:07:46.644609+00:00"
    assert (one.billed, one.estimated, one.cost) == (Decimal("0.034019400000000005"), None, one.billed)


@pytest.mark.parametrize(
    ("model", "custom", "provider", "name"),
    [
        ("anthropic/claude-sonnet-4-5", "openai", "anthropic", "claude-sonnet-4-5"),
        ("together_ai/meta-llama/Llama-3", None, "together_ai", "meta-llama/Llama-3"),
        ("gpt-4o", "openai", "openai", "gpt-4o"),
        ("no-such-model", None, None, "no-such-model"),
        ("", None, None, "unknown"),
        (None, "openai", "openai", "unknown"),
        ("openai/", "azure", "azure", "openai/"),
        ("/gpt-4o", None, None, "/gpt-4o"),
        ("openai/\x1b[2Jgpt", None, "openai", "\ufffd[2Jgpt"),
    ],
)
def test_the_first_slash_parts_provider_and_model(record, model, custom, provider, name):
    one = call(record | {"model": model, "custom_llm_provider": custom})
    assert (one.provider, one.model) == (provider, name)


def test_an_unpriced_model_is_not_free(record):
    zero = record | {"model": "openai/acme-internal-7b", "response_cost": 0.0, "cache_hit": None}
    assert (call(zero).billed, call(zero).estimated, call(zero).cost) == (None, None, None)
    assert call(zero | {"response_cost": None}).cost is None


def test_what_the_source_cannot_price_is_estimated(record):
    one = call(
        record
        | {"model": "xai/grok-4", "response_cost": 0.0, "prompt_tokens": 1000, "completion_tokens": 1000}
        | {"total_tokens": 2000, "metadata": {}}
    )
    assert (one.billed, one.estimated) == (None, Decimal("0.018"))


@pytest.mark.parametrize("cost", [0, 0.0, None])
def test_a_cache_hit_costs_nothing(record, cost):
    for word in (True, "True"):
        one = call(record | {"cache_hit": word, "response_cost": cost})
        assert (one.cache_hit, one.billed, one.estimated) == (True, ZERO, None)
        assert one.total_tokens > 0


def test_a_failure_costs_what_is_recorded(record):
    failure = record | {"status": "failure"}
    assert call(failure | {"response_cost": 9e-05}).billed == Decimal("0.00009")
    assert call(failure | {"response_cost": 0}).billed == ZERO
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "response_cost": None}
    assert call(failure | nothing).billed == ZERO


def test_a_success_without_tokens_and_without_cost_is_unpriced(record):
    one = call(record | {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "response_cost": None})
    assert (one.billed, one.estimated) == (None, None)


@pytest.mark.parametrize(
    ("said", "tags", "default", "funding"),
    [
        (None, [], Funding.CREDITS, Funding.CREDITS),
        (None, [], Funding.OWN_KEY, Funding.OWN_KEY),
        ("own_key", [], Funding.CREDITS, Funding.OWN_KEY),
        ("credits", ["funding:own_key"], Funding.OWN_KEY, Funding.CREDITS),
        (None, ["User-Agent: x", "funding:own_key"], Funding.CREDITS, Funding.OWN_KEY),
        (None, ["funding:credits"], Funding.OWN_KEY, Funding.CREDITS),
        ("grant 2026/7", [], Funding.OWN_KEY, Funding.OWN_KEY),
        (["own_key"], [None, 7, {}], Funding.CREDITS, Funding.CREDITS),
    ],
)
def test_who_pays(record, said, tags, default, funding):
    record["metadata"]["spend_logs_metadata"] = {"funding": said}
    assert call(record | {"request_tags": tags}, funding=default).funding is funding


@pytest.mark.parametrize(
    ("said", "tags", "alias", "team", "workspace"),
    [
        ("Finance", ["ws:ops"], "Operations", "team-ops", "Finance"),
        (None, ["wf:x", "ws:ops"], "Operations", "team-ops", "ops"),
        ("", ["ws:"], "Données & Récherche", "team-data", "Données & Récherche"),
        (7, None, None, "team-data", "team-data"),
        (None, [], None, None, None),
        ("a\x1b]0;x\x07b", [], None, None, "a\ufffd]0;x\ufffdb"),
    ],
)
def test_where_a_call_belongs(record, said, tags, alias, team, workspace):
    record["metadata"] |= {
        "spend_logs_metadata": {"workspace": said},
        "user_api_key_team_alias": alias,
        "user_api_key_team_id": team,
    }
    assert call(record | {"request_tags": tags}).workspace == workspace


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"id": "a\x1b[31m"},
        {"id": "x" * 513},
        {"id": ["a"]},
        {"startTime": None},
        {"startTime": 1795442866644},
        {"startTime": "soon"},
        {"model": 42},
        {"status": None},
        {"status": "ok"},
        {"status": ["success"]},
        {"prompt_tokens": -1},
        {"prompt_tokens": 1.5},
        {"completion_tokens": "many"},
        {"total_tokens": 10**13},
        {"response_cost": -0.1},
        {"response_cost": "0.1"},
        {"response_cost": 1e300},
        {"metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": -1}}}},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_is_refused(record, change):
    with pytest.raises(Unusable) as refused:
        call(record | change)
    assert "lorem" not in str(refused.value)


@pytest.mark.parametrize("nothing", [None, "", 0, [], "text", {"usage_object": "text"}, {"spend_logs_metadata": [1]}])
def test_details_may_have_any_shape(record, nothing):
    one = call(record | {"metadata": nothing, "request_tags": nothing, "custom_llm_provider": nothing})
    assert (one.cached_tokens, one.workspace) == (0, None)


def test_a_missing_total_is_the_sum(record):
    record |= {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": None}
    assert call(record).total_tokens == 7


def test_the_old_format_is_refused_by_its_name():
    old = {"id": "1", "startTime": "2026-11-23 14:07:46", "model": "gpt-4o", "cost": "0.1", "usage": "Usage(…)"}
    with pytest.raises(Unusable, match="generic_api_use_v1"):
        call(old)


def test_what_has_no_mark_of_a_call_is_none():
    with pytest.raises(NoEvent):
        call({"seq": 1, "model": "gpt-4o"})


ROW = {
    "request_id": "chatcmpl-1",
    "spend": 0.00325,
    "startTime": "2026-11-23T14:07:46.644000Z",
    "model": "gpt-4o",
    "custom_llm_provider": "openai",
    "prompt_tokens": 100,
    "completion_tokens": 300,
    "total_tokens": 400,
    "cache_hit": "False",
    "status": "success",
    "team_id": "team-ops",
    "request_tags": ["wf:x"],
    "metadata": {"additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 40}}},
}


def test_a_page_of_spend_logs(imported):
    hit = ROW | {"request_id": "chatcmpl-1_cache_hit1795442866.6", "cache_hit": "True", "spend": 0.0}
    failed = ROW | {"request_id": "u-1", "spend": 0.0, "status": None, "metadata": {"status": "failure"}}
    page = {"data": [ROW, hit, failed], "total": 3, "page": 1, "page_size": 50, "total_pages": 1}
    one, again, third = imported("litellm", json.dumps(page).encode())
    assert (one.id, one.billed, one.provider, one.model) == ("chatcmpl-1", Decimal("0.00325"), "openai", "gpt-4o")
    assert (one.cached_tokens, one.workspace, one.cache_hit, one.failed) == (40, "team-ops", False, False)
    assert (again.id, again.cache_hit, again.billed) == ("chatcmpl-1_cache_hit1795442866.6", True, ZERO)
    assert (third.failed, third.billed) == (True, ZERO)


def test_daily_summaries_are_no_calls(imported):
    [refused] = imported("litellm", b'[{"startTime":"2026-11-23","spend":0.5,"users":{},"models":{}}]')
    assert refused == Refused("stdin record 1", "has no id")
