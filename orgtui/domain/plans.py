"""The five plans of the price list, in the seed's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orgtui.domain.errors import Invalid
from orgtui.domain.text import clean


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


def paid_plan(key: str) -> Plan:
    """The plan of a key that can be subscribed to; raises Invalid for any other."""
    plan = BY_KEY.get(key)
    if plan is None or not plan.cents:
        keys = ", ".join(plan.key for plan in PLANS if plan.cents)
        raise Invalid(f"“{clean(key)}” is not a plan that is paid for by the month; choose from {keys}.", field="plan")
    return plan


class Move(StrEnum):
    """What it takes to come from one plan to another."""

    CURRENT = "current"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    CONTACT = "contact"


def move(current: str, target: str) -> Move:
    """How the plan *target* stands to the plan *current*; of Enterprise only sales knows the price, either way."""
    if current == target:
        return Move.CURRENT
    if BY_KEY["enterprise"].key in (current, target):
        return Move.CONTACT
    order = [plan.key for plan in PLANS]
    return Move.UPGRADE if order.index(target) > order.index(current) else Move.DOWNGRADE


def misfits(current: str, target: Plan, runs_used: int) -> list[str]:
    """What of the plan *current*, and of what is used of it, no longer fits the plan *target*: a sentence for each."""
    found, now = [], BY_KEY.get(current)
    if target.runs is not None and runs_used > target.runs:
        found.append(f"{runs_used:,} runs were used in this cycle; {target.name} has {target.runs:,} a month.")
    lost = sorted(set(now.hosting.split(" + ")) - set(target.hosting.split(" + "))) if now else []
    if lost:
        found.append(f"{' and '.join(lost)} hosting is not part of {target.name}.")
    return found
