"""The Team section; its work is still to come."""

from __future__ import annotations

from orgtui.screens.section import ComingSection


class TeamScreen(ComingSection):
    """Says that it is still to come."""

    SECTION = "team"
    WORDS = "Members and invitations come with a later version; General counts them."


SCREEN = TeamScreen
