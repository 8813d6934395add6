"""Laws of the rhythm: what comes each Monday is no news after three weeks, and what is larger still is."""

from __future__ import annotations

import numpy as np

from fm_anomaly.core.anomalies import Reading, Score
from fm_anomaly.core.calibration import CalibrationParams, Watch, limit_decades
from fm_anomaly.core.detectors import RateDetector, RateParams
from fm_anomaly.core.detectors.rhythm import Rhythm, RhythmParams

STEP_S = 300
DAY = 86_400 // STEP_S
WEEK = 7 * DAY


def weekly(n_weeks: int, *, late_from: int = 1 << 40) -> list[float]:
    """Return counts of five minutes: working hours, threefold on Monday mornings; an hour later from a bucket on."""
    rng = np.random.default_rng(4)
    at = np.arange(n_weeks * WEEK)
    at = np.where(at >= late_from, at - 3600 // STEP_S, at)
    day, hour = at // DAY % 7, at % DAY * STEP_S / 3600
    is_on = (day < 5) & (hour >= 8) & (hour < 18)
    rates = np.where(is_on, 300.0, 30.0) * np.where((day == 0) & is_on & (hour < 11), 3.0, 1.0)
    counts: list[float] = rng.poisson(rates * rng.gamma(30.0, 1 / 30.0, len(at))).astype(float).tolist()
    return counts


def told(counts: list[float]) -> list[tuple[int, int]]:
    """Return (bucket, direction) of the onsets that a stream's rate would tell."""
    calibration = CalibrationParams()
    limit = limit_decades(calibration, STEP_S)
    detector = RateDetector(RateParams(bucket_s=STEP_S, limit=limit))
    watch = Watch(detector, limit, calibration, STEP_S, Rhythm(RhythmParams(bucket_s=STEP_S)))
    out = []
    for at, x in enumerate(counts):
        decision = watch.step(at, x)
        if decision is not None and decision.is_onset:
            out.append((at, watch.direction))
    return out


def test_each_monday_is_no_news_after_three_weeks() -> None:
    """A weekly rhythm of office hours and busy Mondays is told at first, and not from the fourth week on."""
    onsets = told(weekly(5))
    assert any(at < WEEK for at, _ in onsets)
    assert [at for at, _ in onsets if at >= 3 * WEEK] == []


def test_a_changed_clock_is_hardly_news() -> None:
    """An hour later, as by a change of clocks: the same rhythm is known, but for a first time at most."""
    assert len([at for at, _ in told(weekly(5, late_from=4 * WEEK)) if at >= 3 * WEEK]) <= 2


def test_more_than_the_rhythm_is_news() -> None:
    """Ten times what a Monday morning brings is told, on a Monday morning too."""
    counts = weekly(4)
    burst = 3 * WEEK + 9 * 12
    counts[burst : burst + 4] = [9_000.0] * 4
    assert (burst, 1) in told(counts)


def test_another_time_of_the_day_is_news() -> None:
    """What was there on two mornings is not known at night, nor in the other direction; the state is bounded."""
    rhythm = Rhythm(RhythmParams(bucket_s=STEP_S, max_notes=20))
    up = Reading(Score(0.6, 6.0), 1, 90.0, 0.0, 20.0, 1, 100.0, 10.0)
    down = Reading(Score(0.6, 6.0), -1, 1.0, 5.0, 20.0, 1, 100.0, 10.0)
    for day in (1, 2):
        rhythm.note(day * DAY + 96, up)
    assert rhythm.is_known(3 * DAY + 96, up)
    assert rhythm.is_known(3 * DAY + 96 + 12, up)
    assert not rhythm.is_known(3 * DAY + 96, down)
    assert not rhythm.is_known(3 * DAY + 150, up)
    assert not rhythm.is_known(2 * DAY + 97, up)
    for at in range(0, 400 * DAY, DAY):
        rhythm.note(at, up)
    assert len(rhythm.notes) <= 20
    other = Rhythm(RhythmParams(bucket_s=STEP_S, max_notes=20))
    other.restore(rhythm.snapshot())
    assert other.snapshot() == rhythm.snapshot()
