"""The one hierarchy of errors: each has a stable code, an HTTP status and an exit code, in every face of the store."""

from __future__ import annotations

from typing import Any, ClassVar

# Of a write whose answer nobody heard.
MAY_BE_DONE = "Whether it was done is not known: look, before you do it again."


class OrgtuiError(Exception):
    """Something a person can be told: `message` is one line, `details` are JSON values for programs."""

    code: ClassVar[str] = "failed"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def problem(self) -> dict[str, Any]:
        """As problem details (RFC 9457), but for `details`, whose values are not all JSON's."""
        return {"type": f"orgtui:{self.code}", "title": self.code, "status": self.status, "detail": self.message}


class Invalid(OrgtuiError):
    """A value that cannot be accepted; `field` names it where a form has it."""

    code, status, exit_code = "invalid", 422, 2

    def __init__(self, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message, **({"field": field} if field else {}), **details)
        self.field = field


class Forbidden(OrgtuiError):
    """The actor's role does not allow the operation."""

    code, status, exit_code = "forbidden", 403, 3


class Unauthenticated(OrgtuiError):
    """Nobody is known to be asking: no token, or one that is unknown, revoked or lapsed."""

    code, status, exit_code = "unauthenticated", 401, 3


class NotFound(OrgtuiError):
    """Nothing of that name or id exists, as far as the actor may know."""

    code, status, exit_code = "not_found", 404, 4


class Conflict(OrgtuiError):
    """The world changed, or already holds what was asked for."""

    code, status, exit_code = "conflict", 409, 5


class Stale(Conflict):
    """The row was changed since it was read; `theirs` and `yours` hold both values by field."""

    code, status = "stale", 412

    def __init__(self, message: str, *, theirs: dict[str, Any], yours: dict[str, Any], version: int) -> None:
        super().__init__(message, theirs=theirs, yours=yours, version=version)
        self.theirs, self.yours, self.version = theirs, yours, version


class AlreadyThere(Conflict):
    """What was to be made exists already."""

    code = "already_there"


class LastOwner(Conflict):
    """It would leave the organization without an owner."""

    code = "last_owner"


class KeyReused(Conflict):
    """An idempotency key came back with another request."""

    code = "key_reused"


class Unreachable(OrgtuiError):
    """The store or a service did not answer; nothing was changed that it did not confirm."""

    code, status, exit_code = "unreachable", 503, 6


class TooLarge(OrgtuiError):
    """The request is larger than any that makes sense."""

    code, status, exit_code = "too_large", 413, 2


class TooMany(OrgtuiError):
    """Asked too often; `retry_after` is in how many seconds it may be tried again."""

    code, status, exit_code = "too_many", 429, 6

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after


class Undelivered(OrgtuiError):
    """A mail server did not take a message; `temporary` says whether the same may work later."""

    code, status, exit_code = "undelivered", 502, 1

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message, temporary=temporary)
        self.temporary = temporary


class StoreRefused(OrgtuiError):
    """The store is there but cannot be used: not a database, newer than the program, read-only, full."""

    code, status, exit_code = "store_refused", 503, 6


ERRORS: dict[str, type[OrgtuiError]] = {
    error.code: error
    for error in (
        OrgtuiError,
        Invalid,
        Forbidden,
        Unauthenticated,
        NotFound,
        Conflict,
        Stale,
        AlreadyThere,
        LastOwner,
        KeyReused,
        Unreachable,
        TooLarge,
        TooMany,
        Undelivered,
        StoreRefused,
    )
}
