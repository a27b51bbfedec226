"""Asks an identity provider, and nobody else: no redirect is followed, and no answer is long or late."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

import orgtui
from orgtui.asking import Asker, answer, why
from orgtui.domain.errors import Unreachable
from orgtui.settings import is_loopback

# Seconds. A server asks twice for its keys, and whoever waits for it waits no longer than for an answer of its own.
PATIENCE, SERVERS_PATIENCE = 10.0, 5.0
LONGEST = 256 * 1024
_CONNECT = 5.0
_DISCOVERY = "/.well-known/openid-configuration"
Document = dict[str, Any]


class Issuer:
    """The identity provider at *url*, which gives each question so many *seconds*."""

    def __init__(self, url: str, *, seconds: float = PATIENCE) -> None:
        self.url, self._seconds = url, seconds
        self.host, self._origin = urlsplit(url).netloc.lower(), _origin(url)
        self._asker = Asker(self.host)

    async def described(self) -> Document:
        """What it says of itself; raises Unreachable."""
        document = await self.get(self.url.rstrip("/") + _DISCOVERY)
        if document.get("issuer") != self.url:
            raise Unreachable(f"{self.host} says that it is another issuer than {self.url}.")
        return document

    def place(self, document: Document, name: str) -> str:
        """An address of its own that a document names.

        One elsewhere is refused: whoever could change the document would else have us ask anybody, and people sign in
        anywhere.
        """
        url = document.get(name)
        if not isinstance(url, str):
            raise Unreachable(f"{self.host} has no {name}: it cannot be used to sign in from a terminal.")
        if not (url.isascii() and url.isprintable() and " " not in url) or _origin(url) != self._origin:
            raise Unreachable(f"{self.host} sends us elsewhere (its {name}), which is not followed.")
        return url

    async def get(self, url: str) -> Document:
        """The document at an address of its own; raises Unreachable."""
        status, document = await self._ask("GET", url, None)
        if status != 200:
            raise self.strange(status)
        return document

    async def post(self, url: str, form: Mapping[str, str]) -> tuple[int, Document]:
        """Status and document that a form is answered with; raises Unreachable."""
        return await self._ask("POST", url, form)

    def strange(self, status: int) -> Unreachable:
        """What is raised for an answer that makes no sense."""
        return Unreachable(f"{self.host} does not answer as an identity provider does (HTTP {status}).")

    async def _ask(self, method: str, url: str, form: Mapping[str, str] | None) -> tuple[int, Document]:
        try:
            status, content = await self._asker.ask(lambda: self._send(method, url, form), self._seconds)
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unreachable(f"{self.host} cannot be reached: {why(error)}.") from None
        except (httpx.InvalidURL, OSError, ValueError):
            raise Unreachable(f"{self.host} cannot be asked, with the proxy and certificates set here.") from None
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise self.strange(status) from None
        if not isinstance(document, dict):
            raise self.strange(status)
        return status, document

    def _send(self, method: str, url: str, form: Mapping[str, str] | None) -> tuple[int, bytes]:
        end = time.monotonic() + self._seconds
        with self._client() as client:
            request = client.build_request(method, url, data=form)
            status, _, content = answer(client, request, end=end, longest=LONGEST)
            return status, content

    def _client(self) -> httpx.Client:
        import ssl

        headers = {"User-Agent": f"orgtui/{orgtui.__version__}", "Accept": "application/json"}
        headers["Accept-Encoding"] = "identity"
        timeout = httpx.Timeout(self._seconds, connect=min(_CONNECT, self._seconds))
        # What stays on this machine goes through no proxy.
        near = is_loopback(urlsplit(self.url).hostname or "")
        context: Any = ssl.create_default_context() if self.url.lower().startswith("https:") else False
        return httpx.Client(
            headers=headers, timeout=timeout, verify=context, trust_env=not near, follow_redirects=False
        )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None
    # A user before the host is no part of any address that is asked.
    return parts.scheme, None if "@" in parts.netloc else parts.hostname, port
