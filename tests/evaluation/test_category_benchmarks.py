"""Laws of the benchmarks of categories and groups: the acceptance figures, and folders that are not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation import bgl_categories, error_groups


def test_alert_lines_find_the_categories_of_people(data_dir: Path) -> None:
    """BGL's alert lines, number of categories not given: GA ≥ .90 and ARI ≥ .97, better than templates."""
    report = bgl_categories.run(data_dir / "loghub")
    assert (report.n_lines, report.n_true) == (143, 12)
    assert report.categories.ga >= 0.90
    assert report.categories.ari >= 0.97
    assert report.categories.ga > report.templates.ga
    assert "templates taken as categories" in bgl_categories.render(report)


def test_groups_are_the_event_types_of_people(data_dir: Path) -> None:
    """Error lines of every system: homogeneity and completeness ≥ .97."""
    report = error_groups.run(data_dir / "loghub")
    assert {"BGL", "Hadoop"} <= {each.name for each in report}
    assert min(min(each.homogeneity, each.completeness) for each in report) >= 0.97
    assert error_groups.to_dict(report)["systems"][0]["name"] in error_groups.render(report)


@pytest.mark.parametrize("benchmark", [bgl_categories.run, error_groups.run])
def test_a_folder_of_something_else_is_said(benchmark: object, tmp_path: Path) -> None:
    """A folder without the table is a sentence, not a traceback."""
    with pytest.raises(SourceError, match="point --data at"):
        benchmark(tmp_path)  # type: ignore[operator]
