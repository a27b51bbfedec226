"""The application: six sections as modes over one store, themes, and what every screen needs from above."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from textual import work
from textual.binding import Binding
from textual.reactive import reactive
from textual.screen import Screen

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import NotFound, OrgtuiError, StoreRefused, Unauthenticated, Unreachable
from orgtui.domain.months import zone_or_utc
from orgtui.settings import Arrival, Settings
from orgtui.terminal import SafeApp
from orgtui.themes import THEMES
from orgtui.tty import Profile
from orgtui.widgets.frame import SECTIONS, TITLES

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments
    from orgtui.key_tests import KeyTests
    from orgtui.mail import Mailer
    from orgtui.store.contract import Store
    from orgtui.store.contract.general import Overview


@dataclass(frozen=True, slots=True)
class Outbox:
    """How invitations leave: by mail, where there is a `mailer`; `arrival` is how one comes in by them."""

    mailer: Mailer | None = None
    arrival: Arrival = field(default_factory=Arrival)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open store and how to let go of it."""

    store: Store
    close: Callable[[], None]
    outbox: Outbox = Outbox()
    keys: Callable[[], KeyTests] | None = None
    billing: Callable[[], Payments] | None = None


# Seconds after the first figures: not while somebody waits for something.
_PRESENCE = 3.0
# Seconds between two looks for changes, at a file and at a server; and for an answer. Whoever looks at a screen is told
# within five that its server is gone.
_LOOK, _LOOK_FAR, _PULSE = 5.0, 2.0, 2.5


