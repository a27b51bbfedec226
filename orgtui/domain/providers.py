"""The five providers whose keys an organization can bring, and how model prefixes name them."""

from __future__ import annotations

from dataclasses import dataclass

from orgtui.domain.errors import AlreadyThere, NotFound


@dataclass(frozen=True, slots=True)
class Provider:
    """`key` is its name on the command line; `prefixes` are the words sources put before a model's slash."""

    key: str
    name: str
    description: str
    prefixes: tuple[str, ...]


PROVIDERS = (
    Provider("openai", "OpenAI", "GPT models", ("openai", "azure", "azure_ai")),
    Provider("anthropic", "Anthropic", "Claude models", ("anthropic",)),
    Provider("google", "Google AI", "Gemini models", ("gemini", "google", "vertex_ai", "gcp.gemini")),
    Provider("mistral", "Mistral AI", "Mistral models", ("mistral", "mistral_ai")),
    Provider("grok", "Grok", "xAI models", ("xai", "x_ai")),
)
BY_KEY = {provider.key: provider for provider in PROVIDERS}
# What a check can have found out of a key, as `orgtui.key_check` words it, and that there was none.
VERDICTS = frozenset(
    {
        "untested",
        "valid",
        "invalid",
        "no_quota",
        "not_allowed",
        "rate_limited",
        "provider_down",
        "no_network",
        "unexpected",
    }
)
_BY_PREFIX = {prefix: provider for provider in PROVIDERS for prefix in provider.prefixes}


def known(key: str) -> Provider:
    """The provider of that key; raises NotFound."""
    if (provider := BY_KEY.get(key)) is None:
        # Not quoted: what is no provider's name may be a key, in the wrong place.
        raise NotFound(f"There is no such provider; take one of {', '.join(BY_KEY)}.", field="provider")
    return provider


def keyed(provider: Provider) -> AlreadyThere:
    """The error for a provider that has a key."""
    return AlreadyThere(f"{provider.name} has a key already; replace it.", field="provider")


def keyless(provider: Provider) -> NotFound:
    """The error for a provider that has no key."""
    return NotFound(f"{provider.name} has no key.", field="provider")


def display_name(prefix: str | None) -> str:
    """How a screen names a model's provider: `Google AI` for `gemini`, the prefix itself for others, — for none."""
    if not prefix:
        return "—"
    provider = _BY_PREFIX.get(prefix)
    return provider.name if provider else prefix
