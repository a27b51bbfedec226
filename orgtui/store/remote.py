"""The contract over HTTP: what a Store asks is sent to an orgtui server, and its answers and errors come back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
from pydantic import ValidationError

import orgtui
from orgtui.asking import Asker, answer, why
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import (
    MAY_BE_DONE,
    Forbidden,
    OrgtuiError,
    StoreRefused,
    TooMany,
    Unauthenticated,
    Unreachable,
)
from orgtui.secret import Secret
from orgtui.store.contract import Store
from orgtui.store.contract.operation import Operation, current_key, face
from orgtui.store.wire import IDEMPOTENCY_KEY, RETRY_AFTER, Request, error_of, shape

# Seconds that something is tried for. Whoever looks at a screen is told within five that its server is gone.
_READ, _WRITE, _SERVICE = 4.5, 15.0, 60.0
# To connect; and for what is under way at the end.
_CONNECT, _LAST = 3.0, 0.75
# What stands between us and the server says that it is not there; of others an answer would come again.
_AGAIN: Final = frozenset({429, 502, 503, 504})
# What keeps a question from the store: it says nothing of whether the same was done when it was asked before.
_BEFORE: Final = (StoreRefused, TooMany, Unauthenticated, Unreachable)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_LARGEST = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """A server's organization for the holder of a token: `service` derives contracts that stand above the store."""

    store: Store
    service: Callable[[type[Any]], Any]
    close: Callable[[], None]


def open_remote_store(url: str, token: Secret | None, ambient: Ambient, *, patience: float = _READ) -> RemoteStore:
    """The store at *url*; nothing is asked yet. *patience* is how many seconds a read is tried for.

    Certificates count that the system trusts, or the file in SSL_CERT_FILE.
    """
    caller = _Caller(url, token, ambient, patience)
    store = Store(lambda contract: face(contract, caller.store), caller.host)
    return RemoteStore(store, lambda contract: face(contract, caller.service), caller.close)


