"""Tails of counts in decades, and the exponentially weighted moments that the detectors stand on.

Pure arithmetic over plain floats, a microsecond a call. It must not know of streams, buckets or limits.
"""

from __future__ import annotations

from math import log, log1p

LN10 = log(10.0)
MAX_DECADES = 300.0
"""Scores are cut here, so that they stay finite and printable."""
_LARGEST_SIZE = 1e7
_SMALLEST_MEAN = 1e-9


def count_decades(x: float, mean: float, size: float) -> float:
    """Return how improbable a count is, in decades, on the side of the mean where it lies.

    ``-log10`` of the Chernoff bound on the tail of a negative binomial with that mean and size
    (variance ``mean + mean²/size``; Poisson for a large size). A bound: the true chance is smaller,
    exact where ``x`` is 0. Source: Chernoff (1952), relative entropy of the negative binomial.
    """
    mean = max(mean, _SMALLEST_MEAN)
    size = min(size, _LARGEST_SIZE)
    entropy = -(x + size) * log1p((x - mean) / (mean + size))
    if x > 0:
        entropy += x * log(x / mean)
    return min(max(entropy / LN10, 0.0), MAX_DECADES)


def count_size(mean: float, variance: float, n_seen: float, window: int, drift: float) -> float:
    """Return the size of the negative binomial that predicts the sum of ``window`` buckets.

    Three doubts add up: over-dispersion of single buckets (shrinks with the window), drift of the level
    between learning and now (relative standard deviation ``drift``), and a level learned from
    ``n_seen`` records only (the gamma-Poisson predictive).
    """
    over = max(variance - mean, 0.0) / (mean * mean) if mean > _SMALLEST_MEAN else 0.0
    return 1.0 / (over / window + drift * drift + 1.0 / (n_seen + 0.5))


def ew_step(mean: float, x: float, alpha: float) -> float:
    """Return the exponentially weighted mean after ``x``; bit-equal to river's ``stats.EWMean``."""
    return alpha * x + (1 - alpha) * mean


def warm_alpha(alpha: float, n: int) -> float:
    """Return the weight of the next value after ``n``: the plain average until ``1/n`` falls to ``alpha``."""
    return max(alpha, 1.0 / (n + 1))


def half_life_alpha(buckets: float) -> float:
    """Return the weight that halves a value's part in the mean after so many buckets."""
    return 1.0 - float(0.5 ** (1.0 / max(buckets, 1e-9)))


def score_value(decades: float, limit: float) -> float:
    """Return a score in [0, 1) that is 0.5 at ``limit`` decades."""
    return 1.0 - float(2.0 ** (-decades / limit))
