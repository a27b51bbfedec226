"""Add or replace a provider key: masked, looked at before it is sent, asked about before it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Static

from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.provider_keys import shape
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.secret import Secret
from orgtui.store.contract.api_keys import ProviderKey
from orgtui.themes import Ink
from orgtui.widgets.secret_input import SecretInput

if TYPE_CHECKING:
    from orgtui.app import OrgTui


class KeyDialog(Dialog[str]):
    """Answers a sentence about what became of the key."""

    def __init__(self, key: ProviderKey) -> None:
        super().__init__()
        self._key = key
        self._busy = False

    def heading(self) -> str:
        """Whose key."""
        return f"{'Replace' if self._key.id else 'Add'} {self._key.name} key"

    def compose_dialog(self) -> ComposeResult:
        """The field, what is said of it, and what happens with it."""
        yield Static("API key", markup=False, classes="caption")
        yield SecretInput(id="secret", placeholder="Paste it; it is not shown")
        yield Static("", id="said", markup=False)
        told = f"{self._key.name} is asked once whether it is valid, with a request that costs nothing."
        kept = f" Until the new one is accepted, {self._key.hint} stays." if self._key.id else ""
        yield Static(told + kept, markup=False, classes="aside", id="promise")

    def buttons(self) -> ComposeResult:
        """Cancel, or add."""
        yield from super().buttons()
        yield Button("Store untested", id="unchecked", action="screen.unchecked").add_class("-hidden")
        yield Button(
            "Replace" if self._key.id else "Add Key", variant="primary", id="add", action="screen.add", disabled=True
        )

    def on_mount(self) -> None:
        """Into the field."""
        self.query_one(SecretInput).focus()

    @on(SecretInput.Changed)
    def _judge(self) -> None:
        text = self.query_one(SecretInput).value
        self.query_one("#add", Button).disabled = not text or self._busy
        self.query_one("#unchecked").add_class("-hidden")
        if not text:
            self._say("")
            return
        try:
            found = shape(self._key.provider, text)
        except Invalid as error:
            self._say(error.message, "err")
            self.query_one("#add", Button).disabled = True
        else:
            self._say(" ".join(found.warnings), "warn")

    def _say(self, words: str, tone: str = "dim") -> None:
        ink = Ink.of(self.app)
        mark = {"err": "✗ ", "warn": "! ", "dim": ""}[tone] if words else ""
        self.query_one("#said", Static).update(Content.assemble((mark + words, getattr(ink, tone))))

    @on(SecretInput.Submitted)
    def action_add(self) -> None:
        """Ask the provider, then keep it."""
        if not self._busy and not self.query_one("#add", Button).disabled:
            self._keep(unchecked=False)

    def action_unchecked(self) -> None:
        """Keep it without an answer of the provider."""
        if not self._busy:
            self._keep(unchecked=True)

    @work
    async def _keep(self, *, unchecked: bool) -> None:
        app, field = cast("OrgTui", self.app), self.query_one(SecretInput)
        self._busy = True
        self.query_one("#add", Button).disabled = True
        self._say("Keeping it…" if unchecked else f"Asking {self._key.name}…")
        try:
            service = await app.key_service()
            keep = service.replace if self._key.id else service.add
            kept = await keep(self._key.provider, Secret(field.value), unchecked=unchecked)
        except OrgtuiError as error:
            self._say(error.message, "err")
            self.query_one("#unchecked").remove_class("-hidden")
        else:
            field.clear()
            self.dismiss(kept.words)
        finally:
            self._busy = False
            if self.is_attached:
                self.query_one("#add", Button).disabled = not field.value
