"""What the launcher decides about the terminal before Textual, which reads its environment at import, is imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from orgtui.domain.errors import OrgtuiError

LOCAL_FPS, REMOTE_FPS = 60, 20
_TWIN = "the command line does the same: try `orgtui usage show`, or add --json"
# Names by which terminals say that they have more than sixteen colours, when COLORTERM did not survive the way here.
_TRUECOLOR = ("direct", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour", "rio")
# A status above this names the signal that ended the program.
_ENDED = 128
_held = False


class NoScreen(OrgtuiError):
    """There is no terminal on which screens could be drawn."""

    code: ClassVar[str] = "no_screen"
    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """How to draw on this terminal, unless the user chose otherwise; without colour the theme is no choice."""

    theme: str
    animations: str
    fps: int
    cursor_blink: bool
    remote: bool
    no_color: bool
    color_system: str

    def theme_for(self, chosen: str | None) -> str:
        """The theme to start with when the user's settings say *chosen*."""
        return self.theme if self.no_color or not chosen else chosen


def profile(environ: Mapping[str, str], *, interactive: bool | None = None) -> Profile:
    """The terminal's profile; raises NoScreen, with one line to print, where screens cannot be drawn."""
    if environ.get("TERM", "dumb") in ("dumb", ""):
        raise NoScreen(f"This terminal (TERM={environ.get('TERM') or 'unset'}) cannot show screens; {_TWIN}.")
    if not (_is_interactive() if interactive is None else interactive):
        raise NoScreen(f"Screens need a terminal for input, output and errors; {_TWIN}.")
    remote = bool(environ.get("SSH_CONNECTION"))
    no_color = bool(environ.get("NO_COLOR"))
    colors = _color_system(environ)
    return Profile(
        theme="ansi" if no_color or colors == "standard" else "dark",
        animations=environ.get("TEXTUAL_ANIMATIONS") or "none",
        fps=_chosen_fps(environ) or (REMOTE_FPS if remote else LOCAL_FPS),
        cursor_blink=not remote,
        remote=remote,
        no_color=no_color,
        color_system=colors,
    )


def prepare(environ: MutableMapping[str, str], chosen: Profile | None = None) -> Profile:
    """Write the profile into *environ* for Textual to read; call it before anything imports Textual."""
    wanted = chosen or profile(environ)
    environ["TEXTUAL_ANIMATIONS"] = wanted.animations
    environ["TEXTUAL_FPS"] = str(wanted.fps)
    environ["TEXTUAL_COLOR_SYSTEM"] = wanted.color_system
    if not wanted.no_color:
        # NO_COLOR="" means colour (no-color.org), but Textual only looks whether the name is there.
        environ.pop("NO_COLOR", None)
    # Textual would write down every key, secrets being typed among them: in this file, or in keys.log where one stands.
    environ.pop("TEXTUAL_LOG", None)
    environ.pop("TEXTUAL_DEBUG", None)
    return wanted


def hold_gc() -> None:
    """Collect no garbage until `release_gc`: there is none before the first frame, and looking costs 100 ms."""
    global _held
    gc.disable()
    _held = True


def release_gc() -> None:
    """Collect garbage again, but never look at what the start left behind; does nothing without `hold_gc`."""
    global _held
    if _held:
        _held = False
        gc.freeze()
        gc.enable()


def _is_interactive() -> bool:
    try:
        return all(map(os.isatty, (0, 1, 2)))
    except OSError:
        return False


def _chosen_fps(environ: Mapping[str, str]) -> int:
    value = environ.get("TEXTUAL_FPS", "")
    return max(1, int(value)) if value.isdecimal() else 0


def _color_system(environ: Mapping[str, str]) -> str:
    """What Textual should send: it knows fewer terminals by name, and takes the others for sixteen colours."""
    if (asked := environ.get("TEXTUAL_COLOR_SYSTEM", "")) in ("standard", "256", "truecolor"):
        return asked
    term = environ.get("TERM", "").lower()
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    if any(name in term for name in _TRUECOLOR):
        return "truecolor"
    return "256" if "256col" in term else "standard"


def leave(code: int) -> NoReturn:
    """End the process with the status *code*, whatever has become of the terminal."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # The line is gone; Python would find that out again at its end, and exit with 120.
        os._exit(code)
    if code > _ENDED:
        # Told to end, or the line is lost: nothing is left to say, and nothing may change the status any more.
        os._exit(code)
    sys.exit(code)
