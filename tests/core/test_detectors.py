"""Contract of all detectors: pure score, causal, bounded, and safe on zeros, gaps, constants, one point."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest

from fm_anomaly.core.anomalies import Reading
from fm_anomaly.core.detectors import (
    DETECTORS,
    BurstDetector,
    EarlyDetector,
    LatencyDetector,
    RateDetector,
    SilenceDetector,
    log_durations,
)
from fm_anomaly.core.detectors.early import Level
from fm_anomaly.core.detectors.tails import count_decades, count_size, ew_step, half_life_alpha
from fm_anomaly.core.sessions import Session

Series = list[tuple[int, Any]]


def _inputs(name: str, counts: list[float], rng: Random) -> Series:
    """Return the counts as the kind of value that a detector takes, with the number of their bucket."""
    if name == "share":
        return [(i, (float(rng.randint(0, int(c))), float(c))) for i, c in enumerate(counts)]
    if name == "latency":
        return [(i, log_durations([rng.lognormvariate(4, 0.5) for _ in range(int(c))])) for i, c in enumerate(counts)]
    if name == "sequence":
        return [(i, _session(i, int(c))) for i, c in enumerate(counts)]
    if name in ("burst", "novelty"):
        return [(i, c) for i, c in enumerate(counts) if c > 0]
    return list(enumerate(counts))


def _session(at: int, count: int) -> Session:
    """Return a session of three steps, the second taken `count` times."""
    start = at * 60_000_000
    return Session(start, start + 9, 1, count + 2, {1: [1, start], 2: [max(count, 1), start + 1], 3: [1, start + 2]})


def _shapes(rng: Random) -> dict[str, list[float]]:
    steady = [float(rng.randint(5, 15)) for _ in range(80)]
    return {
        "zeros": [0.0] * 60,
        "constant": [7.0] * 60,
        "one": [5.0],
        "steady": steady,
        "gap": [*steady[:30], *[0.0] * 90, *steady[:30]],
        "burst": [*steady, 400.0, 390.0, *steady],
        "huge": [1e9 if i % 7 == 0 else 0.0 for i in range(40)],
    }


SHAPES = list(_shapes(Random(0)))
each_detector = pytest.mark.parametrize("name", sorted(DETECTORS))
each_shape = pytest.mark.parametrize("shape", SHAPES)


def _run(name: str, series: Series, detector: Any = None) -> list[Reading]:
    detector = detector or DETECTORS[name]()
    readings = []
    for at, x in series:
        readings.append(detector.score_one(at, x))
        detector.learn_one(at, x)
    return readings


def _series(name: str, shape: str) -> Series:
    rng = Random(1)
    return _inputs(name, [min(c, 500.0) if name == "latency" else c for c in _shapes(rng)[shape]], rng)


@each_detector
@each_shape
def test_a_score_changes_nothing_and_lies_in_bounds(name: str, shape: str) -> None:
    """`score_one` is pure: its state before equals its state after, and its value lies in [0, 1]."""
    detector = DETECTORS[name]()
    for at, x in _series(name, shape):
        before = repr(detector.snapshot())
        first, second = detector.score_one(at, x), detector.score_one(at, x)
        assert repr(detector.snapshot()) == before
        assert first == second
        assert 0.0 <= first.score.value <= 1.0
        assert math.isfinite(first.score.raw)
        assert first.expected_low <= first.expected <= first.expected_high or first.direction == 2
        detector.learn_one(at, x)


@each_detector
@each_shape
def test_readings_know_only_the_past(name: str, shape: str) -> None:
    """A prefix of a series gets the readings that it gets in the whole series."""
    series = _series(name, shape)
    half = len(series) // 2
    assert _run(name, series)[:half] == _run(name, series[:half])


@each_detector
@each_shape
def test_a_snapshot_in_the_middle_changes_nothing(name: str, shape: str) -> None:
    """A detector restored from its encoded snapshot goes on as if it had never stopped."""
    series = _series(name, shape)
    half = len(series) // 2
    detector = DETECTORS[name]()
    first = _run(name, series[:half], detector)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.snapshot()))
    assert first + _run(name, series[half:], DETECTORS[name].restore(state)) == _run(name, series)


@each_detector
def test_state_stays_small(name: str) -> None:
    """The state of a series does not grow with its length."""
    rng = Random(2)
    detector = DETECTORS[name]()
    _run(name, _inputs(name, [float(rng.randint(0, 9)) for _ in range(600)], rng), detector)
    size = len(msgspec.msgpack.encode(detector.snapshot()))
    assert size < 4096


def test_moments_are_those_of_river() -> None:
    """Level and scale of plain series are bit-equal to river's EWMean and EWVar."""
    stats = pytest.importorskip("river.stats")
    rng = Random(3)
    alpha = half_life_alpha(30)
    mean_of, var_of = stats.EWMean(alpha), stats.EWVar(alpha)
    mean = square = 0.0
    for i in range(500):
        x = float(rng.randint(0, 300))
        mean, square = (x, x * x) if i == 0 else (ew_step(mean, x, alpha), ew_step(square, x * x, alpha))
        mean_of.update(x)
        var_of.update(x)
        assert mean == mean_of.get()
        assert square - mean * mean == var_of.get()


