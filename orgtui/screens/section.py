"""What the six sections share: the frame, one question to the store, and every state of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.reactive import reactive
from textual.screen import Screen

from orgtui.domain.errors import Forbidden, OrgtuiError, Unauthenticated
from orgtui.widgets.frame import SMALLEST, TITLES, Foot, Masthead, Sidebar, frame
from orgtui.widgets.note import Note, Trouble
from orgtui.widgets.stats_bar import StatsBar

if TYPE_CHECKING:
    from orgtui.app import OrgTui
    from orgtui.store.contract import Store
    from orgtui.store.contract.general import Overview

Page = TypeVar("Page")
# Seconds a paint waits for the answer that would change it at once.
PATIENCE = 0.3


class SectionScreen(Screen[None], Generic[Page]):
    """One section: `ask` is its question, `show` renders the answer. Workers set `page` or `trouble`, nothing else."""

    SECTION: ClassVar[str]
    NEEDS_ANSWER: ClassVar[frozenset[str]] = frozenset()
    AUTO_FOCUS = "Sidebar"
    BINDINGS = [Binding("r", "refresh_section", "Refresh", id="section.refresh", show=False)]

    asked_at: int | None = None
    # Whether the first answer is painted with all that belongs to it. At the start of the program it is not: there
    # the figures come first, and the rest follows.
    whole = False
    _held: AbstractContextManager[None] | None = None
    page: reactive[Any] = reactive(None, init=False, always_update=True, repaint=False)
    updated: reactive[str] = reactive("", init=False, repaint=False)
    trouble: reactive[Trouble | None] = reactive(None, init=False, repaint=False)

    @property
    def orgtui(self) -> OrgTui:
        """The application, by its own type."""
        return cast("OrgTui", self.app)

    @property
    def title_text(self) -> str:
        """The section's name."""
        return TITLES[self.SECTION]

    def compose(self) -> ComposeResult:
        """The frame around the section."""
        self.add_class(*self._size_classes())
        yield from frame(self.SECTION, self.compose_section())

    def compose_section(self) -> ComposeResult:
        """The section's own widgets; a Note among them shows its troubles."""
        raise NotImplementedError(type(self).__name__)

    async def ask(self, store: Store) -> Page:
        """The section's one question."""
        raise NotImplementedError(type(self).__name__)

    def show(self, page: Page) -> None:
        """Render the answer."""
        raise NotImplementedError(type(self).__name__)

    def on_mount(self) -> None:
        """Ask once the first frame stands."""
        for content in self.query(".content"):
            content.display = False
        self.watch(self.app, "overview", self._frame)
        self._say_loading()
        self.whole = self.orgtui.connected
        if self.whole:
            self._hold()
            self.load()
        else:
            self.call_after_refresh(self.load)

    def on_resize(self) -> None:
        """Say so when the terminal is too small for anything else."""
        self.set_class(self.size.width < SMALLEST[0] or self.size.height < SMALLEST[1], "-too-small")

    def on_screen_resume(self) -> None:
        """Back in the section: ask again if anything changed while another was shown, or it can be read now."""
        readable = self.trouble is not None and self.trouble.retry and not self.orgtui.lost
        if readable or (self.page is not None and self.asked_at != self.orgtui.revision):
            self.load()

    def _size_classes(self) -> list[str]:
        """What the first resize would set, so that nothing is styled twice."""
        width, height = self.app.size
        across, down = self.app.HORIZONTAL_BREAKPOINTS or [], self.app.VERTICAL_BREAKPOINTS or []
        return [
            max((least, name) for least, name in breakpoints if size >= least)[1]
            for size, breakpoints in ((width, across), (height, down))
        ]

    def _frame(self, overview: Overview | None) -> None:
        for widget in (self.query_one(Masthead), self.query_one(Sidebar), self.query_one(Foot)):
            widget.overview = overview

    def action_enter_section(self) -> None:
        """From the sidebar into the section's first field or list."""
        self.focus_next("#body *")

    def action_refresh_section(self) -> None:
        """Ask again."""
        self.load()

    @work(exclusive=True, group="load")
    async def load(self) -> None:
        """Ask the store, and keep what it answers."""
        late = self.set_timer(PATIENCE, self._say_loading)
        overview: Overview | None = None
        answer: tuple[Page] | Trouble
        try:
            store = await self.orgtui.store()
            self.asked_at = self.orgtui.revision = await self.orgtui.pulse()
            overview = await store.general.overview()
            answer = (await self.ask(store),)
        except OrgtuiError as error:
            answer = self.explain(error)
        late.stop()
        if self.whole:
            await self._paint_once(overview, answer)
        else:
            self._take(overview, answer)
        self.orgtui.warm()

    async def _paint_once(self, overview: Overview | None, answer: tuple[Page] | Trouble) -> None:
        """Take the answer with all that belongs to it, in one paint; of what stands already, only the section."""
        painted = self._held is None
        try:
            if painted:
                self._hold()
            self._patience.stop()
            self._take(overview, answer)
            await self.complete()
            await self._lay_out()
        finally:
            self.whole = False
            self._release()
        for part in self.query("#masthead, #body, #foot") if painted else (self,):
            part.refresh()

    def _take(self, overview: Overview | None, answer: tuple[Page] | Trouble) -> None:
        with self.app.batch_update():
            if overview is not None:
                self.orgtui.overview = overview
            if isinstance(answer, Trouble):
                self.trouble = answer
            else:
                self.trouble, (self.page,) = None, answer
                self.updated = self.orgtui.clock()

    def _say_loading(self) -> None:
        self.trouble = Trouble("loading", f"Loading {self.awaited}…", f"from {self.orgtui.label} storage")

    @property
    def awaited(self) -> str:
        """What the question is about, in a word."""
        return self.title_text

    async def complete(self) -> None:
        """What belongs to the first paint, where it is held back, and else may follow it."""

    def _hold(self) -> None:
        """Keep the first paint back for an answer that comes at once: then it is the only one."""
        batch = self.app.batch_update()
        batch.__enter__()
        self._held = batch
        self._patience = self.set_timer(PATIENCE, self._release)

    async def _lay_out(self) -> None:
        """Find every widget's place while nothing is painted, and let each take in its size."""
        for _ in range(2):
            self._refresh_layout()
            for _ in range(8):
                await asyncio.sleep(0)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.__exit__(None, None, None)

    def explain(self, error: OrgtuiError) -> Trouble:
        """The trouble as it stands on the screen: what happened, what was kept, the key that tries again."""
        if isinstance(error, Forbidden):
            return Trouble(
                "forbidden", "Not for your role", error.message, "An owner can do this, or give you the role."
            )
        if isinstance(error, Unauthenticated):
            again = "Then leave with q, and start again."
            return Trouble("forbidden", "You are not logged in", error.message, again)
        if self.orgtui.lost:
            known = f"Below is what was known at {self.updated}. " if self.page is not None else ""
            tried = f"{known}It is tried again by itself; until then nothing can be changed."
            return Trouble("failed", f"{self.title_text} could not be read", error.message, tried, retry=True)
        kept = "Below is what was last known. Nothing was changed." if self.page is not None else "Nothing was changed."
        again = f"{kept} Press r to try again."
        return Trouble("failed", f"{self.title_text} could not be read", error.message, again, retry=True)

    def tell_lost(self, error: OrgtuiError) -> None:
        """The store is gone; what stands here may be old from now on."""
        told = self.explain(error)
        if told != self.trouble and self.page is not None:
            self.trouble = told

    def carry_out(
        self, question: Callable[[Store], Awaitable[Any]], said: str, then: Callable[[], None] | None = None
    ) -> None:
        """Have the store do one thing, say how it went, and read again; *then* comes instead where it went well."""
        self.run_worker(self._carry_out(question, said, then))

    async def _carry_out(
        self, question: Callable[[Store], Awaitable[Any]], said: str, then: Callable[[], None] | None
    ) -> None:
        try:
            await question(await self.orgtui.store())
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
        else:
            if then:
                then()
                return
            self.notify(said)
        self.load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What works on the answer waits for one."""
        return self.page is not None or action not in self.NEEDS_ANSWER

    def hint(self, action: str) -> str | None:
        """What the footer calls an action now; naming one shows it there."""
        again = self.trouble is not None and self.trouble.retry
        return "Try again" if action == "refresh_section" and again else None

    def watch_trouble(self, trouble: Trouble | None) -> None:
        """Show it where the section has its note; what is old is dim."""
        for note in self.query(Note):
            note.trouble = trouble
        stale = trouble is not None and trouble.kind != "empty" and self.page is not None
        for stats in self.query(StatsBar):
            stats.stale = stale
        self.set_class(stale, "-stale")
        self.refresh_bindings()

    def watch_page(self, page: Page | None) -> None:
        """Render the answer and its time."""
        if page is None:
            return
        for content in self.query(".content"):
            content.display = True
        self.show(page)
        self.refresh_bindings()

    def watch_updated(self, updated: str) -> None:
        """The foot says since when the figures stand."""
        self.query_one(Foot).updated = updated
