"""The demo's own: it is marked as one, and it begins with a past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import CheckoutStatus, Order, Pages, Payer, PortalPage
from orgtui.domain.ambient import Ambient, system_ambient
from orgtui.domain.errors import Conflict
from orgtui.domain.money import Money

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ACME = Payer("org_acme", "Acme Automation", "ada@acme.example")


@pytest.fixture
def demo() -> DemoBilling:
    """A demo on an ordinary day."""
    return DemoBilling(Ambient(now=lambda: NOW, random=system_ambient().random))


def opened(demo: DemoBilling, id: str = "pur_1") -> str:
    customer = demo.ensure_customer(ACME, key="c")
    pages = Pages("https://acme.example/paid", "https://acme.example/back")
    order = Order(id, "org_acme", customer, Money(1000), pages, NOW + timedelta(hours=1))
    return demo.start_purchase(order, key=id).id


def test_everything_says_demo(demo: DemoBilling) -> None:
    id = opened(demo)
    customer = demo.ensure_customer(ACME, key="c")
    assert demo.mode == "demo"
    assert demo.checkout(id).url == f"https://demo.invalid/pay/{id}"
    assert demo.portal(customer, page=PortalPage.HOME, return_url="https://a.example", key="p").startswith(
        "https://demo.invalid/"
    )
    paid = demo.pay(id)
    assert (paid.id[:5], str(paid.payment)[:5], str(paid.receipt)[:5]) == ("demo_", "demo_", "DEMO-")


def test_the_same_in_every_run(demo: DemoBilling) -> None:
    other = DemoBilling(Ambient(now=lambda: NOW, random=system_ambient().random))
    assert demo.pay(opened(demo)) == other.pay(opened(other))


def test_paid_once(demo: DemoBilling) -> None:
    id = opened(demo)
    demo.pay(id)
    for again in (demo.pay, demo.decline, demo.pay_slowly):
        with pytest.raises(Conflict, match="is paid"):
            again(id)
    assert demo.checkout(id).status is CheckoutStatus.PAID


def test_it_begins_with_a_past(demo: DemoBilling) -> None:
    customer = demo.ensure_customer(ACME, key="c")
    begun = demo.subscribe(customer, "business", since=datetime(2026, 8, 1, tzinfo=UTC))
    assert (begun.plan, begun.end) == ("business", datetime(2026, 12, 1, tzinfo=UTC))
    assert demo.subscription(customer) == begun
    bills = list(demo.invoices(customer))
    assert [f"{bill.created:%d %b}" for bill in bills] == ["01 Nov", "01 Oct", "01 Sep", "01 Aug"]
    assert {bill.paid for bill in bills} == {Money(67_000)}
