"""Loaded before Textual is imported: what would change a picture or reach a real organization is pinned here."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

_HOME = tempfile.mkdtemp(prefix="orgtui-tests-")
# The snapshot plugin tells its workers their folder this way.
_KEPT = {"TEXTUAL_SNAPSHOT_TEMPDIR"}
_TRUST = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
for _name in [name for name in os.environ if name.startswith(("ORGTUI_", "TEXTUAL", "SSH_")) and name not in _KEPT]:
    del os.environ[_name]
os.environ.pop("NO_COLOR", None)
# Whose certificates count and what stands between: the tests bring servers of their own, and say themselves.
for _name in [name for name in os.environ if name.upper().endswith("_PROXY") or name in _TRUST]:
    del os.environ[_name]
os.environ.update(
    XDG_CONFIG_HOME=f"{_HOME}/config",
    XDG_DATA_HOME=f"{_HOME}/data",
    XDG_CACHE_HOME=f"{_HOME}/cache",
    XDG_STATE_HOME=f"{_HOME}/state",
    TEXTUAL_ANIMATIONS="none",
    # What a key changes is painted with the next frame: no test waits long for it.
    TEXTUAL_FPS="240",
    TZ="UTC",
)
time.tzset()
# What is compiled is kept: else each worker, and each program that a test starts, does it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A background job begins with these ignored, and `nohup` does it too: so would every program that a test sends one.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGQUIT, signal.SIGHUP):
    signal.signal(_number, signal.SIG_DFL)
# A commit waits for its disk, and thousands of them for little else. What a killed program wrote, memory keeps too.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2_000_000_000:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
