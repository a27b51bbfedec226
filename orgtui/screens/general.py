"""The General section: the organization's identity, and its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from orgtui.domain.figures import some
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Permission, allows, refusal
from orgtui.screens.identity import Identity, IdentityScreen
from orgtui.widgets.frame import Rule
from orgtui.widgets.note import Note
from orgtui.widgets.stats_bar import Stat, StatsBar

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.general import GeneralPage

STATS = ("Members", "Workspaces", "Created")


class GeneralScreen(IdentityScreen["GeneralPage"]):
    """Stats, logo, name, description, and the danger zone."""

    SECTION = "general"
    WORDS = {"name": "Organization Name", "description": "Description"}
    NEEDS_ANSWER = frozenset({"save", "upload_logo", "remove_logo", "delete"})
    BINDINGS = [
        *IdentityScreen.BINDINGS,
        Binding("D", "delete", "Delete organization", id="general.delete", show=False),
        Binding("escape", "leave_field", "Leave the field", id="general.leave-field", show=False),
    ]
    HELP = "Name, description and logo of the organization. ctrl+s saves from anywhere."

    def compose_section(self) -> ComposeResult:
        """The stats; the form follows with its values."""
        yield StatsBar([Stat(label) for label in STATS], pitch=17, id="stats")
        yield Rule()
        yield Note()

    def form(self) -> list[Widget]:
        """The form and the danger zone."""
        from orgtui.screens.identity_form import IdentityForm, danger_zone

        return [IdentityForm("Organization"), Rule(), danger_zone("Delete organization")]

    async def ask(self, store: Store) -> GeneralPage:
        """The section."""
        return await store.general.show()

    def identity(self, page: GeneralPage) -> Identity:
        """The organization."""
        return Identity(page.organization_id, page.name, page.description, page.logo, page.version)

    async def keep(self, store: Store, seen: int, changes: dict[str, str]) -> GeneralPage:
        """Save name and description."""
        from orgtui.store.contract.general import GeneralChanges

        return await store.general.save(GeneralChanges(seen=seen, **changes))

    async def keep_image(self, store: Store, image: bytes | None) -> GeneralPage:
        """Save the logo."""
        return await store.general.set_logo(image)

    def saved(self, page: GeneralPage) -> None:
        """The masthead names the organization."""
        if self.orgtui.overview is not None:
            self.orgtui.overview = replace(self.orgtui.overview, name=page.name)

    def show(self, page: GeneralPage) -> None:
        """Stats, then the form."""
        created = page.created.astimezone(zone_or_utc(page.timezone))
        self.query_one(StatsBar).stats = (
            Stat("Members", f"{page.members:,}"),
            Stat("Workspaces", f"{page.workspaces:,}"),
            Stat("Created", f"{created:%-d %b %Y}"),
        )
        super().show(page)

    def fill_rest(self, page: GeneralPage) -> None:
        """What deleting would take away, or why it is not offered."""
        from textual.widgets import Button, Static

        lost = page.losses
        self.query_one("#losses", Static).update(
            f"{some(lost.workspaces, 'workspace')}, {some(lost.workflows, 'workflow')} and all logs. No undo."
            if self._may_delete()
            else refusal(Permission.DELETE_ORGANIZATION)
        )
        self.query_one("#delete", Button).disabled = not self._may_delete()

    def _may_delete(self) -> bool:
        overview = self.orgtui.overview
        return overview is None or allows(overview.role, Permission.DELETE_ORGANIZATION)

    async def action_delete(self) -> None:
        """Delete the organization, after its exact name."""
        from orgtui.screens.dialogs.danger import DangerDialog

        if self.page is None:
            return
        if not self._may_delete():
            self.notify(refusal(Permission.DELETE_ORGANIZATION), severity="warning")
            return
        name, lost = self.page.name, self.page.losses

        def leave(gone: bool | None) -> None:
            if gone:
                self.app.exit(message=f"{name} is deleted.")

        async def delete(confirm: str) -> None:
            if lost.plan is not None:
                # Or it would be charged for ever, by nobody that is there.
                await (await self.orgtui.billing_service()).end()
            await (await self.orgtui.store()).general.delete(confirm)

        await self.app.push_screen(DangerDialog(name, lost, delete), leave)


SCREEN = GeneralScreen