def _section(name: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        screen: Screen[Any] = import_module(f"orgtui.screens.{name}").SCREEN()
        return screen

    return make


class OrgTui(SafeApp[None]):
    """The screens of one organization. `connect` may block: it runs in a thread, after the first frame."""

    CSS_PATH = "styles.tcss"
    TITLE = "orgtui"
    ENABLE_COMMAND_PALETTE = False
    MODES = {name: _section(name) for name in TITLES}
    DEFAULT_MODE = "general"
    HORIZONTAL_BREAKPOINTS = [(0, "-small"), (80, "-medium"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (24, "-short"), (30, "-tall")]
    BINDINGS = [
        *(
            Binding(str(number), f"section('{name}')", title, id=f"app.{name}", show=False)
            for number, (name, title) in enumerate(SECTIONS.items(), 1)
        ),
        Binding("9", "section('access')", "Access", id="app.access", show=False),
        Binding("0", "section('audit')", "Audit Log", id="app.audit", show=False),
        Binding("question_mark", "help", "Help", id="app.help", key_display="?"),
        Binding("ctrl+p", "palette", "Commands", id="app.palette"),
        Binding("q", "quit", "Quit", id="app.quit", show=False),
    ]

    overview: reactive[Overview | None] = reactive(None, init=False, repaint=False)

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        settings: Settings,
        profile: Profile,
        ambient: Ambient,
        section: str = "general",
        label: str = "local",
    ) -> None:
        self._connect = connect
        self.settings, self.ambient = settings, ambient
        self.label = label
        # Textual opens this mode's screen first, and no other.
        self.__dict__["DEFAULT_MODE"] = section
        self._connected: asyncio.Future[Connection] | None = None
        self._billing: asyncio.Future[Payments] | None = None
        self.revision: int | None = None
        # Whether the store did not answer when it was last asked, or knows us no more. Then only a person asks again:
        # where a wrong token is tried too often, a server takes no new one either.
        self.lost = self.barred = False
        self._warm = False
        super().__init__(profile)
        for theme in THEMES.values():
            self.register_theme(theme)
        # Before anything is parsed: a theme set later has all style sheets parsed a second time.
        self.set_reactive(OrgTui.theme, profile.theme_for(settings.theme))
        self.stylesheet.set_variables(self.get_css_variables())
        self._styled_for = self.theme

    def on_mount(self) -> None:
        """The first frame now, the store after it."""
        self.set_keymap(dict(self.settings.keys))
        usual = _LOOK_FAR if self.settings.server else _LOOK
        self.set_interval(self.settings.refresh_seconds or usual, self._look_for_changes)

    def get_key_display(self, binding: Binding) -> str:
        """Keys as the look writes them."""
        return super().get_key_display(binding).replace("⏎", "↵")

    def refresh_css(self, animate: bool = True) -> None:
        """Parse again for another theme; Textual also asks at the start, for the one it has."""
        if self._styled_for != self.theme:
            self._styled_for = self.theme
            super().refresh_css(animate)

    # The store.

    @property
    def connected(self) -> bool:
        """Whether the store is open."""
        return self._connected is not None and self._connected.done()

    @property
    def outbox(self) -> Outbox:
        """How invitations leave."""
        return self._connected.result().outbox if self._connected and self._connected.done() else Outbox()

    async def key_service(self) -> KeyTests:
        """What adds and tests provider keys; raises OrgtuiError where there is none."""
        await self.store()
        make = self._connected.result().keys if self._connected else None
        if make is None:
            raise OrgtuiError("Keys cannot be checked here.")
        # What it needs is imported only now, and not on the event loop.
        return await asyncio.to_thread(make)

    async def billing_service(self) -> Payments:
        """What talks to the payment provider; raises OrgtuiError where there is none."""
        await self.store()
        make = self._connected.result().billing if self._connected else None
        if make is None:
            raise OrgtuiError("Nothing can be paid here.")
        if self._billing is None:
            self._billing = asyncio.ensure_future(asyncio.to_thread(make))
        try:
            return await asyncio.shield(self._billing)
        except OrgtuiError:
            self._billing = None
            raise

    async def store(self) -> Store:
        """The open store; raises OrgtuiError when it cannot be opened now."""
        if self._connected is None:
            self._connected = asyncio.ensure_future(asyncio.to_thread(self._connect))
        try:
            return (await asyncio.shield(self._connected)).store
        except (NotFound, StoreRefused) as error:
            self.exit(return_code=error.exit_code, message=f"orgtui: {error.message}")
            raise
        except OrgtuiError:
            self._connected = None
            raise

    def warm(self) -> None:
        """Import the other sections while nobody waits for them."""
        if not self._warm:
            self._warm = True
            self.run_worker(self._import_sections, thread=True, group="warm")
            self.set_timer(_PRESENCE, self._note_presence)

    @work(group="presence")
    async def _note_presence(self) -> None:
        """Others see who was here last. Where that cannot be kept, as on a read-only disk, nothing else is lost."""
        with suppress(OrgtuiError):
            await (await self.store()).team.present()

    def _import_sections(self) -> None:
        for name in TITLES:
            import_module(f"orgtui.screens.{name}")
        from orgtui.keys import unknown

        for wrong in unknown(self.settings.keys):
            self.call_from_thread(self.notify, wrong, title="config.toml", severity="warning", timeout=15)

    def clock(self, moment: datetime | None = None) -> str:
        """`14:02 CET`: a moment, now unless said, in the organization's timezone."""
        name = self.overview.timezone if self.overview else "UTC"
        return f"{(moment or self.ambient.now()).astimezone(zone_or_utc(name)):%H:%M %Z}"

    async def pulse(self) -> int:
        """The revision; whether the store answers at all is known from then on."""
        try:
            found = await (await self.store()).general.revision()
        except OrgtuiError as error:
            self.lost, self.barred = isinstance(error, Unreachable), isinstance(error, Unauthenticated)
            raise
        self.lost = self.barred = False
        return found

    async def _look_for_changes(self) -> None:
        """Show by itself what somebody else changed, and whether the store is there; nothing while nobody looks."""
        if not self.app_focus or not self.connected or self.barred:
            return
        was_lost, before = self.lost, self.revision
        try:
            self.revision = await asyncio.wait_for(self.pulse(), _PULSE)
        except (Unreachable, TimeoutError) as error:
            self.lost = True
            self._tell_lost(error if isinstance(error, Unreachable) else Unreachable(f"{self.label} does not answer."))
            return
        except OrgtuiError:
            # Whatever else is wrong is told by the section itself, which is asked once.
            self.revision = None
        if (was_lost or self.revision != before) and hasattr(self.screen, "action_refresh_section"):
            self.screen.action_refresh_section()

    def _tell_lost(self, error: Unreachable) -> None:
        for screen in self.screen_stack:
            if hasattr(screen, "tell_lost"):
                screen.tell_lost(error)

    async def on_unmount(self) -> None:
        """Let the last write finish, then let go."""
        if self._connected and self._connected.done() and not self._connected.exception():
            try:
                await asyncio.to_thread(self._connected.result().close)
            except OrgtuiError as error:
                self.exit(return_code=error.exit_code, message=f"orgtui: {error.message}")

    # Actions.

    async def action_section(self, section: str) -> None:
        """Go to a section; what is unsaved in this one is asked about first."""
        if section == self.current_mode:
            return
        if getattr(self.screen, "unsaved", None):
            self._leave(lambda: self.switch_mode(section))
        else:
            # Awaited, so that keys typed ahead are for the section they were meant for.
            await self.switch_mode(section)

    async def action_quit(self) -> None:
        """End, unless something unsaved is to be kept."""
        if any(getattr(screen, "unsaved", None) for screen in self.screen_stack):
            while len(self.screen_stack) > 1:
                await self.pop_screen()
            self._leave(self.exit)
        else:
            self.exit()

    @work
    async def _leave(self, leave: Callable[[], object]) -> None:
        screen: Any = self.screen
        if await screen.settle_unsaved():
            leave()

    def action_wear(self, theme: str) -> None:
        """Another theme, until the end of this run."""
        self.theme = theme

    async def action_help(self) -> None:
        """Keys and words of what has focus."""
        from orgtui.screens.dialogs.help import Help

        await self.push_screen(Help(self.screen))

    async def action_palette(self) -> None:
        """Everything that can be done from here."""
        from orgtui.screens.dialogs.palette import Palette

        await self.push_screen(Palette(self.screen))
