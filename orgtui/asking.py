"""Questions over HTTP: no answer is longer or later than it may be, and why there is none can be told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx

from orgtui.aside import begun
from orgtui.domain.errors import Unreachable

T = TypeVar("T")
# Seconds a question has beyond its own: it knows better than the clock why it was not answered.
_MORE = 0.3
# No thread can be ended that waits for a name to be found, or for a header that comes a line a second.
_MOST_LEFT = 4
# X509_V_ERR_HOSTNAME_MISMATCH (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/).
_OTHER_NAME = 62


class Asker:
    """Asks one host on threads. Those that hang beyond their time are few: while they do, no more is asked."""

    def __init__(self, host: str) -> None:
        self._host = host
        # What nobody waits for any longer, and when its time is over.
        self._left = dict[Future[Any], float]()

    async def ask(self, question: Callable[[], T], seconds: float) -> T:
        """What the question answers or raises; TimeoutError, soon after its time, if it does neither."""
        now = time.monotonic()
        if sum(end < now for end in list(self._left.values())) >= _MOST_LEFT:
            raise Unreachable(f"{self._host} cannot be reached: what it was asked before still waits for an answer.")
        asked = begun(question)
        try:
            async with asyncio.timeout(seconds + _MORE):
                return await asyncio.wrap_future(asked)
        finally:
            if not asked.done():
                self._left[asked] = now + seconds
                asked.add_done_callback(lambda done: self._left.pop(done, None))

    def finish(self, seconds: float) -> None:
        """Wait for what nobody waits for any longer: raises what it raises, and TimeoutError if it goes on."""
        end = time.monotonic() + seconds
        for asked in list(self._left):
            asked.result(max(end - time.monotonic(), 0))


def answer(
    client: httpx.Client, request: httpx.Request, *, end: float, longest: int
) -> tuple[int, httpx.Headers, bytes]:
    """Status, headers and content; raises httpx.HTTPError, also where it is longer than that, or not whole by *end*."""

    def look(event: str, _: Any) -> None:
        # Until now a name may have been looked up. What nobody waits for any longer is not sent.
        if event == "http11.send_request_headers.started" and time.monotonic() > end:
            raise httpx.ConnectTimeout("it is too late to ask")

    request.extensions = {**request.extensions, "trace": look}
    response = client.send(request, stream=True)
    try:
        content = bytearray()
        # As it comes: what is packed could be a bomb.
        for part in response.iter_raw():
            content += part
            if len(content) > longest:
                raise httpx.DecodingError("the answer has no end")
            if time.monotonic() > end:
                raise httpx.ReadTimeout("the answer took too long")
        return response.status_code, response.headers, bytes(content)
    finally:
        response.close()


def why(error: Exception) -> str:
    """Why there was no answer, in words of ours: the errors of libraries may quote what was sent."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(error, httpx.DecodingError):
        return "its answer has no end"
    if isinstance(error, httpx.ProxyError):
        return "the proxy refused the connection"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code == _OTHER_NAME:
                return "its certificate is for another name"
            return "its certificate is not trusted; if a proxy replaces it, SSL_CERT_FILE can name the proxy's"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should"
        if isinstance(cause, socket.gaierror):
            return "no such name is known here"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
    if isinstance(error, httpx.ConnectError):
        return "no connection could be made"
    return "the connection ended before a whole answer came"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
