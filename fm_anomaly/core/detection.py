"""Detection: closed buckets of all streams in, anomalies with a reason in words out.

Composes the series of each stream, decides silences when they are due, and turns findings into sentences.
An empty bucket costs nothing for streams in which nothing is due. Must not know of alerts, files or the clock.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fm_anomaly.core import reasons
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind, Finding
from fm_anomaly.core.cadences import Cadences
from fm_anomaly.core.detection_params import DetectionParams, Limits
from fm_anomaly.core.detectors.early import NEVER
from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.findings import of_beat, of_sessions
from fm_anomaly.core.frames import US_PER_S, StreamKey
from fm_anomaly.core.sequences import Sequences
from fm_anomaly.core.series import StreamSeries
from fm_anomaly.core.template_series import TemplateSeries

DEFAULTS = DetectionParams()
_FAILURE = re.compile(
    r"fail|error|exception|refused|time(?:d[ -]?)?[ -]?out|denied|unreachable|unavailable|cannot|could not|unable",
    re.IGNORECASE,
)
"""Words of a warning that tells of something gone wrong."""
MIN_KNOWN_PER_MIN = 1 / 60
"""An error that comes less than once an hour is rare, not chronic."""


@dataclass(frozen=True, slots=True)
class Learned:
    """How far a stream has taught its detectors."""

    stream: StreamKey
    history_us: int
    n_records: int
    n_templates: int
    n_exceptions: int
    n_operations: int
    overflow: int
    ready: tuple[tuple[str, bool], ...]
    """(detector, whether its warm-up is over)."""


@dataclass(frozen=True, slots=True)
class Known:
    """An error that belongs to the normal of its stream: listed, not alerted."""

    stream: StreamKey
    template: int
    template_id: str
    text: str
    count: int
    rate_per_min: float
    first_us: int
    last_us: int
    reason: str


class Detection:
    """Detection over all streams; state is one `StreamSeries` a stream."""

    def __init__(self, params: DetectionParams = DEFAULTS) -> None:
        self.params = params
        self.n_streams_beyond = 0
        """Buckets of streams beyond `max_streams`, not judged."""
        self._bucket_us = params.bucket_s * US_PER_S
        self._limits = Limits.of(params)
        self._streams: dict[StreamKey, StreamSeries] = {}
        self._due: list[tuple[int, StreamKey]] = []
        self._unheard = (-1, -1)
        """First and last bucket of the latest span in which nobody listened."""
        self._not_expected: set[StreamKey] = set()
        """Streams of which nothing is expected until they come again."""
        self.sequences = Sequences(self._limits.sequences, params.max_streams)
        self._cadences: dict[StreamKey, Cadences] = {}

    def close(self, start_us: int, buckets: Sequence[ClosedBucket], *, end_us: int | None = None) -> list[Anomaly]:
        """Judge and learn the bucket that starts at ``start_us``; return anomalies by (tick, stream, kind, subject).

        ``buckets`` holds the streams with records, each once, in any order; all other known streams count as
        silent. Empty buckets may be left out: silences that fell due in between are decided at their own
        tick. ``end_us`` is given where the input ends within the bucket: no absence is judged there.
        """
        at = start_us // self._bucket_us
        is_whole = end_us is None or end_us >= start_us + self._bucket_us
        out = self._misses(at - 1)
        for bucket in sorted(buckets, key=lambda b: b.stream):
            series = self._series(bucket.stream, at)
            if series is None:
                continue
            if at > self._unheard[1] and self._is_unheard(series, at):
                self._pass_over(series)
            if bucket.stream in self._not_expected:
                self._not_expected.discard(bucket.stream)
                series.pass_over(at - 1)
            before = series.due_at
            found = series.close(at, bucket, is_whole=is_whole)
            if series.due_at >= 0 and series.due_at != before:
                heapq.heappush(self._due, (series.due_at, series.key))
            tick_us = start_us + self._bucket_us if end_us is None else min(end_us, start_us + self._bucket_us)
            out += [self._anomaly(series, at, tick_us, finding, bucket.n_records, bucket.n_errors) for finding in found]
            self.sequences.note_records(bucket.stream, bucket.n_records)
            beats = self._cadences.get(bucket.stream)
            if beats is None:
                beats = self._cadences[bucket.stream] = Cadences(self._limits.cadence)
            came = [t.template for t in bucket.templates if not t.is_degraded]
            missed = beats.close(at, came, is_restart=series.had_restart, is_whole=is_whole)
            found = [of_beat(series.templates, beat, self._bucket_us) for beat in missed]
            out += [self._anomaly(series, at, tick_us, finding, bucket.n_records, bucket.n_errors) for finding in found]
        if is_whole:
            out += self._misses(at)
            out += self._missed_beats(at)
            out += self._odd_sessions(at, start_us + self._bucket_us)
        out.sort(key=lambda a: a.order)
        return out

    def _missed_beats(self, at: int) -> list[Anomaly]:
        """Judge what should have come by bucket ``at``, in the streams without records too."""
        out = []
        for key in sorted(key for key, beats in self._cadences.items() if 0 <= beats.next_at <= at):
            series = self._streams[key]
            found = [of_beat(series.templates, beat, self._bucket_us) for beat in self._cadences[key].judge(at)]
            out += [self._anomaly(series, at, (at + 1) * self._bucket_us, finding, 0, 0) for finding in found]
        return out

    def _odd_sessions(self, at: int, end_us: int) -> list[Anomaly]:
        """Judge the sessions that ended with bucket ``at``."""
        out = []
        for key, odd in self.sequences.close(at, end_us):
            series = self._streams.get(key)
            if series is not None:
                finding = of_sessions(series.templates, odd)
                out.append(self._anomaly(series, at, end_us, finding, odd.n, 0))
        return out

    def next_us(self) -> int | None:
        """Return the end of the empty bucket in which the next silence falls due, None if there is none."""
        while self._due and not self._is_due(*self._due[0]):
            heapq.heappop(self._due)
        first = self._due[0][0] if self._due else -1
        for beats in self._cadences.values():
            at = beats.next_at
            if at >= 0 and (first < 0 or at < first):
                first = at
        return (first + 1) * self._bucket_us if first >= 0 else None

    def early_gates(self, stream: StreamKey) -> tuple[int, int]:
        """Return from how many (records, errors) in the trailing window on `early` is worth a call."""
        series = self._streams.get(stream)
        return (NEVER, NEVER) if series is None else series.early_gates()

    def note_fast(self, stream: StreamKey, n_records: int, n_errors: int) -> None:
        """Learn the fullest trailing window of the bucket that was closed last."""
        series = self._streams.get(stream)
        if series is not None:
            series.note_fast(n_records, n_errors)

    def early(self, bucket: ClosedBucket, fast: tuple[int, int]) -> list[Anomaly]:
        """Judge an open bucket as it fills, learning nothing.

        ``bucket`` holds what came from its start up to its ``end_us``, the tick; ``fast`` the (records, errors) of the
        trailing window. May repeat itself from tick to tick: the AlertBook tells each matter once.
        """
        series = self._streams.get(bucket.stream)
        at = bucket.start_us // self._bucket_us
        if series is None or at <= series.last_at:
            return []
        n, n_errors = bucket.n_records, bucket.n_errors
        found = series.early(at, bucket, fast)
        out = [replace(self._anomaly(series, at, bucket.end_us, each, n, n_errors), is_early=True) for each in found]
        out.sort(key=lambda a: a.order)
        return out

    def unheard(self, from_us: int, until_us: int) -> None:
        """Say that nobody listened in a span: who says nothing in it was not silent, and its emptiness is no drop."""
        self._unheard = (from_us // self._bucket_us, until_us // self._bucket_us)
        self.sequences.drop_open()
        for beats in self._cadences.values():
            beats.pass_over()

    def expect_nothing(self, stream: StreamKey) -> None:
        """Say that a stream was history and is not heard live: until it comes again its emptiness means nothing."""
        series = self._streams.get(stream)
        if series is None or stream in self._not_expected or series.silent_since >= 0:
            return
        self._not_expected.add(stream)
        series.due_at = -1
        if stream in self._cadences:
            self._cadences[stream].pass_over()

    def _is_unheard(self, series: StreamSeries, at: int) -> bool:
        """Return whether bucket ``at`` is the first to judge since a span in which nobody listened."""
        first, last = self._unheard
        return series.last_at <= last and first <= at and series.passed_at < last and series.last_at < at

    def _pass_over(self, series: StreamSeries) -> None:
        last = self._unheard[1]
        series.passed_at = last
        series.pass_over(last)
        if series.due_at >= 0:
            heapq.heappush(self._due, (series.due_at, series.key))

    def merge(self, stream: StreamKey, old: int, into: int) -> None:
        """Say that template ``old`` of a stream is from now on counted as ``into``: what both taught is joined."""
        series = self._streams.get(stream)
        if series is not None:
            series.merge(old, into)
        if stream in self._cadences:
            self._cadences[stream].merge(old, into)

    def streams(self) -> list[StreamKey]:
        """Return the known streams, sorted."""
        return sorted(self._streams)

    def learned(self, stream: StreamKey) -> Learned | None:
        """Return how far a stream has taught its detectors; None for an unknown one."""
        series = self._streams.get(stream)
        if series is None:
            return None
        history = series.history(series.last_at + 1)
        limits = self._limits
        ready = (
            ("new_error", history >= limits.novelty.min_history_buckets),
            ("error_spike", series.share.detector.n >= limits.share.warmup_buckets),
            ("volume", series.rate.detector.n >= limits.rate.warmup_buckets),
            ("silence", series.silence.n >= limits.silence.warmup_buckets),
            ("burst", history >= limits.burst.warmup_buckets),
            ("season", series.rate.detector.n >= 86_400 // self.params.bucket_s),
        )
        return Learned(
            stream,
            history * self._bucket_us,
            series.n_records,
            len(series.templates),
            len(series.exceptions),
            len(series.operations),
            series.overflow,
            ready,
        )

    def known(self, *, min_count: int = 5) -> list[Known]:
        """Return chronic errors: steady, in the history of their stream, never found anomalous; by count.

        Warnings that speak of a failure count too. Of the records of a template at least half must be such:
        an access line with a few 5xx among them is no error.
        """
        out = []
        for key in sorted(self._streams):
            series = self._streams[key]
            history_us = (series.last_at + 1 - series.first_at) * self._bucket_us
            for index in sorted(series.templates):
                known = self._known(key, index, series.templates[index], history_us)
                if known is not None and known.count >= min_count:
                    out.append(known)
        out.sort(key=lambda k: (-k.count, k.stream, k.template))
        return out

    def _known(self, key: StreamKey, index: int, t: TemplateSeries, history_us: int) -> Known | None:
        """Return what there is to say of a template if it is a chronic error."""
        n = t.n_errors + (t.n_warnings if t.n_warnings and _FAILURE.search(t.text) else 0)
        if n == 0 or n * 2 < t.count or t.n_alerted * 2 >= t.count or (t.errors is not None and t.errors.since >= 0):
            return None
        span_us = t.last_us - t.first_us
        rate = n * 60 * US_PER_S / max(span_us, self._bucket_us)
        if t.n_buckets < 3 or span_us * 3 < history_us or rate < MIN_KNOWN_PER_MIN:
            return None
        reason = f"steady {reasons.steady(rate)} over {reasons.duration(span_us)}"
        return Known(key, index, t.template_id, t.text, n, rate, t.first_us, t.last_us, reason)

    def _series(self, key: StreamKey, at: int) -> StreamSeries | None:
        series = self._streams.get(key)
        if series is None:
            if len(self._streams) >= self.params.max_streams:
                self.n_streams_beyond += 1
                return None
            others = min((other.first_at for other in self._streams.values()), default=at)
            series = self._streams[key] = StreamSeries(key, at, self.params, self._limits, min(others, at))
        return series

    def _is_due(self, at: int, key: StreamKey) -> bool:
        series = self._streams.get(key)
        return series is not None and series.due_at == at

    def _misses(self, at: int) -> list[Anomaly]:
        """Decide the silences due up to bucket ``at``."""
        out = []
        while self._due and self._due[0][0] <= at:
            due, key = heapq.heappop(self._due)
            if not self._is_due(due, key):
                continue
            series = self._streams[key]
            if self._is_unheard(series, due):
                self._pass_over(series)
                continue
            for finding in series.miss(due):
                out.append(self._anomaly(series, due, (due + 1) * self._bucket_us, finding, 0, 0))
            if series.due_at >= 0:
                heapq.heappush(self._due, (series.due_at, key))
        return out

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        streams = [series.snapshot() for series in self._streams.values()]
        return {
            "bucket_s": self.params.bucket_s,
            "beyond": self.n_streams_beyond,
            "unheard": list(self._unheard),
            "not_expected": [[key.tenant, key.service] for key in sorted(self._not_expected)],
            "streams": streams,
            "sequences": self.sequences.snapshot(),
            "cadences": [[k.tenant, k.service, beats.snapshot()] for k, beats in self._cadences.items()],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: DetectionParams = DEFAULTS) -> Detection:
        """Return the detection whose `snapshot` this is."""
        self = cls(params)
        self.n_streams_beyond = state["beyond"]
        self._unheard = (state["unheard"][0], state["unheard"][1])
        self._not_expected = {StreamKey(*key) for key in state.get("not_expected", [])}
        self.sequences = Sequences.restore(state["sequences"], self._limits.sequences, params.max_streams)
        for tenant, service, beats in state["cadences"]:
            self._cadences[StreamKey(tenant, service)] = Cadences.restore(beats, self._limits.cadence)
        for item in state["streams"]:
            series = StreamSeries.restore(item, params, self._limits)
            self._streams[series.key] = series
            if series.due_at >= 0:
                heapq.heappush(self._due, (series.due_at, series.key))
        return self

    def _anomaly(
        self, series: StreamSeries, at: int, tick_us: int, finding: Finding, n_records: int, n_errors: int
    ) -> Anomaly:
        r = finding.reading
        # what was learned before it began: the anomaly itself is no history
        since = series.news_since if finding.kind is AnomalyKind.NEW_ERROR else series.first_at
        until = min(at, finding.start_us // self._bucket_us, at if finding.since_at < 0 else finding.since_at)
        history_us = (until - since) * self._bucket_us
        context = reasons.Context(
            service=series.key.service,
            history_us=history_us,
            bucket_us=self._bucket_us,
            n_records=n_records,
            n_errors=n_errors,
            share_before=series.share.detector.share,
        )
        words = reasons.words(finding, context)
        template = finding.template
        end_us = tick_us if not finding.is_over else min(tick_us, at * self._bucket_us)
        return Anomaly(
            kind=finding.kind,
            stream=series.key,
            subject=finding.subject,
            start_us=finding.start_us,
            end_us=max(end_us, finding.start_us),
            tick_us=tick_us,
            score=r.score,
            observed=r.observed,
            expected_low=r.expected_low,
            expected_high=r.expected_high,
            unit=words.unit,
            history_us=history_us,
            n=r.n,
            reason=words.reason,
            title=words.title,
            templates=(template.template,) if template else (),
            template_ids=(template.template_id,) if template else (),
            text=words.text,
            n_records=finding.count,
            strength=_strength(finding),
            share=finding.count / n_records if n_records else 0.0,
            is_onset=finding.is_onset,
            is_digest=finding.is_digest,
            is_over=finding.is_over,
        )


def _strength(finding: Finding) -> float:
    r = finding.reading
    if r.direction < 0:
        return r.score.raw
    return r.observed if finding.kind is AnomalyKind.LATENCY else r.observed / max(r.window, 1)
