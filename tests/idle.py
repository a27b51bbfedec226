"""When an app under test has nothing left to do.

Textual's pilot guesses it from the processor's load, at least twice a twentieth of a second for each key, and guesses
wrong where a thread waits for a disk. The event loop knows it: nothing is ready, nothing is due, no thread is asked.
"""

from __future__ import annotations

import asyncio
from typing import Any

# A frame and some more: what a key changes is laid out and painted by a timer.
_SOON = 1 / 50
_asked: set[asyncio.Future[Any]] = set()
_run_in_executor = asyncio.BaseEventLoop.run_in_executor


def run_in_executor(loop: Any, *arguments: Any) -> asyncio.Future[Any]:
    """What the loop itself does, remembered until it is answered."""
    answer: asyncio.Future[Any] = _run_in_executor(loop, *arguments)
    _asked.add(answer)
    answer.add_done_callback(_asked.discard)
    return answer


async def wait_for_idle(_min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Wait until nothing is to be done, but not for what takes longer than *max_sleep* seconds."""
    loop: Any = asyncio.get_running_loop()
    end = loop.time() + max_sleep
    rounds = 0
    while rounds < 2 and loop.time() < end:
        await asyncio.sleep(0)
        rounds = 0 if loop._ready else rounds + 1
        if rounds < 2:
            continue
        if asked := [answer for answer in _asked if answer.get_loop() is loop]:
            await asyncio.wait(asked, timeout=end - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            rounds = 0
        elif due := [handle.when() for handle in loop._scheduled if not handle.cancelled()]:
            wait = min(due) - loop.time()
            if wait < _SOON:
                await asyncio.sleep(max(wait, 0))
                rounds = 0
