"""Signing in from a terminal: where, with which code, and waiting until it is done in a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from orgtui.cli.qr_code import qr_code
from orgtui.composition import door
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, NotFound
from orgtui.secret import Secret
from orgtui.settings import Oidc, ServerUrl, identity_provider
from orgtui.sign_in import Provider, SignIn, nonce_for

if TYPE_CHECKING:
    from orgtui.oidc.device import Asked

# Lines of words around a code, and the prompt.
_WORDS = 8


def signed_in(server: ServerUrl, *, as_json: bool) -> Secret | None:
    """A token of whoever signs in; None where the server knows no identity provider."""
    import asyncio

    # Programs get one value at the end; whoever sits beside them has to sign in nevertheless.
    out = sys.stderr if as_json else sys.stdout
    with door(server, system_ambient()) as entrance, asyncio.Runner() as runner:
        try:
            provider = runner.run(entrance.provider())
        except NotFound:
            return None
        return runner.run(_sign_in(entrance, _trusted(provider, server), server, out))


def _trusted(told: Provider, server: ServerUrl) -> Oidc:
    """What a server tells is checked as if it were set here; raises Invalid."""
    found = identity_provider(told.issuer, told.client_id)
    if found.near and not server.near:
        raise Invalid(f"{server.host} wants you to sign in on this machine, which is not asked from elsewhere.")
    return found


async def _sign_in(entrance: SignIn, provider: Oidc, server: ServerUrl, out: TextIO) -> Secret:
    from orgtui.oidc.device import DeviceFlow
    from orgtui.oidc.issuer import Issuer

    issuer = Issuer(provider.issuer)
    flow = DeviceFlow(issuer, provider.client_id, nonce_for(server.url))
    asked = await flow.begin()
    for line in _invitation(asked, issuer.host, server, out):
        print(line, file=out)
    out.flush()
    return Secret((await entrance.enter(await flow.wait())).secret)


def _invitation(asked: Asked, host: str, server: ServerUrl, out: TextIO) -> Iterator[str]:
    """What to do in the browser; the address stands alone on its line, so that it can be taken up whole."""
    address = asked.complete or asked.address
    drawn = qr_code(address, out, beside=_WORDS)
    yield f"Sign in at {host} to open {server.url}{', here or with the QR code' if drawn else ''}:"
    yield from drawn
    yield _link(address, out)
    yield f"Go on only if that page shows this code:  {asked.code}" if asked.complete else f"Its code:  {asked.code}"
    yield f"It works for {_minutes(asked.seconds)}. Waiting for you to sign in; ctrl+c ends it."


def _link(url: str, out: TextIO) -> str:
    """The address, to be followed where the terminal can; one that cannot leaves the rest away."""
    if not out.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return url
    return f"\x1b]8;;{url}\x1b\\{url}\x1b]8;;\x1b\\"


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else f"{seconds:.0f} seconds"
