"""Reads structlog's records (FaultMaven's) in columns: what each field of a record means for its line frame.

Fields that only few records need are asked of the caller, record by record. This module knows the fields; it must
not know whether they came as JSON or in the console form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fm_anomaly.core import access, json_fields, severities, structlog_sites
from fm_anomaly.core.calendar import Ints
from fm_anomaly.core.json_table import bodies, times_of
from fm_anomaly.core.line_fields import DEFAULTS, LINE_SCHEMA, line_frame
from fm_anomaly.core.session_ids import session_id
from fm_anomaly.core.structlog_sites import Site

FIELDS = (
    *("method", "path", "status_code", "event_type", "layer", "operation", "client", "service", "duration_seconds"),
    *("event_name", "metric_name", "duration_ms", "extra", "event", "logger", "level", "timestamp", "service_name"),
    *("correlation_id", "trace_id", "request_id"),
)
"""Fields read of every record, in the order in which structlog writes them."""
RARE_FIELDS = ("error", "error_type", "error_message", "exception_type", "exception")
"""Fields that only failures need, though many records may have them."""

Rare = Callable[[int], Any]
"""Given a record's place, what its `RARE_FIELDS` hold, as attributes."""

Structlog: Any = msgspec.defstruct(
    "Structlog",
    # of `extra`, a dict of anything, only two fields matter, and only to some records: it is not built
    [(field, msgspec.Raw if field == "extra" else Any, None) for field in FIELDS],
    gc=False,
    rename={"service_name": "service.name"},
)
"""A record's `FIELDS`. A decoder looks for a key from the last one's place on."""


class _Extra(msgspec.Struct, gc=False):
    duration_seconds: Any = None
    attributes: Any = None


_NO_EXTRA = _Extra()
_DECODE_EXTRA = msgspec.json.Decoder(_Extra)
_ERROR = severities.WORDS["error"]
BAD_JSON = (msgspec.DecodeError, RecursionError, ValueError)

_OF_SITE = ("severity", "event_key", "operation", "status", "service")
"""Columns that the site tells, but for some records."""
_FAILURE = ("exc_type", "exc_message", "exception")


class Reader:
    """Gathers records, some hundred at a time (so that they stay in the processor's cache), into one line frame."""

    def __init__(self) -> None:
        self._events: list[str] = []
        self._stamps: list[Any] = []
        self._durations: list[float | None] = []
        self._sessions: list[str | None] = []
        self._sites: list[Site] = []
        self._told: dict[str, dict[int, Any]] = {name: {} for name in (*_OF_SITE, *_FAILURE)}
        """By column what single records tell, by their places: where it is not what their sites do."""

    def __len__(self) -> int:
        return len(self._events)

    def add(self, records: Sequence[Any], rare: Rare) -> None:
        """Take `Structlog` records, whose ``event`` must be a string. The rare fields are read of failures only."""
        sites = structlog_sites.sites_of(_repeating(records))
        events = [r.event for r in records]
        durations = _durations(records)
        odd = [i for i, site in enumerate(sites) if site.is_odd]
        requests = {i for i, event in enumerate(events) if "equest" in event and event.find("equest", 0, 14) > 0}
        requests.update(i for i in odd if sites[i].is_status)
        failures = {i for i in odd if not sites[i].is_plain}
        self._read_names([i for i in odd if not sites[i].is_fixed], sites, records)
        self._read_requests(sorted(requests), failures, sites, records, durations)
        self._read_failures(sorted(failures), rare)
        self._events.extend(events)
        self._stamps.extend([r.timestamp for r in records])
        self._durations.extend(durations)
        self._sessions.extend(_sessions(records))
        self._sites.extend(sites)

    def _read_names(self, places: list[int], sites: list[Site], records: Sequence[Any]) -> None:
        """Take event keys and services that the sites do not tell."""
        start = len(self)
        for i in places:
            site, record = sites[i], records[i]
            if site.event_key is None:
                name = record.event_name or record.metric_name
                self._told["event_key"][start + i] = structlog_sites.event_key(record.event_type, record.layer, name)
            if site.is_callee and record.client is not None:
                self._told["service"][start + i] = None

    def _read_requests(
        self,
        places: list[int],
        failures: set[int],
        sites: list[Site],
        records: Sequence[Any],
        durations: list[float | None],
    ) -> None:
        """Take what records of requests tell, those with a status or "…equest …"; add to `failures` what they say."""
        start, told = len(self), self._told
        for i in places:
            record, site = records[i], sites[i]
            method, path, event = record.method, record.path, record.event
            if type(method) is type(path) is str:
                told["operation"][start + i] = access.operation(method, path)
            elif site.operation is None and not event.startswith("HTTP"):
                operation, status, took = access.request_in(event)
                operation = operation or _summarised(record.extra)
                if operation is not None:
                    told["operation"][start + i] = operation
                if durations[i] is None:
                    durations[i] = took
                if not site.is_status and status is not None:
                    told["status"][start + i] = status
                    if status >= 500:
                        told["severity"][start + i] = max(site.severity, _ERROR)
                        failures.add(i)

    def _read_failures(self, places: list[int], rare: Rare) -> None:
        """Take exception class, message and traceback of the records at `places`."""
        start, told = len(self), self._told
        for i in places:
            record = rare(i)
            kind = record.error_type or record.exception_type
            message = record.error_message or record.error
            if kind is not None:
                told["exc_type"][start + i] = json_fields.text_of(kind)
            if message is not None:
                told["exc_message"][start + i] = (json_fields.text_of(message) or "").partition("\n")[0] or None
            if record.exception is not None:
                told["exception"][start + i] = json_fields.text_of(record.exception)

    def frame(self, index: Ints, tz: str, name: str) -> pl.DataFrame:
        """Return the line frame of all records so far, whose places in the batch are `index`."""
        out: dict[str, Any] = {"format": name, "closed": True}
        out.update(times_of(self._stamps, tz))
        out["body"] = bodies(self._events)
        for field, values in (("duration_ms", self._durations), ("session", self._sessions)):
            out[field] = values if any(values) or values.count(None) < len(values) else None
        distinct = list(dict.fromkeys(self._sites))
        places = dict(zip(distinct, range(len(distinct)), strict=True))
        codes = pl.Series(list(map(places.__getitem__, self._sites)), dtype=pl.UInt32)
        for field in _OF_SITE:
            out[field] = self._column(field, [getattr(site, field) for site in distinct], codes)
        for field in _FAILURE:
            out[field] = self._column(field, [None], codes)
        if any(site.own for site in distinct):
            out["own"] = pl.Series([site.own for site in distinct])[codes]
        return line_frame(index, out)

    def _column(self, field: str, by_site: list[Any], codes: pl.Series) -> pl.Series | object:
        """Return the column of a field, or the one value that all have."""
        told, dtype = self._told[field], LINE_SCHEMA[field]
        if len(set(by_site)) == 1:
            if not told:
                return by_site[0] if by_site[0] is not None else DEFAULTS.get(field)
            column = pl.Series(by_site[:1], dtype=dtype).new_from_index(0, len(codes))
        else:
            column = pl.Series(by_site, dtype=dtype)[codes]
        if told:
            column = column.scatter(np.fromiter(told, np.int64, len(told)), pl.Series(list(told.values()), dtype=dtype))
        return column


