"""Burst of one known template: its count against its own learned rate, untouched templates at no cost.

The level learns counts only after they have left the longest window, so that a burst does not teach
itself; zeros between two touches are applied in one step. A template that comes in batches is held
against the largest batch it has had. Must not know of streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import count_decades, count_size, half_life_alpha, score_value, warm_alpha


@dataclass(frozen=True, slots=True)
class BurstParams:
    """Settings of the burst detector."""

    limit: float = 6.1
    """One decade above that of a stream: there are many templates in a stream."""
    half_life_buckets: float = 60.0
    warmup_buckets: int = 20
    windows: tuple[int, ...] = (1, 5)
    ratio: float = 5.0
    """Least observed over expected count."""
    min_count: float = 15.0
    """Least excess in a window."""
    peak_margin: float = 2.0
    """A burst exceeds by this factor the largest count the window has had before."""
    drift: float = 0.3


_State = tuple[int, int, float, float, float, float, float]


class BurstDetector:
    """Score the count of one template in the buckets where it occurs; ``x`` is that count, at least 1."""

    __slots__ = ("_alpha", "_params", "born", "mean", "n", "peak", "pending", "settled", "square", "total", "wide")

    def __init__(self, params: BurstParams = BurstParams(), born: int = -1) -> None:
        self._params = params
        self._alpha = half_life_alpha(params.half_life_buckets)
        self.born = born
        """First bucket of the stream's history in which the template could have come; -1 before any."""
        self.settled = born
        """First bucket that the level has not learned."""
        self.n = 0
        """Buckets learned, zeros included."""
        self.mean = 0.0
        self.square = 0.0
        self.total = 0.0
        self.peak = 0.0
        self.wide = 0.0
        """Largest sum of the longest window, fading."""
        self.pending: list[tuple[int, float, float]] = []
        """(bucket, count, sum of the window that ends there) of the newest buckets touched, not yet learned."""

    @classmethod
    def seeded(cls, params: BurstParams, born: int, at: int, count: float, peak: float) -> BurstDetector:
        """Return a detector that begins at bucket ``at`` and knows of ``count`` records since ``born``.

        ``peak`` is the largest count of a bucket so far.
        """
        self = cls(params, born)
        self.settled = max(at - params.windows[-1], born)
        self.n = self.settled - born
        self.peak = self.wide = peak
        if self.n > 0:
            self.mean = count / self.n
            self.square, self.total = self.mean * self.mean + self.mean, count
        return self

    def score_one(self, at: int, x: float) -> Reading:
        """Return the stronger reading of the windows that end with bucket ``at``."""
        p = self._params
        together = x + self.backlog
        if together < p.min_count:
            return QUIET
        if self.pending and self.pending[-1][0] >= at - p.windows[-1]:
            # cheap and safe: the level learns no more than a few zeros before it is asked
            floor = 0.7 * p.ratio * self.mean
            if x < floor and together < floor * p.windows[-1]:
                return QUIET
        mean, square, n, total, peak, wide = self._level_at(at)
        if n < p.warmup_buckets:
            return QUIET
        best = QUIET
        for window in p.windows:
            observed = x + sum([c for b, c, _ in self.pending if at - window < b < at])
            expected = mean * window
            floor = max(expected, 1.0)
            if observed - expected < p.min_count or observed < p.ratio * floor:
                continue
            if observed <= p.peak_margin * (peak if window == 1 else wide):
                continue
            reading = self._read(observed, expected, mean, square, total, window)
            best = reading if reading.score.raw > best.score.raw else best
        return best

    def began(self, at: int, x: float) -> int:
        """Return the bucket from which on the newest ones hold the most excess: where a burst began (CUSUM)."""
        usual = 1.5 * self.mean + 1
        excess = best = x - usual
        began = last = at
        for bucket, count, _ in reversed(self.pending):
            excess += count - usual * (last - bucket)
            last = bucket
            if excess > best:
                best, began = excess, bucket
        return began

    def view_one(self, at: int, x: float) -> Reading:
        """Return what ``x`` looks like by itself, whatever its size: the reading while a burst goes on."""
        return self._read(x, self.mean, self.mean, self.square, self.total, 1)

    def learn_one(self, at: int, x: float) -> None:
        """Learn the count of bucket ``at``; it enters the level when it has left the longest window."""
        if self.settled < 0:
            self.born = self.settled = at
        elif at - self._params.windows[-1] > self.settled:
            self._settle(at)
        self.pending.append((at, x, x + self.backlog))

    def hold(self, at: int) -> None:
        """Let bucket ``at`` pass unlearned."""

    def isolate(self, window: int) -> None:
        """Drop the newest buckets from what will be learned: a burst has begun in them."""
        if window > 1:
            self.pending.clear()

    def adopt(self, x: float) -> None:
        """Take ``x`` for the new level: a shift has stayed."""
        self.mean, self.square, self.total = x, x * x + x, x
        self.peak, self.wide = max(self.peak, x), max(self.wide, x * self._params.windows[-1])
        self.pending.clear()

    def is_still(self, x: float, direction: int) -> bool:
        """Return whether a count keeps up the burst."""
        return x >= 2.0 * self.mean + 3

    def absorb(self, other: BurstDetector) -> None:
        """Take over the records that another detector has learned: their counts come together from now on."""
        for one, two in ((self, other), (other, self)):
            if one.settled >= 0:
                one._settle(max(one.settled, two.settled) + one._params.windows[-1])
        self.square += other.square + 2 * self.mean * other.mean
        self.mean += other.mean
        self.total, self.n = self.total + other.total, max(self.n, other.n)
        self.peak, self.wide = self.peak + other.peak, self.wide + other.wide
        self.settled = max(self.settled, other.settled)
        self.pending = []

    def snapshot(self) -> list[Any]:
        """Return the state."""
        pending = [list(x) for x in self.pending]
        return [self.born, *self._state(), pending]

    @classmethod
    def restore(cls, state: list[Any], params: BurstParams = BurstParams()) -> BurstDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.born, *plain, pending = state
        self.settled, self.n, self.mean, self.square, self.total, self.peak, self.wide = plain
        self.pending = [(b, c, s) for b, c, s in pending]
        return self

    @property
    def backlog(self) -> float:
        """Records of the newest buckets touched, not yet learned."""
        pending = self.pending
        return sum([c for _, c, _ in pending]) if pending else 0.0

    def _read(self, observed: float, expected: float, mean: float, square: float, total: float, window: int) -> Reading:
        size = count_size(mean, max(square - mean * mean, 0.0), total, window, self._params.drift)
        decades = count_decades(observed, expected, size)
        spread = 3.0 * sqrt(expected + expected * expected / size)
        score = Score(score_value(decades, self._params.limit), decades)
        low, high = max(expected - spread, 0.0), expected + spread
        return Reading(score, 1, observed, low, high, window, total, expected)

    def _state(self) -> _State:
        return (self.settled, self.n, self.mean, self.square, self.total, self.peak, self.wide)

    def _level_at(self, at: int) -> tuple[float, float, int, float, float, float]:
        """Return (mean, square, n, total, peak, wide) as `_settle` would leave them, changing nothing."""
        edge = at - self._params.windows[-1]
        _, n, mean, square, total, peak, wide = self._fold(edge)
        return mean, square, n, total, peak, wide

    def _settle(self, at: int) -> None:
        edge = at - self._params.windows[-1]
        state = self._fold(edge)
        self.settled, self.n, self.mean, self.square, self.total, self.peak, self.wide = state
        while self.pending and self.pending[0][0] <= edge:
            del self.pending[0]

    def _fold(self, edge: int) -> _State:
        """Return the state with everything up to bucket ``edge`` learned."""
        state = self._state()
        settled, n, mean, square, total, peak, wide = state
        if settled < 0 or edge <= settled:
            return state
        base = self._alpha
        for bucket, count, wide_sum in self.pending:
            if bucket > edge:
                break
            if bucket > settled:
                mean, square, total, n = _fade(mean, square, total, n, bucket - settled, base)
            alpha = warm_alpha(base, n)
            mean += alpha * (count - mean)
            square += alpha * (count * count - square)
            total, n, settled = total * (1 - base) + count, n + 1, bucket + 1
            peak, wide = max(count, peak * 0.999), max(wide_sum, wide * 0.999)
        if edge > settled:
            mean, square, total, n = _fade(mean, square, total, n, edge - settled, base)
            settled = edge
        return settled, n, mean, square, total, peak, wide


def _fade(mean: float, square: float, total: float, n: int, gap: int, alpha: float) -> tuple[float, float, float, int]:
    """Learn ``gap`` zeros in one step: first as a plain average, then exponentially."""
    if gap <= 0:
        return mean, square, total, n
    plain = min(max(int(1 / alpha) - n, 0), gap)
    keep = (n / (n + plain) if n + plain else 1.0) * (1 - alpha) ** (gap - plain)
    return mean * keep, square * keep, total * (1 - alpha) ** gap, n + gap
