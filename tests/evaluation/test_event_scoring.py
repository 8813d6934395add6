"""Recall and false alerts against labelled events, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fm_anomaly.evaluation.event_scoring import Event, events_of, score_series_events, totals

MINUTES = np.arange(2000, dtype=np.int64) * 60_000_000
HOURS = np.arange(200, dtype=np.int64) * 3_600_000_000


def marked(n: int, *places: int) -> np.ndarray:
    out = np.zeros(n, dtype=np.bool_)
    out[list(places)] = True
    return out


def test_labels_close_together_are_one_event() -> None:
    """30 minutes apart is one event, 31 are two; hourly points two apart are one, three apart two."""
    assert events_of(marked(2000, 500, 530), MINUTES) == [Event(500, 530)]
    assert events_of(marked(2000, 500, 531), MINUTES) == [Event(500, 500), Event(531, 531)]
    assert events_of(marked(200, 50, 52), HOURS) == [Event(50, 52)]
    assert events_of(marked(200, 50, 53), HOURS) == [Event(50, 50), Event(53, 53)]


@pytest.mark.parametrize(
    ("at", "n_found", "n_false"),
    [(999, 0, 1), (1000, 1, 0), (1019, 1, 0), (1029, 1, 0), (1030, 0, 0), (1079, 0, 0), (1080, 0, 1)],
)
def test_where_a_decision_falls(at: int, n_found: int, n_false: int) -> None:
    """Found from the start to ten minutes after the end, excused up to an hour after it, false elsewhere."""
    score = score_series_events("x", marked(2000, at), MINUTES, [Event(1000, 1019)])
    assert (len(score.found), score.n_false) == (n_found, n_false)


def test_hourly_points() -> None:
    """One point after the end still finds the event; the next one is false."""
    for at, found, false in ((50, 1, 0), (51, 1, 0), (52, 0, 1)):
        score = score_series_events("x", marked(200, at), HOURS, [Event(50, 50)])
        assert (len(score.found), score.n_false) == (found, false)


def test_false_alerts_close_together_are_one() -> None:
    """Chains of decisions up to 30 minutes apart count once."""
    assert score_series_events("x", marked(2000, 500, 530, 560, 591), MINUTES, []).n_false == 2
    assert score_series_events("x", marked(200, 50, 51, 53), HOURS, []).n_false == 2


def test_the_warmup_is_not_judged() -> None:
    """Neither decisions nor events in the first 15 % count; days are those after it."""
    events = [Event(100, 110), Event(290, 310)]
    score = score_series_events("x", marked(2000, 50, 200, 305), MINUTES, events)
    assert [(e.first, e.last) for e in score.found] == [(300, 310)]
    assert (score.n_events, score.n_false, score.delays) == (1, 0, (5,))
    assert score.days == pytest.approx(1699 / 1440)


def test_totals_pool_events_and_days() -> None:
    """Recall over all events, false alerts over all days."""
    a = score_series_events("a", marked(2000, 1000), MINUTES, [Event(1000, 1010), Event(1500, 1510)])
    b = score_series_events("b", marked(2000, 700), MINUTES, [])
    t = totals([a, b])
    assert (t.recall, t.n_false) == (0.5, 1)
    assert t.false_per_day == pytest.approx(1 / (2 * 1699 / 1440))
