"""What a decoder of a wire protocol returns: whole lines for the sources of a Pipeline, and what it refused.

Values only. It must not know protocols, HTTP or the service that writes batches ahead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Whole lines of one source of the Pipeline, in the order in which they came."""

    source: str
    """Name of the source, such as "otlp" or "syslog/tcp". Records of many services may share one; only what is
    joined over lines (tracebacks as text) needs a source of its own."""
    service: str
    """The service of records that tell none."""
    data: bytes
    """Lines that the core parses, each ended by a line feed."""
    n_lines: int


@dataclass(frozen=True, slots=True)
class Reject:
    """One record of a request that could not be read."""

    at: int
    """1-based place in the request: a line of a text body, a record of an OTLP export."""
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source that can be read again goes on behind a batch; kept with the batch."""

    source: str
    position: str
    """In the source's own words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request, decoded."""

    protocol: str
    """One of "http", "otlp", "loki", "elasticsearch", "splunk", "syslog", "file"."""
    parts: tuple[Part, ...]
    rejected: tuple[Reject, ...] = ()
    place: Place | None = None

    @property
    def n_lines(self) -> int:
        """Lines of all parts."""
        return sum(part.n_lines for part in self.parts)
