"""Which category of this run is which of the run before, and what became of each.

A category is known by its errors: those whose group the run before had in some category, and, for half of their
weight, those it would have put there. The pairing with the largest common weight wins (Kuhn 1955); what shares too
little is new. Knows weights of shared errors, not what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.category_values import CategoryChange, ChangeKind, ErrorCategory

Flow = npt.NDArray[np.float64]
"""Shape (parts now, parts before): the weight of the errors that they share."""


def flow_of(
    labels: npt.NDArray[np.int64], before: npt.NDArray[np.int64], weights: Flow, shape: tuple[int, int]
) -> Flow:
    """Return the weight that flows from each part before to each part now; `before` is -1 for errors of none."""
    out = np.zeros(shape)
    known = before >= 0
    np.add.at(out, (labels[known], before[known]), weights[known])
    return out


def match(
    flow: Flow,
    sizes: npt.NDArray[Any],
    ids_before: Sequence[str],
    new_id: Callable[[int, int], str],
    min_overlap: float,
) -> list[str]:
    """Return the id of each part now: that of its part before, or a new one.

    Parameters
    ----------
    sizes
        Weight of each part now.
    new_id
        The id of part `i` at the `n`-th attempt; asked again while the id is taken.
    min_overlap
        Least share of the smaller of the two that both must have in common.
    """
    from scipy.optimize import linear_sum_assignment

    n = len(sizes)
    ids: list[str | None] = [None] * n
    if flow.size:
        reached = flow.sum(axis=0)
        rows, columns = linear_sum_assignment(-np.round(flow, 6))
        for now, before in zip(rows.tolist(), columns.tolist(), strict=True):
            common = flow[now, before]
            if common > 0.0 and common >= min_overlap * min(sizes[now], reached[before]):
                ids[now] = ids_before[before]
    taken = {each for each in ids if each is not None} | set(ids_before)
    out = []
    for at, found in enumerate(ids):
        attempt = 0
        while found is None:
            candidate = new_id(at, attempt)
            found = None if candidate in taken else candidate
            attempt += 1
        taken.add(found)
        out.append(found)
    return out


def changes(
    before: Sequence[ErrorCategory],
    now: Sequence[ErrorCategory],
    flow: Mapping[tuple[str, str], float],
    rate: float,
    growth: float,
) -> list[CategoryChange]:
    """Return what became of each category, most counted first.

    Parameters
    ----------
    flow
        (id now, id before) → weight of the errors that they share.
    rate
        Length of the span before over that of the span now: counts are compared a time, not a run.
    """
    old = {each.category_id: each for each in before}
    new = {each.category_id: each for each in now}
    found = [_now(each, old, flow, rate, growth) for each in now]
    found += [_gone(each, new, flow) for each in before if each.category_id not in new]
    kept = [each for each in found if each is not None]
    return sorted(kept, key=lambda each: (-max(each.count_now, each.count_before), each.category_id))


def _now(
    each: ErrorCategory,
    old: Mapping[str, ErrorCategory],
    flow: Mapping[tuple[str, str], float],
    rate: float,
    growth: float,
) -> CategoryChange | None:
    was = old.get(each.category_id)
    if was is None:
        source = _most({b: w for (n, b), w in flow.items() if n == each.category_id and b in old})
        kind = ChangeKind.SPLIT if source else ChangeKind.BORN
        return CategoryChange(kind, each.category_id, each.name, 0, each.count, source)
    now = each.count * rate
    if now >= growth * was.count:
        return CategoryChange(ChangeKind.GROWN, each.category_id, each.name, was.count, each.count)
    if now * growth <= was.count:
        return CategoryChange(ChangeKind.SHRUNK, each.category_id, each.name, was.count, each.count)
    return None


def _gone(
    each: ErrorCategory, new: Mapping[str, ErrorCategory], flow: Mapping[tuple[str, str], float]
) -> CategoryChange:
    into = _most({n: w for (n, b), w in flow.items() if b == each.category_id and n in new})
    kind = ChangeKind.MERGED if into else ChangeKind.GONE
    return CategoryChange(kind, each.category_id, each.name, each.count, 0, into)


def _most(weights: Mapping[str, float]) -> str:
    return min(weights, key=lambda each: (-weights[each], each), default="")
