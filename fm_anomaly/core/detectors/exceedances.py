"""Tails of many score streams, learned online: how improbable is a value so large, and was one like it seen lately?

Peaks over a threshold: each stream keeps a high quantile, moved a step at a time, and the mean excess above it;
beyond it the tail is exponential. Excesses are clipped as they are learned, so that one anomaly does not hide the
next. The largest values of recent days are kept beside: what comes again and again is no news, however improbable.
Arrays of one shape throughout; it must not know what the streams measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LN10 = log(10.0)
QUANTILE = 0.98
"""Of the values of a stream, the share below its threshold."""
CLIP = 3.0
"""Largest excess that is learned, in mean excesses."""
_BODY_DECADES = -log10(1.0 - QUANTILE)
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ExceedanceParams:
    """Memory of the tails."""

    half_life_days: float = 14.0
    days: int = 7
    """Days whose largest values are kept."""
    times: int = 2
    """A value that was reached so often in them is no news."""
    margin: float = 1.1
    """A value within this factor of an earlier one is like it."""


class Exceedances:
    """Tails of streams in arrays of any one shape, here called S."""

    __slots__ = ("_params", "day", "excess", "high", "n", "n_high", "peaks", "today")

    def __init__(self, shape: tuple[int, ...], params: ExceedanceParams = ExceedanceParams()) -> None:
        self._params = params
        self.high = np.zeros(shape)
        """The threshold of each stream."""
        self.excess = np.zeros(shape)
        """Mean excess above it."""
        self.n = np.zeros(shape, dtype=np.int32)
        self.n_high = np.zeros(shape, dtype=np.int32)
        self.today = np.zeros(shape, dtype=np.float32)
        self.peaks = np.zeros((params.days, *shape), dtype=np.float32)
        self.day = -1

    def decades(self, x: Floats) -> Floats:
        """Return how improbable each value is, in decades; 0 below the threshold, and for what was seen lately."""
        spread = np.maximum(np.maximum(self.excess, 0.05 * self.high), _TINY)
        beyond = (x - self.high) / spread
        out = np.where(beyond > 0.0, _BODY_DECADES + beyond / LN10, 0.0)
        if out.any():
            bar = x / self._params.margin
            seen = (self.peaks >= bar).sum(axis=0) + (self.today >= bar)
            out[seen >= self._params.times] = 0.0
        return out

    def learn(self, x: Floats, day: int, steps_a_day: float, is_learned: NDArray[np.bool_]) -> None:
        """Learn one value of each stream where ``is_learned``; ``day`` numbers the days."""
        if day != self.day:
            if self.day >= 0:
                self.peaks[self.day % self._params.days] = self.today
                self.today[...] = 0.0
            self.day = day
        alpha = 1.0 - 0.5 ** (1.0 / (self._params.half_life_days * steps_a_day))
        x = np.maximum(x, 0.0)
        n = self.n + 1
        high = np.where(n == 1, x, self.high)
        spread = np.maximum(self.excess, 0.02 * high) + _TINY
        move = 5.0 * spread * np.maximum(3.0 * alpha, 1.0 / (n + 1.0))
        is_high = x > high
        excess = x - high
        excess = np.where(self.n_high > 10, np.minimum(excess, CLIP * spread), excess)
        weight = np.maximum(alpha / (1.0 - QUANTILE), 1.0 / (self.n_high + 1.0))
        np.copyto(self.high, high + np.where(is_high, QUANTILE, QUANTILE - 1.0) * move, where=is_learned)
        is_high &= is_learned
        np.copyto(self.excess, self.excess + weight * (excess - self.excess), where=is_high)
        self.n_high += is_high
        self.n += is_learned
        np.copyto(self.today, np.maximum(self.today, x), where=is_learned, casting="same_kind")

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        names = ("high", "excess", "n", "n_high", "today", "peaks")
        return {"day": self.day, **{name: getattr(self, name).tobytes() for name in names}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a `snapshot` of the same shape."""
        self.day = state["day"]
        for name in ("high", "excess", "n", "n_high", "today", "peaks"):
            array = getattr(self, name)
            array[...] = np.frombuffer(state[name], dtype=array.dtype).reshape(array.shape)
