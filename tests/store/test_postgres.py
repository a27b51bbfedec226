"""What is PostgreSQL's own: who is let in, who waits for whom, what a restart takes away, and what it never does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

from tests.conftest import ROOT

SERVE = """
import time
from tests.postgres import server
with server() as running:
    print(running.url("postgres").options["host"], flush=True)
    time.sleep(60)
"""


def test_a_killed_worker_leaves_no_server_behind() -> None:
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", SERVE], stdout=PIPE, text=True, cwd=ROOT)
    assert worker.stdout is not None
    data = Path(worker.stdout.readline().strip())
    process = Path("/proc") / (data / "postmaster.pid").read_text().split()[0]
    assert data.name == "data"
    assert process.exists()
    worker.kill()
    worker.communicate()
    end = time.monotonic() + 10
    while (data.parent.exists() or is_running(process)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not data.parent.exists()
    assert not is_running(process)


def is_running(process: Path) -> bool:
    """Whether it is there, and not only until somebody asks how it ended."""
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except OSError:
        return False
