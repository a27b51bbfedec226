"""The terminal gets nothing hostile, tells nothing secret, and is given back whatever happens."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.widgets import Input, Static

from orgtui import tty
from orgtui.terminal import SafeApp, TerminalFilter, last_words
from orgtui.widgets.secret_input import SecretInput
from tests.ptyharness import PAYLOADS, ROOT, Terminal, colors, foreign, hostile_names

DEMO = ("-m", "tests.demo_app")
BLACK = Color(0, 0, 0)
SECRET = "sk-canary-0123456789"
soak = pytest.mark.soak


def demo(*arguments: str, **options: object) -> Terminal:
    return Terminal.python(*DEMO, *arguments, **options)


@contextmanager
def several(count: int, **options: object) -> Iterator[list[Terminal]]:
    """*count* small apps that started side by side and are quiet."""
    with ExitStack() as stack:
        terminals = [stack.enter_context(demo("small", **options)) for _ in range(count)]
        for terminal in terminals:
            terminal.until("ready")
            terminal.quiet(0.1)
        yield terminals


@pytest.fixture
def small() -> Iterator[Terminal]:
    with several(1) as (terminal,):
        yield terminal


@pytest.fixture(params=[1, pytest.param(10, marks=soak)], ids=["", "soak"])
def repeats(request: pytest.FixtureRequest) -> list[int]:
    """Five at a time, once; ten times under soak."""
    return [5] * request.param


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine function as a test."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


# What reaches the terminal


def filtered(text: str, style: Style | None = None) -> Segment:
    (segment,) = TerminalFilter().apply([Segment(text, style)], BLACK)
    return segment


@pytest.mark.parametrize("kind", PAYLOADS)
def test_the_filter_defuses_and_keeps_the_width(kind: str) -> None:
    text = f"a{PAYLOADS[kind]}b"
    safe = filtered(text).text
    assert not foreign(safe.encode("utf-8"))
    assert cell_len(safe) == cell_len(text)


def test_the_filter_leaves_ordinary_lines_alone() -> None:
    line = [Segment("│ Zoë — €29.00 ▁▂█ 日本 ⠿⠀", Style(bold=True)), Segment("plain"), Segment("")]
    assert [(segment.text, segment.style) for segment in TerminalFilter().apply(line, BLACK)] == [
        (segment.text, segment.style) for segment in line
    ]


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://pay.example/a?b=c%20d", True),
        ("mailto:ada@acme.example", True),
        ("https://x.example/\x1b]52;c;eA==\x07", False),
        ("https://x.example/\x9c", False),
        ("https://x.example/é", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("ssh://-oProxyCommand=x", False),
    ],
)
def test_the_filter_keeps_only_plain_links(link: str, kept: bool) -> None:
    style = filtered("here", Style(link=link, bold=True, meta={"row": 3})).style
    assert style is not None
    assert style.link == (link if kept else None)
    assert style.bold
    assert style.meta == {"row": 3}


def test_the_filter_costs_little() -> None:
    """A full 200×60 screen of coloured cells in a few milliseconds: generous by ten, for a busy machine."""
    line = [Segment("cell │ text "[index % 7 :], Style(bold=bool(index % 2))) for index in range(40)]
    guard = TerminalFilter()
    begin = time.perf_counter()
    for _ in range(60):
        guard.apply(line, BLACK)
    assert time.perf_counter() - begin < 0.05


def scroll(app: str, count: int, pages: int) -> bytes:
    """What *app* sends while every widget of it is visited and its table scrolled to the end."""
    with demo(app, "--count", str(count), size=(100, 50)) as terminal:
        terminal.read(10)
        terminal.quiet(0.6)
        for _ in range(pages):
            terminal.send("pagedown")
            terminal.read(0.3)
        terminal.send("end")
        for key in ("tab", "down", "end") * 9:
            terminal.send(key)
            terminal.quiet(0.05)
        terminal.send("ctrl+c", "ctrl+c")
        assert terminal.wait()[0] == 130, bytes(terminal.raw[-1500:]).decode("utf-8", "replace")
        assert terminal.leftovers() == set()
        assert len(terminal.raw) > 50_000
        return bytes(terminal.raw)


def test_hostile_names_send_no_order_to_the_terminal() -> None:
    assert foreign(scroll("hostile", 500, 30)) == []


@soak
def test_ten_thousand_hostile_names_send_no_order_to_the_terminal() -> None:
    assert foreign(scroll("hostile", 10_000, 840)) == []


def test_without_the_filter_they_would() -> None:
    """Proof that the two tests above can fail."""
    found = foreign(scroll("unfiltered", 200, 4))
    assert len(found) > 500
    assert any(b"]52;c;" in each for each in found)
    assert any(each.startswith(b"\x1b]8;id=") for each in found), "links"


def test_the_judge_knows_what_is_foreign() -> None:
    ours = b"\x1b[1;31mA\x1b[0m\x1b[3;4H\x1b[?1049h\x1b[>25u\x1b]22;pointer\x07\xe2\x94\x82\r\n"
    assert foreign(ours) == []
    for kind in PAYLOADS.keys() - {"markup", "emoji", "wide", "long", "mark first", "blank letters", "variations"}:
        if kind not in {"red", "leave the screen"}:  # these two are what Textual itself sends
            assert foreign(PAYLOADS[kind].encode("utf-8", "surrogatepass")), kind
    assert len(hostile_names(1, 100)) == 100
    assert hostile_names(1, 100) == hostile_names(1, 100) != hostile_names(2, 100)


def test_no_color_sends_no_color() -> None:
    with demo("hostile", "--count", "50", env={"NO_COLOR": "1", "TEXTUAL_THEME": "nord"}) as terminal:
        terminal.until("Name")
        terminal.quiet(0.2)
        terminal.send("down", "tab", "down", "tab")
        terminal.quiet(0.2)
        assert colors(bytes(terminal.raw)) == []
        assert foreign(bytes(terminal.raw)) == []
        assert b"\x1b[1m" in terminal.raw
        terminal.send("ctrl+c", "ctrl+c")
        terminal.wait()
        assert colors(bytes(terminal.raw)) == []


def test_an_empty_no_color_means_color() -> None:
    with demo("small", env={"NO_COLOR": ""}) as terminal:
        terminal.until("ready")
        assert colors(bytes(terminal.raw))


def test_over_ssh_a_focused_field_is_silent_while_idle() -> None:
    with demo("secret", env={"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}) as terminal:
        terminal.until("ready")
        terminal.quiet(0.3)
        size = len(terminal.raw)
        terminal.read(0.9)
        assert len(terminal.raw) == size


def test_the_clipboard_gets_clean_text_only(small: Terminal) -> None:
    small.send("c")
    small.until(lambda: b"\x1b]52;c;" in small.raw)
    assert foreign(bytes(small.raw), clipboard=True) == []
    assert b"\x1b]52;c;c2FmZe+/vVszMW3vv70K\x07" in small.raw


# How it ends


def ended(terminal: Terminal, status: int) -> None:
    """It ended with *status*, in time, and left nothing behind."""
    code, took = terminal.wait()
    assert code == status
    assert took <= 2
    assert terminal.leftovers() == set()
    assert foreign(bytes(terminal.raw)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(number: signal.Signals, repeats: list[int]) -> None:
    for count in repeats:
        with several(count) as terminals:
            for terminal in terminals:
                terminal.kill(number)
                ended(terminal, 128 + number)


@pytest.mark.parametrize("ignored", [(), (signal.SIGHUP,)], ids=["", "SIGHUP ignored"])
def test_a_dropped_line_ends_it(ignored: tuple[signal.Signals, ...], repeats: list[int]) -> None:
    for count in repeats:
        with several(count, ignore=ignored) as terminals:
            for terminal in terminals:
                terminal.hang_up()
                code, took = terminal.wait()
                assert code == 129
                assert took <= 2


@pytest.mark.parametrize("key", ["x", "a", "t"], ids=["callback", "worker", "thread"])
def test_a_crash_is_orderly_and_tells_no_secret(key: str, repeats: list[int]) -> None:
    for count in repeats:
        with several(count) as terminals:
            for terminal in terminals:
                terminal.send(key)
                ended(terminal, 1)
                assert b"canary" not in terminal.raw
                assert b"0123456789" not in terminal.raw
                assert b"demo_app.py:" in terminal.raw
                assert "ValueError: \ufffd]52;c;eA==\ufffd the provider refused …" in bytes(terminal.raw).decode()


def test_a_quit_signal_ends_it_in_good_order(small: Terminal) -> None:
    small.kill(signal.SIGQUIT)
    ended(small, 131)


def test_keys_end_it(small: Terminal) -> None:
    small.send("q")
    ended(small, 0)


def test_quitting_is_instant(small: Terminal) -> None:
    """A twentieth of a second when the machine is idle; Textual's own way would take a third."""
    small.send("q")
    assert small.wait()[1] < 0.25


