"""Categories for texts that come one by one: each is assigned at once, by what came before it, and never again.

The same terms, weights and mean similarity as in `categories.fit`, over the texts so far. A text that is like none
opens a category of its own. Knows no clock and no model; memory is bounded by the number of texts remembered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.error_terms import Terms
from fm_anomaly.core.term_weights import WeightParams, is_told, stands_alone, weights_of

_GROW = 1_024


@dataclass(frozen=True, slots=True)
class CategoryStreamParams:
    """Mean similarity from which a text joins a category, and how many texts are remembered, the latest ones.

    Of few texts it is not known yet what they all have and what tells them apart: the first must be more alike by
    `early_more`, and what one of them alone says keeps it apart. Both fade as texts come, to a third by `early_texts`.
    """

    weights: WeightParams = field(default_factory=WeightParams)
    min_similarity: float = 0.5
    early_more: float = 0.15
    early_texts: float = 6.0
    max_texts: int = 4_000


class CategoryStream:
    """Assigns each text the number of its category, 0 for the first."""

    def __init__(self, params: CategoryStreamParams | None = None) -> None:
        self.params = params or CategoryStreamParams()
        self.n_categories = 0
        self._column: dict[str, int] = {}
        self._seen: npt.NDArray[np.float64] = np.zeros(_GROW)
        self._is_known: npt.NDArray[np.bool_] = np.zeros(_GROW, dtype=np.bool_)
        self._needs_more: npt.NDArray[np.bool_] = np.zeros(_GROW, dtype=np.bool_)
        self._texts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
        self._labels: list[int] = []
        self._n = 0

    def assign(self, terms: Terms) -> int:
        """Return the category of the next text. Cost: some milliseconds where thousands are remembered."""
        columns = np.asarray([self._column_of(term) for term in terms], dtype=np.int64)
        values = np.asarray(list(terms.values()), dtype=np.float64)
        self._seen[columns] += 1.0
        self._n += 1
        label = self._nearest(columns, values)
        if label is None:
            label = self.n_categories
            self.n_categories += 1
        self._texts.append((columns, values))
        self._labels.append(label)
        if len(self._texts) > self.params.max_texts:
            del self._texts[0], self._labels[0]
        return label

    def _column_of(self, term: str) -> int:
        at = self._column.get(term)
        if at is None:
            at = self._column[term] = len(self._column)
            if at >= len(self._seen):
                self._seen, self._is_known = _grown(self._seen), _grown(self._is_known)
                self._needs_more = _grown(self._needs_more)
            self._is_known[at] = is_told(term)
            self._needs_more[at] = not stands_alone(term)
        return at

    def _nearest(self, columns: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> int | None:
        if not self._texts:
            return None
        n = len(self._column)
        weight = weights_of(self._seen[:n], self._is_known[:n], self._n, self.params.weights)
        weight[self._needs_more[:n] & (self._seen[:n] < 2.0)] *= self._early()
        asked = np.zeros(n)
        asked[columns] = values * weight[columns]
        length = float(np.sqrt(asked @ asked))
        ends = np.cumsum([len(at) for at, _ in self._texts])
        at = np.concatenate([each for each, _ in self._texts])
        known = np.concatenate([each for _, each in self._texts]) * weight[at]
        starts = np.concatenate(([0], ends[:-1]))
        dots, squares = _sums(known * asked[at], starts, ends), _sums(known * known, starts, ends)
        lengths = np.sqrt(squares) * length
        similarity: Any = np.divide(dots, lengths, out=np.zeros(len(dots)), where=lengths > 0.0)
        if length == 0.0:
            # nothing but names: like other texts that say nothing
            similarity = np.where(squares == 0.0, 1.0, 0.0)
        rounded: npt.NDArray[np.float64] = np.round(similarity, 9)
        return self._best(rounded)

    def _best(self, similarity: npt.NDArray[np.float64]) -> int | None:
        labels = np.asarray(self._labels)
        total = np.bincount(labels, weights=similarity, minlength=self.n_categories)
        size = np.bincount(labels, minlength=self.n_categories)
        mean = np.divide(total, size, out=np.zeros(len(total)), where=size > 0)
        best = int(np.round(mean, 9).argmax())
        needed = self.params.min_similarity + self.params.early_more * self._early()
        return best if mean[best] >= needed else None

    def _early(self) -> float:
        """Return how much is still unknown of what texts have in common: near 1 at the second, 0 after many."""
        return math.exp(-self._n / self.params.early_texts)


def _sums(values: npt.NDArray[np.float64], starts: Any, ends: Any) -> npt.NDArray[np.float64]:
    total = np.concatenate(([0.0], np.cumsum(values)))
    out: npt.NDArray[np.float64] = total[ends] - total[starts]
    return np.maximum(out, 0.0)


def _grown(array: Any) -> Any:
    return np.concatenate((array, np.zeros(len(array), dtype=array.dtype)))
