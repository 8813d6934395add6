"""Many numeric series of one clock, each judged at every step against what it has taught: one numpy step for all.

Means over several windows are held against the slow level and against the expectation for the time of day (plainly,
and as square roots, which even out the noise of counts), upwards and downwards. Each of these streams has its own
learned tail; the most improbable one is the score, in decades. It is a decision when it passes the limit that follows
from the rate of false alarms; then a dead time keeps the same change from being told twice. Must not know what the
series are of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.exceedances import LN10, ExceedanceParams, Exceedances
from fm_anomaly.core.detectors.season import DAY_S, Season
from fm_anomaly.core.detectors.tails import half_life_alpha

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BankParams:
    """Settings of the detector of numeric series; the defaults serve every series."""

    false_alarms_per_series_day: float = 0.05
    """Sets the limit of the score."""
    step_s: float = 60.0
    windows_s: tuple[float, ...] = (0.0, 900.0, 3600.0, 14_400.0)
    """Windows judged at once; 0 is the single value."""
    dead_time_s: float = 6 * 3600.0
    """After a decision, nothing is told for so long."""
    level_half_life_days: float = 7.0
    tails: ExceedanceParams = field(default_factory=ExceedanceParams)


DEFAULTS = BankParams()
_CLIP = 8.0
"""A value counts as at most so many mean deviations from the level when the level learns it."""
_BIAS_DAYS = 0.5
"""Half-life of the difference between today and the season."""
_MEDIUM_DAYS = 0.25
_WARMUP_DAYS = 0.3
_HABIT_DECADES = 0.5
"""What each decision adds to the limit, fading by half a day."""
_LIMIT_DECADES = 0.3
"""Beyond the plain union bound: a series has several streams, which are far from independent."""
_SUSPECT_DECADES = 2.5
_LARGEST = 1e30
"""Values beyond it count as it; peaks are kept in float32."""
_DAY_US = DAY_S * 1_000_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one step says, an array of one value a series each."""

    decades: Floats
    is_decision: Bools
    stream: NDArray[np.int64]
    """Index of the most improbable stream: ((window, reference), direction) flattened."""
    expected: Floats


