"""Values of detection: a detector's score and reading, the decision about it, and the anomaly that leaves.

Plain frozen values, read by alerts, incidents, reports and the store. This module must not know
how any of them is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fm_anomaly.core.features import ExceptionCount, TemplateCount
from fm_anomaly.core.frames import StreamKey


class AnomalyKind(StrEnum):
    """What went wrong, in the order in which it makes a headline."""

    NEW_ERROR = "new_error"
    ERROR_SPIKE = "error_spike"
    SILENCE = "silence"
    VOLUME_DROP = "volume_drop"
    VOLUME_SPIKE = "volume_spike"
    LATENCY = "latency"
    SEQUENCE = "sequence"
    NEW_TEMPLATE = "new_template"


KIND_WORTH: dict[AnomalyKind, int] = {kind: len(AnomalyKind) - i for i, kind in enumerate(AnomalyKind)}
"""Headline worth by kind; larger is worth more."""


@dataclass(frozen=True, slots=True)
class Score:
    """Output of a detector."""

    value: float
    """In [0, 1]; 0.5 stands at the detector's calibrated limit."""
    raw: float
    """In the detector's own unit: decades of improbability, ``-log10`` of a bound on the chance."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A score with what was seen and what was expected: all that a reason needs."""

    score: Score
    direction: int
    """+1 above the expectation, -1 below it, 0 neither."""
    observed: float
    expected_low: float
    expected_high: float
    window: int
    """Buckets judged together, the newest last."""
    n: float
    """Records behind the expectation."""
    expected: float = 0.0
    """The expectation itself, between low and high."""
    span_s: int = 0
    """Seconds judged where they are fewer than a bucket; 0 for whole buckets."""


QUIET = Reading(Score(0.0, 0.0), 0, 0.0, 0.0, 0.0, 1, 0.0)
"""The reading of a series that shows nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What calibration made of a reading."""

    reading: Reading
    since_at: int = -1
    """Bucket in which an anomaly that goes on was decided, from which on nothing is learned; -1 for one that begins."""

    @property
    def is_onset(self) -> bool:
        """Whether the anomaly began with this bucket."""
        return self.since_at < 0


Shape = tuple[int, str, int, int]
"""A way in which sessions are unusual: first step of the sessions that they are held against (-1: all), aspect, step,
other step (-1: none); steps are templates."""


@dataclass(frozen=True, slots=True)
class OddSessions:
    """Many sessions that are unusual in one way."""

    shape: Shape
    decision: Decision
    usual: int
    """How often the step is usually taken."""
    start_us: int
    """When the first of them began."""
    n_odd: int
    n: int
    """Sessions of the window that are so, and all of them."""
    n_odd_before: int
    n_before: int
    """The same for all sessions before the window."""
    texts: tuple[str, str, str] = ("", "", "")
    """Step, other step, and the step that they begin with, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one watch of a stream found in one bucket: numbers and a subject, no words yet."""

    kind: AnomalyKind
    subject: str
    reading: Reading
    is_onset: bool
    start_us: int
    count: int = 0
    """Records of the subject in the newest bucket."""
    template: TemplateCount | None = None
    exception: ExceptionCount | None = None
    is_digest: bool = False
    is_over: bool = False
    """The end of a silence."""
    absent_us: int = 0
    """How long an error had been away that has come back; 0 for a new one."""
    is_beat: bool = False
    """The absence of what comes regularly."""
    stray_us: int = 0
    """How long before its start a new error was first seen, in strays."""
    since_at: int = -1
    """That of its decision."""
    sessions: OddSessions | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One decision of a detector about one subject in one span of one stream."""

    kind: AnomalyKind
    stream: StreamKey
    subject: str
    """Template id, exception identity, operation, or "" for the whole stream."""
    start_us: int
    end_us: int
    tick_us: int
    """When it was decided: the end of the bucket, or the tick of an early decision."""
    score: Score
    observed: float
    expected_low: float
    expected_high: float
    unit: str
    history_us: int
    n: float
    reason: str
    title: str
    templates: tuple[int, ...] = ()
    """Canonical indices of templates it is about, most telling first: where evidence is looked up."""
    template_ids: tuple[str, ...] = ()
    text: str = ""
    """Template or exception text it is about, for words shared across services."""
    n_records: int = 0
    """Records of the subject in the newest bucket (0 for silence)."""
    strength: float = 0.0
    """How strong it is among those of its fingerprint: records a minute, milliseconds, a share, or decades."""
    share: float = 0.0
    """Their share in the stream's records of that bucket, in [0, 1]."""
    is_onset: bool = True
    """False while an anomaly that has been reported continues."""
    is_digest: bool = False
    """True: worth a line in the digest, never a page."""
    is_over: bool = False
    """True: the end of a silence, told because silence has no records that could keep it up."""
    is_early: bool = False
    """True: of an open bucket; what its close says takes the place of its count."""

    @property
    def order(self) -> tuple[int, StreamKey, str, str]:
        """Sort key of anomalies between rooms: (tick, stream, kind, subject)."""
        return (self.tick_us, self.stream, self.kind.value, self.subject)
