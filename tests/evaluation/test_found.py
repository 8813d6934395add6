"""What the project promises to find: the bundled sample, and outages in logs that nobody prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.evaluation.bundled import demo_files
from fm_anomaly.evaluation.outage import OutageParams, outage
from fm_anomaly.evaluation.truth import score
from fm_anomaly.ingest.files import find_sources
from fm_anomaly.scanning import scan


def scanned(*paths: Path) -> dict[str, Any]:
    """Return the report of a scan of these files."""
    return scan(find_sources([str(path) for path in paths])).to_dict()


def test_the_bundled_sample_every_planted_incident_and_nothing_else() -> None:
    """Seven of seven found, each named with its root service, and no other alert."""
    files, truth = demo_files()
    match = score(scanned(*files), truth)
    assert [m.kind for m in match.missed] == []
    assert match.false == ()
    assert all(found.is_root_named for found in match.found)


@pytest.mark.parametrize("seed", range(2001, 2007))
def test_an_outage_in_a_log_of_three_hours(tmp_path: Path, seed: int) -> None:
    """Other words, times and rates: one incident, its service right, tracebacks joined, the chronic one known."""
    truth = outage(seed, None, tmp_path, OutageParams())
    report = scanned(tmp_path / "outage.log")
    (planted,) = truth.incidents
    (incident,) = report["incidents"]
    assert incident["services"] == [planted.root]
    assert incident["kind"] in ("new_error", "error_spike")
    assert report["intake"]["tracebacks"] == planted.n_tracebacks == 39
    texts = {t["template_id"]: t for t in report["templates"]}
    assert all(texts[t]["errors"] > 0 for t in incident["template_ids"])
    chronic = [known["template"] for known in report["known"] if known["service"] == truth.known[0].service]
    assert len(chronic) == 1
