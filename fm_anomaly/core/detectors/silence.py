"""Silence of one stream: a gap too long under the rate and the gaps it has had.

``x`` is the count of a bucket; only empty ones score. `due` tells ahead in which empty bucket a silence
would be decided, so that empty buckets cost nothing. Must not know of streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10, sqrt
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.levels import Level
from fm_anomaly.core.detectors.tails import (
    LN10,
    count_decades,
    count_size,
    ew_step,
    half_life_alpha,
    score_value,
    warm_alpha,
)

_SEARCHED_BUCKETS = 1440
"""How far ahead a silence is looked for."""


@dataclass(frozen=True, slots=True)
class SilenceParams:
    """Settings of the silence detector."""

    limit: float = 5.1
    half_life_buckets: float = 60.0
    warmup_buckets: int = 10
    """Buckets with records before a silence can be told."""
    min_missed: float = 12.0
    """Least number of records that should have come."""
    min_missed_in_one: float = 11.0
    """The same for a single empty bucket, where one decade less is asked for too."""
    gap_margin: float = 1.5
    """A silence is longer by this factor than the longest gap learned."""
    drift: float = 0.1


class SilenceDetector:
    """Score empty buckets of one stream against its rate and its learned gaps."""

    __slots__ = ("_alpha", "_moments", "_params", "empty", "last", "longest", "mean", "n", "square", "suspect", "total")

    def __init__(self, params: SilenceParams = SilenceParams()) -> None:
        self._params = params
        self._alpha = half_life_alpha(params.half_life_buckets)
        self._moments = (Level(self._alpha), Level(self._alpha))
        self.last = -1
        """Newest bucket with records."""
        self.n = 0
        self.mean = 0.0
        self.square = 0.0
        self.total = 0.0
        self.empty = 0.0
        """Share of empty buckets."""
        self.longest = 0.0
        """Longest gap seen, in empty buckets, fading slowly."""
        self.suspect = 0.0
        """Length of the newest silence that was told."""

    def score_one(self, at: int, x: float) -> Reading:
        """Return a reading for bucket ``at``; quiet unless ``x`` is 0 and the gap is beyond the learned ones."""
        gap = at - self.last
        if x > 0 or self.n < self._params.warmup_buckets or gap <= 0:
            return QUIET
        decades = self._decades(gap)
        if decades <= 0:
            return QUIET
        missed = self.mean * gap
        score = Score(score_value(decades, self._params.limit), decades)
        return Reading(score, -1, 0.0, missed, missed, gap, self.total, missed)

    def learn_one(self, at: int, x: float) -> None:
        """Learn a bucket with records, and the gap that it ends."""
        if x <= 0:
            return
        if self.last >= 0:
            gap = at - self.last - 1
            self.longest = max(gap, self.longest * 0.9995)
            for _ in range(min(gap, 240)):
                self._learn(0.0)
        self._learn(x)
        self.last = at

    def resume(self, at: int) -> None:
        """End a silence at bucket ``at``: its zeros are not learned, and its gap only when it comes again."""
        gap = at - self.last - 1
        if 0 < gap <= 2 * self.suspect:
            self.longest = max(gap, self.longest)
        self.suspect = gap
        self.last = at - 1

    def pass_over(self, at: int) -> None:
        """Let the time up to and including bucket ``at`` pass: nobody listened, so nobody was silent."""
        self.last = max(self.last, at)

    def due(self, grace: int = 0) -> int:
        """Return the first bucket whose emptiness would be a silence, -1 if none ever would."""
        p = self._params
        if self.n < p.warmup_buckets or self.mean <= 0:
            return -1
        gap = max(
            1 if self.mean >= p.min_missed_in_one else ceil(p.min_missed / self.mean),
            ceil(p.gap_margin * self.longest) + 1 if self.longest else 1,
        )
        gap = max(gap, 1 + grace)
        found = self._first_gap(gap, gap + _SEARCHED_BUCKETS)
        return self.last + found if found else -1

    def _first_gap(self, low: int, end: int) -> int:
        """Return the first gap in ``[low, end)`` that is a silence, 0 if there is none.

        Beyond a single bucket, which is judged by a bound of its own, the decades grow with the gap: so
        the search doubles its steps and then halves the last one.
        """
        limit = self._params.limit
        if low == 1:
            if self._decades(1) >= limit:
                return 1
            low = 2
        step, high = 1, low
        while self._decades(high) < limit:
            if high == end - 1:
                return 0
            low, high = high + 1, min(high + step, end - 1)
            step *= 2
        while low < high:
            middle = (low + high) // 2
            if self._decades(middle) >= limit:
                high = middle
            else:
                low = middle + 1
        return high

    def _decades(self, gap: int) -> float:
        """Return how improbable so many empty buckets are, 0 where that is not asked for. Cost: under 1 µs."""
        p = self._params
        missed = self.mean * gap
        least = p.min_missed if gap > 1 else p.min_missed_in_one
        if missed < least or gap < p.gap_margin * self.longest + (1 if self.longest else 0):
            return 0.0
        variance = max(self.square - self.mean**2, 0.0)
        size = count_size(self.mean, variance, self.total, gap, p.drift)
        decades = min(count_decades(0.0, missed, size), gap * self._empty_decades(variance))
        decades += 1.0 if gap == 1 else 0.0
        if self.empty * self.n >= 1.0:
            # records come several at a time: empty buckets seen say more than the rate
            doubt = sqrt(self.empty * (1 - self.empty) * max(self._alpha, 1.0 / self.n))
            decades = min(decades, -gap * log10(min(self.empty + doubt, 0.999)))
        return decades

    def _empty_decades(self, variance: float) -> float:
        """Return how improbable an empty bucket is where records come several at a time (compound Poisson).

        No less than what it says that none was seen so far (rule of three).
        """
        clumped = self.mean * self.mean / max(variance, self.mean) / LN10
        return max(clumped, log10(max(min(self.n, 1.0 / self._alpha) / 3.0, 1.0)))

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [self.last, self.n, self.mean, self.square, self.total, self.empty, self.longest, self.suspect]

    @classmethod
    def restore(cls, state: list[Any], params: SilenceParams = SilenceParams()) -> SilenceDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.last, self.n, self.mean, self.square, self.total, self.empty, self.longest, self.suspect = state
        return self

    def _learn(self, x: float) -> None:
        base = self._alpha
        alpha = warm_alpha(base, self.n)
        self.mean = self._moments[0].step(self.mean, x, self.n)
        self.square = self._moments[1].step(self.square, x * x, self.n)
        self.total = x + (1 - base) * self.total
        self.empty = ew_step(self.empty, 1.0 if x <= 0 else 0.0, alpha)
        self.n += 1
