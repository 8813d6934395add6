"""Reads structlog's records (FaultMaven's) in columns: what each field of a record means for its line frame.

Fields that only few records need are asked of the caller, record by record. This module knows the fields; it must
not know whether they came as JSON or in the console form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from types import NoneType
from typing import Any

import msgspec
import polars as pl

from fm_anomaly.core import access, json_fields, severities
from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.json_table import Columns, bodies, times_of
from fm_anomaly.core.line_fields import DEFAULTS, line_frame
from fm_anomaly.core.session_ids import session_id

FIELDS = (
    *("method", "path", "status_code", "event_type", "layer", "operation", "service", "duration_seconds"),
    *("duration_ms", "extra", "event", "logger", "level", "timestamp", "service_name"),
    *("correlation_id", "trace_id", "request_id"),
)
"""Fields read of every record, in the order in which structlog writes them."""
EVENT = FIELDS.index("event")
_N_PLAIN = FIELDS.index("correlation_id")
RARE_FIELDS = (
    *("event_name", "metric_name", "client", "error", "error_type", "error_message", "exception_type"),
    "exception",
)
"""Fields that few records need, though many may have them."""

Fields = tuple[Sequence[Any], ...]
"""The values of `FIELDS`, a column each, all of one length."""
Rare = Callable[[int], Any]
"""Given a record's place, what its `RARE_FIELDS` hold, as attributes."""


class _Extra(msgspec.Struct, gc=False):
    duration_seconds: Any = None
    attributes: Any = None


_NO_EXTRA = _Extra()
_DECODE_EXTRA = msgspec.json.Decoder(_Extra)
_PLAIN = frozenset(range(1, 11))
"""Severities up to NOTICE, but not 0: unknown."""
_FAILURE = ("exc_type", "exc_message", "exception")
_TEXT_OR_NONE = {str, NoneType}
_ERROR = severities.WORDS["error"]
BAD_JSON = (msgspec.DecodeError, RecursionError, ValueError)

_COLUMNS = (
    *("event", "timestamp", "logger", "severity", "event_key", "operation", "duration_ms", "status"),
    *("service", "session", *_FAILURE),
)


class Reader:
    """Gathers records, some hundred at a time (so that they stay in the processor's cache), into one line frame."""

    def __init__(self) -> None:
        self._columns: Columns = {name: [] for name in _COLUMNS}

    def __len__(self) -> int:
        return len(self._columns["event"])

    def add(self, fields: Fields, rare: Rare) -> None:
        """Take records, whose ``event`` must be a string.

        Of the rare fields those are read that matter: what failed of records that are no plain INFO, a name of those
        with an event type and no operation.
        """
        plain, ids = fields[:_N_PLAIN], fields[_N_PLAIN:]
        method, path, code, kind, layer, named, callee, seconds, ms, extra, event, logger, level, stamp, stated = plain
        severity = _severities(level)
        operation, service = _texts(named), _texts(stated)
        duration = _durations(seconds)
        status: list[int | None] = [None] * len(event)
        keys = _event_keys(kind, layer, named, rare)
        extras = {i: _extra(raw) for i, raw in enumerate(extra) if raw is not None}
        rows = (operation, duration, status, severity)
        _read_requests(event, (method, path, code), rows, extras)
        if not all(service):
            _read_callees(callee, kind, service, rare)
        _read_durations(ms, duration, extras)
        session = _sessions(ids)
        found = (event, stamp, logger, severity, keys, operation, duration, status, service, session)
        for name, values in zip(_COLUMNS, (*found, *_failures(severity, rare)), strict=True):
            self._columns[name].extend(values)

    def frame(self, index: Ints, tz: str, name: str) -> pl.DataFrame:
        """Return the line frame of all records so far, whose places in the batch are `index`."""
        columns = self._columns
        out: dict[str, Any] = {"format": name, "closed": True}
        out.update(times_of(columns["timestamp"], tz))
        out["body"] = bodies(columns["event"])
        out["severity"] = pl.Series(columns["severity"], dtype=pl.UInt8)
        for field in ("event_key", "operation", "duration_ms", "status", "service", "session", *_FAILURE):
            values, default = columns[field], DEFAULTS.get(field)
            # any() ends at the first value; count() compares each with the default
            out[field] = values if any(values) or values.count(default) < len(values) else default
        own = _own(columns["logger"])
        if own is not None:
            out["own"] = own
        return line_frame(index, out)


def frame_of_dicts(rows: list[dict[str, Any]], index: Ints, tz: str, name: str) -> pl.DataFrame:
    """Return the line frame of records given as dicts, whose ``event`` must be a string."""
    records = [{key.replace(".", "_"): value for key, value in row.items()} for row in rows]
    for record in records:
        record.pop("extra", None)
    fields = tuple([record.get(field) for record in records] for field in FIELDS)
    rare = (_Rare(**{f: record.get(f) for f in RARE_FIELDS}) for record in records)
    reader = Reader()
    reader.add(fields, list(rare).__getitem__)
    return reader.frame(index, tz, name)


_Rare: Any = msgspec.defstruct("_Rare", [(field, Any, None) for field in RARE_FIELDS], gc=False)
NOTHING_RARE = _Rare()
decode_rare: Callable[[memoryview], Any] = msgspec.json.Decoder(_Rare).decode


def _texts(values: Sequence[Any]) -> list[str | None]:
    if set(map(type, values)) <= _TEXT_OR_NONE:
        return list(values)
    return [v if type(v) is str else None for v in values]


