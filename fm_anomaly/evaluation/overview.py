"""`evaluate all`: the figures of all corpora in one table, each with its interval, its weakest subset, the best simple
rival, and the floor that it must not fall below.

The interval is a 90 % bootstrap over series, systems, builds or samples. The weakest subset is the lowest figure of
all but one group: how much one group carries. Floors are recorded figures less what chance and a moved tie may take;
a change that lowers one says why. It must not know how a corpus is read or judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from fm_anomaly.evaluation.event_scoring import SeriesScore, Totals, totals
from fm_anomaly.evaluation.resampling import bootstrap, left_out
from fm_anomaly.evaluation.samples import FIRST_SEED, PLANS, SamplesReport, Scan, ScannedSample, run

FLOORS: dict[tuple[str, str], float] = {
    ("samples", "found"): 0.95,
    ("samples", "false in 10 days"): 1.0,
    ("absences", "found"): 0.85,
    ("absences", "false in 10 days"): 1.5,
    ("nab", "standard profile"): 66.0,
    ("cloudmon", "recall"): 0.58,
    ("cloudmon", "false a series-day"): 0.10,
    ("counts", "recall"): 0.60,
    ("counts", "false a series-day"): 0.05,
    ("hdfs", "average precision"): 0.91,
    ("hdfs", "F1"): 0.93,
    ("loghub", "GA"): 0.95,
    ("loghub", "FGA"): 0.90,
    ("cidiff", "F1"): 0.93,
    ("bgl-categories", "ARI"): 0.97,
}
"""By corpus and figure; for figures of `CEILINGS` the most that is let pass."""
CEILINGS = frozenset({"false in 10 days", "false a series-day"})
_MOST_FALSE = 0.10
"""Rivals with more false alerts a series-day are no rivals."""
T = TypeVar("T")
Figure = Callable[[Sequence[T]], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one corpus."""

    corpus: str
    figure: str
    value: float
    low: float | None = None
    high: float | None = None
    """90 % of bootstraps lie between (95 % for cidiff and hdfs)."""
    weakest: float | None = None
    without: str = ""
    """The figure of all but one group, where it is at its worst, and that group."""
    rival: float | None = None
    rival_name: str = ""

    @property
    def floor(self) -> float:
        """The recorded floor, or ceiling."""
        return FLOORS[self.corpus, self.figure]

    @property
    def holds(self) -> bool:
        """Whether the figure is not below its floor (above its ceiling)."""
        return self.value <= self.floor if self.figure in CEILINGS else self.value >= self.floor


