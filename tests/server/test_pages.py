"""The pages for browsers: what they say, to whom, and that looking at them changes nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from orgtui.domain.roles import Role
from orgtui.store.contract.billing import PaymentStatus
from orgtui.store.contract.general import GeneralChanges
from tests.contract.conftest import wait
from tests.fake_stripe import SEPA, FakeStripe, Fault
from tests.server.shop import Shop, Town, shop

HOSTILE = "<script>alert(1)</script>&\"'"
WORTHLESS = "This invitation is not valid: it was used, withdrawn, or has lapsed. Ask for a new one."
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def here(streets: Town, memory: Path, templates: Path, fake: FakeStripe) -> Iterator[Shop]:
    """Acme's server."""
    with shop(streets, memory, templates, fake) as opened:
        yield opened


@pytest.fixture
def selling(here: Shop) -> Shop:
    """The same, with an account that is set up."""
    wait(here.service.setup(dry_run=False))
    return here


def attempt(page: httpx.Response) -> str:
    """What the form says of itself."""
    found = re.search(r'name="attempt" value="(\w+)"', page.text)
    assert found
    return found[1]


def plain(page: httpx.Response, status: int) -> str:
    """What a page says; whatever it is, it is locked up, and asks nobody for anything."""
    assert page.status_code == status, page.text
    headers, text = page.headers, page.text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in headers
    assert not re.search(r"<script|<link|<img|<iframe|\bon\w+=|\bsrc=|\bhref=|url\(|@import|style=", text)
    assert '<html lang="en">' in text
    assert 'content="width=device-width, initial-scale=1"' in text
    assert text.count("<h1>") == 1
    return unescape(re.sub(r"<[^>]+>", " ", text.replace(style[0], "")))


def told(here: Shop, lines: int) -> list[dict[str, Any]]:
    """The log, which is written when an answer has gone out."""
    until = time.monotonic() + 5
    while len(here.log) < lines and time.monotonic() < until:
        time.sleep(0.01)
    return here.log


