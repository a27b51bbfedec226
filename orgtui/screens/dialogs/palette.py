"""Everything that can be done from here, found by typing; each with its twin on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from orgtui.screens.dialogs.dialog import Dialog
from orgtui.screens.dialogs.help import gathered
from orgtui.themes import THEMES, Ink
from orgtui.widgets.canvas import spread
from orgtui.widgets.frame import TITLES

# Command-line twins by binding id.
TWINS = {
    "app.general": "orgtui general show",
    "app.team": "orgtui team list",
    "app.usage": "orgtui usage show",
    "app.access": "orgtui access list",
    "access.new": "orgtui access create NAME",
    "access.revoke": "orgtui access revoke TOKEN",
    "access.export": "orgtui access list --csv",
    "app.audit": "orgtui audit list",
    "general.save": "orgtui general set --name NAME --description TEXT",
    "general.upload-logo": "orgtui general logo PATH",
    "general.remove-logo": "orgtui general logo --remove",
    "general.delete": "orgtui general delete --confirm NAME",
    "team.invite": "orgtui team invite EMAIL…",
    "team.export": "orgtui team list --csv",
    "audit.export": "orgtui audit list --csv",
    "audit.verify": "orgtui audit verify",
    "usage.previous-month": "orgtui usage show --month YYYY-MM",
    "usage.next-month": "orgtui usage show --month YYYY-MM",
    "usage.pick-month": "orgtui usage show --month YYYY-MM",
    "usage.workspace": "orgtui usage show --workspace NAME",
    "app.api_keys": "orgtui keys list",
    "keys.add": "orgtui keys add PROVIDER --stdin",
    "keys.verify": "orgtui keys test PROVIDER",
    "app.billing": "orgtui billing status",
    "plans.change": "orgtui billing change PLAN",
    "billing.manage": "orgtui billing portal",
    "billing.resume": "orgtui billing resume",
    "billing.keep": "orgtui billing change --keep",
    "billing.waiting": "orgtui billing purchases ID --wait",
    "pay.cancel": "orgtui billing purchases ID --cancel",
    "billing.cancel": "orgtui billing cancel",
    "billing.purchase": "orgtui billing buy AMOUNT",
    "packages.buy": "orgtui billing buy AMOUNT",
    "billing.export": "orgtui billing purchases --csv",
    "billing.ledger": "orgtui billing ledger",
    "ledger.export": "orgtui billing ledger --csv",
    "billing.reconcile": "orgtui billing reconcile",
    "app.workspaces": "orgtui workspaces list",
    "workspaces.new": "orgtui workspaces create NAME",
    "workspaces.archived": "orgtui workspaces list --archived",
    "workspace.archive": "orgtui workspaces archive NAME",
    "workspace.delete": "orgtui workspaces delete NAME --confirm NAME",
    "workspace.members": "orgtui workspaces members NAME",
    "usage.export": "orgtui usage export --month YYYY-MM",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    words: str
    keys: str
    twin: str
    action: str
    node: DOMNode


class Palette(Dialog[None]):
    """Filter as you type, enter does it; y, with the list in focus, copies the command-line twin."""

    HEADING = "Commands"
    BINDINGS = [
        Binding("down", "step(1)", "Next", id="palette.next", show=False),
        Binding("up", "step(-1)", "Previous", id="palette.previous", show=False),
        Binding("y", "copy", "Copy the command", id="palette.copy"),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._entries = self._gather(below)
        self._shown: list[_Entry] = []

    @staticmethod
    def _gather(below: Screen[Any]) -> list[_Entry]:
        entries, taken = [], set()
        for keys, words, active in gathered(below):
            binding = active.binding
            if (binding.id or "").startswith(("sidebar.", "app.palette", "dialog.")) or words in taken:
                continue
            taken.add(words)
            words = f"Go to {words}" if words in TITLES.values() else words
            entries.append(_Entry(words, keys, TWINS.get(binding.id or "", ""), binding.action, active.node))
        app = below.app
        entries += [_Entry(f"Theme: {name}", "", "", f"app.wear('{name}')", app) for name in THEMES]
        return entries

    def compose_dialog(self) -> ComposeResult:
        """Field and list."""
        yield Input(id="filter", placeholder="Type to find a command")
        yield OptionList(id="commands", markup=False)
        yield Static("", id="twin", markup=False, classes="aside")

    def buttons(self) -> ComposeResult:
        """Copy, or close."""
        yield Button("Copy command", id="copy", action="screen.copy")
        yield Button("Close", id="cancel", action="screen.cancel")

    def on_mount(self) -> None:
        """All of them, before anything is typed."""
        self.query_one(Input).focus()
        # The keys stand at the right end of a width that is not known before.
        self.call_after_refresh(self._filter, "")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        self._shown = [
            entry for entry in self._entries if all(word in f"{entry.words} {entry.twin}".casefold() for word in words)
        ]
        commands = self.query_one(OptionList)
        ink, width = Ink.of(self.app), max(20, commands.size.width - 3)
        commands.clear_options()
        commands.add_options(
            [
                Option(spread(Content.assemble(entry.words), Content.assemble((entry.keys, ink.key)), width))
                for entry in self._shown
            ]
        )
        commands.highlighted = 0 if self._shown else None
        if not self._shown:
            self.query_one("#twin", Static).update("Nothing of that name here.")

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        twin = self._shown[event.option_index].twin if event.option_index < len(self._shown) else ""
        self.query_one("#twin", Static).update(f"$ {twin}" if twin else "only on the screen")

    def action_step(self, by: int) -> None:
        """Move in the list while typing."""
        commands = self.query_one(OptionList)
        if commands.highlighted is not None:
            commands.highlighted = max(0, min(len(self._shown) - 1, commands.highlighted + by))

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _do(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is None:
            return
        entry = self._shown[highlighted]
        app = self.app
        self.dismiss(None)
        app.call_later(app.run_action, entry.action, entry.node)

    def action_copy(self) -> None:
        """Copy the command-line twin."""
        highlighted = self.query_one(OptionList).highlighted
        twin = self._shown[highlighted].twin if highlighted is not None else ""
        if twin:
            self.app.copy_to_clipboard(twin)
            self.notify(f"Copied: {twin}")
        else:
            self.notify("This has no twin on the command line.")