class SeriesBank:
    """Detector state of ``n`` series with the same steps."""

    __slots__ = (
        "_a_bias",
        "_a_day",
        "_a_fast",
        "_a_level",
        "_a_medium",
        "_day",
        "_params",
        "_weights",
        "bias",
        "expected_fast",
        "fast",
        "habit",
        "is_count",
        "level",
        "limit",
        "medium",
        "n",
        "season",
        "spread",
        "tails",
        "told_us",
        "was_us",
    )

    def __init__(self, n: int, params: BankParams = DEFAULTS) -> None:
        self._params = params
        self._day = DAY_S / params.step_s
        self._weights = _window_steps(params)
        self._a_fast = 2.0 / (self._weights + 1.0)
        self._a_level = half_life_alpha(params.level_half_life_days * self._day)
        self._a_day = half_life_alpha(self._day)
        self._a_bias = half_life_alpha(_BIAS_DAYS * self._day)
        self._a_medium = half_life_alpha(_MEDIUM_DAYS * self._day)
        self.limit = max(log10(self._day / params.false_alarms_per_series_day) + _LIMIT_DECADES, 1.0)
        k = len(self._weights)
        self.n = np.zeros(n, dtype=np.int64)
        self.level = np.zeros(n)
        self.medium = np.zeros(n)
        self.bias = np.zeros(n)
        self.spread = np.zeros(n)
        """Mean deviation from the level, over a day."""
        self.fast = np.zeros((k, n))
        self.expected_fast = np.zeros((k, n))
        self.is_count = np.ones(n, dtype=np.bool_)
        """Whether all values were whole and not negative."""
        self.season = Season(n, params.step_s)
        self.tails = Exceedances((2, 3, k, n), params.tails)
        self.habit = np.zeros(n)
        self.told_us = np.full(n, -(1 << 60), dtype=np.int64)
        self.was_us = np.full(n, -(1 << 60), dtype=np.int64)
        """Time of each series' last value."""

    def step(self, time_us: int, x: Floats) -> Judgement:
        """Judge the values at one time, then learn them; NaN is no value."""
        is_there = np.isfinite(x)
        x = np.clip(x, -_LARGEST, _LARGEST)
        if not is_there.all():
            x = np.where(is_there, x, self.level)
        is_first = is_there & (self.n == 0)
        if is_first.any():
            self._begin(is_first, x)
        seasonal, has_season = self.season.expect(time_us)
        expected = np.where(has_season, seasonal + self.bias, self.medium)
        a = self._a_fast[:, None]
        fast = self.fast + a * (x - self.fast)
        expected_fast = self.expected_fast + a * (expected - self.expected_fast)
        up = np.stack((fast - self.level, fast - expected_fast, _root(fast) - _root(expected_fast)))
        streams = np.stack((up, -up))
        decades = self._decades(streams, fast, expected_fast, has_season)
        flat = decades.reshape(-1, len(x))
        best = flat.argmax(axis=0)
        score = np.where(is_there, flat[best, np.arange(len(x))], 0.0)
        is_decision = self._decide(time_us, score, is_there)
        self._learn(time_us, x, expected, streams, (fast, expected_fast), (is_there, has_season))
        return Judgement(score, is_decision, best, expected)

    def _begin(self, is_first: Bools, x: Floats) -> None:
        for array in (self.level, self.medium, self.fast, self.expected_fast):
            np.copyto(array, x, where=is_first)

    def _decades(self, streams: Floats, fast: Floats, expected_fast: Floats, has_season: Bools) -> Floats:
        decades = self.tails.decades(streams)
        decades[self.tails.n <= _WARMUP_DAYS * self._day] = 0.0
        decades[:, 1:, :, ~has_season] = 0.0
        suspects = self.is_count & (decades.max(axis=(0, 1, 2)) > _SUSPECT_DECADES)
        if suspects.any():
            at = np.flatnonzero(suspects)
            sums = fast[:, at] * self._weights[:, None]
            for i, reference in enumerate((np.broadcast_to(self.level, fast.shape), expected_fast, expected_fast)):
                bound = _poisson_decades(sums, reference[:, at] * self._weights[:, None])
                decades[:, i, :, at] = np.minimum(decades[:, i, :, at], np.moveaxis(bound, -1, 0)[:, None, :])
        return decades

    def _decide(self, time_us: int, score: Floats, is_there: Bools) -> Bools:
        passed = np.where(self.n > 0, time_us - self.was_us, 0)
        self.habit *= np.where(is_there, 0.5 ** (passed / _DAY_US), 1.0)
        is_decision = is_there & (score >= self.limit + self.habit)
        is_decision &= time_us - self.told_us >= self._params.dead_time_s * 1e6
        self.habit += _HABIT_DECADES * is_decision
        np.copyto(self.told_us, time_us, where=is_decision)
        np.copyto(self.was_us, time_us, where=is_there)
        return is_decision

    def _learn(
        self,
        time_us: int,
        x: Floats,
        expected: Floats,
        streams: Floats,
        means: tuple[Floats, Floats],
        where: tuple[Bools, Bools],
    ) -> None:
        is_there, has_season = where
        is_learned = np.broadcast_to(is_there, streams.shape).copy()
        is_learned[:, 1:, :, :] &= has_season
        self.tails.learn(streams, time_us // _DAY_US, self._day, is_learned)
        np.copyto(self.fast, means[0], where=is_there)
        np.copyto(self.expected_fast, means[1], where=is_there)
        self.is_count &= ~is_there | ((x >= 0.0) & (x == np.floor(x)))
        n = self.n + 1
        clip = np.where(n > 20, _CLIP * self.spread, np.inf)
        off = x - self.level
        season_off = np.clip(x - expected, -clip, clip)
        medium_off = np.clip(x - self.medium, -clip, clip)
        self.level += np.where(is_there, np.maximum(self._a_level, 1.0 / n) * np.clip(off, -clip, clip), 0.0)
        self.medium += np.where(is_there, np.maximum(self._a_medium, 1.0 / n) * medium_off, 0.0)
        self.bias += np.where(is_there & has_season, self._a_bias * season_off, 0.0)
        spread_off = np.minimum(np.abs(off), clip) - self.spread
        self.spread += np.where(is_there, np.maximum(self._a_day, 1.0 / n) * spread_off, 0.0)
        self.season.learn(time_us, x, _CLIP * self.spread, is_there)
        self.n += is_there

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        arrays = {name: getattr(self, name).tobytes() for name in _ARRAYS}
        return {"n_series": len(self.n), "season": self.season.snapshot(), "tails": self.tails.snapshot(), **arrays}

    @classmethod
    def restore(cls, state: dict[str, Any], params: BankParams = DEFAULTS) -> SeriesBank:
        """Return the bank whose `snapshot` this is."""
        self = cls(state["n_series"], params)
        self.season.restore(state["season"])
        self.tails.restore(state["tails"])
        for name in _ARRAYS:
            array = getattr(self, name)
            array[...] = np.frombuffer(state[name], dtype=array.dtype).reshape(array.shape)
        return self


_ARRAYS = (
    "n",
    "level",
    "medium",
    "bias",
    "spread",
    "fast",
    "expected_fast",
    "is_count",
    "habit",
    "told_us",
    "was_us",
)


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
    size = 1e6
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -(x + size) * np.log1p((x - mean) / (mean + size))
        entropy += np.where(x > 0, x * np.log(x / mean), 0.0)
    decades: Floats = np.maximum(entropy / LN10, 0.0)
    return decades
