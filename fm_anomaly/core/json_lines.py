"""Parses the JSON lines of a batch: structlog objects in columns, all others by the table of fields.

An object whose ``event`` is a string is structlog's (FaultMaven's); its few fields are decoded straight
into a struct. Which way a line goes depends on the line alone. This module knows JSON's formats, and
nothing of sources or multi-line records.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import compress
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fm_anomaly.core import access, json_fields, severities, timestamps
from fm_anomaly.core.line_fields import MAX_BODY, line_frame, time_columns
from fm_anomaly.core.timestamps import Ints

_BATCH = 1024
"""Lines decoded at a time: the objects of a batch stay in the processor's cache (measured 2× faster)."""

_STRUCTLOG_FIELDS = (
    *("event", "level", "timestamp", "logger", "event_type", "layer", "operation", "event_name"),
    *("metric_name", "duration_seconds", "duration_ms", "status_code", "method", "path", "error_type"),
    *("exception_type", "exception", "error_message", "error", "service", "client", "extra"),
)
_Structlog: Any = msgspec.defstruct("_Structlog", [(f, Any, None) for f in _STRUCTLOG_FIELDS], gc=False)
_DECODE_STRUCTLOG = msgspec.json.Decoder(_Structlog)
_DECODE_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ERROR = severities.WORDS["error"]
_BAD_JSON = (msgspec.DecodeError, RecursionError, ValueError)

Columns = dict[str, list[Any]]


def parse_json(lines: list[str], index: Ints, tz: str) -> tuple[list[pl.DataFrame], Ints]:
    """Return line frames of the lines that are JSON objects, and the indices of those that are not.

    `lines` are texts that begin with ``{`` and end with ``}``; `index` are their places in the batch.
    """
    columns, bad = _decoded(lines)
    frames = []
    taken = _is_event(columns["event"])
    if not all(taken):
        keep = np.array(taken, dtype=np.bool_)
        others = np.flatnonzero(~keep)
        others = others[~np.isin(others, bad)]
        if len(others):
            rows = [_DECODE_OBJECT.decode(lines[i]) for i in others.tolist()]
            frames.append(table_frame(rows, [lines[i] for i in others.tolist()], index[others], tz))
        columns = {name: list(compress(values, taken)) for name, values in columns.items()}
        structlog_index = index[keep]
    else:
        structlog_index = index
    if len(structlog_index):
        frames.append(structlog_frame(columns, structlog_index, tz, "structlog"))
    return frames, index[np.array(bad, dtype=np.int64)] if bad else index[:0]


def empty_columns() -> Columns:
    """Return an empty list for each field that `structlog_frame` reads."""
    return {name: [] for name in _STRUCTLOG_FIELDS}


def _is_event(events: list[Any]) -> list[bool]:
    return [type(e) is str for e in events]


def _decoded(lines: list[str]) -> tuple[Columns, list[int]]:
    """Decode all lines; a line that is no object gives an empty row and its place in the last list."""
    columns = empty_columns()
    getters: list[tuple[list[Any], Callable[[Any], Any]]] = [
        (columns[name], attrgetter(name)) for name in _STRUCTLOG_FIELDS
    ]
    bad: list[int] = []
    for start in range(0, len(lines), _BATCH):
        batch = lines[start : start + _BATCH]
        try:
            objects = _DECODE_STRUCTLOG.decode_lines("\n".join(batch))
            if len(objects) != len(batch):
                raise ValueError(start)
        except _BAD_JSON:
            objects = [_decode_one(line, start + i, bad) for i, line in enumerate(batch)]
        for values, getter in getters:
            values.extend(map(getter, objects))
    return columns, bad


def _decode_one(line: str, i: int, bad: list[int]) -> Any:
    try:
        return _DECODE_STRUCTLOG.decode(line)
    except _BAD_JSON:
        bad.append(i)
        return _Structlog()


def structlog_frame(columns: Columns, index: Ints, tz: str, name: str) -> pl.DataFrame:
    """Return the line frame of structlog records, given a list of values for each field.

    `columns` needs the keys of `_STRUCTLOG_FIELDS`; ``event`` must be strings.
    """
    n = len(index)
    events: list[str] = columns["event"]
    out: dict[str, Any] = {"format": name, "closed": True, "head": True}
    out.update(_times(columns["timestamp"], tz))
    severity = _severities(columns["level"])
    out["event_key"] = _event_keys(columns)
    operation = [v if type(v) is str and v else None for v in columns["operation"]]
    duration = _durations(columns)
    status: list[int | None] = [None] * n
    _requests(columns, operation, duration, status, severity)
    out["operation"], out["duration_ms"], out["status"] = operation, duration, status
    out["severity"] = pl.Series(severity, dtype=pl.UInt8)
    out["body"] = bodies(events)
    out["service"] = _services(columns)
    _exceptions(columns, out)
    own = _own(columns["logger"])
    if own is not None:
        out["own"] = own
    return line_frame(index, out)


def bodies(texts: list[str]) -> pl.Series:
    """Return the first line of each text, cut at `MAX_BODY` characters."""
    series = pl.Series(texts, dtype=pl.String)
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        series = pl.Series([t.lstrip("\n").partition("\n")[0].rstrip("\r") for t in texts], dtype=pl.String)
    if len(joined) > MAX_BODY and max(map(len, texts), default=0) > MAX_BODY:
        series = series.str.slice(0, MAX_BODY)
    return series


