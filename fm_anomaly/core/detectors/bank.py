"""Many numeric series of one clock, each judged at every step against what it has taught: one numpy step for all.

Means over several windows are held, upwards and downwards, against three references: the level of the last weeks,
what the time of day lets expect, and (as square roots, which even out the noise of counts) the hours before, carried
on by the time of day. Each of these streams has its own learned tail. The most improbable one is the score, in
decades, unless it is known to recur; for whole numbers no stream is more improbable than a Poisson count would be,
and a gap without records is held against the longest ones before. A score over the limit that follows from the rate
of false alarms is a decision, once a change. Must not know what the series are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.arrays import load, put, save, take
from fm_anomaly.core.detectors.exceedances import LN10, SIGMAS, Exceedances
from fm_anomaly.core.detectors.gaps import Gaps
from fm_anomaly.core.detectors.habits import Habits
from fm_anomaly.core.detectors.recurrences import Recurrences
from fm_anomaly.core.detectors.season import DAY_S, Season
from fm_anomaly.core.detectors.tails import half_life_alpha

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BankParams:
    """Settings of the detector of numeric series; the defaults serve every series."""

    false_alarms_per_series_day: float = 0.05
    """Sets the limit of the score."""
    step_s: float = 60.0
    dead_time_s: float = 4 * 3600.0
    """After a decision, nothing is told for so long."""
    windows_s: tuple[float, ...] = (0.0, 900.0, 3600.0, 14_400.0)
    """Windows judged at once; 0 is the single value."""


DEFAULTS = BankParams()
_LEVEL_DAYS = 7.0
_MEDIUM_DAYS = 0.25
_BIAS_DAYS = 0.5
"""Half-life of the difference between today and the season."""
_LOCAL_WINDOWS = 8.0
"""The hours before: so many windows."""
_LOCAL_STEPS = 30.0
_MAX_RATIO = 10.0
_WARMUP_DAYS = 0.3
_CLIP = 8.0
"""A value counts as at most so many mean deviations from the expectation when a level learns it."""
_N_SETTLING = 20
_LIMIT_DECADES = -0.3
"""Windows overlap: they are judged less often than they are counted."""
_SUSPECT_DECADES = 2.5
"""From here on a stream is worth the dearer checks."""
_LARGEST = 1e30
"""Values beyond it count as it."""
_SMALLEST_SHARE = 1e-6
"""Deviations below this share of the level are rounding."""
_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one step says, an array of one value a series each."""

    decades: Floats
    is_decision: Bools
    stream: Ints
    """The most improbable stream: (direction, reference, window) as one index into the shape (2, 3, windows)."""
    expected: Floats


@dataclass(slots=True)
class _Sight:
    """What a step sees before it learns: arrays over (windows, series) or streams."""

    x: Floats
    expected: Floats
    profile: Floats
    has_season: Bools
    fast: Floats
    fast_expected: Floats
    fast_profile: Floats
    local: Floats
    streams: Floats
    sigma: Floats


