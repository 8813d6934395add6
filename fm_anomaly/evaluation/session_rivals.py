"""Baselines for unusual sessions, for comparison only: each judges a session by those that ended before it.

Each takes the steps (templates, in order) of all sessions, by their ends, and returns one score a session. They are
the usual ones of the field: rarity of the count vector, rarest single step, next-event model, PCA of count vectors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log10

import numpy as np

Sessions = Sequence[Sequence[int]]
_REFIT = 1.25
"""PCA is fitted again when there are so many times the sessions of the last fit."""
_FIRST_FIT = 20
_KEPT_VARIANCE = 0.95


def count_vector_rarity(sessions: Sessions) -> list[float]:
    """Score how rare exactly these counts are."""
    seen: Counter[tuple[tuple[int, int], ...]] = Counter()
    out = []
    for n, steps in enumerate(sessions):
        key = tuple(sorted(Counter(steps).items()))
        out.append(-log10((seen[key] + 0.5) / (n + 1)))
        seen[key] += 1
    return out


def rarest_step(sessions: Sessions) -> list[float]:
    """Score the rarest presence or absence of a single step."""
    have: Counter[int] = Counter()
    out = []
    for n, steps in enumerate(sessions):
        own = set(steps)
        shares = {step: (have[step] + 0.5) / (n + 1) for step in own | set(have)}
        out.append(max((-log10(p if step in own else max(1 - p, 1e-9)) for step, p in shares.items()), default=0.0))
        have.update(own)
    return out


def next_event(sessions: Sessions) -> list[float]:
    """Score the least expected step, given the one before it."""
    follows: dict[int, Counter[int]] = defaultdict(Counter)
    out = []
    for steps in sessions:
        chain = [-1, *steps, -2]
        worst = 0.0
        for before, step in pairwise(chain):
            after = follows[before]
            worst = max(worst, -log10((after[step] + 0.5) / (after.total() + 1)))
        out.append(worst)
        for before, step in pairwise(chain):
            follows[before][step] += 1
    return out


def pca(sessions: Sessions) -> list[float]:
    """Score the distance of the counts from the main directions of those before (Xu et al., 2009)."""
    names = sorted({step for steps in sessions for step in steps})
    place = {step: i for i, step in enumerate(names)}
    counts = np.zeros((len(sessions), len(names)))
    for row, steps in enumerate(sessions):
        for step, n in Counter(steps).items():
            counts[row, place[step]] = n
    out = np.zeros(len(sessions))
    start = _FIRST_FIT
    while start < len(sessions):
        end = min(max(int(start * _REFIT), start + 1), len(sessions))
        before = counts[:start]
        mean = before.mean(axis=0)
        _, singular, directions = np.linalg.svd(before - mean, full_matrices=False)
        explained = np.cumsum(singular**2) / max(float(np.sum(singular**2)), 1e-12)
        main = directions[: int(np.searchsorted(explained, _KEPT_VARIANCE)) + 1]
        apart = counts[start:end] - mean
        rest = apart - apart @ main.T @ main
        out[start:end] = np.sum(rest * rest, axis=1)
        start = end
    return [float(x) for x in out]


RIVALS: dict[str, Callable[[Sessions], list[float]]] = {
    "rarity of the count vector": count_vector_rarity,
    "rarest single step": rarest_step,
    "next event (bigrams)": next_event,
    "PCA of count vectors": pca,
}
"""Baselines by the name they are printed under."""
