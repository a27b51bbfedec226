"""Tokens that open servers: each in a file of its own, that only its owner can read."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orgtui.domain.errors import Invalid, OrgtuiError, Unauthenticated
from orgtui.secret import Secret
from orgtui.settings import ServerUrl, Settings, data_path

_LONGEST = 4096


def kept(settings: Settings) -> Secret | None:
    """The token for the server that the settings name: ORGTUI_TOKEN, or what `login` kept; None where there is none."""
    if settings.token is not None:
        return given(settings.token)
    return None if settings.server is None else read(settings.server)


def given(text: str) -> Secret:
    """What somebody gave as a token; raises Unauthenticated for what is nothing, or cannot be sent."""
    if not text:
        raise Unauthenticated("No token was given.")
    if not re.fullmatch("[!-~]+", text):
        raise Unauthenticated("This is no token; copy all of it, from orgtui_ to its end, and nothing more.")
    return Secret(text)


def path(server: ServerUrl) -> Path:
    """Where the token of a server is kept: hosts are no safe names for files, so they are told by a digest."""
    return data_path() / "tokens" / hashlib.sha256(server.url.lower().encode()).hexdigest()[:32]


def read(server: ServerUrl) -> Secret | None:
    """The token that is kept for a server; raises Invalid where others can read it."""
    try:
        with path(server).open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Invalid(f"{path(server)} can be read by others; make a new token: orgtui login {server.url}")
            return given(file.read(_LONGEST).decode("ascii", "replace").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(f"{path(server)} cannot be read: {error.strerror}.") from error


def keep(server: ServerUrl, token: Secret) -> None:
    """Keep the token of a server, instead of one that was kept before."""
    with room(server) as put:
        put(token)


@contextmanager
def room(server: ServerUrl) -> Iterator[Callable[[Secret], None]]:
    """Where a token of a server can be put, once there is one; raises OrgtuiError before if none can be kept."""
    to = path(server)
    try:
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For its owner alone, and another one for whoever keeps one at the same time.
        file, name = tempfile.mkstemp(".part", dir=to.parent)
    except OSError as error:
        raise _unkept(to, error) from error
    part = Path(name)

    def put(token: Secret) -> None:
        try:
            out.write(token.reveal() + "\n")
            out.flush()
            part.replace(to)
        except OSError as error:
            raise _unkept(to, error) from error

    with os.fdopen(file, "w") as out:
        try:
            yield put
        finally:
            part.unlink(missing_ok=True)


def _unkept(to: Path, error: OSError) -> OrgtuiError:
    return OrgtuiError(f"The token cannot be kept in {to}: {error.strerror}.")


def forget(server: ServerUrl) -> bool:
    """Delete the token of a server; answers whether there was one."""
    try:
        path(server).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OrgtuiError(f"The token in {path(server)} cannot be forgotten: {error.strerror}.") from error
    return True
