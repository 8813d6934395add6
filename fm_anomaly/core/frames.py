"""The record frame: which columns a parsed log has, with their types and meaning.

Everything in core/ that passes records along passes a Polars frame of this shape. This module knows
nothing of formats, templates or detectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

US_PER_S = 1_000_000
"""Microseconds in a second; event time is integer microseconds since the epoch, UTC."""


class Severity(IntEnum):
    """Record severity by the numbers of the OpenTelemetry logs data model (1 to 24); 0 is unspecified."""

    UNSPECIFIED = 0
    TRACE = 1
    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """The key of stage one: a tenant and one of its services."""

    tenant: str
    service: str


RECORD_SCHEMA: dict[str, pl.DataType] = {
    # number of the record's first line in its source, 1-based
    "line": pl.Int64(),
    # lines that make up the record: 1 + its continuation lines
    "n_lines": pl.Int32(),
    # event time, µs since the epoch, UTC; null where the record tells none
    "ts_us": pl.Int64(),
    # OpenTelemetry severity number; an access line's 5xx is at least ERROR
    "severity": pl.UInt8(),
    # name of the service that wrote it; null where the record tells none
    "service": pl.String(),
    # what else than the message makes the event type; "" for none, "operation_end|service|kb_search"
    "event_key": pl.String(),
    # the message that is mined: redacted, its first line only
    "body": pl.String(),
    # exception class, its message (first line) and top in-application frame "path:line in function"
    "exc_type": pl.String(),
    "exc_message": pl.String(),
    "exc_frame": pl.String(),
    # named operation or "METHOD route" of an access line, and how long it took
    "operation": pl.String(),
    "duration_ms": pl.Float64(),
    # id that the other records of its request or job repeat, where a field names one
    "session": pl.String(),
    # HTTP status code of an access line
    "status": pl.Int16(),
    # name of the format that matched, a row of core/formats.py
    "format": pl.String(),
    # the whole redacted text, lines joined by "\n": evidence
    "raw": pl.String(),
}
"""Columns of the record frame, in order, with their dtypes."""


def empty_frame() -> pl.DataFrame:
    """Return a record frame of no rows."""
    return pl.DataFrame(schema=RECORD_SCHEMA)


def as_record_frame(columns: pl.DataFrame) -> pl.DataFrame:
    """Return `columns` with every column of `RECORD_SCHEMA`, in order and type; absent ones are null.

    ``event_key`` is never null: absent, it is "". Cost: one select, no copy of columns already right.
    """
    have = columns.schema
    out = []
    for name, dtype in RECORD_SCHEMA.items():
        if name in have:
            out.append(pl.col(name) if have[name] == dtype else pl.col(name).cast(dtype))
        elif name == "event_key":
            out.append(pl.lit("", dtype=dtype).alias(name))
        else:
            out.append(pl.lit(None, dtype=dtype).alias(name))
    return columns.select(out)


def is_told(column: pl.Series) -> NDArray[np.bool_]:
    """Return which values of a column are not null; for the columns of small batches too, which a query costs most."""
    n_null = column.null_count()
    if n_null in (0, len(column)):
        return np.full(len(column), n_null == 0)
    if len(column) <= _FEW:
        return np.fromiter((value is not None for value in column.to_list()), np.bool_, len(column))
    return column.is_not_null().to_numpy()


_FEW = 1_000
"""Values up to which a loop is sooner done than a query has begun."""