class _Caller:
    """Sends operations. The client is used from threads: no event loop owns its connections."""

    def __init__(self, url: str, token: Secret | None, ambient: Ambient, patience: float) -> None:
        import ssl

        # What is packed could be a bomb, and there is nothing to gain on a page.
        headers = {"User-Agent": f"orgtui/{orgtui.__version__}", "Accept-Encoding": "identity"}
        # Let go before the server does: on a connection that it has just closed a request is lost.
        kept = httpx.Limits(keepalive_expiry=3)
        self._url, self._ambient, self._patience, self._token, self._lost = url, ambient, patience, token, False
        context: Any = ssl.create_default_context() if url.startswith("https:") else False
        self._client = httpx.Client(base_url=url, headers=headers, verify=context, limits=kept, trust_env=False)
        self.host = self._client.base_url.netloc.decode()
        self._reads, self._writes = Asker(self.host), Asker(self.host)

    async def store(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        """What the server's store answers: a write carries a key, so that it is done once however often it is sent."""
        key = self._key() if operation.writes else None
        # Of a server that was gone a moment ago nobody waits long to hear it again.
        patience = _WRITE if operation.writes and not self._lost else self._patience
        return await self._asked(operation, arguments, key, patience, again=True)

    def _key(self) -> str:
        """A caller's own key may be any text; a header is not."""
        given = current_key()
        return self._ambient.random(16).hex() if given is None else hashlib.sha256(given.encode()).hexdigest()

    async def service(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        """What a service answers: where it takes no key, it is sent a second time only if it was not sent at all."""
        key = self._key() if operation.keyed else None
        return await self._asked(operation, arguments, key, _SERVICE, again=operation.keyed)

    def close(self) -> None:
        """Let go of connections. What is still being written has a moment to end; raises OrgtuiError if it fails."""
        try:
            self._writes.finish(_LAST)
        except TimeoutError:
            raise Unreachable(f"A change was still on its way to {self.host}. {MAY_BE_DONE}") from None
        finally:
            self._client.close()

    async def _asked(
        self, operation: Operation, arguments: Mapping[str, Any], key: str | None, patience: float, *, again: bool
    ) -> Any:
        def ask() -> Any:
            return self._ask(operation, arguments, key, patience, again=again)

        try:
            return await (self._writes if operation.writes else self._reads).ask(ask, patience)
        except TimeoutError as error:
            self._lost = True
            raise self._gone(operation, error, sent=True) from None

    def _ask(
        self, operation: Operation, arguments: Mapping[str, Any], key: str | None, patience: float, *, again: bool
    ) -> Any:
        request, end, pause = shape(operation).request(arguments), time.monotonic() + patience, _FIRST_PAUSE
        trouble: OrgtuiError
        doubtful = False
        while True:
            status = 0
            try:
                status, headers, content = self._send(request, key, end)
                pause = _asked_for(headers, pause)
                understood = self._understood(operation, status, content)
                self._lost = False
                return understood
            except httpx.RequestError as error:
                sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                trouble, passing = self._gone(operation, error, sent=sent), again or not sent
            except httpx.InvalidURL:
                raise Unreachable(f"{self.host} cannot be asked for that.") from None
            except OrgtuiError as error:
                trouble, passing = error, again and status in _AGAIN and isinstance(error, Unreachable | TooMany)
            doubtful = doubtful or MAY_BE_DONE in trouble.message
            if not passing or time.monotonic() + pause > end:
                self._lost = isinstance(trouble, Unreachable)
                raise _doubted(trouble) if doubtful else trouble
            time.sleep(pause * (0.5 + self._ambient.random(1)[0] / 256))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _send(self, request: Request, key: str | None, end: float) -> tuple[int, httpx.Headers, bytes]:
        left = max(end - time.monotonic(), 0.1)
        headers = dict(request.headers)
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if key is not None:
            headers[IDEMPOTENCY_KEY] = key
        timeout = httpx.Timeout(left, connect=min(_CONNECT, left))
        if self._client.is_closed:
            raise Unreachable("The store is closed.")
        made = self._client.build_request(
            request.method, request.path, headers=headers, content=request.content, timeout=timeout
        )
        return answer(self._client, made, end=end, longest=_LARGEST)

    def _understood(self, operation: Operation, status: int, content: bytes) -> Any:
        if status == 204 and operation.hints["return"] is type(None):
            return None
        if status != 200:
            raise self._refused(operation, status, content)
        try:
            return operation.answers.validate_json(content)
        except ValidationError:
            raise self._strange(operation, status) from None

    def _refused(self, operation: Operation, status: int, content: bytes) -> OrgtuiError:
        told: OrgtuiError | None = None
        with suppress(ValueError, RecursionError):
            told = error_of(operation, status, json.loads(content))
        if status == 401:
            said = told.message if told else f"{self.host} does not take the token."
            if self._token is None:
                said = f"There is no token for {self.host} here."
            return Unauthenticated(f"{said} Log in (orgtui login {self._url}).")
        if told is not None:
            return told
        if status == 403:
            return Forbidden(f"{self.host} does not allow this.")
        return self._strange(operation, status)

    def _strange(self, operation: Operation, status: int) -> Unreachable:
        # Who redirects or refuses has not passed it on.
        unknown = f" {MAY_BE_DONE}" if operation.writes and not 300 <= status < 500 else ""
        return Unreachable(f"{self.host} does not answer as an orgtui server does (HTTP {status}).{unknown}")

    def _gone(self, operation: Operation, error: Exception, *, sent: bool) -> Unreachable:
        unknown = f" {MAY_BE_DONE}" if operation.writes and sent else ""
        return Unreachable(f"{self.host} cannot be reached: {why(error)}.{unknown}")


def _asked_for(headers: httpx.Headers, pause: float) -> float:
    """How long the server wants to be left alone."""
    told = headers.get(RETRY_AFTER, "")
    return max(pause, float(told)) if told.isascii() and told.isdecimal() and len(told) < 6 else pause


def _doubted(trouble: OrgtuiError) -> OrgtuiError:
    """The same of a write that was sent before, and may have been done then."""
    if isinstance(trouble, _BEFORE) and MAY_BE_DONE not in trouble.message:
        trouble.message += f" {MAY_BE_DONE}"
        trouble.args = (trouble.message,)
    return trouble
