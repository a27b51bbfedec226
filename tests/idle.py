"""When an app under test has nothing left to do.

Textual's pilot guesses it from the processor's load, at least twice a twentieth of a second for each key, and guesses
wrong where a thread waits for a disk. The event loop knows it: nothing is ready, nothing is due, no thread is asked.
"""

from __future__ import annotations

import asyncio
from typing import Any

from textual._context import active_app

# Two frames and some more: what a key changes is laid out and painted by a timer, which may skip one.
_SOON = 1 / 25
# An app that is never idle is no reason to hang; a busy machine may need seconds for what takes a moment.
_LONGEST = 15.0
_asked: set[asyncio.Future[Any]] = set()
_run_in_executor = asyncio.BaseEventLoop.run_in_executor
_wrap_future = asyncio.wrap_future


def run_in_executor(loop: Any, *arguments: Any) -> asyncio.Future[Any]:
    """What the loop itself does, remembered until it is answered."""
    answer: asyncio.Future[Any] = _run_in_executor(loop, *arguments)
    _asked.add(answer)
    answer.add_done_callback(_asked.discard)
    return answer


def wrap_future(*arguments: Any, **named: Any) -> asyncio.Future[Any]:
    """The same of what another thread answers, as a question to a server is."""
    answer: asyncio.Future[Any] = _wrap_future(*arguments, **named)
    _asked.add(answer)
    answer.add_done_callback(_asked.discard)
    return answer


async def wait_for_idle(_min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Wait until nothing is to be done; for threads, which may wait for something else, *max_sleep* seconds."""
    loop: Any = asyncio.get_running_loop()
    patience, end = loop.time() + max_sleep, loop.time() + _LONGEST
    rounds = 0
    while rounds < 2 and loop.time() < end:
        await asyncio.sleep(0)
        rounds = 0 if loop._ready else rounds + 1
        if rounds < 2:
            continue
        asked = [answer for answer in _asked if answer.get_loop() is loop]
        if asked and loop.time() < patience:
            await asyncio.wait(asked, timeout=patience - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            rounds = 0
        elif _has_ended():
            # Until it is taken down its timers tick, and do nothing.
            continue
        elif due := [handle.when() for handle in loop._scheduled if not handle.cancelled()]:
            wait = min(due) - loop.time()
            if wait < _SOON:
                await asyncio.sleep(max(wait, 0))
                rounds = 0


def _has_ended() -> bool:
    """Whether the app under test is told to end: what its timers call is not called any more."""
    app = active_app.get(None)
    return app is not None and app._exit
