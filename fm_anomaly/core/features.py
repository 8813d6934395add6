"""Closed buckets: what one stream wrote in one half-open span of event time, counted.

The detectors see nothing but these values: integers counted in columns and the durations of named
operations in event order. This module must not know how records are parsed or which detectors exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from fm_anomaly.core.frames import StreamKey


@dataclass(frozen=True, slots=True)
class TemplateCount:
    """Records of one template in one bucket."""

    template: int
    """Canonical index of the template in its store."""
    template_id: str
    text: str
    count: int
    """Records, at least 1."""
    n_errors: int
    """Those of them with severity >= ERROR."""
    first_us: int
    """Event time of the first of them."""
    is_degraded: bool = False
    """Whether the template is a coarse key of a source whose templates exploded: no novelty there."""
    n_warnings: int = 0
    """Those of the records with severity WARN, errors not among them."""


@dataclass(frozen=True, slots=True)
class ExceptionCount:
    """Records of one exception identity (type and top in-application frame) in one bucket."""

    identity: str
    """"type at frame", or the type alone."""
    type: str
    frame: str | None
    message: str | None
    count: int
    first_us: int
    template: int
    """Canonical index of the template it mostly came with."""


@dataclass(frozen=True, slots=True)
class ClosedBucket:
    """One stream in one half-open span ``[start_us, end_us)``; ``end_us`` is earlier only when input ends."""

    stream: StreamKey
    start_us: int
    end_us: int
    n_records: int
    n_errors: int
    templates: tuple[TemplateCount, ...] = ()
    """Sorted by index, only those with records."""
    exceptions: tuple[ExceptionCount, ...] = ()
    durations: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """(operation, milliseconds in event order), sorted by operation."""
    n_requests: int = 0
    n_5xx: int = 0
