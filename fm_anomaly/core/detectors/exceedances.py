"""Tails of many streams of numbers, learned online: how improbable is a value so large?

Two estimates of each tail. The first is in standard deviations: beyond two of them the tail is exponential, with a
share and a mean excess that start from what is common and move with the stream; it serves from the first days on. The
second are the peaks over the stream's own 98th percentile, moved a step at a time; it needs a hundred of them, and
then knows better. Their harmonic mean goes from the one to the other as peaks are seen. What is learned is clipped,
so that one anomaly does not hide the next. Streams come in pairs, upwards and downwards. It must not know what they
measure.
"""

from __future__ import annotations

from math import log, log10
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LN10 = log(10.0)

SIGMAS = 2.0
"""Where the first tail begins."""
_SIGMA_DAYS = 4.0
_SIGMA_CLIP = 5.0
_PRIOR_SHARE = 0.03
"""Share of values beyond `SIGMAS` in a common stream: somewhat more than normal."""
_PRIOR_EXCESS = 0.65
"""Their mean excess in standard deviations; a normal tail has 0.37 there."""
_PRIOR_PEAKS = 300.0
"""Weight of what is common, in values beyond `SIGMAS`."""
_QUANTILE = 0.98
_PEAK_DAYS = 14.0
_PEAK_CLIP = 3.0
"""Largest excess over the 98th percentile that is learned, in mean excesses."""
_KNOWN_PEAKS = 100.0
"""Peaks seen at which both estimates weigh the same."""
_LEAST_DECADES = 0.1
_N_SETTLING = 20
_TINY = 1e-12


class Exceedances:
    """Tails of streams in arrays of the shape (2, *shape): upwards, downwards."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("n", "square", "share", "excess", "n_beyond", "high", "peak", "n_peaks")
    __slots__ = ("_a_peak", "_a_sigma", "excess", "high", "n", "n_beyond", "n_peaks", "peak", "share", "square")

    def __init__(self, shape: tuple[int, ...], steps_a_day: float) -> None:
        pair = (2, *shape)
        self._a_sigma = _alpha(_SIGMA_DAYS * steps_a_day)
        self._a_peak = _alpha(_PEAK_DAYS * steps_a_day)
        self.n = np.zeros(shape)
        """Values learned, of both directions alike."""
        self.square = np.zeros(shape)
        """Mean square."""
        self.share = np.zeros(pair)
        self.excess = np.zeros(pair)
        self.n_beyond = np.zeros(pair)
        self.high = np.zeros(pair)
        """The 98th percentile of each direction."""
        self.peak = np.zeros(pair)
        """Mean excess over it."""
        self.n_peaks = np.zeros(pair)

    def sigma(self, floor: Floats) -> Floats:
        """Return the standard deviation around zero, at least ``floor``."""
        root: Floats = np.sqrt(self.square)
        root += floor
        root += _TINY
        return root

    def decades(self, x: Floats, sigma: Floats) -> Floats:
        """Return how improbable each value of a pair of streams is, in decades; 0 up to `SIGMAS`."""
        beyond = x / sigma - SIGMAS
        n = np.minimum(self.n, 1.0 / self._a_sigma)
        excess = (_PRIOR_PEAKS * _PRIOR_EXCESS + self.n_beyond * self.excess) / (_PRIOR_PEAKS + self.n_beyond)
        share = (_PRIOR_PEAKS + self.share * n) / (_PRIOR_PEAKS / _PRIOR_SHARE + n)
        first = beyond / (excess * LN10) - np.log10(np.minimum(share, 0.5))
        over = (x - self.high) / (np.maximum(self.peak, 0.05 * self.high + _TINY) * LN10)
        second = np.where(over > 0.0, over - log10(1.0 - _QUANTILE), 0.0)
        weight = 1.0 / (1.0 + (self.n_peaks / _KNOWN_PEAKS) ** 2)
        slow = weight / np.maximum(first, _LEAST_DECADES) + (1.0 - weight) / np.maximum(second, _LEAST_DECADES)
        out: Floats = np.where(beyond > 0.0, 1.0 / slow, 0.0)
        return out

    def learn(self, x: Floats, sigma: Floats) -> None:
        """Learn one value of each pair of streams."""
        self.n += 1.0
        n = self.n
        is_settled = n > _N_SETTLING
        beyond = x / sigma - SIGMAS
        size = np.abs(x[0]) / sigma
        size = np.where(is_settled, np.minimum(size, _SIGMA_CLIP), size) * sigma
        alpha = np.maximum(self._a_sigma, 1.0 / n)
        self.square += alpha * (size * size - self.square)
        is_beyond = (beyond > 0.0) & is_settled
        self.share += np.where(is_settled, alpha, 0.0) * (is_beyond - self.share)
        self.n_beyond = np.minimum(self.n_beyond + is_beyond, max(_PRIOR_SHARE / self._a_sigma, 1.0))
        step = np.where(is_beyond, 1.0 / np.maximum(self.n_beyond, 1.0), 0.0)
        self.excess += step * (np.minimum(beyond, _SIGMA_CLIP - SIGMAS) - self.excess)
        self._learn_peaks(np.maximum(x, 0.0))

    def _learn_peaks(self, x: Floats) -> None:
        """Move the 98th percentile a step: up by 98 parts for a value above it, down by 2 for one below."""
        high = np.where(self.n == 1.0, x, self.high)
        spread = np.maximum(self.peak, 0.02 * high) + _TINY
        move = 5.0 * spread * np.maximum(3.0 * self._a_peak, 1.0 / (self.n + 1.0))
        is_high = x > high
        over = x - high
        over = np.where(self.n_peaks > 10.0, np.minimum(over, _PEAK_CLIP * spread), over)
        weight = np.maximum(self._a_peak / (1.0 - _QUANTILE), 1.0 / (self.n_peaks + 1.0))
        self.peak += np.where(is_high, weight * (over - self.peak), 0.0)
        self.n_peaks += is_high
        self.high = high + np.where(is_high, _QUANTILE, _QUANTILE - 1.0) * move


def _alpha(half_life: float) -> float:
    return 1.0 - float(0.5 ** (1.0 / max(half_life, 1e-9)))
