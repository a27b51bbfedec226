"""Where to write something to, on the machine orgtui runs on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Button, Input, Static

from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog


class FileDialog(Dialog[str]):
    """Answers a sentence about what was written; the ending of the name, one of `ENDINGS`, decides what that is."""

    ENDINGS: tuple[str, ...] = ()
    BUTTON = "Write"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._file = name

    @property
    def hint(self) -> str:
        """What is written, and as what."""
        raise NotImplementedError(type(self).__name__)

    def fill(self, out: BinaryIO, ending: str) -> None:
        """Write it; not on the event loop."""
        raise NotImplementedError(type(self).__name__)

    def written(self, path: str) -> str:
        """What is said afterwards."""
        raise NotImplementedError(type(self).__name__)

    def compose_dialog(self) -> ComposeResult:
        """The path."""
        yield Static(self.hint, markup=False, classes="aside")
        yield Input(str(Path.cwd() / self._file), id="path", select_on_focus=False)
        yield Static("", id="refused", markup=False)

    def buttons(self) -> ComposeResult:
        """Cancel, or write."""
        yield from super().buttons()
        yield Button(self.BUTTON, variant="primary", id="write", action="screen.write")

    def on_mount(self) -> None:
        """Into the field."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_write(self) -> None:
        """Write the file."""
        self.write(Path(self.query_one(Input).value.strip()).expanduser())

    @work(exclusive=True)
    async def write(self, path: Path) -> None:
        """Off the event loop; a file that is there already is left alone."""
        if path.suffix not in self.ENDINGS:
            first, last = ", ".join(self.ENDINGS[:-1]), self.ENDINGS[-1]
            self.query_one("#refused", Static).update(f"Let the name end in {first} or {last}.")
            return
        try:
            await asyncio.to_thread(self._write, path)
        except FileExistsError:
            self.query_one("#refused", Static).update("There is a file of that name already; choose another.")
        except OSError as error:
            self.query_one("#refused", Static).update(f"It cannot be written: {clean(error.strerror or '')}.")
        else:
            self.dismiss(self.written(clean(str(path))))

    def _write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as out:  # noqa: PTH123 (a descriptor, not a path)
            self.fill(out, path.suffix)
