"""List prices fill in where a source has none, so that the cost is estimated instead of missing."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

# What LiteLLM and OpenTelemetry call providers that genai-prices knows by another name; it resolves the rest.
_ALIASES = {"x_ai": "x-ai", "azure_ai": "azure", "fireworks_ai": "fireworks"}
_DATE = re.compile(r"[-@]\d{4}-?\d{2}-?\d{2}$")


def list_price(
    provider: str | None, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int, at: datetime
) -> Decimal | None:
    """What one call costs in USD at the provider's list price of that day, None when that is unknown."""
    found = _find(provider, model)
    if not found:
        return None
    from genai_prices import Usage

    seller, info = found
    usage = Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=min(cached_tokens, input_tokens)
    )
    try:
        price = info.calc_price(usage, seller, genai_request_timestamp=at).total_price
    except (ValueError, LookupError):
        return None
    # A model that is listed without prices comes out as 0, which nobody has promised.
    return price or None


# Names come from outside in any number, so both answers are remembered in a bounded place of our own.
@lru_cache(maxsize=4096)
def _find(provider: str | None, model: str) -> tuple[Provider, ModelInfo] | None:
    # Slow to import, and needed by few records.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import find_provider_by_id

    for name in (model.lower(), _DATE.sub("", model.lower())):
        if provider:
            seller = find_provider_by_id(providers, _ALIASES.get(provider, provider))
        else:
            seller = next((each for each in providers if each.model_match and each.model_match.is_match(name)), None)
        if seller and (info := seller.find_model(name, all_providers=providers)):
            return seller, info
    return None