def _sessions(ids: Sequence[Sequence[Any]]) -> list[str | None]:
    """Return the id of each record's request or job: the first of its fields (a column each) that names one."""
    found: list[str | None] = [None] * len(ids[0])
    for values in ids:
        if values.count(None) < len(values):
            found = [session_id(v) if f is None and v is not None else f for f, v in zip(found, values, strict=True)]
        if None not in found:
            break
    return found


def _severities(levels: Sequence[Any]) -> list[int]:
    try:
        return list(map(severities.WORDS.__getitem__, levels))
    except (KeyError, TypeError):
        return list(map(severities.from_word, levels))


# Event keys -------------------------------------------------------------------------------------------------

_MAX_KEY = 120
_MAX_KEYS_KNOWN = 4096
_keys: dict[tuple[str, str, str], str] = {}
"""Event keys as seen so far; what a key is depends on nothing else."""


def _event_keys(types: Sequence[Any], layers: Sequence[Any], names: Sequence[Any], rare: Rare) -> list[str]:
    """Return ``event_type|layer|name`` of records with an event type, "" of the others."""
    keys = [""] * len(types)
    if not any(types):
        return keys
    parts = list(compress(zip(types, layers, names, strict=True), types))
    try:
        found: list[str | None] = list(map(_keys.get, parts))
    except TypeError:  # an object as one of them
        found = [None] * len(parts)
    for i, key, part in zip(compress(range(len(types)), types), found, parts, strict=True):
        keys[i] = _event_key(part, i, rare) if key is None else key
    return keys


def _event_key(part: tuple[Any, Any, Any], i: int, rare: Rare) -> str:
    kind, layer, name = part
    if type(name) is type(kind) is type(layer) is str:
        key = f"{kind}|{layer}|{name}"[:_MAX_KEY]
        if len(_keys) < _MAX_KEYS_KNOWN:
            _keys[part] = key
        return key
    if not isinstance(kind, str):
        return ""
    if not name:
        record = rare(i)
        name = record.event_name or record.metric_name
    return "|".join(part if isinstance(part, str) else "" for part in (kind, layer, name))[:_MAX_KEY]


# Requests ---------------------------------------------------------------------------------------------------

_Rows = tuple[list[str | None], list[float | None], list[int | None], list[int]]


def _read_requests(
    events: Sequence[str],
    request: tuple[Sequence[Any], Sequence[Any], Sequence[Any]],
    rows: _Rows,
    extras: dict[int, _Extra],
) -> None:
    """Fill operation, duration, status and severity of access records: those with a status or "…equest …"."""
    methods, paths, codes = request
    operation, _, status, severity = rows
    places = [i for i, e in enumerate(events) if "equest" in e and e.find("equest", 0, 14) > 0]
    if codes.count(None) < len(codes):
        places = sorted({*places, *(i for i, code in enumerate(codes) if code is not None)})
    for i in places:
        method, path, code = methods[i], paths[i], codes[i]
        if type(method) is type(path) is str:
            operation[i] = access.operation(method, path)
        else:
            _stated_request(events[i], i, rows, extras.get(i, _NO_EXTRA))
        if code is not None:
            status[i] = json_fields.status_of(code)
        if (status[i] or 0) >= 500:
            severity[i] = max(severity[i], _ERROR)


def _stated_request(event: str, i: int, rows: _Rows, extra: _Extra) -> None:
    """Read what the sentence says of a request, or the attributes of its summary."""
    operation, duration, status, _ = rows
    if operation[i] is not None or event.startswith("HTTP"):
        return
    operation[i], status[i], took = access.request_in(event)
    duration[i] = took if duration[i] is None else duration[i]
    attributes = extra.attributes
    if operation[i] is None and isinstance(attributes, dict):
        method, path = attributes.get("method"), attributes.get("path")
        if isinstance(method, str) and isinstance(path, str):
            operation[i] = access.operation(method, path)


def _extra(raw: msgspec.Raw) -> _Extra:
    try:
        return _DECODE_EXTRA.decode(raw)
    except BAD_JSON:  # no object
        return _NO_EXTRA


# Durations, services, failures ------------------------------------------------------------------------------


def _durations(seconds: Sequence[Any]) -> list[float | None]:
    return [
        None if v is None else v * 1e3 if type(v) is float and 0 <= v < 1e12 else json_fields.duration_ms(v, 1e3)
        for v in seconds
    ]


def _read_durations(ms: Sequence[Any], duration: list[float | None], extras: dict[int, _Extra]) -> None:
    """Fill durations from the fields that are rarer."""
    if ms.count(None) < len(ms):
        for i, value in enumerate(ms):
            if value is not None and duration[i] is None:
                duration[i] = json_fields.duration_ms(value, 1.0)
    for i, extra in extras.items():
        if duration[i] is None:
            duration[i] = json_fields.duration_ms(extra.duration_seconds, 1e3)


def _read_callees(callees: Sequence[Any], types: Sequence[Any], services: list[str | None], rare: Rare) -> None:
    """Fill services from the field ``service``.

    That of a call (a record with a ``client``) or an operation is the one that was called.
    """
    for i, service in enumerate(callees):
        if type(service) is str and services[i] is None and types[i] is None and rare(i).client is None:
            services[i] = service[:200] or None


def _failures(severity: list[int], rare: Rare) -> tuple[list[str | None], ...]:
    """Return exception class, message and traceback of the records that are no plain INFO or DEBUG."""
    types: list[str | None] = [None] * len(severity)
    if _PLAIN.issuperset(severity):
        return types, types, types
    messages, texts = types.copy(), types.copy()
    for i in [i for i, s in enumerate(severity) if s not in _PLAIN]:
        record = rare(i)
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