def _times(values: list[Any], tz: str) -> dict[str, pl.Series]:
    us, valid, zones = timestamps.from_values(values, tz)
    if valid.all():
        return time_columns(us, valid, valid, zones)
    present = np.array([v is not None for v in values], dtype=np.bool_)
    return time_columns(us, valid, present, zones)


def _severities(levels: list[Any]) -> list[int]:
    try:
        found = list(map(severities.WORDS.get, levels))
    except TypeError:
        found = [None] * len(levels)
    if None in found:
        return [f if f is not None else severities.from_word(v) for f, v in zip(found, levels, strict=True)]
    return found  # type: ignore[return-value]


def _event_keys(columns: Columns) -> list[str] | str:
    types = columns["event_type"]
    if not any(types):
        return ""
    names = [columns[n] for n in ("layer", "operation", "event_name", "metric_name")]
    return [
        _event_key(t, layer, operation or event or metric) if t else ""
        for t, layer, operation, event, metric in zip(types, *names, strict=True)
    ]


def _event_key(event_type: Any, layer: Any, name: Any) -> str:
    parts = [str(part)[:120] if isinstance(part, str) else "" for part in (event_type, layer, name)]
    return "|".join(parts) if parts[0] else ""


def _durations(columns: Columns) -> list[float | None]:
    seconds = columns["duration_seconds"]
    found = [
        v * 1e3 if type(v) is float else json_fields.duration_ms(v, 1e3) if v is not None else None for v in seconds
    ]
    for name, factor in (("duration_ms", 1.0), ("extra", 0.0)):
        for i, value in enumerate(columns[name]):
            if value is None or found[i] is not None:
                continue
            if factor:
                found[i] = json_fields.duration_ms(value, factor)
            elif isinstance(value, dict):
                found[i] = json_fields.duration_ms(value.get("duration_seconds"), 1e3)
    return found


def _requests(
    columns: Columns,
    operation: list[str | None],
    duration: list[float | None],
    status: list[int | None],
    severity: list[int],
) -> None:
    """Fill operation, duration and status of access records: from their fields, else from their sentence."""
    methods, paths, codes = columns["method"], columns["path"], columns["status_code"]
    for i, event in enumerate(columns["event"]):
        method, path, code = methods[i], paths[i], codes[i]
        if type(method) is str and type(path) is str:
            operation[i] = access.operation(method, path)
        elif "equest" in event[:14] and not event.startswith("HTTP") and operation[i] is None:
            operation[i], stated, took = access.request_in(event)
            status[i] = stated
            duration[i] = took if duration[i] is None else duration[i]
            if operation[i] is None and isinstance(columns["extra"][i], dict):
                operation[i] = _summary_operation(columns["extra"][i])
        if code is not None:
            status[i] = json_fields.status_of(code)
        if (status[i] or 0) >= 500:
            severity[i] = max(severity[i], _ERROR)


def _summary_operation(extra: dict[str, Any]) -> str | None:
    attributes = extra.get("attributes")
    if not isinstance(attributes, dict):
        return None
    method, path = attributes.get("method"), attributes.get("path")
    return access.operation(method, path) if isinstance(method, str) and isinstance(path, str) else None


def _services(columns: Columns) -> list[str | None] | None:
    """Return the writer's service; on records of calls (``client``, operations) it names the callee."""
    services = columns["service"]
    if not any(services):
        return None
    return [
        s[:200] if type(s) is str and s and client is None and not t else None
        for s, client, t in zip(services, columns["client"], columns["event_type"], strict=True)
    ]


def _exceptions(columns: Columns, out: dict[str, Any]) -> None:
    for name, sources in (
        ("exc_type", ("error_type", "exception_type")),
        ("exc_message", ("error_message", "error")),
        ("exception", ("exception",)),
    ):
        found: list[str | None] | None = None
        for source in sources:
            values = columns[source]
            if any(values):
                texts = [json_fields.text_of(v) if v is not None else None for v in values]
                found = texts if found is None else [a or b for a, b in zip(found, texts, strict=True)]
        if found is not None and name == "exc_message":
            found = [f.partition("\n")[0] if f else None for f in found]
        out[name] = found


def _own(loggers: list[Any]) -> list[bool] | None:
    try:
        if not any(type(name) is str and name.startswith("fm_anomaly") for name in set(loggers)):
            return None
    except TypeError:
        pass
    return [type(name) is str and name.startswith("fm_anomaly") for name in loggers]


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
    out: dict[str, Any] = {**columns, **_times(columns.pop("time"), tz), "body": bodies(texts)}
    out.pop("time", None)
    out["severity"] = pl.Series(columns["severity"], dtype=pl.UInt8)
    return line_frame(index, {**out, "closed": True})


_TABLE_COLUMNS = (
    *("time", "severity", "body", "service", "exc_type", "exc_message", "exception", "operation"),
    *("duration_ms", "status", "own", "format"),
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
        first(row, paths["exception"]),
        operation,
        json_fields.duration_of(row, plan),
        status,
        logger is not None and logger.startswith("fm_anomaly"),
        plan.format,
    )
