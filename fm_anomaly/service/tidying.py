"""Retention beside the running service: a thread that forgets what is old, in small steps with pauses between.

It starts and ends with the service. It must not know tables.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from fm_anomaly.core.retention import RetentionParams
from fm_anomaly.errors import StoreError
from fm_anomaly.ingest.clock import Clock, SystemClock
from fm_anomaly.logs import Log
from fm_anomaly.service.beside import beside
from fm_anomaly.storage import Store
from fm_anomaly.storage.retention import sweep

_LOG = Log("retention")


@dataclass(frozen=True, slots=True)
class TidyingParams:
    """retention: how long each class is kept; by_tenant: of those that differ. every_s: between two rounds.
    step_rows, pause_s: a round's steps."""

    retention: RetentionParams = field(default_factory=RetentionParams)
    by_tenant: Mapping[str, RetentionParams] = field(default_factory=dict)
    every_s: float = 300.0
    step_rows: int = 2_000
    pause_s: float = 0.2


@contextmanager
def tidying(store: Store, params: TidyingParams | None = None, clock: Clock | None = None) -> Iterator[None]:
    """Forget what is old, in a thread, until the block ends."""
    params, clock = params or TidyingParams(), clock or SystemClock()
    with beside("retention", partial(_run, store, params, clock)):
        yield


def _run(store: Store, params: TidyingParams, clock: Clock, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            n = sweep(store, clock.now_us(), params.retention, params.step_rows, params.by_tenant)
        except StoreError as exc:
            _LOG.warning("retention_waits", reason=str(exc), meaning="tried again in the next round")
            n = 0
        if n:
            _LOG.debug("retention_step", rows=n)
        ended.wait(params.pause_s if n >= params.step_rows else params.every_s)
