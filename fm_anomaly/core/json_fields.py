"""Which keys of a JSON log line mean what: the table that a new logger is added to, and how values are read.

A role lists key paths, first match wins; a path `a.b` is looked up as the flat key "a.b" and as key b in
object a. This module knows nothing of lines, batches or Polars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core import severities
from fm_anomaly.core.session_ids import NAMES

ROLES: dict[str, tuple[str, ...]] = {
    "time": (
        *("timestamp", "@timestamp", "time", "ts", "@t", "Timestamp", "timeUnixNano", "asctime", "datetime"),
        *("t", "date", "eventTime", "event_time", "timestamp_ms", "timeMillis", "instant", "created_at"),
        *("observedTimeUnixNano", "_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP", "receiveTimestamp"),
        *("log_time", "log_timestamp", "logged_at", "dt", "epoch", "Time", "TimeGenerated"),
    ),
    "level": (
        *("level", "severity", "log.level", "severity_text", "SeverityText", "severityText", "levelname"),
        *("level_name", "lvl", "loglevel", "log_level", "logLevel", "@l", "PRIORITY", "severityNumber"),
        *("SeverityNumber", "severity_number", "Level", "levelno", "level_value", "priority", "l"),
    ),
    "message": (
        *("message", "msg", "event", "@m", "@mt", "textPayload", "jsonPayload.message", "jsonPayload.msg"),
        *("body", "Body", "MESSAGE", "short_message", "RenderedMessage", "MessageTemplate", "text", "log"),
        *("event.original", "Message", "jsonPayload.event", "description", "m"),
    ),
    "logger": (
        *("logger", "logger_name", "loggerName", "log.logger", "SourceContext", "name", "scope.name"),
        *("instrumentationScope.name", "category"),
    ),
    "service": (
        *("service.name", "service_name", "serviceName", "service", "svc", "resource.service.name"),
        *("Resource.service.name", "resource.attributes.service.name", "serviceContext.service"),
        *("resource.labels.service_name", "resource.labels.container_name", "kubernetes.container_name"),
        *("kubernetes.container.name", "kubernetes.labels.app", "k8s.container.name"),
        *("container.name", "container_name", "app", "application", "app_name", "appname", "component"),
        *("svc_name", "microservice", "appName", "applicationName", "application_name"),
        *("syslog.appname", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "Application", "program"),
    ),
    "exc_type": (
        *("error_type", "exception_type", "error.type", "err.type", "exception.type", "error.name"),
        *("err.name", "errorType", "error_class", "exception_class", "exception.class", "thrown.name"),
        *("exception.exception_class", "attributes.exception.type", "Attributes.exception.type", "exc_type"),
        "attributes.error_type",
    ),
    "exc_message": (
        *("error_message", "error.message", "err.message", "exception.message", "thrown.message"),
        *("exception_message", "exception.exception_message", "attributes.exception.message"),
        *("Attributes.exception.message", "errorMessage", "error", "err", "reason"),
        "attributes.error_message",
    ),
    "exception": (
        *("exception", "stack_trace", "stacktrace", "error.stack_trace", "error.stack", "err.stack"),
        *("exc_info", "@x", "exception.stacktrace", "exception.stack_trace", "traceback", "stack"),
        *("attributes.exception.stacktrace", "Attributes.exception.stacktrace", "Exception"),
        *("thrown.extendedStackTrace", "stackTrace", "errorVerbose", "attributes.exception"),
    ),
    "session": (*NAMES, "attributes.trace_id", "attributes.request_id", "attributes.correlation_id"),
    "operation": (
        *("operation", "event.action", "span_name", "rpc.method", "action"),
        *("attributes.operation", "attributes.rpc.method", "attributes.event.action"),
    ),
    "status": (
        *("status_code", "statusCode", "http.response.status_code", "http.status_code", "status", "res.statusCode"),
        *("httpRequest.status", "http_status", "attributes.http.status_code", "response.status", "code"),
        *("attributes.http.response.status_code", "attributes.status_code"),
    ),
    "method": (
        *("method", "http.request.method", "http.method", "req.method", "httpRequest.requestMethod"),
        *("request_method", "http_method", "verb", "attributes.http.request.method"),
        *("attributes.http.method", "attributes.method"),
    ),
    "path": (
        *("path", "route", "http.route", "url.path", "req.url", "httpRequest.requestUrl", "request_uri"),
        *("uri", "url", "request_path", "http.target", "attributes.url.path", "target"),
        *("attributes.http.route", "attributes.http.target", "attributes.path"),
    ),
}
"""Role → key paths, in the order in which they are tried."""

DURATIONS: dict[str, float] = {
    "duration_seconds": 1e3,
    "duration_s": 1e3,
    "duration_sec": 1e3,
    "elapsed_seconds": 1e3,
    "elapsed_s": 1e3,
    "latency_seconds": 1e3,
    "latency_s": 1e3,
    "request_time": 1e3,
    "upstream_response_time": 1e3,
    "process_time": 1e3,
    "extra.duration_seconds": 1e3,
    "duration_ms": 1.0,
    "durationMs": 1.0,
    "elapsed_ms": 1.0,
    "elapsedMs": 1.0,
    "ElapsedMilliseconds": 1.0,
    "Elapsed": 1.0,
    "latency_ms": 1.0,
    "latencyMs": 1.0,
    "took_ms": 1.0,
    "response_time_ms": 1.0,
    "responseTime": 1.0,
    "extra.duration_ms": 1.0,
    "duration_us": 1e-3,
    "elapsed_us": 1e-3,
    "latency_us": 1e-3,
    "duration_ns": 1e-6,
    "elapsed_ns": 1e-6,
    "latency_ns": 1e-6,
    "event.duration": 1e-6,
    "httpRequest.latency": 1e3,
    "duration": 1.0,
    "elapsed": 1.0,
    "latency": 1.0,
    "took": 1.0,
    "response_time": 1.0,
    "call_duration": 1e3,
    "attributes.duration_seconds": 1e3,
    "attributes.duration_ms": 1.0,
    "attributes.elapsed_ms": 1.0,
    "attributes.latency_ms": 1.0,
    "attributes.event.duration": 1e-6,
}
"""Key path of a duration → milliseconds in one of its units, in the order in which they are tried.

