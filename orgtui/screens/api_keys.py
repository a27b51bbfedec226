"""The API Keys section; its work is still to come."""

from __future__ import annotations

from orgtui.screens.section import ComingSection


class ApiKeysScreen(ComingSection):
    """Says that it is still to come."""

    SECTION = "api_keys"
    WORDS = "Your own provider keys come with a later version."


SCREEN = ApiKeysScreen
