"""Pipeline: log bytes in, alert events out; the one road of the command line, the service and notebooks alike.

It composes the three stages and holds nothing but their state: sources (bytes to records), streams (records to
templates, buckets and anomalies) and the alert book (anomalies to alerts). Its inputs are records, time and
people's commands; the same inputs give the same events however they are cut. It must not read a clock, a file or
the environment, and it must not know who reads the events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.alerts import AlertBook, AlertEvent, AlertParams, Evidence
from fm_anomaly.core.anomalies import Anomaly
from fm_anomaly.core.applying import apply
from fm_anomaly.core.batch import Batch, Taking
from fm_anomaly.core.buckets import BucketMaker
from fm_anomaly.core.commands import Command, Effect
from fm_anomaly.core.detection import Detection
from fm_anomaly.core.early import Check, EarlyWatch
from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.frames import US_PER_S, Severity, is_told
from fm_anomaly.core.history import History
from fm_anomaly.core.incidents import IncidentParams
from fm_anomaly.core.markers import Marker, marker_state, markers_of
from fm_anomaly.core.merging import CLOCK, by_clock
from fm_anomaly.core.message_durations import durations, has_one
from fm_anomaly.core.own_patterns import OwnPatterns
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.series import DetectionParams
from fm_anomaly.core.session_feed import SessionFeed
from fm_anomaly.core.sources import Arrived, Source, SourceName
from fm_anomaly.core.state import Snapshot, State
from fm_anomaly.core.streams import Streams
from fm_anomaly.core.template_health import HealthState
from fm_anomaly.core.template_stats import TemplateStats
from fm_anomaly.core.template_values import MergeAt
from fm_anomaly.core.templates import TemplateParams, TemplateStore
from fm_anomaly.core.windows import ExceptionTally, OpenBucket, Rows, WindowParams, Windows
from fm_anomaly.errors import SnapshotError

_SAMPLE_CHARS = 500
_OPERATION_CHARS = 80


@dataclass(frozen=True, slots=True)
class PipelineParams:
    """Settings of a Pipeline, part by part; every default works.

    tenant: whose logs these are. max_streams: services kept apart; further ones count as `_other`.
    max_sources: files, connections or listeners kept apart.
    """

    tenant: str = "default"
    max_streams: int = 1_000
    max_sources: int = 10_000
    parsing: ParsingParams = field(default_factory=ParsingParams)
    templates: TemplateParams = field(default_factory=TemplateParams)
    windows: WindowParams = field(default_factory=WindowParams)
    detection: DetectionParams = field(default_factory=DetectionParams)
    alerts: AlertParams = field(default_factory=AlertParams)
    incidents: IncidentParams = field(default_factory=IncidentParams)


LineOf = Callable[[int], Evidence | None]
"""The first line of a template (its index) in the bucket that is being closed."""


def _no_keys(frame: pl.DataFrame) -> bool:
    return bool((frame["event_key"] == "").all())


class Pipeline:
    """All live state of one tenant. `observe`, `take`, `advance` and `flush` return what they made fire or resolve."""

    def __init__(self, params: PipelineParams | None = None) -> None:
        self.params = params or PipelineParams()
        self.sources: dict[str, Source] = {}
        self.streams = Streams(self.params.tenant, self.params.max_streams)
        self.templates = TemplateStore(self.params.templates)
        self.stats = TemplateStats()
        self.windows = Windows(self.params.windows)
        self.detection = Detection(self.params.detection)
        self.book = AlertBook(self.params.alerts, self._evidence)
        self.history = History()
        self.markers: list[Marker] = []
        self.patterns = OwnPatterns()
        self.n_counted = 0
        self.n_late = 0
        self.on_closed: Callable[[Sequence[ClosedBucket], LineOf], None] | None = None
        """Told of each closed bucket of all streams, in order; what it does must not reach back in here."""
        self.on_taken: Callable[[Batch], None] | None = None
        """Told of each batch of records; the same holds."""
        self._makes = BucketMaker(self.templates, self.streams)
        self._says_duration: list[bool] = []
        self.early = EarlyWatch()
        self._taking: Taking | None = None
        self._closing: tuple[OpenBucket, Batch | None] = (OpenBucket(), None)

    # -- stage zero: bytes to records -------------------------------------------------------------------------------

    def source(self, name: SourceName, default_us: int = 0) -> Source:
        """Return the source of that name, made when new. `default_us`: time of records before any time is told."""
        source = self.sources.get(name.name)
        if source is None:
            if len(self.sources) >= self.params.max_sources:
                name = SourceName("_other", "_other")
                if name.name in self.sources:
                    return self.sources[name.name]
            source = self.sources[name.name] = Source(name, self.params.parsing, default_us)
        return source

    def observe(self, name: SourceName, data: bytes, default_us: int = 0) -> list[AlertEvent]:
        """Take the next bytes of a source, cut anywhere, in the order in which they arrive."""
        return self.take(self.source(name, default_us).feed(data))

    def receive(self, arrived: Sequence[Arrived]) -> list[AlertEvent]:
        """Take whole lines of live sources, in the order of their receipt.

        Those of one call are taken as one batch, by their sources' clocks: of one source the order of receipt, of
        several that of event time. Cost: some milliseconds a source, whatever it brings.
        """
        by_source: dict[str, list[tuple[bytes, int]]] = {}
        for each in arrived:
            name = self.source(each.name).name.name
            by_source.setdefault(name, []).append((each.data, each.received_us))
        return self.take(by_clock([self.sources[name].receive(pieces) for name, pieces in by_source.items()]))

    def advance(self, now_us: int) -> list[AlertEvent]:
        """Say that it is `now_us` (event time, µs): open records end, and silence becomes visible.

        A second has passed at least, so that a burst is judged even where the clock waits for records.
        """
        events = self._end_records()
        before = self.windows.clock_us
        if before is None:
            return events
        if now_us > before:
            self.windows.clock_us = now_us
            events += self._close_due(now_us)
        return events + self._look(0, 0, max(now_us, before + US_PER_S))

    def unheard(self, downtime_us: int) -> None:
        """Say that nobody listened for so long after the newest record: who was not heard then was not silent."""
        if self.windows.clock_us is not None:
            self.detection.unheard(self.windows.clock_us, self.windows.clock_us + downtime_us)

    def flush(self) -> list[AlertEvent]:
        """Say that the input has ended: every record and every bucket is judged as far as it goes."""
        return self._end_records() + self.end()

    def _end_records(self) -> list[AlertEvent]:
        """End the open record of every source; the records of all are one batch, so that thousands cost little."""
        return self.take(by_clock([source.flush() for source in self.sources.values() if source.is_open]))

    # -- stage one: records to anomalies ----------------------------------------------------------------------------

    def take(self, frame: pl.DataFrame) -> list[AlertEvent]:
        """Take records that have a service, a time and a clock (see `Source`), in arrival order."""
        if not frame.height:
            return []
        batch = Batch(frame, self.streams.codes(frame["service"]))
        if self.on_taken is not None:
            self.on_taken(batch)
        n_before = len(self.templates.templates)
        said = self.patterns.applied(frame)
        template = self.templates.assign(
            batch.stream.astype(np.int32), said["body"], None if _no_keys(said) else said["event_key"]
        ).astype(np.int64)
        self._count_templates(batch, template, n_before)
        merges = list(self.templates.merge_log)
        before, after = self.windows.clocks(frame[CLOCK].to_numpy())
        bucket = batch.ts_us // self.params.windows.bucket_us
        late = self.windows.is_late(bucket, before)
        row = np.flatnonzero(~late)
        self.n_counted += row.size
        self.n_late += frame.height - row.size
        rows = Rows(
            row=row,
            bucket=bucket[row],
            template=template[row],
            stream=batch.stream[row],
            is_error=batch.is_error[row],
            is_warning=((batch.severity >= Severity.WARN) & ~batch.is_error)[row],
            ts_us=batch.ts_us[row],
            status=batch.status[row],
        )
        self.early.begin(after, batch.ts_us, batch.stream, batch.is_error, len(self.streams.keys))
        may_look = self.early.is_near() or self.windows.is_due(int(after[-1]))
        self._taking = Taking(batch, rows, self.windows.copy_open() if may_look else {})
        self.windows.count(rows)
        self._count_exceptions(self._taking, self.windows.bucket)
        self._count_durations(batch, template, bucket, late)
        self._count_said_durations(batch, template, bucket, late)
        feed = SessionFeed(frame, rows, merges, self.streams, self.detection.sequences)
        events = self._close_rows(after, batch, feed)
        self.windows.resolve_rows(batch.evidence)
        self.early.end()
        self._taking = None
        return events

    def _count_templates(self, batch: Batch, template: NDArray[np.int64], n_before: int) -> None:
        n = len(self.templates.templates)
        self.stats.grow(n)
        self.stats.add(template, batch.is_error, batch.ts_us, batch.severity)
        if n > n_before:
            first = np.full(n - n_before, batch.frame.height, dtype=np.int64)
            fresh = np.flatnonzero(template >= n_before)
            np.minimum.at(first, template[fresh] - n_before, fresh)
            raw = batch.frame["raw"]
            self.stats.samples += [str(raw[row])[:_SAMPLE_CHARS] if row < raw.len() else "" for row in first.tolist()]

    def _count_exceptions(self, taking: Taking, bucket: Callable[[int], OpenBucket], n_rows: int | None = None) -> None:
        """Count the exceptions of a batch, or of its rows before `n_rows`, in the open buckets that `bucket` gives."""
        batch, rows = taking.batch, taking.rows
        types = batch.frame["exc_type"]
        if types.null_count() == types.len():
            return
        here = np.flatnonzero(is_told(types)[rows.row])
        if n_rows is not None:
            here = here[rows.row[here] < n_rows]
        of_rows = (batch.frame[n][rows.row[here]].to_list() for n in ("exc_type", "exc_frame", "exc_message"))
        for at, name, frame, message in zip(here.tolist(), *of_rows, strict=True):
            identity = f"{name} at {frame}" if frame else name
            kept = bucket(int(rows.bucket[at])).exceptions
            stream, ts_us = int(rows.stream[at]), int(rows.ts_us[at])
            tally = kept.get((stream, identity))
            if n_rows is None:
                self.stats.add_exception(stream, name, frame)
            if tally is None:
                tally = kept[(stream, identity)] = ExceptionTally(
                    stream, name, frame, message, int(rows.template[at]), first_us=ts_us
                )
            tally.count += 1
            tally.first_us = min(tally.first_us, ts_us)
            if len(tally.rows) < 3:
                tally.rows.append(int(rows.row[at]))

    def _count_durations(
        self, batch: Batch, template: NDArray[np.int64], bucket: NDArray[np.int64], late: NDArray[np.bool_]
    ) -> None:
        """Count durations that records state, by operation; where none is named the template stands for it."""
        rows = np.flatnonzero(~(np.isnan(batch.duration_ms) | late))
        if not rows.size:
            return
        stated = batch.frame["operation"][rows]
        named, unnamed = stated.to_list(), np.flatnonzero(~is_told(stated))
        for at, name in zip(unnamed.tolist(), self._operations(template[rows[unnamed]]), strict=True):
            named[at] = name
        self.windows.add_durations(bucket[rows], batch.stream[rows], named, batch.duration_ms[rows])

    def _operations(self, template: NDArray[np.int64]) -> list[str]:
        """Return the name that each record's template gives its operation."""
        names = {
            t: self.templates.templates[t].birth_text[:_OPERATION_CHARS]
            for t in np.flatnonzero(np.bincount(template)).tolist()
        }
        return list(map(names.__getitem__, template.tolist()))

    def _count_said_durations(
        self, batch: Batch, template: NDArray[np.int64], bucket: NDArray[np.int64], late: NDArray[np.bool_]
    ) -> None:
        """Count what messages say that they took ("… took 512ms"), where their template has one such place."""
        for known in self.templates.templates[len(self._says_duration) :]:
            self._says_duration.append(has_one(known.birth_text) and not known.is_coarse)
        says = np.array(self._says_duration, dtype=np.bool_)[template]
        if not says.any():
            return
        rows = np.flatnonzero(says & ~late & np.isnan(batch.duration_ms))
        ms = durations(batch.frame["body"][rows]).to_numpy()
        told = ~np.isnan(ms)
        rows = rows[told]
        self.windows.add_durations(bucket[rows], batch.stream[rows], self._operations(template[rows]), ms[told])

    # -- buckets that are over --------------------------------------------------------------------------------------

    def _close_rows(self, clock_after: NDArray[np.int64], batch: Batch, feed: SessionFeed) -> list[AlertEvent]:
        """Close what the rows of this batch made due; merges count from the row that brought them."""
        events: list[AlertEvent] = []
        start = 0
        for number in self.windows.due(int(clock_after[-1]), self._wakes):
            due_us = self.windows.due_us(number)
            row = int(np.searchsorted(clock_after, due_us))
            events += self._look(start, row, due_us)
            self._follow_merges(row)
            feed.give(row, self._stream_of)
            events += self._close(number, due_us, batch, row=row)
            start = row
        events += self._look(start, clock_after.size, int(clock_after[-1]))
        self._follow_merges(None)
        feed.give(clock_after.size, self._stream_of)
        return events

    def _look(self, start: int, stop: int, until_us: int) -> list[AlertEvent]:
        """Judge open buckets as they fill: those that rows from `start` to `stop` brought to a gate, up to a tick."""
        events: list[AlertEvent] = []
        for check in self.early.ticks(start, stop, until_us):
            self._follow_merges(check.row)
            number = (check.tick_us - 1) // self.params.windows.bucket_us
            content = self._open_as_of(number, check)
            start_us = number * self.params.windows.bucket_us
            fast = {self.streams.keys[code]: self.early.fast(code, check.row, check.tick_us) for code in check.streams}
            buckets = self._makes.closed(content, start_us, check.tick_us)
            anomalies = [each for bucket in buckets for each in self.detection.early(bucket, fast[bucket.stream])]
            self._closing = (content, self._taking.batch if self._taking is not None else None)
            events += self.book.apply(anomalies, check.tick_us)
        return events

    def _open_as_of(self, number: int, check: Check) -> OpenBucket:
        """Return what an open bucket held of the checked streams before the rows behind the check's tick came."""
        streams = set(check.streams)
        taking = self._taking
        open_ = self.windows.copy_open() if taking is None else taking.before
        before = open_.get(number, OpenBucket())
        stream_of = self.templates.templates
        templates = {i: t.copy() for i, t in before.templates.items() if stream_of[i].stream in streams}
        exceptions = {key: tally.copy() for key, tally in before.exceptions.items() if key[0] in streams}
        seen = Windows(self.params.windows)
        seen.open[number] = OpenBucket(templates, exceptions)
        if taking is not None:
            rows, stop = taking.rows, int(np.searchsorted(taking.rows.row, check.row))
            places = np.flatnonzero(rows.bucket[:stop] == number)
            places = places[np.isin(rows.stream[places], check.streams)]
            part = Taking(taking.batch, rows.only(places), {})
            seen.count(part.rows)
            self._count_exceptions(part, seen.bucket, check.row)
        return seen.pop(number)

    def _stream_of(self, template: int) -> int:
        return self.templates.templates[template].stream

    def _follow_merges(self, row: int | None) -> list[MergeAt]:
        merges = self._makes.follow_merges(row)
        for merge in merges:
            self.detection.merge(self.streams.keys[self._stream_of(merge.index)], merge.index, merge.into)
        return merges

    def _close_due(self, clock_us: int) -> list[AlertEvent]:
        events: list[AlertEvent] = []
        for number in self.windows.due(clock_us, self._wakes):
            events += self._look(0, 0, self.windows.due_us(number))
            events += self._close(number, self.windows.due_us(number), None)
        return events

    def _wakes(self) -> int | None:
        """Return the first empty bucket that must be judged: a silence falls due, or an alert ends; None: none."""
        due = [us for us in (self.detection.next_us(), self.book.next_us()) if us is not None]
        return (min(due) - 1) // self.params.windows.bucket_us if due else None

    def _close(
        self, number: int, tick_us: int, batch: Batch | None, end_us: int | None = None, row: int = 0
    ) -> list[AlertEvent]:
        content = self.windows.pop(number)
        start_us = number * self.params.windows.bucket_us
        buckets = self._makes.closed(content, start_us, end_us or start_us + self.params.windows.bucket_us)
        self.history.add(buckets)
        anomalies = self.detection.close(start_us, buckets, end_us=end_us)
        codes = [self.streams.code_of(bucket.stream) for bucket in buckets]
        self.early.closed(row, codes, self._gates, self._note_fast)
        self._closing = (content, batch)
        if self.on_closed is not None:
            self.on_closed(buckets, self._line_of)
        return self.book.apply(anomalies, tick_us)

    def _line_of(self, template: int) -> Evidence | None:
        tally = self._closing[0].templates.get(template)
        return next(iter(self._lines(tally.rows[:1])), None) if tally is not None else None

    def _gates(self, code: int) -> tuple[int, int]:
        return self.detection.early_gates(self.streams.keys[code])

    def _note_fast(self, code: int, n_records: int, n_errors: int) -> None:
        self.detection.note_fast(self.streams.keys[code], n_records, n_errors)

    def _evidence(self, anomaly: Anomaly) -> tuple[Evidence, ...]:
        """Return the lines behind an anomaly of the bucket that is being closed."""
        return tuple(self._lines(self._makes.rows_of(anomaly, self._closing[0])))

    def _lines(self, rows: Sequence[object]) -> list[Evidence]:
        batch = self._closing[1]
        found: list[list[Any]] = []
        for row in rows:
            if isinstance(row, list):
                found.append(row)
            elif isinstance(row, int) and batch is not None:
                found += batch.evidence([row])
        return [Evidence(*line) for line in found]

    def end(self) -> list[AlertEvent]:
        """Close every bucket that has records; the last one is judged as far as the newest record goes."""
        events: list[AlertEvent] = []
        clock = self.windows.clock_us
        if clock is None:
            return events
        last_us = max(int(self.stats.last_us[: self.stats.n].max()), clock) if self.stats.n else clock
        while self.windows.open and self.windows.next_bucket is not None:
            number = self.windows.next_bucket
            start_us = number * self.params.windows.bucket_us
            end_us = start_us + self.params.windows.bucket_us
            self.windows.next_bucket = number + 1
            is_whole = end_us <= last_us
            events += self._close(number, min(end_us, last_us + 1), None, None if is_whole else last_us + 1)
        return events

    def apply(self, command: Command) -> Effect:
        """Do what a person says; return what it did. Raises UsageError where it cannot be done as asked."""
        return apply(self, command)

    def merge_templates(self, one: int, other: int) -> str:
        """Let one of two templates stand for both, from now on; return its id."""
        into = self.templates.merge(one, other)
        for merge in self._follow_merges(None):
            key = self.streams.keys[self._stream_of(merge.index)]
            self.detection.sequences.merge(key, merge.index, merge.into)
        return self.templates.templates[into].template_id

    # -- accounting and state ---------------------------------------------------------------------------------------

    def counts(self) -> IntakeCounts:
        """Return the accounting of all sources together."""
        total = IntakeCounts()
        for source in self.sources.values():
            total.add(source.counts)
        return total

    def standing_templates(self) -> list[int]:
        """Return for each template the one that stands for it, all merges followed."""
        return [self._makes.canonical(index) for index in range(len(self.templates.templates))]

    def health(self) -> list[str]:
        """Return one sentence for each thing about the input that limits what can be found in it."""
        found = []
        for stream, key in enumerate(self.streams.keys):
            health = self.templates.health(stream)
            if health.state is HealthState.DEGRADED:
                found.append(
                    f"{key.service}: {health.reason}" + (f"; {health.suggestion}" if health.suggestion else "")
                )
        if self.streams.n_overflow:
            found.append(
                f"more than {self.params.max_streams:,} service names: {self.streams.n_overflow:,} records of further "
                "ones are counted together as `_other`; is an id taken for the service name?"
            )
        if self.n_late > 0.01 * (self.n_counted + self.n_late):
            found.append(
                f"{self.n_late:,} records came more than {self.params.windows.lateness_s} s behind the others and were "
                "counted, not judged; is a clock wrong, or should `lateness_s` be larger?"
            )
        return found

    def snapshot(self) -> Snapshot:
        """Return everything that is needed to go on from here; changes nothing."""
        sections: State = {
            "sources": [source.snapshot() for source in self.sources.values()],
            "streams": self.streams.snapshot(),
            "templates": self.templates.snapshot(),
            "merges": self._makes.snapshot(),
            "stats": self.stats.snapshot(),
            "windows": self.windows.snapshot(),
            "detection": self.detection.snapshot(),
            "alerts": self.book.snapshot(),
            "history": self.history.snapshot(),
            "early": self.early.snapshot(),
            "people": {"markers": marker_state(self.markers), "patterns": self.patterns.snapshot()},
            "accounting": {"counted": self.n_counted, "late": self.n_late},
        }
        return Snapshot(sections, digest(self.params), libraries())

    @classmethod
    def restore(cls, snapshot: Snapshot, params: PipelineParams | None = None) -> Pipeline:
        """Return a pipeline that goes on as the one that was snapshot.

        Raises SnapshotError when `params` would shape the state otherwise than the snapshot's did.
        """
        pipeline = cls(params)
        if snapshot.params_digest != digest(pipeline.params):
            raise SnapshotError(
                "the settings that shape state (tenant, parsing, templates, buckets) have changed since the snapshot; "
                "set them back, or start afresh in another --state folder"
            )
        parts, params = snapshot.sections, pipeline.params
        for state in parts["sources"]:
            source = Source.restore(state, params.parsing)
            pipeline.sources[source.name.name] = source
        pipeline.streams = Streams.restore(parts["streams"], params.tenant, params.max_streams)
        pipeline.templates = TemplateStore.restore(parts["templates"], params.templates)
        pipeline.stats = TemplateStats.restore(parts["stats"])
        pipeline.windows = Windows.restore(parts["windows"], params.windows)
        pipeline.detection = Detection.restore(parts["detection"], params.detection)
        pipeline.book = AlertBook.restore(parts["alerts"], params.alerts, pipeline._evidence)
        pipeline.history = History.restore(parts["history"])
        pipeline.early = EarlyWatch.restore(parts["early"])
        pipeline.markers = markers_of(parts["people"]["markers"])
        pipeline.patterns = OwnPatterns.restore(parts["people"]["patterns"])
        pipeline.n_counted, pipeline.n_late = parts["accounting"]["counted"], parts["accounting"]["late"]
        pipeline._makes = BucketMaker.restore(parts["merges"], pipeline.templates, pipeline.streams)
        return pipeline


def digest(params: PipelineParams) -> str:
    """Return a digest of the settings that shape state: a snapshot of other settings cannot be gone on with."""
    parsing = replace(params.parsing, reference_us=None)  # the file's age, another one every day
    shaping = (params.tenant, parsing, params.templates, params.windows)
    return hashlib.blake2b(repr(shaping).encode(), digest_size=8).hexdigest()


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that shape answers; noted in a snapshot, not a lock."""
    return {name: metadata.version(name) for name in ("polars", "numpy", "drain3", "river")}
