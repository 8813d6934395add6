"""The series of one stream and their watches: from one closed bucket to findings.

Owns what a stream has taught: its rate, error share, silence, templates, exceptions and operations, each
created when it first matters and capped. A `Finding` is plain numbers about a subject; words are added
by `core.detection`. Must not know of other streams, alerts or the clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from fm_anomaly.core.anomalies import AnomalyKind, Finding, Reading
from fm_anomaly.core.calibration import D, Watch
from fm_anomaly.core.detection_params import DetectionParams, Limits
from fm_anomaly.core.detectors import (
    BurstDetector,
    EarlyDetector,
    LatencyDetector,
    NoveltyDetector,
    RateDetector,
    ShareDetector,
    SilenceDetector,
    log_durations,
)
from fm_anomaly.core.detectors.early import NEVER
from fm_anomaly.core.detectors.rhythm import Rhythm
from fm_anomaly.core.features import ClosedBucket, ExceptionCount, TemplateCount
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.template_series import ErrorSeries, TemplateSeries, error_state, template_state

__all__ = ["DetectionParams", "Limits", "StreamSeries"]

_LIFECYCLE = re.compile(
    r"shut(?:ting)? ?down|\bsigterm\b|\brestart|\bstopping\b|\bdeploy|\bstart(?:ing|ed)(?: up| server)\b"
    r"|startup complete",
    re.IGNORECASE,
)
MIN_BURST_BUCKETS = 5
"""A template has a rate of its own when it has come in so many buckets."""
REGRESSED_GAPS = 10
"""An error is back when it has been away for so many of its usual gaps."""
MAX_GAP_BUCKETS = 10
"""A novelty that has not been seen for so many buckets is over."""


class StreamSeries:
    """All series of one stream."""

    def __init__(self, key: StreamKey, at: int, params: DetectionParams, limits: Limits, others_at: int) -> None:
        self.key = key
        self.others_at = others_at
        """First bucket of all streams together."""
        self.news_since = at
        """Bucket from which on an error would have been seen: of all streams, where this one was born in trouble."""
        self.first_at = at
        """Bucket of the stream's first record; it is partial, and no rate is learned from it."""
        self.last_at = at
        self.due_at = -1
        """Empty bucket in which silence is decided, or in which an open one is adopted; -1 for none."""
        self.silent_since = -1
        self.had_restart = False
        """Whether the newest bucket spoke of a shutdown, a start or a deploy."""
        self.passed_at = -1
        """Last bucket of the time that was let pass because nobody listened."""
        self.n_records = 0
        self.overflow = 0
        """Records of templates, exceptions and operations beyond the caps."""
        self._params = params
        self._limits = limits
        self.rate = self._watch(RateDetector(limits.rate), limits.rate.limit, Rhythm(limits.rhythm))
        self.share = self._watch(ShareDetector(limits.share), limits.share.limit)
        self.silence = SilenceDetector(limits.silence)
        self.fast = EarlyDetector(limits.early)
        self.fast_errors = EarlyDetector(limits.early)
        self.templates: dict[int, TemplateSeries] = {}
        self.exceptions: dict[str, ErrorSeries] = {}
        self.operations: dict[str, Watch[LatencyDetector]] = {}

    def close(self, at: int, bucket: ClosedBucket, *, is_whole: bool) -> list[Finding]:
        """Judge and learn one bucket with records; ``is_whole`` is False where input ended within it."""
        if at == self.first_at and 2 * bucket.n_errors >= bucket.n_records:
            self.news_since = self.others_at  # a service that speaks only when it breaks
        found = self._end_silence(at, bucket)
        found += self._volume(at, bucket, is_whole)
        found += self._share(at, bucket)
        covered: set[int] = set()
        for exception in bucket.exceptions:
            found += self._exception(at, exception, bucket, covered)
        has_lifecycle = False
        for template in bucket.templates:
            found += self._template(at, template, bucket, covered)
            series = self.templates.get(template.template)
            has_lifecycle = has_lifecycle or (series is not None and series.is_lifecycle)
        for operation, durations in bucket.durations:
            found += self._operation(at, operation, durations, bucket)
        self.n_records += bucket.n_records
        self.last_at, self.had_restart = at, has_lifecycle
        self.due_at = self.silence.due(self._params.restart_grace_buckets if has_lifecycle else 0)
        return found

    def miss(self, at: int) -> list[Finding]:
        """Judge the empty bucket ``at`` that `due_at` announced."""
        bucket_us = self._params.bucket_s * 1_000_000
        start_us = (self.last_at + 1) * bucket_us
        reading = self.silence.score_one(at, 0)
        if self.silent_since >= 0:
            self.due_at = -1
            self.silent_since = -1
            self.silence.n = 0
            over = Finding(AnomalyKind.SILENCE, "", reading, False, start_us, is_over=True)
            return [over]
        self.silent_since = at
        self.due_at = at + self._params.silence_adopt_s // self._params.bucket_s
        return [Finding(AnomalyKind.SILENCE, "", reading, True, start_us)]

    def pass_over(self, at: int) -> None:
        """Let the time up to and including bucket ``at`` pass unjudged: nobody listened."""
        if self.silent_since >= 0:
            return
        self.rate.detector.hold(at)
        self.share.detector.hold(at)
        self.silence.pass_over(at)
        self.due_at = self.silence.due(0)

    def merge(self, old: int, into: int) -> None:
        """Join what is known of two templates, so that the sum of their counts is no burst and no news."""
        gone = self.templates.pop(old, None) if old != into else None
        if gone is None:
            return
        kept = self.templates.setdefault(into, gone)
        if kept is gone:
            return
        kept.first_us, kept.last_us = min(kept.first_us, gone.first_us), max(kept.last_us, gone.last_us)
        kept.first_at = min(kept.first_at, gone.first_at)
        kept.count, kept.n_errors = kept.count + gone.count, kept.n_errors + gone.n_errors
        kept.n_buckets, kept.peak = max(kept.n_buckets, gone.n_buckets), kept.peak + gone.peak
        kept.n_alerted, kept.n_warnings = kept.n_alerted + gone.n_alerted, kept.n_warnings + gone.n_warnings
        if kept.errors is None:
            kept.errors = gone.errors
        elif gone.errors is not None:
            kept.errors.is_known = kept.errors.is_known or gone.errors.is_known
        if kept.burst is None:
            kept.burst = gone.burst
        elif gone.burst is not None:
            kept.burst.detector.absorb(gone.burst.detector)

    def history(self, at: int) -> int:
        """Return how many buckets of history lie before bucket ``at``."""
        return at - self.first_at

    def _watch(self, detector: D, limit: float, rhythm: Rhythm | None = None) -> Watch[D]:
        return Watch(detector, limit, self._params.calibration, self._params.bucket_s, rhythm)

    def _end_silence(self, at: int, bucket: ClosedBucket) -> list[Finding]:
        if self.silent_since < 0:
            return []
        reading = self.silence.score_one(at - 1, 0)
        start_us = (self.last_at + 1) * self._params.bucket_s * 1_000_000
        self.silence.resume(at)
        self.rate.detector.hold(at - 1)
        self.share.detector.hold(at - 1)
        self.silent_since = -1
        return [Finding(AnomalyKind.SILENCE, "", reading, False, start_us, is_over=True)]

    def _volume(self, at: int, bucket: ClosedBucket, is_whole: bool) -> list[Finding]:
        n = float(bucket.n_records)
        if at == self.first_at:
            self.rate.detector.hold(at)
            self.silence.last = at
            return []
        if not is_whole:
            return []
        self.silence.learn_one(at, n)
        decision = self.rate.step(at, n)
        if decision is None:
            return []
        kind = AnomalyKind.VOLUME_SPIKE if self.rate.direction > 0 else AnomalyKind.VOLUME_DROP
        reading = decision.reading
        if decision.is_onset and self.rate.direction > 0:
            self.rate.detector.note_peak(n)
        start_us = bucket.start_us - (reading.window - 1) * (bucket.end_us - bucket.start_us)
        since_at = decision.since_at
        return [Finding(kind, "", reading, decision.is_onset, start_us, bucket.n_records, since_at=since_at)]

    def _share(self, at: int, bucket: ClosedBucket) -> list[Finding]:
        decision = self.share.step(at, (float(bucket.n_errors), float(bucket.n_records)))
        if decision is None:
            return []
        worst = max(bucket.templates, key=lambda t: (t.n_errors, -t.template), default=None)
        start_us = self._error_start(bucket, decision.reading.window)
        kind, onset, since_at = AnomalyKind.ERROR_SPIKE, decision.is_onset, decision.since_at
        return [Finding(kind, "", decision.reading, onset, start_us, bucket.n_errors, worst, since_at=since_at)]

    def _error_start(self, bucket: ClosedBucket, window: int) -> int:
        if window > 1:
            return bucket.start_us - (window - 1) * self._params.bucket_s * 1_000_000
        return min((t.first_us for t in bucket.templates if t.n_errors), default=bucket.start_us)

    def _exception(self, at: int, exception: ExceptionCount, bucket: ClosedBucket, covered: set[int]) -> list[Finding]:
        series = self.exceptions.get(exception.identity)
        if series is None:
            if len(self.exceptions) >= self._params.max_exceptions:
                self.overflow += exception.count
                return []
            series = self.exceptions[exception.identity] = self._new_error(at, exception.first_us)
        series.begin_run(at, exception.first_us)
        found, is_open = self._news(at, series, exception.count)
        series.last_us = bucket.end_us
        if is_open:
            covered.add(exception.template)
        if found is None:
            return []
        reading, is_onset = found
        subject = exception.identity
        template = next((t for t in bucket.templates if t.template == exception.template), None)
        kind, count = AnomalyKind.NEW_ERROR, exception.count
        away, stray, first_us = series.absent_us, self._stray_us(series), series.first_us
        return [
            Finding(
                kind, subject, reading, is_onset, first_us, count, template, exception, absent_us=away, stray_us=stray
            )
        ]

    def _template(self, at: int, seen: TemplateCount, bucket: ClosedBucket, covered: set[int]) -> list[Finding]:
        series = self.templates.get(seen.template)
        found: list[Finding] = []
        if series is None:
            if len(self.templates) >= self._params.max_templates:
                self.overflow += seen.count
                return []
            is_lifecycle = _LIFECYCLE.search(seen.text) is not None
            series = TemplateSeries(seen.template_id, seen.text, seen.first_us, seen.first_us, at, is_lifecycle)
            self.templates[seen.template] = series
            found += self._digest(at, seen)
        is_open = False
        if seen.n_errors and not seen.is_degraded:
            if series.errors is None:
                series.errors = self._new_error(at, seen.first_us)
                # a template that has long been there without errors is no new error: its share tells
                series.errors.is_known = series.count > series.n_errors and series.first_at < at
            series.errors.begin_run(at, seen.first_us)
            news, is_open = self._news(at, series.errors, seen.n_errors)
            if news is not None and seen.template not in covered:
                first_us, count = series.errors.first_us, seen.n_errors
                kind = AnomalyKind.NEW_ERROR
                away, stray = series.errors.absent_us, self._stray_us(series.errors)
                name = seen.template_id
                found.append(
                    Finding(kind, name, news[0], news[1], first_us, count, seen, absent_us=away, stray_us=stray)
                )
        is_open = is_open or seen.template in covered
        if not is_open:
            found += self._burst(at, series, seen, bucket)
        series.count += seen.count
        series.n_errors += seen.n_errors
        series.n_warnings += seen.n_warnings
        series.n_buckets += 1
        if is_open or (series.burst is not None and series.burst.is_open):
            series.n_alerted += seen.count
        else:
            series.peak = max(series.peak, seen.count)
        series.template_id, series.text, series.last_us = seen.template_id, seen.text, bucket.end_us
        return found

    def _new_error(self, at: int, first_us: int) -> ErrorSeries:
        return ErrorSeries(NoveltyDetector(self._limits.novelty, at - self.news_since), first_us, first_us)

    def _news(self, at: int, series: ErrorSeries, count: int) -> tuple[tuple[Reading, bool] | None, bool]:
        """Judge ``count`` records of a subject; return (reading and onset, or None) and whether it is news."""
        detector = series.novelty
        if series.is_known and self._is_back(at, detector):
            # it is judged as a new one would be, by the time for which it was away
            away = at - detector.last
            series.absent_us = away * self._params.bucket_s * 1_000_000
            detector = series.novelty = NoveltyDetector(self._limits.novelty, away)
            series.is_known = False
        if series.is_known:
            detector.learn_one(at, count)
            return None, False
        if series.since >= 0:
            adopt = at - series.since >= self.rate.adopt_buckets
            if adopt or at - detector.last > MAX_GAP_BUCKETS:
                series.is_known = True
                series.since = -1
                return None, False
            reading = self._rate_of_news(at, detector, count)
            detector.learn_one(at, count)
            return (reading, False), True
        reading = detector.score_one(at, count)
        detector.learn_one(at, count)
        if reading.score.raw >= self._limits.novelty.limit:
            series.since = at
            return (reading, True), True
        series.is_known = detector.is_settled(at)
        return None, False

    def _stray_us(self, series: ErrorSeries) -> int:
        """Return how long before its run a new error was first seen."""
        bucket_us = self._params.bucket_s * 1_000_000
        return max(series.first_us // bucket_us - max(series.novelty.first, 0), 0) * bucket_us

    def _is_back(self, at: int, detector: NoveltyDetector) -> bool:
        """Return whether a known error has been away for a day, and for long by what it did before."""
        away, span = at - detector.last, max(detector.last - detector.first, 1)
        least = self._params.regressed_after_s // self._params.bucket_s
        return detector.last >= 0 and away >= least and away >= REGRESSED_GAPS * span / max(detector.n_buckets, 1)

    def _rate_of_news(self, at: int, detector: NoveltyDetector, count: int) -> Reading:
        n = detector.history
        score = detector.score_one(detector.first, count).score
        return Reading(score, 1, float(count), 0.0, 1.0 / (n + 1), 1, 0)

    def _digest(self, at: int, seen: TemplateCount) -> list[Finding]:
        """Return a line for the digest about a template never seen before."""
        history_s = self.history(at) * self._params.bucket_s
        if seen.is_degraded or history_s < self._params.digest_history_s:
            return []
        kind = AnomalyKind.NEW_ERROR if seen.n_errors else AnomalyKind.NEW_TEMPLATE
        detector = NoveltyDetector(self._limits.novelty, self.history(at))
        reading = self._rate_of_news(at, detector, seen.count)
        return [Finding(kind, seen.template_id, reading, True, seen.first_us, seen.count, seen, is_digest=True)]

    def _burst(self, at: int, series: TemplateSeries, seen: TemplateCount, bucket: ClosedBucket) -> list[Finding]:
        if series.burst is None:
            # a template seen in a few buckets only is new or comes in batches: no rate to burst from
            if series.n_buckets < 1:
                return []
            known = series.count - series.n_alerted
            detector = BurstDetector.seeded(self._limits.burst, self.first_at, at, known, series.peak)
            series.burst = self._watch(detector, self._limits.burst.limit)
        if series.n_buckets < MIN_BURST_BUCKETS:
            series.burst.detector.learn_one(at, float(seen.count))
            return []
        began = series.burst.detector.began(at, float(seen.count))
        decision = series.burst.step(at, float(seen.count))
        if decision is None:
            return []
        kind = AnomalyKind.ERROR_SPIKE if 2 * seen.n_errors >= seen.count else AnomalyKind.VOLUME_SPIKE
        window = min(decision.reading.window, at - began + 1)
        start_us = seen.first_us if window == 1 else self._error_start(bucket, window)
        reading, onset, since_at = decision.reading, decision.is_onset, decision.since_at
        return [Finding(kind, seen.template_id, reading, onset, start_us, seen.count, seen, since_at=since_at)]

    def _operation(self, at: int, operation: str, durations: tuple[float, ...], bucket: ClosedBucket) -> list[Finding]:
        watch = self.operations.get(operation)
        if watch is None:
            if len(self.operations) >= self._params.max_operations:
                self.overflow += len(durations)
                return []
            watch = self._watch(LatencyDetector(self._limits.latency), self._limits.latency.limit)
            self.operations[operation] = watch
        decision = watch.step(at, log_durations(durations))
        if decision is None:
            return []
        reading = decision.reading
        start_us = bucket.start_us - (reading.window - 1) * self._params.bucket_s * 1_000_000
        kind, since_at = AnomalyKind.LATENCY, decision.since_at
        return [Finding(kind, operation, reading, decision.is_onset, start_us, len(durations), since_at=since_at)]

    def early_gates(self) -> tuple[int, int]:
        """Return from how many records, and how many errors, in the trailing window on `early` is worth a call."""
        level = None if self.rate.is_open else self.rate.detector.level(self.last_at + 1)
        errors = self.share.detector.level()
        # an error that is new may stand among others that are not: their usual number is passed over
        usual = errors.mean * self._limits.early.part if errors is not None else 0.0
        least_errors = ceil(max(self._limits.early.min_errors, 1.5 * usual))
        return NEVER if level is None else self.fast.least(level), least_errors

    def note_fast(self, n_records: int, n_errors: int) -> None:
        """Learn the fullest trailing window of a bucket that was just closed, unless an anomaly is open."""
        if not self.rate.is_open:
            self.fast.learn_one(n_records)
        if not self.share.is_open:
            self.fast_errors.learn_one(n_errors)

    def early(self, at: int, bucket: ClosedBucket, fast: tuple[int, int]) -> list[Finding]:
        """Judge the open bucket ``at`` by what it holds so far and by (records, errors) of the trailing window.

        Changes nothing.
        """
        found = []
        n, n_errors = float(fast[0]), float(fast[1])
        start_us = max(bucket.start_us, bucket.end_us - self._limits.early.window_s * 1_000_000)
        level = None if self.rate.is_open else self.rate.detector.level(at)
        if level is not None and self.rate.detector.n >= self._limits.rate.young_buckets:
            asked = self._limits.early.spike_decades
            reading = self.fast.score_one(n, level, asked=asked, is_clumped=True)
            if reading.score.raw >= self.rate.limit:
                found.append(Finding(AnomalyKind.VOLUME_SPIKE, "", reading, True, start_us, bucket.n_records))
        level = None if self.share.is_open else self.share.detector.level()
        if level is not None:
            part = self._limits.early.part
            level = replace(level, mean=max(level.mean, self.share.detector.share * n / part))
            reading = self.fast_errors.score_one(n_errors, level)
            if reading.score.raw >= self.share.limit and self.share.detector.is_rise(n_errors, reading.expected, n):
                worst = max(bucket.templates, key=lambda t: (t.n_errors, -t.template), default=None)
                first_us = min((t.first_us for t in bucket.templates if t.n_errors), default=start_us)
                first_us = max(first_us, start_us)
                found.append(Finding(AnomalyKind.ERROR_SPIKE, "", reading, True, first_us, bucket.n_errors, worst))
        return found + self._early_news(at, bucket.templates, bucket.exceptions)

    def _early_news(
        self, at: int, templates: Sequence[TemplateCount], exceptions: Sequence[ExceptionCount]
    ) -> list[Finding]:
        found = []
        # a template that comes with an exception is told by the exception's identity
        covered = {e.template for e in exceptions}
        by_index = {t.template: t for t in templates}
        for e in exceptions:
            if (reading := self._early_novelty(at, self.exceptions.get(e.identity), e.count)) is not None:
                template = by_index.get(e.template)
                found.append(
                    Finding(AnomalyKind.NEW_ERROR, e.identity, reading, True, e.first_us, e.count, template, e)
                )
        for t in templates:
            series = self.templates.get(t.template)
            if not t.n_errors or t.is_degraded or t.template in covered:
                continue
            if series is not None and series.errors is None and series.count:
                continue
            errors = series.errors if series is not None else None
            if (reading := self._early_novelty(at, errors, t.n_errors)) is not None:
                found.append(Finding(AnomalyKind.NEW_ERROR, t.template_id, reading, True, t.first_us, t.n_errors, t))
        return found

    def _early_novelty(self, at: int, series: ErrorSeries | None, count: int) -> Reading | None:
        if series is not None and (series.is_known or series.since >= 0):
            return None
        detector = NoveltyDetector(self._limits.novelty, self.history(at)) if series is None else series.novelty
        reading = detector.score_one(at, count)
        return reading if reading.score.raw >= self._limits.novelty.limit else None

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "key": [self.key.tenant, self.key.service],
            "ats": [
                self.first_at,
                self.last_at,
                self.due_at,
                self.silent_since,
                self.others_at,
                self.news_since,
                self.passed_at,
            ],
            "counts": [self.n_records, self.overflow],
            "fast": [self.fast.snapshot(), self.fast_errors.snapshot()],
            "rate": self.rate.snapshot(),
            "share": self.share.snapshot(),
            "silence": self.silence.snapshot(),
            "templates": [[i, *template_state(t)] for i, t in self.templates.items()],
            "exceptions": [[k, *error_state(e)] for k, e in self.exceptions.items()],
            "operations": [[k, w.snapshot()] for k, w in self.operations.items()],
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: DetectionParams, limits: Limits) -> StreamSeries:
        """Return the series whose `snapshot` this is."""
        first_at, last_at, due_at, silent_since, others_at, news_since, passed_at = state["ats"]
        self = cls(StreamKey(*state["key"]), first_at, params, limits, others_at)
        self.news_since, self.passed_at = news_since, passed_at
        self.last_at, self.due_at, self.silent_since = last_at, due_at, silent_since
        self.n_records, self.overflow = state["counts"]
        self.fast.restore(state["fast"][0])
        self.fast_errors.restore(state["fast"][1])
        rate = RateDetector.restore(state["rate"][0], limits.rate)
        self.rate = self._rewatch(rate, state["rate"], limits.rate, Rhythm(limits.rhythm))
        share = ShareDetector.restore(state["share"][0], limits.share)
        self.share = self._rewatch(share, state["share"], limits.share)
        self.silence = SilenceDetector.restore(state["silence"], limits.silence)
        for index, *rest in state["templates"]:
            self.templates[index] = self._restore_template(rest)
        for identity, *rest in state["exceptions"]:
            self.exceptions[identity] = self._restore_error(rest)
        for operation, watch in state["operations"]:
            detector = LatencyDetector.restore(watch[0], limits.latency)
            self.operations[operation] = self._rewatch(detector, watch, limits.latency)
        return self

    def _rewatch(self, detector: D, state: list[Any], limits: Any, rhythm: Rhythm | None = None) -> Watch[D]:
        watch = self._watch(detector, limits.limit, rhythm)
        watch.restore(state)
        return watch

    def _restore_error(self, state: list[Any]) -> ErrorSeries:
        novelty, *rest = state
        return ErrorSeries(NoveltyDetector.restore(novelty, self._limits.novelty), *rest)

    def _restore_template(self, state: list[Any]) -> TemplateSeries:
        *plain, errors, burst = state
        series = TemplateSeries(*plain)
        if errors is not None:
            series.errors = self._restore_error(errors)
        if burst is not None:
            detector = BurstDetector.restore(burst[0], self._limits.burst)
            series.burst = self._rewatch(detector, burst, self._limits.burst)
        return series
