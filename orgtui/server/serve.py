"""Runs the server: a socket, an open store, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.server.app import House, application
from orgtui.server.gate import Log, lines
from orgtui.server.services import services
from orgtui.settings import Settings, is_loopback

_HEADERS, _IDLE, _END, _CONNECTIONS = 10.0, 15, 10, 1_000
# Of answers that are not read: seconds for each, and how many may wait at once, each of them memory.
_TAKING, _UNREAD = 10.0, 64
# Of each connection, what the system keeps of an answer: left alone it takes megabytes, which nobody counts.
_SENT = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where and how; port 0 is any that is free."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def scheme(self) -> str:
        """What its URL begins with."""
        return "https" if self.certificate else "http"


def serve(settings: Settings, ambient: Ambient, at: Listening) -> None:
    """Serve the store until a signal; raises Invalid for an address where tokens would go in clear."""
    from orgtui.composition import open_sql

    if not (is_loopback(at.host) or at.certificate or at.behind_proxy):
        raise Invalid(
            f"At {at.host} tokens would go over the network in clear: give --tls-cert and --tls-key, or --behind-proxy "
            "where something else speaks TLS.",
            field="host",
        )
    log = lines(_to_stderr, ambient)
    logging.getLogger("uvicorn").addHandler(_Told(log))
    with _listener(at) as listener:
        opened = open_sql(settings, ambient, at_once=1 if settings.postgres is None else 8)
        with closing(opened):
            house = House(
                opened=opened,
                ambient=ambient,
                log=log,
                services=services(settings, opened, ambient),
                behind_proxy=at.behind_proxy,
                public_url=settings.public_url,
            )
            server = _Server(_config(application(house), at))
            host, port = listener.getsockname()[:2]
            url = f"{at.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            log({"level": "info", "event": "listening", "url": url})
            asyncio.run(server.serve([listener]))
            log({"level": "info", "event": "ended"})


def _config(app: Any, at: Listening) -> uvicorn.Config:
    tls = {"ssl_certfile": at.certificate, "ssl_keyfile": at.key} if at.certificate else {}
    # What asyncio holds ready for whatever comes over TLS: for each connection, also one that says nothing, 256 KB.
    SSLProtocol.max_size = 16 * 2**10
    config = uvicorn.Config(
        app,
        http=_Patient,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Who is in front is nobody's to tell but the socket's, or the proxy's that is said to be there.
        proxy_headers=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_END,
        limit_concurrency=_CONNECTIONS,
        **tls,  # type: ignore[arg-type]
    )
    try:
        if at.key and b"ENCRYPTED" in Path(at.key).read_bytes():
            # OpenSSL would ask on the terminal, which may not be there.
            raise Invalid("The key has a pass phrase; give one without, in a private file.", field="tls")
        config.load()
    except OSError as error:
        raise Invalid(f"The certificate or its key cannot be used: {error.strerror or error}.", field="tls") from error
    return config


class _Told(logging.Handler):
    """What the HTTP server itself has to say, as one more line of the log: its words, and nothing of the request."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write it down; that an answer was cut off stands in its own line already."""
        if record.getMessage().startswith("ASGI callable returned without completing"):
            return
        self._log({"level": record.levelname.lower(), "event": "http", "what": record.getMessage()})


class _Patient(H11Protocol):
    """Waits so long for a request's headers, and for its answer to be read, and no longer: uvicorn waits for ever."""

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        # All that the system does not take is waiting for the client. Under TLS a limit of 0 is never fallen below.
        transport.set_write_buffer_limits(1 if self.scheme == "https" else 0)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A client says something."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone."""
        self._forget()
        self._read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """A client does not read. Where too many do not, the one goes that has not for the longest time."""
        super().pause_writing()
        self._unread = self.loop.call_later(_TAKING, self._hang_up)
        unread = {one: one._unread.when() for one in self.connections if isinstance(one, _Patient) and one._unread}
        if len(unread) > _UNREAD:
            min(unread, key=lambda one: unread[one])._hang_up()

    def resume_writing(self) -> None:
        """It has read."""
        self._read()
        super().resume_writing()

    def _hang_up(self) -> None:
        self._read()
        # To close would be to wait until all was read.
        self.transport.abort()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(_HEADERS, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _Server(uvicorn.Server):
    """Ends at a signal without passing it on: the store is still to be closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Until the end of the block."""
        loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


@contextmanager
def _listener(at: Listening) -> Iterator[socket.socket]:
    place = f"{at.host}:{at.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Invalid(f"{place} is no address of this machine: {error.strerror}.", field="host") from error
    with closing(listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        try:
            listener.bind(address)
            listener.listen(1024)
        except OSError as error:
            raise OrgtuiError(f"{place} cannot be listened at: {error.strerror}.") from error
        yield listener


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()
