"""Runs of `categorize` beside the service: at set hours, or when a person asks, one at a time, in a process of its own.

It starts and ends with the service; a run that is cut off is made anew at the next hour. Without the extra
`categories` there are none. It must not know HTTP.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fm_anomaly.core.category_schedule import CategoryScheduleParams, next_due_us
from fm_anomaly.errors import StoreError, UsageError
from fm_anomaly.ingest.clock import Clock, SystemClock
from fm_anomaly.logs import Log
from fm_anomaly.service.category_job import CategoryJob
from fm_anomaly.service.labelling import models_of
from fm_anomaly.storage import Store, tables

_LOG = Log("categories")
_JOIN_S = 10.0
_POLL_S = 0.25
_LOOK_S = 20.0
_ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_COMMAND = (sys.executable, "-m", "fm_anomaly.service.category_job")


@dataclass(frozen=True, slots=True)
class CategoryRunParams:
    """schedule: when, over how much. store: path or URL of the store. tz: zone of the hours. timeout_s: of one run."""

    schedule: CategoryScheduleParams = field(default_factory=CategoryScheduleParams)
    store: str = ""
    tz: str = "UTC"
    timeout_s: float = 7_200.0
    max_tenants: int = 100


@dataclass(frozen=True, slots=True)
class RunResult:
    """How the last run of a tenant ended. `trouble` says why it failed, "" where it did not."""

    ended_us: int
    version: str
    n_categories: int
    trouble: str = ""


class CategoryRuns:
    """Starts runs and tells how they stand. `folder` holds the models; `own` is the service's tenant."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        own: str,
        params: CategoryRunParams,
        *,
        clock: Clock | None = None,
        on_done: Callable[[str], None] = lambda tenant: None,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self.params = params
        self.is_possible = find_spec("sklearn") is not None and find_spec("joblib") is not None
        self.running: str | None = None
        """The tenant whose errors are being categorized."""
        self.results: dict[str, RunResult] = {}
        self._store, self._folder, self._own = store, folder, own
        self._clock = clock or SystemClock()
        self._on_done = on_done
        self._command = command
        self._asked: dict[str, None] = {}
        self._wake, self._ended = threading.Event(), threading.Event()
        self._due_us = self._next()
        self._thread = threading.Thread(target=self._run, name="fm-anomaly-category-runs", daemon=True)

    @property
    def next_us(self) -> int | None:
        """When the next run is due, None where none is."""
        return self._due_us

    def start(self) -> None:
        """Start the thread that waits for the hours."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and the run that is going on."""
        self._ended.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def ask(self, tenant: str) -> bool:
        """Have the errors of a tenant categorized as soon as may be; False where that is being done already.

        Raises UsageError where it cannot be done here.
        """
        if not self.is_possible:
            raise UsageError("categories need the extra: pip install 'fm-anomaly[categories]', then start again")
        if tenant in self._asked or self.running == tenant:
            return False
        self._asked[tenant] = None
        self._wake.set()
        return True

    def is_going_on(self, tenant: str) -> bool:
        """Whether the errors of a tenant are being categorized, or are about to be."""
        return self.running == tenant or tenant in self._asked

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.step()
            except Exception as exc:  # noqa: BLE001 - a thread that ends silently is worse than one that says why
                _LOG.exception("run_failed", error=repr(exc))
            self._wake.wait(_LOOK_S if self.is_possible else None)
            self._wake.clear()

    def step(self) -> None:
        """Make the runs that are asked for or due."""
        if self._due_us is not None and self._clock.now_us() >= self._due_us:
            self._due_us = self._next()
            for tenant in self._tenants():
                self._asked.setdefault(tenant)
        while self._asked and not self._ended.is_set():
            tenant = next(iter(self._asked))
            # before it is forgotten to be asked for, so that it is never asked for twice
            self.running = tenant
            del self._asked[tenant]
            try:
                self._make(tenant)
            finally:
                self.running = None

    def _next(self) -> int | None:
        if not self.is_possible:
            return None
        return next_due_us(self._clock.now_us(), self.params.schedule.at, self.params.tz)

    def _tenants(self) -> list[str]:
        query = select(tables.heads.c.tenant).order_by(tables.heads.c.tenant).limit(self.params.max_tenants)
        try:
            with self._store.reading() as connection:
                return list(connection.scalars(query))
        except StoreError as exc:
            _LOG.warning("run_left_out", reason=str(exc), meaning="made at the next hour")
            return []

    def _make(self, tenant: str) -> None:
        schedule = self.params.schedule
        models = models_of(self._folder, self._own, tenant)
        job = CategoryJob(self.params.store, tenant, str(models), schedule.since_days, schedule.min_count)
        told = self._told(job)
        now_us = self._clock.now_us()
        if "error" in told:
            before = self.results.get(tenant)
            version, n = (before.version, before.n_categories) if before is not None else ("", 0)
            self.results[tenant] = RunResult(now_us, version, n, str(told["error"]))
            _LOG.warning("run_failed", tenant=tenant, reason=str(told["error"]), meaning="the model before stays")
            return
        self.results[tenant] = RunResult(now_us, str(told.get("version", "")), int(told.get("categories", 0)))
        for refused in told.get("refused", ()):
            _LOG.warning("model_refused", tenant=tenant, reason=str(refused))
        _LOG.info("run_done", tenant=tenant, version=str(told.get("version", "")), errors=int(told.get("errors", 0)))
        self._on_done(tenant)

    def _told(self, job: CategoryJob) -> Mapping[str, Any]:
        """Run the process to its end, or end it with the service; return what it told."""
        environ = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            text=True,
        )
        out: list[str] = []
        reader = threading.Thread(target=lambda: out.append(process.communicate(job.to_json())[0]), daemon=True)
        reader.start()
        waited_s = 0.0
        while reader.is_alive() and not self._ended.is_set() and waited_s < self.params.timeout_s:
            reader.join(_POLL_S)
            waited_s += _POLL_S
        if reader.is_alive():
            process.kill()
            reader.join(_JOIN_S)
            return {"error": "the service was stopped" if self._ended.is_set() else "it took too long"}
        try:
            told = json.loads(out[0])
        except (ValueError, IndexError):
            return {"error": f"the process ended with {process.returncode} and said nothing"}
        return told if isinstance(told, dict) else {"error": "the process said something else"}
