"""Reads a numeric series from a CSV file: columns timestamp and value, perhaps label; others are ignored.

Names of columns count in any case. What is no number is NaN, and keeps its row. It knows files, not detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.time_values import from_values
from fm_anomaly.errors import SourceError


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """A series as a file has it, in the order of its rows."""

    stamps: list[str]
    """Timestamps as they are written."""
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    labels: NDArray[np.bool_] | None
    """True where a column `label` says so; None where there is none."""


def read_series(path: Path) -> SeriesFile:
    """Return the series in a CSV file.

    Raises
    ------
    SourceError
        The file cannot be read, has no column `timestamp` or `value`, or a timestamp is none.
    """
    table = _read(path)
    columns = {name.strip().lower(): name for name in reversed(table.columns)}
    for wanted in ("timestamp", "value"):
        if wanted not in columns:
            listed = ", ".join(repr(name) for name in table.columns[:12])
            raise SourceError(f"{path} has no column {wanted!r}; its columns are {listed}: rename one")
    stamps = _cells(table, columns["timestamp"])
    labels = None
    if "label" in columns:
        labels = np.array([cell in ("1", "1.0", "true") for cell in _cells(table, columns["label"])], dtype=np.bool_)
    return SeriesFile(stamps, read_times(stamps, str(path)), _numbers(_cells(table, columns["value"])), labels)


def read_times(stamps: Sequence[str], source: str) -> NDArray[np.int64]:
    """Return timestamps as microseconds since the epoch; those without a zone are UTC.

    Raises `SourceError`, which names the source and the row, where one is no timestamp.
    """
    if not stamps:
        return np.zeros(0, dtype=np.int64)
    times_us, is_valid, _ = from_values(list(stamps), "UTC")
    if not is_valid.all():
        row = int(np.flatnonzero(~is_valid)[0])
        raise SourceError(f"{source}: row {row + 1:,} has no timestamp but {stamps[row]!r}; write 2026-03-02T12:30:00Z")
    return times_us


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.NoDataError:
        raise SourceError(f"{path} is empty; the first line must name the columns timestamp and value") from None
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise SourceError(f"cannot read {path} as CSV: {str(exc).splitlines()[0]}") from exc


def _cells(table: pl.DataFrame, name: str) -> list[str]:
    return table[name].fill_null("").str.strip_chars().to_list()


def _numbers(cells: list[str]) -> NDArray[np.float64]:
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
