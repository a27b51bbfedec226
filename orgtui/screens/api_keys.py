"""The API Keys section: the organization's own keys of the five providers, and what they do for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.figures import ago
from orgtui.domain.months import zone_or_utc
from orgtui.screens.dialogs.menu import Entry
from orgtui.screens.section import SectionScreen
from orgtui.store.contract.api_keys import KeysPage, ProviderKey
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.frame import Masthead, Rule
from orgtui.widgets.note import Note
from orgtui.widgets.provider_list import ProviderList, ProviderRow

if TYPE_CHECKING:
    from orgtui.store.contract import Store

# Status of a key by what its last check found: mark, tone, words, and whether it is a trouble.
_VERDICTS = {
    "invalid": ("✗", "err", "Key rejected", True),
    "no_quota": ("●", "warn", "No quota", True),
    "not_allowed": ("●", "warn", "Not allowed", True),
}
_CONNECTED = ("●", "ok", "Connected", False)
_UNTESTED = {
    "untested": "not tested yet",
    "rate_limited": "not tested: rate-limited",
    "provider_down": "not tested: provider down",
    "no_network": "not tested: no network",
    "unexpected": "not tested: strange answer",
}


class _Words(Canvas):
    """What the section is about, and what it promises."""

    def __init__(self, *lines: tuple[str, str], id: str) -> None:
        super().__init__(id=id)
        self._lines = lines

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """As many lines as the words need."""
        return len(self._wrapped(width, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The words."""
        return [fitted(line, width) for line in self._wrapped(width, ink)][:height]

    def _wrapped(self, width: int, ink: Ink) -> list[Content]:
        # Where it is low, what the section is about is told by what stands in it.
        told = self._lines[:1] if self.screen.has_class("-tiny") else self._lines
        parts = [Content.assemble((first, ink.text), (rest, ink.dim)) for first, rest in told]
        return [line for part in parts for line in part.wrap(max(width, 20))]


class _Promise(_Words):
    def _wrapped(self, width: int, ink: Ink) -> list[Content]:
        (bold, rest) = self._lines[0]
        return list(Content.assemble((bold, ink.heading), (rest, ink.dim)).wrap(max(width, 20)))


class ApiKeysScreen(SectionScreen["KeysPage"]):
    """What keys are for, one row a provider, and the promise about them."""

    SECTION = "api_keys"
    NEEDS_ANSWER = frozenset({"add", "menu", "verify"})
    BINDINGS = [
        Binding("n", "add", "Add Key", id="keys.add"),
        Binding("m,full_stop", "menu", "Menu", id="keys.menu"),
        Binding("v", "verify", "Verify", id="keys.verify"),
        Binding("escape", "leave_list", "Leave the list", id="keys.leave-list", show=False),
    ]
    HELP = "Your own keys of the model providers. n adds one for the selected provider, v asks the provider about it."

    def compose_section(self) -> ComposeResult:
        """Words, rows, words."""
        yield _Words(
            ("Your own keys are used directly and consume no AI credits.", ""),
            ("", "You pay the providers at their rates. Shared across all workspaces."),
            id="about-keys",
        )
        yield Rule(id="keys-rule")
        yield Note()
        yield ProviderList(id="providers")
        yield _Promise(
            (
                "Your keys are secure. ",
                "Encrypted with AES-256 and stored securely; never shared with third parties or used for anything but "
                "API calls on your behalf.",
            ),
            id="promise",
        )

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self.query_one("#providers").display = False

    # The question and its answer.

    async def ask(self, store: Store) -> KeysPage:
        """All five."""
        return await store.api_keys.show()

    def show(self, page: KeysPage) -> None:
        """A row each."""
        providers = self.query_one(ProviderList)
        providers.display = True
        now, zone = self.orgtui.ambient.now(), zone_or_utc(page.timezone)
        short = not self.has_class("-wide")
        providers.rows = tuple(_row(key, now, zone, short=short) for key in page.providers)
        providers.airy = self.has_class("-tall")
        said = f"{page.connected} of {len(page.providers)} connected"
        self.query_one(Masthead).corner = Content.assemble((said, Ink.of(self.app).dim))

    def on_resize(self) -> None:
        """Shorter words where it is narrow."""
        if self.page is not None:
            self.show(self.page)

    @property
    def selected(self) -> ProviderKey:
        """The provider the cursor is on."""
        key: ProviderKey = self.page.providers[self.query_one(ProviderList).selected]
        return key

    def action_enter_section(self) -> None:
        """Into the list."""
        self.query_one(ProviderList).focus()

    def action_leave_list(self) -> None:
        """Back to the sidebar."""
        self.query_one("Sidebar").focus()

    # What is done.

    @on(ProviderList.Pressed)
    def action_add(self) -> None:
        """A key for the selected provider, instead of the one that is there."""
        self.do_add(self.selected)

    def _changed(self, said: str | None) -> None:
        if said:
            self.notify(said)
            self.load()

    async def action_menu(self) -> None:
        """What can be done with the selected provider."""
        from orgtui.screens.dialogs.menu import Menu

        key = self.selected

        def go(action: str | None) -> None:
            if action:
                getattr(self, f"do_{action}")(key)

        await self.app.push_screen(Menu(key.name, entries(key)), go)

    def action_verify(self) -> None:
        """Ask the provider about its key."""
        if self.selected.id is None:
            self.notify(f"{self.selected.name} has no key yet; n adds one.")
        else:
            self.do_verify(self.selected)

    @work(exclusive=True, group="verify")
    async def do_verify(self, key: ProviderKey) -> None:
        """One harmless request to the provider."""
        self.notify(f"Asking {key.name}…")
        try:
            verdict = await (await self.orgtui.key_service()).test(key.provider)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
        else:
            self.notify(verdict.words, severity="information" if verdict.good else "warning", timeout=10)
        self.load()

    def do_add(self, key: ProviderKey) -> None:
        """As the button."""
        from orgtui.screens.dialogs.key import KeyDialog

        self.app.push_screen(KeyDialog(key), self._changed)

    def do_disable(self, key: ProviderKey) -> None:
        """Keep it, unused."""
        self.carry_out(
            lambda store: store.api_keys.set_enabled(key.provider, False), f"The {key.name} key is not used now."
        )

    def do_enable(self, key: ProviderKey) -> None:
        """Use it again."""
        self.carry_out(
            lambda store: store.api_keys.set_enabled(key.provider, True), f"The {key.name} key is used again."
        )

    def do_never(self, key: ProviderKey) -> None:
        """Credits never pay for this provider's calls."""
        said = f"{key.name} calls never fall back to credits: without a working key they are refused."
        self.carry_out(lambda store: store.api_keys.set_fallback(key.provider, True), said)

    def do_allow(self, key: ProviderKey) -> None:
        """Credits pay where no key can."""
        said = f"{key.name} calls use credits where no key can be used."
        self.carry_out(lambda store: store.api_keys.set_fallback(key.provider, False), said)

    def do_remove(self, key: ProviderKey) -> None:
        """Delete it, after a question."""
        from orgtui.screens.dialogs.confirm import ConfirmDialog

        def answered(yes: bool | None) -> None:
            if yes:
                self.carry_out(lambda store: store.api_keys.remove(key.provider), f"The {key.name} key is deleted.")

        after = "Its calls are then refused." if key.never_fall_back else "Its calls then use AI credits."
        lines = [f"{key.hint} is gone for good; the provider still knows it. {after}"]
        self.app.push_screen(ConfirmDialog(f"Delete the {key.name} key", lines, "Delete", danger=True), answered)


