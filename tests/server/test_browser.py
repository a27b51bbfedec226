"""An invitation is accepted and a payment begun in a real browser, with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import wait
from tests.fake_stripe import FakeStripe
from tests.server.chromium import Chromium, chromium
from tests.server.shop import Shop, shop, town

pytestmark = pytest.mark.soak
NAME = 'Grace "<script>document.title=1</script>" H'


@pytest.fixture
def here(memory: Path, templates: Path) -> Iterator[Shop]:
    """Acme's server."""
    fake = FakeStripe()
    with town() as built, shop(built, memory, templates, fake) as opened:
        yield opened
    fake.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    """A new one, which knows nothing."""
    with chromium(tmp_path / "home") as running:
        yield running


def readable(browser: Chromium) -> None:
    """On a phone, and elsewhere: nothing is cut off, and no letter is small."""
    for width in (320, 390, 1280):
        browser.resize(width, 800)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        sizes = "[...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))"
        assert browser.value(f"Math.min(...{sizes})") >= 16


def test_an_invitation_is_accepted_with_the_keyboard(here: Shop, browser: Chromium) -> None:
    code = here.invite().code
    browser.visit(f"{here.url}/join/{code}")
    assert browser.value("document.title") == "Join Acme"
    assert browser.value("document.activeElement.id") == "name"
    # The style is let through by its digest: else the page would have the browser's own.
    assert browser.value("getComputedStyle(document.querySelector('main')).maxWidth") == "640px"
    readable(browser)
    browser.type(NAME)
    browser.press("Tab")
    assert browser.value("document.activeElement.innerText") == "Accept"
    browser.press("Enter")
    browser.wait_for("document.title.startsWith('Welcome')")
    assert browser.value("document.querySelector('h1').innerText") == f"Welcome, {NAME}"
    assert "This is your token." in browser.text()
    readable(browser)
    assert NAME in here.people()
    assert browser.value("document.cookie") == ""
    browser.visit(f"{here.url}/join/{code}")
    browser.wait_for("document.title === 'This link does not work'")
    # Of the last page it says that it was not found, and of none that its policy was not kept.
    assert [said for said in browser.complaints if "404" not in said] == []


def test_a_link_leads_to_where_it_is_paid(here: Shop, browser: Chromium) -> None:
    wait(here.service.setup(dry_run=False))
    paying = here.buy()
    browser.visit(str(paying.link))
    assert browser.value("location.href").partition("#")[0] == str(paying.url).partition("#")[0]
    assert browser.value("document.referrer") == ""
    here.pay(paying)
    browser.visit(str(paying.link))
    browser.wait_for("document.body.innerText.includes('It is paid.')")
    readable(browser)
