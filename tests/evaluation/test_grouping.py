"""Laws of grouping accuracy."""

from __future__ import annotations

import pytest

from fm_anomaly.evaluation.grouping import compare


def test_names_do_not_matter() -> None:
    """Only which lines stand together counts."""
    result = compare(["x", "x", "y"], [1, 1, 2])
    assert (result.ga, result.fga) == (1.0, 1.0)


def test_one_stray_line_loses_both_groups() -> None:
    """GA counts the lines of exactly right groups; FGA the groups themselves."""
    result = compare(["a", "a", "b", "c"], [1, 1, 1, 2])
    assert result.ga == 0.25
    assert result.fga == pytest.approx(2 * 1 / (3 + 2))


def test_unequal_lengths_are_a_fault() -> None:
    """Labels must be of the same lines."""
    with pytest.raises(ValueError, match="longer"):
        compare(["a"], [1, 2])
