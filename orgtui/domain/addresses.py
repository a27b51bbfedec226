"""E-mail addresses as people paste them, and which of them can be written to."""

from __future__ import annotations

import re
import unicodedata

from orgtui.domain.errors import Invalid

_SHOWN = 80
_APART = re.compile(r"[\s,;]+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_ENCLOSED = re.compile(r"<([^<>\n]*)>")
# A name may hold commas where it is in quotes.
_ENTRY = re.compile(rf"(?:{_QUOTED.pattern}|<[^<>\n]*>|[^,;\n])+")
# Alphabets with letters that look like those of another.
_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "FULLWIDTH", "MATHEMATICAL"}


def split_addresses(text: str) -> list[str]:
    """The addresses in a text: apart by spaces, commas, semicolons or lines, or as mail programs write them.

    What nobody can read comes as it stands, so that it is refused and not lost; nothing is made up from parts of it.
    """
    if "<" not in text:
        return [word for word in _APART.split(text) if word]
    return [address for entry in _ENTRY.findall(text) for address in _written(entry)]


def _written(entry: str) -> list[str]:
    """The addresses between two commas: those in angle brackets, and before them any that are no part of a name."""
    unquoted = _QUOTED.sub(" ", entry)
    enclosed = [address.strip() for address in _ENCLOSED.findall(unquoted) if address.strip()]
    # What was quoted within brackets is gone from them: nobody has written the rest.
    if not enclosed or any(address not in entry for address in enclosed):
        return entry.split()
    known = {address.casefold() for address in enclosed}
    rest = [word for word in _ENCLOSED.sub(" ", unquoted).split() if "@" in word and word.casefold() not in known]
    return rest + enclosed


def checked_email(address: str) -> str:
    """The address as it is written to; raises Invalid."""
    from email_validator import EmailNotValidError, validate_email

    address = address.strip()
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise _invalid(address, _why(address, error)) from error
    if stranger := _among_others(found):
        raise _invalid(found, f"it mixes alphabets ({stranger}), as look-alikes do.")
    return found


def _invalid(address: str, why: str) -> Invalid:
    return Invalid(f"“{address[:_SHOWN]}” is not an e-mail address: {why}", field="email")


def _among_others(address: str) -> str:
    """The name of a letter that stands in one word with letters of another alphabet; no registry allows such words."""
    if address.isascii():
        return ""
    for word in re.split(r"[@.]", address):
        names = [unicodedata.name(letter, "") for letter in word]
        if len({name.split(" ")[0] for name in names} & _ALIKE) > 1:
            return next(name for name in names if name.split(" ")[0] in _ALIKE - {"LATIN"})
    return ""


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
