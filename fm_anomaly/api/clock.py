"""The wall clock, in µs: when something was received or told. Tests and replays replace it here."""

from __future__ import annotations

import time


def now_us() -> int:
    """Return the time of now, µs since the epoch, UTC."""
    return time.time_ns() // 1_000
