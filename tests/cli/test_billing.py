"""`orgtui billing`: the screen's twin, with a Stripe of our own on this machine, reached by the official SDK."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from orgtui import cli
from orgtui.cli import billing, billing_paying
from orgtui.qr import half_blocks
from tests.cli.conftest import NOW, Run
from tests.cli.test_team import GRACE, joined
from tests.fake_stripe import BAD, GOOD, SAVED_BUT_BAD, SEPA, FakeStripe, Fault

ORGTUI = Path(sys.executable).with_name("orgtui")
SESSIONS = "/v1/checkout/sessions"
LIVE = "sk_live_" + "abcd1234"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeStripe]:
    """It goes with the clock that the commands have."""
    server = FakeStripe(start=None)
    yield server
    server.close()


@pytest.fixture
def fake(server: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStripe]:
    """An empty account."""
    server.reset()
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", server.key)
    monkeypatch.setenv("ORGTUI_STRIPE_API_BASE", server.base)
    # People wait longer.
    monkeypatch.setattr(billing_paying, "FIRST", 0.05)
    monkeypatch.setattr(billing_paying, "LONGEST", 0.1)
    yield server
    server.reset()


@pytest.fixture
def shop(fake: FakeStripe, orgtui: Run) -> FakeStripe:
    """An account that is set up; what was asked for that is forgotten."""
    assert orgtui("billing", "setup").code == 0
    with fake.world.lock:
        fake._server.requests.clear()
    return fake


@pytest.fixture
def pro(shop: FakeStripe, orgtui: Run) -> FakeStripe:
    """The same, and a subscription to Pro."""
    shop.pay(opened(orgtui, "change", "pro")["url"])
    assert orgtui("billing", "reconcile").code == 0
    assert status(orgtui)["plan"] == "pro"
    return shop


def opened(orgtui: Run, *words: str) -> dict[str, Any]:
    """A payment that can be made now."""
    result = orgtui("billing", *words, "--no-wait", "--json")
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = result.json
    return found


def status(orgtui: Run) -> dict[str, Any]:
    found: dict[str, Any] = orgtui("billing", "status", "--json").json
    return found


def balance(orgtui: Run) -> str:
    return str(orgtui("billing", "ledger", "--json").json["balance"]["amount"])


def euros(amount: str) -> dict[str, str]:
    return {"currency": "EUR", "amount": amount}


def meanwhile(fake: FakeStripe, do: Callable[[str], object]) -> threading.Thread:
    """Somebody who does something with the first page that is opened."""

    def person() -> None:
        while True:
            with fake.world.lock:
                pages = [one for one in fake.world.table("checkout.session").values() if one["status"] == "open"]
            if pages:
                do(pages[0]["url"])
                return
            time.sleep(0.01)

    thread = threading.Thread(target=person, daemon=True)
    thread.start()
    return thread


# Buying.


def test_buying_asks_for_one_page_and_says_where_it_is(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    (request,) = shop.requests("POST", SESSIONS)
    params = request.params
    assert params["mode"] == "payment"
    assert params["line_items"]["0"]["price_data"].items() >= {"unit_amount": "1000", "currency": "eur"}.items()
    assert params["client_reference_id"] == told["purchase"]
    assert params["payment_intent_data"]["metadata"]["reference"] == told["purchase"]
    assert "payment_method_types" not in params
    assert request.key
    assert (told["status"], told["short_url"], told["amount"]) == ("open", None, euros("10"))
    assert told["url"].startswith(f"{shop.base}/c/pay/")
    # It waits: the same again is the same.
    assert opened(orgtui, "buy", "€10")["purchase"] == told["purchase"]
    for_people = orgtui("billing", "buy", "10,00", "--no-wait").out.splitlines()
    assert for_people[0] == "Pay €10.00 for AI credits here, until 13:00 (UTC):"
    assert for_people[1] == told["url"]
    assert for_people[2] == "Test mode: no real money."
    assert for_people[3].endswith(f"orgtui billing purchases {told['purchase']} --wait")
    assert len(shop.requests("POST", SESSIONS)) == 1


@pytest.mark.parametrize(
    ("typed", "cents"), [("25", 2500), ("50", 5000), ("12,34", 1234), ("12.34", 1234), ("€12", 1200)]
)
def test_amounts_as_people_type_them(shop: FakeStripe, orgtui: Run, typed: str, cents: int) -> None:
    opened(orgtui, "buy", typed)
    (request,) = shop.requests("POST", SESSIONS)
    assert request.params["line_items"]["0"]["price_data"]["unit_amount"] == str(cents)


@pytest.mark.parametrize("typed", ["0.49", "-5", "abc", "1e9", "10.001", "", "10,5", "2000.01", "sk_live_abc123"])
def test_other_amounts_are_refused_before_anything_is_asked(fake: FakeStripe, orgtui: Run, typed: str) -> None:
    refused = orgtui("billing", "buy", typed)
    assert refused.code == 2
    assert "euro" in refused.line or "€" in refused.line
    assert fake.requests() == []
    assert orgtui("billing", "purchases", "--json").json["purchases"] == []


def test_waiting_ends_when_it_is_paid(shop: FakeStripe, orgtui: Run) -> None:
    def hesitate(url: str) -> None:
        assert shop.pay(url, BAD) == 402
        time.sleep(0.5)
        assert shop.pay(url, GOOD) == 303

    meanwhile(shop, hesitate)
    bought = orgtui("billing", "buy", "10")
    assert bought.code == 0
    assert "Waiting for the payment; ctrl+c ends only the waiting." in bought.out
    receipt = orgtui("billing", "purchases", "--json").json["purchases"][0]["receipt"]
    assert bought.out.splitlines()[-1] == f"Paid: €10.00 for AI credits. Receipt {receipt}. The balance is €10.00."
    assert bought.err == "orgtui: Your card was declined. It can be tried again on the page.\n"
    meanwhile(shop, shop.pay)
    in_json = orgtui("billing", "buy", "10", "--json")
    assert (in_json.code, in_json.json["status"], in_json.json["url"]) == (0, "paid", None)
    assert balance(orgtui) == "20"


def test_what_comes_later_is_waited_for_and_gives_nothing_before(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    shop.pay(told["url"], SEPA)
    assert "No payment had changed." in orgtui("billing", "reconcile").out
    assert balance(orgtui) == "0"
    assert "the bank has yet to confirm" in orgtui("billing", "status").out
    assert orgtui("billing", "purchases", told["purchase"], "--cancel").code == 5
    with shop.world.lock:
        (session,) = shop.world.table("checkout.session")

    def looks() -> int:
        """Those that have their answer: what came in only just might still see what is about to happen."""
        return len([one for one in shop.requests("GET", f"{SESSIONS}/{session}") if one.status])

    seen = looks()

    def bank() -> None:
        """It answers once somebody has looked twice."""
        while looks() < seen + 2:
            time.sleep(0.01)
        shop.arrive(session)

    threading.Thread(target=bank, daemon=True).start()
    ended = orgtui("billing", "purchases", told["purchase"], "--wait")
    assert (ended.code, balance(orgtui)) == (0, "10")
    assert ended.err.count("which can take days") == 1


def test_expiry_is_told_and_the_link_is_gone(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    with time_machine.travel(NOW + timedelta(hours=2)):
        ended = orgtui("billing", "purchases", told["purchase"], "--wait")
        assert ended.code == 1
        assert ended.line == "orgtui: Its page closed before anybody paid; nothing was charged."
        again = orgtui("billing", "purchases", told["purchase"], "--wait", "--json")
        assert (again.code, again.json["status"], again.json["url"]) == (1, "expired", None)
    assert status(orgtui)["waiting"] == []


def test_cancelling_closes_the_page(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    cancelled = orgtui("billing", "purchases", told["purchase"], "--cancel")
    assert (cancelled.code, cancelled.out) == (
        0,
        "€10.00 for AI credits. It was cancelled before it was paid; nothing was charged.\n",
    )
    (expired,) = shop.requests("POST", f"{SESSIONS}/")
    assert expired.path.endswith("/expire")
    # Whoever was faster has bought.
    told = opened(orgtui, "buy", "10")
    shop.pay(told["url"])
    late = orgtui("billing", "purchases", told["purchase"], "--cancel")
    assert (late.code, late.line) == (1, "orgtui: €10.00 was paid meanwhile, so it cannot be cancelled.")
    assert balance(orgtui) == "10"
    assert orgtui("billing", "purchases", "pay_unknown", "--cancel").code == 4
    assert orgtui("billing", "purchases", "--cancel").code == 2


def test_a_short_link(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "25", "--qr")
    assert told["url"] == told["short_url"]
    assert len(told["short_url"]) <= 53
    assert shop.requests("POST", SESSIONS) == []
    assert "▀" not in orgtui("billing", "buy", "25", "--qr", "--no-wait").out
    meanwhile_paid = orgtui("billing", "reconcile")
    assert meanwhile_paid.out == "No payment had changed.\n"
    assert shop.pay(told["url"]) == 303
    assert orgtui("billing", "purchases", told["purchase"], "--wait").code == 0
    assert balance(orgtui) == "25"


def test_a_link_of_our_own_where_there_is_a_server(
    shop: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORGTUI_PUBLIC_URL", "https://acme.example/o")
    told = opened(orgtui, "buy", "25", "--qr")
    assert told["short_url"] == f"https://acme.example/o/pay/{told['purchase']}"
    assert shop.requests("POST", "/v1/payment_links") == []
    shown = orgtui("billing", "buy", "25", "--no-wait")
    assert shown.out.splitlines()[1] == told["short_url"]
    assert told["url"] not in shown.out
    # A page from before has one as well, and so no reason to complain.
    assert orgtui("billing", "buy", "25", "--qr", "--no-wait", "--json").err == ""
    shop.pay(told["url"])
    assert orgtui("billing", "purchases", told["purchase"], "--wait", "--json").json["short_url"] is None
    assert balance(orgtui) == "25"


def test_no_code_where_the_page_has_a_long_address_from_before(shop: FakeStripe, orgtui: Run) -> None:
    opened(orgtui, "buy", "25")
    again = orgtui("billing", "buy", "25", "--qr", "--no-wait", "--json")
    assert again.json["short_url"] is None
    assert again.err == "orgtui: A page for €25.00 waits already, and its address is too long for a QR code.\n"


# When the network or Stripe has a bad day.


def test_a_lost_answer_makes_one_page(shop: FakeStripe, orgtui: Run) -> None:
    shop.inject(Fault("lost", method="POST", path=f"{SESSIONS}$"))
    told = opened(orgtui, "buy", "10")
    assert len({request.key for request in shop.requests("POST", SESSIONS)}) == 1
    shop.inject(Fault("lost", times=3, method="POST", path=f"{SESSIONS}$"))
    failed = orgtui("billing", "buy", "50", "--no-wait")
    assert failed.code == 6
    assert "Stripe did not answer" in failed.line
    second = opened(orgtui, "buy", "50")
    with shop.world.lock:
        pages = list(shop.world.table("checkout.session"))
    assert len(pages) == 2
    assert pages[0] in told["url"]
    assert pages[1] in second["url"]


def test_one_error_is_tried_again_with_the_same_key(shop: FakeStripe, orgtui: Run) -> None:
    shop.inject(Fault("error", status=500, method="POST", path=f"{SESSIONS}$"))
    assert opened(orgtui, "buy", "10")["status"] == "open"
    first, second = shop.requests("POST", SESSIONS)
    assert (first.status, second.status, first.key) == (500, 200, second.key)


def test_too_many_requests_are_told_with_when_to_try_again(shop: FakeStripe, orgtui: Run) -> None:
    at_once = {"Stripe-Should-Retry": "false", "Retry-After": "7"}
    shop.inject(Fault("error", status=429, path="customers", headers=at_once))
    refused = orgtui("billing", "buy", "10", "--json")
    assert refused.code == 6
    problem = json.loads(refused.err)
    assert (problem["type"], problem["retry_after"]) == ("orgtui:busy", 7)
    assert problem["detail"] == "Stripe has too much to do; try again in a moment."


def test_waiting_outlasts_what_keeps_stripe_from_answering(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    once = {"Stripe-Should-Retry": "false"}
    shop.inject(Fault("delay", path=SESSIONS))
    shop.inject(Fault("error", times=2, status=500, path=SESSIONS, headers=once))
    threading.Timer(0.6, lambda: shop.pay(told["url"])).start()
    ended = orgtui("billing", "purchases", told["purchase"], "--wait")
    assert (ended.code, ended.err.count("\n")) == (0, 1)
    assert "problem of its own" in ended.err


def test_a_key_that_stripe_does_not_know(shop: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", "sk_test_revoked0123456789")
    for words in (["buy", "10"], ["setup", "--dry-run"], ["change", "pro"], ["setup", "--json"]):
        refused = orgtui("billing", *words)
        assert refused.code == 6
        assert "ORGTUI_STRIPE_SECRET_KEY" in refused.line
        assert "revoked" not in refused.line


def test_without_a_key_only_what_asks_stripe_is_refused(
    fake: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORGTUI_STRIPE_SECRET_KEY")
    for words in (["buy", "10"], ["change", "pro"], ["cancel"], ["portal"], ["reconcile"], ["setup"]):
        refused = orgtui("billing", *words)
        assert (refused.code, "set ORGTUI_STRIPE_SECRET_KEY" in refused.line) == (6, True)
    assert [orgtui("billing", word).code for word in ("status", "plans", "purchases", "ledger")] == [0] * 4
    assert fake.requests() == []


def test_live_money_goes_to_stripe_alone(fake: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", LIVE)
    for words in (["buy", "10"], ["setup", "--live"], ["change", "pro"], ["reconcile"]):
        refused = orgtui("billing", *words)
        assert (refused.code, "goes with a test key only" in refused.line) == (6, True)
        assert "abcd" not in refused.line
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", fake.key)
    for base in ("http://10.0.0.1:12111", "https://stripe.example", "http://127.0.0.1.nip.io", f"{fake.base}/x"):
        monkeypatch.setenv("ORGTUI_STRIPE_API_BASE", base)
        refused = orgtui("billing", "buy", "10")
        assert (refused.code, "a test server on this machine" in refused.line) == (6, True)
    assert fake.requests() == []
    assert orgtui("billing", "purchases", "--json").json["total"] == 0


def test_before_setup_nothing_is_sold_and_afterwards_nothing_is_in_the_way(fake: FakeStripe, orgtui: Run) -> None:
    for words in (["buy", "10"], ["change", "pro"], ["change", "pro", "--dry-run"]):
        refused = orgtui("billing", *words)
        assert (refused.code, "orgtui billing setup" in refused.line) == (6, True)
    orgtui("billing", "setup")
    assert orgtui("billing", "reconcile").code == 0
    assert opened(orgtui, "buy", "10")["status"] == "open"


# Who may.


def test_an_admin_looks_and_changes_nothing(shop: FakeStripe, orgtui: Run) -> None:
    told = opened(orgtui, "buy", "10")
    joined(orgtui)
    before = len(shop.requests())
    for words in (
        ["buy", "25"],
        ["change", "pro"],
        ["change", "pro", "--dry-run"],
        ["cancel"],
        ["portal"],
        ["setup", "--dry-run"],
        ["purchases", told["purchase"], "--cancel"],
    ):
        refused = orgtui("--as", GRACE, "billing", *words)
        assert (refused.code, refused.line) == (3, "orgtui: Billing is the owner's; admins can look, not change.")
    assert len(shop.requests()) == before
    for words in (["status"], ["plans"], ["purchases"], ["ledger"], ["reconcile"]):
        assert orgtui("--as", GRACE, "billing", *words).code == 0
        assert orgtui("--as", "nobody@x.example", "billing", *words).code == 3


# Plans.


def test_plans_are_the_price_list(pro: FakeStripe, orgtui: Run) -> None:
    lines = orgtui("billing", "plans").out.splitlines()
    assert lines[0].split("  ")[0] == "Plan"
    assert [re.split(r"\s{2,}", line)[:3] + re.split(r"\s{2,}", line)[-1:] for line in lines[1:]] == [
        ["Free", "€0 forever", "100/month", "Downgrade"],
        ["Starter", "€29/mo", "2,500/month", "Downgrade"],
        ["Pro", "€49/mo", "10,000/month", "Current plan"],
        ["Business", "€670/mo", "50,000/month", "Upgrade"],
        ["Enterprise", "Custom", "Custom volume", "Contact sales"],
    ]
    listed = orgtui("billing", "plans", "--json").json
    assert (listed["plan"], listed["plans"][3]["price"], listed["plans"][4]["price"]) == ("pro", euros("670"), None)
    rows = list(csv.DictReader(io.StringIO(orgtui("billing", "plans", "--csv").out)))
    assert [(row["plan"], row["price"], row["price_currency"], row["change"]) for row in rows[2:4]] == [
        ("pro", "49", "EUR", "current"),
        ("business", "670", "EUR", "upgrade"),
    ]


@pytest.mark.parametrize(
    ("plan", "code", "said"), [("enterprise", 2, "contact sales"), ("gold", 2, "free, starter"), ("Free", 5, "already")]
)
def test_plans_that_cannot_be_chosen(shop: FakeStripe, orgtui: Run, plan: str, code: int, said: str) -> None:
    refused = orgtui("billing", "change", plan)
    assert (refused.code, said in refused.line) == (code, True)
    assert shop.requests() == []


def test_the_first_plan_is_paid_on_a_page(shop: FakeStripe, orgtui: Run) -> None:
    dry = orgtui("billing", "change", "starter", "--dry-run", "--json").json
    assert (dry["action"], dry["changed"], dry["due"]) == ("subscribe", False, euros("29"))
    assert shop.writes() == []
    meanwhile(shop, shop.pay)
    begun = orgtui("billing", "change", "starter")
    assert begun.code == 0
    assert re.fullmatch(
        r"Paid: €29\.00 for Starter\. Receipt \S+ Starter renews on 23 Dec 2026\.", begun.out.splitlines()[-1]
    )
    now = status(orgtui)
    assert (now["plan"], now["price"], now["subscription"]["status"]) == ("starter", euros("29"), "active")
    assert now["subscription"]["card"]["last4"] == "4242"
    assert now["credits"]["balance"] == euros("0")


def test_an_upgrade_charges_exactly_what_was_shown(pro: FakeStripe, orgtui: Run) -> None:
    with time_machine.travel(NOW + timedelta(days=10), tick=False):
        dry = orgtui("billing", "change", "business", "--dry-run")
        assert dry.out.splitlines()[-3].split() == ["Due", "now", "€414.00"]
        assert dry.out.splitlines()[-2] == "Then €670.00 a month for Business, from 23 Dec 2026 on."
        before = len(pro.requests("POST", "/v1/subscriptions"))
        unasked = orgtui("billing", "change", "business")
        assert (unasked.code, "There is no terminal to ask on" in unasked.err) == (2, True)
        wrong = orgtui("billing", "change", "business", "--due", "413.99", "--json")
        assert (wrong.code, json.loads(wrong.err)["due"], wrong.out) == (5, euros("414"), "")
        assert len(pro.requests("POST", "/v1/subscriptions")) == before
        changed = orgtui("billing", "change", "business", "--due", "€414", "--json")
    assert (changed.code, changed.json["changed"], changed.json["due"]) == (0, True, euros("414"))
    assert [line["amount"] for line in changed.json["lines"]] == [euros("-32.67"), euros("446.67")]
    previewed = pro.requests("POST", "/v1/invoices/create_preview")[-1].params["subscription_details"]
    (update,) = [one for one in pro.requests("POST", "/v1/subscriptions/") if "proration_date" in one.params]
    assert update.params["proration_date"] == previewed["proration_date"]
    with pro.world.lock:
        invoices = [one["amount_paid"] for one in pro.world.table("invoice").values()]
    assert sorted(invoices) == [4900, 41400]
    assert status(orgtui)["plan"] == "business"


def test_a_declined_upgrade_changes_nothing_and_offers_another_card(pro: FakeStripe, orgtui: Run) -> None:
    with pro.world.lock:
        (customer,) = pro.world.table("customer")
    pro.save_card(customer, SAVED_BUT_BAD)
    declined = orgtui("billing", "change", "business", "--yes", "--json")
    problem = json.loads(declined.err)
    assert (declined.code, problem["type"], problem["reason"]) == (1, "orgtui:declined", "declined")
    assert problem["detail"].startswith("The payment was declined: Your card was declined. Nothing was changed;")
    assert problem["detail"].endswith("orgtui billing portal --payment-method")
    assert status(orgtui)["plan"] == "pro"
    shown = orgtui("billing", "portal", "--payment-method")
    assert (shown.code, shown.err, shown.out.count("\n")) == (0, "", 1)
    assert pro.in_portal(shown.out.strip(), "card", number=GOOD) == 303
    assert orgtui("billing", "portal", "--json").json["url"].startswith(f"{pro.base}/p/session/")
    with time_machine.travel(NOW + timedelta(minutes=1)):
        assert orgtui("billing", "change", "business", "--yes").code == 0


def test_a_downgrade_comes_with_the_end_of_the_period(pro: FakeStripe, orgtui: Run) -> None:
    assert orgtui("billing", "change", "business", "--yes").code == 0
    dry = orgtui("billing", "change", "starter", "--dry-run")
    assert dry.out == "Business would stay until 23 Dec 2026, and Starter follow. Nothing was changed.\n"
    assert dry.err == "orgtui: Self-hosted hosting is not part of Starter.\n"
    assert status(orgtui)["subscription"]["scheduled"] is None
    done = orgtui("billing", "change", "starter")
    assert done.out.startswith("Business changes to Starter (€29.00 a month) on 23 Dec 2026.")
    assert status(orgtui)["subscription"]["scheduled"]["plan"] == "starter"
    assert orgtui("billing", "change", "business").code == 5
    kept = orgtui("billing", "change", "--keep", "--json").json
    assert (kept["changed"], kept["subscription"]["scheduled"]) == (True, None)
    assert orgtui("billing", "change", "--keep").out.startswith("No change is scheduled: Business renews on")
    told = orgtui("billing", "change", "starter", "--json").json
    assert (told["action"], told["effective"][:10]) == ("downgrade", "2026-12-23")
    assert status(orgtui)["plan"] == "business"
    with time_machine.travel(NOW + timedelta(days=31)):
        assert orgtui("billing", "reconcile").out.endswith("Starter: Active; renews on 23 Jan 2027.\n")
        assert status(orgtui)["plan"] == "starter"


def test_cancel_works_while_a_downgrade_waits_and_resume_takes_it_back(pro: FakeStripe, orgtui: Run) -> None:
    orgtui("billing", "change", "starter")
    assert orgtui("billing", "resume").out.startswith("It was not cancelled: Pro changes to Starter")
    cancelled = orgtui("billing", "cancel")
    assert cancelled.out == "Pro ends on 23 Dec 2026, and Free follows. orgtui billing resume takes it back.\n"
    now = status(orgtui)
    assert (now["plan"], now["subscription"]["renews"], now["subscription"]["ends"][:10]) == ("pro", None, "2026-12-23")
    assert orgtui("billing", "cancel", "--json").json["changed"] is False
    assert orgtui("billing", "resume").out == "Pro goes on, and renews on 23 Dec 2026.\n"
    assert orgtui("billing", "change", "free", "--json").json["action"] == "cancel"
    with time_machine.travel(NOW + timedelta(days=31)):
        assert orgtui("billing", "reconcile").out.endswith("Pro: Ended on 23 Dec 2026.\n")
        assert status(orgtui)["plan"] == "free"
        for words in (["cancel"], ["resume"], ["change", "--keep"]):
            assert orgtui("billing", *words).code == 5


def test_what_would_be_charged_ends_before_the_organization(pro: FakeStripe, orgtui: Run) -> None:
    page = opened(orgtui, "buy", "10")["url"]
    assert "The Pro subscription ends with it, without a further charge." in orgtui("general", "delete").out
    (running,) = pro.world.table("subscription").values()
    assert orgtui("general", "delete", "--confirm", "acme").code == 2
    assert running["status"] == "active"
    # Nothing is deleted that could not be ended.
    for _ in range(3):
        pro.inject(Fault("error", status=500))
    assert orgtui("general", "delete", "--confirm", "Acme").code == 6
    assert orgtui("general", "show").code == 0
    assert orgtui("general", "delete", "--confirm", "Acme").code == 0
    assert [one["status"] for one in pro.world.table("subscription").values()] == ["canceled"]
    assert pro.pay(page) == 410


def test_what_is_past_due_is_told_with_exit_code_1(pro: FakeStripe, orgtui: Run) -> None:
    assert orgtui("billing", "status").code == 0
    with pro.world.lock:
        (subscription,) = pro.world.table("subscription")
    pro.put_status(subscription, "past_due")
    orgtui("billing", "reconcile")
    shown = orgtui("billing", "status")
    assert shown.code == 1
    assert "Payment past due; renews on" in shown.out
    assert "orgtui billing portal --payment-method" in shown.out.splitlines()[-1]
    in_json = orgtui("billing", "status", "--json")
    assert (in_json.code, in_json.json["attention"], in_json.json["plan"]) == (1, ["past_due"], "pro")
    assert orgtui("billing", "change", "business", "--yes").code == 5


def test_status_says_it_all(pro: FakeStripe, orgtui: Run) -> None:
    pro.pay(opened(orgtui, "buy", "25")["url"])
    orgtui("billing", "reconcile")
    waiting = opened(orgtui, "buy", "10")["purchase"]
    lines = orgtui("billing", "status").out.splitlines()
    assert lines[:7] == [
        "Test mode: no real money.",
        "Plan           Pro, €49/mo",
        "Subscription   Active; renews on 23 Dec 2026",
        "Paid with      Visa ending 4242, valid until 12/2028",
        "Workflow Runs  0 / 10,000 (0 %); reset on 23 Dec 2026",
        "AI Credits     €25.00 left; €0.00 of €25.00 used",
        f"Waiting        €10.00 for AI credits: can be paid until 13:00 ({waiting})",
    ]
    assert lines[7].startswith("As of          23 Nov 2026, 12:0")


# The books.


def test_the_history_page_by_page(shop: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing, "LONGEST_PAGE", 2)
    amounts = ["10", "11", "12", "13", "14"]
    for amount in amounts:
        shop.pay(opened(orgtui, "buy", amount)["url"])
    with shop.world.lock:
        first = next(iter(shop.world.table("payment_intent")))
    shop.refund(first, 400)
    reconciled = orgtui("billing", "reconcile")
    assert (reconciled.code, reconciled.out.count("AI credits: paid")) == (0, 5)
    assert "1 refund or dispute entered in the ledger." in reconciled.out
    assert orgtui("billing", "reconcile").out == "No payment had changed.\n"
    listed = orgtui("billing", "purchases", "--json").json
    assert [row["amount"]["amount"] for row in listed["purchases"]] == amounts[::-1]
    assert (listed["total"], listed["purchases"][-1]["refunded"]) == (5, euros("4"))
    assert len(orgtui("billing", "purchases", "--limit", "3", "--json").json["purchases"]) == 3
    rows = list(csv.DictReader(io.StringIO(orgtui("billing", "purchases", "--csv").out)))
    assert (len(rows), rows[-1]["status"], rows[-1]["refunded"]) == (5, "partly_refunded", "4")
    assert set(rows[0]) == {*listed["purchases"][0], "amount_currency", "refunded_currency"}
    one = orgtui("billing", "purchases", rows[-1]["purchase"]).out
    assert "Status       Partly refunded\n" in one
    ledger = orgtui("billing", "ledger", "--json").json
    assert (ledger["balance"], ledger["total"], len(ledger["entries"])) == (euros("56"), 6, 6)
    assert (ledger["entries"][0]["kind"], ledger["entries"][0]["amount"]) == ("refund", euros("-4"))
    lines = orgtui("billing", "ledger").out.splitlines()
    assert (lines[0], len(lines)) == ("Balance €56.00", 8)
    assert re.search(r"Refund +Refunded +−€4.00 +€56.00", lines[2])
    assert len(list(csv.DictReader(io.StringIO(orgtui("billing", "ledger", "--csv", "--limit", "5").out)))) == 5


def test_paid_but_unknown_to_the_books_is_told(shop: FakeStripe, orgtui: Run, tmp_path: Path) -> None:
    opened(orgtui, "buy", "10")
    shutil.copyfile(tmp_path / "acme.db", tmp_path / "old.db")
    shop.pay(opened(orgtui, "buy", "25")["url"])
    (tmp_path / "old.db").replace(tmp_path / "acme.db")
    for rest in (["acme.db-wal"], ["acme.db-shm"]):
        (tmp_path / rest[0]).unlink(missing_ok=True)
    found = orgtui("billing", "reconcile")
    assert found.code == 1
    assert "was paid for this organization, but these books have never heard of it" in found.err
    assert orgtui("billing", "reconcile", "--json").json["unknown"][0].startswith("cs_test_")
    assert balance(orgtui) == "0"


# Setting up.


def test_setup_looks_first_does_it_once_and_keeps_old_prices(pro: FakeStripe, orgtui: Run) -> None:
    done = len(pro.writes())
    assert orgtui("billing", "setup").out == "Stripe is set up as it should be; nothing to change.\n"
    assert len(pro.writes()) == done
    with pro.world.lock:
        (price,) = [one for one in pro.world.table("price").values() if one["lookup_key"] == "orgtui_pro_month_eur"]
        price["unit_amount"], price["unit_amount_decimal"] = 3900, "3900"
    dry = orgtui("billing", "setup", "--dry-run")
    assert len(pro.writes()) == done
    assert dry.out.splitlines()[0].startswith("create price orgtui_pro_month_eur: Pro costs €49.00 a month")
    assert dry.out.splitlines()[-1] == "Nothing was changed: --dry-run."
    orgtui("billing", "setup")
    with pro.world.lock:
        old = pro.world.get("price", price["id"])
        assert (old["active"], old["lookup_key"]) == (False, None)
        assert len(pro.world.table("price")) == 4
    assert orgtui("billing", "setup", "--json").json["steps"] == []
    orgtui("billing", "reconcile")
    # Who has an old price keeps it, and the plan with it.
    assert (status(orgtui)["plan"], status(orgtui)["price"]) == ("pro", euros("39"))


def test_setup_shows_the_webhooks_secret_once(fake: FakeStripe, orgtui: Run) -> None:
    words = ("billing", "setup", "--webhook-url", "https://acme.example/stripe")
    dry = orgtui(*words, "--dry-run", "--json").json
    assert (dry["dry_run"], dry["mode"], len(dry["steps"]), dry["webhook_secret"]) == (True, "test", 9, None)
    assert fake.writes() == []
    first = orgtui(*words)
    assert first.err == ""
    assert re.search(r"^ORGTUI_STRIPE_WEBHOOK_SECRET=whsec_\w+$", first.out, re.M)
    assert "whsec" not in orgtui(*words).out


def test_setup_wants_to_hear_that_live_is_meant(fake: FakeStripe, orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mistaken = orgtui("billing", "setup", "--live")
    assert (mistaken.code, "--live is for a live key" in mistaken.line) == (2, True)
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", LIVE)
    monkeypatch.delenv("ORGTUI_STRIPE_API_BASE")
    for words in (["setup"], ["setup", "--dry-run"]):
        refused = orgtui("billing", *words)
        assert (refused.code, "add --live" in refused.line) == (2, True)
    assert fake.requests() == []


# As a process, with the machine's own clock.


@pytest.fixture
def place(server: FakeStripe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The words that begin a command on an organization whose account is set up."""
    server.reset()
    monkeypatch.setenv("ORGTUI_STRIPE_SECRET_KEY", server.key)
    monkeypatch.setenv("ORGTUI_STRIPE_API_BASE", server.base)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    words = ["--store", f"sqlite:///{tmp_path / 'acme.db'}"]
    for command in (["init", "--name", "Acme", "--owner", "ada@acme.example"], ["billing", "setup"]):
        assert cli.run(cli.parse([*words, *command])) == 0
    yield words
    server.reset()


