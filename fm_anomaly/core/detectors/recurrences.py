"""What large values a stream has shown lately: a value like those that came twice within the week is no news.

Each stream keeps its four largest peaks of the last seven days, at least some hours apart, with the minute in which
each began. So a batch of every night, or of every half hour, is known after its second time. It must not know what
the streams measure.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_PEAKS = 4
TIMES = 2
"""A value that has been reached so often is no news."""
MARGIN = 1.1
"""A value up to this factor above an earlier one is like it."""
_DAYS_MIN = 7 * 1_440
_APART_MIN = 180
_AGE_MIN = 30
"""A peak younger than this is the value's own."""
_NEVER = -(1 << 30)


class Recurrences:
    """Recent peaks of streams of any one shape."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("values", "minutes")
    __slots__ = ("minutes", "values")

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.values = np.zeros((N_PEAKS, *shape), dtype=np.float32)
        self.minutes = np.full((N_PEAKS, *shape), _NEVER, dtype=np.int32)

    def is_known(self, x: Floats, minute: int) -> Bools:
        """Return which values are like what came at least `TIMES` times within the week before."""
        is_recent = (self.minutes > minute - _DAYS_MIN) & (self.minutes < minute - _AGE_MIN)
        known: Bools = ((self.values * MARGIN >= x) & is_recent).sum(axis=0) >= TIMES
        return known

    def learn(self, x: Floats, is_large: Bools, minute: int) -> None:
        """Note the large values: each raises the peak it belongs to, or takes the place of the smallest."""
        at = np.nonzero(is_large)
        if not len(at[0]):
            return
        large = x[at].astype(np.float32)
        of_all: tuple[Any, ...] = (slice(None), *at)
        values, minutes = self.values[of_all], self.minutes[of_all]
        is_own = minutes > minute - _APART_MIN
        standing = np.where(minutes > minute - _DAYS_MIN, values, np.float32(0.0))
        slot = np.where(is_own.any(axis=0), N_PEAKS - 1 - is_own[::-1].argmax(axis=0), standing.argmin(axis=0))
        column = np.arange(len(large))
        is_new = ~is_own.any(axis=0)
        before = np.where(is_new, standing[slot, column], values[slot, column])
        is_larger = large > before
        self.values[slot, *at] = np.where(is_larger, large, values[slot, column])
        self.minutes[slot, *at] = np.where(is_larger & is_new, minute, minutes[slot, column])
