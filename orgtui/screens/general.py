"""The General section: the organization's identity, and its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.reactive import reactive

from orgtui.domain.errors import Invalid, OrgtuiError, Stale
from orgtui.domain.figures import some
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Permission, allows, refusal
from orgtui.domain.text import graphemes
from orgtui.screens.section import SectionScreen
from orgtui.widgets.frame import Body, Rule
from orgtui.widgets.note import Note
from orgtui.widgets.stats_bar import Stat, StatsBar

if TYPE_CHECKING:
    from orgtui.store.contract import Store
    from orgtui.store.contract.general import GeneralChanges, GeneralPage

STATS = ("Members", "Workspaces", "Created")
_WORDS = {"name": "Organization Name", "description": "Description"}


class GeneralScreen(SectionScreen["GeneralPage"]):
    """Stats, logo, name, description, and the danger zone."""

    SECTION = "general"
    NEEDS_ANSWER = frozenset({"save", "upload_logo", "remove_logo", "delete"})
    BINDINGS = [
        Binding("ctrl+s", "save", "Save Changes", id="general.save", priority=True),
        Binding("tab", "app.focus_next", "Next field", id="general.next-field"),
        Binding("u", "upload_logo", "Upload logo", id="general.upload-logo"),
        Binding("x", "remove_logo", "Remove logo", id="general.remove-logo", show=False),
        Binding("D", "delete", "Delete organization", id="general.delete", show=False),
        Binding("escape", "leave_field", "Leave the field", id="general.leave-field", show=False),
    ]
    HELP = "Name, description and logo of the organization. ctrl+s saves from anywhere."

    # The version whose values were on the screen when typing began.
    seen = 0
    saving = False
    unsaved: reactive[dict[str, str]] = reactive(dict, init=False, repaint=False)

    def compose_section(self) -> ComposeResult:
        """The stats; the form follows with its values."""
        yield StatsBar([Stat(label) for label in STATS], pitch=17, id="stats")
        yield Rule()
        yield Note()

    # What is shown.

    async def ask(self, store: Store) -> GeneralPage:
        """The section."""
        return await store.general.show()

    def show(self, page: GeneralPage) -> None:
        """Fill what was not typed over; what was typed survives."""
        if not self.unsaved:
            self.seen = page.version
        created = page.created.astimezone(zone_or_utc(page.timezone))
        self.query_one(StatsBar).stats = (
            Stat("Members", f"{page.members:,}"),
            Stat("Workspaces", f"{page.workspaces:,}"),
            Stat("Created", f"{created:%-d %b %Y}"),
        )
        if self.query("#form"):
            self._fill(page)
        elif not self.whole:
            # After the stats are painted: they are what most people came for.
            self.call_after_refresh(self._follow)

    @work(exclusive=True, group="form")
    async def _follow(self) -> None:
        await self.complete()

    async def complete(self) -> None:
        """Mount the form and fill it in."""
        from orgtui.screens.general_form import parts

        if self.page is None or self.query("#form"):
            return
        with self.app.batch_update():
            await self.query_one(Body).mount_all(parts())
            self._fill(self.page)

    def _fill(self, page: GeneralPage) -> None:
        """Fill in what was not typed over; what was typed survives."""
        from textual.widgets import Button, Input, Static, TextArea

        from orgtui.screens.general_form import LogoWords
        from orgtui.widgets.logo import Logo

        logo = self.query_one(Logo)
        logo.title, logo.identity, logo.image = page.name, page.organization_id, page.logo
        self.query_one(LogoWords).has_logo = page.logo is not None
        self.query_one("#remove-logo").display = page.logo is not None
        name, description = self.query_one("#name", Input), self.query_one("#description", TextArea)
        with self.prevent(Input.Changed, TextArea.Changed):
            if "name" not in self.unsaved:
                name.value = page.name
            if "description" not in self.unsaved:
                description.text = page.description
        lost = page.losses
        self.query_one("#losses", Static).update(
            f"{some(lost.workspaces, 'workspace')}, {some(lost.workflows, 'workflow')} and all logs. No undo."
            if self._may_delete()
            else refusal(Permission.DELETE_ORGANIZATION)
        )
        self.query_one("#delete", Button).disabled = not self._may_delete()
        self._compare()

    def _may_delete(self) -> bool:
        overview = self.orgtui.overview
        return overview is None or allows(overview.role, Permission.DELETE_ORGANIZATION)

    def _frame(self, overview: Any) -> None:
        super()._frame(overview)
        if self.page is not None and self.query("#form"):
            self._fill(self.page)

    def on_input_changed(self) -> None:
        """What is unsaved has changed."""
        self._compare()

    def on_text_area_changed(self) -> None:
        """What is unsaved has changed."""
        self._compare()

    def _compare(self) -> None:
        from textual.widgets import Input, TextArea

        from orgtui.store.contract.general import DESCRIPTION_LIMIT
        from orgtui.widgets.field import Field

        if self.page is None:
            return
        typed = {
            "name": self.query_one("#name", Input).value,
            "description": self.query_one("#description", TextArea).text,
        }
        self.unsaved = {field: value for field, value in typed.items() if value != getattr(self.page, field)}
        name = self.query_one("#name-field", Field)
        name.say(f"Unsaved — was “{self.page.name}”" if "name" in self.unsaved else "")
        count = graphemes(typed["description"])
        over = count > DESCRIPTION_LIMIT
        self.query_one("#description-field", Field).say(f"{count} / {DESCRIPTION_LIMIT}", bad=over)

    def watch_unsaved(self, unsaved: dict[str, str]) -> None:
        """Count the changes beside the button."""
        from textual.widgets import Static

        count = len(unsaved)
        for words in self.query("#unsaved").results(Static):
            words.update(some(count, "unsaved change") if count else "")

    # What is done.

    def action_leave_field(self) -> None:
        """Back to the sidebar, where numbers switch sections."""
        self.query_one("Sidebar").focus()

    def _changes(self) -> GeneralChanges:
        from orgtui.store.contract.general import GeneralChanges

        return GeneralChanges(seen=self.seen, **self.unsaved)

    def action_save(self) -> None:
        """Save what was changed."""
        if self.page is None:
            self.notify("Nothing to save yet: the section has not been read.")
        elif not self.unsaved:
            self.notify("Nothing has changed.")
        else:
            self.save(self._changes())

    async def settle_unsaved(self) -> bool:
        """Ask once what is to become of unsaved changes; True when the section may be left."""
        from orgtui.screens.dialogs.discard import DiscardDialog

        what = " and ".join(_WORDS[field] for field in self.unsaved)
        choice = await self.app.push_screen_wait(DiscardDialog(self.title_text, what))
        if choice == "save" and self.page is not None:
            await self._save(self._changes())
        elif choice == "discard" and self.page is not None:
            self.unsaved = {}
            self.show(self.page)
        return not self.unsaved and choice is not None

    @work
    async def save(self, changes: GeneralChanges) -> None:
        """Save, unless a save is on its way."""
        await self._save(changes)

    async def _save(self, changes: GeneralChanges) -> None:
        if self.saving:
            self.notify("Still saving; once more in a moment.")
            return
        self.saving = True
        try:
            page = await (await self.orgtui.store()).general.save(changes)
        except Stale as error:
            self._settle(error, changes)
        except Invalid as error:
            self.refuse(error)
        except OrgtuiError as error:
            self.notify(f"Not saved: {error.message} What you typed is kept.", severity="error", timeout=10)
        else:
            # What was typed meanwhile is unsaved still; what was sent is not, however the store wrote it.
            self.unsaved = {f: value for f, value in self.unsaved.items() if value != getattr(changes, f)}
            self.seen, self.page = page.version, page
            if self.orgtui.overview is not None:
                self.orgtui.overview = replace(self.orgtui.overview, name=page.name)
            self.notify("Saved.")
        finally:
            self.saving = False

    def refuse(self, error: Invalid) -> None:
        """The field's own error, under the field."""
        from orgtui.widgets.field import Field

        field = self.query_one(f"#{error.field}-field", Field) if error.field in _WORDS else None
        if field is None:
            self.notify(error.message, severity="error", timeout=10)
            return
        field.say(error.message, bad=True)
        field.query_one("Input, TextArea").focus()

    @work
    async def _settle(self, stale: Stale, changes: GeneralChanges) -> None:
        """Both values, and who wins is the person's choice."""
        from orgtui.screens.dialogs.stale import StaleDialog

        both = [
            (label, str(stale.yours[field]), str(stale.theirs[field]))
            for field, label in _WORDS.items()
            if stale.yours[field] != stale.theirs[field]
        ]
        choice = await self.app.push_screen_wait(StaleDialog(both))
        if choice == "mine":
            self.save(replace(changes, seen=stale.version))
        elif choice == "theirs":
            self.unsaved = {}
            self.load()

    async def action_upload_logo(self) -> None:
        """Ask for a file and keep it as the logo."""
        from orgtui.screens.dialogs.file_picker import FilePicker

        if self.page is None:
            return

        def keep(path: Path | None) -> None:
            if path is not None:
                self.keep_logo(path)

        await self.app.push_screen(FilePicker(Path(), "Upload Logo", "Square PNG, JPEG or GIF, max 2 MB"), keep)

    @work
    async def keep_logo(self, path: Path | None) -> None:
        """Keep the image at *path*, or none."""
        import asyncio

        from orgtui.images import load_logo

        if self.saving:
            self.notify("Still saving; once more in a moment.")
            return
        self.saving = True
        try:
            image = await asyncio.to_thread(load_logo, path) if path else None
            self.page = await (await self.orgtui.store()).general.set_logo(image)
        except OrgtuiError as error:
            self.notify(f"The logo stays as it was: {error.message}", severity="error", timeout=10)
        else:
            self.notify("The logo is set." if path else "The avatar is back.")
        finally:
            self.saving = False

    def action_remove_logo(self) -> None:
        """Back to the avatar."""
        if self.page is not None and self.page.logo is not None:
            self.keep_logo(None)

    async def action_delete(self) -> None:
        """Delete the organization, after its exact name."""
        from orgtui.screens.dialogs.danger import DangerDialog

        if self.page is None:
            return
        if not self._may_delete():
            self.notify(refusal(Permission.DELETE_ORGANIZATION), severity="warning")
            return
        overview, name = self.orgtui.overview, self.page.name

        def leave(gone: bool | None) -> None:
            if gone:
                self.app.exit(message=f"{name} is deleted.")

        async def delete(confirm: str) -> None:
            await (await self.orgtui.store()).general.delete(confirm)

        plan = overview.plan if overview else ""
        await self.app.push_screen(DangerDialog(name, self.page.losses, plan, delete), leave)


SCREEN = GeneralScreen
