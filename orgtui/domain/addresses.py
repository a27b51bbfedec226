"""E-mail addresses as people paste them, and which of them can be written to."""

from __future__ import annotations

import re
from email.utils import getaddresses

from orgtui.domain.errors import Invalid

_SHOWN = 80
_APART = re.compile(r"[\s,;]+")


def split_addresses(text: str) -> list[str]:
    """The addresses in a text: apart by spaces, commas, semicolons or lines, or as mail programs write them."""
    found = [text] if "<" not in text else text.splitlines()
    return [address for part in found for address in _written(part) if address]


def _written(text: str) -> list[str]:
    """The addresses of a part; one that nobody can read is an address too, so that it is refused and not lost."""
    if "<" not in text:
        return _APART.split(text)
    return [address for _, address in getaddresses([text.replace(";", ",")]) if address] or [text.strip()]


def checked_email(address: str) -> str:
    """The address as it is written to; raises Invalid."""
    from email_validator import EmailNotValidError, validate_email

    address = address.strip()
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise Invalid(
            f"“{address[:_SHOWN]}” is not an e-mail address: {_why(address, error)}", field="email"
        ) from error


def _why(address: str, error: Exception) -> str:
    """In plain words what people get wrong most; what the library says of the rest."""
    local, at, domain = address.rpartition("@")
    if not at:
        return "it has no @, as in ada@acme.example."
    if not local:
        return "the part before @ is missing."
    if "." not in domain.strip("."):
        return "the part after @ needs a domain, as in acme.example."
    return str(error)
