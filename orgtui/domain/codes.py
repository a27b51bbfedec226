"""Codes that carry a right by being known: 256 random bits, written to be told apart and searched for in leaks."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BYTES, _LENGTH = 32, 43
INVITATION = "orgtui_inv_"


def new_code(prefix: str, random: Callable[[int], bytes]) -> str:
    """*prefix* and 43 letters and digits; nothing in it needs quoting in a shell or in a link."""
    number, digits = int.from_bytes(random(_BYTES)), ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return prefix + digits


def code_hash(code: str) -> str:
    """What is kept of a code. A plain hash is enough: 256 random bits cannot be guessed and tried."""
    return hashlib.sha256(code.strip().encode("utf-8", "surrogatepass")).hexdigest()
