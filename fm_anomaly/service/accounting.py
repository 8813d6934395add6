"""What became of every line that a tenant sent: in total, by protocol and by service.

The counts of design.md: `lines = records + continuations + blanks + rejects + skipped_own`, `records = counted + late`.
Counted where entries have their effect, so that they are exact after any restart. It must not know HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.state import State
from fm_anomaly.service.entries import BatchEntry

_MAX_SOURCES = 20_000
_UNDECODED = "undecoded"
_NAMES = ("lines", "records", "continuations", "blanks", "rejects", "skipped_own")
_MORE = ("bytes", "truncated", "repaired", "tracebacks", "bad_times", "timeless")
_TALLIES = ("formats", "redacted", "rejects_by_reason")


@dataclass(slots=True)
class Received:
    """Batches, bytes of text and undecodable records by protocol, and which protocol a source belongs to."""

    batches: dict[str, int] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    undecoded: dict[str, int] = field(default_factory=dict)
    protocol_by_source: dict[str, str] = field(default_factory=dict)

    def add(self, batch: BatchEntry) -> None:
        """Count a batch."""
        name = batch.protocol
        self.batches[name] = self.batches.get(name, 0) + 1
        self.size_bytes[name] = self.size_bytes.get(name, 0) + batch.size_bytes
        if batch.n_rejected:
            self.undecoded[name] = self.undecoded.get(name, 0) + batch.n_rejected
        for part in batch.parts:
            if len(self.protocol_by_source) < _MAX_SOURCES:
                self.protocol_by_source.setdefault(part.source, name)

    def snapshot(self) -> State:
        """Return the counts as plain values."""
        return {
            "batches": dict(self.batches),
            "size_bytes": dict(self.size_bytes),
            "undecoded": dict(self.undecoded),
            "protocol_by_source": dict(self.protocol_by_source),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """Return the counts as they were."""
        return cls(**{name: dict(value) for name, value in state.items()})


def accounting(pipeline: Pipeline, received: Received) -> dict[str, Any]:
    """Return the accounting of one tenant, as `GET /api/v1/intake` answers it. Cost: microseconds a source."""
    by_protocol: dict[str, IntakeCounts] = {name: IntakeCounts() for name in received.batches}
    for name, source in pipeline.sources.items():
        protocol = received.protocol_by_source.get(name, "_other")
        by_protocol.setdefault(protocol, IntakeCounts()).add(source.counts)
    total = IntakeCounts()
    for protocol, counts in by_protocol.items():
        n = received.undecoded.get(protocol, 0)
        counts.lines += n
        counts.rejects += n
        if n:
            counts.rejects_by_reason[_UNDECODED] = counts.rejects_by_reason.get(_UNDECODED, 0) + n
        total.add(counts)
    return {
        "total": {
            **_counts(total),
            "counted": pipeline.n_counted,
            "late": pipeline.n_late,
            "future": sum(source.n_future for source in pipeline.sources.values()),
            "batches": sum(received.batches.values()),
            "formats": dict(total.formats),
            "redacted": dict(total.redacted),
            "rejects_by_reason": dict(total.rejects_by_reason),
        },
        "by_protocol": {
            name: {**_counts(counts), "batches": received.batches.get(name, 0)}
            for name, counts in sorted(by_protocol.items())
        },
        "by_service": _by_service(pipeline),
        "health": pipeline.health(),
    }


def _counts(counts: IntakeCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in (*_NAMES, *_MORE)}


def _by_service(pipeline: Pipeline) -> dict[str, dict[str, int]]:
    """Return records, errors and templates of each service; the records of all add up to counted and late ones."""
    n = len(pipeline.templates.templates)
    pipeline.stats.grow(n)
    stream = np.array([template.stream for template in pipeline.templates.templates], dtype=np.int64)
    n_streams = len(pipeline.streams.keys)
    records = np.bincount(stream, pipeline.stats.count[:n], minlength=n_streams).astype(np.int64)
    errors = np.bincount(stream, pipeline.stats.n_errors[:n], minlength=n_streams).astype(np.int64)
    templates = np.bincount(stream, minlength=n_streams)
    return {
        key.service: {"records": int(records[at]), "errors": int(errors[at]), "templates": int(templates[at])}
        for at, key in sorted(enumerate(pipeline.streams.keys), key=lambda pair: pair[1])
    }
