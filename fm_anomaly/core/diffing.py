"""What changed between two logs: templates that are new, gone, more or fewer, and the lines that explain a failure.

`diff` compares two frames of records whose template codes come from one store; `diff_texts` and `diff_spans` go
there from bytes. A template's change is judged by its counts alone, a line by itself and its neighbours
(`line_scoring`), for one stack frame or one compiler message is finer than a record. This module reads no files
and knows nothing of how either is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import Severity
from fm_anomaly.core.line_scoring import Lines, LineScoringParams, explaining_lines
from fm_anomaly.core.record_lines import physical_lines
from fm_anomaly.core.significance import exposure_ratio, false_discovery_rates, lifts, p_values

ChangeKind = Literal["new", "gone", "up", "down"]
_KIND_ORDER: dict[ChangeKind, int] = {"new": 0, "up": 1, "gone": 2, "down": 3}


@dataclass(frozen=True, slots=True)
class DiffParams:
    """When a change of count is told: corrected p-value at most `alpha`, and `min_lift` times more or fewer.

    New and gone templates are always told, with their p-value.
    """

    alpha: float = 0.01
    min_lift: float = 2.0
    lines: LineScoringParams = field(default_factory=LineScoringParams)


@dataclass(frozen=True, slots=True)
class TemplateName:
    """How a template is called: its id and its text with wildcards."""

    template_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """One template that changed.

    `lift` is the ratio of rates (always finite, see `significance.lifts`), `p_value` corrected for the number of
    templates, `severity` the highest seen, `first_line` where it first stands in the second log (of a template
    that is gone: in the first), `n_explaining` how many of the explaining lines are its own.
    """

    template_id: str
    text: str
    service: str | None
    kind: ChangeKind
    n_before: int
    n_after: int
    lift: float
    p_value: float
    severity: Severity
    first_line: int
    n_explaining: int


@dataclass(frozen=True, slots=True)
class Diff:
    """Two logs compared.

    `changes` come most telling first. `lines` are the explaining lines of the second log, ascending and 1-based,
    `line_texts` their (redacted) texts. `n_before` and `n_after` count records; `exposure` is how many times as much
    of everything the second log has.
    """

    changes: tuple[TemplateChange, ...]
    lines: tuple[int, ...]
    line_texts: tuple[str, ...]
    n_before: int
    n_after: int
    exposure: float


def diff(
    before: pl.DataFrame,
    after: pl.DataFrame,
    params: DiffParams | None = None,
    name: Callable[[int], TemplateName] | None = None,
) -> Diff:
    """Return what `after` has otherwise than `before`.

    Parameters
    ----------
    before, after
        Record frames in the order of their lines, with a column template: an integer code, the same in both for
        the same template.
    name
        Id and text of a template code; without it, the code and the first body that has it.
    """
    params = params or DiffParams()
    texts = physical_lines(after, before["template"].unique().sort().cast(pl.Int64).to_numpy())
    numbers = explaining_lines(physical_lines(before), texts, params.lines)
    counts = _with_explaining(_counts(before, after), after, numbers)
    n_before, n_after = counts["n_before"].to_numpy(), counts["n_after"].to_numpy()
    exposure = exposure_ratio(n_before, n_after)
    judged = counts.with_columns(
        pl.Series("lift", lifts(n_before, n_after, exposure)),
        pl.Series("p_value", false_discovery_rates(p_values(n_before, n_after, exposure))),
    )
    return Diff(
        changes=tuple(sorted(_changes(judged, params, name), key=_rank)),
        lines=tuple(numbers.tolist()),
        line_texts=_texts_at(texts, numbers),
        n_before=before.height,
        n_after=after.height,
        exposure=exposure,
    )


def _counts(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return one row a template in either log, ascending by template code."""
    sides = pl.concat(
        [
            side.select(
                pl.col("template").cast(pl.Int64),
                "line",
                pl.col("severity").fill_null(0),
                "service",
                "body",
                is_after=pl.lit(is_after),
            )
            for side, is_after in ((after, True), (before, False))
        ]
    )
    is_after = pl.col("is_after")
    return (
        sides.group_by("template", maintain_order=True)
        .agg(
            n_before=(~is_after).sum().cast(pl.Int64),
            n_after=is_after.sum().cast(pl.Int64),
            severity=pl.col("severity").max(),
            first_line=pl.col("line").first(),
            service=pl.col("service").first(),
            body=pl.col("body").first(),
        )
        .sort("template")
    )


def _with_explaining(counts: pl.DataFrame, after: pl.DataFrame, numbers: NDArray[np.int64]) -> pl.DataFrame:
    """Return `counts` with the number of explaining lines of each template."""
    if not len(numbers):
        return counts.with_columns(n_explaining=pl.lit(0, dtype=pl.Int64))
    starts = after.select("line", pl.col("template").cast(pl.Int64)).sort("line", maintain_order=True)
    at = np.searchsorted(starts["line"].to_numpy(), numbers, side="right") - 1
    own = starts["template"].gather(np.maximum(at, 0)).to_frame().group_by("template").len("n_explaining")
    return counts.join(own, on="template", how="left", maintain_order="left").with_columns(
        pl.col("n_explaining").fill_null(0).cast(pl.Int64)
    )


def _changes(
    judged: pl.DataFrame, params: DiffParams, name: Callable[[int], TemplateName] | None
) -> Iterator[TemplateChange]:
    """Yield the changes that the judged counts tell."""
    columns = (
        "template", "body", "service", "n_before", "n_after", "lift", "p_value", "severity", "first_line",
        "n_explaining",
    )  # fmt: skip
    for code, body, service, n_before, n_after, lift, p_value, severity, line, n_lines in judged.select(
        columns
    ).iter_rows():
        kind = _kind(n_before, n_after, lift, p_value, params)
        if kind is not None:
            named = name(code) if name else TemplateName(str(code), body or "")
            yield TemplateChange(
                named.template_id, named.text, service, kind, n_before, n_after, lift, p_value,
                _severity(severity), line, n_lines,
            )  # fmt: skip


def _kind(n_before: int, n_after: int, lift: float, p_value: float, params: DiffParams) -> ChangeKind | None:
    if n_before == 0:
        return "new"
    if n_after == 0:
        return "gone"
    if p_value > params.alpha:
        return None
    if lift >= params.min_lift:
        return "up"
    return "down" if lift * params.min_lift <= 1.0 else None


def _severity(number: int) -> Severity:
    """Return the named severity at or below an OpenTelemetry number (18 is a finer ERROR)."""
    return max(s for s in Severity if s <= number)


def _rank(change: TemplateChange) -> tuple[bool, int, bool, float, int, str]:
    """Order of telling: what explains or is an error and grew, then new, up, gone, down; the surest first."""
    grew = change.kind in ("new", "up")
    is_bad = grew and (change.n_explaining > 0 or change.severity >= Severity.ERROR)
    return (
        not is_bad, _KIND_ORDER[change.kind], change.n_explaining == 0, change.p_value, change.first_line,
        change.template_id,
    )  # fmt: skip


def _texts_at(lines: Lines, numbers: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the texts of line `numbers`; a number that no record holds is a blank line."""
    if not len(numbers):
        return ()
    at = np.minimum(np.searchsorted(lines.numbers, numbers), len(lines.numbers) - 1)
    texts = lines.texts[at].to_list()
    found = (lines.numbers[at] == numbers).tolist()
    return tuple(text if ok else "" for text, ok in zip(texts, found, strict=True))
