"""`score` and `evaluate nab|cloudmon|counts` as they are called."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fm_anomaly.cli import main

HOUR_S = 3600


def write_series(path: Path, head: str, n: int = 300) -> None:
    rows = [f"2026-03-{1 + i // 24:02d} {i % 24:02d}:00:00,{10 + i % 24},x" for i in range(n)]
    path.write_text("\n".join([head, *rows]) + "\n")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_point(tmp_path: Path) -> None:
    """Columns in any case and others beside; timestamps come back as they were written."""
    write_series(tmp_path / "in.csv", "TimeStamp,VALUE,host")
    assert main(["score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv")]) == 0
    rows = table(tmp_path / "out.csv")
    assert list(rows[0]) == ["timestamp", "value", "score", "decision"]
    assert len(rows) == 300
    assert rows[0]["timestamp"] == "2026-03-01 00:00:00"
    assert float(rows[25]["value"]) == 11.0
    assert all(0.0 <= float(row["score"]) <= 1.0 and row["decision"] in ("0", "1") for row in rows)


def test_a_value_that_is_no_number_keeps_its_row(tmp_path: Path) -> None:
    """Empty, a word, an infinity: no value, score 0."""
    lines = [f"{1_772_000_000 + 60 * i},{i % 5}" for i in range(40)]
    lines[20], lines[21], lines[22] = "1772001200,", "1772001260,broken", "1772001320,inf"
    (tmp_path / "in.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    assert main(["score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv")]) == 0
    rows = table(tmp_path / "out.csv")
    assert len(rows) == 40
    assert [rows[i]["value"] for i in (20, 21, 22)] == ["", "", ""]
    assert float(rows[21]["score"]) == 0.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("when,value\n1,2\n", "no column 'timestamp'"),
        ("timestamp,count\n1,2\n", "no column 'value'"),
        ("timestamp,value\nyesterday,2\n", "row 1 has no timestamp but 'yesterday'"),
        ("", "is empty"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    """Exit code 2, and the next step."""
    (tmp_path / "in.csv").write_text(text)
    assert main(["score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_evaluate_nab_on_a_folder_in_its_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure with its baselines, as a table, as JSON, and a row a point."""
    (tmp_path / "data" / "group").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    write_series(tmp_path / "data" / "group" / "a.csv", "timestamp,value,host")
    windows = {"group/a.csv": [["2026-03-05 00:00:00.000000", "2026-03-06 00:00:00.000000"]]}
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    out = tmp_path / "rows.csv"
    assert main(["evaluate", "nab", "--data", str(tmp_path), "-o", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["baselines"]["never fires"] == 0.0
    assert figures["baselines"]["first point of each window"] == pytest.approx(100.0)
    assert len(out.read_text().splitlines()) == 301
    assert main(["evaluate", "nab", "--data", str(tmp_path / "data")]) == 2


def test_evaluate_cloudmon_on_a_folder_in_its_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recall and false alerts, with baselines."""
    (tmp_path / "data" / "group").mkdir(parents=True)
    rows = [f"2026-03-{1 + i // 24:02d} {i % 24:02d}:00:00,{10 + 90 * (i == 200)},{int(i == 200)}" for i in range(300)]
    (tmp_path / "data" / "group" / "a.csv").write_text("TimeStamp,Value,Label\n" + "\n".join(rows) + "\n")
    assert main(["evaluate", "cloudmon", "--data", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["recall"] == 1.0
    assert figures["baselines"]["never fires"]["recall"] == 0.0
    assert main(["evaluate", "cloudmon", "--data", str(tmp_path / "data" / "group")]) == 2
