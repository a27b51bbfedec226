"""Loaded before Textual is imported: what would change a picture or reach a real organization is pinned here."""

from __future__ import annotations

import os
import tempfile
import time

_HOME = tempfile.mkdtemp(prefix="orgtui-tests-")
# The snapshot plugin tells its workers their folder this way.
_KEPT = {"TEXTUAL_SNAPSHOT_TEMPDIR"}
for _name in [name for name in os.environ if name.startswith(("ORGTUI_", "TEXTUAL", "SSH_")) and name not in _KEPT]:
    del os.environ[_name]
os.environ.pop("NO_COLOR", None)
os.environ.update(
    XDG_CONFIG_HOME=f"{_HOME}/config",
    XDG_DATA_HOME=f"{_HOME}/data",
    XDG_CACHE_HOME=f"{_HOME}/cache",
    XDG_STATE_HOME=f"{_HOME}/state",
    TEXTUAL_ANIMATIONS="none",
    TZ="UTC",
)
time.tzset()
