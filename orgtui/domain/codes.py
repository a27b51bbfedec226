"""Codes that carry a right by being known, written to be told apart and searched for in leaks.

All match `orgtui_[a-z]{3}_[0-9A-Za-z]{43}`. An invitation's 43 characters are 256 random bits; a token's are 216, and a
checksum by which a typing error, or anything that is none, is known without asking a database.
"""

from __future__ import annotations

import hashlib
import re
import string
import zlib
from collections.abc import Callable

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BYTES, _LENGTH = 32, 43
_TOKEN_BYTES, _CHECKSUM = 27, 6
INVITATION = "orgtui_inv_"


def new_code(prefix: str, random: Callable[[int], bytes]) -> str:
    """*prefix* and 43 letters and digits; nothing in it needs quoting in a shell or in a link."""
    return prefix + _written(int.from_bytes(random(_BYTES)), _LENGTH)


def new_token(prefix: str, random: Callable[[int], bytes]) -> str:
    """The same with a checksum at its end."""
    body = prefix + _written(int.from_bytes(random(_TOKEN_BYTES)), _LENGTH - _CHECKSUM)
    return body + _checksum(body)


def is_token(text: str) -> bool:
    """Whether *text* is written as tokens are; nothing is said of what it opens."""
    if not re.fullmatch(rf"orgtui_[a-z]{{3}}_[0-9A-Za-z]{{{_LENGTH}}}", text):
        return False
    return _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode()), _CHECKSUM)


def _written(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def code_hash(code: str) -> str:
    """What is kept of a code. A plain hash is enough: 256 random bits cannot be guessed and tried."""
    return hashlib.sha256(code.strip().encode("utf-8", "surrogatepass")).hexdigest()
