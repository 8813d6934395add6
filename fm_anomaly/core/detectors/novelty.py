"""Novelty of one subject (an error template, an exception identity): would it have been seen before?

A subject first seen after H buckets of history, k times in d buckets since: had it always come at that
rate, the chance to have missed it is ``(d / (d + H)) ** k`` (gamma-Poisson). No warm-up is needed: with
little history only a burst is surprising. Must not know of streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.tails import MAX_DECADES, score_value


@dataclass(frozen=True, slots=True)
class NoveltyParams:
    """Settings of the novelty detector."""

    limit: float = 5.1
    min_count: int = 5
    """Least number of records, in at least two buckets; a stray error is repeated two or three times."""
    min_count_in_one: int = 8
    """The same within a single bucket."""
    probation_buckets: int = 40
    """How long a new subject may gather; after that it is known."""
    min_history_buckets: int = 3


class NoveltyDetector:
    """Score the count of one new subject; ``x`` is the number of its records in a bucket."""

    __slots__ = ("_params", "count", "first", "history", "last", "n_buckets")

    def __init__(self, params: NoveltyParams = NoveltyParams(), history: int = 0) -> None:
        self._params = params
        self.history = history
        """Buckets of the stream's history before the subject was first seen."""
        self.first = -1
        self.last = -1
        self.count = 0
        self.n_buckets = 0

    def score_one(self, at: int, x: float) -> Reading:
        """Return how surprising it is that the subject was never seen before, ``x`` more in ``at`` included."""
        p = self._params
        first = self.first if self.first >= 0 else at
        days, count = at - first + 1, self.count + x
        n_buckets = self.n_buckets + (at != self.last)
        if self.history < p.min_history_buckets or days > p.probation_buckets:
            return QUIET
        if count < (p.min_count if n_buckets > 1 else p.min_count_in_one):
            return QUIET
        decades = min(count * log10((days + self.history) / days), MAX_DECADES)
        score = Score(score_value(decades, p.limit), decades)
        return Reading(score, 1, count, 0.0, days / (days + self.history) * 1.0, days, 0)

    def learn_one(self, at: int, x: float) -> None:
        """Count ``x`` records in bucket ``at``."""
        if self.first < 0:
            self.first = at
        self.n_buckets += at != self.last
        self.count += int(x)
        self.last = at

    def is_settled(self, at: int) -> bool:
        """Return whether the probation is over."""
        return self.first >= 0 and at - self.first >= self._params.probation_buckets

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [self.history, self.first, self.last, self.count, self.n_buckets]

    @classmethod
    def restore(cls, state: list[Any], params: NoveltyParams = NoveltyParams()) -> NoveltyDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.history, self.first, self.last, self.count, self.n_buckets = state
        return self
