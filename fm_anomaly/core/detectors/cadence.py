"""Cadence of one series (a template, a stream): what comes regularly and fails to come, a heartbeat or a cron job.

``x`` is the count of a bucket. A beat is a bucket with records after one without. When the last gaps between beats are
all alike, the chance that the next one takes longer is that of Student's t over them; what is not regular is never
missed. A shift of the clock by an hour makes no gap of hours too long. Must not know of streams, alerts or words.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10, sqrt
from statistics import median
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import MAX_DECADES, score_value


@dataclass(frozen=True, slots=True)
class CadenceParams:
    """Settings of the cadence detector.

    limit: decades of improbability from which on a gap is too long.
    min_gaps, min_gaps_long: gaps before a cadence is believed, and where they are half a day and longer.
    min_span_gaps: it must have been seen for so many gaps, or for a day: what stops at night is no cadence.
    alike: how far gaps may lie from the middle one, as a share of it.
    rounding: standard deviation, in buckets, that gaps have from being whole buckets.
    clock_change_s: what is added for gaps of two hours and longer, for local time may skip or repeat an hour.
    """

    bucket_s: int = 60
    limit: float = 4.0
    min_gaps: int = 12
    min_gaps_long: int = 6
    min_span_gaps: int = 24
    max_gaps: int = 24
    alike: float = 0.15
    rounding: float = 0.6
    least_spread: float = 0.5
    clock_change_s: int = 3720


class CadenceDetector:
    """Score the buckets in which one series is absent against its own regular gaps."""

    __slots__ = ("_params", "first", "gaps", "is_broken", "last", "not_before", "onset", "period")

    def __init__(self, params: CadenceParams = CadenceParams()) -> None:
        self._params = params
        self.first = -1
        self.onset = -1
        """Bucket of the newest beat."""
        self.last = -1
        """Newest bucket with records."""
        self.gaps: list[int] = []
        self.is_broken = False
        """Whether the gap that is open teaches nothing: a restart or a downtime lies in it, or it has been told."""
        self.not_before = -1
        """No beat is missed before this bucket: a restart has begun the count anew."""
        self.period = 0.0
        """The regular gap in buckets, 0 where there is none."""

    def _regular(self) -> float:
        p, n = self._params, len(self.gaps)
        if n < p.min_gaps_long:
            return 0.0
        middle = float(median(self.gaps))
        day = 86_400 / p.bucket_s
        if middle < 2 or (n < p.min_gaps and middle < day / 2):
            return 0.0
        if self.onset - self.first < min(p.min_span_gaps * middle, day):
            return 0.0
        slack = max(p.alike * middle, 1.0)
        if not all(abs(gap - middle) <= slack for gap in self.gaps):
            return 0.0
        # of short gaps, a few buckets of chance lie within a bucket of one another: whole buckets alone spread less
        spread = sqrt(sum((gap - middle) ** 2 for gap in self.gaps) / n)
        return middle if spread <= max(p.alike * middle, p.rounding) else 0.0

    def score_one(self, at: int, x: float) -> Reading:
        """Return a reading for bucket ``at``; quiet unless ``x`` is 0 and the beat is long overdue."""
        period = self.period
        gap = at - self.onset
        if x > 0 or not period or at < self.not_before or gap <= period + self._slack(period):
            return QUIET
        decades = self._decades(gap - period)
        score = Score(score_value(decades, self._params.limit), decades)
        return Reading(score, -1, 0.0, period, period, gap, len(self.gaps), period)

    def due(self) -> int:
        """Return the first bucket whose emptiness would be a missed beat, -1 if none would."""
        period = self.period
        if not period or (self.is_broken and self.not_before < 0):
            return -1
        n = len(self.gaps) - 1
        apart = self._spread() * sqrt(n * (10 ** (2 * self._params.limit / n) - 1))
        late = ceil(period + max(apart, self._slack(period) + 1e-9))
        return max(self.onset + late, self.not_before)

    def learn_one(self, at: int, x: float) -> None:
        """Learn a bucket with records, and the gap that it ends."""
        if x <= 0:
            return
        if self.last >= 0 and at - self.last > 1:
            if not self.is_broken:
                self.gaps = [*self.gaps, at - self.onset][-self._params.max_gaps :]
            self.onset, self.is_broken, self.not_before = at, False, -1
            self.period = self._regular()
        elif self.last < 0:
            self.first = self.onset = at
        self.last = at

    def restarted(self, at: int) -> None:
        """Say that a restart or a deploy lies in the open gap: the next beat is a whole period from there."""
        period = self.period
        self.is_broken = True
        self.not_before = at + ceil(period + self._slack(period) + 1) if period else -1

    def pass_over(self) -> None:
        """Let the open gap teach nothing, and be missed by nobody."""
        self.is_broken, self.not_before = True, -1

    def forget(self) -> None:
        """Take the series for gone: a cadence must be learned anew."""
        self.gaps, self.first, self.period = [], self.last, 0.0

    def _slack(self, period: float) -> float:
        p = self._params
        change = p.clock_change_s / p.bucket_s if period * p.bucket_s >= 7_200 else 0.0
        return max(0.05 * period, 1.0, change)

    def _spread(self) -> float:
        n = len(self.gaps)
        mean = sum(self.gaps) / n
        return max(sqrt(sum((gap - mean) ** 2 for gap in self.gaps) / max(n - 1, 1)), self._params.least_spread)

    def _decades(self, late: float) -> float:
        """Return how improbable it is to be so late (leading term of the tail of Student's t)."""
        n = len(self.gaps) - 1
        z = late / self._spread()
        return min(n / 2 * log10(1 + z * z / n), MAX_DECADES)

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [self.first, self.onset, self.last, list(self.gaps), self.is_broken, self.not_before]

    @classmethod
    def restore(cls, state: list[Any], params: CadenceParams = CadenceParams()) -> CadenceDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.first, self.onset, self.last, gaps, self.is_broken, self.not_before = state
        self.gaps = list(gaps)
        self.period = self._regular()
        return self
