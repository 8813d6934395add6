"""`evaluate loghub` on a folder of our own in that layout, and on the public one where it lies near."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation import loghub


def write_system(folder: Path, name: str, rows: list[tuple[str, str]]) -> None:
    (folder / name).mkdir()
    lines = ["LineId,Content,EventId,EventTemplate"]
    lines += [f'{i},"{content}",{event},x' for i, (content, event) in enumerate(rows)]
    (folder / name / f"{name}_2k.log_structured.csv").write_text("\n".join(lines) + "\n")


def test_any_folder_in_the_layout_is_taken(tmp_path: Path) -> None:
    """Scores, baselines and left-out scores over two systems, as text and as JSON."""
    write_system(tmp_path, "Web", [(f"took {i} ms", "E1") for i in range(9)] + [("stopped", "E2")])
    write_system(tmp_path, "Disk", [(f"disk /dev/sd{c} is full", "E1") for c in "abc"] + [("disk is fine", "E2")])
    report = loghub.run(tmp_path, leave_one_out=True)
    assert report.ga == report.fga == report.ga_first == 1.0
    assert [s.name for s in report.left_out] == ["Disk", "Web"]
    assert "Drain3, defaults" in loghub.render(report)
    assert json.loads(json.dumps(loghub.to_dict(report)))["mean"]["ga"] == 1.0


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """The message says what was looked for."""
    with pytest.raises(SourceError, match="structured"):
        loghub.run(tmp_path)


def public_data() -> Path:
    near = Path(__file__).parents[2].parent / "shared" / "data"
    return Path(os.environ.get("FM_ANOMALY_DATA", near)) / "loghub"


@pytest.mark.skipif(not public_data().is_dir(), reason="loghub is not here; set FM_ANOMALY_DATA")
def test_the_promised_grouping() -> None:
    """One configuration: GA at least .95, FGA .90, ids as first assigned .93."""
    report = loghub.run(public_data(), baselines=False)
    assert report.ga >= 0.95
    assert report.fga >= 0.90
    assert report.ga_first >= 0.93
