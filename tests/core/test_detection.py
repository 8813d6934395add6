"""Laws of detection over simulated buckets: quiet where nothing is wrong, each planted fault found at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import msgspec
import pytest

from fm_anomaly.core.alerts import AlertBook
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind
from fm_anomaly.core.detection import Detection
from fm_anomaly.core.features import ClosedBucket, TemplateCount
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.incidents import Incident, group
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import Snapshot
from tests.core.simulated import DAY, MINUTE_US, START_US, Plant, simulate

Minutes = Iterable[tuple[int, list[ClosedBucket]]]


def _pages(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    return [a for a in anomalies if not a.is_digest and not a.is_over]


def _anomalies(minutes: Minutes, detection: Detection | None = None) -> list[Anomaly]:
    detection = detection or Detection()
    return [a for start_us, buckets in minutes for a in detection.close(start_us, buckets)]


def _incidents(minutes: Minutes) -> list[Incident]:
    detection, book = Detection(), AlertBook()
    for start_us, buckets in minutes:
        book.apply(detection.close(start_us, buckets), start_us + MINUTE_US)
    return [i for i in group(book.alerts) if i.severity != "low"]


@pytest.mark.parametrize("seed", range(2))
def test_a_stationary_stream_is_quiet(seed: int) -> None:
    """Two days of Poisson counts at rates from 1 to 300 a minute raise nothing."""
    rates = {f"s{i}": rate for i, rate in enumerate((1.0, 3.0, 12.0, 60.0, 300.0))}
    assert _pages(_anomalies(simulate(seed, 2, rates=rates, is_plain=True))) == []


@pytest.mark.parametrize("seed", range(1))
def test_a_week_of_days_is_quiet(seed: int) -> None:
    """Season, noise, cron jobs, restarts and chronic errors over seven days raise no incident."""
    assert _incidents(simulate(100 + seed, 7)) == []


@pytest.mark.parametrize("rate", [12.0, 60.0, 300.0])
@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("spike", 10.0, AnomalyKind.VOLUME_SPIKE),
        ("silence", 0.0, AnomalyKind.SILENCE),
        ("outage", 0.9, AnomalyKind.NEW_ERROR),
        ("new_error", 12.0, AnomalyKind.NEW_ERROR),
    ],
)
def test_found_within_one_bucket(kind: str, size: float, expected: AnomalyKind, rate: float) -> None:
    """A tenfold burst, a silence, an outage and a new error of at least 12 a minute are found in their first bucket."""
    plant = Plant(kind, "api", at=120, length=5, size=size)
    found = _pages(_anomalies(simulate(7, 0.1, plant, rates={"api": rate, "worker": 20.0}, is_plain=True)))
    assert [a for a in found if a.kind is expected]
    first = next(a for a in found if a.kind is expected)
    assert first.stream.service == "api"
    assert first.tick_us == START_US + 121 * MINUTE_US


def test_a_slow_stream_is_missed_after_twelve_records() -> None:
    """At two a minute a silence is told when twelve records are missing, and not long after."""
    plant = Plant("silence", "api", at=180, length=40)
    found = _pages(_anomalies(simulate(3, 0.2, plant, rates={"api": 2.0}, is_plain=True)))
    assert {a.kind for a in found} <= {AnomalyKind.SILENCE, AnomalyKind.VOLUME_DROP}
    minutes = (found[0].tick_us - START_US) // MINUTE_US
    assert 180 + 5 <= minutes <= 180 + 14


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "size", "length"),
    [
        ("outage", 0.4, 4),
        ("new_error", 3.0, 20),
        ("latency", 4.0, 100),
        ("silence", 0.0, 20),
        ("drop", 0.3, 25),
        ("burst", 10.0, 15),
        ("cascade", 0.4, 6),
    ],
)
def test_each_planted_fault_is_one_incident(kind: str, size: float, length: int, seed: int) -> None:
    """Each kind of fault, in noisy traffic with a season, gives exactly one incident that names its service."""
    plant = Plant(kind, "worker", at=200, length=length, size=size)
    rates = {"api": 80.0, "worker": 25.0, "cache": 8.0}
    incidents = _incidents(simulate(40 + seed, 0.25, plant, rates=rates))
    assert len(incidents) == 1
    assert "worker" in incidents[0].services
    assert incidents[0].start_us < START_US + (200 + length) * MINUTE_US
    assert incidents[0].last_us > START_US + 200 * MINUTE_US


def test_three_errors_of_four_are_no_incident_and_three_hundred_of_four_hundred_are() -> None:
    """An error share counts with its sample size."""
    for n_errors, n_records, is_found in ((3, 4, False), (300, 400, True)):
        detection = Detection()
        for at in range(60):
            detection.close(START_US + at * MINUTE_US, [_bucket(at, {1: (n_records, n_records // 100)})])
        found = detection.close(START_US + 60 * MINUTE_US, [_bucket(60, {1: (n_records, n_errors)})])
        assert bool(_pages(found)) is is_found


def test_errors_from_the_start_are_known_and_not_alerted() -> None:
    """A chronic error is listed with its rate; one that appears hours later is alerted and not listed."""
    detection = Detection()
    rng = Random(5)
    found = []
    for at in range(180):
        counts = {1: (30, 0), 2: (1, 1)} if rng.random() < 0.6 or at < 3 else {1: (30, 0)}
        if 150 <= at < 154:
            counts[3] = (40, 40)
        found += detection.close(START_US + at * MINUTE_US, [_bucket(at, counts)])
    assert {a.subject for a in _pages(found)} <= {"t3", ""}
    (known,) = detection.known()
    assert known.template_id == "t2"
    assert 0.4 < known.rate_per_min < 0.8
    assert known.reason.startswith("steady 0.")


def test_a_single_error_is_for_the_digest() -> None:
    """One new error record is told in the digest, never as a page."""
    detection = Detection()
    found = []
    for at in range(120):
        counts = {1: (30, 0), 2: (1, 1)} if at == 100 else {1: (30, 0)}
        found += detection.close(START_US + at * MINUTE_US, [_bucket(at, counts)])
    (entry,) = found
    assert entry.is_digest
    assert entry.kind is AnomalyKind.NEW_ERROR


def test_empty_buckets_may_be_left_out() -> None:
    """Closing every minute or only those with records gives the same anomalies."""
    plant = Plant("silence", "api", at=130, length=200)
    minutes = list(simulate(9, 0.3, plant, rates={"api": 20.0}, is_plain=True))
    every = _anomalies(minutes)
    assert every == _anomalies([m for m in minutes if m[1]])
    assert [a.kind for a in every if not a.is_digest] == [AnomalyKind.SILENCE, AnomalyKind.SILENCE]
    assert every[-1].is_over


@pytest.mark.parametrize("cut", [5, 121, 126, 140])
def test_a_snapshot_in_the_middle_changes_nothing(cut: int) -> None:
    """Detection and book restored within a warm-up, a fault or after it go on as if they had never stopped."""
    minutes = list(simulate(11, 0.12, Plant("cascade", "api", at=120, length=8, size=0.4)))
    assert _run_with_restart(minutes, None) == _run_with_restart(minutes, cut)


def _run_with_restart(minutes: list[tuple[int, list[ClosedBucket]]], cut: int | None) -> list[object]:
    detection, book, events = Detection(), AlertBook(), []
    for at, (start_us, buckets) in enumerate(minutes):
        if at == cut:
            saved = msgspec.msgpack.encode([detection.snapshot(), book.snapshot()])
            first, second = msgspec.msgpack.decode(saved)
            detection, book = Detection.restore(first), AlertBook.restore(second)
        events += book.apply(detection.close(start_us, buckets), start_us + MINUTE_US)
    return [*events, *group(book.alerts)]


def test_the_order_of_streams_does_not_matter() -> None:
    """Buckets handed over in another order give the same anomalies."""
    minutes = list(simulate(13, 0.12, Plant("cascade", "api", at=120, length=8, size=0.4)))
    assert _anomalies(minutes) == _anomalies((start, buckets[::-1]) for start, buckets in minutes)


def test_the_end_of_the_input_is_no_absence() -> None:
    """A last bucket that is cut short is no drop and no silence."""
    minutes = list(simulate(17, 0.1, rates={"api": 100.0, "worker": 50.0}, is_plain=True))
    detection = Detection()
    _anomalies(minutes, detection)
    at = len(minutes)
    start_us = START_US + at * MINUTE_US
    last = detection.close(start_us, [_bucket(at, {0: (2, 0)}, service="api")], end_us=start_us + 2_000_000)
    assert _pages(last) == []


def test_nothing_is_learned_from_an_open_bucket() -> None:
    """Early findings are of what its close would tell, and change nothing."""
    detection = Detection()
    _anomalies(simulate(19, 0.1, rates={"api": 30.0}, is_plain=True), detection)
    stream = StreamKey("default", "api")
    before = msgspec.msgpack.encode(detection.snapshot())
    n, n_errors = detection.early_gates(stream)
    assert 16 < n < 100
    assert n_errors == 8
    start_us = START_US + 144 * MINUTE_US
    quiet = replace(_bucket(144, {0: (n - 1, 0)}, service="api"), end_us=start_us + 9_000_000)
    assert detection.early(quiet, (n - 1, 0)) == []
    full = replace(_bucket(144, {0: (120, 0), 71: (20, 20)}, service="api"), end_us=start_us + 9_000_000)
    early = detection.early(full, (140, 20))
    assert {a.kind for a in early} >= {AnomalyKind.VOLUME_SPIKE, AnomalyKind.NEW_ERROR}
    assert all(a.is_early for a in early)
    assert msgspec.msgpack.encode(detection.snapshot()) == before
    closed = {(a.kind, a.subject) for a in detection.close(start_us, [_bucket(144, {0: (280, 0), 71: (20, 20)})])}
    assert closed >= {(a.kind, a.subject) for a in early}


def test_an_outage_is_not_learned_as_normal() -> None:
    """A second outage an hour after the first is found again, as large as the first."""
    first = list(simulate(23, 0.1, Plant("drop", "api", 100, 30, 0.2), rates={"api": 60.0}, is_plain=True))
    shift = len(first)
    again = [
        (s + shift * MINUTE_US, [_shifted(b, shift) for b in buckets])
        for s, buckets in simulate(23, 0.1, Plant("drop", "api", 100, 30, 0.2), rates={"api": 60.0}, is_plain=True)
    ]
    onsets = [a for a in _pages(_anomalies([*first, *again])) if a.is_onset and a.kind is AnomalyKind.VOLUME_DROP]
    assert len(onsets) == 2


def test_a_shift_that_stays_is_adopted() -> None:
    """A threefold volume is told once, goes on for hours, and is the new normal after that."""
    plant = Plant("spike", "api", at=200, length=2 * DAY, size=3.0)
    found = _pages(_anomalies(simulate(29, 1.5, plant, rates={"api": 60.0}, is_plain=True)))
    of_stream = [a for a in found if a.subject == ""]
    assert sum(a.is_onset for a in of_stream) == 1
    hours = (of_stream[-1].tick_us - of_stream[0].tick_us) / MINUTE_US / 60
    assert 3.5 < hours < 4.5


def test_a_merge_of_templates_is_no_burst_and_no_news() -> None:
    """Where a rare template takes over a busy one, the sum of their counts is what is expected."""
    detection, stream = Detection(), StreamKey("default", "api")
    for at in range(120):
        counts = {1: (40, 40), 2: (40, 0), 3: (1, 1)} if at % 3 == 0 else {1: (40, 40), 2: (40, 0)}
        detection.close(START_US + at * MINUTE_US, [_bucket(at, counts)])
    detection.merge(stream, 1, 3)
    detection.merge(stream, 2, 9)
    found = []
    for at in range(120, 140):
        found += detection.close(START_US + at * MINUTE_US, [_bucket(at, {3: (40, 40), 9: (40, 0)})])
    assert found == []


def test_known_are_failures_whatever_their_level_and_no_access_lines() -> None:
    """A steady warning that speaks of a failure is known; one that does not, and a few 5xx of a route, are not."""
    detection = Detection()
    for at in range(180):
        start_us = START_US + at * MINUTE_US
        counts = [
            TemplateCount(1, "t1", '"GET <path> HTTP/1.1"', 40, 2, start_us),
            TemplateCount(2, "t2", "job <num> failed: upstream returned <num>, retrying", 1, 0, start_us, n_warnings=1),
            TemplateCount(3, "t3", "cache is nearly full", 1, 0, start_us, n_warnings=1),
            TemplateCount(4, "t4", "lookup timed out", 40, 0, start_us, n_warnings=2),
            TemplateCount(5, "t5", "no route", 1, 1, start_us),
        ]
        shown = tuple(t for t in counts if t.template != 2 or at % 5 < 3)
        n, errors = sum(t.count for t in shown), sum(t.n_errors for t in shown)
        key = StreamKey("default", "api")
        detection.close(start_us, [ClosedBucket(key, start_us, start_us + MINUTE_US, n, errors, shown)])
        if at == 90:
            detection = Detection.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(detection.snapshot())))
    assert [(k.template_id, k.count) for k in detection.known()] == [("t5", 180), ("t2", 108)]
    assert detection.known()[1].reason == "steady 0.6/min over 2h58m"


def test_streams_and_templates_are_capped() -> None:
    """Names that never repeat do not grow the state beyond its caps, and what is beyond is counted."""
    detection = Detection()
    buckets = [_bucket(0, {i: (1, 0)}, service=f"s{i}") for i in range(2500)]
    detection.close(START_US, buckets)
    assert len(detection.streams()) == detection.params.max_streams
    assert detection.n_streams_beyond == 500


def _bucket(at: int, counts: dict[int, tuple[int, int]], service: str = "api") -> ClosedBucket:
    start_us = START_US + at * MINUTE_US
    templates = tuple(
        TemplateCount(t, f"t{t}", f"text {t}", n, errors, start_us) for t, (n, errors) in sorted(counts.items())
    )
    n_records, n_errors = (sum(c[i] for c in counts.values()) for i in (0, 1))
    return ClosedBucket(StreamKey("default", service), start_us, start_us + MINUTE_US, n_records, n_errors, templates)


def _shifted(bucket: ClosedBucket, minutes: int) -> ClosedBucket:
    by = minutes * MINUTE_US
    templates = tuple(
        TemplateCount(t.template, t.template_id, t.text, t.count, t.n_errors, t.first_us + by) for t in bucket.templates
    )
    return ClosedBucket(
        bucket.stream, bucket.start_us + by, bucket.end_us + by, bucket.n_records, bucket.n_errors, templates
    )


def _spoken(at_s: int, seconds: int, services: tuple[str, ...]) -> bytes:
    """Return lines of services that say something every three seconds."""
    lines = []
    for second in range(at_s, at_s + seconds, 3):
        stamp = datetime.fromtimestamp(START_US // 1_000_000 + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines += [f"{stamp} INFO [{service}] request {second} served\n" for service in services]
    return "".join(lines).encode()


@pytest.mark.parametrize("is_told", [True, False])
def test_nobody_was_silent_while_nobody_listened(is_told: bool) -> None:
    """After an hour of downtime the first service to come back makes nobody silent, and no rate drop."""
    pipeline, name = Pipeline(), SourceName("live", "app")
    events = pipeline.observe(name, _spoken(0, 3600, ("api", "worker")))
    pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
    if is_told:
        pipeline.unheard(3600 * 1_000_000)
    events += pipeline.observe(name, _spoken(7200, 20, ("api",)))
    events += pipeline.observe(name, _spoken(7220, 1200, ("api", "worker")))
    kinds = {event.alert.kind for event in events}
    assert kinds == (set() if is_told else {AnomalyKind.SILENCE})


def test_a_silence_after_the_downtime_is_found() -> None:
    """Who does not come back once somebody listens again is silent."""
    pipeline, name = Pipeline(), SourceName("live", "app")
    pipeline.observe(name, _spoken(0, 3600, ("api", "worker")))
    pipeline.unheard(3600 * 1_000_000)
    events = pipeline.observe(name, _spoken(7200, 1200, ("api",)))
    assert [(e.alert.kind, e.alert.stream.service) for e in events] == [(AnomalyKind.SILENCE, "worker")]
    assert events[0].alert.start_us >= START_US + 3600 * 1_000_000
