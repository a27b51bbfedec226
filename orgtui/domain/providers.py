"""The five providers whose keys an organization can bring, and how model prefixes name them."""

from __future__ import annotations

from dataclasses import dataclass


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
_BY_PREFIX = {prefix: provider for provider in PROVIDERS for prefix in provider.prefixes}


def display_name(prefix: str | None) -> str:
    """How a screen names a model's provider: `Google AI` for `gemini`, the prefix itself for others, — for none."""
    if not prefix:
        return "—"
    provider = _BY_PREFIX.get(prefix)
    return provider.name if provider else prefix
