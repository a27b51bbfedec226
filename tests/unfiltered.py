"""The program without its defence against hostile text, to prove that its absence is noticed."""

from __future__ import annotations

import sys
from typing import Any

from orgtui.domain import text


def unchanged(value: str) -> str:
    """Cleans nothing."""
    return value


def disarm() -> None:
    """Take cleaning away before anything imports it, then the filter before the terminal."""
    text.clean = text.clean_block = unchanged
    from orgtui import terminal

    def apply(self: object, segments: Any, background: object) -> Any:
        return segments

    terminal.TerminalFilter.apply = apply  # type: ignore[method-assign]


if __name__ == "__main__":
    disarm()
    from orgtui.__main__ import main

    sys.exit(main())
