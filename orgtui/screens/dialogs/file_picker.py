"""Choose a file on the machine orgtui runs on: type its path, or walk there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog

_MOST = 2_000


class FilePicker(Dialog[Path]):
    """Answers the chosen file's path."""

    def __init__(self, start: Path, heading: str, hint: str) -> None:
        super().__init__()
        self._folder, self._heading, self._hint = start, heading, hint
        self._entries: list[Path] = []

    def heading(self) -> str:
        """What the file is for."""
        return self._heading

    def compose_dialog(self) -> ComposeResult:
        """A path field over a list."""
        yield Static(self._hint, markup=False, classes="aside")
        yield Input(id="path", placeholder="Path of the file, or walk below")
        yield Static("", id="folder", markup=False, classes="aside")
        yield OptionList(id="entries", markup=False)

    def buttons(self) -> ComposeResult:
        """Cancel, or take the path."""
        yield from super().buttons()
        yield Button("Upload", variant="primary", id="take", action="screen.take")

    def on_mount(self) -> None:
        """Begin where the program was started."""
        self.query_one(Input).focus()
        self.list_folder(self._folder)

    @work(thread=True, exclusive=True)
    def list_folder(self, folder: Path) -> None:
        """Read a folder off the event loop: it may be on a slow disk."""
        try:
            folder = folder.resolve()
            found = sorted(folder.iterdir(), key=lambda path: (not path.is_dir(), path.name.casefold()))
        except OSError as error:
            self.app.call_from_thread(self._say, f"{folder} cannot be read: {error.strerror}.")
            return
        shown = [path for path in found if not path.name.startswith(".")][:_MOST]
        self.app.call_from_thread(self._listed, folder, shown)

    def _say(self, words: str) -> None:
        self.query_one("#folder", Static).update(clean(words))

    def _listed(self, folder: Path, found: list[Path]) -> None:
        self._folder, self._entries = folder, [folder.parent, *found]
        self._say(str(folder))
        entries = self.query_one(OptionList)
        entries.clear_options()
        names = ["../", *(f"{clean(path.name)}{'/' if path.is_dir() else ''}" for path in found)]
        entries.add_options([Option(name) for name in names])

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.choose(str(self._entries[event.option_index]))

    @on(Input.Submitted)
    def action_take(self) -> None:
        """Take the typed path."""
        typed = self.query_one(Input).value.strip()
        if not typed:
            self._say("Type a path, or choose a file below.")
            return
        self.choose(typed)

    @work(exclusive=True)
    async def choose(self, typed: str) -> None:
        """Take a file, or go into a folder; both are looked at off the event loop."""
        try:
            path, is_folder = await asyncio.to_thread(self._resolved, typed)
        except (OSError, ValueError, RuntimeError) as error:
            self._say(f"This cannot be opened: {getattr(error, 'strerror', None) or error}.")
            return
        if is_folder:
            self.list_folder(path)
        else:
            self.dismiss(path)

    def _resolved(self, typed: str) -> tuple[Path, bool]:
        path = Path(typed).expanduser()
        path = path if path.is_absolute() else self._folder / path
        return path, path.is_dir()
