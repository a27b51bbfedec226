"""One fake Stripe for all tests of a worker, empty for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.fake_stripe import FakeStripe


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeStripe]:
    """Started once: what it learns of the SDK's types it keeps."""
    server = FakeStripe()
    yield server
    server.close()


@pytest.fixture
def fake(fake_server: FakeStripe) -> Iterator[FakeStripe]:
    """An empty account; a defect of the fake fails the test."""
    fake_server.reset()
    yield fake_server
    fake_server.reset()


@pytest.fixture
def sdk(fake: FakeStripe) -> Iterator[Any]:
    """The official client, talking to the fake; it tries once."""
    stripe.enable_telemetry = False
    http = stripe.RequestsClient(timeout=10)
    yield stripe.StripeClient(fake.key, base_addresses={"api": fake.base}, http_client=http, max_network_retries=0)
    http.close()
