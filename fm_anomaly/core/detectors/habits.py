"""From improbable to worth telling: one alert a change, and less for what comes again and again.

After a decision nothing is told for the dead time. Each decision raises the bar of its series by a decade, which
fades by half a day; each day with something improbable raises the bar for that time of the day by a decade, which
fades by half a week. It must not know what is measured.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_DAY_US = 86_400_000_000
_N_BINS = 48
_DECISION_DECADES = 1.0
_DECISION_DAYS = 1.0
_DAILY_DECADES = 1.0
_DAILY_DAYS = 7.0
_MOST_DECADES = 4.0
"""However improbable, a value counts as so many decades beyond the limit: a habit can hold anything back."""
_NEVER_US = -(1 << 60)


class Habits:
    """The bars of ``n`` series."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("told_us", "seen_us", "bar", "daily", "daily_on", "day")
    __slots__ = ("_dead_us", "bar", "daily", "daily_on", "day", "seen_us", "told_us")

    def __init__(self, n: int, dead_time_s: float) -> None:
        self._dead_us = int(dead_time_s * 1e6)
        self.told_us = np.full(n, _NEVER_US, dtype=np.int64)
        """Time of the last decision."""
        self.seen_us = np.full(n, _NEVER_US, dtype=np.int64)
        """Time of the last value."""
        self.bar = np.zeros(n)
        self.daily = np.zeros((_N_BINS, n), dtype=np.float32)
        self.daily_on = np.full((_N_BINS, n), -1, dtype=np.int32)
        """Day on which each half hour was last raised."""
        self.day = np.full(n, -1, dtype=np.int32)
        """Day of each series' last value."""

    def decide(self, time_us: int, decades: Floats, raw: Floats, limit: float) -> Bools:
        """Return which series tell something now.

        Parameters
        ----------
        decades
            How improbable each series is, what is known to recur taken out.
        raw
            The same with what is known to recur.
        """
        day = time_us // _DAY_US
        if (self.day < day).any():
            passed_days = np.where(self.day >= 0, np.maximum(day - self.day, 0), 0)
            self.daily *= (0.5 ** (passed_days / _DAILY_DAYS)).astype(np.float32)
            self.day = np.maximum(self.day, np.int32(day))
        passed = np.where(self.seen_us > _NEVER_US, np.maximum(time_us - self.seen_us, 0), 0)
        self.bar *= 0.5 ** (passed / (_DECISION_DAYS * _DAY_US))
        at = time_us % _DAY_US * _N_BINS // _DAY_US
        near = [at, (at + 1) % _N_BINS, at - 1]
        before = self.daily[near] - np.float32(_DAILY_DECADES) * (self.daily_on[near] == day)
        is_over: Bools = np.minimum(decades, limit + _MOST_DECADES) >= limit + self.bar + before.max(axis=0)
        is_over = is_over & (time_us - self.told_us >= self._dead_us)
        is_raised = (raw >= limit) & (self.daily_on[at] != day)
        self.daily[at] += np.float32(_DAILY_DECADES) * is_raised
        np.copyto(self.daily_on[at], day, where=is_raised)
        self.bar += _DECISION_DECADES * is_over
        np.copyto(self.told_us, time_us, where=is_over)
        self.seen_us[...] = time_us
        return is_over
