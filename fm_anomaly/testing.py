"""Fakes that the package ships: a clock that moves only when told.

For tests of live sources and of the service; no part of the package needs it to run.
"""

from __future__ import annotations

from collections.abc import Callable


class ManualClock:
    """A clock that stands still until `sleep` or `advance` moves it.

    `on_sleep` is called after each sleep with the new time: a test changes files there, which is how
    it plays the world that goes on while a source waits.

    >>> clock = ManualClock(start_us=5_000_000)
    >>> clock.sleep(0.5); clock.now_us()
    5500000
    """

    def __init__(self, start_us: int = 0, on_sleep: Callable[[int], None] | None = None) -> None:
        self._now_us = start_us
        self._on_sleep = on_sleep

    def now_us(self) -> int:
        """Return the time, in microseconds since the epoch."""
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Move the time forward by `seconds`."""
        self._now_us += round(seconds * 1_000_000)

    def sleep(self, seconds: float) -> None:
        """Move the time forward by `seconds`, then let `on_sleep` act."""
        self.advance(seconds)
        if self._on_sleep is not None:
            self._on_sleep(self._now_us)
