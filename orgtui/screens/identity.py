"""What the organization and a workspace have in common on the screen: logo, name and description, and saving them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import work
from textual.binding import Binding
from textual.reactive import reactive
from textual.widget import Widget

from orgtui.domain.errors import Invalid, OrgtuiError, Stale
from orgtui.domain.figures import some
from orgtui.domain.text import graphemes
from orgtui.screens.section import SectionScreen
from orgtui.widgets.frame import Body

if TYPE_CHECKING:
    from orgtui.store.contract import Store

Page = TypeVar("Page")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is on the screen; `id` decides the avatar's colour, `version` guards what people type."""

    id: str
    name: str
    description: str
    logo: bytes | None
    version: int


class IdentityScreen(SectionScreen[Page]):
    """A form over a page: fill in, compare, save, settle what somebody else saved, keep a logo."""

    BINDINGS = [
        # No priority: it would overtake letters that were typed before it and are on their way to their field.
        Binding("ctrl+s", "save", "Save Changes", id="general.save"),
        Binding("tab", "app.focus_next", "Next field", id="general.next-field"),
        Binding("u", "upload_logo", "Upload logo", id="general.upload-logo"),
        Binding("x", "remove_logo", "Remove logo", id="general.remove-logo", show=False),
    ]
    # What the fields are called.
    WORDS: ClassVar[Mapping[str, str]]

    # The version whose values were on the screen when typing began.
    seen = 0
    saving = False
    unsaved: reactive[dict[str, str]] = reactive(dict, init=False, repaint=False)

    def identity(self, page: Page) -> Identity:
        """The part of the page that the form shows."""
        raise NotImplementedError(type(self).__name__)

    def form(self) -> list[Widget]:
        """The form and what stands below it."""
        raise NotImplementedError(type(self).__name__)

    async def keep(self, store: Store, seen: int, changes: dict[str, str]) -> Page:
        """Save what was typed."""
        raise NotImplementedError(type(self).__name__)

    async def keep_image(self, store: Store, image: bytes | None) -> Page:
        """Save the logo, or that there is none."""
        raise NotImplementedError(type(self).__name__)

    def fill_rest(self, page: Page) -> None:
        """Fill in what stands beside the form."""

    def saved(self, page: Page) -> None:
        """Whatever else shows what was saved."""

    # What is shown.

    def show(self, page: Page) -> None:
        """Fill what was not typed over; what was typed survives."""
        if not self.unsaved:
            self.seen = self.identity(page).version
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
        if self.page is None or self.query("#form"):
            return
        with self.app.batch_update():
            await self.query_one(Body).mount_all(self.form())
            self._fill(self.page)

    def _fill(self, page: Page) -> None:
        """Fill in what was not typed over; what was typed survives."""
        from textual.widgets import Input, TextArea

        from orgtui.screens.identity_form import LogoWords
        from orgtui.widgets.logo import Logo

        shown = self.identity(page)
        logo = self.query_one(Logo)
        logo.title, logo.identity, logo.image = shown.name, shown.id, shown.logo
        self.query_one(LogoWords).has_logo = shown.logo is not None
        self.query_one("#remove-logo").display = shown.logo is not None
        name, description = self.query_one("#name", Input), self.query_one("#description", TextArea)
        with self.prevent(Input.Changed, TextArea.Changed):
            if "name" not in self.unsaved:
                name.value = shown.name
            if "description" not in self.unsaved:
                description.text = shown.description
        self.fill_rest(page)
        self._compare()

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
        """See what is unsaved; fields tell of a change only after the keys that came with it."""
        from textual.widgets import Input, TextArea

        from orgtui.store.contract.general import DESCRIPTION_LIMIT
        from orgtui.widgets.field import Field

        if self.page is None or not self.query("#form"):
            return
        shown = self.identity(self.page)
        typed = {
            "name": self.query_one("#name", Input).value,
            "description": self.query_one("#description", TextArea).text,
        }
        self.unsaved = {field: value for field, value in typed.items() if value != getattr(shown, field)}
        name = self.query_one("#name-field", Field)
        name.say(f"Unsaved — was “{shown.name}”" if "name" in self.unsaved else "")
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

    def action_save(self) -> None:
        """Save what was changed."""
        self._compare()
        if self.page is None:
            self.notify("Nothing to save yet: the section has not been read.")
        elif not self.unsaved:
            self.notify("Nothing has changed.")
        else:
            self.save(self.seen, self.unsaved)

    async def settle_unsaved(self) -> bool:
        """Ask once what is to become of unsaved changes; True when the section may be left."""
        from orgtui.screens.dialogs.discard import DiscardDialog

        what = " and ".join(self.WORDS[field] for field in self.unsaved)
        choice = await self.app.push_screen_wait(DiscardDialog(self.title_text, what))
        if choice == "save" and self.page is not None:
            await self._save(self.seen, self.unsaved)
        elif choice == "discard" and self.page is not None:
            self.unsaved = {}
            self.show(self.page)
        return not self.unsaved and choice is not None

    @work
    async def save(self, seen: int, changes: dict[str, str]) -> None:
        """Save, unless a save is on its way."""
        await self._save(seen, changes)

    async def _save(self, seen: int, changes: dict[str, str]) -> None:
        if self.saving:
            self.notify("Still saving; once more in a moment.")
            return
        self.saving = True
        try:
            page = await self.keep(await self.orgtui.store(), seen, changes)
        except Stale as error:
            self._settle(error, changes)
        except Invalid as error:
            self.refuse(error)
        except OrgtuiError as error:
            self.notify(f"Not saved: {error.message} What you typed is kept.", severity="error", timeout=10)
        else:
            # What was typed meanwhile is unsaved still; what was sent is not, however the store wrote it.
            self.unsaved = {f: value for f, value in self.unsaved.items() if value != changes.get(f)}
            self.seen, self.page = self.identity(page).version, page
            self.saved(page)
            self.notify("Saved.")
        finally:
            self.saving = False

    def refuse(self, error: Invalid) -> None:
        """The field's own error, under the field."""
        from orgtui.widgets.field import Field

        field = self.query_one(f"#{error.field}-field", Field) if error.field in self.WORDS else None
        if field is None:
            self.notify(error.message, severity="error", timeout=10)
            return
        field.say(error.message, bad=True)
        field.query_one("Input, TextArea").focus()

    @work
    async def _settle(self, stale: Stale, changes: dict[str, str]) -> None:
        """Both values, and who wins is the person's choice."""
        from orgtui.screens.dialogs.stale import StaleDialog

        both = [
            (label, str(stale.yours[field]), str(stale.theirs[field]))
            for field, label in self.WORDS.items()
            if stale.yours[field] != stale.theirs[field]
        ]
        choice = await self.app.push_screen_wait(StaleDialog(both))
        if choice == "mine":
            self.save(stale.version, changes)
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
            self.page = await self.keep_image(await self.orgtui.store(), image)
        except OrgtuiError as error:
            self.notify(f"The logo stays as it was: {error.message}", severity="error", timeout=10)
        else:
            self.notify("The logo is set." if path else "The avatar is back.")
        finally:
            self.saving = False

    def action_remove_logo(self) -> None:
        """Back to the avatar."""
        if self.page is not None and self.identity(self.page).logo is not None:
            self.keep_logo(None)
