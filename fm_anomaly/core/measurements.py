"""Scores one numeric series of timestamps and values, point by point, from nothing but what came before.

The interval between points is learned from the first of them, then a `SeriesBank` of one series judges every point. A
lasting change of the interval begins anew. It must not know files.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.detectors.bank import DEFAULTS, BankParams, SeriesBank
from fm_anomaly.core.detectors.tails import score_value

_N_FIRST = 8
"""Intervals seen before the first judgement."""
_N_RECENT = 64
_MIN_STEP_S = 1e-3


@dataclass(frozen=True, slots=True)
class Scores:
    """One value a point."""

    score: NDArray[np.float64]
    """In [0, 1]; 0.5 stands at the limit of a decision."""
    decision: NDArray[np.bool_]
    """True where an alert begins."""


def score_series(times_us: NDArray[np.int64], values: NDArray[np.float64], params: BankParams = DEFAULTS) -> Scores:
    """Return the scores of a series in the order of its points; NaN is no value and scores 0.

    `params.step_s` is not read: the interval is learned.
    """
    scorer = SeriesScorer(params)
    rows = [scorer.step(at, x) for at, x in zip(times_us.tolist(), values.tolist(), strict=True)]
    return Scores(np.array([s for s, _ in rows]), np.array([d for _, d in rows], dtype=np.bool_))


class SeriesScorer:
    """Scores the points of one series as they come."""

    def __init__(self, params: BankParams = DEFAULTS) -> None:
        self._params = params
        self._bank: SeriesBank | None = None
        self._step_s = 0.0
        self._steps: deque[float] = deque(maxlen=_N_RECENT)
        self._waiting: list[tuple[int, float]] = []
        self._last_us: int | None = None

    def step(self, time_us: int, value: float) -> tuple[float, bool]:
        """Return score and decision of the next point."""
        self._note_interval(time_us)
        if self._bank is None:
            self._waiting.append((time_us, value))
            if len(self._steps) < _N_FIRST:
                return 0.0, False
            self._begin()
            return 0.0, False
        seen = self._bank.step(time_us, np.array([value]))
        return score_value(float(seen.decades[0]), self._bank.limit), bool(seen.is_decision[0])

    def _note_interval(self, time_us: int) -> None:
        if self._last_us is not None and time_us > self._last_us:
            self._steps.append((time_us - self._last_us) / 1e6)
        self._last_us = time_us if self._last_us is None else max(time_us, self._last_us)
        if self._bank is not None and len(self._steps) == _N_RECENT:
            step_s = median(self._steps)
            if not 0.5 < step_s / self._step_s < 2.0:
                self._bank, self._waiting = None, []

    def _begin(self) -> None:
        self._step_s = max(median(self._steps), _MIN_STEP_S)
        self._bank = SeriesBank(1, replace(self._params, step_s=self._step_s))
        for time_us, value in self._waiting:
            self._bank.step(time_us, np.array([value]))
        self._waiting = []
