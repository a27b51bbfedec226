"""The Billing section; its work is still to come."""

from __future__ import annotations

from orgtui.screens.section import ComingSection


class BillingScreen(ComingSection):
    """Says that it is still to come."""

    SECTION = "billing"
    WORDS = "Plan and AI credits come with a later version."


SCREEN = BillingScreen