A name without a unit is taken as milliseconds (zap, whose encoder writes seconds, aside); text such as
``1.5s`` or ``12ms`` states its own.
"""

SIGNATURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("journald", ("__REALTIME_TIMESTAMP",)),
    ("clef", ("@t",)),
    ("ecs", ("@timestamp", "log.level")),
    ("ecs", ("@timestamp", "ecs.version")),
    ("ecs", ("@timestamp", "ecs")),
    ("logstash", ("@timestamp", "@version")),
    ("otel", ("timeUnixNano",)),
    ("otel", ("SeverityText", "Body")),
    ("otel", ("severity_text", "body")),
    ("otel", ("severity_number", "body")),
    ("otel", ("body", "timestamp", "attributes")),
    ("gcp", ("severity", "textPayload")),
    ("gcp", ("severity", "jsonPayload")),
    ("gcp", ("severity", "message")),
    ("gelf", ("version", "short_message")),
    ("bunyan", ("name", "hostname", "pid", "level", "msg", "v")),
    ("pino", ("level", "time", "pid", "hostname")),
    ("pino", ("level", "time", "pid", "msg")),
    ("log4j-json", ("loggerName", "instant")),
    ("log4j-json", ("loggerName", "timeMillis")),
    ("python-json", ("levelname",)),
    ("zap", ("level", "ts", "msg")),
    ("slog", ("time", "level", "msg")),
    ("zerolog", ("level", "time", "message")),
    ("winston", ("level", "message", "timestamp")),
)
"""Format name and the top-level keys that tell it, first match wins; anything else is ``json``."""

_DURATION_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|μs|ms|s|m|h)(?![a-z])")
_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read all objects that have one tuple of top-level keys."""

    format: str
    paths: Mapping[str, tuple[tuple[str, ...], ...]]
    """Role → the paths worth a try, as tuples of keys."""
    durations: tuple[tuple[tuple[str, ...], float], ...]


