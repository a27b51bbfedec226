"""What Stripe says when it refuses a request: its JSON envelope, its codes, its words."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """An error answer; `stored` tells whether an idempotency key keeps it (not what failed validation)."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        stored: bool = True,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.stored, self.headers = status, stored, headers or {}
        fields = {"code": code, "message": message, "param": param, "type": kind} | more
        self.body = {"error": {key: value for key, value in sorted(fields.items()) if value is not None}}


def invalid(message: str, param: str, code: str | None = None) -> Refused:
    """A parameter that validation refuses: nothing was begun, so no key keeps it."""
    return Refused(message, code=code, param=param, stored=False)


def missing(thing: str, identifier: str, param: str = "id") -> Refused:
    """No such object; 404 where the path names it, 400 where a parameter does."""
    status = 404 if param == "id" else 400
    return Refused(f"No such {thing}: '{identifier}'", status=status, code="resource_missing", param=param)


def declined(code: str, decline: str | None, message: str, **more: Any) -> Refused:
    """A card that was not charged."""
    return Refused(message, status=402, kind="card_error", code=code, decline_code=decline, **more)


# What an answer of this status is called, and says, when the test asks for it out of the blue.
OUT_OF_THE_BLUE: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "This request could not be understood."),
    401: ("invalid_request_error", None, "Invalid API Key provided: sk_test_************************cret"),
    403: ("invalid_request_error", None, "The provided key does not have the required permissions for this endpoint."),
    404: ("invalid_request_error", "resource_missing", "Unrecognized request URL."),
    409: ("invalid_request_error", "lock_timeout", "This object cannot be accessed right now."),
    429: ("invalid_request_error", "rate_limit", "Request rate limit exceeded."),
    500: ("api_error", None, "An unknown error occurred."),
    503: ("api_error", None, "Stripe is temporarily unavailable."),
}
