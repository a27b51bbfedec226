"""The real program as a user starts it: its own process, its own terminal, a demo of its own."""

from __future__ import annotations

from pathlib import Path

from tests.ptyharness import Terminal

DEMO = ("-m", "orgtui", "demo")
SECTIONS = ("General", "Team", "Usage & Analytics", "Billing", "API Keys", "Workspaces")
SSH = {"SSH_CONNECTION": "10.0.0.1 50000 10.0.0.2 22"}


def home(folder: Path, cache: Path, config: str = "") -> dict[str, str]:
    """An environment with a config file of its own, and the demo that is kept in *cache* instead of another one."""
    for name in ("config", "cache"):
        (folder / name).mkdir(parents=True)
    (folder / "cache" / "orgtui").symlink_to(cache)
    if config:
        (folder / "config" / "orgtui").mkdir()
        (folder / "config" / "orgtui" / "config.toml").write_text(config)
    return {
        "XDG_CONFIG_HOME": f"{folder}/config",
        "XDG_CACHE_HOME": f"{folder}/cache",
        "XDG_DATA_HOME": f"{folder}/data",
    }


def sent(terminal: Terminal, *keys: str, silence: float = 0.2) -> int:
    """How many bytes came for these keys, until it was quiet."""
    before = len(terminal.raw)
    terminal.send(*keys)
    terminal.quiet(silence)
    return len(terminal.raw) - before


def press(terminal: Terminal, *keys: str) -> None:
    """One key after the other, each answered before the next; a key that changes nothing costs a moment."""
    for key in keys:
        terminal.quiet(0.02)
        terminal.send(key)
        terminal.read(0.5)
        # An escape is known to stand alone only when nothing follows it for a tenth of a second.
        terminal.quiet(0.3 if key == "escape" else 0.05)


def title(terminal: Terminal) -> str:
    """The section's name in the first row, at every width."""
    return terminal.text.split("\n", 1)[0].replace("›", "│").partition("│")[2].strip()
