"""Logos and avatars as they stand in the terminal: every test reads rendered cells of a running app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageDraw
from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot

from orgtui import images
from orgtui.images import accept_logo
from orgtui.themes import ANSI, DARK, LIGHT, MODELS, THEMES, Ink
from orgtui.widgets import logo as module
from orgtui.widgets.logo import Logo, chip, initial

RED, BLUE = (255, 0, 0), (0, 0, 255)
COLOURED = {"dark": DARK, "light": LIGHT}


class Bed(App[object]):
    """A logo and nothing else."""

    CSS = "Screen { background: $background; color: $foreground; }"

    def __init__(self, theme: str = "dark", width: int = 7, height: int = 3) -> None:
        super().__init__()
        for known in THEMES.values():
            self.register_theme(known)
        self.theme = theme
        self.logo = Logo(id="logo")
        self.logo.styles.width, self.logo.styles.height = width, height

    def compose(self) -> ComposeResult:
        yield self.logo


@asynccontextmanager
async def shown(theme: str = "dark", width: int = 7, height: int = 3, **values: object) -> AsyncIterator[Bed]:
    """The logo in a running app, with what it was told drawn."""
    app = Bed(theme, width, height)
    async with app.run_test(size=(60, 20)) as pilot:
        for name, value in values.items():
            setattr(app.logo, name, value)
        await drawn(app, pilot)
        yield app


async def drawn(app: Bed, pilot: Pilot[object] | None = None) -> None:
    """Wait until whatever is decoded is on the screen."""
    for _ in range(3):
        await asyncio.sleep(0)
        app.logo.render_line(0)
        await app.workers.wait_for_complete()
        await asyncio.sleep(0.02)


def live(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test."""

    @wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


def cells(logo: Logo) -> list[list[tuple[str, Any]]]:
    """Characters and their styles, by rows, of exactly the widget's size."""
    rows = [
        [(char, segment.style) for segment in logo.render_line(y) for char in segment.text]
        for y in range(logo.size.height)
    ]
    assert [logo.render_line(y).cell_length for y in range(logo.size.height)] == [logo.size.width] * logo.size.height
    return rows


def text(logo: Logo) -> list[str]:
    return ["".join(char for char, _ in row) for row in cells(logo)]


def hexed(colour: Any) -> str | None:
    return None if colour is None or colour.triplet is None else str(colour.triplet.hex)


def stored(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return accept_logo(out.getvalue())


def halves(upper: tuple[int, ...] = RED, lower: tuple[int, ...] = BLUE, mode: str = "RGB") -> bytes:
    image = Image.new(mode, (64, 64), lower)
    ImageDraw.Draw(image).rectangle((0, 0, 63, 31), fill=upper)
    return stored(image)


# The initial.


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Acme Automation", "A"),
        ("acme", "A"),
        ("  zeta", "Z"),
        ("élan", "É"),
        ("e\u0301lan", "É"),
        ("x\u0301y", "X\u0301"),
        ("ßharp", "ß"),
        ("ﬁne", "ﬁ"),
        ("字节", "字"),
        ("👨‍👩‍👧 family", "👨‍👩‍👧"),
        ("🇩🇪🇫🇷", "🇩🇪"),
        ("한국", "한"),
        ("7 dwarfs", "7"),
        ("[bold]", "["),
        ("", ""),
        ("   ", ""),
        ("\x1b[31m", "\ufffd"),
        ("\u202egnp", "\ufffd"),
    ],
)
def test_the_initial_is_what_a_person_sees_first(title: str, expected: str) -> None:
    assert initial(title) == expected


# The avatar.


@pytest.mark.parametrize("theme", COLOURED)
@live
async def test_the_avatar_is_a_filled_rectangle_with_the_initial_in_the_middle(theme: str) -> None:
    tokens = COLOURED[theme]
    async with shown(theme, title="Acme Automation") as app:
        assert text(app.logo) == [" " * 7, "   A   ", " " * 7]
        for row in cells(app.logo):
            for _, style in row:
                assert hexed(style.bgcolor) == tokens["model1"]
                assert hexed(style.color) == tokens["onaccent"]
                assert style.bold


