"""An identity provider on this machine: OpenID Connect with the device flow (RFC 8628), and strict about all of it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tests.served import listening

CLIENT = "orgtui-terminal"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"
_ROUTES = {
    ("GET", "/.well-known/openid-configuration"): "_describe",
    ("GET", "/jwks"): "_publish",
    ("POST", "/device"): "_authorize",
    ("GET", "/activate"): "_page",
    ("POST", "/activate"): "_decide",
    ("POST", "/token"): "_token",
}


@dataclass
class Pending:
    """A device that waits: `earliest` is when it may ask again."""

    user_code: str
    nonce: str | None
    interval: float
    earliest: float
    expires: float
    email: str = ""
    state: str = "pending"


@dataclass
class Provider:
    """One issuer with its keys. `clock` is its time; `claims` changes what its tokens say, a None leaves it away.

    `broken` says by path what is wrong with it: slow, huge, redirect, garbage, list, deep or a status.
    """

    clock: Callable[[], float] = time.time
    interval: float = 1
    lifetime: float = 600
    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    granted: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    too_often: int = 0
    devices: dict[str, Pending] = field(default_factory=dict)
    keys: list[RSAKey | ECKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The first keys: an elliptic one that is published, too, and one that only RSA signs with."""
        self._made = 0
        self.rotate()

    def rotate(self, kind: str = "RSA", *, keep: bool = False) -> None:
        """Sign with a new key from now on; the old ones are no longer published unless told to *keep* them."""
        self._made += 1
        told = {"kid": f"key-{self._made}", "use": "sig"}
        key = RSAKey.generate_key(2048, told) if kind == "RSA" else ECKey.generate_key("P-256", told)
        self.keys = [key, *(self.keys if keep else [])]

    def token(self, about: str, *, nonce: str | None = None, algorithm: str | None = None, **claims: Any) -> str:
        """An ID token about somebody, signed by the newest key."""
        now = int(self.clock())
        told = {"iss": self.url, "aud": CLIENT, "sub": about, "iat": now, "exp": now + 300, "jti": secrets.token_hex(8)}
        told |= {"email": about, "email_verified": True, "nonce": nonce} | self.claims | claims
        key = self.keys[0]
        algorithm = algorithm or ("RS256" if isinstance(key, RSAKey) else "ES256")
        header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
        claims = {name: value for name, value in told.items() if value is not None}
        return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[algorithm])

    def approve(self, user_code: str, email: str) -> None:
        """What somebody does in their browser."""
        self._device(user_code).email, self._device(user_code).state = email, "approved"

    def deny(self, user_code: str) -> None:
        """The other button."""
        self._device(user_code).state = "denied"

    def _device(self, user_code: str) -> Pending:
        return next(device for device in self.devices.values() if device.user_code == user_code)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        self.asked[request.url.path] += 1
        assert not {"cookie", "authorization"} & set(request.headers), "nothing that was not given here"
        how = self.broken.get(request.url.path)
        answer = await self._fail(how) if how else await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        name = _ROUTES.get((request.method, request.url.path))
        if name is None:
            return PlainTextResponse("not here", 404)
        if request.method == "POST":
            assert request.headers["content-type"] == FORM
        answer: Response = await getattr(self, name)(request)
        return answer

    async def _fail(self, how: str) -> Response:
        if how == "slow":
            await asyncio.sleep(3)
        if how == "redirect":
            return RedirectResponse(f"{self.url}/elsewhere", 302)
        if how == "huge":
            return Response(b'{"keys": "' + b"x" * 2**20 + b'"}', media_type="application/json")
        if how == "deep":
            return Response(b"[" * 100_000, media_type="application/json")
        bodies = {"garbage": b"<html>\xff", "list": b"[]"}
        return Response(bodies.get(how, b"{}"), int(how) if how.isdecimal() else 200)

    async def _describe(self, _request: Request) -> Response:
        told = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "device_authorization_endpoint": f"{self.url}/device",
            "token_endpoint": f"{self.url}/token",
        }
        return JSONResponse(told | self.described)

    async def _publish(self, _request: Request) -> Response:
        # What others sign with, and what nobody can read, stands there, too.
        others = [{"kty": "AKP", "kid": "later"}, {"kty": "RSA", "n": 1}, "no key", {"kty": "oct", "k": "c2VjcmV0"}]
        return JSONResponse({"keys": [*others, *(key.as_dict(private=False) for key in self.keys)]})

    async def _authorize(self, request: Request) -> Response:
        form = await _form(request)
        if form.get("client_id") != CLIENT:
            return _error("invalid_client", "there is no such client", 401)
        if "openid" not in form.get("scope", "").split() or "email" not in form["scope"].split():
            return _error("invalid_scope", "openid email")
        code, user_code = secrets.token_urlsafe(32), f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()
        now = self.clock()
        device = Pending(user_code, form.get("nonce"), self.interval, now + self.interval, now + self.lifetime)
        self.devices[code] = device
        page = f"{self.url}/activate"
        told = {"device_code": code, "user_code": user_code, "verification_uri": page, "expires_in": self.lifetime}
        told |= {"verification_uri_complete": f"{page}?user_code={user_code}", "interval": self.interval}
        return JSONResponse({name: value for name, value in (told | self.granted).items() if value is not None})

    async def _page(self, request: Request) -> Response:
        return PlainTextResponse(f"Sign in for {CLIENT} with {request.query_params['user_code']}?")

    async def _decide(self, request: Request) -> Response:
        form = await _form(request)
        if form["answer"] == "deny":
            self.deny(form["user_code"])
        else:
            self.approve(form["user_code"], form["email"])
        return PlainTextResponse("Go back to your terminal.")

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        if form.get("grant_type") != GRANT:
            return _error("unsupported_grant_type")
        device = self.devices.get(form.get("device_code", ""))
        if device is None or form.get("client_id") != CLIENT or device.state == "used":
            return _error("invalid_grant", "no such device code")
        return self._granted(device, self.clock())

    def _granted(self, device: Pending, now: float) -> Response:
        """As RFC 8628 3.5 has it: too often is five seconds more, from now on."""
        if now >= device.expires:
            return _error("expired_token")
        if now < device.earliest - 0.01:
            self.too_often += 1
            device.interval += 5
        slow, device.earliest = now < device.earliest - 0.01, now + device.interval
        if slow:
            return _error("slow_down")
        if device.state == "pending":
            return _error("authorization_pending")
        if device.state == "denied":
            return _error("access_denied")
        device.state = "used"
        told = {"access_token": secrets.token_hex(), "token_type": "Bearer", "expires_in": 300}
        return JSONResponse(told | {"id_token": self.token(device.email, nonce=device.nonce)})


def _error(code: str, words: str | None = None, status: int = 400) -> Response:
    return JSONResponse({"error": code} | ({"error_description": words} if words else {}), status)


async def _form(request: Request) -> Mapping[str, str]:
    from urllib.parse import parse_qsl

    pairs = parse_qsl((await request.body()).decode("ascii"), strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "RFC 6749 3.2: no parameter twice"
    return dict(pairs)


@contextmanager
def providing(provider: Provider) -> Iterator[Provider]:
    """The provider at a port of its own meanwhile."""
    with listening(provider) as provider.url:
        yield provider
