"""One change of the audit log, whole: who, when, what, before and after."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Static

from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.audit import AuditEntry
from orgtui.themes import Ink


class EntryDialog(Dialog[None]):
    """Nothing is changed here."""

    def __init__(self, entry: AuditEntry, zone: ZoneInfo) -> None:
        super().__init__()
        self._entry, self._zone = entry, zone

    def heading(self) -> str:
        """The operation, and its number in the log."""
        return f"{clean(self._entry.operation)} · {self._entry.seq:,}"

    def compose_dialog(self) -> ComposeResult:
        """Facts, then each value before and after."""
        entry, ink = self._entry, Ink.of(self.app)
        facts = (
            ("When", f"{entry.at.astimezone(self._zone):%-d %b %Y, %H:%M:%S %Z}"),
            ("Who", f"{clean(entry.actor)}, {clean(entry.role)}"),
            ("Subject", clean(entry.subject)),
        )
        lines = [Content.assemble((label.ljust(10), ink.dim), (value, ink.text)) for label, value in facts]
        yield Static(Content("\n").join(lines), classes="line")
        for name, old, new in changes(entry.before, entry.after):
            yield Static(
                Content("\n").join(
                    [
                        Content.assemble((name or "value", ink.heading)),
                        Content.assemble(("before    ", ink.dim), (old, ink.text)),
                        Content.assemble(("after     ", ink.dim), (new, ink.strong)),
                    ]
                ),
                classes="line",
            )

    def buttons(self) -> ComposeResult:
        """Only one way to go."""
        yield Button("Close", id="cancel", variant="primary", action="screen.cancel")

    def on_mount(self) -> None:
        """On the only button."""
        self.query_one(Button).focus()


def changes(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """Name, old and new value of each thing that changed; — where there was or is none."""
    old, new = _fields(before), _fields(after)
    names = list(dict.fromkeys([*old, *new]))
    return [(name, old.get(name, "—"), new.get(name, "—")) for name in names if old.get(name) != new.get(name)]


def _fields(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {"": _text(value)}
    return {clean(str(name)): _text(item) for name, item in value.items()}


def _text(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
