"""Parses the JSON lines of a batch: structlog objects in columns, all others by `core.json_table`.

An object whose ``event`` is a string is structlog's (FaultMaven's); its few fields are decoded straight
into a struct. Which way a line goes depends on the line alone. This module knows JSON's formats, and
nothing of sources or multi-line records.
"""

from __future__ import annotations

from itertools import compress
from operator import attrgetter
from types import NoneType
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fm_anomaly.core import access, json_fields, severities
from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.json_table import Columns, bodies, table_frame, times_of
from fm_anomaly.core.line_fields import DEFAULTS, line_frame
from fm_anomaly.core.text_batch import TextLines

_BATCH = 512
"""Lines decoded at a time: the objects of a batch stay in the processor's cache (measured 2× faster)."""

_STRUCTLOG_FIELDS = (
    *("method", "path", "status_code", "event_type", "event_name", "metric_name", "layer", "operation", "client"),
    *("service", "error", "error_type", "error_message", "exception_type", "duration_seconds", "duration_ms"),
    *("extra", "event", "logger", "level", "timestamp", "exception", "service_name"),
)
"""In the order in which structlog writes them: the decoder looks for a key from the last one's place on."""
_RENAMED = {"service_name": "service.name"}
# Of `extra`, a dict of anything, only two fields matter, and only to some lines: it is not built.
_Structlog: Any = msgspec.defstruct(
    "_Structlog",
    [(f, msgspec.Raw if f == "extra" else Any, None) for f in _STRUCTLOG_FIELDS],
    gc=False,
    rename=_RENAMED,
)


class _Extra(msgspec.Struct, gc=False):
    duration_seconds: Any = None
    attributes: Any = None


_NO_EXTRA = _Extra()
_DECODE_EXTRA = msgspec.json.Decoder(_Extra)
_DECODE_STRUCTLOG = msgspec.json.Decoder(_Structlog)
_DECODE_OBJECT = msgspec.json.Decoder(dict[str, Any])
_PLAIN = frozenset(range(1, 11))
"""Severities up to NOTICE, but not 0: unknown."""
_FAILURE = ("exc_type", "exc_message", "exception")
_TEXT_OR_NONE = {str, NoneType}
_ERROR = severities.WORDS["error"]
_BAD_JSON = (msgspec.DecodeError, RecursionError, ValueError)

_ALWAYS = (
    "level",
    "timestamp",
    "logger",
    "event_type",
    "layer",
    "operation",
    "duration_seconds",
    "service_name",
)
_GETTERS = {name: attrgetter(name) for name in _STRUCTLOG_FIELDS}
_STATED = frozenset(_STRUCTLOG_FIELDS) - {"extra"}


def parse_json(lines: TextLines, index: Ints, tz: str) -> tuple[list[pl.DataFrame], Ints]:
    """Return line frames of the lines that are JSON objects, and the indices of those that are not.

    `lines` are texts that begin with ``{`` and end with ``}``; `index` are their places in the batch.
    """
    columns = _empty_columns()
    others: list[int] = []
    bad: list[int] = []
    for start in range(0, len(index), _BATCH):
        objects = _decoded(lines, start, min(start + _BATCH, len(index)), bad)
        events = list(map(_GETTERS["event"], objects))
        if set(map(type, events)) != {str}:
            taken = [type(e) is str for e in events]
            others.extend(start + i for i, is_taken in enumerate(taken) if not is_taken)
            objects = list(compress(objects, taken))
            events = list(compress(events, taken))
        if objects:
            _read(objects, events, columns)
    frames = []
    if others:
        frames.extend(_other_objects(lines, others, bad, index, tz))
    if columns["event"]:
        places_left = np.delete(index, others) if others else index
        frames.append(_structlog_frame(columns, places_left, tz, "structlog"))
    return frames, index[np.array(sorted(bad), dtype=np.int64)] if bad else index[:0]


def _other_objects(lines: TextLines, others: list[int], bad: list[int], index: Ints, tz: str) -> list[pl.DataFrame]:
    """Return the line frame of objects of other loggers; what proves to be none is added to `bad`."""
    skip = set(bad)
    places, rows = [], []
    for i in others:
        if i in skip:
            continue
        try:
            rows.append(_DECODE_OBJECT.decode(lines.bytes_of(i, i + 1)))
        except _BAD_JSON:  # a number out of range, in a field that the struct does not have
            bad.append(i)
        else:
            places.append(i)
    if not places:
        return []
    return [table_frame(rows, lines.series.gather(places).to_list(), index[places], tz)]


