"""Backtest: what each sensitivity would have told, and how it stands against a truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.cli import main
from fm_anomaly.cli.backtest import budget_of
from fm_anomaly.core.pipeline import PipelineParams
from fm_anomaly.errors import UsageError
from fm_anomaly.evaluation import backtest
from fm_anomaly.evaluation.generator import GeneratorParams, generate
from fm_anomaly.evaluation.truth import FaultKind, Truth, seconds
from fm_anomaly.scanning import TextSource, scan
from fm_anomaly.testing import as_bytes, outage_log, quiet_log

DATA = as_bytes(outage_log())


def opened(_: str) -> tuple[list[TextSource], PipelineParams, int]:
    """Return one log of an outage."""
    return [TextSource("app.log", DATA)], PipelineParams(), 0


def test_as_set_is_what_a_scan_tells() -> None:
    """The middle sensitivity is the product's own: same incidents, same alerts."""
    outcomes = backtest.run(opened)
    assert [o.name for o in outcomes] == ["low", "as set", "high"]
    done = scan(opened("")[0])
    assert list(outcomes[1].incidents) == done.to_dict()["incidents"]
    assert set(outcomes[1].fired_us) == {a.alert_id for a in done.pipeline.book.alerts}


def test_a_higher_sensitivity_tells_no_less() -> None:
    """More false alarms allowed, no fewer alerts."""
    n = [len(o.alerts) for o in backtest.run(opened)]
    assert n == sorted(n)
    assert n[0] >= 1


def test_a_quiet_log_tells_nothing() -> None:
    """No sensitivity fires on a stationary log; days and rates stay finite."""
    quiet = as_bytes(quiet_log())
    told = backtest.to_dict(backtest.run(lambda _: ([TextSource("app.log", quiet)], PipelineParams(), 0)))
    assert [s["alerts_per_day"] for s in told["sensitivities"]] == [0, 0, 0]


def test_an_empty_log_has_no_time() -> None:
    """Nothing in, nothing out."""
    outcomes = backtest.run(lambda _: ([TextSource("app.log", b"")], PipelineParams(), 0))
    assert [(o.n_lines, o.alerts, o.incidents) for o in outcomes] == [(0, (), ())] * 3


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Return a folder with half a day of logs and one outage, and its truth."""
    folder = tmp_path_factory.mktemp("sample")
    params = GeneratorParams(seed=11, days=0.4, max_lines=8_000, kinds=(FaultKind.OUTAGE,))
    truth = generate(params, folder)
    (folder / "truth.json").write_text(truth.to_json())
    return folder, truth


def test_a_truth_gives_recall_precision_and_delay(
    sample: tuple[Path, Truth], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a truth the command says what was found, what was false and how long it took."""
    folder, truth = sample
    logs = [str(folder / file.name) for file in truth.files]
    assert main(["backtest", *logs, "--truth", str(folder / "truth.json"), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    usual = told["sensitivities"][1]["truth"]
    assert usual["recall"] == 1.0
    (planted,) = truth.incidents
    assert 0 <= usual["time_to_detect_s"] <= seconds(planted.end) - seconds(planted.start) + 70
    assert main(["backtest", *logs, "--truth", str(folder / "truth.json"), "--budget", "2/day"]) == 0
    shown = capsys.readouterr().out
    assert "100% of 1" in shown
    assert "time to detect, median" in shown


@pytest.mark.parametrize("text", ["5/hour", "-1", "many", ""])
def test_a_budget_is_a_number_a_day(text: str) -> None:
    """Anything else is refused by name."""
    with pytest.raises(UsageError, match="5/day"):
        budget_of(text)


def test_standard_input_cannot_be_read_three_times(capsys: pytest.CaptureFixture[str]) -> None:
    """The next step is told."""
    assert main(["backtest", "-"]) == 2
    assert "save it to a file first" in capsys.readouterr().err
