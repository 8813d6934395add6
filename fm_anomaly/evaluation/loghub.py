"""`evaluate loghub`: grouping accuracy on a folder in loghub's layout, beside its baselines.

The layout is DIR/SYSTEM/*_structured.csv with the columns Content and EventId. One configuration serves all
systems. Leave-one-out takes from a system all that only it could have taught: the mining parameters are chosen on
the other systems, and a mask stays only if it changes a key on one of those. (The wording of the masks is not
unlearned; what that is worth shows on systems that nobody saw.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl

from fm_anomaly.core.masks import MASKS, Mask
from fm_anomaly.core.normalizing import fold_digits, mask_hex, normalize
from fm_anomaly.core.template_mining import MiningParams
from fm_anomaly.core.templates import TemplateParams, TemplateStore
from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.grouping import Grouping, compare
from fm_anomaly.evaluation.template_rivals import drain3_labels, drain3_masked_labels, masked_texts

_CANDIDATES = [
    MiningParams(similarity=similarity, merge_words=words)
    for similarity, words in product((0.95, 0.98, 1.0), (4, 6, 8))
]
_DRAIN_GRID = list(product((0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (4, 5, 6)))


@dataclass(frozen=True, slots=True)
class System:
    """The labelled lines of one system."""

    name: str
    contents: pl.Series
    truth: list[str]


@dataclass(frozen=True, slots=True)
class SystemScore:
    """One system: grouping by the ids as they stand at the end, and by the ids as first assigned."""

    name: str
    n_lines: int
    end: Grouping
    first: Grouping


@dataclass(frozen=True, slots=True)
class Baseline:
    """Means of another way over the same systems."""

    name: str
    ga: float
    fga: float


@dataclass(frozen=True, slots=True)
class LoghubReport:
    """Scores per system and their means, the baselines, and the leave-one-out scores where asked for."""

    systems: list[SystemScore]
    baselines: list[Baseline]
    left_out: list[SystemScore]

    @property
    def ga(self) -> float:
        """Mean GA of ids as they stand at the end."""
        return fmean(s.end.ga for s in self.systems)

    @property
    def fga(self) -> float:
        """Mean FGA of ids as they stand at the end."""
        return fmean(s.end.fga for s in self.systems)

    @property
    def ga_first(self) -> float:
        """Mean GA of ids as first assigned."""
        return fmean(s.first.ga for s in self.systems)


def run(data: Path, leave_one_out: bool = False, baselines: bool = True) -> LoghubReport:
    """Evaluate every system under `data`. Takes a second a system, a minute with baselines for eight.

    Raises `SourceError` where `data` holds no system in the layout.
    """
    systems = load(data)
    return LoghubReport(
        systems=[score(system, MiningParams()) for system in systems],
        baselines=_baselines(systems) if baselines else [],
        left_out=_leave_one_out(systems) if leave_one_out else [],
    )


def load(data: Path) -> list[System]:
    """Return the systems under `data`, by name."""
    files = sorted(data.glob("*/*_structured.csv"))
    if not files:
        raise SourceError(f"no */*_structured.csv under {data}; point --data at a folder in loghub's layout")
    return [_read(path) for path in files]


def _read(path: Path) -> System:
    try:
        table = pl.read_csv(path, infer_schema=False, columns=["Content", "EventId"])
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise SourceError(f"{path} is not a loghub table with Content and EventId: {exc}") from exc
    return System(path.parent.name, table["Content"].fill_null(""), table["EventId"].fill_null("").to_list())


def score(system: System, params: MiningParams, masks: Sequence[Mask] = MASKS) -> SystemScore:
    """Return how well one configuration groups one system."""
    store = TemplateStore(TemplateParams(mining=params), partial(normalize, masks=masks))
    first = store.assign(np.zeros(len(system.contents), dtype=np.int32), system.contents)
    end = store.canonical(first)
    return SystemScore(
        system.name,
        len(system.truth),
        compare(end.tolist(), system.truth),
        compare(first.tolist(), system.truth),
    )


def _leave_one_out(systems: Sequence[System]) -> list[SystemScore]:
    """Score each system with the parameters that are best on the others and the masks that act on the others."""
    table = [[score(system, params) for params in _CANDIDATES] for system in systems]
    acting = [acting_masks(system) for system in systems]
    out = []
    for left, system in enumerate(systems):
        others = [i for i in range(len(systems)) if i != left]
        merit = [sum(table[i][c].end.ga + table[i][c].end.fga for i in others) for c in range(len(_CANDIDATES))]
        masks = [m for m in MASKS if any(m in acting[i] for i in others)]
        out.append(score(system, _CANDIDATES[merit.index(max(merit))], masks))
    return out


def acting_masks(system: System) -> list[Mask]:
    """Return the masks without which some line of the system would have another key."""
    shapes = list(dict.fromkeys(mask_hex(pl.Series(fold_digits(system.contents))).to_list()))
    keys = [normalize(shape).key for shape in shapes]
    rest = [(m, [other for other in MASKS if other is not m]) for m in MASKS]
    return [
        m
        for m, others in rest
        if any(normalize(shape, others).key != key for shape, key in zip(shapes, keys, strict=True))
    ]


def _baselines(systems: Sequence[System]) -> list[Baseline]:
    grid = [
        _baseline(
            f"Drain3, masks, similarity {s}, depth {d}",
            systems,
            partial(drain3_masked_labels, similarity=s, depth=d),
        )
        for s, d in _DRAIN_GRID
    ]
    best = max(grid, key=lambda b: b.ga + b.fga)
    return [
        _baseline("Drain3, defaults", systems, drain3_labels),
        Baseline(f"best of {len(grid)} configurations: {best.name}", best.ga, best.fga),
        _baseline("exact match of masked lines", systems, masked_texts),
    ]


def _baseline(
    name: str, systems: Sequence[System], label: Callable[[list[str]], Sequence[int] | Sequence[str]]
) -> Baseline:
    scores = [compare(label(system.contents.to_list()), system.truth) for system in systems]
    return Baseline(name, fmean(s.ga for s in scores), fmean(s.fga for s in scores))


def to_dict(report: LoghubReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {
        "schema": "fm-anomaly/evaluate-loghub/1",
        "mean": {"ga": report.ga, "fga": report.fga, "ga_first": report.ga_first},
        **asdict(report),
    }


def render(report: LoghubReport) -> str:
    """Return the report as a table for the terminal."""
    lines = ["system         lines     GA    FGA  GA first  templates (true)"]
    lines += [_row(s) for s in report.systems]
    lines.append(f"{'mean':<12} {'':>7}  {report.ga:.3f}  {report.fga:.3f}     {report.ga_first:.3f}")
    if report.left_out:
        lines += ["", "left out: parameters and masks by the other systems alone"]
        lines += [_row(s) for s in report.left_out]
        ga, fga = fmean(s.end.ga for s in report.left_out), fmean(s.end.fga for s in report.left_out)
        lines.append(f"{'mean':<12} {'':>7}  {ga:.3f}  {fga:.3f}")
    if report.baselines:
        lines += ["", "baselines      GA    FGA"]
        lines += [f"            {b.ga:.3f}  {b.fga:.3f}  {b.name}" for b in report.baselines]
    return "\n".join(lines)


def _row(s: SystemScore) -> str:
    groups = f"{s.end.n_predicted} ({s.end.n_true})"
    return f"{s.name:<12} {s.n_lines:>7}  {s.end.ga:.3f}  {s.end.fga:.3f}     {s.first.ga:.3f}  {groups}"
