"""Latency shift of one operation: its middle and its tail, on the scale of logarithms.

Durations of a window are held against the level before it, with their number: the mean logarithm for the
middle, the share beyond the learned 95th percentile for the tail. Must not know of streams or alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, sqrt
from operator import mul
from typing import Any

import numpy as np

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import LN10, MAX_DECADES, ew_step, half_life_alpha, score_value, warm_alpha


@dataclass(frozen=True, slots=True)
class LatencyParams:
    """Settings of the latency detector."""

    limit: float = 6.1
    half_life_buckets: float = 240.0
    """Long, so that a rise within an hour or two is not learned on the way."""
    warmup_buckets: int = 10
    warmup_count: int = 30
    windows: tuple[int, ...] = (5, 15)
    min_count: int = 8
    """Least number of durations in a window."""
    ratio: float = 2.5
    """Least factor of the middle."""
    tail_share: float = 0.3
    """Least share beyond the learned 95th percentile for a shift of the tail."""
    drift: float = 0.08
    """Doubt about the level, standard deviation of its logarithm."""


_TAIL = 0.05
_EDGE_MARGIN = 0.4
_FIRST_VARIANCE = 0.25
_FEW = 24
_FLOOR_MS = 0.01
_FLOOR_LOG = log(_FLOOR_MS)


_Level = tuple[float, float, float, float, int, int]


def log_durations(x: Sequence[float]) -> tuple[float, ...]:
    """Return the natural logarithms of milliseconds, those that are no number left out, 0.01 ms the least."""
    if len(x) > _FEW:
        values = np.asarray(x, dtype=np.float64)
        values = values[np.isfinite(values)]
        return tuple(np.log(np.maximum(values, _FLOOR_MS)).tolist())
    return tuple([log(v) if v > _FLOOR_MS else _FLOOR_LOG for v in x if v == v and v < inf])


class LatencyDetector:
    """Score the durations of each bucket of one operation; ``x`` is what `log_durations` makes of milliseconds."""

    __slots__ = ("_alpha", "_params", "at", "between", "edge", "levels", "mean", "n", "recent", "total", "within")

    def __init__(self, params: LatencyParams = LatencyParams()) -> None:
        self._params = params
        self._alpha = half_life_alpha(params.half_life_buckets)
        self.at = -1
        self.n = 0
        self.total = 0
        self.mean = 0.0
        """Mean logarithm of a duration."""
        self.within = 0.0
        """Variance of single logarithms around the mean."""
        self.between = 0.0
        """Variance of bucket means beyond what their size explains."""
        self.edge = 0.0
        """Learned 95th percentile, as a logarithm."""
        self.recent: list[tuple[int, int, float, int]] = []
        """(bucket, number, sum of logarithms, number beyond the edge) of the newest buckets."""
        self.levels: list[_Level] = []

    def score_one(self, at: int, x: Sequence[float]) -> Reading:
        """Return the strongest reading over the windows that end with bucket ``at``."""
        newest = self._row(at, x)
        best = QUIET
        if self.n < self._params.warmup_buckets:
            return best
        for reading in self._readings(newest):
            if reading.score.raw > best.score.raw:
                best = reading
        return best

    def view_one(self, at: int, x: Sequence[float]) -> Reading:
        """Return what ``x`` looks like by itself: the reading while a shift goes on."""
        row = self._row(at, x)
        return self._middle(row[1], row[2] / row[1], 1, self._level()) if row[1] else QUIET

    def learn_one(self, at: int, x: Sequence[float]) -> None:
        """Learn the durations of bucket ``at``; an empty one teaches nothing."""
        row = self._row(at, x)
        if not row[1]:
            return
        self._push(row)
        alpha = warm_alpha(self._alpha, self.n)
        count, mean = row[1], row[2] / row[1]
        square = sum(map(mul, x, x)) / count
        centre = self.mean if self.n else mean
        deviation = max(square - 2 * centre * mean + centre * centre, 0.0)
        if not self.n and count == 1:
            deviation = _FIRST_VARIANCE
        if self.n:
            gap = (mean - self.mean) ** 2 - self.within / count
            self.between = max(ew_step(self.between, gap, alpha), 0.0)
        self.within = ew_step(self.within, deviation, alpha)
        self.mean = ew_step(self.mean, mean, alpha)
        self._move_edge(x, alpha)
        self.n += 1
        self.total += count
        self.at = at

    def hold(self, at: int) -> None:
        """Let bucket ``at`` pass unlearned."""
        self.at = at

    def isolate(self, window: int) -> None:
        """Take the newest ``window - 1`` buckets back out of the level."""
        edge = self.recent[-1][0] - window + 2 if self.recent else 0
        for row, level in zip(self.recent, self.levels, strict=True):
            if row[0] >= edge:
                self.mean, self.within, self.between, self.edge, self.n, self.total = level
                break
        self.recent, self.levels = [], []

    def adopt(self, x: Sequence[float]) -> None:
        """Start anew from ``x``: a shift has stayed."""
        kept = LatencyDetector(self._params)
        kept.learn_one(self.at, x)
        for name in ("mean", "within", "between", "edge", "n", "total", "recent", "levels"):
            setattr(self, name, getattr(kept, name))

    def is_still(self, x: Sequence[float], direction: int) -> bool:
        """Return whether the durations of a bucket keep up the shift."""
        if not x:
            return True
        mean = sum(x) / len(x)
        slow = sum(map(self.edge.__lt__, x))
        return mean - self.mean > 0.6 * log(self._params.ratio) or slow > 0.5 * self._params.tail_share * len(x)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "at": self.at,
            "level": list(self._level()),
            "recent": [list(row) for row in self.recent],
            "levels": [list(level) for level in self.levels],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: LatencyParams = LatencyParams()) -> LatencyDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.at = state["at"]
        self.mean, self.within, self.between, self.edge, self.n, self.total = state["level"]
        self.recent = [(a, b, c, d) for a, b, c, d in state["recent"]]
        self.levels = [(a, b, c, d, e, f) for a, b, c, d, e, f in state["levels"]]
        return self

    def _readings(self, newest: tuple[int, int, float, int]) -> list[Reading]:
        """Return what stands out in the windows, gathered in one walk from the newest bucket back."""
        at, count, total, slow = newest
        level, width, found = self._level(), 1, []
        last = len(self.recent) - 1
        for window in self._params.windows:
            while last >= 0 and self.recent[last][0] > at - window:
                bucket, c, t, s = self.recent[last]
                count, total, slow, level = count + c, total + t, slow + s, self.levels[last]
                width, last = at - bucket + 1, last - 1
            found += self._judge(newest, (count, total, slow), width, level)
        return found

    def _judge(
        self, newest: tuple[int, int, float, int], sums: tuple[int, float, int], width: int, level: _Level
    ) -> list[Reading]:
        """Hold the sums of a window against the level before it: its middle, and its tail."""
        count, total, slow = sums
        mean, edge, n, seen = level[0], level[3], level[4], level[5]
        p = self._params
        if count < p.min_count or n < p.warmup_buckets or seen < p.warmup_count:
            return []
        found = []
        if total / count - mean >= log(p.ratio):
            found.append(self._localised(newest, self._middle(count, total / count, width, level), level))
        if slow >= p.tail_share * count and slow >= p.min_count / 2:
            share = slow / count
            decades = min(count * _entropy(share, 2 * _TAIL) / LN10, MAX_DECADES)
            score = Score(score_value(decades, p.limit), decades)
            found.append(Reading(score, 2, share, _TAIL, exp(edge), width, seen, _TAIL))
        return found

    def _localised(
        self,
        newest: tuple[int, int, float, int],
        found: Reading,
        level: _Level,
    ) -> Reading:
        """Return the reading of the newest buckets only: where in the window the change began (CUSUM)."""
        at, count, total, _ = newest
        limit = level[0] + 0.5 * (log(found.observed) - level[0])
        excess = best = total - count * limit
        kept = (count, total, 1)
        for bucket, c, t, _ in reversed(self.recent):
            if bucket <= at - found.window:
                break
            count, total, excess = count + c, total + t, excess + t - c * limit
            if excess > best:
                best, kept = excess, (count, total, at - bucket + 1)
        count, total, width = kept
        if count == 0 or width >= found.window:
            return found
        return replace(self._middle(count, total / count, width, level), score=found.score)

    def _middle(self, count: int, middle: float, window: int, level: _Level) -> Reading:
        """Return the reading of a mean logarithm."""
        mean, within, between, _, _, seen = level
        deviation = sqrt(within / count + between / window + self._params.drift**2 + within / max(seen, 1))
        z = max(middle - mean, 0.0) / max(deviation, 1e-3)
        decades = min(z * z / 2 / LN10, MAX_DECADES)
        score = Score(score_value(decades, self._params.limit), decades)
        low, high = exp(mean - 3 * deviation), exp(mean + 3 * deviation)
        return Reading(score, 1, exp(middle), low, high, window, seen, exp(mean))

    def _row(self, at: int, x: Sequence[float]) -> tuple[int, int, float, int]:
        # a shift of the tail is one beyond the edge by some margin: rounding and jitter sit at the edge itself
        limit = self.edge + _EDGE_MARGIN
        return (at, len(x), sum(x), sum(map(limit.__lt__, x)) if self.n else 0)

    def _move_edge(self, x: Sequence[float], alpha: float) -> None:
        scale = sqrt(self.within) + 1e-3
        if self.n == 0:
            self.edge = self.mean + 1.65 * scale
            return
        beyond = sum(map(self.edge.__lt__, x)) / len(x)
        self.edge += max(alpha, 0.02) * 4.0 * scale * (beyond - _TAIL)

    def _level(self) -> _Level:
        return (self.mean, self.within, self.between, self.edge, self.n, self.total)

    def _push(self, row: tuple[int, int, float, int]) -> None:
        self.recent.append(row)
        self.levels.append(self._level())
        if len(self.recent) > self._params.windows[-1]:
            del self.recent[0], self.levels[0]


def _entropy(share: float, base: float) -> float:
    """Return the relative entropy of two shares, in nats."""
    rest = (1 - share) * log((1 - share) / (1 - base)) if share < 1 else 0.0
    return share * log(share / base) + rest