def entries(key: ProviderKey) -> list[Entry]:
    """What can be done with a provider, and why not the rest."""
    none = "" if key.id else "There is no key yet."
    switch = Entry("allow", "Let calls fall back to credits") if key.never_fall_back else None
    return [
        Entry("add", "Replace key…" if key.id else "+ Add Key"),
        Entry("verify", "Verify with the provider", none),
        Entry("enable", "Use the key again") if key.id and not key.enabled else Entry("disable", "Do not use it", none),
        switch or Entry("never", "Never fall back to credits"),
        Entry("remove", "Delete key", none, danger=True),
    ]


def _row(key: ProviderKey, now: datetime, zone: ZoneInfo, *, short: bool) -> ProviderRow:
    if key.id is None:
        told = "calls are refused: never falls back to credits" if key.never_fall_back else "uses AI credits"
        return ProviderRow(
            key.provider, key.name, key.description, "○", "dim", "Not connected", "", told, False, "+ Add Key"
        )
    mark, tone, status, bad = _VERDICTS.get(key.verdict or "", _CONNECTED)
    if not key.enabled:
        mark, tone, status = "○", "dim", "Disabled"
    details = _trouble(key, zone) if bad else _details(key, now, zone, short=short)
    return ProviderRow(
        key.provider, key.name, key.description, mark, tone, status, key.hint or "", details, bad, "Replace"
    )


def _trouble(key: ProviderKey, zone: ZoneInfo) -> str:
    since = f" · {key.checked.astimezone(zone):%-d %b %Y, %H:%M %Z}" if key.checked else ""
    return f"{key.note or 'The provider refuses it'}{since}"


def _details(key: ProviderKey, now: datetime, zone: ZoneInfo, *, short: bool) -> str:
    """What is out of the ordinary first: the end is cut where it is narrow."""
    told = []
    if not key.enabled:
        told.append("calls are refused" if key.never_fall_back else "calls use credits")
    elif untested := _UNTESTED.get(key.verdict or ""):
        told.append(untested)
    elif key.never_fall_back:
        told.append("never falls back")
    by = "" if short or not key.added_by else f" by {key.added_by}"
    told += [f"added {key.added.astimezone(zone):%-d %b %Y}{by}"] if key.added else []
    told.append(f"used {ago(key.last_used, now, zone)}" if key.last_used else "not used yet")
    return " · ".join(told)


SCREEN = ApiKeysScreen
