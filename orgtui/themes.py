"""The look's tokens: three themes for style sheets, and the same tokens as ink for widgets that draw themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from textual.app import App
from textual.color import Color
from textual.style import Style
from textual.theme import Theme

DARK = {
    "ground": "#16181c", "raised": "#202328", "tint": "#2a2e35", "raised2": "#353a42", "owner": "#4a505a",
    "hair": "#40454e", "dim": "#8b919c", "text": "#d3d6dc", "strong": "#f4f5f7", "accent": "#87afff",
    "ok": "#87af87", "err": "#d75f5f", "warn": "#d7af5f", "onaccent": "#16181c",
    "model1": "#87afff", "model2": "#af87d7", "model3": "#5fafaf", "model4": "#d7af87", "model5": "#9a9a9a",
}  # fmt: skip
LIGHT = {
    "ground": "#fbfbfa", "raised": "#f2f2f0", "tint": "#e3e5e9", "raised2": "#d9dbde", "owner": "#c6c8cb",
    "hair": "#c6c8cb", "dim": "#676b73", "text": "#2b2e34", "strong": "#0f1114", "accent": "#005faf",
    "ok": "#008700", "err": "#af0000", "warn": "#875f00", "onaccent": "#fbfbfa",
    "model1": "#005faf", "model2": "#875faf", "model3": "#008787", "model4": "#af8700", "model5": "#767676",
}  # fmt: skip
ANSI = {
    "ground": "ansi_default", "raised": "ansi_default", "tint": "ansi_white", "raised2": "ansi_default",
    "owner": "ansi_white", "hair": "ansi_bright_black", "dim": "ansi_default", "text": "ansi_default",
    "strong": "ansi_default", "accent": "ansi_cyan", "ok": "ansi_green", "err": "ansi_red", "warn": "ansi_yellow",
    "onaccent": "ansi_black", "model1": "ansi_cyan", "model2": "ansi_magenta", "model3": "ansi_green",
    "model4": "ansi_yellow", "model5": "ansi_white",
}  # fmt: skip
MODELS = 5
# Textual's own style sheets name these wherever a theme is ANSI.
_ANSI_EXTRA = {
    "ansi-background": "ansi_default", "ansi-foreground": "ansi_default", "border-blurred": "ansi_bright_black",
    "block-cursor-foreground": "ansi_black", "block-cursor-background": "ansi_white",
    "input-cursor-background": "ansi_cyan", "input-cursor-foreground": "ansi_black", "input-cursor-text-style": "none",
    "input-selection-background": "ansi_white", "input-selection-foreground": "ansi_black",
    "screen-selection-background": "ansi_white", "screen-selection-foreground": "ansi_black",
}  # fmt: skip


def _theme(name: str, tokens: dict[str, str], *, dark: bool = True, ansi: bool = False) -> Theme:
    return Theme(
        name=name,
        primary=tokens["accent"],
        secondary=tokens["accent"],
        accent=tokens["accent"],
        warning=tokens["warn"],
        error=tokens["err"],
        success=tokens["ok"],
        foreground=tokens["text"],
        background=tokens["ground"],
        surface=tokens["ground"],
        panel=tokens["raised"],
        boost=tokens["raised"],
        dark=dark,
        ansi=ansi,
        variables=tokens | (_ANSI_EXTRA if ansi else {}),
    )


THEMES = {
    "dark": _theme("dark", DARK),
    "light": _theme("light", LIGHT, dark=False),
    "ansi": _theme("ansi", ANSI, ansi=True),
}


@dataclass(frozen=True, slots=True)
class Ink:
    """The tokens as styles to draw with. `colours` is False in ANSI and without colour: shape must then do the work."""

    text: Style
    strong: Style
    heading: Style
    dim: Style
    hair: Style
    accent: Style
    key: Style
    ok: Style
    err: Style
    danger: Style
    warn: Style
    tint: Style
    chip: Style
    owner: Style
    button: Style
    quiet: Style
    tile: Style
    pressed: Style
    models: tuple[Style, ...]
    colours: bool

    @classmethod
    def of(cls, app: App[Any]) -> Ink:
        """The ink of the app's current theme."""
        return _ink(app.theme)


@cache
def _ink(theme: str) -> Ink:
    variables, ansi = THEMES[theme].variables, THEMES[theme].ansi

    def fg(token: str, *, bold: bool | None = None) -> Style:
        return Style(foreground=Color.parse(variables[token]), bold=bold)

    def on(token: str, ground: str, *, bold: bool | None = None) -> Style:
        return Style(Color.parse(variables[ground]), Color.parse(variables[token]), bold=bold)

    return Ink(
        text=fg("text"),
        strong=fg("strong", bold=True),
        heading=fg("text", bold=True),
        dim=Style(dim=True) if ansi else fg("dim"),
        hair=fg("hair"),
        accent=fg("accent"),
        key=fg("accent", bold=True),
        ok=fg("ok"),
        err=fg("err"),
        danger=fg("err", bold=True),
        warn=fg("warn"),
        tint=Style(reverse=True) if ansi else on("strong", "tint"),
        chip=Style() if ansi else on("dim", "raised"),
        owner=Style(reverse=True, bold=True) if ansi else on("strong", "owner", bold=True),
        button=on("onaccent", "accent", bold=True),
        quiet=Style(underline=True) if ansi else on("text", "raised2"),
        tile=Style() if ansi else on("text", "raised"),
        pressed=Style(reverse=True, bold=True) if ansi else on("ground", "strong", bold=True),
        models=tuple(fg(f"model{number}") for number in range(1, MODELS + 1)),
        colours=not ansi,
    )