def test_keys_that_are_no_text_do_no_harm(small: Terminal) -> None:
    os.write(small.master, b"\xff\xc3(\xed\xa0\x80\x9b31m")
    small.quiet(0.3)
    small.send("escape")
    ended(small, 9)


def test_ctrl_c_twice_ends_it(small: Terminal) -> None:
    small.send("ctrl+c")
    small.until("Press ctrl+c again to quit.")
    small.send("ctrl+c")
    ended(small, 130)


def test_an_interrupt_from_elsewhere_counts_as_ctrl_c(small: Terminal) -> None:
    small.kill(signal.SIGINT)
    small.until("Press ctrl+c again to quit.")
    small.kill(signal.SIGINT)
    ended(small, 130)


def test_a_thread_that_goes_on_does_not_keep_the_process(small: Terminal) -> None:
    small.send("z")
    ended(small, 7)


def test_a_signal_ends_it_even_when_it_is_stuck(small: Terminal) -> None:
    small.send("b")
    small.quiet()
    small.kill(signal.SIGTERM)
    ended(small, 143)


def test_a_signal_ends_it_even_when_the_terminal_does_not_read(small: Terminal) -> None:
    small.send("f")
    time.sleep(0.5)
    small.kill(signal.SIGTERM)
    begin = time.monotonic()
    assert small.process.wait(10) == 143
    assert time.monotonic() - begin <= 2


