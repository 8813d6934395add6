"""Laws of the evaluation over seeds, with scans that know everything, nothing, or too much."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fm_anomaly.evaluation.samples import Scan, run, sample_params
from fm_anomaly.evaluation.truth import Truth
from fm_anomaly.evaluation.vocabulary import VOCABULARIES

SEEDS = range(3)


def oracle(*, n_false: int = 0) -> Scan:
    def scan(files: list[Path]) -> Mapping[str, Any]:
        truth = Truth.load(files[0].parent / "truth.json")
        said = [{"start": p.start, "services": [p.root], "kind": p.kind, "title": "t"} for p in truth.incidents]
        false = [{"start": truth.start, "services": ["nobody"], "kind": "silence", "title": "f"}] * n_false
        return {"incidents": said + false}

    return scan


def test_an_oracle_finds_everything() -> None:
    """A scan that answers with the truth finds all, names every root, and says nothing false."""
    report = run(SEEDS, oracle(), max_lines=3000)
    assert report.n_planted > 0
    assert report.found_share == report.root_share == 1.0
    assert report.false_per_10_days == report.split_share == 0.0
    assert all(n == of for n, of in report.found_by_kind().values())


def test_a_blind_scan_finds_nothing() -> None:
    """A scan that says nothing finds nothing, and each miss is told with its seed."""
    report = run(SEEDS, lambda _: {"incidents": []}, max_lines=3000)
    assert report.found_share == 0.0
    assert report.table().count("missed  seed") == report.n_planted


def test_false_incidents_are_counted_in_ten_days(tmp_path: Path) -> None:
    """Two false incidents in each sample come out as two over its days, and are told; samples can be kept."""
    report = run(SEEDS, oracle(n_false=2), max_lines=3000, keep_in=tmp_path)
    assert report.false_per_10_days == 10 * 2 * len(SEEDS) / report.days
    assert report.table().count("false   seed") == 2 * len(SEEDS)
    assert sorted(p.name for p in tmp_path.iterdir()) == [str(s) for s in SEEDS]


def test_thirty_seeds_see_every_vocabulary_format_and_a_quiet_log() -> None:
    """The plan of 30 seeds covers three vocabularies, five formats, and at least five samples without incident."""
    plan = [sample_params(seed, tuple(VOCABULARIES)) for seed in range(30)]
    assert {p.vocabulary for p in plan} == set(VOCABULARIES)
    assert len({p.format for p in plan}) == 5
    assert sum(p.n_incidents == 0 for p in plan) >= 5
