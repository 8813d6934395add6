"""Laws of the one table: a figure below its floor is said and fails; every row has a floor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fm_anomaly.cli import main
from fm_anomaly.evaluation import overview
from fm_anomaly.evaluation.overview import FLOORS, Row, of_samples, render, to_dict
from fm_anomaly.evaluation.samples import PLANS, run

GOOD = Row("nab", "standard profile", 72.7, 60.0, 80.0, 70.1, "realTraffic", 41.7, "EWMA z")


def test_a_figure_holds_from_its_floor_on_and_up_to_its_ceiling() -> None:
    """Floors are the least that is let pass, ceilings the most; the table and the dict say which is broken."""
    false = Row("cloudmon", "false a series-day", FLOORS["cloudmon", "false a series-day"])
    assert GOOD.holds
    assert false.holds
    bad = [replace(GOOD, value=65.9), replace(false, value=0.11)]
    assert not any(row.holds for row in bad)
    assert render([GOOD, *bad]).count("BELOW ITS FLOOR") == 2
    assert "70.1 realTraffic · 41.7 EWMA z" in render([GOOD])
    assert [row["holds"] for row in to_dict([GOOD, *bad])["rows"]] == [True, False, False]


def test_a_blind_scan_is_below_the_floor_of_samples() -> None:
    """Both figures of generated samples have a row with an interval and the weakest vocabulary."""
    report = run(range(2), lambda _: {"incidents": []}, max_lines=2000)
    rows = list(of_samples("samples", report))
    assert {(row.corpus, row.figure) for row in rows} == {key for key in FLOORS if key[0] == "samples"}
    assert not rows[0].holds
    assert rows[1].holds
    assert rows[0].low == rows[0].high == 0.0
    assert set(PLANS) <= {corpus for corpus, _ in FLOORS}


@pytest.mark.parametrize(("value", "code"), [(72.7, 0), (60.0, 1)])
def test_the_command_fails_below_a_floor(
    value: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`evaluate all` ends with 1 where a figure is below its floor; what it measures takes minutes and is left out."""
    monkeypatch.setattr(overview, "rows", lambda *_: iter([replace(GOOD, value=value)]))
    assert main(["evaluate", "all"]) == code
    assert ("BELOW ITS FLOOR" in capsys.readouterr().out) == bool(code)


def test_absent_folders_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public corpora that are not there are told and left out."""
    monkeypatch.setattr(overview, "_counts", lambda: iter([]))
    told: list[str] = []
    found = list(overview.rows(tmp_path, lambda _: {"incidents": []}, 0, told.append))
    assert [row.corpus for row in found] == ["samples", "samples", "absences", "absences"]
    assert len([line for line in told if "left out" in line]) == 6
