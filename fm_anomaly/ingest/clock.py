"""The clock of live sources, as a port: what they need of time, and the real one.

Tests use `fm_anomaly.testing.ManualClock`. This is the only module of ingest that reads the wall clock.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time and waiting."""

    def now_us(self) -> int:
        """Return microseconds since the epoch, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's clock. It may step back under NTP; `Pipeline.advance` takes the maximum."""

    def now_us(self) -> int:
        """Return microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)
