"""`evaluate error-groups`: groups of error lines against the event types that people gave them.

DIR is in loghub's layout. Of every system there whose table has a Level column with error lines, those lines are
grouped as `categorize` does it; homogeneity and completeness (Rosenberg and Hirschberg 2007) against EventId.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fm_anomaly.core.categories import distinct_errors
from fm_anomaly.errors import SourceError

_LEVELS = ("ERROR", "FATAL", "SEVERE", "FAILURE", "CRITICAL")


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One system: 1 in homogeneity where no group mixes event types, 1 in completeness where none is split."""

    name: str
    n_lines: int
    n_true: int
    n_predicted: int
    homogeneity: float
    completeness: float


def run(data: Path) -> list[GroupScore]:
    """Evaluate every system under `data`. Raises `SourceError` where none has error lines."""
    found = [each for path in sorted(data.glob("*/*_structured.csv")) if (each := _score(path)) is not None]
    if not found:
        raise SourceError(f"no */*_structured.csv with a Level of errors under {data}; point --data at loghub's folder")
    return found


def _score(path: Path) -> GroupScore | None:
    from sklearn.metrics import homogeneity_completeness_v_measure

    try:
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise SourceError(f"{path} is not a table in loghub's layout: {exc}") from exc
    if "Level" not in table.columns:
        return None
    rows = table.filter(pl.col("Level").str.to_uppercase().is_in(_LEVELS))
    truth = rows["EventId"].to_list()
    if len(set(truth)) < 2:
        return None
    groups = [each.group_id for each in distinct_errors(rows["Content"].fill_null("").to_list())]
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(truth, groups)
    return GroupScore(
        path.parent.name, rows.height, len(set(truth)), len(set(groups)), float(homogeneity), float(completeness)
    )


def to_dict(report: list[GroupScore]) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {"schema": "fm-anomaly/evaluate-error-groups/1", "systems": [asdict(each) for each in report]}


def render(report: list[GroupScore]) -> str:
    """Return the report as a table for the terminal."""
    lines = ["system         lines  groups (true)  homogeneity  completeness"]
    for each in report:
        groups = f"{each.n_predicted} ({each.n_true})"
        lines.append(
            f"{each.name:<12} {each.n_lines:>7}  {groups:<13}  {each.homogeneity:.3f}        {each.completeness:.3f}"
        )
    return "\n".join(lines)
