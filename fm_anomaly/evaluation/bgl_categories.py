"""`evaluate bgl-categories`: alert lines of a supercomputer against the categories that its operators gave them.

DIR is loghub's folder, or the one of BGL in it: BGL_2k.log_structured.csv, whose column Label is "-" for ordinary
lines. The alert lines are clustered as failure texts are, one a line, the number of categories not given. Beside it
stand the templates (EventId) taken as categories. Knows how truth is stored and scored, not how categories are found.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fm_anomaly.core.categories import distinct_errors, fit
from fm_anomaly.errors import SourceError
from fm_anomaly.evaluation.grouping import compare


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Agreement of labels with the truth: grouping accuracy, adjusted Rand index, adjusted mutual information."""

    ga: float
    ari: float
    ami: float
    n_predicted: int


@dataclass(frozen=True, slots=True)
class BglCategoriesReport:
    """The categories' score, that of the templates in their place, and what was clustered."""

    n_lines: int
    n_true: int
    categories: LabelScore
    templates: LabelScore
    names: tuple[tuple[str, int], ...]


def run(data: Path) -> BglCategoriesReport:
    """Evaluate the alert lines under `data`. Takes some seconds. Raises `SourceError` where they are absent."""
    table = _alerts(data)
    truth = table["Label"].to_list()
    errors = distinct_errors(table["Content"].to_list())
    model = fit(errors)
    found = [each.category.category_id if each.category else "" for each in model.predict(errors)]
    return BglCategoriesReport(
        n_lines=len(truth),
        n_true=len(set(truth)),
        categories=score(found, truth),
        templates=score(table["EventId"].to_list(), truth),
        names=tuple((each.name, each.count) for each in model.categories),
    )


def score(found: list[str], truth: list[str]) -> LabelScore:
    """Return how well labels agree with the truth."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    return LabelScore(
        ga=compare(found, truth).ga,
        ari=float(adjusted_rand_score(truth, found)),
        ami=float(adjusted_mutual_info_score(truth, found)),
        n_predicted=len(set(found)),
    )


def _alerts(data: Path) -> pl.DataFrame:
    files = [each for each in (data / "BGL" / _FILE, data / _FILE) if each.is_file()]
    if not files:
        raise SourceError(f"no {_FILE} under {data} or {data / 'BGL'}; point --data at loghub's folder")
    try:
        table = pl.read_csv(files[0], infer_schema=False, columns=["Label", "Content", "EventId"])
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise SourceError(f"{files[0]} is not a table with Label, Content and EventId: {exc}") from exc
    alerts = table.filter(pl.col("Label") != "-")
    if not alerts.height:
        raise SourceError(f"{files[0]} labels no line as an alert; is it the 2k sample of BGL?")
    return alerts.with_columns(pl.col("Content").fill_null(""))


_FILE = "BGL_2k.log_structured.csv"


def to_dict(report: BglCategoriesReport) -> dict[str, Any]:
    """Return the report as plain values for `--json`."""
    return {"schema": "fm-anomaly/evaluate-bgl-categories/1", **asdict(report)}


def render(report: BglCategoriesReport) -> str:
    """Return the report as a table for the terminal."""
    rows = [("error categories", report.categories), ("templates taken as categories", report.templates)]
    lines = [f"{report.n_lines} alert lines, {report.n_true} human categories", f"{'':<30} GA     ARI    AMI   found"]
    lines += [f"{name:<30}{s.ga:.3f}  {s.ari:.3f}  {s.ami:.3f}  {s.n_predicted:>4}" for name, s in rows]
    lines += [f"{count:>9,} ×  {name}" for name, count in report.names]
    return "\n".join(lines)
