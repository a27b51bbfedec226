"""The Team section; its work is still to come."""

from __future__ import annotations

from orgtui.screens.section import ComingSection


class TeamScreen(ComingSection):
    """Says that it is still to come."""

    SECTION = "team"
    WORDS = "Members and invitations come with the next version; here they can be counted, in General."


SCREEN = TeamScreen
