"""Secrets on their way through the program: carried unseen, shown as a few letters, and kept out of messages."""

from __future__ import annotations

import hmac
import re
import sys
from functools import cache
from typing import Any, NoReturn

from orgtui.domain.text import harmless

# The longer ones first: each begins with a shorter one.
_PREFIXES = ("sk-ant-", "sk-", "AIza", "xai-")
_HIDDEN = "••••"
_SHORTEST_SHOWN = 20
# From <linux/prctl.h>.
_PR_SET_DUMPABLE = 4
# What keys begin with, or letters and digits in one: hardly anything else that is typed is as long.
_KEY_LIKE = r"(?:sk|pk|rk|xai|gsk|whsec|AIza)[-_][\w-]{8,}|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{%d,}"


class Secret:
    """Carries a secret through code that prints, logs or pickles what it carries."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        guard_memory()
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret is not formatted; reveal() it where it is used")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """As an argument it travels in clear: the connection is what keeps it."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls.reveal, return_schema=core_schema.str_schema()
            ),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (secret._value.encode("utf-8", "surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, theirs)


@cache
def guard_memory() -> None:
    """Keep what this process holds out of core files and, on Linux, from other processes of the same user."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        import ctypes

        # The limit does not count where the kernel pipes core files to a program; this does.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def mask(secret: str | Secret) -> str:
    """What may be shown of a key: `sk-…wxyz`, or only dots where that would be much of it."""
    text = held(secret).reveal()
    if len(text) < _SHORTEST_SHOWN or not harmless(text):
        return _HIDDEN
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), "")
    return f"{prefix}…{text[-4:]}"


def key_like(text: str, *, shortest: int = _SHORTEST_SHOWN) -> bool:
    """Whether *text* may hold a key of at least so many characters: then it is not to be repeated."""
    return re.search(_KEY_LIKE % shortest, text) is not None


def held(secret: str | Secret) -> Secret:
    """Takes the secret's place among a function's locals, which tracebacks may print."""
    return secret if isinstance(secret, Secret) else Secret(secret)
