"""A line between a client and a server that fails as networks do: what it does is said for the connections to come."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_PIECE = 65536
_ANSWER = "HTTP/1.1 {status} Trouble\r\nContent-Length: 5\r\nRetry-After: {after}\r\nConnection: close\r\n\r\nsorry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a connection suffers; the plain one is none.

    `delay` seconds pass before each piece of an answer. `refuse`: nobody listens. `hole`: what is sent goes nowhere and
    nothing comes. `garbage`: the answer is none of HTTP. `status` is answered instead of the server. `cut` is after how
    many bytes of an answer the connection is reset, or with `half` only the answer's side of it ended. `lose`: the
    server does what it is asked, and the answer is lost. `drip`: the answer's header comes a line at a time, for ever.
    """

    delay: float = 0
    refuse: bool = False
    hole: bool = False
    garbage: bool = False
    status: int | None = None
    retry_after: int = 0
    cut: int | None = None
    half: bool = False
    lose: bool = False
    drip: bool = False


NONE = Fault()


class FaultProxy:
    """Listens at `url` and speaks for the server at *target*; `fault` is for every piece from now on.

    `times` counts how many connections more it is for; None: until it is changed.
    """

    def __init__(self, target: str) -> None:
        place = urlsplit(target)
        self._target = place.hostname or "", place.port or 80
        self.fault, self.connections = NONE, 0
        self.times: int | None = None
        self._open = set[asyncio.StreamWriter]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let every connection go."""
        self.break_all()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def listen_no_longer(self) -> None:
        """From now on a connection is refused by the machine itself."""
        self._loop.call_soon_threadsafe(self._server.close)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def break_all(self) -> None:
        """Reset every connection there is, those too that wait for their next request."""

        async def reset() -> None:
            for writer in list(self._open):
                _reset(writer)

        self._do(reset())

    @contextmanager
    def failing(self, fault: Fault, times: int | None = None) -> Iterator[None]:
        """Meanwhile it fails so, for new connections and for those that are kept."""
        self.fault, self.times = fault, times
        try:
            yield
        finally:
            self.fault, self.times = NONE, None

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _now(self) -> Fault:
        """The fault that the next request meets."""
        if self.times is None:
            return self.fault
        self.times -= 1
        return self.fault if self.times >= 0 else NONE

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        behind: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The fault is chosen when a request begins: a connection that is kept meets the next one.
            while first := await reader.read(_PIECE):
                fault = self._now()
                if await self._instead(fault, writer):
                    break
                if behind is None:
                    answers, behind = await asyncio.open_connection(*self._target)
                    self._open.add(behind)
                if not await self._pass(fault, first, reader, writer, answers, behind):
                    break
        for each in (writer, behind):
            if each is not None:
                each.close()
                self._open.discard(each)

    async def _instead(self, fault: Fault, writer: asyncio.StreamWriter) -> bool:
        """Whether the line itself answers, or nobody does."""
        if fault.refuse:
            _reset(writer)
        elif fault.hole:
            await asyncio.sleep(3600)
        elif fault.garbage:
            writer.write(bytes(range(256)) * 4)
        elif fault.drip:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not writer.is_closing():
                writer.write(b"X-More: of it\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif fault.status is not None:
            await asyncio.sleep(fault.delay)
            writer.write(_ANSWER.format(status=fault.status, after=fault.retry_after).encode())
        else:
            return False
        with suppress(OSError):
            await writer.drain()
        return True

    async def _pass(
        self,
        fault: Fault,
        first: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        behind: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; whether the connection can be used again."""
        request = await _whole(reader, first)
        behind.write(request)
        answer = await _whole(answers, await answers.read(_PIECE))
        if fault.lose:
            _reset(writer)
            return False
        await asyncio.sleep(fault.delay)
        sent = answer if fault.cut is None else answer[: fault.cut]
        writer.write(sent)
        await writer.drain()
        if fault.cut is None:
            return True
        if fault.half:
            writer.write_eof()
            await asyncio.sleep(30)
        _reset(writer)
        return False


async def _whole(reader: asyncio.StreamReader, data: bytes) -> bytes:
    """A message to its end, as far as its Content-Length says."""
    while b"\r\n\r\n" not in data:
        if not (more := await reader.read(_PIECE)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    missing = int(lengths[0]) - len(body) if lengths else 0
    return data + (await reader.readexactly(missing) if missing > 0 else b"")


def _reset(writer: asyncio.StreamWriter) -> None:
    """As a router does it: not closed, but gone."""
    found = writer.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
