"""`evaluate nab`: the product's decisions on a folder in NAB's layout, by NAB's standard profile, beside baselines.

The layout is DIR/data/GROUP/FILE.csv and DIR/labels/combined_windows.json. Decisions are those of `score`, at the
default setting: no threshold is fitted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fm_anomaly.core.measurements import Scores, score_series
from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.nab_scoring import FileScore, normalised, score_file
from fm_anomaly.evaluation.resampling import bootstrap, left_out
from fm_anomaly.evaluation.series_rivals import RIVALS
from fm_anomaly.ingest.measurements import SeriesFile, read_series, read_times

Row = tuple[str, str, float, float, int]
"""Series, timestamp, value, score, decision."""


@dataclass(frozen=True, slots=True)
class NabSeries:
    """One file with its windows, as positions."""

    name: str
    file: SeriesFile
    windows: tuple[tuple[int, int], ...]

    @property
    def group(self) -> str:
        """The folder it stands in."""
        return self.name.split("/")[0]


@dataclass(frozen=True, slots=True)
class NamedScore:
    """The score of one file."""

    name: str
    score: FileScore


@dataclass(frozen=True, slots=True)
class NabReport:
    """Scores by file, what was decided, and the baselines' figures."""

    files: list[NamedScore]
    baselines: dict[str, float]
    rows: list[Row]

    @property
    def score(self) -> float:
        """Standard profile, 0 to 100."""
        return figure(self.files)


def run(data: Path, baselines: bool = True) -> NabReport:
    """Evaluate every labelled file under `data`: half a millisecond a point, and baselines.

    Raises `SourceError` where `data` is not in the layout.
    """
    series = load(data)
    scored = [score_series(s.file.times_us, s.file.values) for s in series]
    files = [_score(s, found.decision) for s, found in zip(series, scored, strict=True)]
    rows = [row for s, found in zip(series, scored, strict=True) for row in series_rows(s.name, s.file, found)]
    rivals = {}
    if baselines:
        for name, fire in RIVALS.items():
            rivals[name] = figure([_score(s, fire(s.file.times_us, s.file.values)) for s in series])
        rivals["first point of each window"] = figure([_score(s, _starts(s)) for s in series])
    return NabReport(files, rivals, rows)


def load(data: Path) -> list[NabSeries]:
    """Return the labelled series under `data`, by name."""
    path = data / "labels" / "combined_windows.json"
    try:
        labels: dict[str, list[list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SourceError(f"{path} is no table of windows: {exc}; point --data at a folder in NAB's layout") from exc
    out = []
    for name in sorted(labels):
        file = read_series(data / "data" / name)
        ends = read_times([stamp for window in labels[name] for stamp in window], str(path)).tolist()
        places = [_place(file, at, name) for at in ends]
        out.append(NabSeries(name, file, tuple(zip(places[::2], places[1::2], strict=True))))
    return out


def series_rows(name: str, file: SeriesFile, scores: Scores) -> Iterator[Row]:
    """Yield a row a point for `-o`."""
    columns = (file.stamps, file.values.tolist(), scores.score.tolist(), scores.decision.tolist())
    for stamp, value, score, decision in zip(*columns, strict=True):
        yield name, stamp, value, score, int(decision)


def _place(file: SeriesFile, at_us: int, name: str) -> int:
    found = np.flatnonzero(file.times_us == at_us)
    if not len(found):
        raise SourceError(f"{name}: a window begins or ends at no point of the series; labels and data must agree")
    return int(found[0])


def _score(series: NabSeries, decisions: NDArray[np.bool_]) -> NamedScore:
    return NamedScore(series.name, score_file(decisions, series.windows))


def _starts(series: NabSeries) -> NDArray[np.bool_]:
    out = np.zeros(len(series.file.values), dtype=np.bool_)
    out[[first for first, _ in series.windows]] = True
    return out


def figure(files: Sequence[NamedScore]) -> float:
    """Return the standard profile's score of files, 0 to 100."""
    return normalised(sum(f.score.raw for f in files), sum(f.score.n_windows for f in files))


def group(file: NamedScore) -> str:
    """Return the folder that a file stands in."""
    return file.name.split("/")[0]


def to_dict(report: NabReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {
        "schema": "fm-anomaly/evaluate-nab/1",
        "score": report.score,
        "interval_90": bootstrap(report.files, figure),
        "baselines": report.baselines,
        "files": [{"name": f.name, **asdict(f.score)} for f in report.files],
    }


def render(report: NabReport) -> str:
    """Return the report as a table for the terminal."""
    low, high = bootstrap(report.files, figure)
    lines = [f"{'file':<58} {'windows':>7} {'found':>6} {'false':>6} {'raw':>7}"]
    for f in report.files:
        lines.append(
            f"{f.name:<58} {f.score.n_windows:>7} {f.score.n_found:>6} {f.score.n_false:>6} {f.score.raw:>7.2f}"
        )
    lines += ["", f"standard profile {report.score:.1f}, 90 % of bootstraps over files within {low:.1f} to {high:.1f}"]
    lines += ["", "group alone / all but the group"]
    lines += [_group_line(name, *pair) for name, pair in left_out(report.files, group, figure).items()]
    if report.baselines:
        lines += ["", "baselines"]
        lines += [f"{score:>8.1f}  {name}" for name, score in report.baselines.items()]
    return "\n".join(lines)


def _group_line(name: str, alone: float, without: float) -> str:
    return f"{alone:>8.1f} / {without:>5.1f}  {name}"


HEAD: tuple[str, ...] = ("series", "timestamp", "value", "score", "decision")
"""Head of the table that `-o` writes."""
Figure = Callable[[Sequence[NamedScore]], float]
