"""The terminal kept safe and left as it was found: what the product's app stands on, and how it is run."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import termios
import threading
import traceback
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from types import TracebackType
from typing import Any, cast

from rich.cells import cell_len, get_character_cell_size, set_cell_size
from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import constants, events, on
from textual._xterm_parser import XTermParser
from textual.app import App, ReturnType
from textual.color import Color
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.worker import WorkerFailed

from orgtui.domain.text import DANGEROUS, REPLACEMENT, clean, clean_block, thin_marks
from orgtui.tty import Profile, release_gc

GRACE = 1.5
"""Seconds the app has to end in, once it should, before the process is ended under it."""
AGAIN = 3.0
"""Seconds within which a second ctrl+c quits."""

# Where Textual reads keys and draws: its driver draws on standard error.
_KEYS, _ERRORS = 0, 2
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_GONE = select.POLLHUP | select.POLLERR
# Milliseconds between looks whether an escape is a key or the start of a sequence.
_ESCAPE_PATIENCE = 20
_WAKE, _STOP = b"\x00", b"\xff"
# CAN ends a sequence that was cut in the middle; the keyboard protocol must go before the alternate screen does.
_RESTORE = (
    b"\x18\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b]22;default\x07\x1b[0m\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
# Nearly all that a screen consists of, none of it dangerous: Latin, dashes and bullets, arrows, lines and blocks.
_ORDINARY = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u20ac\u2190-\u2193\u2500-\u25ff]*").fullmatch
_LINK = re.compile(r"(?:https?://|mailto:)[!-~]+")
# Keys of the known shapes, any long word with a digit, and who:what in an address: messages quote what they choked on.
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|whsec|AIza)[-_]?[\w-]{8,}|(?=[\w-]*\d)[\w-]{20,}|(?<=://)[^\s/@]+(?=@)",
)


class TerminalFilter(LineFilter):
    """The last thing every line passes: no order and no link but ours reaches the terminal, whatever a text says."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line's segments, each as wide as before."""
        return [
            segment
            if _ORDINARY(segment.text) and not (segment.style and segment.style.link)
            else Segment(_defused(segment.text), _with_safe_link(segment.style), segment.control)
            for segment in segments
        ]


class ColorFilter(LineFilter):
    """Takes every colour away: Textual's own filter for NO_COLOR sends greys, or `default` over and over."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line's segments with their shapes only."""
        return [Segment(text, style and _without_color(style), control) for text, style, control in segments]


class ThriftFilter(LineFilter):
    """Draws blanks in the style beside them where that looks the same: each change of style is forty bytes of line."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line's segments, fewer of them."""
        kept: list[Segment] = []
        for segment in segments:
            if kept and (joined := _joined(kept[-1], segment)):
                kept[-1] = joined
            else:
                kept.append(segment)
        return kept


class TerminalDriver(LinuxDriver):
    """Textual's driver, which knows whether the terminal is still to be restored, and can do so from any thread."""

    entered = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bell, self._pull = os.pipe()

    def start_application_mode(self) -> None:
        self.entered = True
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        self.write("\x1b]22;default\x07")
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self.entered = False

    def disable_input(self) -> None:
        if self._key_thread and self._key_thread.is_alive():
            os.write(self._pull, _WAKE)
        super().disable_input()

    def run_input_thread(self) -> None:
        """Read keys. Unlike Textual's own: sleeps until there is one, ends at once, and survives what is not UTF-8."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(None if parser._timeout_time is None else _ESCAPE_PATIENCE):
                data = os.read(descriptor, 4096)
                if descriptor == self._bell:
                    return
                if not data:
                    raise OSError("the terminal is gone")
                self._pass_on(parser.feed(decode(data)))
            self._pass_on(parser.tick())

    def _pass_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    def restore(self) -> None:
        """Give the terminal back without Textual's help, once; never waits for a terminal that does not read."""
        if not self.entered:
            return
        self.entered = False
        _write_now(_ERRORS, _RESTORE)
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    def _disable_mouse_support(self) -> None:
        super()._disable_mouse_support()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        """Draw again after a stop; Textual would start a second set of threads, also on the signal of a lost line."""
        if self._auto_restart and not _hung_up():
            if self.entered:
                self.suspend_application_mode()
                self._must_signal_resume = True
            self.resume_application_mode()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._app.call_later(self._app.exit, None, 128 + signal.SIGHUP)
        except Exception as error:  # noqa: BLE001 - a thread's fault must end the app as any other does
            self._app.call_later(self._app._handle_exception, error)


