"""NAB's scoring, against cases worked out by hand from its published rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fm_anomaly.evaluation.nab_scoring import normalised, probation, scaled_sigmoid, score_file

WINDOWS = ((400, 499), (700, 749))


def fired(n: int, *places: int) -> np.ndarray:
    decisions = np.zeros(n, dtype=np.bool_)
    decisions[list(places)] = True
    return decisions


def test_the_null_detector_has_0_and_a_perfect_one_100() -> None:
    """Never firing costs one a window; firing at the first point of each earns one a window."""
    null = score_file(fired(1000), WINDOWS)
    perfect = score_file(fired(1000, 400, 700), WINDOWS)
    assert (null.raw, null.n_missed) == (-2.0, 2)
    assert perfect.raw == pytest.approx(2.0)
    assert normalised(null.raw, 2) == 0.0
    assert normalised(perfect.raw, 2) == pytest.approx(100.0)


def test_the_sigmoid() -> None:
    """1 well before a window's end, 0 at it, -1 behind."""
    assert scaled_sigmoid(-1.0) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert scaled_sigmoid(0.0) == 0.0
    assert scaled_sigmoid(0.5) == pytest.approx(2 / (1 + math.exp(2.5)) - 1)
    assert scaled_sigmoid(3.1) == -1.0


def test_only_the_earliest_detection_of_a_window_counts() -> None:
    """Its worth falls with its place: half way through the window position -0.5 + 1/100 steps."""
    one = score_file(fired(1000, 450), WINDOWS)
    position = -(499 - 450 + 1) / 100
    assert one.raw == pytest.approx(scaled_sigmoid(position) / scaled_sigmoid(-1.0) - 1.0)
    assert score_file(fired(1000, 450, 460, 499), WINDOWS).raw == one.raw


def test_false_ones_cost_by_distance_to_the_window_before() -> None:
    """0.11 before any window and far behind one; less just behind one, measured in widths less one."""
    base = -2.0
    assert score_file(fired(1000, 300), WINDOWS).raw == pytest.approx(base - 0.11)
    near = score_file(fired(1000, 510), WINDOWS)
    assert near.raw == pytest.approx(base + 0.11 * scaled_sigmoid(11 / 99))
    far = score_file(fired(1000, 999), WINDOWS)
    assert far.raw == pytest.approx(base - 0.11)
    assert (near.n_false, far.n_false) == (1, 1)


def test_probation() -> None:
    """15 % of the file, 750 at most; nothing in it counts, and a window that reaches beyond it does."""
    assert (probation(1000), probation(4032), probation(20_000)) == (150, 604, 750)
    assert score_file(fired(1000, 10, 149), WINDOWS).raw == -2.0
    assert score_file(fired(1000, 100), ((90, 120),)).n_windows == 0
    reaching = score_file(fired(1000, 120), ((100, 199),))
    assert (reaching.n_windows, reaching.n_found) == (1, 0)


def test_a_file_without_windows_only_loses() -> None:
    """Every detection is a false one."""
    score = score_file(fired(1000, 200, 300), ())
    assert score.raw == pytest.approx(-0.22)
