"""What a stream has taught about one template and one error, and the plain state of it.

Values that `core.series` fills and judges. It must not know of streams or findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.calibration import Watch
from fm_anomaly.core.detectors import BurstDetector, NoveltyDetector

RUN_GAP_BUCKETS = 3
"""A longer gap parts a stray error from the run that follows."""


@dataclass(slots=True)
class ErrorSeries:
    """An exception identity, or an error template, and whether it is news."""

    novelty: NoveltyDetector
    first_us: int
    """Event time of the first record of its present run: where an anomaly of it begins."""
    last_us: int
    since: int = -1
    """Bucket where its novelty was decided; -1 while it is not open."""
    is_known: bool = False
    absent_us: int = 0
    """How long it had been away when it came back, where that was long; 0 for an error that has never been away."""

    def begin_run(self, at: int, first_us: int) -> None:
        """Let a run begin with bucket ``at`` where the last record is long past: a stray error is no beginning."""
        if self.since < 0 and self.novelty.last >= 0 and at - self.novelty.last > RUN_GAP_BUCKETS:
            self.first_us = first_us


@dataclass(slots=True)
class TemplateSeries:
    """What is known of one template of the stream."""

    template_id: str
    text: str
    first_us: int
    last_us: int
    first_at: int
    is_lifecycle: bool
    """Whether it speaks of a shutdown, a start or a deploy."""
    count: int = 0
    n_errors: int = 0
    n_buckets: int = 0
    peak: int = 0
    """Largest count of a bucket, those under an anomaly left out."""
    n_alerted: int = 0
    """Records counted under an open anomaly of the template."""
    n_warnings: int = 0
    errors: ErrorSeries | None = None
    burst: Watch[BurstDetector] | None = None


def error_state(e: ErrorSeries) -> list[Any]:
    """Return the state of an error series."""
    return [e.novelty.snapshot(), e.first_us, e.last_us, e.since, e.is_known, e.absent_us]


def template_state(t: TemplateSeries) -> list[Any]:
    """Return the state of a template series, in the order of its fields."""
    plain = [t.template_id, t.text, t.first_us, t.last_us, t.first_at, t.is_lifecycle]
    plain += [t.count, t.n_errors, t.n_buckets, t.peak, t.n_alerted, t.n_warnings]
    errors = None if t.errors is None else error_state(t.errors)
    return [*plain, errors, None if t.burst is None else t.burst.snapshot()]