class SafeApp(App[ReturnType]):
    """An app that shows hostile text harmlessly, keeps secrets out of its last words and tells its status truly."""

    def __init__(self, profile: Profile | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.guard: Guard | None = None
        self.cursor_blink = profile.cursor_blink if profile else False
        self.animation_level = cast("Any", profile.animations if profile else "none")
        self._last_line = [*([ColorFilter()] if self.no_color else []), TerminalFilter(), ThriftFilter()]
        self._last_words = ""
        self._interrupted = -AGAIN

    def get_driver_class(self) -> type[Driver]:
        """Our driver, unless the environment names one."""
        return super().get_driver_class() if constants.DRIVER else TerminalDriver

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, then ours; without colour only ours."""
        return self._last_line if self.no_color else [*super().get_line_filters(), *self._last_line]

    def exit(
        self, result: ReturnType | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """End the app; GRACE seconds later nothing of it runs. A crash or signal that ends it keeps its status."""
        if self.guard:
            self.guard.arm()
            return_code = self.guard.status or return_code
        if isinstance(message, str):
            # Last words may quote a name, and a name is neither markup nor an order to the terminal.
            message = Text(clean(message))
        super().exit(result, return_code or (1 if self._exception else 0), message)

    def panic(self, *renderables: RenderableType) -> None:
        """End the app with an error message, and with a status that says so."""
        self._return_code = self._return_code or 1
        super().panic(*renderables)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,  # a toast quotes names, and a name is never markup
    ) -> None:
        """Show a toast; its text is never markup."""
        super().notify(clean_block(message), title=clean(title), severity=severity, timeout=timeout, markup=False)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy cleaned text: what is pasted from it may land in a shell."""
        super().copy_to_clipboard(clean_block(text))

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Copy the address: a browser would open on the host, which is not where the user sits."""
        self.copy_to_clipboard(url)
        self.notify(f"Copied {url}")

    def action_help_quit(self) -> None:
        """The first ctrl+c tells what the second one does."""
        if monotonic() - self._interrupted < AGAIN:
            self.exit(return_code=128 + signal.SIGINT)
            return
        self._interrupted = monotonic()
        self.notify("Press ctrl+c again to quit.", timeout=AGAIN)

    def say_last_words(self) -> None:
        """Print what a crash left to say, once."""
        words, self._last_words = self._last_words, ""
        if words:
            _write_now(_ERRORS, words.encode("utf-8", "replace"))

    @on(events.Ready)
    def _collect_garbage_again(self) -> None:
        self.call_later(release_gc)

    @on(Driver.SignalResume)
    def _draw_again(self) -> None:
        self.refresh(layout=True)

    @on(events.DescendantFocus)
    def _still_cursor(self, event: events.DescendantFocus) -> None:
        if not self.cursor_blink and hasattr(event.widget, "cursor_blink"):
            event.widget.cursor_blink = False

    def _fatal_error(self) -> None:
        if self.guard:
            self.guard.arm()
        self._last_words = self._last_words or last_words(self._exception or RuntimeError("unknown"))
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self.say_last_words()
        super()._print_error_renderables()


class Guard(threading.Thread):
    """Ends the app on a signal or a lost terminal, and the process when the app does not end in time."""

    def __init__(self, app: SafeApp[Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True, name="terminal-guard")
        self.status = 0
        self._app, self._loop = app, loop
        self._deadline: float | None = None
        self._interrupted = -AGAIN
        self._inbox, self._outbox = os.pipe()
        os.set_blocking(self._outbox, False)

    def __enter__(self) -> Guard:
        # The wake-up descriptor is written by the C handler at once, even while the main thread is stuck in a call.
        signal.set_wakeup_fd(self._outbox, warn_on_full_buffer=False)
        heard = [number for number in (*_ENDING, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, lambda *_: None) for number in heard}
        self._app.guard = self
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._outbox, _STOP)
        self.join()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            # A lost line is seen before its SIGHUP comes, which must not change the status of a process that is ending.
            signal.signal(number, signal.SIG_IGN if self.status else handler)
        self._app.guard = None
        os.close(self._inbox)
        os.close(self._outbox)

    def arm(self) -> None:
        """From now on the process has GRACE seconds left; arming twice changes nothing."""
        if self._deadline is None:
            self._deadline = monotonic() + GRACE
            with suppress(OSError):
                os.write(self._outbox, _WAKE)

    def end(self, status: int) -> None:
        """End the app with *status*; the first status stays."""
        self.status = self.status or status
        self.arm()
        self._call(self._app.exit, None, self.status)

    def run(self) -> None:
        """Listen until the app has ended."""
        # Restoring the terminal from the background must not stop the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        poll = select.poll()
        poll.register(self._inbox, select.POLLIN)
        poll.register(_KEYS, 0)
        while True:
            for descriptor, event in poll.poll(self._patience()):
                if descriptor == _KEYS:
                    poll.unregister(_KEYS)
                    if event & _GONE:
                        self.end(128 + signal.SIGHUP)
                elif not all(map(self._heard, os.read(self._inbox, 64))):
                    return
            if self._deadline and monotonic() >= self._deadline:
                self._end_process()

    def _patience(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - monotonic()) * 1000

    def _heard(self, byte: int) -> bool:
        """Act on a byte of the inbox; False for the one that ends the listening."""
        if byte in _ENDING:
            self.end(128 + byte)
        elif byte == signal.SIGINT:
            self._interrupt()
        return byte != _STOP[0]

    def _interrupt(self) -> None:
        """A SIGINT from elsewhere counts as a ctrl+c, but the second one needs no help from the app."""
        if monotonic() - self._interrupted < AGAIN:
            self.end(128 + signal.SIGINT)
        self._interrupted = monotonic()
        self._call(self._app.action_help_quit)

    def _call(self, callback: Any, *arguments: Any) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _end_process(self) -> None:
        _restore(self._app)
        self._app.say_last_words()
        os._exit(self.status or (1 if self._app.return_code is None else self._app.return_code))


def run(app: SafeApp[Any]) -> int:
    """Run *app*, give the terminal back whatever happens, and return the exit status; no thread outlives it by much."""
    loop = asyncio.new_event_loop()
    # asyncio would print lost exceptions, values and all, onto the restored terminal.
    loop.set_exception_handler(lambda _, context: app.log.error(context.get("message")))
    with Guard(app, loop) as guard:
        try:
            loop.run_until_complete(app.run_async())
        except Exception as error:  # noqa: BLE001 - whatever it is, the terminal comes first
            guard.status = guard.status or 1
            app._last_words = last_words(error)
        finally:
            guard.arm()
            _restore(app)
            app.say_last_words()
            loop.close()
            _join_threads()
        return guard.status or (1 if app.return_code is None else app.return_code)


def last_words(error: BaseException) -> str:
    """A traceback that can be shown to anybody: places, and the message's first line; no source, no values.

    Databases and validators put the statement's parameters and the values they refused on the lines after it.
    """
    if isinstance(error, WorkerFailed):
        error = error.error
    places = "".join(f"  {place}\n" for place in _places(error.__traceback__)[-10:])
    try:
        message = _SECRET.sub("…", clean(next(iter(str(error).splitlines()), "")))[:300]
    except Exception:  # noqa: BLE001 - an error that cannot say itself still has a type
        message = ""
    kind = type(error).__name__
    return f"The program stopped because of a fault in it:\n{places}{kind}{': ' if message else ''}{message}\n"


def _places(trace: TracebackType | None) -> list[str]:
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)]
    return [clean(f"{code.co_filename}:{line} in {code.co_name}") for code, line in frames]


def _restore(app: App[Any]) -> None:
    if isinstance(app._driver, TerminalDriver):
        app._driver.restore()


def _hung_up() -> bool:
    poll = select.poll()
    poll.register(_KEYS, 0)
    return any(event & _GONE for _, event in poll.poll(0))


def _join_threads() -> None:
    """Wait for threads that would keep the process alive; the guard ends it when they take too long."""
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()


def _write_now(descriptor: int, data: bytes) -> None:
    """Write what the terminal takes without waiting."""
    with suppress(OSError):
        os.set_blocking(descriptor, False)
        try:
            os.write(descriptor, data)
        finally:
            os.set_blocking(descriptor, True)


def _joined(left: Segment, right: Segment) -> Segment | None:
    """Both as one segment, if one of them is blank and nothing of either style shows on a blank but the same ground."""
    one, other = left.style, right.style
    if left.control or right.control or one is None or other is None:
        return None
    if one == other:
        return Segment(left.text + right.text, one)
    if one.bgcolor != other.bgcolor or _shows_on_blanks(one) or _shows_on_blanks(other):
        return None
    if right.text.isspace():
        return Segment(left.text + right.text, one)
    return Segment(left.text + right.text, other) if left.text.isspace() else None


def _shows_on_blanks(style: Style) -> bool:
    return bool(style.underline or style.reverse or style.strike or style.overline or style.link)


@lru_cache(4096)
def _defused(text: str) -> str:
    """*text* without what must not reach the terminal, as wide as the layout took it to be."""
    safe = thin_marks(DANGEROUS.sub(_stand_in, text))
    return text if safe == text else set_cell_size(safe, cell_len(text))


def _stand_in(match: re.Match[str]) -> str:
    return REPLACEMENT if get_character_cell_size(match[0]) else ""


@lru_cache(1024)
def _with_safe_link(style: Style | None) -> Style | None:
    """*style*, without its link unless that is a plain web or mail address: an address is sent raw."""
    if style is None or not style.link or _LINK.fullmatch(style.link):
        return style
    return style.update_link(None)


@lru_cache(1024)
def _without_color(style: Style) -> Style:
    """*style* without colours, but with what clicks on it mean."""
    return style.without_color + Style.from_meta(style.meta) if style.meta else style.without_color