def test_a_signal_at_any_moment_of_the_start_ends_it() -> None:
    for bytes_seen in (0, 1, 200, 1000):
        with demo("small") as terminal:
            while len(terminal.raw) < bytes_seen:
                terminal.read(0.01)
            terminal.kill(signal.SIGTERM)
            assert terminal.wait()[0] == (143 if bytes_seen else -signal.SIGTERM)
            assert terminal.leftovers() == set()


def test_a_modern_terminal_is_given_back_too() -> None:
    with demo("small", modern=True) as terminal:
        terminal.until("ready")
        terminal.quiet()
        assert {"resize reports", "kitty keyboard"} <= terminal.modes
        terminal.resize(60, 20)
        terminal.quiet()
        terminal.kill(signal.SIGTERM)
        ended(terminal, 143)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_after_a_stop_the_screen_comes_back(small: Terminal, number: signal.Signals) -> None:
    for _ in range(2):
        small.kill(number)
        small.quiet(0.3)
        assert small.leftovers() == (set() if number == signal.SIGTSTP else small.leftovers())
        small.kill(signal.SIGCONT)
        small.until("ready")
        small.quiet(0.3)
    assert len(os.listdir(f"/proc/{small.process.pid}/task")) <= 4, "no second set of threads"  # noqa: PTH208
    small.send("q")
    ended(small, 0)


# What the launcher decides


def terminal_profile(**environ: str) -> tty.Profile:
    return tty.profile({"TERM": "xterm-256color"} | environ, interactive=True)


