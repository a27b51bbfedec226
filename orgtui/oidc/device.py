"""The device flow (RFC 8628): whoever sits at a terminal signs in with a browser, on this or any other machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orgtui.domain.errors import Forbidden, OrgtuiError, Unreachable
from orgtui.domain.text import clean
from orgtui.oidc.issuer import Document, Issuer
from orgtui.secret import Secret

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SCOPE = "openid email"
# Seconds, as the RFC has them: between two questions unless told, and more between them when it was too often.
# While nobody answers it is asked ever later.
_INTERVAL, _SLOWER, _LATER = 5.0, 5.0, 60.0
_LONGEST_WAIT, _LONGEST_CODE, _LONGEST_ANSWER = 3_600.0, 64, 4_096


class SignInEnded(OrgtuiError):
    """The sign-in came to nothing, and can be begun anew."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person needs to sign in: the code to give at `address`, or `complete`, which has it in it already.

    `seconds` is how long the code works.
    """

    code: str
    address: str
    complete: str | None
    seconds: float


class DeviceFlow:
    """One sign-in at *issuer* for the client *client_id*; *nonce* marks what it is for."""

    def __init__(
        self,
        issuer: Issuer,
        client_id: str,
        nonce: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._client_id, self._nonce, self._sleep, self._clock = issuer, client_id, nonce, sleep, clock
        self._token_place, self._device_code, self._interval, self._end = "", Secret(""), _INTERVAL, 0.0

    async def begin(self) -> Asked:
        """Ask for a code; raises Forbidden, Unreachable."""
        document = await self._issuer.described()
        self._token_place = self._issuer.place(document, "token_endpoint")
        form = {"client_id": self._client_id, "scope": _SCOPE, "nonce": self._nonce}
        begun = self._clock()
        status, answer = await self._issuer.post(self._issuer.place(document, "device_authorization_endpoint"), form)
        if status != 200:
            raise self._refused(status, answer)
        self._device_code = Secret(self._text(answer, "device_code", _LONGEST_ANSWER))
        self._interval = max(1.0, self._number(answer, "interval", _INTERVAL))
        seconds = min(self._number(answer, "expires_in"), _LONGEST_WAIT)
        self._end = begun + seconds
        complete = "verification_uri_complete"
        return Asked(
            clean(self._text(answer, "user_code", _LONGEST_CODE)),
            self._issuer.place(answer, "verification_uri"),
            self._issuer.place(answer, complete) if answer.get(complete) else None,
            seconds,
        )

    async def wait(self) -> Secret:
        """The ID token, as soon as they have signed in; raises Forbidden, SignInEnded, Unreachable."""
        form = {"grant_type": _GRANT, "device_code": self._device_code.reveal(), "client_id": self._client_id}
        while True:
            await self._sleep(max(0.0, min(self._interval, self._end - self._clock())))
            if self._clock() >= self._end:
                raise SignInEnded("Nobody signed in while the code worked; begin anew.")
            try:
                status, answer = await self._issuer.post(self._token_place, form)
            except Unreachable:
                # It may come back while the code still works.
                self._interval = max(self._interval, min(self._interval * 2, _LATER))
                continue
            if status == 200:
                return Secret(self._text(answer, "id_token", 4 * _LONGEST_ANSWER))
            self._go_on(status, answer)

    def _go_on(self, status: int, answer: Document) -> None:
        """Ask again later, or raise what ended it."""
        match answer.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                self._interval += _SLOWER
            case "access_denied":
                raise Forbidden(f"The sign-in was declined at {self._issuer.host}.")
            case "expired_token":
                raise SignInEnded("Nobody signed in while the code worked; begin anew.")
            case _:
                raise self._refused(status, answer)

    def _refused(self, status: int, answer: Document) -> OrgtuiError:
        if not isinstance(error := answer.get("error"), str):
            return self._issuer.strange(status)
        said = answer.get("error_description")
        words = clean(f"{error}: {said}" if isinstance(said, str) and said else error)[:200]
        return SignInEnded(f"{self._issuer.host} refused the sign-in ({words.rstrip('.')}).")

    def _text(self, answer: Document, name: str, longest: int) -> str:
        text = answer.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= longest:
            raise Unreachable(f"{self._issuer.host} gave no {name}.")
        return text

    def _number(self, answer: Document, name: str, default: float | None = None) -> float:
        number = answer.get(name, default)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 10**9:
            raise Unreachable(f"{self._issuer.host} gave no {name}.")
        return float(number)