def test_decades_bound_the_chance() -> None:
    """The Chernoff bound is never below the true tail, and is exact at zero."""
    stats = pytest.importorskip("scipy.stats")
    for mean in (0.2, 3.0, 40.0):
        for size in (2.0, 50.0, 1e6):
            law = stats.nbinom(size, size / (size + mean))
            assert count_decades(0, mean, size) == pytest.approx(-math.log10(law.pmf(0)), rel=1e-6)
            for x in (1, 5, 20, 90):
                tail = law.sf(x - 1) if x > mean else law.cdf(x)
                assert 10 ** -count_decades(x, mean, size) >= tail * (1 - 1e-9)


def test_doubt_shrinks_with_evidence() -> None:
    """The same counts are more telling the longer the history behind the expectation."""
    sizes = [count_size(10, 10, n, 1, 0.1) for n in (1, 10, 100, 10_000)]
    assert sizes == sorted(sizes)


def _rates(make: Callable[[Random], float], n: int, seed: int = 5) -> tuple[RateDetector, int]:
    rng = Random(seed)
    detector = RateDetector()
    for at in range(n):
        detector.learn_one(at, make(rng))
    return detector, n


def test_a_tenfold_bucket_is_beyond_the_limit_and_a_usual_one_is_not() -> None:
    """Ten times the rate passes the limit in one bucket, 1.5 times it does not."""
    detector, at = _rates(lambda rng: float(rng.randint(8, 16)), 60)
    assert detector.score_one(at, 120.0).score.raw > 5.1
    assert detector.score_one(at, 18.0).score.raw < 5.1


def test_what_came_before_is_expected_again() -> None:
    """A batch as large as earlier ones is no spike."""
    detector, at = _rates(lambda rng: 10.0, 60)
    detector.learn_one(at, 100.0)
    for i in range(1, 60):
        detector.learn_one(at + i, 10.0)
    assert detector.score_one(at + 60, 100.0).score.raw < 5.1


def test_a_template_that_comes_in_batches_is_held_against_its_largest() -> None:
    """Batches of one size every hour never burst."""
    detector = BurstDetector()
    for hour in range(12):
        assert detector.score_one(60 * hour, 50.0).score.raw < 6.1 or hour == 0
        detector.learn_one(60 * hour, 50.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0])
def test_durations_that_are_none_do_no_harm(bad: float) -> None:
    """NaN and infinity are left out, zero and negative ones are the shortest."""
    detector = LatencyDetector()
    for at in range(30):
        x = log_durations([100.0 + at % 3, bad, 110.0])
        assert math.isfinite(detector.score_one(at, x).score.raw)
        detector.learn_one(at, x)
    assert math.isfinite(detector.mean)


