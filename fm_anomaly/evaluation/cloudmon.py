"""`evaluate cloudmon`: the product's decisions on a folder of labelled rates: recall, false alerts a series-day,
baselines.

The layout is DIR/data/GROUP/FILE.csv with the columns TimeStamp, Value and Label. Decisions are those of `score`, at
the default setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.measurements import score_series
from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.event_scoring import SeriesScore, Totals, events_of, score_series_events, totals
from fm_anomaly.evaluation.nab import HEAD, Row, series_rows
from fm_anomaly.evaluation.resampling import bootstrap, left_out
from fm_anomaly.evaluation.series_rivals import RIVALS
from fm_anomaly.ingest.measurements import SeriesFile, read_series

__all__ = ["HEAD", "CloudmonReport", "load", "render", "run", "to_dict"]


@dataclass(frozen=True, slots=True)
class CloudmonReport:
    """Outcome by series, what was decided, and the baselines' totals."""

    series: list[SeriesScore]
    baselines: dict[str, Totals]
    rows: list[Row]

    @property
    def totals(self) -> Totals:
        """Figures over all series."""
        return totals(self.series)


def run(data: Path, baselines: bool = True) -> CloudmonReport:
    """Evaluate every labelled series under `data`: half a millisecond a point, and baselines.

    Raises `SourceError` where `data` is not in the layout.
    """
    files = load(data)
    scored = {name: score_series(file.times_us, file.values) for name, file in files.items()}
    series = [_score(name, file, scored[name].decision) for name, file in files.items()]
    rows = [row for name, file in files.items() for row in series_rows(name, file, scored[name])]
    rivals = {}
    if baselines:
        for rival, fire in RIVALS.items():
            rivals[rival] = totals(_score(n, f, fire(f.times_us, f.values)) for n, f in files.items())
    return CloudmonReport(series, rivals, rows)


def load(data: Path) -> dict[str, SeriesFile]:
    """Return the labelled series under `data`, by name."""
    folder = data / "data" if (data / "data").is_dir() else data
    files = {f"{path.parent.name}/{path.stem}": read_series(path) for path in sorted(folder.glob("*/*.csv"))}
    files = {name: file for name, file in files.items() if file.labels is not None}
    if not files:
        raise SourceError(f"no */*.csv with TimeStamp, Value and Label under {folder}; point --data at such a folder")
    return files


def _score(name: str, file: SeriesFile, decisions: NDArray[np.bool_]) -> SeriesScore:
    labels = file.labels if file.labels is not None else np.zeros(len(file.values), dtype=np.bool_)
    return score_series_events(name, decisions, file.times_us, events_of(labels, file.times_us))


def _recall(series: Sequence[SeriesScore]) -> float:
    return totals(series).recall


def _false(series: Sequence[SeriesScore]) -> float:
    return totals(series).false_per_day


def _group(series: SeriesScore) -> str:
    return series.name.split("/")[0]


def to_dict(report: CloudmonReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {
        "schema": "fm-anomaly/evaluate-cloudmon/1",
        "recall": report.totals.recall,
        "false_per_series_day": report.totals.false_per_day,
        "interval_90": {
            "recall": bootstrap(report.series, _recall),
            "false_per_series_day": bootstrap(report.series, _false),
        },
        "baselines": {
            name: {"recall": t.recall, "false_per_series_day": t.false_per_day} for name, t in report.baselines.items()
        },
        "series": [asdict(s) for s in report.series],
    }


def render(report: CloudmonReport) -> str:
    """Return the report as a table for the terminal."""
    t = report.totals
    lines = [f"{'series':<58} {'events':>6} {'found':>6} {'false':>6} {'days':>6}"]
    lines += [f"{s.name:<58} {s.n_events:>6} {len(s.found):>6} {s.n_false:>6} {s.days:>6.1f}" for s in report.series]
    lines += [
        "",
        f"found {t.n_found} of {t.n_events}, recall {t.recall:.3f} at {t.false_per_day:.3f} false alerts a series-day",
    ]
    recall, false = bootstrap(report.series, _recall), bootstrap(report.series, _false)
    lines.append(
        f"90 % of bootstraps over series: recall {recall[0]:.2f} to {recall[1]:.2f}, "
        f"false {false[0]:.3f} to {false[1]:.3f}"
    )
    lines += ["", "recall of the group alone / of all but the group"]
    lines += [f"{a:>8.2f} / {b:.2f}  {name}" for name, (a, b) in left_out(report.series, _group, _recall).items()]
    if report.baselines:
        lines += ["", "baselines: recall at false alerts a series-day"]
        lines += [f"{b.recall:>8.3f} at {b.false_per_day:.3f}  {name}" for name, b in report.baselines.items()]
    return "\n".join(lines)