def plan_for(keys: Iterable[str]) -> Plan:
    """Return the plan for objects with these top-level keys. Cost: a few µs; callers keep it."""
    have = frozenset(keys)
    name = next((n for n, needed in SIGNATURES if needed[0] in have and have.issuperset(needed)), "json")
    found: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for key in have & _CANDIDATES.keys():
        for role, rank, path in _CANDIDATES[key]:
            found.setdefault(role, []).append((rank, path))
    paths = {role: tuple(path for _, path in sorted(found[role])) if role in found else () for role in ROLES}
    factors = list(DURATIONS.items())
    durations = tuple((path, _factor(*factors[rank // 2], name)) for rank, path in sorted(found.get("duration", ())))
    return Plan(name, paths, durations)


def _factor(key: str, factor: float, name: str) -> float:
    """Return milliseconds in a unit; zap's encoder writes seconds under names without a unit."""
    return 1e3 if name == "zap" and factor == 1.0 and "_" not in key and "M" not in key else factor


def _candidates() -> dict[str, list[tuple[str, int, tuple[str, ...]]]]:
    """Return by first key: role, rank in its order, and key tuple of each path (flat before nested)."""
    by_key: dict[str, list[tuple[str, int, tuple[str, ...]]]] = {}
    for role, paths in (*ROLES.items(), ("duration", tuple(DURATIONS))):
        for rank, path in enumerate(paths):
            by_key.setdefault(path, []).append((role, 2 * rank, (path,)))
            head, dot, rest = path.partition(".")
            if dot:
                by_key.setdefault(head, []).append((role, 2 * rank + 1, (head, rest)))
    return by_key


_CANDIDATES = _candidates()


def lookup(value: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at the path (first key, rest with dots), None where nothing does."""
    found = value.get(path[0]) if isinstance(value, dict) else None
    if len(path) == 1 or found is None:
        return found
    return _within(found, path[1])


def _within(value: Any, dotted: str) -> Any:
    """Look up a dotted path below a value: flat first, then level by level; OTLP key-value lists too."""
    if isinstance(value, list):
        value = {v.get("key"): v.get("value") for v in value if isinstance(v, dict) and "key" in v}
    if not isinstance(value, dict):
        return None
    if dotted in value:
        return value[dotted]
    head, dot, rest = dotted.partition(".")
    return _within(value.get(head), rest) if dot else None


def text_of(value: Any) -> str | None:
    """Return a value as text: strings as they are, numbers, OTLP's ``{"stringValue": …}``, lists joined."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        for key in ("stringValue", "intValue", "doubleValue", "name", "message"):
            if key in value:
                return text_of(value[key])
        return None
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(value) or None
    return None


def first_text(value: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> str | None:
    """Return the first of the paths' values that reads as text."""
    for path in paths:
        found = text_of(lookup(value, path))
        if found is not None:
            return found
    return None


def time_of(value: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> Any:
    """Return the time field's value as a string or number, None where there is none."""
    for path in paths:
        found = lookup(value, path)
        if isinstance(found, dict) and "epochSecond" in found:
            seconds, nanos = found["epochSecond"], found.get("nanoOfSecond", 0)
            if isinstance(seconds, int) and isinstance(nanos, int):
                return seconds * 1_000_000_000 + nanos
        if isinstance(found, str | int | float) and not isinstance(found, bool):
            return found
    return None


def severity_of(value: dict[str, Any], plan: Plan) -> int:
    """Return the severity; numbers are read on the scale of the format."""
    for path in plan.paths["level"]:
        found = lookup(value, path)
        if isinstance(found, dict):
            found = text_of(found)
        number = _on_scale(found, path[-1], plan.format)
        if number:
            return number
    return 0


def _on_scale(found: Any, key: str, name: str) -> int:
    if isinstance(found, str) and name in ("journald", "gelf") and found.strip().isdigit():
        found = int(found[:3])
    if isinstance(found, str):
        if key.lower().startswith("severitynumber"):
            return severities.from_otel(_otel_number(found))
        return severities.from_word(found)
    if not isinstance(found, int | float) or isinstance(found, bool):
        return 0
    if key in ("severityNumber", "SeverityNumber", "severity_number"):
        return severities.from_otel(found)
    if name in ("pino", "bunyan", "slog"):  # slog's own levels are words: a number under its keys is pino's
        return severities.from_pino(found)
    if name in ("journald", "gelf"):
        return severities.from_syslog(int(found)) if 0 <= found < 8 else 0
    return severities.from_word(found)


def _otel_number(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 4 else 0


def duration_of(value: dict[str, Any], plan: Plan) -> float | None:
    """Return the first duration field in milliseconds."""
    for path, factor in plan.durations:
        found = duration_ms(lookup(value, path), factor)
        if found is not None:
            return found
    return None


def duration_ms(value: Any, factor: float) -> float | None:
    """Return a duration in milliseconds: a number in units of `factor` ms, or text such as ``1m2.5s``."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        parts = _DURATION_TEXT.findall(value[:64])
        if parts:
            return float(sum(float(number) * _MS[unit] for number, unit in parts))
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and 0 <= value < 1e15:
        return float(value) * factor
    return None


def status_of(value: Any) -> int | None:
    """Return an HTTP status code, None where the value is none."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600 else None
