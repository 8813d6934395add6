"""A detector of simulated counts that knows their true rate: what there is to be found, not a rival.

It sums several windows and fires where the negative binomial that made the counts finds a sum improbable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.tails import count_decades
from fm_anomaly.evaluation.simulated_counts import DAY, CountSeries

_WINDOWS = (1, 5, 15, 60)
_LIMIT = 5.5
"""Decades of a bound: four windows of 1,440 minutes give less than one false alert in fifty days."""
_QUIET = 60


def oracle(series: CountSeries) -> NDArray[np.bool_]:
    """Return where the counts are improbable under the rates without events; after firing, quiet for an hour."""
    n = len(series.counts)
    fired = np.zeros(n, dtype=np.bool_)
    for window in _WINDOWS:
        observed = _sums(series.counts, window)
        expected = _sums(series.rates, window)
        squares = _sums(series.rates**2, window)
        rough = np.abs(observed - expected) > 3.0 * np.sqrt(expected + squares / series.size)
        for i in np.flatnonzero(rough).tolist():
            size = series.size * expected[i] ** 2 / max(squares[i], 1e-12)
            fired[i] |= count_decades(observed[i], expected[i], size) >= _LIMIT
    first = np.flatnonzero(series.counts)[:1]
    fired[first[first > DAY]] = True  # a series is born
    kept = np.zeros(n, dtype=np.bool_)
    last = -_QUIET
    for i in np.flatnonzero(fired).tolist():
        if i - last >= _QUIET:
            kept[i] = True
            last = i
    return kept


def _sums(x: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    total = np.cumsum(x)
    out = total.copy()
    out[window:] = total[window:] - total[:-window]
    return out
