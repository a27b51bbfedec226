"""The five plans of the price list, in the seed's words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of Available Plans; `runs` a month, None where the volume is agreed."""

    key: str
    name: str
    price: str
    runs: int | None
    runs_text: str
    nodes: str
    hosting: str
    cents: int | None


PLANS = (
    Plan("free", "Free", "€0 forever", 100, "100/month", "Resets monthly", "Cloud", 0),
    Plan("starter", "Starter", "€29/mo", 2_500, "2,500/month", "Unlimited per workflow", "Cloud", 2_900),
    Plan("pro", "Pro", "€49/mo", 10_000, "10,000/month", "Unlimited per workflow", "Cloud", 4_900),
    Plan(
        "business",
        "Business",
        "€670/mo",
        50_000,
        "50,000/month",
        "Unlimited per workflow",
        "Cloud + Self-hosted",
        67_000,
    ),
    Plan("enterprise", "Enterprise", "Custom", None, "Custom volume", "Unlimited", "Cloud + VPC + On-premise", None),
)
BY_KEY = {plan.key: plan for plan in PLANS}
