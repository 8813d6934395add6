"""The wall clock, in µs: when a command was given. Its own module so that tests and replays can replace it."""

from __future__ import annotations

import time


def now_us() -> int:
    """Return the time of now, µs since the epoch, UTC."""
    return time.time_ns() // 1_000