def structlog_frame(rows: list[dict[str, Any]], index: Ints, tz: str, name: str) -> pl.DataFrame:
    """Return the line frame of structlog records given as dicts, whose ``event`` must be a string."""
    columns = _empty_columns()
    objects = [
        _Structlog(**{k.replace(".", "_"): v for k, v in row.items() if k.replace(".", "_") in _STATED}) for row in rows
    ]
    _read(objects, [record.event for record in objects], columns)
    return _structlog_frame(columns, index, tz, name)


def _decoded(lines: TextLines, start: int, end: int, bad: list[int]) -> list[Any]:
    """Decode lines from `start` to `end`; one that is no object gives an empty struct and its place in `bad`."""
    try:
        found: list[Any] = _DECODE_STRUCTLOG.decode_lines(lines.bytes_of(start, end))
        if len(found) != end - start:
            raise ValueError(start)
    except _BAD_JSON:
        found = [_decode_one(lines, i, bad) for i in range(start, end)]
    return found


def _decode_one(lines: TextLines, i: int, bad: list[int]) -> Any:
    try:
        return _DECODE_STRUCTLOG.decode(lines.bytes_of(i, i + 1))
    except _BAD_JSON:
        bad.append(i)
        return _Structlog()


_COLUMNS = (
    *("event", "timestamp", "logger", "severity", "event_key", "operation", "duration_ms", "status"),
    *("service", "exc_type", "exc_message", "exception"),
)


def _empty_columns() -> Columns:
    return {name: [] for name in _COLUMNS}


def _read(objects: list[Any], events: list[str], columns: Columns) -> None:
    """Append what decoded structlog records say, while they are in the processor's cache.

    Fields that only some records have are read of the records that may have them: what an access record
    says of those without an event type, what failed of those that are no plain INFO.
    """
    some = {field: list(map(_GETTERS[field], objects)) for field in _ALWAYS}
    severity = _severities(some["level"])
    operation, services = _texts(some["operation"]), _texts(some["service_name"])
    duration = _durations(some["duration_seconds"])
    status: list[int | None] = [None] * len(objects)
    keys = _event_keys(some, objects)
    extras = {i: _extra(raw) for i, raw in _present("extra", objects)}
    _requests(objects, events, (operation, duration, status, severity), extras)
    _others(objects, some["event_type"], services, duration, extras)
    found = (events, some["timestamp"], some["logger"], severity, keys, operation, duration, status, services)
    for name, values in zip(_COLUMNS, (*found, *_failures(objects, severity)), strict=True):
        columns[name].extend(values)


def _texts(values: list[Any]) -> list[str | None]:
    if set(map(type, values)) <= _TEXT_OR_NONE:
        return values
    return [v if type(v) is str else None for v in values]


def _structlog_frame(columns: Columns, index: Ints, tz: str, name: str) -> pl.DataFrame:
    """Return the line frame of structlog records that `_read` has gathered."""
    out: dict[str, Any] = {"format": name, "closed": True}
    out.update(times_of(columns["timestamp"], tz))
    out["body"] = bodies(columns["event"])
    out["severity"] = pl.Series(columns["severity"], dtype=pl.UInt8)
    for field in ("event_key", "operation", "duration_ms", "status", "service", *_FAILURE):
        values, default = columns[field], DEFAULTS.get(field)
        # any() ends at the first value; count() compares each with the default
        out[field] = values if any(values) or values.count(default) < len(values) else default
    own = _own(columns["logger"])
    if own is not None:
        out["own"] = own
    return line_frame(index, out)


def _severities(levels: list[Any]) -> list[int]:
    try:
        return list(map(severities.WORDS.__getitem__, levels))
    except (KeyError, TypeError):
        return list(map(severities.from_word, levels))


_MAX_KEY = 120


def _event_keys(some: Columns, objects: list[Any]) -> list[str]:
    """Return ``event_type|layer|name`` of records with an event type, "" of the others."""
    types = some["event_type"]
    keys = [""] * len(objects)
    if not any(types):
        return keys
    for i, t, layer, name in zip(
        *(compress(values, types) for values in (range(len(objects)), types, some["layer"], some["operation"])),
        strict=True,
    ):
        if type(name) is type(t) is type(layer) is str:
            keys[i] = f"{t}|{layer}|{name}"[:_MAX_KEY]
        else:
            keys[i] = _event_key(t, layer, name or objects[i].event_name or objects[i].metric_name)
    return keys


