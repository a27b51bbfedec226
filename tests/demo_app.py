"""Small apps that fail on request, or show hostile text: python -m tests.demo_app."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

from orgtui import tty

try:
    PROFILE = tty.prepare(os.environ)
except tty.NoScreen as refusal:
    print(refusal.message, file=sys.stderr)
    sys.exit(refusal.exit_code)
tty.hold_gc()

from textual import work  # noqa: E402
from textual.app import ComposeResult  # noqa: E402
from textual.binding import Binding  # noqa: E402
from textual.content import Content  # noqa: E402
from textual.widgets import Input, Static  # noqa: E402

from orgtui.terminal import SafeApp, run  # noqa: E402
from orgtui.themes import THEMES  # noqa: E402
from orgtui.widgets.secret_input import SecretInput  # noqa: E402


class Demo(SafeApp[None]):
    """What all the demonstrations share."""

    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("x", "fail('callback')"),
        Binding("a", "fail('worker')"),
        Binding("t", "fail('thread')"),
        Binding("z", "linger"),
        Binding("b", "block"),
        Binding("c", "copy"),
        Binding("f", "flood"),
        Binding("escape", "escape"),
    ]

    def __init__(self) -> None:
        super().__init__(PROFILE)
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = PROFILE.theme

    def action_fail(self, where: str) -> None:
        secret = "sk-canary-" + "0123456789" * 3
        {"callback": fail, "worker": self.fail_in_worker, "thread": self.fail_in_thread}[where](secret)

    @work
    async def fail_in_worker(self, secret: str) -> None:
        await asyncio.sleep(0)
        fail(secret)

    @work(thread=True)
    def fail_in_thread(self, secret: str) -> None:
        fail(secret)

    def action_linger(self) -> None:
        self.run_worker(lambda: time.sleep(30), thread=True, exit_on_error=False)
        self.set_timer(0.1, lambda: self.exit(return_code=7))

    def action_escape(self) -> None:
        self.exit(return_code=9)

    def action_block(self) -> None:
        time.sleep(30)

    def action_flood(self) -> None:
        self.set_interval(0.01, lambda: self.screen.refresh(layout=True))

    def action_copy(self) -> None:
        self.copy_to_clipboard("safe\x1b[31m\ud800\n")


def fail(secret: str) -> None:
    """Fail with a secret in the locals and in the message."""
    api_key = secret
    raise ValueError(f"\x1b]52;c;eA==\x07 the provider refused {api_key}")


class Small(Demo):
    """Starts and ends fast."""

    def compose(self) -> ComposeResult:
        yield Static("ready")


class Secret(Demo):
    """One secret field."""

    def compose(self) -> ComposeResult:
        yield SecretInput(id="secret")
        yield Static("ready")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        assert isinstance(event.input, SecretInput)
        self.query_one(Static).update(Content(f"took {len(event.input.take())} {event!r} {event.input!r}"))


def main() -> int:
    """Run the app that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", choices=("small", "secret", "hostile", "unfiltered"))
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    if arguments.app in ("small", "secret"):
        return run(Secret() if arguments.app == "secret" else Small())
    from tests.demo_hostile import Hostile, Unfiltered

    return run((Hostile if arguments.app == "hostile" else Unfiltered)(arguments.count))


if __name__ == "__main__":
    tty.leave(main())
