"""From score to decision: the limit from a false-alarm rate, and the quarantine of what is learned.

`Watch` puts one detector under one rule: it learns while nothing is wrong; from the bucket where its
score passes the limit on, it learns nothing until the series is calm again, or until the shift has stayed
so long that it is adopted as the new normal. Must not know what the detector measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Any, Generic, Protocol, TypeVar

from fm_anomaly.core.anomalies import Decision, Reading
from fm_anomaly.core.detectors.rhythm import Rhythm

_N_WINDOWS = 4
"""Windows judged at each bucket, over which the rate of false alarms is shared out."""
HALF_SURPRISE = 0.6
"""Share of the limit from which on a rhythm takes note."""
X_contra = TypeVar("X_contra", contravariant=True)


class Detector(Protocol[X_contra]):
    """What `Watch` asks of a detector of one series."""

    def score_one(self, at: int, x: X_contra) -> Reading:
        """Return a reading of ``x`` in bucket ``at``; changes nothing."""

    def view_one(self, at: int, x: X_contra) -> Reading:
        """Return the reading of ``x`` by itself, however small, while an anomaly goes on."""

    def learn_one(self, at: int, x: X_contra) -> None:
        """Learn ``x`` of bucket ``at``."""

    def hold(self, at: int) -> None:
        """Let the buckets up to ``at`` pass unlearned."""

    def isolate(self, window: int) -> None:
        """Take the newest ``window - 1`` buckets back out of what was learned."""

    def adopt(self, x: X_contra) -> None:
        """Take ``x`` for the new normal."""

    def is_still(self, x: X_contra, direction: int) -> bool:
        """Return whether ``x`` keeps up an anomaly of that direction."""

    def snapshot(self) -> Any:
        """Return the state."""


D = TypeVar("D", bound=Detector[Any])


@dataclass(frozen=True, slots=True)
class CalibrationParams:
    """How often a quiet series may cry wolf, and how long a shift may stay a shift."""

    false_alarms_per_series_day: float = 0.05
    """Sets every limit: the chance a single judgement may have to be wrong."""
    adopt_after_s: int = 4 * 3600
    """A shift that has stayed so long is the new normal."""
    calm_buckets: int = 2
    """Calm buckets in a row that end an anomaly (hysteresis)."""


def limit_decades(params: CalibrationParams, bucket_s: int) -> float:
    """Return the limit of a score, in decades of improbability; 5.1 with the defaults and minutes."""
    judgements = 86_400 / bucket_s * _N_WINDOWS
    return max(log10(judgements / params.false_alarms_per_series_day), 1.0)


class Watch(Generic[D]):
    """One detector of one series, with its open anomaly if there is one.

    With a `rhythm`, what has come at that time of the day or the week before opens none, and is learned.
    """

    __slots__ = (
        "adopt_buckets",
        "calm",
        "calm_buckets",
        "detector",
        "direction",
        "last",
        "limit",
        "rhythm",
        "since",
        "typical",
    )

    def __init__(
        self, detector: D, limit: float, params: CalibrationParams, bucket_s: int, rhythm: Rhythm | None = None
    ) -> None:
        self.detector = detector
        self.rhythm = rhythm
        self.limit = limit
        self.adopt_buckets = max(params.adopt_after_s // bucket_s, 1)
        self.calm_buckets = params.calm_buckets
        self.since = -1
        """Bucket in which the open anomaly was decided; -1 while there is none."""
        self.last = -1
        self.direction = 0
        self.calm = 0
        self.typical: Any = None
        """What the series is like under the open anomaly; adopted if it stays."""

    @property
    def is_open(self) -> bool:
        """Whether an anomaly is open."""
        return self.since >= 0

    def step(self, at: int, x: Any) -> Decision | None:
        """Judge ``x`` of bucket ``at``, then learn it unless quarantined; None when nothing is wrong."""
        if self.is_open:
            return self._continue(at, x)
        reading = self.detector.score_one(at, x)
        is_known = self._is_known(at, reading)
        if is_known or reading.score.raw < self.limit:
            self.detector.learn_one(at, x)
            return None
        self.since = self.last = at
        self.direction, self.calm, self.typical = reading.direction, 0, x
        self.detector.isolate(reading.window)
        self.detector.hold(at)
        return Decision(reading)

    def _is_known(self, at: int, reading: Reading) -> bool:
        """Note a surprise, or half of one, in the rhythm, and return whether it is none."""
        if self.rhythm is None or reading.score.raw < HALF_SURPRISE * self.limit:
            return False
        known = self.rhythm.is_known(at, reading)
        self.rhythm.note(at, reading)
        return known

    def _continue(self, at: int, x: Any) -> Decision | None:
        if at - self.since >= self.adopt_buckets and self.typical is not None:
            self.detector.hold(at)
            self.detector.adopt(self.typical)
            self.since = -1
            return None
        if self.detector.is_still(x, self.direction) and at - self.last <= 2 * self.calm_buckets + 6:
            reading = self.detector.view_one(at, x)
            self.detector.hold(at)
            self.last, self.calm, self.typical = at, 0, _blend(self.typical, x)
            return Decision(reading, self.since)
        self.calm += at - self.last if self.calm == 0 else 1
        if self.calm >= self.calm_buckets:
            self.since = -1
            self.detector.hold(at - 1)
            self.detector.learn_one(at, x)
        else:
            self.detector.hold(at)
        return None

    def snapshot(self) -> list[Any]:
        """Return the state, that of the detector included."""
        typical = list(self.typical) if isinstance(self.typical, tuple) else self.typical
        notes = None if self.rhythm is None else self.rhythm.snapshot()
        return [self.detector.snapshot(), self.since, self.last, self.direction, self.calm, typical, notes]

    def restore(self, state: list[Any]) -> None:
        """Take the state of a `snapshot`, all but the detector's, which is restored by whoever builds it."""
        _, self.since, self.last, self.direction, self.calm, typical, notes = state
        if self.rhythm is not None:
            self.rhythm.restore(notes)
        self.typical = tuple(typical) if isinstance(typical, list) else typical


def _blend(old: Any, x: Any) -> Any:
    """Return the running picture of an anomaly: numbers are smoothed, sequences of measurements replaced."""
    if isinstance(x, (int, float)):
        return 0.9 * old + 0.1 * x
    if isinstance(x, tuple) and len(x) == 2 and isinstance(old, tuple) and len(old) == 2:
        return tuple(0.9 * a + 0.1 * b for a, b in zip(old, x, strict=True))
    return x if x else old
