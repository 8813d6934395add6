"""A stream's last ten seconds: is the open minute already so full that its close need not be awaited?

The records and errors of a trailing window are held against the level that whole buckets have taught, scaled to the
window. Traffic within a minute is burstier than minutes are, for a request writes several records at once: so a burst
exceeds the largest window seen so far, and what the fullest windows of buckets have taught of their own tail (Gumbel's,
of maxima). Must not know of buckets, streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi, sqrt

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import (
    LN10,
    count_decades,
    count_size,
    ew_step,
    half_life_alpha,
    score_value,
    warm_alpha,
)

NEVER = 1 << 40
"""A count that no window reaches."""
_TAIL_HALF_LIFE_S = 4 * 3600
_EULER = 0.5772156649015329
_LEAST_SCALE = 1.0
"""Scale of the fullest windows, in records, where they hardly differ."""


@dataclass(frozen=True, slots=True)
class EarlyParams:
    """Settings of early scoring; ratios are observed over expected."""

    bucket_s: int = 60
    limit: float = 5.1
    window_s: int = 10
    """Length of the trailing window, seconds."""
    ratio: float = 6.0
    min_excess: float = 16.0
    """Least number of records that a burst has beyond the expectation."""
    min_errors: float = 8.0
    """Fewest errors in the window that are looked at."""
    peak_margin: float = 2.0
    """A burst exceeds by this factor the largest window so far."""
    spike_decades: float = 2.0
    """What a burst of records is asked for beyond one of errors: more traffic is rarely an incident."""
    drift: float = 0.3

    @property
    def part(self) -> float:
        """The window's part of a bucket."""
        return self.window_s / self.bucket_s


@dataclass(frozen=True, slots=True)
class Level:
    """What whole buckets have taught: mean and variance of a bucket's count, and the effective records behind them."""

    mean: float
    variance: float
    total: float


class EarlyDetector:
    """Score the count of a trailing window; ``x`` is that count. One for records, one for errors."""

    __slots__ = ("_alpha", "_fade", "_params", "mean", "n", "peak", "square")

    def __init__(self, params: EarlyParams = EarlyParams()) -> None:
        self._params = params
        self._fade = 1.0 - half_life_alpha(86_400 / params.bucket_s)
        self.peak = 0.0
        """The largest window so far; halves in a day."""
        self._alpha = half_life_alpha(_TAIL_HALF_LIFE_S / params.bucket_s)
        self.n = 0
        self.mean = 0.0
        """Mean of the fullest windows of buckets, and of their squares."""
        self.square = 0.0

    def least(self, level: Level) -> int:
        """Return the least count that could be a burst."""
        p = self._params
        expected = level.mean * p.part
        least = max(p.ratio * max(expected, 1.0), expected + p.min_excess, p.peak_margin * self.peak)
        return ceil(least)

    def tail_decades(self, x: float) -> float:
        """Return how improbable it is that the fullest window of a bucket holds ``x``, by those that were."""
        spread = sqrt(max(self.square - self.mean * self.mean, 0.0))
        scale = max(spread * sqrt(6.0) / pi, _LEAST_SCALE)
        return max((x - self.mean) / scale + _EULER, 0.0) / LN10

    def score_one(self, x: float, level: Level, *, asked: float = 0.0, is_clumped: bool = False) -> Reading:
        """Return the reading of a window. Changes nothing.

        ``asked`` decades are taken off its score; of what is clumped it is no more than `tail_decades`.
        """
        p = self._params
        if x < self.least(level):
            return QUIET
        expected = level.mean * p.part
        size = count_size(level.mean, level.variance, level.total, 1, p.drift)
        decades = max(count_decades(x, expected, size) - asked, 0.0)
        if is_clumped:
            decades = min(decades, self.tail_decades(x))
        spread = 3.0 * sqrt(expected + expected * expected / size)
        low, high = max(expected - spread, 0.0), expected + spread
        score = Score(score_value(decades, p.limit), decades)
        return Reading(score, 1, x, low, high, 1, level.total, expected, span_s=p.window_s)

    def learn_one(self, largest: float) -> None:
        """Learn the largest window that ended in a bucket."""
        self.peak = max(largest, self.peak * self._fade)
        alpha = warm_alpha(self._alpha, self.n)
        self.mean = ew_step(self.mean, largest, alpha)
        self.square = ew_step(self.square, largest * largest, alpha)
        self.n += 1

    def snapshot(self) -> list[float]:
        """Return the state."""
        return [self.peak, self.n, self.mean, self.square]

    def restore(self, state: list[float]) -> None:
        """Take the state of a `snapshot`."""
        self.peak, n, self.mean, self.square = state
        self.n = int(n)
