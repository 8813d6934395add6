"""What comes regularly and fails to come is told; what is irregular, restarted or shifted by an hour is not."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.alerts import AlertEvent
from fm_anomaly.core.cadences import STREAM, Cadences, Missed
from fm_anomaly.core.detectors.cadence import CadenceDetector, CadenceParams
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.core.state import Snapshot

JOB, OTHER = 1, 0


def play(
    beats: Iterable[int],
    until: int,
    *,
    traffic: bool = True,
    restarts: Iterable[int] = (),
    cadences: Cadences | None = None,
    start: int = 0,
) -> list[tuple[int, Missed]]:
    """Return (bucket, what is told) of a stream in which a job beats, with or without other records."""
    cadences = cadences or Cadences(CadenceParams())
    job, told, found = set(beats), set(restarts), []
    for at in range(start, until):
        came = [OTHER] * traffic + [JOB] * (at in job)
        missed = cadences.close(at, came, is_restart=at in told, is_whole=True) if came else cadences.judge(at)
        found += [(at, one) for one in missed]
    return found


def hourly(n: int, seed: int = 1, period: int = 60) -> list[int]:
    """Return the minutes of a job that comes every hour, a little late at times where its period is longer than 3."""
    rng = Random(seed)
    return [5 + period * i + rng.choice((0, 0, 0, 1)) * (period > 3) for i in range(n)]


def test_a_missed_job_is_told_within_minutes_and_once() -> None:
    """An hourly job that fails to come is missed soon after its hour, and it is told when it comes again."""
    beats = [at for i, at in enumerate(hourly(60)) if i not in (40, 41)]
    [(at, missed), (back, over)] = play(beats, 60 * 60)
    due = 5 + 60 * 40
    assert due < at <= due + 8
    assert (missed.template, missed.is_over, over.is_over) == (JOB, False, True)
    assert back == beats[40]


@pytest.mark.parametrize("period", [3, 5, 15])
def test_a_heartbeat_of_minutes_is_missed_after_a_few(period: int) -> None:
    """A beat of some minutes needs two hours of history and is missed within five minutes of its time."""
    beats = [at for at in hourly(200, period=period) if at < 24 * period + 200]
    [(at, _)] = play(beats, beats[-1] + 120)
    assert beats[-1] + period < at <= beats[-1] + period + 5


def test_a_stream_that_only_beats_is_missed_as_a_whole() -> None:
    """With no other records it is the stream that is silent, and no template of it is told beside."""
    beats = hourly(60, period=5)
    [(at, missed)] = play(beats, beats[-1] + 600, traffic=False)
    assert missed.template == STREAM
    assert at <= beats[-1] + 10


@pytest.mark.parametrize("seed", range(8))
def test_what_is_irregular_is_never_missed(seed: int) -> None:
    """Records that come by chance, however rare, have no cadence."""
    rng = Random(seed)
    beats = [at for at in range(4_000) if rng.random() < 0.05]
    assert play(beats, 8_000) == []


@pytest.mark.parametrize("period", [180, 360, 1440])
def test_a_change_of_the_clock_is_no_miss(period: int) -> None:
    """A job of local time that comes an hour late once, as the clock goes back, is not missed."""
    beats = [period * i + (60 if i >= 14 else 0) for i in range(18)]
    assert play(beats, beats[-1] + period) == []


def test_what_pauses_at_night_has_no_cadence() -> None:
    """An hourly job of office hours is not missed in the evening."""
    beats = [1440 * day + 60 * hour for day in range(6) for hour in range(8, 18)]
    assert play(beats, 6 * 1440) == []


def test_a_deploy_begins_the_count_anew() -> None:
    """A timer that a restart sets back is waited for a whole period from there, and the long gap is not learned."""
    beats = hourly(40)
    later = [beats[-1] + 50 + 62 * i for i in range(1, 10)]
    assert play([*beats, *later], later[-1] + 30, restarts=[beats[-1] + 50]) == []
    [(at, _)] = play(beats, beats[-1] + 300, restarts=[beats[-1] + 50])
    assert beats[-1] + 110 < at <= beats[-1] + 122


def test_templates_of_one_job_are_missed_once() -> None:
    """A job that writes three lines is one matter."""
    cadences, found = Cadences(CadenceParams()), []
    for at in range(40 * 60):
        here = at % 60 < 3 and at < 35 * 60
        found += cadences.close(at, [OTHER, *([1 + at % 60] * here)], is_restart=False, is_whole=True)
    assert len(found) == 1


def test_what_stays_away_is_given_up() -> None:
    """After a day (or three periods) a job is taken for gone: its miss ends, and it must be learned anew."""
    beats = hourly(40)
    [(_, missed), (at, over)] = play(beats, beats[-1] + 3_000)
    assert (missed.is_over, over.is_over) == (False, True)
    assert at <= beats[-1] + 1440 + 80


@given(st.lists(st.integers(1, 12), max_size=80), st.integers(0, 400))
def test_a_snapshot_changes_nothing(gaps: list[int], cut: int) -> None:
    """Cadences restored from their encoded snapshot go on as if they had never stopped."""
    beats = [sum(gaps[: i + 1]) for i in range(len(gaps))] + [1_000 + 5 * i for i in range(40)]
    whole = play(beats, 1_300)
    cadences = Cadences(CadenceParams())
    first = play(beats, cut, cadences=cadences)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(cadences.snapshot()))
    rest = play(beats, 1_300, cadences=Cadences.restore(state, CadenceParams()), start=cut)
    assert first + rest == whole


def test_templates_are_bounded() -> None:
    """Never-repeating templates keep the state small."""
    cadences = Cadences(CadenceParams())
    for at in range(3_000):
        cadences.close(at, [at], is_restart=False, is_whole=True)
    assert len(msgspec.msgpack.encode(cadences.snapshot())) < 30_000


def test_due_is_the_first_bucket_that_scores() -> None:
    """`due` names the bucket from which on `score_one` passes the limit."""
    beat = CadenceDetector()
    for at in hourly(40):
        beat.learn_one(at, 1.0)
    due = beat.due()
    assert beat.score_one(due, 0.0).score.raw >= CadenceParams().limit
    assert beat.score_one(due - 2, 0.0).score.raw < CadenceParams().limit + 1


def nightly(hours: int, missing: set[int], *, traffic: bool = True) -> bytes:
    """Return the lines of a shop whose report is rendered every hour, but for some hours."""
    rng, lines = Random(1), []
    for minute in range(hours * 60):
        at = f"2026-03-{2 + minute // 1440:02d} {minute // 60 % 24:02d}:{minute % 60:02d}"
        if traffic:
            lines += [
                f"{at}:{s:02d} INFO [shop] sold item {rng.randint(1, 99)}" for s in sorted(rng.sample(range(60), 5))
            ]
        if minute % 60 == 7 and minute // 60 not in missing:
            lines.append(f"{at}:59 INFO [shop] hourly report rendered with {rng.randint(1, 99)} rows")
    return ("\n".join(lines) + "\n").encode()


def told(data: bytes, *, cut: int | None = None) -> list[AlertEvent]:
    """Return what a pipeline tells of some lines, with a restart at byte `cut`."""
    name, pipeline = SourceName("shop.log", "shop"), Pipeline()
    events = pipeline.observe(name, data[: cut or len(data)])
    if cut is not None:
        pipeline = Pipeline.restore(Snapshot.from_bytes(pipeline.snapshot().to_bytes()))
        events += pipeline.observe(name, data[cut:])
    return events + pipeline.flush()


@pytest.mark.parametrize("traffic", [True, False])
def test_a_missed_job_is_an_alert_with_a_true_sentence(traffic: bool) -> None:
    """Through the whole pipeline: it fires minutes after the job was due, and resolves when the job is back."""
    events = told(nightly(40, {30, 31}, traffic=traffic))
    assert [e.action.value for e in events] == ["fire", "resolve"]
    alert = events[0].alert
    assert alert.title == ("missed: hourly report rendered rows" if traffic else "shop is silent")
    assert alert.reason in {f"not seen for {n}m, came every 1h the last 24 times" for n in ("1h04", "1h05")}
    assert alert.start_us // 60_000_000 % 1440 == 6 * 60 + 7
    assert alert.severity.value == "medium"


def test_a_restart_in_an_open_miss_changes_nothing() -> None:
    """A snapshot while a job is missed is gone on with."""
    data = nightly(40, {30, 31})
    whole = [repr(e) for e in told(data)]
    for share in (0.5, 0.78):
        assert [repr(e) for e in told(data, cut=int(len(data) * share))] == whole


def test_chance_is_no_cadence() -> None:
    """Records of chance, one in two minutes, are not taken for a beat in a week; a beat of 90 s is."""
    for seed in (3, 4):
        rng = Random(seed)
        beat = CadenceDetector()
        believed = 0
        for at in range(7 * 1440):
            if rng.random() < 0.4:
                beat.learn_one(at, 1.0)
                believed += beat.period > 0
        assert believed == 0
    regular = CadenceDetector()
    for at in sorted({int(k * 1.5 + 0.3) for k in range(200)}):
        regular.learn_one(at, 1.0)
    assert regular.period == 3
