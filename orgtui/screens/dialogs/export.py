"""Write what is on the screen to a file on the machine orgtui runs on."""

from __future__ import annotations

from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, BinaryIO

from orgtui.screens.dialogs.file_dialog import FileDialog


class ExportDialog(FileDialog):
    """Rows, as .csv or .json."""

    HEADING = "Export"
    ENDINGS = (".csv", ".json")
    BUTTON = "Export"

    def __init__(self, name: str, rows: Sequence[Any]) -> None:
        super().__init__(f"{name}.csv")
        self._rows = rows

    @property
    def hint(self) -> str:
        """How many."""
        return f"{len(self._rows):,} rows, as .csv or .json"

    def written(self, path: str) -> str:
        """Where they are."""
        return f"Exported {len(self._rows):,} rows to {path}."

    def fill(self, out: BinaryIO, ending: str) -> None:
        """As the command line writes them."""
        import json

        from orgtui.cli.output import csv_columns, jsonable, write_csv

        text = TextIOWrapper(out, encoding="utf-8", newline="")
        if ending == ".json":
            json.dump(jsonable(tuple(self._rows)), text, ensure_ascii=False, indent=2)
        elif self._rows:
            first = self._rows[0]
            write_csv(self._rows, list(first) if isinstance(first, dict) else csv_columns(type(first)), text)
        text.flush()
        text.detach()
