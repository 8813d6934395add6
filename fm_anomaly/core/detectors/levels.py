"""The level of a stream: river's exponentially weighted mean, with a warm-up and plain state.

A level begins as the plain average of its first values; from then on river's `stats.EWMean` moves it. What is kept in a
snapshot is the number alone: an EWMean that is seeded with it goes on bit for bit. It must not know what is levelled.
"""

from __future__ import annotations

from typing import Any

from fm_anomaly.core.detectors.tails import ew_step, warm_alpha


class Level:
    """Moves one mean that its owner keeps; the owner may set the mean as it likes between two steps."""

    __slots__ = ("_alpha", "_mean", "_value")

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._mean: Any = None
        self._value = 0.0

    def step(self, mean: float, x: float, n: int) -> float:
        """Return the mean after ``x``, the value number ``n`` (from 0)."""
        alpha = warm_alpha(self._alpha, n)
        if alpha > self._alpha:
            return ew_step(mean, x, alpha)
        if self._mean is None or self._value != mean:
            self._mean = _seeded(self._alpha, mean)
        self._mean.update(x)
        self._value = float(self._mean.get())
        return self._value


def _seeded(alpha: float, mean: float) -> Any:
    """Return river's EWMean as it would be with that mean."""
    from river.stats import EWMean  # a quarter of a second, which a command that detects nothing need not wait for

    stat = EWMean(fading_factor=alpha)
    stat.update(mean)
    return stat
