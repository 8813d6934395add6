"""A store filled from a live pipeline: a few hours of services with an outage, recorded step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.changes import Changed, Changes
from fm_anomaly.core.commands import Applied, Command
from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.core.state import Snapshot
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.service.intake import Receipt
from fm_anomaly.storage import Store
from fm_anomaly.storage.recording import Step, record
from tests.core.test_pipeline_laws import NAME, by_lines, sample


@cache
def _run(tenant: str) -> tuple[tuple[Changed, ...], bytes]:
    pipeline = Pipeline(params_of(tenant))
    changes = Changes(pipeline)
    taken = [changes.take(pipeline.observe(NAME, piece)) for piece in by_lines(sample(Format.PLAIN), 2_000)]
    taken.append(changes.take(pipeline.flush()))
    return tuple(taken), pipeline.snapshot().to_bytes()


def params_of(tenant: str) -> PipelineParams:
    """Return the settings of a tenant's pipeline."""
    return replace(PipelineParams(), tenant=tenant)


def changes_of(tenant: str) -> tuple[Changed, ...]:
    """Return what a pipeline of that tenant found in the sample, in some steps."""
    return _run(tenant)[0]


def pipeline_of(tenant: str) -> Pipeline:
    """Return a pipeline of that tenant at the end of the sample."""
    return Pipeline.restore(Snapshot.from_bytes(_run(tenant)[1]), params_of(tenant))


def fill(store: Store, tenant: str = "default") -> None:
    """Record the sample for a tenant."""
    for seq, changed in enumerate(changes_of(tenant), start=1):
        record(store, Step(tenant, seq, changed))


class LocalIntake:
    """Applies commands at once to pipelines that stand at the end of the sample; lets batches pass."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seq = 1_000
        self._live: dict[str, tuple[Pipeline, Changes]] = {}

    def pipeline(self, tenant: str) -> Pipeline:
        """Return the tenant's pipeline, made when new."""
        if tenant not in self._live:
            pipeline = pipeline_of(tenant)
            self._live[tenant] = (pipeline, Changes(pipeline))
        return self._live[tenant][0]

    def observe(self, tenant: str, data: bytes) -> None:
        """Take further lines of the sample's source, and record what they bring."""
        pipeline = self.pipeline(tenant)
        self._record(tenant, pipeline.observe(NAME, data))

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        """Let a batch pass: these tests are of people."""
        return Receipt(self.seq, batch.n_lines)

    async def command(self, tenant: str, command: Command) -> dict[str, Any]:
        """Apply and record a command."""
        effect = self.pipeline(tenant).apply(command)
        self._record(tenant, effect.events, Applied(command, effect))
        return effect.to_dict()

    def _record(self, tenant: str, events: Sequence[AlertEvent], *applied: Applied) -> None:
        self.seq += 1
        changed = self._live[tenant][1].take(events)
        record(self.store, Step(tenant, self.seq, changed, applied))