@pytest.mark.parametrize(
    ("environ", "theme", "color_system"),
    [
        ({}, "dark", "256"),
        ({"COLORTERM": "truecolor"}, "dark", "truecolor"),
        ({"TERM": "tmux-256color"}, "dark", "256"),
        ({"TERM": "xterm-kitty"}, "dark", "truecolor"),
        ({"TERM": "alacritty"}, "dark", "truecolor"),
        ({"TERM": "xterm"}, "ansi", "standard"),
        ({"TERM": "screen"}, "ansi", "standard"),
        ({"TERM": "linux"}, "ansi", "standard"),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "ansi", "truecolor"),
        ({"NO_COLOR": ""}, "dark", "256"),
        ({"TEXTUAL_COLOR_SYSTEM": "standard"}, "ansi", "standard"),
        ({"TEXTUAL_COLOR_SYSTEM": "nonsense"}, "dark", "256"),
    ],
)
def test_colors_follow_the_terminal(environ: dict[str, str], theme: str, color_system: str) -> None:
    profile = terminal_profile(**environ)
    assert (profile.theme, profile.color_system) == (theme, color_system)


def test_the_users_theme_wins_unless_there_is_no_color() -> None:
    assert terminal_profile().theme_for("light") == "light"
    assert terminal_profile().theme_for(None) == "dark"
    assert terminal_profile(NO_COLOR="1").theme_for("light") == "ansi"


def test_over_ssh_it_is_calm() -> None:
    near, far = terminal_profile(), terminal_profile(SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22")
    assert (near.animations, near.cursor_blink, near.fps) == ("none", True, tty.LOCAL_FPS)
    assert (far.animations, far.cursor_blink, far.fps) == ("none", False, tty.REMOTE_FPS)
    chosen = terminal_profile(SSH_CONNECTION="x", TEXTUAL_ANIMATIONS="full", TEXTUAL_FPS="30")
    assert (chosen.animations, chosen.fps) == ("full", 30)


def test_prepare_tells_textual() -> None:
    environ = {"TERM": "xterm", "NO_COLOR": "", "TEXTUAL_LOG": "/tmp/keys", "TEXTUAL_DEBUG": "1"}
    profile = tty.prepare(environ, tty.profile(environ, interactive=True))
    assert environ == {
        "TERM": "xterm",
        "TEXTUAL_ANIMATIONS": "none",
        "TEXTUAL_COLOR_SYSTEM": "standard",
        "TEXTUAL_FPS": "60",
    }
    assert profile.theme == "ansi"


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}, {}])
def test_a_dumb_terminal_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(tty.NoScreen, match=r"orgtui usage show.*--json") as refusal:
        tty.profile(environ, interactive=True)
    assert refusal.value.exit_code == 2
    assert "\n" not in refusal.value.message


def test_a_pipe_is_refused_in_one_line() -> None:
    result = subprocess.run([sys.executable, *DEMO, "small"], capture_output=True, text=True, input="", cwd=ROOT)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "orgtui usage show" in result.stderr


def test_the_launchers_part_does_not_import_textual() -> None:
    code = "import sys, orgtui.tty; sys.exit(any(name.split('.')[0] in ('textual', 'rich') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_garbage_is_collected_again_after_the_first_frame() -> None:
    tty.release_gc()
    assert gc.isenabled()
    tty.hold_gc()
    try:
        assert not gc.isenabled()
    finally:
        tty.release_gc()
        gc.unfreeze()
    assert gc.isenabled()


# The app


class App(SafeApp[None]):
    def compose(self) -> Iterator[Static | Input]:
        yield SecretInput(id="secret")
        yield Input(id="plain")
        yield Static("text")


@awaited
async def test_a_toast_is_never_markup() -> None:
    app = App()
    async with app.run_test(notifications=True) as pilot:
        app.notify("[/nope] \x1b[31m", title="[@click=app.exit()]x")
        app.query_one(Static).notify("[/nope]")
        await pilot.pause()
        assert [toast.message for toast in app._notifications] == ["[/nope] \ufffd[31m", "[/nope]"]


@awaited
async def test_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: pytest.fail("opened a browser"))
    app = App()
    async with app.run_test() as pilot:
        app.open_url("https://pay.example/")
        await pilot.pause()
        assert app.clipboard == "https://pay.example/"


