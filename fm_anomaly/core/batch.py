"""The batch that stage one is taking: its columns as arrays, and what stood before it came.

Values for `core.pipeline`. It must not know what is counted of them, or how they are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.frames import Severity
from fm_anomaly.core.windows import OpenBucket, Rows

_EVIDENCE_CHARS = 2_000
_FEW = 256
"""Rows of which a list is sooner made than some are looked up in a column."""


class Batch:
    """The columns of one frame that stage one reads more than once, as arrays in arrival order."""

    def __init__(self, frame: pl.DataFrame, stream: NDArray[np.int64]) -> None:
        self.frame = frame
        self.stream = stream
        self.ts_us: NDArray[np.int64] = frame["ts_us"].to_numpy()
        self.severity: NDArray[np.int64] = _numbers(frame["severity"])
        self.is_error: NDArray[np.bool_] = self.severity >= Severity.ERROR
        self.status: NDArray[np.int64] = _numbers(frame["status"])
        self.duration_ms: NDArray[np.float64] = frame["duration_ms"].to_numpy()
        """NaN where none is stated."""

    def evidence(self, rows: list[int]) -> list[list[object]]:
        """Return the fields of the `Evidence` of each row, as plain values."""
        if not rows:
            return []
        columns = [self.frame[name] for name in ("source", "line", "ts_us", "service", "raw")]
        if self.frame.height <= _FEW:
            values = [column.to_list() for column in columns]
            some = [[column[row] for row in rows] for column in values]
        else:
            some = [column[rows].to_list() for column in columns]
        return [[*told, raw and raw[:_EVIDENCE_CHARS]] for *told, raw in zip(*some, strict=True)]


def _numbers(column: pl.Series) -> NDArray[np.int64]:
    """Return a column with 0 for null."""
    if column.null_count() == len(column):
        return np.zeros(len(column), dtype=np.int64)
    plain = column.to_numpy()  # which has NaN for null
    numbers: NDArray[np.int64] = (np.nan_to_num(plain) if column.null_count() else plain).astype(np.int64)
    return numbers


@dataclass(frozen=True, slots=True)
class Taking:
    """The batch that is being taken: its rows that are not late, and the open buckets as they stood before it."""

    batch: Batch
    rows: Rows
    before: dict[int, OpenBucket]
