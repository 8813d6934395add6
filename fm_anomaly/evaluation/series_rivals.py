"""Simple detectors of numeric series that the product is held against, each causal, with thresholds of their own.

Each takes times and values of one series and returns where it fires; after firing each keeps quiet for as long as the
product does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Fire = Callable[[Times, Floats], Bools]

_HOUR_US = 3_600_000_000
_DEAD_US = 4 * _HOUR_US


def null(times_us: Times, values: Floats) -> Bools:
    """Never fire."""
    return np.zeros(len(values), dtype=np.bool_)


def clock(times_us: Times, values: Floats) -> Bools:
    """Fire at every 400th point."""
    fired: Bools = np.arange(len(values)) % 400 == 399
    return fired


def ewma(times_us: Times, values: Floats, limit: float = 6.0) -> Bools:
    """Fire at 6 standard deviations from an exponentially weighted mean of half a day (river's EWMean and EWVar)."""
    from river.stats import EWMean, EWVar

    alpha = 1.0 - 0.5 ** (_step_us(times_us) / (12 * _HOUR_US))
    mean, variance = EWMean(alpha), EWVar(alpha)
    raw = np.zeros(len(values))
    for i, x in enumerate(values.tolist()):
        if x != x:
            continue
        if i > 20:
            raw[i] = abs(x - mean.get()) / sqrt(max(variance.get(), 1e-12))
        mean.update(x)
        variance.update(x)
    return _quiet_after(times_us, raw >= limit)


def gaussian(times_us: Times, values: Floats, limit: float = 0.99999) -> Bools:
    """Fire where a running Gaussian (as river's GaussianScorer) finds a point in its outer hundred-thousandth."""
    n, mean, square = 0, 0.0, 0.0
    raw = np.zeros(len(values))
    for i, x in enumerate(values.tolist()):
        if x != x:
            continue
        if n > 100:
            z = (x - mean) / max(sqrt(square / n), 1e-12)
            raw[i] = 2.0 * abs(0.5 * (1.0 + erf(z / sqrt(2.0))) - 0.5)
        n += 1
        off = x - mean
        mean += off / n
        square += off * (x - mean)
    return _quiet_after(times_us, raw >= limit)


def half_space_trees(times_us: Times, values: Floats, limit: float = 0.97) -> Bools:
    """Fire at a score of .97 of river's HalfSpaceTrees on the value, scaled by the range so far."""
    from river.anomaly import HalfSpaceTrees

    trees = HalfSpaceTrees(n_trees=10, height=8, window_size=250, seed=1)
    low, high = np.inf, -np.inf
    raw = np.zeros(len(values))
    for i, x in enumerate(values.tolist()):
        if x != x:
            continue
        low, high = min(low, x), max(high, x)
        point = {"x": (x - low) / (high - low) if high > low else 0.5}
        raw[i] = trees.score_one(point)
        trees.learn_one(point)
    return _quiet_after(times_us, raw >= limit)


def hourly_ratio(times_us: Times, values: Floats, factor: float = 3.0) -> Bools:
    """Fire where five minutes exceed 3 times the mean of the hour before, as people write in Prometheus."""
    step_us = _step_us(times_us)
    short, long = max(round(300e6 / step_us), 1), max(round(_HOUR_US / step_us), 2)
    sums = np.concatenate(([0.0], np.cumsum(np.nan_to_num(values))))
    fired = np.zeros(len(values), dtype=np.bool_)
    for i in range(short + long, len(values)):
        now = (sums[i + 1] - sums[i + 1 - short]) / short
        before = (sums[i + 1 - short] - sums[i + 1 - short - long]) / long
        fired[i] = now > factor * before > 0
    return _quiet_after(times_us, fired)


RIVALS: dict[str, Fire] = {
    "never fires": null,
    "clock, every 400 points": clock,
    "EWMA z-score": ewma,
    "running Gaussian": gaussian,
    "HalfSpaceTrees": half_space_trees,
    "rate > 3 x hourly mean": hourly_ratio,
}


def _step_us(times_us: Times) -> float:
    return float(max(np.median(np.diff(times_us[:200])), 1.0)) if len(times_us) > 1 else 1.0


def _quiet_after(times_us: Times, fired: Bools) -> Bools:
    """Keep of the points that fire those that do so after four quiet hours since the last one kept."""
    kept = np.zeros(len(fired), dtype=np.bool_)
    last = None
    for i in np.flatnonzero(fired).tolist():
        if last is None or times_us[i] - last >= _DEAD_US:
            kept[i] = True
            last = int(times_us[i])
    return kept
