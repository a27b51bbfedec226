import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orgtui.sources import prices

AT = datetime(2026, 11, 23, tzinfo=UTC)


def price(provider, model, tokens_in=1_000_000, tokens_out=1_000_000, cached=0):
    return prices.list_price(
        provider, model, input_tokens=tokens_in, output_tokens=tokens_out, cached_tokens=cached, at=AT
    )


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        ("openai", "gpt-4o", "12.5"),
        ("openai", "gpt-4o-2024-08-06", "12.5"),
        ("openai", "gpt-4o-mini-2099-01-01", "0.75"),
        ("azure", "gpt-4o", "12.5"),
        ("azure_ai", "gpt-4o", "12.5"),
        ("anthropic", "claude-haiku-4-5-20251001", "6"),
        ("anthropic", "Claude-Haiku-4-5@20990101", "6"),
        ("gemini", "gemini-2.5-flash", "2.8"),
        ("google", "gemini-2.5-flash", "2.8"),
        ("vertex_ai", "gemini-2.5-flash", "2.8"),
        ("gcp.gemini", "gemini-2.5-flash", "2.8"),
        ("mistral", "mistral-large-latest", "8"),
        ("mistral_ai", "mistral-large-latest", "8"),
        (None, "gpt-4o", "12.5"),
    ],
)
def test_list_prices_by_whatever_a_provider_is_called(provider, model, usd):
    assert price(provider, model) == Decimal(usd)


@pytest.mark.parametrize("provider", ["xai", "x_ai", "x-ai"])
def test_grok_is_priced_per_call(provider):
    assert price(provider, "grok-4", 1000, 1000) == Decimal("0.018")


def test_cached_tokens_are_cheaper_and_never_more_than_all():
    assert price("openai", "gpt-4o", 1_000_000, 0, 1_000_000) == Decimal("1.25")
    assert price("openai", "gpt-4o", 1_000_000, 0, 2_000_000) == Decimal("1.25")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "acme-internal-7b"),
        ("no-such-provider", "gpt-4o"),
        (None, "no-such-model"),
        ("openai", ""),
        ("openai", "2024-08-06"),
        ("google", "gemma-3"),
        ("\x1b[31m", "\ufffd"),
    ],
)
def test_unknown_is_none(provider, model):
    assert price(provider, model) is None
    assert price(provider, model) is None


def test_what_is_unknown_is_looked_up_once():
    before = prices._find.cache_info()
    for _ in range(5):
        price("openai", "looked-up-once")
    after = prices._find.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 4)
    assert after.maxsize


def test_neither_slow_at_import_nor_on_the_network():
    script = """
import sys, socket
def refuse(*_, **__): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
from orgtui.sources import prices, reader
assert not {"genai_prices", "pydantic", "opentelemetry", "google.protobuf"} & set(sys.modules)
from datetime import UTC, datetime
import threading
assert prices.list_price("openai", "gpt-4o", input_tokens=9, output_tokens=9, cached_tokens=0, at=datetime.now(UTC))
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
