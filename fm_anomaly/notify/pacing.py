"""How hard a receiver is tried: waits that grow, a breaker that leaves it alone, a cap on requests a minute.

State of one receiver in one process, small and lost on a restart without harm. Times are given; chance is injected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from fm_anomaly.notify.receivers import NotifyParams

_US = 1_000_000


def wait_us(failures: int, params: NotifyParams, rng: Random) -> int:
    """Return how long to wait after so many failures in a row: doubled up to a limit, half of it by chance."""
    full_s = min(params.retry_s * 2.0 ** min(max(failures - 1, 0), 30), params.retry_max_s)
    return round(full_s * rng.uniform(0.5, 1.0) * _US)


@dataclass(slots=True)
class Breaker:
    """Whether a receiver may be tried: after some failures in a row not before a wait is over, with one message."""

    failures: int = 0
    failing_since_us: int | None = None
    open_until_us: int = 0

    def allows(self, now_us: int) -> bool:
        """Tell whether it may be tried now."""
        return now_us >= self.open_until_us

    def succeeded(self) -> None:
        """Note that a message got through."""
        self.failures, self.failing_since_us, self.open_until_us = 0, None, 0

    def failed(self, now_us: int, wait_us: int, params: NotifyParams) -> None:
        """Note that the receiver failed, and leave it alone for `wait_us` once that happens again and again."""
        self.failures += 1
        if self.failing_since_us is None:
            self.failing_since_us = now_us
        if self.failures >= params.breaker_failures:
            self.open_until_us = now_us + wait_us

    def is_open(self, now_us: int) -> bool:
        """Tell whether it is being left alone."""
        return self.failures > 0 and not self.allows(now_us)


@dataclass(slots=True)
class Rate:
    """A token bucket: `per_minute` requests a minute, a quarter of them at once."""

    per_minute: int
    _tokens: float = field(init=False)
    _at_us: int | None = None

    def __post_init__(self) -> None:
        self._tokens = self._size

    @property
    def _size(self) -> float:
        return max(self.per_minute / 4, 1.0)

    def take(self, now_us: int) -> int:
        """Take a request's token; return 0, or where there is none how long to wait for it, in µs."""
        if self._at_us is not None:
            gained = max(now_us - self._at_us, 0) / (60 * _US) * self.per_minute
            self._tokens = min(self._tokens + gained, self._size)
        self._at_us = now_us if self._at_us is None else max(now_us, self._at_us)
        if self._tokens < 1.0:
            return max(round((1.0 - self._tokens) / self.per_minute * 60 * _US), 1)
        self._tokens -= 1.0
        return 0
