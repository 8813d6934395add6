"""The worker thread: durable entries in, rows in the store out, in the order of the log; and snapshots now and then.

A store that refuses is asked again until it takes the step, while the queue fills and senders are told to wait. It
must not know who sent what, nor HTTP.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from fm_anomaly.core.commands import OF_CATEGORIES
from fm_anomaly.errors import FmAnomalyError, StoreError
from fm_anomaly.logs import Log
from fm_anomaly.service.appending import Durable
from fm_anomaly.service.applying import Applier, Found, Outcome
from fm_anomaly.service.entries import Entry, StartEntry, TickEntry
from fm_anomaly.service.labelling import Labelling
from fm_anomaly.service.queueing import Room, WorkQueue
from fm_anomaly.service.restoring import Restored, SnapshotParams, save
from fm_anomaly.service.timings import Timing
from fm_anomaly.service.tracing import Span, off
from fm_anomaly.storage import Store
from fm_anomaly.storage.recording import Step, alerts_of, record
from fm_anomaly.storage.segments import SegmentWriter

_LOG = Log("service")
_Answer = TypeVar("_Answer")
_RETRY_FIRST_S, _RETRY_MOST_S = 0.1, 5.0
_POLL_S = 0.5


class _GiveUpError(Exception):
    """The service is being stopped, and the store still refuses: what is not recorded is replayed at the next start."""


class Worker:
    """Owns the applier from `start` on: nobody else may touch it but by `ask`."""

    def __init__(
        self,
        found: Restored,
        folder: Path,
        store: Store,
        queue: WorkQueue,
        room: Room,
        writer: SegmentWriter,
        snapshots: SnapshotParams,
        categories: Labelling,
    ) -> None:
        self.applier = found.applier
        self.trouble: str | None = None
        """What keeps the worker from going on, in words."""
        self.span: Span = off
        self.listeners: list[Callable[[str, int], None]] = []
        """Called in the worker thread with tenant and entry number after each step that changed something."""
        self._found = found
        self._folder = folder
        self._store = store
        self._queue = queue
        self._room = room
        self._writer = writer
        self._params = snapshots
        self._categories = categories
        self._held = [0, 0]
        self._effects: dict[int, Future[dict[str, Any]]] = {}
        self._done_us: int | None = found.applier.last_us if found.n_backlog else None
        self._n_backlog = found.n_backlog
        self._saved_seq = found.applier.seq
        self._saved_at = self._tried_at = time.monotonic()
        self._bytes_since = 0
        self._n_quiet = 0
        self.timings = {stage: Timing() for stage in ("pipeline", "store", "snapshot")}
        self.state_bytes: dict[str, int] = {}
        """Size of each part of the state in the last snapshot."""
        self._store_cpu_s = 0.0
        self._n_store_refusals = 0
        self._n_buckets = 0
        self._n_snapshots = 0
        self._n_snapshot_failures = 0
        self._snapshot_bytes = 0
        self._thread = threading.Thread(target=self._run, name="fm-anomaly-worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the closed queue has been worked off and the last snapshot is saved."""
        if self._thread.ident is not None:
            self._thread.join()

    def ask(self, question: Callable[[Applier], _Answer]) -> Future[_Answer]:
        """Return a future of what `question` finds, asked between two groups."""
        answer: Future[_Answer] = Future()

        def put() -> None:
            # who asked may have gone; a result for nobody would end this thread
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(question(self.applier))
            except Exception as exc:  # noqa: BLE001 - raised again where the question was asked
                answer.set_exception(exc)

        self._queue.interpose(put)
        return answer

    def expect(self, seq: int, effect: Future[dict[str, Any]]) -> None:
        """Say that `effect` waits for what the command with number `seq` does."""
        self._effects[seq] = effect

    def lag_s(self, now_us: int) -> float:
        """Return how old the oldest entry is that waits for its effect, in seconds; 0 where none does."""
        done_us = self._done_us
        return max(0.0, (now_us - done_us) / 1e6) if done_us is not None else 0.0

    @property
    def has_unsaved(self) -> bool:
        """Whether something but ticks has come since the last snapshot."""
        return self._n_quiet == 0

    @property
    def snapshot_age_s(self) -> float:
        """How long ago the last snapshot was saved, or this process began."""
        return time.monotonic() - self._saved_at

    def free_bytes(self) -> int:
        """Return what is free on the disk of segments and snapshots."""
        told = os.statvfs(self._folder)
        return told.f_bavail * told.f_frsize

    def figures(self) -> dict[str, float]:
        """Return counters and gauges."""
        return {
            "store_cpu_seconds_total": self._store_cpu_s,
            "buckets_total": self._n_buckets,
            "snapshots_total": self._n_snapshots,
            "snapshot_failures_total": self._n_snapshot_failures,
            "snapshot_bytes": self._snapshot_bytes,
            "snapshot_age_seconds": self.snapshot_age_s,
            "failed_groups_total": self.applier.n_failures,
            "backlog_entries": self._n_backlog,
            "store_refusals_total": self._n_store_refusals,
            "damaged_at_start": len(self._found.problems),
            "torn_bytes_at_start": self._found.torn_bytes,
        }

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for seq, entry in self._found.backlog():
                self._take(seq, entry)
                self._n_backlog -= 1
                self._queue.answer()
            self._n_backlog, self._done_us = 0, None
            while not self._queue.is_done:
                durable = self._queue.get(_POLL_S)
                if durable is not None:
                    self._take_live(durable)
                elif not len(self._queue):
                    self._done_us = None
            # twice, so that both snapshots cover everything: then no segment is left
            self._save()
            self._save()
        except _GiveUpError:
            _LOG.warning(
                "service_unrecorded", meaning="the store refused to the end; the next start records what is missing"
            )
        except Exception as exc:  # noqa: BLE001 - a thread that ends silently is worse than one that says why
            self.trouble = f"the worker has ended: {exc!r}"
            _LOG.exception("worker_ended", error=repr(exc))
        finally:
            for effect in self._effects.values():
                if not effect.done():
                    effect.set_exception(StoreError("the service is stopping; the command is carried out afterwards"))
            self._queue.answer()

    def _take_live(self, durable: Durable) -> None:
        if not isinstance(durable.entry, TickEntry | StartEntry):
            self._held[0] += getattr(durable.entry, "size_bytes", 0)
            self._held[1] += 1
            self._n_quiet = 0
        self._bytes_since += durable.size_bytes
        self._take(durable.seq, durable.entry)

    def _take(self, seq: int, entry: Entry) -> None:
        self._done_us = entry.at_us
        began = time.perf_counter()
        with self.span("pipeline", {"fm_anomaly.seq": seq}):
            outcome = self.applier.take(seq, entry)
        if outcome is None:
            return
        worked, cpu = time.perf_counter(), time.thread_time()
        with self.span("store", {"fm_anomaly.seq": seq, "fm_anomaly.bytes": outcome.size_bytes}):
            self._record(outcome)
        recorded = time.perf_counter()
        self._store_cpu_s += time.thread_time() - cpu
        self.timings["pipeline"].add(worked - began)
        self.timings["store"].add(recorded - worked)
        size_bytes, n_entries = self._held
        self._held = [0, 0]
        self._room.give_back(size_bytes, n_entries, recorded - began)
        for number, effect in outcome.effects:
            self._tell(number, effect)
        self._maybe_save()

    def _record(self, outcome: Outcome) -> None:
        for found in outcome.found:
            self._edit(found)
            labels = self._categories.labels(found.tenant, alerts_of(found.changed)) if found.changed.events else {}
            self._write(Step(found.tenant, outcome.seq, found.changed, found.commands, labels))
            for listener in self.listeners:
                listener(found.tenant, outcome.seq)

    def _edit(self, found: Found) -> None:
        said = [each.command for each in found.commands if each.command.kind in OF_CATEGORIES]
        if not said:
            return
        try:
            self._categories.edit(found.tenant, said)
        except FmAnomalyError as exc:
            _LOG.warning("category_not_edited", reason=str(exc), meaning="say it again once that is mended")

    def _write(self, step: Step) -> None:
        wait_s, n = _RETRY_FIRST_S, 0
        while True:
            try:
                record(self._store, step)
            except StoreError as exc:
                n += 1
                self._n_store_refusals += 1
                if self.trouble is None:
                    _LOG.warning(
                        "store_refused", reason=str(exc), meaning="asked again until it takes it; nothing is lost"
                    )
                self.trouble = str(exc)
                if self._queue.is_closed and n >= 3:
                    raise _GiveUpError from exc
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, _RETRY_MOST_S)
                continue
            self._n_buckets += len(step.changed.buckets)
            if self.trouble is not None:
                _LOG.info("store_taken", after_tries=n + 1)
                self.trouble = None
            return

    def _tell(self, seq: int, effect: dict[str, Any] | FmAnomalyError) -> None:
        waiting = self._effects.pop(seq, None)
        if waiting is None or waiting.done():
            return
        if isinstance(effect, FmAnomalyError):
            waiting.set_exception(effect)
        else:
            waiting.set_result(effect)

    # -- snapshots --------------------------------------------------------------------------------------------------

    def _maybe_save(self) -> None:
        # two snapshots after the last batch, then both cover it and no segment holds it; then seldom
        since_s = time.monotonic() - self._tried_at
        every_s = self._params.every_s if self._n_quiet < 2 else self._params.idle_every_s
        if self._bytes_since >= self._params.every_bytes or since_s >= every_s:
            self._save()

    def _save(self) -> None:
        """Save a snapshot, and delete the segments that the one before it covers too."""
        if self.applier.n_waiting:
            return
        began = time.perf_counter()
        self._tried_at, self._bytes_since = time.monotonic(), 0
        try:
            with self.span("snapshot"):
                saved = save(
                    self._folder,
                    self.applier,
                    self._found.batch_ids,
                    self._found.positions,
                    self._writer.params.key,
                )
        except FmAnomalyError as exc:
            self._n_snapshot_failures += 1
            _LOG.warning("snapshot_failed", reason=str(exc), meaning="segments are kept until one succeeds")
            return
        self._saved_at = self._tried_at
        self._snapshot_bytes, self.state_bytes = saved.size_bytes, saved.part_bytes
        self._n_snapshots += 1
        self._n_quiet += 1
        covered, self._saved_seq = self._saved_seq, self.applier.seq
        try:
            n_deleted = self._writer.delete_covered(covered)
        except OSError as exc:
            _LOG.warning("segments_kept", reason=str(exc))
            return
        finally:
            self.timings["snapshot"].add(time.perf_counter() - began)
        _LOG.info("snapshot_saved", seq=self._saved_seq, bytes=self._snapshot_bytes, segments_deleted=n_deleted)
