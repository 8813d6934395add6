"""Laws of the bundled samples: made by the documented command, small, complete, and found where they are looked for."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from fm_anomaly.evaluation.bundled import bundled_dir, demo_files, write_bundled
from fm_anomaly.evaluation.ci_logs import write_ci_logs
from fm_anomaly.evaluation.outage import OutageParams, outage
from fm_anomaly.evaluation.truth import DRAWN, Truth
from fm_anomaly.evaluation.vocabulary import VOCABULARIES


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def test_the_bundled_samples_are_what_the_command_makes(tmp_path: Path) -> None:
    """Made again, every file has the same bytes (inside, where compressed), and none is missing."""
    write_bundled(tmp_path)
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    kept = sorted(p.relative_to(bundled_dir()) for p in bundled_dir().rglob("*") if p.is_file())
    assert made == [p for p in kept if p.name != "README.md"]
    for name in made:
        assert content(tmp_path / name) == content(bundled_dir() / name), name


def test_the_bundled_samples_are_small_and_complete() -> None:
    """At most 5 MB in all; the demo holds one incident of every kind, and its files are there."""
    assert sum(p.stat().st_size for p in bundled_dir().rglob("*") if p.is_file()) <= 5_000_000
    files, truth = demo_files()
    assert sorted(p.kind for p in truth.incidents) == sorted(DRAWN)
    assert all(f.is_file() for f in files)


def test_every_json_line_of_the_demo_is_json() -> None:
    """What begins with a brace is one whole object with FaultMaven's four fields."""
    files, _ = demo_files()
    for line in content(files[0]).decode().splitlines():
        if line.startswith("{"):
            assert {"event", "logger", "level", "timestamp"} <= json.loads(line).keys()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("vocabulary", [*VOCABULARIES, None])
def test_an_outage_has_the_sizes_it_was_asked_for(tmp_path: Path, seed: int, vocabulary: str | None) -> None:
    """Lines, errors, tracebacks and the chronic rate come out as asked, whatever the words."""
    sizes = OutageParams(n_lines=5000, hours=3.0, n_errors=60, n_tracebacks=20)
    truth = outage(seed, vocabulary, tmp_path, sizes)
    lines = (tmp_path / "outage.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == truth.files[0].n_lines == 5000
    assert len(truth.services) == 3
    assert lines.count("Traceback (most recent call last):") == 20
    errors = sum(bool(re.search(r"\bERROR\b", line)) for line in lines)
    assert 60 + 0.6 * 180 * 0.6 < errors < 60 + 0.6 * 180 * 1.4
    assert Truth.load(tmp_path / "outage.truth.json") == truth


def test_outages_of_other_seeds_differ(tmp_path: Path) -> None:
    """Another seed gives other bytes, the same seed the same."""
    bodies = []
    for i, seed in enumerate((1, 2, 3, 1)):
        outage(seed, None, tmp_path / str(i))
        bodies.append((tmp_path / str(i) / "outage.log").read_bytes())
    assert bodies[0] == bodies[3]
    assert len(set(bodies)) == 3


def test_ci_truth_names_the_failing_lines(tmp_path: Path) -> None:
    """The lines told are in bad.log, hold the skipped migration and the tracebacks, and none is in good.log's words."""
    truth = write_ci_logs(4, tmp_path)
    bad = (tmp_path / "bad.log").read_text(encoding="utf-8").splitlines()
    good = (tmp_path / "good.log").read_text(encoding="utf-8")
    lines = truth["lines"]
    assert isinstance(lines, list)
    told = [bad[n - 1] for n in lines]
    assert sum("ProgrammingError" in line for line in told) == 3
    assert any("skipped" in line for line in told)
    assert all(word not in good for word in ("ProgrammingError", "skipped", "FAILED"))
