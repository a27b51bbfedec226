"""Paying with the real program in a real terminal, and a Stripe of our own: it may be killed, and it never hangs."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_stripe import FakeStripe, Fault
from tests.fake_stripe.server import Request
from tests.program import press, title
from tests.ptyharness import Terminal

SIZE = (100, 30)


class Place:
    """An organization on a file, a Stripe account that is set up, and the program on both."""

    def __init__(self, folder: Path, server: FakeStripe) -> None:
        # Whatever opens browsers asks this for one.
        self.opened, browser = folder / "opened", folder / "browser"
        browser.write_text(f'#!/bin/sh\necho "$@" >> {self.opened}\n')
        browser.chmod(0o700)
        self._env = {
            "ORGTUI_STORE": f"sqlite:///{folder / 'acme.db'}",
            "ORGTUI_STRIPE_SECRET_KEY": server.key,
            "ORGTUI_STRIPE_API_BASE": server.base,
            "XDG_CONFIG_HOME": f"{folder}/config",
            "BROWSER": str(browser),
            "DISPLAY": ":0",
        }
        self._started = list[Terminal]()
        self.command("init", "--name", "Acme", "--owner", "ada@acme.example")
        self.command("billing", "setup")

    def command(self, *words: str) -> str:
        """What a command prints."""
        argv = [sys.executable, "-m", "orgtui", *words]
        return subprocess.run(argv, env=os.environ | self._env, capture_output=True, text=True, check=True).stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.command("billing", *words, "--json"))

    def start(self) -> Terminal:
        """The program, where the balance is."""
        terminal = Terminal.python("-m", "orgtui", size=SIZE, env=self._env)
        self._started.append(terminal)
        terminal.until("Save Changes", limit=60)
        terminal.send("4")
        terminal.until("Available Plans")
        terminal.send("n")
        terminal.until("Purchase AI Credits")
        return terminal

    def close(self) -> None:
        for terminal in self._started:
            terminal.__exit__()


@pytest.fixture(scope="module")
def server() -> Iterator[FakeStripe]:
    """It goes with the machine's clock, as the program does."""
    server = FakeStripe(start=None)
    yield server
    server.close()


@pytest.fixture
def place(server: FakeStripe, tmp_path: Path) -> Iterator[Place]:
    server.reset()
    place = Place(tmp_path, server)
    yield place
    place.close()
    server.reset()


def buy(terminal: Terminal, amount: str = "€25.00") -> None:
    """What is chosen already, up to the order."""
    terminal.send("enter")
    terminal.until(f"Go on to pay {amount}")
    terminal.send("enter")


def links(terminal: Terminal) -> set[str]:
    """The addresses that it told the terminal to open when one clicks."""
    return {found.decode() for found in re.findall(rb"\x1b\]8;id=[\d-]+;(http[^\x1b]+)\x1b\\", terminal.raw)}


def test_a_link_is_sent_whole_to_click_and_to_the_clipboard_and_no_browser_is_opened(place: Place) -> None:
    # With what stands after the #, without which Stripe's page shows nothing.
    url = place.json("buy", "12.34", "--no-wait")["url"]
    assert len(url.partition("#")[2]) > 100
    terminal = place.start()
    terminal.until("€12.34 waits for its payment")
    terminal.send("o")
    terminal.until("Waiting for payment")
    assert url in "".join(line.partition("│")[2].strip() for line in terminal.text.split("\n"))
    assert links(terminal) == {url}
    terminal.send("y")
    copied = b"\x1b]52;c;" + base64.b64encode(url.encode()) + b"\x07"
    terminal.until(lambda: copied in terminal.raw)
    press(terminal, "escape")
    terminal.until("Purchase History")
    buy(terminal)
    terminal.until("Pay €25.00")
    terminal.until(lambda: len(links(terminal)) == 2)
    assert not place.opened.exists()


def test_paid_while_it_is_killed_it_is_told_at_the_next_start_and_only_then(place: Place, server: FakeStripe) -> None:
    terminal = place.start()
    buy(terminal)
    terminal.until("Waiting for payment")
    (url,) = links(terminal)
    terminal.kill(signal.SIGKILL)
    terminal.wait()
    assert server.pay(url) == 303
    after = place.start()
    after.until("€25.00 was paid meanwhile.")
    after.until("€25.00  remaining")
    again = place.start()
    again.until("€25.00  remaining")
    again.send("B")
    again.until("The books agree with the provider.")
    assert "was paid meanwhile" not in again.text
    assert place.json("ledger")["balance"] == {"currency": "EUR", "amount": "25"}


def test_while_stripe_does_not_answer_every_key_still_does(place: Place, server: FakeStripe) -> None:
    terminal = place.start()
    terminal.quiet()
    server.inject(Fault("delay", times=2, method="POST", path="payment_links", seconds=8.0))
    buy(terminal)
    terminal.until(lambda: bool(server.requests("POST", "/v1/payment_links")))
    press(terminal, "escape", "2")
    terminal.until("You are the only member.")
    assert not answered(server)
    # It came late: it opens no page under the hands of who is elsewhere by now, and it waits.
    terminal.until("The page to pay €25.00 came after you had left")
    assert title(terminal).startswith("Team")
    press(terminal, "4")
    terminal.until("€25.00 waits for its payment")
    press(terminal, "n", "right")
    buy(terminal, "€50.00")
    terminal.until(lambda: len(server.requests("POST", "/v1/payment_links")) == 2)
    press(terminal, "q")
    assert terminal.wait()[0] == 0
    assert len(answered(server)) == 1


def answered(server: FakeStripe) -> list[Request]:
    return [one for one in server.requests("POST", "/v1/payment_links") if one.status]
