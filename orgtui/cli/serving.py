"""`orgtui serve`, and `login` and `logout` for those who come to it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from orgtui.cli.output import print_json, say, settings_of
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, NotFound
from orgtui.secret import Secret
from orgtui.settings import ServerUrl, Settings
from orgtui.tokens import forget, given, keep

_LONGEST = 4096


def serve(arguments: argparse.Namespace) -> None:
    """Serve the store until a signal."""
    try:
        from orgtui.server.serve import Listening
        from orgtui.server.serve import serve as run
    except ModuleNotFoundError as error:
        raise Invalid(f"The server needs {error.name}: pip install '.[server]' in the checkout.") from error

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise Invalid("--tls-cert and --tls-key go together.", field="tls")
    at = Listening(
        host=arguments.host,
        port=arguments.port,
        certificate=arguments.tls_cert,
        key=arguments.tls_key,
        behind_proxy=arguments.behind_proxy,
    )
    run(settings_of(arguments), system_ambient(), at)


def login(arguments: argparse.Namespace) -> None:
    """Keep a token, when the server takes it: one that is given, or by signing in."""
    import asyncio

    from orgtui.composition import open_store

    settings, server = _meant(arguments)
    token = _given(server, arguments)
    opened = open_store(replace(settings, token=token.reveal()), system_ambient())
    try:
        found = asyncio.run(opened.store.general.overview())
    finally:
        opened.close()
    keep(server, token)
    if arguments.json:
        told = {"organization": found.organization_id, "name": found.name, "actor": found.actor, "role": found.role}
        print_json(told | {"store": server.url})
    else:
        say(f"You are {found.actor} at {found.name}. Open it: orgtui --store {server.url}")
        if settings.token not in (None, token.reveal()):
            say("But ORGTUI_TOKEN is set, and stands above what is kept: unset it first.")


def logout(arguments: argparse.Namespace) -> None:
    """Forget a token."""
    _, server = _meant(arguments)
    if not forget(server):
        raise NotFound(f"No token is kept for {server.url}.")
    say(f"The token for {server.url} is forgotten here; others who have it can still come in.")


def _meant(arguments: argparse.Namespace) -> tuple[Settings, ServerUrl]:
    settings = replace(settings_of(arguments), store=arguments.url)
    if settings.server is None:
        raise Invalid("That is no server; write https://HOST.", field="url")
    return settings, settings.server


def _given(server: ServerUrl, arguments: argparse.Namespace) -> Secret:
    """A token from standard input, or by signing in, or typed where nobody signs in."""
    if not sys.stdin.isatty():
        return given(sys.stdin.buffer.read(_LONGEST).decode("utf-8", "replace").strip())
    if not arguments.stdin:
        from orgtui.cli.signing_in import signed_in

        if (token := signed_in(server, as_json=arguments.json)) is not None:
            return token
    import getpass

    return given(getpass.getpass(f"Token for {server.host} (it is not shown): ").strip())
