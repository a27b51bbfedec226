"""Who comes in: by a token and nothing else, and not for ever by trying."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import TypeVar

from starlette.requests import Request

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import TooMany, Unauthenticated
from orgtui.server.gate import Figures
from orgtui.store.sql.store import Guest

K = TypeVar("K")
V = TypeVar("V")
TRIES, WINDOW = 10, timedelta(minutes=5)
_ADDRESSES, _KNOWN = 10_000, 1_000


class Admission:
    """Lets in whoever has a token, by *admit*.

    After TRIES wrong tokens from one address within WINDOW no other is tried from there; whoever came in from there
    before still does, so that nobody can shut others out. One that is sent again and again, as by a screen that was
    left open, is one.
    """

    def __init__(
        self,
        admit: Callable[[str], Awaitable[Guest]],
        ambient: Ambient,
        figures: Figures,
        *,
        behind_proxy: bool = False,
    ) -> None:
        self._admit, self._ambient, self._figures, self._behind_proxy = admit, ambient, figures, behind_proxy
        self._failures: OrderedDict[str, deque[tuple[datetime, bytes]]] = OrderedDict()
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    async def enter(self, request: Request) -> Guest:
        """Who sends this request, and the store as it is for them; raises Unauthenticated, TooMany."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated("A token is needed here: Authorization: Bearer orgtui_…")
        address, digest = self._address(request), hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        known = address, digest
        if known not in self._known:
            self._refuse_guessing(address, digest)
        try:
            guest = await self._admit(secret)
        except Unauthenticated:
            self._known.pop(known, None)
            self._note_failure(address, digest)
            raise
        _keep(self._known, known, None, _KNOWN)
        # For the log.
        request.state.token = guest.token
        return guest

    def _address(self, request: Request) -> str:
        """Where it comes from: by a proxy, what that adds at the end; what stands before it anybody can have sent."""
        told = request.headers.getlist("x-forwarded-for") if self._behind_proxy else []
        if told:
            return _place(told[-1].rpartition(",")[2].strip())
        return _place(request.client.host) if request.client else ""

    def _refuse_guessing(self, address: str, digest: bytes) -> None:
        now, failures = self._ambient.now(), self._failures.get(address, deque())
        while failures and failures[0][0] <= now - WINDOW:
            failures.popleft()
        if len(failures) >= TRIES and digest not in (wrong for _, wrong in failures):
            wait = int((failures[0][0] + WINDOW - now).total_seconds()) + 1
            raise TooMany(f"Too many wrong tokens came from here; try again in {wait} s.", retry_after=wait)

    def _note_failure(self, address: str, digest: bytes) -> None:
        self._figures.refused.inc()
        failures = self._failures.get(address, deque(maxlen=TRIES))
        if digest not in (wrong for _, wrong in failures):
            failures.append((self._ambient.now(), digest))
        _keep(self._failures, address, failures, _ADDRESSES)


def _place(address: str) -> str:
    """Whose it is: without the port that some proxies add, and of IPv6 the network, as each has 2^64 addresses."""
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        found = ip_address(host)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Remember it as the newest, and forget the oldest beyond *most*."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