@pytest.mark.parametrize("seed", range(300))
def test_the_search_for_a_silence_finds_the_first_bucket(seed: int) -> None:
    """`due` names the bucket that a search of every bucket would find, whatever was learned."""
    rng = Random(seed)
    detector = SilenceDetector()
    rate, most = rng.choice([0.002, 0.02, 0.2, 0.8, 1.0]), rng.choice([1, 2, 11, 12, 30, 500])
    at = 0
    for _ in range(rng.randint(5, 150)):
        at += 1 + int(rng.expovariate(rate) if rate < 1 else 0)
        detector.learn_one(at, float(rng.randint(1, most)))
    if rng.random() < 0.3:
        detector.resume(at + rng.randint(2, 300))
    grace = rng.choice([0, 0, 3])
    first = detector.last + 1 + grace
    limit = 5.1
    found = (b for b in range(first, first + 200_000) if detector.score_one(b, 0).score.raw >= limit)
    slow = next(found, -1) if detector.due(grace) >= 0 else -1
    assert detector.due(grace) == slow
    if slow < 0 and detector.n >= 10:
        assert next((b for b in range(first, first + 1440) if detector.score_one(b, 0).score.raw >= limit), -1) < 0


def test_one_empty_minute_of_records_that_come_in_clumps_is_no_silence() -> None:
    """Records that come nine at a time leave a minute empty by chance; as many that come singly do not."""
    clumped, plain = SilenceDetector(), SilenceDetector()
    rng = Random(5)
    for at in range(300):
        clumped.learn_one(at, 9.0 * max(sum(rng.random() < 0.3 for _ in range(10)), 1))
        plain.learn_one(at, float(sum(rng.random() < 0.3 for _ in range(90))))
    assert plain.due() == 300
    assert 300 < clumped.due() <= 304


def test_the_first_run_of_a_job_is_no_spike() -> None:
    """In its first hour a series has no spike of a single minute; of some minutes, it has."""
    detector = RateDetector()
    for at in range(30):
        detector.learn_one(at, 5.0)
    assert detector.score_one(30, 60.0).score.raw < 5.1
    detector.learn_one(30, 60.0)
    assert detector.score_one(31, 60.0).score.raw >= 5.1


def test_a_lull_of_clumps_is_less_improbable_than_one_of_single_records() -> None:
    """Two records where 28 were expected tell of a drop where they come singly, and of chance where by fives."""
    rng = Random(3)
    raw = []
    for clump in (1, 5):
        detector = RateDetector()
        for at in range(300):
            detector.learn_one(at, float(clump * sum(rng.random() < 0.06 / clump for _ in range(100))))
        for at in range(300, 304):
            detector.learn_one(at, 0.0)
        raw.append(detector.score_one(304, 1.0).score.raw)
    assert raw[0] >= 5.1 > raw[1]


def test_ten_seconds_of_clumps_are_less_improbable_than_of_single_records() -> None:
    """Of minutes that hold as much, those of clumps have shown by their fullest ten seconds what chance may bring."""
    plain, clumped = EarlyDetector(), EarlyDetector()
    rng = Random(6)
    for _ in range(300):
        plain.learn_one(max(sum(rng.random() < 0.03 for _ in range(100)) for _ in range(6)))
        clumped.learn_one(max(7 * sum(rng.random() < 0.03 / 7 for _ in range(100)) for _ in range(6)))
    level = Level(18.0, 60.0, 700.0)
    raw = [each.score_one(35, level, asked=2.0, is_clumped=True).score.raw for each in (plain, clumped)]
    assert raw[0] >= 5.1 > raw[1]


def test_what_a_job_reaches_each_time_is_no_spike_when_a_little_more_comes_with_it() -> None:
    """A sum is held against the largest before and three deviations of a count, not against a factor alone."""
    rng, detector, told = Random(8), RateDetector(), 0
    for at in range(900):
        x = float(sum(rng.random() < 0.02 for _ in range(100)) + (36 if at % 60 == 29 else 0))
        told += at > 60 and detector.score_one(at, x + (10 if at == 869 else 0)).score.raw >= 5.1
        detector.learn_one(at, x)
    assert told == 0
    assert detector.score_one(900, 90.0).score.raw >= 5.1