@live
async def test_without_colours_the_avatar_is_a_reversed_block() -> None:
    async with shown("ansi", title="Acme", identity="org_any") as app:
        assert text(app.logo) == [" " * 7, "   A   ", " " * 7]
        assert all(style.reverse and style.bold for row in cells(app.logo) for _, style in row)


def model(identity: str, ink: Ink) -> int:
    """Which of the models' colours an id has."""
    (span,) = chip("A", identity, ink).spans
    assert not isinstance(span.style, str)
    return [style.foreground for style in ink.models].index(span.style.background)


@live
async def test_the_same_id_has_the_same_colour_in_every_theme_and_all_colours_are_used() -> None:
    identities = [f"org_{number}" for number in range(60)]
    async with shown() as app:
        in_dark = [model(identity, Ink.of(app)) for identity in identities]
        assert set(in_dark) == set(range(MODELS))
        for identity, number in zip(identities[:5], in_dark, strict=False):
            app.logo.identity = identity
            assert hexed(cells(app.logo)[0][0][1].bgcolor) == DARK[f"model{number + 1}"]
        app.theme = "light"
        assert [model(identity, Ink.of(app)) for identity in identities] == in_dark


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (3, 1), (5, 2), (8, 4), (20, 9)])
@pytest.mark.parametrize("title", ["Acme", "字节", ""])
@live
async def test_the_avatar_follows_its_size(title: str, width: int, height: int) -> None:
    async with shown("dark", width, height, title=title) as app:
        lines = text(app.logo)
        assert len(lines) == height
        if title == "Acme":
            assert lines[(height - 1) // 2].index("A") == (width - 1) // 2
        assert "".join(lines).strip() in (initial(title), "")


@live
async def test_a_hostile_title_is_text() -> None:
    for title in ("[/nope]", "[@click=app.exit()]x", "\x1b]52;c;aGk=\x07", "\n", "\t"):
        async with shown(title=title) as app:
            joined = "".join(text(app.logo))
            assert joined.isprintable()
            assert not any(style.meta.get("@click") for row in cells(app.logo) for _, style in row)


@live
async def test_a_new_theme_paints_the_avatar_anew() -> None:
    async with shown(title="Acme") as app:
        for theme in ("light", "dark"):
            app.theme = theme
            await drawn(app)
            assert hexed(cells(app.logo)[0][0][1].bgcolor) == COLOURED[theme]["model1"]
        app.theme = "ansi"
        await drawn(app)
        assert cells(app.logo)[0][0][1].reverse


# Chips.


@live
async def test_a_chip_is_three_cells() -> None:
    async with shown() as app:
        for title, expected in (("Production", " P "), ("字节", "字 "), ("", "   "), ("[b]x", " [ ")):
            made = chip(title, "", Ink.of(app))
            assert isinstance(made, Content)
            assert made.plain == expected
            assert made.cell_length == 3
        (span,) = chip("Production", "", Ink.of(app)).spans
        style = span.style
        assert not isinstance(style, str)
        assert style.background is not None
        assert style.foreground is not None
        assert (style.background.hex.lower(), style.foreground.hex.lower()) == (DARK["model1"], DARK["onaccent"])
        assert style.bold
    async with shown("ansi") as app:
        (span,) = chip("Production", "ws_1", Ink.of(app)).spans
        assert not isinstance(span.style, str)
        assert span.style.reverse
        assert span.style.background is None


# Images.


@pytest.mark.parametrize("theme", COLOURED)
@live
async def test_an_image_is_drawn_in_half_blocks(theme: str) -> None:
    async with shown(theme, title="Acme", image=halves()) as app:
        grid = cells(app.logo)
        assert text(app.logo) == ["▀" * 7] * 3
        pairs = [{(style.color.triplet, style.bgcolor.triplet) for _, style in row} for row in grid]
        assert pairs == [{(RED, RED)}, {(RED, BLUE)}, {(BLUE, BLUE)}]


@live
async def test_an_image_follows_its_size() -> None:
    async with shown(width=7, height=3, image=halves()) as app:
        for width, height in ((10, 4), (1, 1), (31, 12)):
            app.logo.styles.width, app.logo.styles.height = width, height
            await asyncio.sleep(0.05)
            await drawn(app)
            assert text(app.logo) == ["▀" * width] * height


@live
async def test_without_colours_an_image_is_shades() -> None:
    image = Image.new("L", (50, 50))
    for shade, x in zip((0, 70, 128, 190, 255), range(0, 50, 10), strict=True):
        ImageDraw.Draw(image).rectangle((x, 0, x + 9, 49), fill=shade)
    async with shown("ansi", 5, 3, image=stored(image)) as app:
        assert text(app.logo) == [" ░▒▓█"] * 3
        for row in cells(app.logo):
            for _, style in row:
                assert hexed(style.color) is None
                assert not style.reverse


@pytest.mark.parametrize("theme", COLOURED)
@live
async def test_transparency_shows_the_ground_of_the_theme(theme: str) -> None:
    async with shown(theme, image=halves((*RED, 255), (0, 0, 0, 0), "RGBA")) as app:
        assert hexed(cells(app.logo)[2][3][1].bgcolor) == COLOURED[theme]["ground"]
        other = "light" if theme == "dark" else "dark"
        app.theme = other
        await drawn(app)
        assert hexed(cells(app.logo)[2][3][1].bgcolor) == COLOURED[other]["ground"]
        assert cells(app.logo)[0][3][1].color.triplet == RED


@live
async def test_a_removed_image_leaves_the_avatar() -> None:
    async with shown(title="Acme", image=halves()) as app:
        app.logo.image = None
        assert text(app.logo) == [" " * 7, "   A   ", " " * 7]
        await drawn(app)
        assert text(app.logo) == [" " * 7, "   A   ", " " * 7]
        app.logo.image = halves()
        await drawn(app)
        assert text(app.logo) == ["▀" * 7] * 3


@live
async def test_a_damaged_image_leaves_the_avatar() -> None:
    for damaged in (b"", b"no image", halves()[:-30]):
        async with shown(title="Acme", image=damaged) as app:
            assert text(app.logo) == [" " * 7, "   A   ", " " * 7]


@live
async def test_the_latest_of_many_images_stays() -> None:
    async with shown(title="Acme", image=halves()) as app:
        for n in range(20):
            app.logo.image = stored(Image.new("RGB", (32, 32), (n, 2 * n, 3 * n)))
            await asyncio.sleep(0)
            app.logo.render_line(0)
        await drawn(app)
        assert cells(app.logo)[1][1][1].color.triplet == (19, 38, 57)


@live
async def test_decoding_happens_once_and_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def watched(*args: Any) -> Any:
        threads.append(threading.current_thread())
        return images.pixels(*args)

    monkeypatch.setattr(module, "pixels", watched)
    async with shown(title="Acme", image=halves()) as app:
        for _ in range(5):
            app.logo.refresh()
            app.logo.title += "x"
            await drawn(app)
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()
        app.logo.image = halves(BLUE, RED)
        await drawn(app)
        assert len(threads) == 2


@live
async def test_the_worker_says_nothing_of_the_image() -> None:
    async with shown() as app:
        heard: list[str] = []
        run_worker = app.logo.run_worker

        def watched(*args: Any, **options: Any) -> Any:
            heard.append(repr(options))
            return run_worker(*args, **options)

        app.logo.run_worker = watched  # type: ignore[method-assign]
        app.logo.image = halves()
        await drawn(app)
        assert heard
        assert all(len(said) < 400 for said in heard)


def test_every_theme_has_the_tokens_an_avatar_needs() -> None:
    for tokens in (DARK, LIGHT, ANSI):
        assert {"onaccent", *(f"model{number}" for number in range(1, MODELS + 1))} <= set(tokens)
