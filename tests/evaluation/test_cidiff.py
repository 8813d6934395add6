"""Laws of the evaluation on build logs: scores by hand, both layouts alike, and the stated figure on the given half."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.cidiff import builds_in, line_score, render, run, to_dict

PASSING = "fetching 3 packages\ncompiling shop 1.4\nall 12 tests passed\n"
FAILING = "fetching 3 packages\ncompiling shop 1.5\ntax.c:31: error: no member 'rate'\n    31 | return rate;\nbye\n"


def write_build(folder: Path, truth: str = "DEFAULT\nE 3-4\nC 2\n", failing: str = FAILING) -> None:
    folder.mkdir(parents=True)
    (folder / "pass.log").write_text(PASSING)
    (folder / "fail.log").write_text(failing)
    (folder / "groundtruth").write_text(truth)


def test_scores_are_those_worked_out_by_hand() -> None:
    """Two of three flagged lines right, one missed: precision 2/3, recall 2/3, F1 2/3."""
    score = line_score(frozenset({1, 2, 3}), frozenset({2, 3, 4}))
    assert (score.precision, score.recall, score.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert line_score(frozenset(), frozenset({1})).f1 == 0.0
    assert line_score(frozenset(), frozenset()).f1 == 1.0


def test_a_build_found_whole_scores_one(tmp_path: Path) -> None:
    """The truth's intervals and single lines are read, context apart from errors."""
    write_build(tmp_path / "breakages" / "shop_1")
    report = run(tmp_path)
    assert report.f1 == 1.0
    assert report.builds[0].n_errors == 2
    assert report.context_recall == 0.0
    assert set(report.baselines) == {"diff, added lines", "absent, no digits", "grep error words"}


def test_the_average_is_over_builds(tmp_path: Path) -> None:
    """A build of many lines weighs no more than one of few; the interval holds the mean."""
    write_build(tmp_path / "a_1")
    write_build(tmp_path / "b_2", failing=PASSING + "nothing to see\n" * 50)
    report = run(tmp_path)
    assert report.f1 == 0.5
    assert report.f1_low <= report.f1 <= report.f1_high


def test_archive_and_folder_are_the_same(tmp_path: Path) -> None:
    """A tar archive gives the builds that its extracted folder gives, whether it or its folder is named."""
    write_build(tmp_path / "tree" / "breakages" / "shop_1")
    write_build(tmp_path / "tree" / "breakages" / "shop_2", truth="DEFAULT\nE 3\n")
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "cidiff.tar.xz", "w:xz") as tar:
        tar.add(tmp_path / "tree" / "breakages", "breakages")
    folder = list(builds_in(tmp_path / "tree"))
    assert list(builds_in(packed)) == folder
    assert list(builds_in(packed / "cidiff.tar.xz")) == folder
    assert [build.name for build in folder] == ["shop_1", "shop_2"]


def test_nothing_to_evaluate_is_said(tmp_path: Path) -> None:
    """A folder without builds and a file that is no archive are refused with a next step."""
    with pytest.raises(SourceError, match="give the folder"):
        run(tmp_path)
    (tmp_path / "x.tar").write_bytes(b"no archive")
    with pytest.raises(SourceError, match=r"x\.tar"):
        run(tmp_path / "x.tar")


def test_the_report_is_text_and_json(tmp_path: Path) -> None:
    """Both forms hold the macro-average, each build and the baselines."""
    write_build(tmp_path / "shop_1")
    report = run(tmp_path)
    text = render(report)
    assert "shop_1" in text
    assert "line F1, macro-average      1.000" in text
    assert json.loads(json.dumps(to_dict(report)))["builds"][0]["score"]["f1"] == 1.0


def test_the_given_half_reaches_its_figure(data_dir: Path) -> None:
    """Line F1 on the public corpus stays above .93, twice what added lines of a plain diff reach."""
    corpus = data_dir / "cidiff"
    if not corpus.is_dir():
        pytest.skip("no cidiff corpus in the public data")
    report = run(corpus)
    assert report.f1 >= 0.93
    assert report.f1 > 1.25 * max(report.baselines.values())
