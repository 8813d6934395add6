"""The service as it runs: a writer thread, a worker thread, and the door that routes call.

Start: the last good snapshot, then the entries behind it are fed again while new ones are taken. Stop: what is there is
worked on, a snapshot is taken. Between, every entry is durable before anybody is told so, and its results are in the
store in the order of the log. It must not know HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fm_anomaly.core.commands import Command
from fm_anomaly.core.layer_figures import LayerCounts, LayerFigures
from fm_anomaly.errors import FmAnomalyError, StoreError
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.ingest.clock import Clock, SystemClock
from fm_anomaly.logs import Log
from fm_anomaly.service.accounting import accounting
from fm_anomaly.service.appending import Appender, Durable, LogClock, Pending, TickParams
from fm_anomaly.service.applying import Applier, ApplierParams
from fm_anomaly.service.batch_ids import BatchIdParams
from fm_anomaly.service.entries import Entry, batch_entry, command_entry, to_bytes
from fm_anomaly.service.hearing import Hearing
from fm_anomaly.service.intake import Receipt
from fm_anomaly.service.labelling import Labelling, LabellingParams
from fm_anomaly.service.queueing import QueueParams, Room, WorkQueue
from fm_anomaly.service.restoring import SnapshotParams, restored
from fm_anomaly.service.timings import Timing
from fm_anomaly.service.working import Worker
from fm_anomaly.storage import Store
from fm_anomaly.storage.segments import SegmentParams, SegmentWriter, size_on_disk

_LOG = Log("service")
_OLD_SNAPSHOTS = 4
"""Snapshots that may be missed before it is told."""


@dataclass(frozen=True, slots=True)
class ServiceParams:
    """Settings of the running service, part by part."""

    applier: ApplierParams = field(default_factory=ApplierParams)
    segments: SegmentParams = field(default_factory=SegmentParams)
    snapshots: SnapshotParams = field(default_factory=SnapshotParams)
    queue: QueueParams = field(default_factory=QueueParams)
    ticks: TickParams = field(default_factory=TickParams)
    batch_ids: BatchIdParams = field(default_factory=BatchIdParams)
    labelling: LabellingParams = field(default_factory=LabellingParams)
    low_free_bytes: int = 1 << 30
    """Free space below which the disk is said to be nearly full."""


class Service:
    """Implements `Intake`. `folder` holds segments and snapshots; one process at a time."""

    def __init__(
        self, folder: Path, store: Store, params: ServiceParams | None = None, *, clock: Clock | None = None
    ) -> None:
        self.params = params or ServiceParams()
        self.store = store
        self.more_figures: Callable[[], Mapping[str, float]] = dict
        self.more_warnings: Callable[[], Mapping[str, str]] = dict
        """Those of the feeds."""
        self.hearing = Hearing()
        self.n_duplicates = 0
        self.n_disk_refusals = 0
        self._is_refusing = False
        found = restored(folder, self.params.applier, self.params.batch_ids, self.params.segments.key)
        self._ids = found.batch_ids
        self._positions = found.positions
        self._in_flight: dict[tuple[str, str], asyncio.Future[int]] = {}
        self._queue = WorkQueue()
        self._room = Room(self.params.queue)
        self._log_folder = folder / "log"
        writer = SegmentWriter(self._log_folder, self.params.segments, found.next_seq)
        self.models = folder / "models"
        self.labelling = Labelling(self.models, self.params.applier.pipeline.tenant, self.params.labelling)
        self.worker = Worker(
            found, folder, store, self._queue, self._room, writer, self.params.snapshots, self.labelling
        )
        self._clock = LogClock((clock or SystemClock()).now_us, found.last_us, on_jump=_tell_jump)
        self.appender = Appender(writer, self._clock, self._hand_on, self._note_refused, ticks=self.params.ticks)

    def start(self) -> None:
        """Start the threads; entries of before are worked on while new ones come."""
        self.labelling.start()
        self.worker.start()
        self.appender.start()

    def stop(self) -> None:
        """Take nothing more, work on what is there, save a snapshot. Blocks until done."""
        self.appender.stop()
        self._queue.close()
        self.worker.join()
        self.labelling.stop()

    # -- the door ---------------------------------------------------------------------------------------------------

    def look_for_room(self, size_bytes: int) -> None:
        """Raise BusyError where a batch of so many bytes would be refused; before it is decompressed and decoded."""
        self._room.look(size_bytes)

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        """See `Intake.submit`."""
        if not batch.n_lines:
            return Receipt(0, 0)
        self.hearing.note(batch.protocol, time.monotonic())
        if batch_id is None and batch.place is not None:
            source, position = batch.place.source, batch.place.position
            entry = batch_entry(self._clock(), tenant, batch, None)
            note = partial(self._positions.note, tenant, source, position)
            return Receipt(await self._written(entry, lambda seq: note()), batch.n_lines)
        if batch_id is None:
            return Receipt(await self._written(batch_entry(self._clock(), tenant, batch, None)), batch.n_lines)
        if (seq := self._ids.seq_of(tenant, batch_id)) is not None:
            self.n_duplicates += 1
            return Receipt(seq, batch.n_lines, is_duplicate=True)
        key = (tenant, batch_id)
        if (first := self._in_flight.get(key)) is not None:
            self.n_duplicates += 1
            return Receipt(await asyncio.shield(first), batch.n_lines, is_duplicate=True)
        return Receipt(await self._written_once(key, batch), batch.n_lines)

    async def command(self, tenant: str, command: Command) -> dict[str, Any]:
        """See `Intake.command`."""
        effect: Future[dict[str, Any]] = Future()
        entry = command_entry(self._clock(), tenant, command)
        await self._written(entry, lambda seq: self.worker.expect(seq, effect))
        return await asyncio.wrap_future(effect)

    def forget(self, tenant: str) -> None:
        """Drop what is remembered of a tenant, before `start`; of its batch ids only digests are kept, for a day."""
        self.worker.applier.tenants.pop(tenant, None)
        self._positions.forget(tenant)

    async def accounting(self, tenant: str) -> dict[str, Any]:
        """Return the accounting of a tenant as of the last complete group, with what waits behind it."""
        told: dict[str, Any] = await asyncio.wrap_future(self.worker.ask(lambda applier: _accounting(applier, tenant)))
        told["waiting"] = {"entries": self._room.n_entries, "bytes": self._room.n_bytes}
        told["duplicates"] = self.n_duplicates
        return told

    async def layers(self, tenant: str) -> LayerCounts:
        """Return what the layers of a tenant's services logged, as of the last complete group."""
        return await asyncio.wrap_future(self.worker.ask(lambda applier: _layers(applier, tenant)))

    async def _written_once(self, key: tuple[str, str], batch: Batch) -> int:
        """Write a batch with an id. Who sends it again meanwhile waits for the same answer."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_look_at)
        self._in_flight[key] = future
        entry = batch_entry(self._clock(), key[0], batch, key[1])
        try:
            # known before it is forgotten to be in flight; shielded, for it goes on where the client goes away
            written = asyncio.ensure_future(
                self._written(entry, lambda seq: self._ids.add(key[0], key[1], seq, entry.at_us))
            )
            written.add_done_callback(lambda done: self._settle(key, future, done))
            return await asyncio.shield(written)
        except FmAnomalyError:
            self._in_flight.pop(key, None)
            raise

    def _settle(self, key: tuple[str, str], future: asyncio.Future[int], done: asyncio.Future[int]) -> None:
        self._in_flight.pop(key, None)
        if future.done():
            return
        if done.cancelled():
            future.cancel()
        elif (exc := done.exception()) is not None:
            future.set_exception(exc)
        else:
            future.set_result(done.result())

    async def _written(self, entry: Entry, when_durable: Callable[[int], None] | None = None) -> int:
        """Return the entry's number once it is durable; `when_durable` is called in the writer thread before."""
        payload = to_bytes(entry)
        size_bytes = getattr(entry, "size_bytes", 0)
        self._room.take(size_bytes)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()

        def done(result: int | FmAnomalyError) -> None:
            if isinstance(result, int):
                loop.call_soon_threadsafe(_set, future, result)
            else:
                self._room.give_back(size_bytes, 1)
                loop.call_soon_threadsafe(_fail, future, result)

        try:
            self.appender.put(Pending(entry, payload, done, when_durable))
        except StoreError:
            self._room.give_back(size_bytes, 1)
            raise
        return await future

    def _hand_on(self, durable: Sequence[Durable]) -> None:
        if self._is_refusing:
            self._is_refusing = False
            _LOG.info("intake_resumed", refusals=self.n_disk_refusals)
        self._queue.put(durable)

    def _note_refused(self, exc: FmAnomalyError) -> None:
        self.n_disk_refusals += 1
        if not self._is_refusing:
            self._is_refusing = True
            _LOG.warning(
                "intake_refused", reason=str(exc), meaning="senders are told to come again, until there is room"
            )

    def position(self, tenant: str, source: str) -> str | None:
        """Return the place behind the last batch of a source that is durable; None where there is none."""
        return self._positions.of(tenant, source)

    # -- how it stands ----------------------------------------------------------------------------------------------

    def health(self) -> dict[str, str]:
        """Return what is wrong, by part; "ok" where nothing is."""
        lag_s = self.worker.lag_s(self._clock())
        free_bytes = self.worker.free_bytes()
        is_full = free_bytes < self.params.segments.min_free_bytes
        return {
            "lag": f"{lag_s:.0f} s behind" if lag_s > 30 else "ok",
            "disk": f"{free_bytes // (1 << 20):,} MiB free, too little to take logs" if is_full else "ok",
            "worker": self.worker.trouble or "ok",
        }

    def warnings(self) -> dict[str, str]:
        """Return what needs a person and keeps nobody from being answered, by part; "ok" where nothing does."""
        free_bytes, age_s = self.worker.free_bytes(), self.worker.snapshot_age_s
        is_old = age_s > _OLD_SNAPSHOTS * max(self.params.snapshots.every_s, 60.0) and self.worker.has_unsaved
        silent = [f"{name} for {age / 60:,.0f} min" for name, age in self.hearing.silent_s(time.monotonic()).items()]
        return {
            "input": f"unusually long nothing by {', '.join(silent)}" if silent else "ok",
            "snapshot": f"the last one is {age_s / 60:,.0f} min old" if is_old else "ok",
            "disk_room": f"{free_bytes >> 20:,} MiB free" if free_bytes < self.params.low_free_bytes else "ok",
            **self.more_warnings(),
        }

    def timings(self) -> dict[str, Timing]:
        """Return how long the stages take, by stage."""
        return {"write_ahead": self.appender.timing, **self.worker.timings}

    def parts(self) -> dict[str, Mapping[str, float]]:
        """Return figures that have a value for each of several parts, for /metrics."""
        return {
            "input_age_seconds": self.hearing.ages_s(time.monotonic()),
            "state_bytes": self.worker.state_bytes,
        }

    def figures(self) -> dict[str, float]:
        """Return counters and gauges of the service, for /metrics."""
        return {
            "queue_bytes": self._room.n_bytes,
            "queue_entries": self._room.n_entries,
            "lag_seconds": self.worker.lag_s(self._clock()),
            "busy_refusals_total": self._room.n_refused,
            "disk_refusals_total": self.n_disk_refusals,
            "clock_jumps_total": self._clock.n_jumps,
            "disk_free_bytes": self.worker.free_bytes(),
            "duplicate_batches_total": self.n_duplicates,
            "write_ahead_bytes": size_on_disk(self._log_folder),
            "write_ahead_groups_total": self.appender.n_groups,
            "write_ahead_cpu_seconds_total": self.appender.cpu_seconds,
            **self.worker.figures(),
            **self.more_figures(),
        }


def _accounting(applier: Any, tenant: str) -> dict[str, Any]:
    known = applier.tenants.get(tenant)
    if known is None:
        from fm_anomaly.core.pipeline import Pipeline
        from fm_anomaly.service.accounting import Received

        return accounting(Pipeline(), Received())
    return accounting(known.pipeline, known.received)


def _tell_jump(seconds: float) -> None:
    _LOG.warning(
        "clock_jumped", seconds=round(seconds, 1), meaning="it counts as ten seconds at most; was it suspended?"
    )


def _layers(applier: Applier, tenant: str) -> LayerCounts:
    known = applier.tenants.get(tenant)
    return LayerCounts.of(LayerFigures() if known is None else known.layers)


def _set(future: asyncio.Future[int], seq: int) -> None:
    if not future.done():
        future.set_result(seq)


def _fail(future: asyncio.Future[int], exc: FmAnomalyError) -> None:
    if not future.done():
        future.set_exception(exc)


def _look_at(future: asyncio.Future[int]) -> None:
    """Look at a failure that nobody else may look at, so that it is not complained of."""
    if not future.cancelled():
        future.exception()
