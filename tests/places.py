"""Real places where nothing can be written: read-only disks, folders and files, and disks that are full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _run(*command: object) -> None:
    """A command that only root may give; without that right, the test cannot say anything."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to {command[0]}: {done.stderr.strip()}")


@contextmanager
def read_only_disk(directory: Path) -> Iterator[Path]:
    """*directory*, seen through a mount that is read-only."""
    seen = directory.with_name(f"{directory.name}-read-only")
    seen.mkdir()
    _run("mount", "--bind", directory, seen)
    try:
        _run("mount", "-o", "remount,bind,ro", seen)
        yield seen
    finally:
        _run("umount", seen)


@contextmanager
def read_only(path: Path) -> Iterator[Path]:
    """A file or folder that nobody may change, not even root."""
    mode = path.stat().st_mode
    if os.geteuid() == 0:
        _run("chattr", "+i", path)
    else:
        path.chmod(mode & ~0o222)
    try:
        yield path
    finally:
        if os.geteuid() == 0:
            _run("chattr", "-i", path)
        else:
            path.chmod(mode)


@contextmanager
def small_disk(directory: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own, that is soon full."""
    directory.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", directory)
    try:
        yield directory
    finally:
        _run("umount", directory)


def fill(directory: Path) -> Path:
    """A file that takes all the room there is left."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(1024))
        except OSError:
            return filler
