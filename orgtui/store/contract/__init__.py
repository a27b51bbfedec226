"""What an organization can be asked and told: every operation is declared here, once."""

from __future__ import annotations

from dataclasses import dataclass

from orgtui.store.contract.api_keys import ApiKeys
from orgtui.store.contract.general import General
from orgtui.store.contract.team import Team
from orgtui.store.contract.usage import Usage
from orgtui.store.contract.workspaces import Workspaces

CONTRACTS = {"general": General, "team": Team, "usage": Usage, "api_keys": ApiKeys, "workspaces": Workspaces}


@dataclass(frozen=True, slots=True)
class Store:
    """The sections of an organization, whatever keeps them. `label` is what the footer calls it."""

    general: General
    team: Team
    usage: Usage
    api_keys: ApiKeys
    workspaces: Workspaces
    label: str = "local"
