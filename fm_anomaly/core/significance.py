"""Whether a count changed between two logs of different length: exposure ratio, exact test, false discovery rate.

Counts only; this module knows no templates, records or time. The tests take the occurrences of one event as
independent; events that come in bursts are not, and their p-values are too small.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_MAX_EXACT = 1_000
"""Occurrences up to which the test is exact; beyond, the G-test's approximation is good to three digits."""


def exposure_ratio(before: Counts, after: Counts) -> float:
    """Return how much more of everything `after` has than `before`: the weighted median ratio of shared events.

    A flood of one event, or a log that stops half way, leaves it nearly unmoved, unlike the ratio of the totals
    (the idea of size factors: Anders and Huber, Genome Biology 11, 2010, R106). A weight is the logarithm of the
    smaller count: rare events say little, and the commonest must not decide alone. Without a shared event it is
    the ratio of the totals; of an empty log, 1.
    """
    shared = (before > 0) & (after > 0)
    if not shared.any():
        totals = int(before.sum()), int(after.sum())
        return totals[1] / totals[0] if all(totals) else 1.0
    ratio = after[shared] / before[shared]
    weight = np.log1p(np.minimum(before[shared], after[shared]))
    order = np.lexsort((weight, ratio))
    below = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(below, below[-1] / 2)])


def lifts(before: Counts, after: Counts, exposure: float) -> Floats:
    """Return rate after / rate before per event, both counts raised by one half so that it is always finite."""
    return (after + 0.5) / ((before + 0.5) * exposure)


def p_values(before: Counts, after: Counts, exposure: float) -> Floats:
    """Return the two-sided probability of each pair of counts if the event's rate had not changed.

    Given n = before + after, `after` is binomial with share exposure / (1 + exposure) (Przyborowski and Wilenski,
    Biometrika 31, 1940, 313-323): exact up to a thousand occurrences, G-test with one degree of freedom beyond.
    """
    share = exposure / (1.0 + exposure)
    known: dict[tuple[int, int], float] = {}
    out = np.ones(len(before))
    for i, pair in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        if pair not in known:
            test = _exact if sum(pair) <= _MAX_EXACT else _g_test
            known[pair] = test(pair[0], pair[1], share)
        out[i] = known[pair]
    return out


def false_discovery_rates(p: Floats) -> Floats:
    """Return p-values corrected for the number of tests (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995)."""
    n = len(p)
    if not n:
        return p
    order = np.argsort(p, kind="stable")
    stepped = p[order] * n / np.arange(1, n + 1)
    out = np.empty(n)
    out[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return out


def _exact(before: int, after: int, share: float) -> float:
    n = before + after
    if n == 0:
        return 1.0
    k = np.arange(n + 1)
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    log_choose = log_factorials[n] - log_factorials - log_factorials[::-1]
    chance = np.exp(log_choose + k * math.log(share) + (n - k) * math.log1p(-share))
    tail = min(chance[: after + 1].sum(), chance[after:].sum())
    return float(min(1.0, 2.0 * tail))


def _g_test(before: int, after: int, share: float) -> float:
    n = before + after
    g = 0.0
    for observed, expected in ((before, n * (1.0 - share)), (after, n * share)):
        if observed:
            g += 2.0 * observed * math.log(observed / expected)
    return math.erfc(math.sqrt(max(g, 0.0) / 2.0))
