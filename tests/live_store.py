"""A store filled from a live pipeline: a few hours of services with an outage, recorded step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from fm_anomaly.core.changes import Changed, Changes
from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.evaluation.rendering import Format
from fm_anomaly.storage import Store
from fm_anomaly.storage.recording import Step, record
from tests.core.test_pipeline_laws import NAME, by_lines, sample


@cache
def changes_of(tenant: str) -> tuple[Changed, ...]:
    """Return what a pipeline of that tenant found in the sample, in four steps."""
    pipeline = Pipeline(replace(PipelineParams(), tenant=tenant))
    changes = Changes(pipeline)
    taken = [changes.take(pipeline.observe(NAME, piece)) for piece in by_lines(sample(Format.PLAIN), 2_000)]
    return (*taken, changes.take(pipeline.flush()))


def fill(store: Store, tenant: str = "default") -> None:
    """Record the sample for a tenant."""
    for seq, changed in enumerate(changes_of(tenant), start=1):
        record(store, Step(tenant, seq, changed))
