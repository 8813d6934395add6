"""Laws of the counts' test: symmetric, exact where small, corrected, unmoved by length or by one flood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.significance import exposure_ratio, false_discovery_rates, lifts, p_values


def counts(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_exact_p_values_are_those_of_the_sign_test() -> None:
    """At equal exposure, 0 against n has p = 2 / 2^n."""
    found = p_values(counts(0, 0, 10), counts(1, 10, 0), 1.0)
    assert found.tolist() == pytest.approx([1.0, 2 / 2**10, 2 / 2**10])


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.05, 20))
def test_swapping_the_logs_keeps_the_p_value(a: int, b: int, exposure: float) -> None:
    """Which log is called the first does not matter."""
    there = p_values(counts(a), counts(b), exposure)[0]
    back = p_values(counts(b), counts(a), 1 / exposure)[0]
    assert there == pytest.approx(back, rel=1e-6, abs=1e-12)
    assert 0.0 <= there <= 1.0


def test_both_tests_agree_where_they_meet() -> None:
    """The exact test and the G-test differ little around a thousand occurrences."""
    exact = p_values(counts(460), counts(540), 1.0)[0]
    g_test = p_values(counts(461), counts(541), 1.0)[0]
    assert exact == pytest.approx(g_test, rel=0.1)


def test_exposure_is_unmoved_by_a_flood() -> None:
    """One event times a hundred leaves the exposure near the ratio of everything else."""
    before = counts(10, 20, 30, 40, 50)
    after = counts(20, 40, 60, 80, 5_000)
    assert exposure_ratio(before, after) == pytest.approx(2.0)
    assert lifts(before, after, 2.0)[0] == pytest.approx(1.0, rel=0.05)


def test_exposure_of_a_log_cut_short_is_that_of_what_both_have() -> None:
    """A log that stops half way has the exposure of its first half: what is missing is gone, not rarer."""
    assert exposure_ratio(counts(3, 4, 5, 90), counts(3, 4, 5, 0)) == 1.0


def test_exposure_without_common_events() -> None:
    """Then it is the ratio of the totals; of an empty log 1."""
    assert exposure_ratio(counts(2, 0), counts(0, 6)) == 3.0
    assert exposure_ratio(counts(2), counts(0)) == 1.0
    assert exposure_ratio(counts(), counts()) == 1.0


@given(st.lists(st.floats(0, 1), max_size=50))
def test_correction_only_raises_and_keeps_the_order(p: list[float]) -> None:
    """Corrected values are at least the raw ones, at most 1, and in the same order."""
    raw = np.array(p)
    corrected = false_discovery_rates(raw)
    assert (corrected >= raw - 1e-12).all() and (corrected <= 1.0).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= -1e-12).all()
