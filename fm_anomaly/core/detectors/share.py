"""Error share of one stream, with its sample size: 3 errors of 4 are no incident, 300 of 400 are.

The errors of a window are held against what the learned share makes of its records and against the
learned error rate, whichever expects more. Must not know of streams or alerts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from fm_anomaly.core.anomalies import QUIET, Reading, Score
from fm_anomaly.core.detectors.early import Level
from fm_anomaly.core.detectors.levels import Level as MovingLevel
from fm_anomaly.core.detectors.tails import (
    count_decades,
    count_size,
    half_life_alpha,
    score_value,
)

_ROUNDING = 1e-6
"""By far more than sums of expectations may differ by the order in which they are added."""


@dataclass(frozen=True, slots=True)
class ShareParams:
    """Settings of the error-share detector."""

    limit: float = 5.1
    half_life_buckets: float = 60.0
    warmup_buckets: int = 5
    windows: tuple[int, ...] = (1, 5, 15)
    min_errors: float = 10.0
    """Least excess of errors in a window."""
    min_share: float = 0.03
    """Least rise of the share; a tenth of it is enough when the errors are tenfold."""
    ratio: float = 2.0
    """Least observed over expected errors."""
    drift: float = 0.3


class ShareDetector:
    """Score the errors among the records of each bucket; ``x`` is ``(n_errors, n_records)``."""

    __slots__ = ("_alpha", "_moments", "_params", "at", "errors", "levels", "n", "recent", "records", "square", "total")

    def __init__(self, params: ShareParams = ShareParams()) -> None:
        self._params = params
        self._alpha = half_life_alpha(params.half_life_buckets)
        self._moments = (MovingLevel(self._alpha), MovingLevel(self._alpha), MovingLevel(self._alpha))
        self.at = -1
        self.n = 0
        self.errors = 0.0
        self.square = 0.0
        self.records = 0.0
        self.total = 0.0
        self.recent: list[tuple[float, float]] = []
        self.levels: list[tuple[float, float, float, float, int]] = []

    def score_one(self, at: int, x: tuple[float, float]) -> Reading:
        """Return the strongest reading over the windows that end with bucket ``at``."""
        best = QUIET
        errors = x[0] + _ROUNDING
        for seen, _ in self.recent:
            errors += seen
        if errors < self._params.min_errors:
            return best  # nor has any of the windows enough
        gap = max(at - self.at - 1, 0) if self.at >= 0 else 0
        for window in self._params.windows:
            reading = self._judge(x, window, gap)
            if reading is not None and reading.score.raw > best.score.raw:
                best = reading
        return self._localise(x, best, gap) if best.score.raw >= self._params.limit and best.window > 1 else best

    def level(self) -> Level | None:
        """Return the learned level of errors a bucket; None while it warms up."""
        if self.n < self._params.warmup_buckets:
            return None
        return Level(self.errors, self.variance, self.total)

    def is_rise(self, errors: float, expected: float, records: float) -> bool:
        """Return whether an excess of errors is a part of the records that matters."""
        least = self._params.min_share if errors < 10 * expected else 0.1 * self._params.min_share
        return (errors - expected) / max(records, 1.0) >= least

    def view_one(self, at: int, x: tuple[float, float]) -> Reading:
        """Return what ``x`` looks like by itself, whatever its size: the reading while an anomaly goes on."""
        return self._read(x[0], x[1], self._level(), 1, 1)[1]

    def learn_one(self, at: int, x: tuple[float, float]) -> None:
        """Learn the counts of bucket ``at``; buckets without records teach nothing about a share."""
        self._pass(at)
        self._push(x)
        p = self._params
        errors, records = x
        if self.n >= p.warmup_buckets:
            errors = min(errors, self.errors + 6.0 * sqrt(max(self.variance, self.errors)) + 6.0)
        self.errors = self._moments[0].step(self.errors, errors, self.n)
        self.square = self._moments[1].step(self.square, errors * errors, self.n)
        self.records = self._moments[2].step(self.records, records, self.n)
        self.total = errors + (1 - self._alpha) * self.total
        self.n += 1
        self.at = at

    def hold(self, at: int) -> None:
        """Let buckets up to and including ``at`` pass unlearned: the windows see the expectation instead."""
        for _ in range(min(at - self.at, self._params.windows[-1])):
            self._push((self.errors, self.records))
        self.at = max(at, self.at)

    def isolate(self, window: int) -> None:
        """Take the newest ``window - 1`` buckets back out of the level."""
        if window > 1 and self.levels:
            level = self.levels[max(len(self.levels) - window + 1, 0)]
            self.errors, self.square, self.records, self.total, self.n = level
        self.recent = [(self.errors, self.records)] * len(self.recent)
        self.levels = [self._level()] * len(self.recent)

    def adopt(self, x: tuple[float, float]) -> None:
        """Take ``x`` for the new level: a shift has stayed."""
        self.errors, self.records = x
        self.square, self.total = self.errors**2 + self.errors, self.errors
        self.n = max(self._params.warmup_buckets, 30)
        self.isolate(1)

    def is_still(self, x: tuple[float, float], direction: int) -> bool:
        """Return whether the counts of a bucket keep up the anomaly."""
        errors, records = x
        expected = self.share * records
        return errors >= 1.5 * expected + 2 and errors - expected >= 0.2 * self._params.min_share * records

    @property
    def share(self) -> float:
        """Learned share of errors, in [0, 1]."""
        return min(self.errors / self.records, 1.0) if self.records > 0 else 0.0

    @property
    def variance(self) -> float:
        """Variance of the errors of single buckets."""
        return max(self.square - self.errors * self.errors, 0.0)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "at": self.at,
            "level": list(self._level()),
            "recent": [list(x) for x in self.recent],
            "levels": [list(level) for level in self.levels],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: ShareParams = ShareParams()) -> ShareDetector:
        """Return the detector whose `snapshot` this is."""
        self = cls(params)
        self.at = state["at"]
        self.errors, self.square, self.records, self.total, self.n = state["level"]
        self.recent = [(e, n) for e, n in state["recent"]]
        self.levels = [(e, s, r, t, n) for e, s, r, t, n in state["levels"]]
        return self

    def _level(self) -> tuple[float, float, float, float, int]:
        return (self.errors, self.square, self.records, self.total, self.n)

    def _judge(self, x: tuple[float, float], window: int, gap: int) -> Reading | None:
        p = self._params
        behind = min(max(window - 1 - gap, 0), len(self.recent))
        errors, records = x
        level = self._level()
        if behind:
            window_records, window_errors = 0.0, 0.0
            for e, n in self.recent[-behind:]:
                window_errors += e
                window_records += n
            errors, records = errors + window_errors, records + window_records
            level = self.levels[-behind]
        if errors < p.min_errors or level[4] < p.warmup_buckets:
            return None
        expected, reading = self._read(errors, records, level, window, behind + 1)
        if errors - expected < p.min_errors or errors < p.ratio * expected:
            return None
        if not self.is_rise(errors, expected, records):
            return None
        return reading

    def _localise(self, x: tuple[float, float], found: Reading, gap: int) -> Reading:
        """Return the reading of the end of the window that holds the most excess: where the change began (CUSUM)."""
        width = min(found.window - gap, len(self.recent) + 1)
        usual = 1.5 * found.expected / max(found.window, 1) + 1
        excess = best = x[0] - usual
        began = 1
        for back in range(1, width):
            excess += self.recent[-back][0] - usual
            if excess > best:
                best, began = excess, back + 1
        if began >= found.window:
            return found
        return self._judge(x, began, gap) or replace(found, window=began)

    def _read(
        self, errors: float, records: float, level: tuple[float, float, float, float, int], window: int, buckets: int
    ) -> tuple[float, Reading]:
        """Return the expected errors, and the reading of those seen."""
        mean, square, per_bucket, total, n = level
        share = min((mean * n + 0.5) / (per_bucket * n + 1.0), 1.0)
        expected = max(share * records, mean * buckets)
        size = count_size(mean, max(square - mean * mean, 0.0), total, buckets, self._params.drift)
        decades = count_decades(errors, expected, size)
        spread = 3.0 * sqrt(expected + expected * expected / size)
        score = Score(score_value(decades, self._params.limit), decades)
        low, high = max(expected - spread, 0.0), expected + spread
        return expected, Reading(score, 1, errors, low, high, window, total, expected)

    def _pass(self, at: int) -> None:
        """Fill the windows' gap with empty buckets."""
        if self.at >= 0:
            for _ in range(min(at - self.at - 1, self._params.windows[-1])):
                self._push((0.0, 0.0))

    def _push(self, x: tuple[float, float]) -> None:
        self.recent.append(x)
        self.levels.append(self._level())
        if len(self.recent) > self._params.windows[-1]:
            del self.recent[0], self.levels[0]