def frame_of_dicts(rows: list[dict[str, Any]], index: Ints, tz: str, name: str) -> pl.DataFrame:
    """Return the line frame of records given as dicts, whose ``event`` must be a string."""
    records = [{key.replace(".", "_"): value for key, value in row.items()} for row in rows]
    for record in records:
        record.pop("extra", None)
    rare = [_Rare(**{f: record.get(f) for f in RARE_FIELDS}) for record in records]
    reader = Reader()
    reader.add([Structlog(**{f: record.get(f) for f in FIELDS}) for record in records], rare.__getitem__)
    return reader.frame(index, tz, name)


_Rare: Any = msgspec.defstruct("_Rare", [(field, Any, None) for field in RARE_FIELDS], gc=False)
NOTHING_RARE = _Rare()
decode_rare: Callable[[memoryview], Any] = msgspec.json.Decoder(_Rare).decode


# One comprehension a field: measured twice as fast as `attrgetter`, and as `astuple` with `zip`.


def _repeating(records: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the `Site.FIELDS` of each record."""
    return [
        (r.status_code, r.event_type, r.layer, r.operation, r.service, r.logger, r.level, r.service_name)
        for r in records
    ]


def _sessions(records: Sequence[Any]) -> list[str | None]:
    """Return the id of each record's request or job: the first of its fields that names one."""
    found = [session_id(v) if (v := r.correlation_id) is not None else None for r in records]
    if None in found:
        traces, requests = [r.trace_id for r in records], [r.request_id for r in records]
        for values in (traces, requests):
            if values.count(None) < len(values):
                found = [session_id(v) if f is None else f for f, v in zip(found, values, strict=True)]
    return found


def _durations(records: Sequence[Any]) -> list[float | None]:
    """Return how long each record's operation took, ms, by the first of the fields that tell it."""
    durations = [
        None
        if (v := r.duration_seconds) is None
        else v * 1e3
        if type(v) is float and 0 <= v < 1e12
        else json_fields.duration_ms(v, 1e3)
        for r in records
    ]
    for values, read in (([r.duration_ms for r in records], _of_ms), ([r.extra for r in records], _of_extra)):
        if values.count(None) < len(values):
            for i, value in enumerate(values):
                if value is not None and durations[i] is None:
                    durations[i] = read(value)
    return durations


def _of_ms(value: Any) -> float | None:
    return json_fields.duration_ms(value, 1.0)


def _of_extra(raw: Any) -> float | None:
    return json_fields.duration_ms(_extra(raw).duration_seconds, 1e3)


def _extra(raw: Any) -> _Extra:
    try:
        return _DECODE_EXTRA.decode(raw)
    except BAD_JSON:  # no object
        return _NO_EXTRA


def _summarised(raw: Any) -> str | None:
    """Return the request that the attributes of a summary name."""
    attributes = None if raw is None else _extra(raw).attributes
    if isinstance(attributes, dict):
        method, path = attributes.get("method"), attributes.get("path")
        if isinstance(method, str) and isinstance(path, str):
            return access.operation(method, path)
    return None
