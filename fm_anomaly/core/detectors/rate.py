"""Rate of one stream: spikes and drops of its volume, over several windows at once.

The level is an exponentially weighted mean; each window of w buckets is held against the level as it
stood before the window began, so that slow ramps do not teach themselves. With more than a day of
history, hour-of-day factors carry the level to the present. Must not know of streams or alerts.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import log10, sqrt
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.early import Level
from fm_anomaly.core.detectors.levels import Level as MovingLevel
from fm_anomaly.core.detectors.tails import (
    count_decades,
    count_size,
    ew_step,
    half_life_alpha,
    score_value,
    warm_alpha,
)


@dataclass(frozen=True, slots=True)
class RateParams:
    """Settings of the rate detector; ratios are observed over expected."""

    bucket_s: int = 60
    limit: float = 5.1
    """Decades at which a score is 0.5; set by the calibration."""
    half_life_buckets: float = 30.0
    """Memory of the level."""
    warmup_buckets: int = 10
    young_buckets: int = 60
    """Until then a single bucket makes no spike: it may be the first run of a job by the hour."""
    spikes: tuple[tuple[int, float], ...] = ((1, 4.0), (5, 2.5), (15, 2.0))
    """(window, least ratio): shorter windows ask for larger bursts."""
    drops: tuple[tuple[int, float], ...] = ((5, 0.5), (15, 0.55), (30, 0.6))
    """(window, greatest ratio): no single bucket, which a restart empties."""
    drift: float = 0.15
    """Relative doubt about the level between learning and now, until the series has taught its own."""
    spike_decades: float = 2.0
    """What a spike is asked for beyond a drop: traffic comes in bursts, and more of it is rarely an incident."""
    min_excess: float = 30.0
    """Least number of records that a spike has beyond the expectation."""
    peak_margin: float = 1.25
    """A spike exceeds by this factor, and three deviations of a count, what the same window has reached before."""


_PRIOR_BUCKETS = 60
_MISS_BUCKETS = 720
_MAX_FACTOR = 5.0
"""Bound of the hour-of-day factor, and of its inverse."""
_MISS_ALPHA = half_life_alpha(_MISS_BUCKETS)


class RateDetector:
    """Score the count of each bucket of one series; ``x`` is that count."""

    __slots__ = (
        "_alpha",
        "_day",
        "_fade",
        "_moments",
        "_params",
        "_windows",
        "at",
        "levels",
        "mean",
        "misses",
        "n",
        "n_misses",
        "peaks",
        "recent",
        "season",
        "season_n",
        "square",
        "total",
    )

    def __init__(self, params: RateParams = RateParams()) -> None:
        self._params = params
        self._alpha = half_life_alpha(params.half_life_buckets)
        self._moments = (MovingLevel(self._alpha), MovingLevel(self._alpha))
        self._fade = 1.0 - half_life_alpha(86_400 / params.bucket_s)
        self._day = 86_400 // params.bucket_s
        self._windows = sorted({w for w, _ in (*params.spikes, *params.drops)})
        self.at = -1
        self.n = 0
        self.mean = 0.0
        self.square = 0.0
        self.total = 0.0
        """Effective records behind the level, decayed like it."""
        self.recent: list[float] = []
        """The newest counts, oldest first, at most the longest window."""
        self.levels: list[tuple[float, float, float, int]] = []
        """(mean, variance, total, n) as they stood before each of `recent`."""
        self.peaks = [0.0] * len(params.spikes)
        self.misses = [0.0] * len(self._windows)
        """Mean squared relative error of each window's expectation, beyond what its count explains."""
        self.n_misses = 0
        self.season = [0.0] * 24
        self.season_n = [0] * 24

    def score_one(self, at: int, x: float) -> Reading:
        """Return the strongest reading over the windows that end with bucket ``at``."""
        if at > self.at + 1 and self.at >= 0:
            probe = self.copy()
            probe.pass_over(at)
            return probe.score_one(at, x)
        p = self._params
        best = QUIET
        sums = self._sums(x)
        for i, (window, ratio) in enumerate(p.spikes):
            level = self._level_before(at, window)
            if level is None:
                break
            observed, expected = sums[window], level[0]
            if self.n < p.young_buckets and not self._is_spread(x, window, observed, ratio * expected):
                continue
            if observed - expected < p.min_excess:
                continue
            if observed >= ratio * max(expected, 1.0) and observed > self._most(i):
                best = max(best, self._read(observed, window, level), key=_raw)
        for window, ratio in p.drops:
            level = self._level_before(at, window)
            if level is None:
                break
            if sums[window] <= ratio * level[0]:
                best = max(best, self._read(sums[window], window, level), key=_raw)
        if best.score.raw < 0.2 * p.limit:
            return QUIET
        return self._localise(at, x, best) if best.score.raw >= p.limit and best.window > 1 else best

    def _most(self, i: int) -> float:
        """Return what a sum of that window may reach without being more than what it has reached before."""
        peak = self.peaks[i]
        return self._params.peak_margin * peak + 3.0 * sqrt(peak)

    def _is_spread(self, x: float, window: int, observed: float, least: float) -> bool:
        """Return whether a window is full without its fullest bucket too."""
        return window > 1 and observed - max(x, *self.recent[1 - window :]) >= least

    def level(self, at: int) -> Level | None:
        """Return what bucket ``at`` is expected to hold; None while nothing is learned."""
        level = self._level_before(at, 1)
        return None if level is None else Level(*level)

    def view_one(self, at: int, x: float) -> Reading:
        """Return what ``x`` looks like by itself, whatever its size: the reading while an anomaly goes on."""
        level = self._level_before(at, 1)
        return self._read(x, 1, level) if level is not None else QUIET

    def learn_one(self, at: int, x: float) -> None:
        """Learn the count of bucket ``at``; buckets passed over since the last are learned as zeros."""
        self.pass_over(at)
        self._learn_misses(at, x)
        self._push(x)
        p = self._params
        if self.n >= p.warmup_buckets:
            x = min(x, self.mean + 6.0 * sqrt(max(self.variance, self.mean)) + 6.0)
        self.mean = self._moments[0].step(self.mean, x, self.n)
        self.square = self._moments[1].step(self.square, x * x, self.n)
        self.total = x + (1 - self._alpha) * self.total
        self.n += 1
        hour = at * p.bucket_s // 3600 % 24
        self.season_n[hour] += 1
        self.season[hour] += (x - self.season[hour]) / min(self.season_n[hour], 7200 // p.bucket_s + 1)
        for i, (window, _) in enumerate(p.spikes):
            # one window late, so that a slow surge does not raise the bar that it is held against
            before = sum(self.recent[-2 * window : -window])
            self.peaks[i] = max(before, self.peaks[i] * self._fade)
        self.at = at

    def pass_over(self, at: int) -> None:
        """Learn zeros up to, not including, bucket ``at``; cost is bounded however long the gap."""
        if self.at < 0:
            self.at = at - 1
            return
        gap = at - self.at - 1
        longest = self._params.drops[-1][0]
        if gap > 4 * longest:
            rest = gap - 2 * longest
            fade = (1 - self._alpha) ** rest
            self.mean, self.square, self.total = self.mean * fade, self.square * fade, self.total * fade
            self.n += rest
            self.at += rest
        while self.at < at - 1:
            self.learn_one(self.at + 1, 0.0)

    def hold(self, at: int) -> None:
        """Let buckets up to and including ``at`` pass unlearned: the windows see the expectation instead."""
        for _ in range(min(at - self.at, self._params.drops[-1][0])):
            self._push(self.mean)
        self.at = max(at, self.at)

    def isolate(self, window: int) -> None:
        """Take the newest ``window - 1`` buckets back out of the level: an anomaly has begun in them."""
        if window > 1 and self.levels:
            mean, variance, total, n = self.levels[max(len(self.levels) - window + 1, 0)]
            self.mean, self.square, self.total, self.n = mean, variance + mean * mean, total, n
        self.recent = [self.mean] * len(self.recent)
        self.levels = [(self.mean, self.variance, self.total, self.n)] * len(self.recent)

    def note_peak(self, x: float) -> None:
        """Take note of a single bucket that has been told: the same again, as a job by the hour writes, is no news."""
        if self._params.spikes[0][0] == 1:
            self.peaks[0] = max(self.peaks[0], x)

    def adopt(self, mean: float) -> None:
        """Take ``mean`` for the new level: a shift has stayed."""
        self.mean, self.square, self.total = mean, mean * mean + mean, mean
        self.n = self._params.warmup_buckets
        self.isolate(1)

    def is_still(self, x: float, direction: int) -> bool:
        """Return whether a count keeps up an anomaly of that direction."""
        return x >= 1.5 * self.mean + 3 if direction > 0 else x <= 0.7 * self.mean

    def expected(self, at: int) -> float:
        """Return the count expected in bucket ``at``."""
        level = self._level_before(at, 1)
        return level[0] if level is not None else self.mean

    @property
    def variance(self) -> float:
        """Variance of single buckets around the level."""
        return max(self.square - self.mean * self.mean, 0.0)

    def copy(self) -> RateDetector:
        """Return a detector of equal state."""
        return RateDetector.restore(self.snapshot(), self._params)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "at": self.at,
            "n": self.n,
            "mean": self.mean,
            "square": self.square,
            "total": self.total,
            "recent": list(self.recent),
            "levels": [list(level) for level in self.levels],
            "peaks": list(self.peaks),
            "misses": list(self.misses),
            "n_misses": self.n_misses,
            "season": list(self.season),
            "season_n": list(self.season_n),
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: RateParams = RateParams()) -> RateDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        for name in ("at", "n", "mean", "square", "total", "n_misses"):
            setattr(self, name, state[name])
        for name in ("recent", "peaks", "season", "season_n", "misses"):
            setattr(self, name, list(state[name]))
        self.levels = [(m, v, t, n) for m, v, t, n in state["levels"]]
        return self

    def _sums(self, x: float) -> dict[int, float]:
        """Return the sum of each window that ends with ``x``; windows longer than the past are short."""
        total, width, sums = x, 1, {}
        recent = self.recent
        for window in self._windows:
            if window > width:
                total += sum(recent[1 - window : 1 - width or None]) if width > 1 else sum(recent[1 - window :])
                width = window
            sums[window] = total
        return sums

    def _level_before(self, at: int, window: int) -> tuple[float, float, float] | None:
        """Return (expected sum, size, records behind it) as known before the window; None while not learned."""
        if window > 1:
            if window - 1 > len(self.recent):
                return None
            mean, variance, total, n = self.levels[1 - window]
        else:
            mean, variance, total, n = self.mean, self.variance, self.total, self.n
        p = self._params
        if n < p.warmup_buckets:
            return None
        expected = mean * window
        if self.n >= self._day:
            expected *= self._factor_of(at, window)
        return expected, variance, total

    def _localise(self, at: int, x: float, found: Reading) -> Reading:
        """Return the strongest reading among the ends of a window: where in it the change began."""
        best, total = found, 0.0
        for width in range(1, found.window):
            total = total + self.recent[1 - width] if width > 1 else x
            level = self._level_before(at, width)
            if level is not None:
                reading = self._read(total, width, level, like=found.window)
                if reading.direction == found.direction and reading.score.raw > best.score.raw:
                    best = reading
        return best

    def _read(self, observed: float, window: int, level: tuple[float, float, float], like: int = 0) -> Reading:
        """Return the reading of a sum.

        ``like`` is the window whose learned doubt is used, that of ``window`` itself where it is 0.
        """
        expected, variance, total = level
        p = self._params
        prior = 1.0 / count_size(expected / window, variance, 1e12, window, p.drift)
        taught = self.misses[bisect_left(self._windows, like or window)]
        doubt = (_PRIOR_BUCKETS * prior + self.n_misses * taught) / (_PRIOR_BUCKETS + self.n_misses)
        size = 1.0 / (doubt + 1.0 / (total + 0.5))
        decades = count_decades(observed, expected, size)
        if observed > expected:
            decades = max(decades - p.spike_decades, 0.0)
        else:
            decades = min(decades, _clumped_decades(observed, expected, window, variance, 1.0 / (total + 0.5)))
            if 1 < (like or window) < p.drops[-1][0]:
                # windows overlap: the longer they are, the fewer are judged a day. Not the longest, where drift shows
                decades += log10(like or window)
        spread = 3.0 * sqrt(expected + expected * expected / size)
        score = Score(score_value(decades, p.limit), decades)
        low, high = max(expected - spread, 0.0), expected + spread
        direction = 1 if observed > expected else -1
        return Reading(score, direction, observed, low, high, window, total, expected)

    def _learn_misses(self, at: int, x: float) -> None:
        """Learn how far the sums of the windows were from their expectations: bursts, drift and season at once."""
        if self.n < self._params.warmup_buckets:
            return
        sums = self._sums(x)
        alpha = warm_alpha(_MISS_ALPHA, self.n_misses)
        for i, window in enumerate(self._windows):
            if window > 1 + len(self.recent):
                continue
            mean, _, _, n = self.levels[1 - window] if window > 1 else (self.mean, 0.0, 0.0, self.n)
            if n < self._params.warmup_buckets:
                continue
            expected = mean * window
            if self.n >= self._day and expected * _MAX_FACTOR > 1.0:
                expected *= self._factor_of(at, window)
            expected = max(expected, 1.0)
            miss = ((sums[window] - expected) ** 2 - expected) / (expected * expected)
            self.misses[i] = max(ew_step(self.misses[i], min(miss, 4.0), alpha), 0.0)
        self.n_misses = min(self.n_misses + 1, _MISS_BUCKETS)

    def _factor_of(self, at: int, window: int) -> float:
        """Return the hour-of-day factor from the level's learning to the window that ends with ``at``."""
        now = self._season_at(at - window // 2)
        then = self._season_at(at - window - int(self._params.half_life_buckets))
        return min(max(now / then, 1.0 / _MAX_FACTOR), _MAX_FACTOR) if now > 0 and then > 0 else 1.0

    def _season_at(self, at: int) -> float:
        """Return the mean count of the time of day, linear between the centres of hours."""
        hours = (at + 0.5) * self._params.bucket_s / 3600 - 0.5
        first = int(hours // 1)
        part = hours - first
        return self.season[first % 24] * (1 - part) + self.season[(first + 1) % 24] * part

    def _push(self, x: float) -> None:
        self.recent.append(x)
        self.levels.append((self.mean, self.variance, self.total, self.n))
        if len(self.recent) > self._params.drops[-1][0]:
            del self.recent[0], self.levels[0]


def _clumped_decades(observed: float, expected: float, window: int, variance: float, doubt: float) -> float:
    """Return how improbable so few records are where they come in clumps, as the variance of single buckets tells.

    The lower tail of a compound Poisson is heavier than that of a negative binomial of the same variance.
    """
    clump = max(variance * window / max(expected, 1e-9), 1.0)
    return count_decades(observed / clump, expected / clump, 1.0 / doubt)


def _raw(reading: Reading) -> float:
    return reading.score.raw