def test_what_is_paid_while_nobody_waits_arrives_once(
    place: list[str], server: FakeStripe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = [ORGTUI, *place, "billing", "buy"]
    with subprocess.Popen([*running, "10"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline().startswith("Pay €10.00")
        url = killed.stdout.readline().strip()
        killed.kill()
    with subprocess.Popen([*running, "25"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        assert stopped.stderr is not None
        while "ctrl+c" not in stopped.stdout.readline():
            pass
        stopped.send_signal(signal.SIGINT)
        said = stopped.stderr.read()
    assert stopped.returncode == 130
    assert re.fullmatch(
        r"orgtui: The payment waits\. Go on waiting: orgtui billing purchases pay_\w+ --wait;.*\n", said
    )
    assert server.pay(url) == 303
    for credited in ([euros("10")], []):
        capsys.readouterr()
        assert cli.run(cli.parse([*place, "billing", "reconcile", "--json"])) == 0
        assert [one["amount"] for one in json.loads(capsys.readouterr().out)["paid"]] == credited
    cli.run(cli.parse([*place, "billing", "ledger", "--json"]))
    assert json.loads(capsys.readouterr().out)["balance"] == euros("10")
    # Nothing was written beside the store.
    assert not (tmp_path / "config").exists()


def test_stripe_is_imported_by_what_asks_it_alone(place: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from orgtui import cli\n"
        "for verb in ('status', 'plans', 'purchases', 'ledger'):\n"
        f"    assert cli.run(cli.parse([*{place!r}, 'billing', verb])) == 0, verb\n"
        "heavy = {'stripe', 'httpx', 'sqlmodel', 'textual', 'segno'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def seen_on_a_terminal(words: list[str], rows: int) -> str:
    """What a command prints on a terminal of 80 columns and *rows* lines."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        os.execve(ORGTUI, [str(ORGTUI), *words], environment | {"TERM": "xterm-256color", "PYTHONUTF8": "1"})
    seen = b""
    try:
        while chunk := os.read(terminal, 4096):
            seen += chunk
    except OSError:
        # As Linux says that the other end is closed.
        pass
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return seen.decode()


def test_a_terminal_gets_the_code_black_on_white_where_it_fits(place: list[str], server: FakeStripe) -> None:
    words = [*place, "billing", "buy", "10", "--qr", "--no-wait"]
    seen = seen_on_a_terminal(words, 24)
    (url,) = re.findall(rf"^{re.escape(server.base)}\S+", seen, re.M)
    drawn = re.findall(r"\x1b\[38;5;16;48;5;231m([ ▀▄█]+)\x1b\[0m\r\n", seen)
    assert drawn == half_blocks(url)
    assert (len(drawn), {len(line) for line in drawn}) == (17, {33})
    assert len(seen.splitlines()) <= 24
    assert "\x1b" not in seen_on_a_terminal(words, 20)