def rows(data: Path | None, scan: Scan, n_seeds: int, tell: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows of all corpora that are there: those that we make, and those whose folder is in `data`.

    `tell` hears what is begun and what is left out. Takes about ten minutes with 30 seeds.
    """
    for name, plan in PLANS.items():
        tell(f"{name}: {n_seeds} generated logs")
        report = run(range(FIRST_SEED, FIRST_SEED + n_seeds), scan, plan=plan)
        yield from of_samples(name, report)
    tell("counts: simulated")
    yield from _counts()
    for name, (folder, of_corpus) in _PUBLIC.items():
        if data is None or not (data / folder).is_dir():
            tell(f"{name}: not at {folder if data is None else data / folder}, left out")
            continue
        tell(name)
        yield from of_corpus(data / folder)


def of_samples(name: str, report: SamplesReport) -> Iterator[Row]:
    """Yield the rows of generated samples."""
    figures: dict[str, Figure[ScannedSample]] = {
        "found": lambda some: SamplesReport(tuple(some)).found_share,
        "false in 10 days": lambda some: SamplesReport(tuple(some)).false_per_10_days,
    }
    for figure, of in figures.items():
        yield _row(name, figure, report.samples, of, lambda sample: sample.truth.vocabulary)


def _counts() -> Iterator[Row]:
    from fm_anomaly.evaluation import counts

    report = counts.run()
    rivals = {name: t for name, t in report.baselines.items() if not name.startswith("oracle")}
    yield from _of_events("counts", report.series, lambda series: series.name.rsplit("-", 1)[0], rivals)


def _cloudmon(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import cloudmon

    report = cloudmon.run(data)
    yield from _of_events("cloudmon", report.series, lambda series: series.name.split("/")[0], report.baselines)


def _of_events(
    corpus: str, series: Sequence[SeriesScore], group: Callable[[SeriesScore], str], rivals: Mapping[str, Totals]
) -> Iterator[Row]:
    fair = {name: rival for name, rival in rivals.items() if rival.false_per_day <= _MOST_FALSE}
    best = max(fair, key=lambda name: (fair[name].recall, name), default="")
    figures: dict[str, Callable[[Totals], float]] = {
        "recall": lambda t: t.recall,
        "false a series-day": lambda t: t.false_per_day,
    }
    for figure, of in figures.items():
        rival = (of(fair[best]), best) if best else (None, "")
        yield _row(corpus, figure, series, lambda some, of=of: of(totals(some)), group, rival)  # type: ignore[misc]


def _nab(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import nab

    report = nab.run(data)
    rivals = {name: score for name, score in report.baselines.items() if not name.startswith("first point")}
    yield _row("nab", "standard profile", report.files, nab.figure, nab.group, _best(rivals))


def _hdfs(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import hdfs

    report = hdfs.run(data)
    if report.figures is None:
        return
    f = report.figures
    ap = _best({b.name: b.average_precision for b in report.baselines})
    f1 = _best({b.name: b.f1 for b in report.baselines})
    yield Row("hdfs", "average precision", f.average_precision, f.ap_low, f.ap_high, None, "", *ap)
    yield Row("hdfs", "F1", f.f1, f.f1_low, f.f1_high, None, "", *f1)


def _loghub(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import loghub

    report = loghub.run(data)
    ga, fga = (lambda some: _mean([s.end.ga for s in some])), (lambda some: _mean([s.end.fga for s in some]))
    rivals = {b.name: b.ga for b in report.baselines}, {b.name: b.fga for b in report.baselines}
    yield _row("loghub", "GA", report.systems, ga, lambda s: s.name, _best(rivals[0]))
    yield _row("loghub", "FGA", report.systems, fga, lambda s: s.name, _best(rivals[1]))


def _cidiff(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import cidiff

    report = cidiff.run(data)
    yield Row("cidiff", "F1", report.f1, report.f1_low, report.f1_high, None, "", *_best(report.baselines))


def _bgl(data: Path) -> Iterator[Row]:
    from fm_anomaly.evaluation import bgl_categories

    report = bgl_categories.run(data)
    yield Row("bgl-categories", "ARI", report.categories.ari, rival=report.templates.ari, rival_name="templates")


_PUBLIC: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
    "nab": ("nab", _nab),
    "cloudmon": ("cloudmon", _cloudmon),
    "hdfs": ("hdfs", _hdfs),
    "loghub": ("loghub", _loghub),
    "cidiff": ("cidiff", _cidiff),
    "bgl-categories": ("loghub", _bgl),
}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _best(rivals: Mapping[str, float]) -> tuple[float | None, str]:
    name = max(rivals, key=lambda name: (rivals[name], name), default="")
    return (rivals[name], name) if name else (None, "")


def _row(
    corpus: str,
    figure: str,
    items: Sequence[T],
    of: Figure[T],
    group: Callable[[T], str],
    rival: tuple[float | None, str] = (None, ""),
) -> Row:
    """Return the row of a figure over items that can be drawn and left out."""
    low, high = bootstrap(items, of)
    others = {name: without for name, (_, without) in left_out(items, group, of).items()} if len(items) > 1 else {}
    worst = max if figure in CEILINGS else min
    name = worst(others, key=lambda each: (others[each], each)) if len(others) > 1 else ""
    return Row(corpus, figure, of(items), low, high, others.get(name), name, *rival)


def to_dict(found: Sequence[Row]) -> dict[str, Any]:
    """Return the rows as plain values for `--json`."""
    listed = [{**asdict(row), "floor": row.floor, "holds": row.holds} for row in found]
    return {"schema": "fm-anomaly/evaluate-all/1", "rows": listed}


def render(found: Sequence[Row]) -> str:
    """Return the rows as a table for the terminal."""
    head = f"{'corpus':<15} {'figure':<18} {'value':>7}  {'interval':<15} {'floor':>6}  "
    lines = [head + "weakest without · best simple rival"]
    for row in found:
        interval = "" if row.low is None or row.high is None else f"{_short(row.low)} to {_short(row.high)}"
        notes = []
        if row.weakest is not None:
            notes.append(f"{_short(row.weakest)} {row.without}")
        if row.rival is not None:
            notes.append(f"{_short(row.rival)} {row.rival_name}")
        floor = f"{'≤' if row.figure in CEILINGS else '≥'}{_short(row.floor)}"
        mark = "" if row.holds else "  BELOW ITS FLOOR"
        head = f"{row.corpus:<15} {row.figure:<18} {_short(row.value):>7}  {interval:<15} {floor:>6}  "
        lines.append((head + " · ".join(notes)).rstrip() + mark)
    return "\n".join(lines)


def _short(x: float) -> str:
    return f"{x:.1f}" if abs(x) >= 10 else f"{x:.3f}"
