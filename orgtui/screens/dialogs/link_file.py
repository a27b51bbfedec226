"""Write a payment link, or its QR code as a picture, to a file: for where a terminal has no clipboard."""

from __future__ import annotations

from typing import BinaryIO

from orgtui.screens.dialogs.file_dialog import FileDialog


class LinkFileDialog(FileDialog):
    """The link as .txt, its QR code as .svg or .png."""

    HEADING = "Write the link to a file"
    ENDINGS = (".txt", ".svg", ".png")

    def __init__(self, name: str, link: str) -> None:
        super().__init__(f"{name}.txt")
        self._link = link

    @property
    def hint(self) -> str:
        """What each ending means."""
        return "The link as .txt, or its QR code as .svg or .png; for your eyes only (0600)."

    def written(self, path: str) -> str:
        """Where it is."""
        return f"Written to {path}."

    def fill(self, out: BinaryIO, ending: str) -> None:
        """Link or picture."""
        from orgtui.qr import image

        out.write(f"{self._link}\n".encode() if ending == ".txt" else image(self._link, ending))
