"""Floors of the detector of numeric series: recorded figures, less what chance may take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fm_anomaly.evaluation import cloudmon, counts, nab
from fm_anomaly.evaluation.resampling import bootstrap, left_out


def public_data(name: str) -> Path:
    near = Path(__file__).parents[2].parent / "shared" / "data"
    return Path(os.environ.get("FM_ANOMALY_DATA", near)) / name


def test_counts_of_two_seeds() -> None:
    """A part of the reporting seeds: the report has every kind, and recall with few false alerts."""
    report = counts.run([5000, 5001], baselines=False)
    assert report.totals.recall >= 0.45
    assert report.totals.false_per_day <= 0.1
    assert report.spike_delay() <= 1
    assert "two" not in counts.render(report)
    assert counts.to_dict(report)["recall"] == report.totals.recall
    assert len(report.rows) == 14 * 20_160


@pytest.mark.long
@pytest.mark.skipif(not public_data("nab").is_dir(), reason="nab is not here; set FM_ANOMALY_DATA")
def test_the_floor_of_nab() -> None:
    """Standard profile, the product's decisions."""
    report = nab.run(public_data("nab"), baselines=False)
    assert report.score >= 66.0
    assert "standard profile" in nab.render(report)


@pytest.mark.long
@pytest.mark.skipif(not public_data("cloudmon").is_dir(), reason="cloudmon is not here; set FM_ANOMALY_DATA")
def test_the_floor_of_cloudmon() -> None:
    """Recall at false alerts a series-day, the product's decisions."""
    report = cloudmon.run(public_data("cloudmon"), baselines=False)
    assert report.totals.recall >= 0.58
    assert report.totals.false_per_day <= 0.1
    assert "recall" in cloudmon.render(report)


def test_resampling() -> None:
    """A constant has an interval of no width; a group left out leaves the others."""
    mean = lambda items: sum(items) / len(items)  # noqa: E731
    assert bootstrap([3.0] * 5, mean, n=50) == (3.0, 3.0)
    low, high = bootstrap([1.0, 2.0, 3.0, 4.0], mean, n=200)
    assert 1.0 <= low < 2.5 < high <= 4.0
    assert left_out([1.0, 2.0, 6.0], lambda x: "odd" if x == 1 else "even", mean) == {
        "even": (4.0, 1.0),
        "odd": (1.0, 4.0),
    }
