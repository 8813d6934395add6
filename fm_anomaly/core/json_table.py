"""Parses JSON objects of any logger by the table of fields, one object at a time.

Objects with the same keys share a plan, so the table is searched once per shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from fm_anomaly.core import access, json_fields, severities, time_values
from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.line_fields import MAX_BODY, line_frame, time_columns
from fm_anomaly.core.lines import without_escapes
from fm_anomaly.core.session_ids import session_id

_ERROR = severities.WORDS["error"]

Columns = dict[str, list[Any]]


@lru_cache(maxsize=4096)
def _plan(keys: tuple[str, ...]) -> json_fields.Plan:
    return json_fields.plan_for(keys)


def table_frame(rows: list[dict[str, Any]], lines: list[str], index: Ints, tz: str) -> pl.DataFrame:
    """Return the line frame of objects of any other logger."""
    columns: Columns = {name: [] for name in _TABLE_COLUMNS}
    for row, line in zip(rows, lines, strict=True):
        values = _table_row(row, _plan(tuple(row)), line)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    texts = columns.pop("body")
    out: dict[str, Any] = {**columns, **times_of(columns.pop("time"), tz), "body": bodies(texts)}
    out.pop("time", None)
    out["severity"] = pl.Series(columns["severity"], dtype=pl.UInt8)
    return line_frame(index, {**out, "closed": True})


_TABLE_COLUMNS = (
    *("time", "severity", "body", "service", "exc_type", "exc_message", "exception", "operation"),
    *("duration_ms", "session", "status", "own", "format"),
)


def _table_row(row: dict[str, Any], plan: json_fields.Plan, line: str) -> tuple[Any, ...]:
    """Return the values of `_TABLE_COLUMNS` of one object."""
    paths = plan.paths
    first = json_fields.first_text
    severity = json_fields.severity_of(row, plan)
    exc_type = first(row, paths["exc_type"])
    exc_message = first(row, paths["exc_message"])
    body = first(row, paths["message"]) or exc_message or line
    method, path = first(row, paths["method"]), first(row, paths["path"])
    operation = access.operation(method, path) if method and path else first(row, paths["operation"])
    status = next((s for p in paths["status"] if (s := json_fields.status_of(json_fields.lookup(row, p)))), None)
    status = status if method or path else None
    if (status or 0) >= 500:
        severity = max(severity, _ERROR)
    if severity < _ERROR and exc_type is None:
        exc_message = None
    service = first(row, paths["service"])
    logger = first(row, paths["logger"])
    return (
        json_fields.time_of(row, paths["time"]),
        severity,
        body,
        service[:200] if service else None,
        exc_type.partition("\n")[0] if exc_type else None,
        exc_message.partition("\n")[0] if exc_message else None,
        first(row, paths["exception"]) or (body if "\n" in body else None),
        operation,
        json_fields.duration_of(row, plan),
        session_id(first(row, paths["session"])),
        status,
        logger is not None and logger.startswith("fm_anomaly"),
        plan.format,
    )


def bodies(texts: list[str]) -> pl.Series:
    """Return the first line of each text without escape sequences, cut at `MAX_BODY` characters."""
    joined = "\n".join(texts)
    if "\x1b" in joined:
        texts = [without_escapes(text) if "\x1b" in text else text for text in texts]
        joined = "\n".join(texts)
    series = pl.Series(texts, dtype=pl.String)
    if joined.count("\n") >= len(texts):
        series = pl.Series([t.lstrip("\n").partition("\n")[0].rstrip("\r") for t in texts], dtype=pl.String)
    if len(joined) > MAX_BODY and max(map(len, texts), default=0) > MAX_BODY:
        series = series.str.slice(0, MAX_BODY)
    return series


def times_of(values: list[Any], tz: str) -> dict[str, pl.Series]:
    """Return the time columns of a line frame for values of any kind; what is no time is null and counted."""
    us, valid, zones = time_values.from_values(values, tz)
    if valid.all():
        return time_columns(us, valid, valid, zones)
    present = np.array([v is not None for v in values], dtype=np.bool_)
    return time_columns(us, valid, present, zones)
