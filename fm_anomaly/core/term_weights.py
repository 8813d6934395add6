"""How telling each term is, from how many errors have it; errors as unit vectors over weighted terms.

A damped inverse document frequency. A term of one error alone takes no part unless it is a word that errors are told
with (`error_words`): the names of tests, classes and hosts would otherwise keep apart what is alike. An error counts
as one and the logarithm of how often it was seen. Knows terms, not texts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.error_terms import Terms
from fm_anomaly.core.error_words import ERROR_WORDS

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WeightParams:
    """Shape of the weight of a term that `df` of `n` errors have: ``(log((1 + n) / (1 + df)) + floor) ** power``."""

    floor: float = 0.5
    power: float = 0.7
    # beside words that errors are told with, others are names more often than not
    name_weight: float = 0.7
    # terms kept, the most frequent ones: what outside text can multiply is bounded
    max_terms: int = 100_000


_DEFAULT = WeightParams()


@dataclass(frozen=True, slots=True)
class TermWeights:
    """Fitted weights: the column and the weight of each term that takes part."""

    column: Mapping[str, int]
    weight: Weights

    def vectors(self, errors: Sequence[Terms]) -> Any:
        """Return a sparse matrix (CSR), one unit row an error; a row of zeros where no term takes part."""
        from scipy.sparse import csr_matrix

        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        for terms in errors:
            found = [(at, value) for term, value in terms.items() if (at := self.column.get(term)) is not None]
            columns += [at for at, _ in found]
            values += [value for _, value in found]
            ends.append(len(columns))
        places = np.asarray(columns, dtype=np.int64)
        data = np.asarray(values, dtype=np.float64) * self.weight[places]
        matrix: Any = csr_matrix((data, places, ends), shape=(len(errors), max(1, len(self.weight))))
        return unit_rows(matrix)


def unit_rows(matrix: Any) -> Any:
    """Return a sparse matrix with every row scaled to length one; rows of zeros stay."""
    from scipy.sparse import diags

    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    length[length == 0.0] = 1.0
    return (diags(1.0 / length) @ matrix).tocsr()


def fit_weights(errors: Sequence[Terms], counts: Sequence[int], params: WeightParams = _DEFAULT) -> TermWeights:
    """Return the weights that `errors` seen `counts` times teach; terms in the order of the alphabet."""
    seen: Counter[str] = Counter()
    often: set[str] = set()
    shares = [1.0 + math.log(count) for count in counts]
    for terms, count, share in zip(errors, counts, shares, strict=True):
        for term in terms:
            seen[term] += share  # type: ignore[assignment]
        if count > 1:
            often.update(terms)
    kept = [term for term, n in seen.items() if n > 1.0 or term in often or stands_alone(term)]
    kept = sorted(sorted(kept, key=lambda term: (-seen[term], term))[: params.max_terms])
    frequency = np.asarray([seen[term] for term in kept], dtype=np.float64)
    known = np.asarray([is_told(term) for term in kept], dtype=np.bool_)
    return TermWeights({term: at for at, term in enumerate(kept)}, weights_of(frequency, known, sum(shares), params))


def stands_alone(term: str) -> bool:
    """Whether a term takes part though one error alone has it: a word of `error_words`, an exception's type."""
    return term in ERROR_WORDS or term[0] == "!"


def weights_of(frequency: Weights, is_known: npt.NDArray[np.bool_], n: float, params: WeightParams) -> Weights:
    """Return the weight of terms that `frequency` of `n` errors have; see `WeightParams`."""
    damped: Weights = (np.log((1.0 + n) / (1.0 + frequency)) + params.floor) ** params.power
    return damped * np.where(is_known, 1.0, params.name_weight)


def is_told(term: str) -> bool:
    """Whether a term is of words that errors are told with, a sign that a tool draws, or an exception's type.

    >>> [is_told(term) for term in ("refused", "connection refused", "kettle refused", "§***", "!KettleError")]
    [True, True, False, True, True]
    """
    return term[0] in "§!" or all(word in ERROR_WORDS for word in term.split(" "))
