"""A real browser without a screen, driven over a pipe: what people do with keys, and what they see."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0
# Its side of the pipes is 3 and 4, by its own rule.
_START = """
import fcntl, os, sys
orders, answers = (fcntl.fcntl(int(side), fcntl.F_DUPFD, 10) for side in sys.argv[1:3])
os.dup2(orders, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r")}


class Chromium:
    """One tab; `complaints` is what the browser has to say of the pages, as of a policy that was not kept."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders, self._answers, self._read = orders, answers, b""
        self._asked, self._tab = 0, ""
        self.complaints: list[str] = []

    def begin(self) -> None:
        """Open the tab."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._tab = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    def visit(self, url: str) -> None:
        """Go to an address, and wait until it is there."""
        self._ask("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def type(self, text: str) -> None:
        """Into whatever has focus."""
        self._ask("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """One of the keys that do something."""
        code, text = _KEYS[key]
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Until it is true."""
        until = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < until, f"{expression} did not become true: {self.text()}"
            time.sleep(0.05)

    def text(self) -> str:
        """All that can be read."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def look(self, width: int, height: int, *, dark: bool = False) -> bytes:
        """A picture of the page on a screen of that size, as PNG."""
        self.resize(width, height, dark=dark)
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Another screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        order = {"id": self._asked, "method": method, "params": params}
        os.write(self._orders, json.dumps(order | ({"sessionId": self._tab} if self._tab else {})).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("method") == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
            if said.get("id") == self._asked:
                assert "error" not in said, f"{method}: {said['error']}"
                result: dict[str, Any] = said["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, "Chromium does not answer."
            more = os.read(self._answers, 1 << 16)
            assert more, "Chromium has ended."
            self._read += more
        said, _, self._read = self._read.partition(b"\0")
        found: dict[str, Any] = json.loads(said)
        return found


@contextmanager
def chromium(home: Path) -> Iterator[Chromium]:
    """One, running; fails where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "This test needs a Chromium: apt-get install chromium"
    orders, answers = os.pipe(), os.pipe()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    flags.append("--no-proxy-server")
    running = subprocess.Popen(
        [sys.executable, "-c", _START, str(orders[0]), str(answers[1]), program, *flags, f"--user-data-dir={home}"],
        pass_fds=(orders[0], answers[1]),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(orders[0])
    os.close(answers[1])
    try:
        browser = Chromium(orders[1], answers[0])
        browser.begin()
        yield browser
    finally:
        # It ends when nobody talks to it any more.
        os.close(orders[1])
        os.close(answers[0])
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