def _event_key(event_type: Any, layer: Any, name: Any) -> str:
    parts = [part if isinstance(part, str) else "" for part in (event_type, layer, name)]
    return "|".join(parts)[:_MAX_KEY] if parts[0] else ""


def _durations(seconds: list[Any]) -> list[float | None]:
    return [
        None if v is None else v * 1e3 if type(v) is float and 0 <= v < 1e12 else json_fields.duration_ms(v, 1e3)
        for v in seconds
    ]


_Rows = tuple[list[str | None], list[float | None], list[int | None], list[int]]


def _requests(objects: list[Any], events: list[str], rows: _Rows, extras: dict[int, _Extra]) -> None:
    """Fill operation, duration, status and severity of access records: those with a status or "…equest …"."""
    operation, _, status, severity = rows
    codes = list(map(_GETTERS["status_code"], objects))
    places = [i for i, e in enumerate(events) if "equest" in e and e.find("equest", 0, 14) > 0]
    if codes.count(None) < len(codes):
        places = sorted({*places, *(i for i, code in enumerate(codes) if code is not None)})
    for i in places:
        record, code = objects[i], codes[i]
        method, path = record.method, record.path
        if type(method) is type(path) is str:
            operation[i] = access.operation(method, path)
        else:
            _stated_request(record, i, rows, extras.get(i, _NO_EXTRA))
        if code is not None:
            status[i] = json_fields.status_of(code)
        if (status[i] or 0) >= 500:
            severity[i] = max(severity[i], _ERROR)


def _stated_request(record: Any, i: int, rows: _Rows, extra: _Extra) -> None:
    """Read what the sentence says of a request, or the attributes of its summary."""
    operation, duration, status, _ = rows
    if operation[i] is not None or record.event.startswith("HTTP"):
        return
    operation[i], status[i], took = access.request_in(record.event)
    duration[i] = took if duration[i] is None else duration[i]
    attributes = extra.attributes
    if operation[i] is None and isinstance(attributes, dict):
        method, path = attributes.get("method"), attributes.get("path")
        if isinstance(method, str) and isinstance(path, str):
            operation[i] = access.operation(method, path)


def _extra(raw: msgspec.Raw) -> _Extra:
    try:
        return _DECODE_EXTRA.decode(raw)
    except _BAD_JSON:  # no object
        return _NO_EXTRA


def _others(
    objects: list[Any],
    types: list[Any],
    services: list[str | None],
    duration: list[float | None],
    extras: dict[int, _Extra],
) -> None:
    """Fill service and duration from the fields that are rarer.

    The ``service`` of a call (a record with a ``client``) or an operation is the one that was called.
    """
    for i, service in () if all(services) else _present("service", objects):
        if type(service) is str and services[i] is None and types[i] is None:
            services[i] = service[:200] or None if objects[i].client is None else None
    for i, value in _present("duration_ms", objects):
        if duration[i] is None:
            duration[i] = json_fields.duration_ms(value, 1.0)
    for i, extra in extras.items():
        if duration[i] is None:
            duration[i] = json_fields.duration_ms(extra.duration_seconds, 1e3)


def _present(name: str, objects: list[Any]) -> list[tuple[int, Any]]:
    """Return index and value of a field of the records that have it."""
    values = list(map(_GETTERS[name], objects))
    if values.count(None) == len(values):
        return []
    return [(i, value) for i, value in enumerate(values) if value is not None]


def _failures(objects: list[Any], severity: list[int]) -> tuple[list[str | None], ...]:
    """Return exception class, message and traceback of the records that are no plain INFO or DEBUG."""
    types: list[str | None] = [None] * len(objects)
    if _PLAIN.issuperset(severity):
        return types, types, types
    messages, texts = types.copy(), types.copy()
    for i in [i for i, s in enumerate(severity) if s not in _PLAIN]:
        record = objects[i]
        kind = record.error_type or record.exception_type
        message = record.error_message or record.error
        if kind is not None:
            types[i] = json_fields.text_of(kind)
        if message is not None:
            messages[i] = (json_fields.text_of(message) or "").partition("\n")[0] or None
        if record.exception is not None:
            texts[i] = json_fields.text_of(record.exception)
    return types, messages, texts


def _own(loggers: list[Any]) -> list[bool] | None:
    try:
        if "fm_anomaly" not in "\n".join(loggers):
            return None
    except TypeError:
        pass
    own = [type(name) is str and name.startswith("fm_anomaly") for name in loggers]
    return own if any(own) else None
