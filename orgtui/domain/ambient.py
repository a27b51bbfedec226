"""What a program otherwise takes from the air, passed in: the time, and randomness for ids and codes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from os import urandom


@dataclass(frozen=True, slots=True)
class Ambient:
    """`now` answers an aware instant; `random` answers that many unpredictable bytes."""

    now: Callable[[], datetime]
    random: Callable[[int], bytes]

    def new_id(self, prefix: str) -> str:
        """`org_…`: 100 random bits in lower-case base 32."""
        return f"{prefix}_{base64.b32encode(self.random(13)).decode().lower().rstrip('=')[:20]}"


def system_ambient() -> Ambient:
    """The machine's clock and randomness."""
    return Ambient(now=lambda: datetime.now(UTC), random=urandom)
