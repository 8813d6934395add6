"""Backfill: teach a service from the logs of before, so that it goes live with what it would have learned.

The history runs through the very Pipeline that the service then goes on with; what was found stands in the store, as
history, and nobody is told. It must not know files, options, or a service that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.changes import Changes
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.errors import UsageError
from fm_anomaly.scanning import Readable, scan
from fm_anomaly.service.restoring import restored, save
from fm_anomaly.service.running import ServiceParams
from fm_anomaly.storage import Store
from fm_anomaly.storage.recording import Step, record


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a history taught."""

    n_lines: int
    n_records: int
    first_us: int
    last_us: int
    n_services: int
    n_alerts: int


def backfill(
    folder: Path,
    store: Store,
    sources: Sequence[Readable],
    params: ServiceParams | None = None,
    *,
    tenant: str = "default",
    default_us: int = 0,
) -> Backfilled:
    """Read `sources` to their ends for a tenant of the service in `folder`, and save what was learned.

    Parameters
    ----------
    default_us
        Event time (µs) of records in sources that tell no time at all.

    Raises
    ------
    UsageError
        The tenant has learned already, or the folder cannot be written.
    """
    params = params or ServiceParams()
    found = restored(folder, params.applier, params.batch_ids, params.segments.key)
    if found.n_backlog or tenant in found.applier.tenants:
        raise UsageError(
            f"the service in {folder} has had logs of tenant {tenant!r} already: a history can only come before them; "
            "give another --data folder"
        )
    history = _History(store, Pipeline(replace(params.applier.pipeline, tenant=tenant)), found.applier.seq)

    def keep(pipeline: Pipeline) -> None:
        history.note(pipeline.advance(pipeline.windows.clock_us or 0))
        history.is_over = True
        found.applier.adopt(tenant, pipeline)
        save(folder, found.applier, found.batch_ids, found.positions, params.segments.key)

    scan(sources, pipeline=history.pipeline, default_us=default_us, on_events=history.note, before_end=keep)
    return history.summary()


class _History:
    """What a pipeline finds on its way through the past, written to the store as history."""

    def __init__(self, store: Store, pipeline: Pipeline, seq: int) -> None:
        self.pipeline = pipeline
        self.is_over = False
        self._store = store
        self._changes = Changes(pipeline)
        self._seq = seq

    def note(self, events: Sequence[AlertEvent]) -> None:
        """Record a step; nobody is told of what is past."""
        if self.is_over:
            return
        changed = self._changes.take([replace(event, notify=False) for event in events])
        if not changed.is_empty:
            record(self._store, Step(self.pipeline.params.tenant, self._seq, changed))

    def summary(self) -> Backfilled:
        """Return what was read."""
        counts, stats = self.pipeline.counts(), self.pipeline.stats
        has_time = stats.n > 0
        return Backfilled(
            n_lines=counts.lines,
            n_records=counts.records,
            first_us=int(stats.first_us[: stats.n].min()) if has_time else 0,
            last_us=int(stats.last_us[: stats.n].max()) if has_time else 0,
            n_services=len(self.pipeline.streams.keys),
            n_alerts=len(self.pipeline.book.alerts),
        )
