"""When an app under test has nothing left to do.

Textual's pilot guesses it from the processor's load, at least twice a twentieth of a second for each key, and guesses
wrong where a thread waits for a disk. The event loop knows it: nothing is ready, nothing is due, no thread is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from textual._context import active_app
from textual.app import App

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
    app = active_app.get(None)
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
        elif app is not None and app._exit:
            # Until it is taken down its timers tick, and do nothing.
            continue
        elif due := _due(loop, _paused(app)):
            wait = min(due) - loop.time()
            if wait < _SOON:
                await asyncio.sleep(max(wait, 0))
                rounds = 0


def _due(loop: Any, moot: set[object]) -> list[float]:
    """When something is due, but for what only ends a sleep in *moot*."""
    handles = (handle for handle in loop._scheduled if not handle.cancelled())
    return [handle.when() for handle in handles if not handle._args or handle._args[0] not in moot]


def _paused(app: App[Any] | None) -> set[object]:
    """What the timers of screens wait for that are paused: they wake up, and go on waiting until they are resumed."""
    screens = [] if app is None else [screen for stack in app._screen_stacks.values() for screen in stack]
    timers: Iterable[Any] = (timer for screen in screens for timer in screen._timers)
    return {timer._task._fut_waiter for timer in timers if timer._task and not timer._active.is_set()}
