"""Fakes that the package ships: a clock that moves only when told, and small logs with and without an incident.

For tests of live sources and of the service; no part of the package needs it to run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

_START = datetime(2026, 3, 2, 10, 0, 0)
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/app/cart.py", line 41, in total
    price = prices.fetch(item)
  File "/srv/shop/app/prices.py", line 17, in fetch
    raise PriceError(f"no price for {item}")
app.errors.PriceError: no price for 991"""


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


def quiet_log(minutes: int = 90, seed: int = 1) -> list[str]:
    """Return the lines of a web shop on an ordinary morning."""
    rng = Random(seed)  # noqa: S311 - a log, no cryptography
    lines = []
    for second in range(0, minutes * 60, 2):
        at = _START + timedelta(seconds=second)
        lines.append(
            f"{at:%Y-%m-%d %H:%M:%S} INFO [cart] added item {rng.randint(1, 9999)} for user {rng.randint(1, 99)}"
        )
        if rng.random() < 0.2:
            lines.append(
                f"{at:%Y-%m-%d %H:%M:%S} INFO [mail] sent receipt {rng.randint(1, 9999)} in {rng.randint(5, 60)}ms"
            )
    return lines


def outage_log(minutes: int = 90, seed: int = 1) -> list[str]:
    """Return `quiet_log` with three minutes of a new error in it, a traceback with every third."""
    out = []
    for line in quiet_log(minutes, seed):
        out.append(line)
        at = line[11:16]
        if "[cart]" in line and "11:10" <= at < "11:13":
            out.append(f"{line[:19]} ERROR [cart] price service answered 503 for item {len(out)}")
            if len(out) % 3 == 0:
                out.append(f"{line[:19]} ERROR [cart] checkout failed\n{_TRACEBACK}")
    return out


def as_bytes(lines: list[str]) -> bytes:
    """Return lines as the bytes of a file."""
    return ("\n".join(lines) + "\n").encode()
