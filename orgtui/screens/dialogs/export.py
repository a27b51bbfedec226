"""Write what is on the screen to a file on the machine orgtui runs on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Button, Input, Static

from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog


class ExportDialog(Dialog[str]):
    """Answers a sentence about what was written; the ending of the name, .csv or .json, decides the format."""

    HEADING = "Export"

    def __init__(self, name: str, rows: Sequence[Any]) -> None:
        super().__init__()
        self._name, self._rows = name, rows

    def compose_dialog(self) -> ComposeResult:
        """The path."""
        yield Static(f"{len(self._rows):,} rows, as .csv or .json", markup=False, classes="aside")
        yield Input(str(Path.cwd() / f"{self._name}.csv"), id="path", select_on_focus=False)
        yield Static("", id="refused", markup=False)

    def buttons(self) -> ComposeResult:
        """Cancel, or write."""
        yield from super().buttons()
        yield Button("Export", variant="primary", id="write", action="screen.write")

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
        if path.suffix not in (".csv", ".json"):
            self.query_one("#refused", Static).update("Let the name end in .csv or .json.")
            return
        try:
            await asyncio.to_thread(_write, path, self._rows)
        except FileExistsError:
            self.query_one("#refused", Static).update("There is a file of that name already; choose another.")
        except OSError as error:
            self.query_one("#refused", Static).update(f"It cannot be written: {clean(error.strerror or '')}.")
        else:
            self.dismiss(f"Exported {len(self._rows):,} rows to {clean(str(path))}.")


def _write(path: Path, rows: Sequence[Any]) -> None:
    import json

    from orgtui.cli.output import csv_columns, jsonable, write_csv

    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123 (a descriptor, not a path)
        if path.suffix == ".json":
            json.dump(jsonable(tuple(rows)), out, ensure_ascii=False, indent=2)
        elif rows:
            write_csv(rows, list(rows[0]) if isinstance(rows[0], dict) else csv_columns(type(rows[0])), out)
