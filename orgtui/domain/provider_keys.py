"""What can be said of a provider's key by looking at it: what was pasted around it, and whose key it plainly is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from orgtui.domain.errors import Invalid
from orgtui.domain.providers import BY_KEY

SHORTEST: Final = 20
LONGEST: Final = 512
# More than anybody copies with a key by mistake.
_LONGEST_PASTE = 8 * LONGEST

_INVISIBLE = "\u200b\u2060\ufeff"
_QUOTES = "'\"`“”‘’"
_BEARER = re.compile(r"bearer\s+(.+)", re.IGNORECASE | re.DOTALL)
# `export OPENAI_API_KEY=`, `x-api-key: `, `"apiKey": `: no key of the five contains = or a colon.
_NAMED = re.compile(
    rf"(?:export\s+)?(?:[a-z][\w.-]{{0,60}})?(?:key|token|secret|authorization)[{_QUOTES}]?\s*[=:]\s*(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
# Lists of keys show them as sk-…wxyz, sk-...wxyz or sk-***, instructions as sk-xxxxxxxx.
_MASKED = re.compile(r"[*∗＊•●·…‥]|\.\.|x{6}", re.IGNORECASE)
_KEY_CHARACTERS = re.compile(r"[!-~]*")

_OWN = (
    ("anthropic", re.compile(r"sk-ant-")),
    ("openai", re.compile(r"sk-(?:proj|svcacct|admin|None)-|sk-.*T3BlbkFJ")),
    ("google", re.compile(r"AIza|AQ\.")),
    ("grok", re.compile(r"xai-")),
)
_ELSEWHERE = (
    ("an access token of orgtui", re.compile(r"orgtui_")),
    ("a key of Stripe", re.compile(r"(?:sk|rk|pk)_(?:live|test)_|whsec_")),
    ("a token of GitHub", re.compile(r"gh[oprsu]_|github_pat_")),
    ("a key of AWS", re.compile(r"(?:AKIA|ASIA)[0-9A-Z]{16}")),
    ("a token of Slack", re.compile(r"xox[a-z]-|xapp-")),
    ("a key of OpenRouter", re.compile(r"sk-or-")),
    ("a key of Groq", re.compile(r"gsk_")),
    ("a token of Hugging Face", re.compile(r"hf_")),
    ("a sign-in token of Google, which lapses within the hour", re.compile(r"ya29\.")),
    ("a private key", re.compile(r"-----BEGIN")),
    ("an address", re.compile(r"https?://")),
)
_ADMIN = {"openai": re.compile(r"sk-admin-"), "anthropic": re.compile(r"sk-ant-admin")}
# As the providers make them in 2026. They change it without notice, so that what differs is a warning only.
_USUAL = {
    "openai": re.compile(r"sk-[\w-]{37,}"),
    "anthropic": re.compile(r"sk-ant-api\d\d-[\w-]{80,}"),
    "google": re.compile(r"AIza[\w-]{35}|AQ\.[\w.-]{20,}"),
    "mistral": re.compile(r"[A-Za-z0-9]{32}"),
    "grok": re.compile(r"xai-[\w-]{40,}"),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A key that may be one: `stripped` names what was pasted around it, `warnings` are sentences to show."""

    key: str = field(repr=False)
    stripped: tuple[str, ...]
    warnings: tuple[str, ...]


def shape(provider: str, text: str) -> Shape:
    """The key in a pasted *text*, for the provider of that key in `BY_KEY`.

    Around it are taken away: spaces, quotes, commas and semicolons behind it, `Bearer`, a name (`OPENAI_API_KEY=`).
    Raises Invalid on `key` for what is no key of this provider; no message or warning quotes it.
    """
    name = BY_KEY[provider].name
    if len(text) > _LONGEST_PASTE:
        raise _invalid(f"That is {len(text):,} characters long; paste the key of {name} alone.")
    key, stripped = _bare(text)
    _check_characters(key, name)
    _check_owner(key, provider)
    if len(key) < SHORTEST:
        raise _invalid(f"The key is too short: keys have at least {SHORTEST} characters. Copy the whole key.")
    if len(key) > LONGEST:
        raise _invalid(f"The key is {len(key):,} characters long; at most {LONGEST} are allowed. Paste the key alone.")
    return Shape(key, stripped, _warnings(key, provider))


def _invalid(message: str) -> Invalid:
    return Invalid(message, field="key")


def _bare(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without what is around the key, and what that was; each round takes at least one character."""
    stripped: list[str] = []
    while (layer := _layer(text)) is not None:
        what, text = layer
        if what not in stripped:
            stripped.append(what)
    return text, tuple(stripped)


def _layer(text: str) -> tuple[str, str] | None:
    for what, rest in (
        ("spaces", text.strip().strip(_INVISIBLE)),
        ("quotes", text.strip(_QUOTES)),
        ("punctuation", text.rstrip(",;")),
    ):
        if rest != text:
            return what, rest
    for what, pattern in (("Bearer", _BEARER), ("the name before the key", _NAMED)):
        if match := pattern.fullmatch(text):
            return what, match[1]
    return None


def _check_characters(key: str, name: str) -> None:
    if not key:
        raise _invalid(f"The key is empty; paste a key of {name}.")
    if _MASKED.search(key):
        raise _invalid(f"This is a masked key, as lists show it; copy the key itself where {name} shows it once.")
    if any(char.isspace() for char in key):
        raise _invalid("The key contains a space or a line break; paste the key alone.")
    if not _KEY_CHARACTERS.fullmatch(key):
        raise _invalid("The key contains characters that no key has; copy it again.")


def _check_owner(key: str, provider: str) -> None:
    name = BY_KEY[provider].name
    for what, pattern in _ELSEWHERE:
        if pattern.match(key):
            raise _invalid(f"This is {what}, not a key of {name}.")
    owner = next((own for own, pattern in _OWN if pattern.match(key)), provider)
    if owner != provider:
        raise _invalid(f"This is a key of {BY_KEY[owner].name}, not of {name}; add it to {BY_KEY[owner].name}.")


def _warnings(key: str, provider: str) -> tuple[str, ...]:
    name = BY_KEY[provider].name
    if provider in _ADMIN and _ADMIN[provider].match(key):
        return (f"This is an admin key: it manages the account at {name} and runs no models. Use an ordinary key.",)
    if not _USUAL[provider].fullmatch(key):
        return (f"This does not look like the keys that {name} gives out; check that it was copied whole.",)
    return ()
