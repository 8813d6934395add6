"""The simulated counts: deterministic, labelled, and findable by one who knows the rates."""

from __future__ import annotations

import numpy as np
import pytest

from fm_anomaly.evaluation.event_scoring import score_series_events, totals
from fm_anomaly.evaluation.oracle import oracle
from fm_anomaly.evaluation.simulated_counts import DAY, FIRST_DAY, KINDS, simulate, simulate_all


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_a_series(kind: str) -> None:
    """The same one each time: whole counts, events after the third day, in order and apart."""
    one, again, other = simulate(7, kind, 5), simulate(7, kind, 5), simulate(8, kind, 5)
    assert (one.counts == again.counts).all()
    assert not (one.counts == other.counts).all()
    assert (one.counts == np.floor(one.counts)).all()
    assert (one.counts >= 0).all()
    assert len(one.events) == len(one.factors)
    for event, after in zip(one.events, one.events[1:], strict=False):
        assert event.last < after.first
    assert all(FIRST_DAY * DAY <= event.first <= event.last < len(one.counts) for event in one.events)


def test_nearly_all_is_there_to_be_found() -> None:
    """Whoever knows the rates finds most events with few false alerts."""
    truths = simulate_all([5001, 5003], n_days=8)
    scored = totals(score_series_events(t.name, oracle(t), t.times_us, t.events) for t in truths)
    assert scored.n_events > 15
    assert scored.recall >= 0.8
    assert scored.false_per_day <= 0.05
