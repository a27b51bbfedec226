"""`make bench`: orgtui against a bare Textual app with the same kind of widgets, in turn, in a real terminal."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.ptyharness import Terminal

ROOT = Path(__file__).resolve().parents[1]
SIZE = (100, 30)
FLOOR = [sys.executable, str(ROOT / "benchmarks" / "floor.py")]
ORGTUI = [sys.executable, "-m", "orgtui", "demo"]


def paint(argv: list[str], *marks: bytes) -> list[float]:
    """Milliseconds from the start of *argv* until each of *marks* has arrived."""
    begin = time.perf_counter()
    with Terminal(argv, size=SIZE, env={"COLORTERM": "truecolor", "TERM": "xterm-256color"}) as terminal:
        times = []
        for mark in marks:
            while mark not in terminal.raw:
                if not terminal.read(10):
                    raise AssertionError(f"{argv} ended before it showed {mark!r}")
            times.append((time.perf_counter() - begin) * 1000)
        terminal.quiet(0.3)
        terminal.send("q")
        terminal.wait()
    return times


def key(terminal: Terminal, name: str) -> tuple[float, int]:
    """Milliseconds from a key to the last byte it causes, and how many bytes those are."""
    before, begin = len(terminal.raw), time.perf_counter()
    last = begin
    terminal.send(name)
    while True:
        size = len(terminal.raw)
        terminal.read(0.15)
        if len(terminal.raw) == size:
            return (last - begin) * 1000, len(terminal.raw) - before
        last = time.perf_counter()


def keys(section: str, mark: bytes, names: tuple[str, ...], presses: int) -> tuple[float, int]:
    """Median milliseconds and most bytes of *names* pressed in turn, once each has been seen."""
    with Terminal([*ORGTUI, "--section", section], size=SIZE, env={"COLORTERM": "truecolor"}) as terminal:
        terminal.until(lambda: mark in terminal.raw)
        terminal.quiet(0.5)
        for name in names:
            key(terminal, name)
        found = [key(terminal, names[index % len(names)]) for index in range(presses)]
        terminal.send("q")
        terminal.wait()
    return statistics.median(time_ for time_, _ in found), max(size for _, size in found)


def idle(seconds: float) -> int:
    """Bytes sent while nobody does anything."""
    with Terminal([*ORGTUI], size=SIZE, env={"COLORTERM": "truecolor"}) as terminal:
        terminal.until(lambda: b"12 Mar 2024" in terminal.raw)
        terminal.quiet(1.0)
        before, end = len(terminal.raw), time.monotonic() + seconds
        while time.monotonic() < end:
            terminal.read(0.2)
        sent = len(terminal.raw) - before
        terminal.send("q")
        terminal.wait()
    return sent


def command(*argv: str) -> float:
    """Milliseconds a command takes."""
    begin = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return (time.perf_counter() - begin) * 1000


def ratio(ours: list[float], floor: list[float]) -> str:
    """The median of the rounds' ratios, with the lowest and the highest."""
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, floor, strict=True))
    return f"{statistics.median(ratios):.2f} [{ratios[0]:.2f} {ratios[-1]:.2f}]"


def rounds(count: int, one: Callable[[], None]) -> None:
    """One to warm up, then *count*."""
    for _ in range(count + 1):
        one()


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    count = parser.parse_args().rounds
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="orgtui-bench-")
    frame: list[float] = []
    real: list[float] = []
    usage: list[float] = []
    floor: list[float] = []
    version: list[float] = []
    bare: list[float] = []

    def one() -> None:
        floor.extend(paint(FLOOR, b"2026-11-01"))
        first, second = paint(ORGTUI, b"Usage & Analytics", b"12 Mar 2024")
        frame.append(first)
        real.append(second)
        usage.extend(paint([*ORGTUI, "--section", "usage"], b"2,885"))
        version.append(command(sys.executable, "-m", "orgtui", "--version"))
        bare.append(command(sys.executable, "-c", "import argparse"))

    rounds(count, one)
    for series in (frame, real, usage, floor, version, bare):
        del series[0]
    print("| what | ms (median) | × the floor of the same run |")
    print("|---|---|---|")
    print(f"| the floor: a bare Textual app, its table painted | {statistics.median(floor):.0f} | 1 |")
    print(f"| the frame painted | {statistics.median(frame):.0f} | {ratio(frame, floor)} |")
    print(f"| General: real figures from SQLite | {statistics.median(real):.0f} | {ratio(real, floor)} |")
    print(f"| Usage & Analytics: real figures and chart | {statistics.median(usage):.0f} | {ratio(usage, floor)} |")
    print(f"| `--version`, against `import argparse` | {statistics.median(version):.0f} | {ratio(version, bare)} |")
    print()
    print("| key | settled, ms | bytes |")
    print("|---|---|---|")
    for words, section, mark, names in (
        ("an arrow in Usage & Analytics", "usage", b"2,885", ("left", "right")),
        ("a section switch, General and Team", "general", b"12 Mar 2024", ("2", "1")),
        ("a section switch, General and Usage & Analytics", "general", b"12 Mar 2024", ("3", "1")),
    ):
        settled, size = keys(section, mark, names, count)
        print(f"| {words} | {settled:.0f} | {size:,} |")
    print(f"| none, for 5 s | | {idle(5)} |")


if __name__ == "__main__":
    main()
