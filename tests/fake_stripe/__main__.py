"""The fake started by hand: it prints what to export, and its index page pays what is open."""

from __future__ import annotations

import argparse
import signal
import threading

from tests.fake_stripe import FakeStripe


def main() -> None:
    """Serve until ctrl+c."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_stripe", description=__doc__)
    parser.add_argument("--port", type=int, default=4242, help="on loopback (4242)")
    parser.add_argument("--webhook-url", metavar="URL", help="where events are posted, signed, as they happen")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    fake = FakeStripe(port=arguments.port, start=None, webhook_url=arguments.webhook_url)
    print(f"export ORGTUI_STRIPE_API_BASE={fake.base}")
    print(f"export ORGTUI_STRIPE_SECRET_KEY={fake.key}")
    print(f"export ORGTUI_STRIPE_WEBHOOK_SECRET={fake.secret}")
    print(f"# Open {fake.base}/ to pay, refund and let time pass.", flush=True)
    stop.wait()
    fake.close()


if __name__ == "__main__":
    main()
