"""A stream's last ten seconds: is the open minute already so full that its close need not be awaited?

The records and errors of a trailing window are held against the level that whole buckets have taught, scaled to the
window. Traffic within a minute is burstier than minutes are, so the largest windows seen so far are remembered, and a
burst exceeds them too. Must not know of buckets, streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import count_decades, count_size, half_life_alpha, score_value

NEVER = 1 << 40
"""A count that no window reaches."""


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

    __slots__ = ("_fade", "_params", "peak")

    def __init__(self, params: EarlyParams = EarlyParams()) -> None:
        self._params = params
        self._fade = 1.0 - half_life_alpha(86_400 / params.bucket_s)
        self.peak = 0.0
        """The largest window so far; halves in a day."""

    def least(self, level: Level) -> int:
        """Return the least count that could be a burst."""
        p = self._params
        expected = level.mean * p.part
        least = max(p.ratio * max(expected, 1.0), expected + p.min_excess, p.peak_margin * self.peak)
        return ceil(least)

    def score_one(self, x: float, level: Level, *, asked: float = 0.0) -> Reading:
        """Return the reading of a window; ``asked`` decades are taken off its score. Changes nothing."""
        p = self._params
        if x < self.least(level):
            return QUIET
        expected = level.mean * p.part
        size = count_size(level.mean, level.variance, level.total, 1, p.drift)
        decades = max(count_decades(x, expected, size) - asked, 0.0)
        spread = 3.0 * sqrt(expected + expected * expected / size)
        low, high = max(expected - spread, 0.0), expected + spread
        score = Score(score_value(decades, p.limit), decades)
        return Reading(score, 1, x, low, high, 1, level.total, expected, span_s=p.window_s)

    def learn_one(self, largest: float) -> None:
        """Learn the largest window that ended in a bucket."""
        self.peak = max(largest, self.peak * self._fade)