@awaited
async def test_garbage_collection_comes_back_with_the_first_frame() -> None:
    tty.hold_gc()
    try:
        app = App()
        async with app.run_test() as pilot:
            await pilot.pause()
            assert gc.isenabled()
    finally:
        tty.release_gc()
        gc.unfreeze()


@awaited
async def test_a_crash_keeps_its_status() -> None:
    app = App()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the app raises when its context ends
        async with app.run_test() as pilot:
            app.call_later(lambda: 1 // 0)
            await pilot.pause()
            app.exit(return_code=0)
    assert app.return_code == 1


def test_last_words_tell_places_but_no_values() -> None:
    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def words(error: Exception) -> str:
        try:
            raise error
        except Exception as raised:  # noqa: BLE001
            return last_words(raised)

    assert "test_terminal.py:" in words(ValueError("x"))
    assert words(ValueError("x\x1b[2Jy")).endswith("ValueError: x\ufffd[2Jy\n")
    assert words(KeyError(SECRET)).endswith("KeyError: '…'\n")
    assert words(ValueError("AIzaSyA-1234567890abcdefghijklmnopqrstu!")).endswith("ValueError: …!\n")
    assert words(ValueError("Bearer eyJhbGciOiJIUzI1NiJ9.e30")).endswith("Bearer ….e30\n")
    assert words(ValueError("(sqlite3.Error) locked\n[SQL: x]\n[parameters: ('hush',)]")).endswith(" locked\n")
    assert words(OSError("postgresql://ada:hush@db/x")).endswith("postgresql://…@db/x\n")
    assert words(UnspeakableError()).endswith("UnspeakableError\n")
    assert len(words(ValueError("a " * 10_000))) < 1000


# Secrets


def test_nothing_gets_out_of_a_secret_field() -> None:
    with demo("secret") as terminal:
        terminal.until("ready")
        terminal.send(SECRET)
        terminal.until("•" * len(SECRET))
        for key in ("ctrl+a", "home", "ctrl+x", "ctrl+shift+a"):
            terminal.send({"ctrl+shift+a": "\x1b[97;6u"}.get(key, key))
            terminal.quiet(0.1)
        terminal.send("\x1b[1;2H", "\x1b[1;2F")
        terminal.quiet(0.1)
        terminal.send("ctrl+x")
        terminal.quiet(0.1)
        terminal.send("\x1b[<0;5;2M", "\x1b[<0;5;2m", "\x1b[<0;5;2M", "\x1b[<0;5;2m", "ctrl+x")
        terminal.quiet(0.2)
        assert "•" * len(SECRET) in terminal.text
        terminal.send("enter")
        terminal.until(f"took {len(SECRET)} SecretInput.Submitted()")
        assert "•" not in terminal.text
        terminal.send("ctrl+c")
        terminal.until("again")
        terminal.send("ctrl+c")
        ended(terminal, 130)
        assert b"]52;" not in terminal.raw
        assert not any(SECRET[at : at + 4].encode() in terminal.raw for at in range(len(SECRET) - 3))


@awaited
async def test_a_secret_field_is_emptied_by_taking() -> None:
    app = App()
    async with app.run_test() as pilot:
        field = app.query_one(SecretInput)
        field.focus()
        await pilot.press(*SECRET)
        field.select_all()
        await pilot.press("ctrl+c", "ctrl+x")
        field.password = False
        await pilot.pause()
        assert app.clipboard == ""
        assert field.password
        assert field.value == SECRET
        shown = [repr(field), repr(field.Changed(field, SECRET)), repr(field.Submitted(field, SECRET)), str(field)]
        assert not any(SECRET in text for text in shown)
        assert SECRET not in app.export_screenshot()
        assert field.take() == SECRET
        assert field.value == ""
        assert field.take() == ""


@awaited
async def test_an_ordinary_field_still_copies() -> None:
    app = App()
    async with app.run_test() as pilot:
        field = app.query_one("#plain", Input)
        field.value = "visible"
        field.focus()
        field.select_all()
        await pilot.press("ctrl+c")
        assert app.clipboard == "visible"
