"""Work that waits for the network, on a thread that nobody waits for when the program ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What *work* answers or raises; as asyncio.to_thread, but a server that says nothing keeps no program alive."""
    return await asyncio.wrap_future(begun(work))


def begun(work: Callable[[], T]) -> Future[T]:
    """The same, begun: it goes on whoever waits for it."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is raised where this is waited for)
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done