class SeriesBank:
    """Detector state of ``n`` series with the same steps."""

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "n",
        "level",
        "medium",
        "bias",
        "spread",
        "fast",
        "fast_expected",
        "fast_profile",
        "slow",
        "slow_profile",
        "is_whole",
        "is_signed",
    )
    __slots__ = (
        *ARRAYS,
        "_a_bias",
        "_a_fast",
        "_a_level",
        "_a_medium",
        "_a_slow",
        "_a_spread",
        "_day",
        "_params",
        "_weights",
        "gaps",
        "habits",
        "limit",
        "recurrences",
        "season",
        "tails",
    )

    def __init__(self, n: int, params: BankParams = DEFAULTS) -> None:
        self._params = params
        self._day = DAY_S / params.step_s
        self._weights = _window_steps(params)[:, None]
        self._a_fast = 2.0 / (self._weights + 1.0)
        self._a_slow = 2.0 / (np.maximum(_LOCAL_WINDOWS * self._weights, _LOCAL_STEPS) + 1.0)
        self._a_level = half_life_alpha(_LEVEL_DAYS * self._day)
        self._a_medium = half_life_alpha(_MEDIUM_DAYS * self._day)
        self._a_bias = half_life_alpha(_BIAS_DAYS * self._day)
        self._a_spread = half_life_alpha(self._day)
        k = len(self._weights)
        self.limit = _limit(self._day * k, params.false_alarms_per_series_day)
        self.n = np.zeros(n)
        self.level = np.zeros(n)
        self.medium = np.zeros(n)
        self.bias = np.zeros(n)
        self.spread = np.zeros(n)
        """Mean deviation from the level, over a day."""
        self.fast = np.zeros((k, n))
        self.fast_expected = np.zeros((k, n))
        self.fast_profile = np.zeros((k, n))
        self.slow = np.zeros((k, n))
        self.slow_profile = np.zeros((k, n))
        self.is_whole = np.ones(n, dtype=np.bool_)
        """Whether all values were whole and not negative."""
        self.is_signed = np.zeros(n, dtype=np.bool_)
        """Whether one was negative."""
        self.season = Season(n, params.step_s)
        self.tails = Exceedances((3, k, n), self._day)
        self.recurrences = Recurrences((2, 3, k, n))
        self.habits = Habits(n, params.dead_time_s)
        self.gaps = Gaps(n, self._day)

    def step(self, time_us: int, x: Floats) -> Judgement:
        """Judge the values at one time, then learn them; NaN is no value and leaves its series untouched."""
        is_there = np.isfinite(x)
        if is_there.all():
            return self._step(time_us, x)
        at = np.flatnonzero(is_there)
        some = SeriesBank(len(at), self._params)
        for mine, its in zip(self._parts(), some._parts(), strict=True):
            take(mine, its, at)
        seen = some._step(time_us, x[at]) if len(at) else None
        for mine, its in zip(self._parts(), some._parts(), strict=True):
            put(mine, its, at)
        n = len(x)
        out = Judgement(np.zeros(n), np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.int64), self.level.copy())
        if seen is not None:
            out.decades[at], out.is_decision[at] = seen.decades, seen.is_decision
            out.stream[at], out.expected[at] = seen.stream, seen.expected
        return out

    def _step(self, time_us: int, x: Floats) -> Judgement:
        x = np.minimum(np.maximum(x, -_LARGEST), _LARGEST)
        self._begin(x)
        sight = self._look(time_us, x)
        minute = time_us // _MINUTE_US
        raw, decades = self._judge(sight, minute)
        flat = decades.reshape(-1, len(x))
        best = flat.argmax(axis=0)
        score = flat[best, np.arange(len(x))]
        gap = self._gap_decades(x)
        best = np.where(gap > score, len(flat) // 2, best)  # a gap is a fall of the single value
        score = np.maximum(score, gap)
        surprise = np.maximum(raw.reshape(-1, len(x)).max(axis=0), gap)
        is_decision = self.habits.decide(time_us, score, surprise, self.limit)
        self._learn(time_us, minute, sight)
        return Judgement(score, is_decision, best, sight.expected)

    def _begin(self, x: Floats) -> None:
        is_first = self.n == 0
        if is_first.any():
            for name in ("level", "medium", "fast", "fast_expected", "fast_profile", "slow", "slow_profile"):
                np.copyto(getattr(self, name), x, where=is_first)

    def _look(self, time_us: int, x: Floats) -> _Sight:
        seasonal, has_season = self.season.expect(time_us)
        expected = np.where(has_season, seasonal + self.bias, self.medium)
        profile = np.where(has_season, seasonal, self.level)
        fast = self.fast + self._a_fast * (x - self.fast)
        fast_expected = self.fast_expected + self._a_fast * (expected - self.fast_expected)
        fast_profile = self.fast_profile + self._a_fast * (profile - self.fast_profile)
        local = self._local(fast_profile)
        up = np.stack((fast - self.level, fast - fast_expected, _root(fast) - _root(local)))
        sigma = self.tails.sigma(_SMALLEST_SHARE * np.abs(self.level))
        streams = np.stack((up, -up))
        return _Sight(x, expected, profile, has_season, fast, fast_expected, fast_profile, local, streams, sigma)

    def _local(self, fast_profile: Floats) -> Floats:
        """Return what the hours before let expect: their mean, carried on as the season goes."""
        ratio = (self.slow + 1e-9) / (np.maximum(self.slow_profile, 0.0) + 1e-9)
        ratio = np.minimum(np.maximum(ratio, 1.0 / _MAX_RATIO), _MAX_RATIO)
        carried = np.where(self.slow_profile > 0.0, fast_profile * ratio, self.slow)
        if self.is_signed.any():
            carried = np.where(self.is_signed, fast_profile + self.slow - self.slow_profile, carried)
        return carried

    def _judge(self, sight: _Sight, minute: int) -> tuple[Floats, Floats]:
        """Return the decades of all streams: as they are, and without what recurs or a Poisson count would show."""
        raw = self.tails.decades(sight.streams, sight.sigma)
        raw *= self.tails.n > _WARMUP_DAYS * self._day
        raw[:, 1] *= sight.has_season
        at = np.flatnonzero(raw.max(axis=(0, 1, 2)) > _SUSPECT_DECADES)
        if not len(at):
            return raw, raw
        decades = raw.copy()
        some = raw[..., at]
        is_suspect = some > _SUSPECT_DECADES
        recent = Recurrences(some.shape)
        take(self.recurrences, recent, at)
        some[is_suspect & recent.is_known(sight.streams[..., at], minute)] = 0.0
        references = np.stack((np.broadcast_to(self.level, sight.fast.shape), sight.fast_expected, sight.local))
        bound = _poisson_decades(sight.fast[:, at] * self._weights, references[..., at] * self._weights)
        decades[..., at] = np.where(is_suspect & self.is_whole[at], np.minimum(some, bound), some)
        return raw, decades

    def _gap_decades(self, x: Floats) -> Floats:
        """Return how improbable the open gap of each series of counts is; no more than that of a Poisson count."""
        missed = self.level * (self.gaps.open + 1.0) / LN10
        decades = np.minimum(self.limit * self.gaps.shares(x), missed)
        counted: Floats = np.where(self.is_whole & (self.n > _WARMUP_DAYS * self._day), decades, 0.0)
        return counted

    def _learn(self, time_us: int, minute: int, sight: _Sight) -> None:
        x = sight.x
        is_season = sight.has_season
        is_large = (sight.streams > SIGMAS * np.sqrt(self.tails.square)) & (self.tails.n > 4)
        is_large[:, 1] &= is_season
        self.recurrences.learn(sight.streams, is_large, minute)
        self._learn_tails(sight)
        self.fast, self.fast_expected, self.fast_profile = sight.fast, sight.fast_expected, sight.fast_profile
        is_whole = x == np.floor(x)
        self.is_whole &= is_whole & (x >= 0.0)
        self.is_signed |= x < 0.0
        n = self.n + 1.0
        clip = np.where(n > _N_SETTLING, _CLIP * self.spread, np.inf)
        near = np.minimum(np.maximum(x, sight.expected - clip), sight.expected + clip)
        a_slow = np.maximum(self._a_slow, 1.0 / n)
        self.slow += a_slow * (near - self.slow)
        self.slow_profile += a_slow * (sight.profile - self.slow_profile)
        off = x - self.level
        self.level += np.maximum(self._a_level, 1.0 / n) * np.minimum(np.maximum(off, -clip), clip)
        medium_off = np.minimum(np.maximum(x - self.medium, -clip), clip)
        self.medium += np.maximum(self._a_medium, 1.0 / n) * medium_off
        self.bias += np.where(is_season, self._a_bias * (near - sight.expected), 0.0)
        self.spread += np.maximum(self._a_spread, 1.0 / n) * (np.minimum(np.abs(off), clip) - self.spread)
        self.season.learn(time_us, x, _CLIP * self.spread)
        self.n = n
        self.gaps.learn(x)

    def _learn_tails(self, sight: _Sight) -> None:
        """Learn the streams' tails; those against the season only where there is one."""
        if sight.has_season.all():
            self.tails.learn(sight.streams, sight.sigma)
            return
        kept = {name: getattr(self.tails, name)[..., 1, :, :].copy() for name in self.tails.ARRAYS}
        self.tails.learn(sight.streams, sight.sigma)
        for name, before in kept.items():
            array = getattr(self.tails, name)
            array[..., 1, :, :] = np.where(sight.has_season, array[..., 1, :, :], before)

    def _parts(self) -> tuple[Any, ...]:
        return (self, self.season, self.tails, self.recurrences, self.habits, self.gaps)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        parts = [save(part) for part in self._parts()]
        return {"n_series": len(self.n), "parts": parts}

    @classmethod
    def restore(cls, state: dict[str, Any], params: BankParams = DEFAULTS) -> SeriesBank:
        """Return the bank whose `snapshot` this is."""
        self = cls(state["n_series"], params)
        for part, saved in zip(self._parts(), state["parts"], strict=True):
            load(part, saved)
        return self

    @property
    def n_bytes(self) -> int:
        """Size of the state of one series."""
        total: int = sum(getattr(part, name).nbytes for part in self._parts() for name in part.ARRAYS)
        return total // max(len(self.n), 1)


def _limit(judgements_a_day: float, false_alarms: float) -> float:
    return max(log10(judgements_a_day / false_alarms) + _LIMIT_DECADES, 1.0)


def _window_steps(params: BankParams) -> Floats:
    """Return the windows in steps; of those that come to nearly the same number only the first."""
    steps: list[float] = []
    for window in params.windows_s:
        n = float(max(round(window / params.step_s), 1))
        if not steps or n > 1.5 * steps[-1]:
            steps.append(n)
    return np.array(steps)


def _root(x: Floats) -> Floats:
    """Return the square root with the sign of x."""
    root: Floats = np.copysign(np.sqrt(np.abs(x)), x)
    return root


def _poisson_decades(x: Floats, mean: Floats) -> Floats:
    """Return the Chernoff bound on the Poisson tail of each x, in decades: `tails.count_decades` for arrays."""
    mean = np.maximum(mean, 1e-6)
    x = np.maximum(x, 0.0)
    size = 1e6
    entropy = -(x + size) * np.log1p((x - mean) / (mean + size))
    entropy += x * np.log(np.maximum(x, 1e-300) / mean)
    decades: Floats = np.maximum(entropy / LN10, 0.0)
    return decades
