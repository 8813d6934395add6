"""A numeric series scored point by point: causal, deterministic, and unmoved by what is no number."""

from __future__ import annotations

import numpy as np
import pytest

from fm_anomaly.core.measurements import score_series

MINUTE_US = 60_000_000


def times(n: int, step_s: int = 60) -> np.ndarray:
    return 1_700_000_000_000_000 + np.arange(n, dtype=np.int64) * step_s * 1_000_000


def wave(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50 + 20 * np.sin(np.arange(n) / 288 * 2 * np.pi) + rng.normal(0, 2, n)


def test_what_comes_later_changes_nothing() -> None:
    """The scores of a beginning are those of the whole."""
    x = wave(1500)
    whole = score_series(times(1500, 300), x)
    part = score_series(times(900, 300), x[:900])
    assert (whole.score[:900] == part.score).all()
    assert (whole.decision[:900] == part.decision).all()


def test_a_plain_jump_is_told_where_it_begins() -> None:
    """In a series without seasons; while the new level stays it is told once more at most."""
    rng = np.random.default_rng(3)
    x = 100 + rng.normal(0, 3, 2000)
    x[1500:] += 60
    found = score_series(times(2000, 300), x)
    told = np.flatnonzero(found.decision[600:]) + 600
    assert told.tolist()[0] == 1500
    assert len(told) <= 2
    assert found.score[1500] > 0.5


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(600),
        np.full(600, 7.25),
        np.array([3.0]),
        np.array([]),
        np.full(600, np.nan),
        np.where(np.arange(600) % 3 == 0, np.nan, 5.0),
        np.array([1e300, -1e300] * 300),
        np.arange(600) * 1e-300,
    ],
)
def test_hard_values(x: np.ndarray) -> None:
    """Zeros, constants, one point, none, gaps and enormous numbers: one finite score a point, no alert on constants."""
    found = score_series(times(len(x)), x)
    assert len(found.score) == len(found.decision) == len(x)
    assert np.isfinite(found.score).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    if len(x) and np.nanmax(np.append(x, 0)) == np.nanmin(np.append(x, 0)):
        assert not found.decision.any()


def test_times_may_stand_still_or_step_back() -> None:
    """Repeated and disordered timestamps are points like others."""
    x = wave(400)
    at = times(400, 300)
    at[100:110] = at[100]
    at[200], at[201] = at[201], at[200]
    found = score_series(at, x)
    assert np.isfinite(found.score).all()
