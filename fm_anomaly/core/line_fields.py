"""The frame that a format hands on: what one line says, before lines are joined to records.

Knows columns only; formats fill them, `core.parsing` joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from fm_anomaly.core.calendar import Bools, Ints
from fm_anomaly.core.frames import RECORD_SCHEMA
from fm_anomaly.core.zones import NO_ZONE

LINE_SCHEMA: dict[str, pl.DataType] = {
    # index of the line in the batch
    "index": pl.Int64(),
    "ts_us": pl.Int64(),
    # stated zone, minutes east of UTC; NO_ZONE where none is stated; null without a time
    "zone_min": pl.Int32(),
    # there is a time field or stamp, but it is no possible time
    "bad_time": pl.Boolean(),
    # starts a record whatever stood before
    "head": pl.Boolean(),
    # a record in itself: takes no continuation lines
    "closed": pl.Boolean(),
    # written by fm_anomaly: never taken in
    "own": pl.Boolean(),
    # traceback text that stood in a field of the line
    "exception": pl.String(),
    **{
        name: RECORD_SCHEMA[name]
        for name in (
            *("severity", "service", "event_key", "body", "exc_type", "exc_message"),
            *("operation", "duration_ms", "session", "status", "format"),
        )
    },
}
"""Columns of a line frame, in order, with their dtypes."""

DEFAULTS: dict[str, object] = {
    "bad_time": False,
    "head": True,
    "closed": False,
    "own": False,
    "severity": 0,
    "event_key": "",
}
"""Values of columns that a format leaves out; the others are null."""

_ONES = {name: pl.Series(name, [DEFAULTS.get(name)], dtype=dtype) for name, dtype in LINE_SCHEMA.items()}
"""One row of each column that a format leaves out."""

MAX_BODY = 8192
"""Characters of the first line that are kept as the body; the record's raw text has all of it."""


def line_frame(index: Ints, columns: Mapping[str, pl.Series | Sequence[object] | np.ndarray | object]) -> pl.DataFrame:
    """Return a line frame of `index` and the columns given; scalars are repeated, the rest is defaulted."""
    n = len(index)
    series = []
    for name, dtype in LINE_SCHEMA.items():
        value = index if name == "index" else columns.get(name, DEFAULTS.get(name))
        if isinstance(value, pl.Series):
            series.append((value if value.dtype == dtype else value.cast(dtype)).alias(name))
        elif isinstance(value, list | np.ndarray):
            series.append(pl.Series(name, value, dtype=dtype))
        else:
            one = _ONES[name] if name not in columns else pl.Series(name, [value], dtype=dtype)
            series.append(one.new_from_index(0, n))
    return pl.DataFrame(series)


def time_columns(us: Ints, valid: Bools, present: Bools, zone_min: Ints) -> dict[str, pl.Series]:
    """Return the columns of time: `present` where the line has a time, `valid` where it is a possible one."""
    ts, zone = pl.Series(us), pl.Series(zone_min.astype(np.int32))
    if not valid.all():
        mask = pl.Series(valid)
        ts, zone = ts.set(~mask, None), zone.set(~mask, None)
    return {"ts_us": ts, "zone_min": zone, "bad_time": pl.Series(present & ~valid)}


__all__ = ["DEFAULTS", "LINE_SCHEMA", "MAX_BODY", "NO_ZONE", "line_frame", "time_columns"]