class TestJoining:
    def test_looking_shows_what_it_is_for_and_changes_nothing(self, here: Shop) -> None:
        code, before = here.invite(role=Role.OWNER).code, None
        before = here.rows()
        for _ in range(3):
            page = here.browser.get(f"/join/{code}")
            said = plain(page, 200)
            assert "Join Acme" in said
            assert (
                "an owner of this organization. The invitation works once, until 8 November 2026, 00:00 (UTC)." in said
            )
            assert "grace@" not in page.text
            assert code not in page.text
        head = here.browser.head(f"/join/{code}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-security-policy"] == page.headers["content-security-policy"]
        assert here.rows() == before

    def test_accepting_joins_and_says_what_is_left(self, here: Shop) -> None:
        code = here.invite().code
        page = here.browser.get(f"/join/{code}")
        form = {"name": "Grace Hopper", "attempt": attempt(page)}
        said = plain(here.browser.post(f"/join/{code}", data=form), 200)
        assert "Welcome, Grace Hopper" in said
        assert "You are an admin now." in said
        assert f"orgtui login {here.url}" in said
        assert f"orgtui --store {here.url}" in said
        assert "Grace Hopper" in here.people()
        (secret,) = re.findall(r"orgtui_pat_\w+", said)
        token = {"Authorization": f"Bearer {secret}"}
        found = here.browser.get("/v1/overview", headers=token).json()
        assert (found["actor"], found["role"]) == ("grace@acme.example", "admin")
        (listed,) = here.browser.get("/v1/tokens", headers=token).json()["tokens"]
        assert (listed["name"], listed["scopes"], listed["maker"]) == ("Invitation", [], "grace@acme.example")
        assert secret not in repr([here.log, here.rows()])

    def test_a_form_that_is_sent_twice_joins_once_and_welcomes_twice(self, here: Shop) -> None:
        code = here.invite().code
        form = {"name": "Grace", "attempt": attempt(here.browser.get(f"/join/{code}"))}
        first, second = (here.browser.post(f"/join/{code}", data=form) for _ in range(2))
        assert plain(first, 200) == plain(second, 200)
        assert here.people().count("Grace") == 1
        for other in ({"name": "Mallory", "attempt": form["attempt"]}, {"name": "Grace", "attempt": "0" * 32}):
            assert WORTHLESS in plain(here.browser.post(f"/join/{code}", data=other), 404)
        assert WORTHLESS in plain(here.browser.post(f"/join/{code}", data={"name": "Grace"}), 404)
        assert here.people().count("Grace") == 1
        assert WORTHLESS in plain(here.browser.get(f"/join/{code}"), 404)

    def test_a_code_that_is_worth_nothing_does_not_say_why(self, here: Shop) -> None:
        lapsed, withdrawn = here.invite("a@acme.example"), here.invite("b@acme.example")
        wait(here.opened.store.team.revoke(withdrawn.member.id))
        here.fake.advance(days=8)
        made_up = "orgtui_inv_" + "0" * 43
        pages = set()
        for code in (lapsed.code, withdrawn.code, made_up, "x", "%00", "%3Cscript%3E", "%ff%ed%a0%80", "x" * 4_000):
            pages.add(plain(here.browser.get(f"/join/{code}"), 404))
            pages.add(plain(here.browser.post(f"/join/{code}", data={"name": "Mallory"}), 404))
        (said,) = pages
        assert WORTHLESS in said

    def test_names_are_text_wherever_they_come_from(self, here: Shop) -> None:
        overview = wait(here.opened.store.general.show())
        wait(here.opened.store.general.save(GeneralChanges(seen=overview.version, name=HOSTILE)))
        code = here.invite("o'hara@acme.example").code
        page = here.browser.get(f"/join/{code}")
        assert f"Join {HOSTILE}" in plain(page, 200)
        form = {"name": f"{HOSTILE}\u202e", "attempt": attempt(page)}
        refused = here.browser.post(f"/join/{code}", data=form)
        assert "Name" in plain(refused, 422)
        (kept,) = re.findall(r'name="name" value="([^"]*)"', refused.text)
        assert unescape(kept) == form["name"]
        said = plain(here.browser.post(f"/join/{code}", data=form | {"name": HOSTILE}), 200)
        assert f"Welcome, {HOSTILE}" in said

    def test_a_name_that_is_refused_leaves_the_invitation(self, here: Shop) -> None:
        code = here.invite().code
        for name in ("", "   ", "x" * 61):
            page = here.browser.post(f"/join/{code}", data={"name": name})
            assert 'role="alert">Name ' in page.text
            plain(page, 422)
        assert "Welcome" in plain(here.browser.post(f"/join/{code}", data={"name": "Grace"}), 200)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "https://evil.example", "Host": "evil.example"},
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        ],
    )
    def test_the_form_of_another_site_is_refused(self, here: Shop, headers: dict[str, str]) -> None:
        code = here.invite().code
        before = here.rows()
        plain(here.browser.post(f"/join/{code}", data={"name": "Grace"}, headers=headers), 403)
        assert here.rows() == before

    @pytest.mark.parametrize("more", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Host": "behind.a.proxy"}])
    def test_our_own_form_is_taken(self, here: Shop, more: dict[str, str]) -> None:
        code = here.invite().code
        headers = {"Origin": here.url} | more
        plain(here.browser.post(f"/join/{code}", data={"name": "Grace"}, headers=headers), 200)

    def test_what_is_no_form_is_refused(self, here: Shop) -> None:
        code = here.invite().code
        plain(here.browser.post(f"/join/{code}", json={"name": "Grace"}), 415)
        plain(here.browser.post(f"/join/{code}", data={"name": "Grace"}, files={"a": b"a"}), 415)
        many = "&".join(f"a{number}=1" for number in range(1_000))
        for body in (b"", b"\xff\xfe=\x00", b"%", many.encode(), b"name"):
            plain(here.browser.post(f"/join/{code}", content=body, headers=FORM), 422)
        assert here.browser.put(f"/join/{code}").status_code == 405
        plain(here.browser.get(f"/join/{code}"), 200)

    def test_no_code_is_in_the_log(self, here: Shop) -> None:
        code = here.invite().code
        for _ in range(2):
            here.browser.get(f"/join/{code}")
            here.browser.post(f"/join/{code}", data={"name": "Grace"})
        assert {line["operation"] for line in told(here, 4)} == {"/join/{code}"}
        assert code not in repr(here.log)
        assert code not in here.browser.get("/metrics").text


class TestPaying:
    @pytest.mark.parametrize(
        ("path", "said"), [("/paid", "Paid"), ("/cancelled", "Nothing was paid"), ("/back", "Done")]
    )
    def test_where_the_provider_sends_people(self, here: Shop, path: str, said: str) -> None:
        page = here.browser.get(path)
        assert f"{said} Go back to your terminal." in re.sub(r"\s+", " ", plain(page, 200))
        assert here.browser.head(path).headers["content-length"] == page.headers["content-length"]

    def test_a_link_of_our_own_leads_to_the_page_while_it_is_open(self, selling: Shop) -> None:
        paying = selling.buy()
        link = str(paying.link)
        assert link == f"{selling.url}/pay/{paying.payment.id}" == paying.short == paying.address
        # The page that it leads to knows the customer, which one of Stripe's own short links does not.
        assert not paying.payment.short
        assert selling.fake.requests("POST", "/v1/payment_links") == []
        for ask in (selling.browser.get, selling.browser.head):
            answer = ask(link)
            assert (answer.status_code, answer.headers["location"]) == (303, paying.url)
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
        assert selling.fake.pay(answer.headers["location"]) == 303
        said = plain(selling.browser.get(link), 200)
        assert "€10.00 for AI credits" in said
        assert "It is paid." in said
        # Whoever looks brings the books up to date.
        assert selling.payment(paying).status is PaymentStatus.PAID
        assert selling.fake.visit(str(paying.url))[0] != 303

    def test_how_it_stands_when_it_is_not_open(self, selling: Shop) -> None:
        slow, withdrawn, late = selling.buy(1_000), selling.buy(2_000), selling.buy(3_000)
        assert selling.fake.pay(str(slow.url), SEPA) == 303
        wait(selling.service.withdraw(withdrawn.payment.id))
        assert "the bank has yet to confirm" in plain(selling.browser.get(str(slow.link)), 200)
        assert "It was cancelled" in plain(selling.browser.get(str(withdrawn.link)), 410)
        selling.fake.advance(hours=2)
        assert "Its time is over" in plain(selling.browser.get(str(late.link)), 410)

    def test_a_subscription_has_a_link_too(self, selling: Shop) -> None:
        paying = wait(selling.service.subscribe("pro"))
        assert selling.browser.get(str(paying.link)).headers["location"] == paying.url
        selling.pay(paying)
        assert "for the Pro plan" in plain(selling.browser.get(str(paying.link)), 200)
        assert wait(selling.opened.store.billing.show()).plan == "pro"

    def test_without_an_answer_of_the_provider_it_leads_nowhere(self, selling: Shop) -> None:
        paying = selling.buy()
        selling.fake.inject(Fault("error", times=9, method="GET", path="/v1/checkout/sessions"))
        said = plain(selling.browser.get(str(paying.link)), 503)
        assert "try again" in said
        assert str(paying.url) not in said

    @pytest.mark.parametrize("id", ["pay_none", "%3Cscript%3Ealert(1)", "%00", "x" * 4_000])
    def test_a_payment_that_nobody_ordered(self, selling: Shop, id: str) -> None:
        asked = len(selling.fake.requests())
        plain(selling.browser.get(f"/pay/{id}"), 404)
        assert len(selling.fake.requests()) == asked

    def test_no_secret_is_in_the_log(self, selling: Shop) -> None:
        paying = selling.buy()
        selling.browser.get(str(paying.link))
        assert told(selling, 1)[0]["operation"] == "/pay/{id}"
        for secret in (str(paying.url), paying.payment.id):
            assert secret not in repr(selling.log)

    def test_without_a_provider(self, streets: Town, memory: Path, templates: Path, fake: FakeStripe) -> None:
        with shop(streets, memory, templates, fake, stripe=None) as here:
            assert "No payment provider is set up here" in plain(here.browser.get("/pay/pay_none"), 503)

    def test_without_a_public_url_there_is_no_link(
        self, streets: Town, memory: Path, templates: Path, fake: FakeStripe
    ) -> None:
        with shop(streets, memory, templates, fake, public_url=None) as here:
            wait(here.service.setup(dry_run=False))
            paying = here.buy()
            assert (paying.link, paying.short) == (None, paying.url)
            assert paying.payment.short
            assert here.browser.get(f"/pay/{paying.payment.id}").headers["location"] == paying.url


def test_the_manage_page_comes_back_to_one_that_says_nothing_of_money(selling: Shop) -> None:
    selling.pay(wait(selling.service.subscribe("pro")))
    wait(selling.service.reconcile())
    wait(selling.service.manage())
    (asked,) = selling.fake.requests("POST", "/v1/billing_portal/sessions")
    assert asked.params["return_url"] == f"{selling.url}/back"


def test_a_code_from_a_mail_is_taken_as_it_was_pasted(here: Shop) -> None:
    code = here.invite().code
    here.fake.advance(minutes=int(timedelta(days=6).total_seconds() // 60))
    plain(here.browser.get(f"/join/{code}%0A"), 200)
