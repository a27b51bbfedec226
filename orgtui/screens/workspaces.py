"""The Workspaces section; its work is still to come."""

from __future__ import annotations

from orgtui.screens.section import ComingSection


class WorkspacesScreen(ComingSection):
    """Says that it is still to come."""

    SECTION = "workspaces"
    WORDS = "Workspace cards and their settings come with a later version."


SCREEN = WorkspacesScreen
