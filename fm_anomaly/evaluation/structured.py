"""What a service of a sample writes in FaultMaven's record shapes, for its JSON and its console form.

One flow (a request or a job): operations with their event types, access lines, request summaries with nested `extra`,
and one error logged by every layer that it crosses. Nothing here knows how often flows happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fm_anomaly.evaluation.authors import Author, Strike
from fm_anomaly.evaluation.phrases import address, hex_digits, uuid4
from fm_anomaly.evaluation.rendering import ERROR, INFO, WARN
from fm_anomaly.evaluation.system import THRESHOLD_S, Activity, Operation
from fm_anomaly.evaluation.truth import iso_from_us


def write_structured(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
    """Write the lines of one flow that starts at `us`; `slow` multiplies its durations."""
    rng = author.rng
    ctx = {
        "correlation_id": uuid4(rng),
        "session_id": f"sess-{hex_digits(rng, 4)}",
        "user_id": f"u-{1000 + int(rng.random() * 900)}",
    }
    at = us + 1500
    path = activity.path.fill(rng) if author.service.is_api else ""
    if author.service.is_api:
        _request_started(author, us, activity, path, ctx)
    if rng.random() < 0.3:
        _boundary(author, at, activity, ctx)
    n_slow = n_said = 0
    for operation in activity.operations:
        if strike is not None and operation is activity.operations[-1]:
            at = _operation_failed(author, at, activity, operation, strike, ctx)
            break
        ms = slow * operation.median_ms * rng.lognormvariate(0, operation.sigma)
        n_slow += _operation_done(author, at, operation, ms, ctx)
        n_said += 2
        at += int(ms * 1000) + 300
    if strike is None:
        for phrase in activity.steps:
            if rng.random() < 0.35:
                author.say(at, INFO, activity.logger, phrase.fill(rng), ctx=ctx)
        _metric_or_event(author, at + 100, activity, ctx)
    if author.service.is_api:
        took_s = (at - us) / 1e6 + slow * activity.own_ms * rng.lognormvariate(0, 0.4) / 1000
        request = f"{activity.method} {path}"
        end = us + int(took_s * 1e6)
        _request_ended(
            _Ended(author, end, request, activity.method, path, took_s, ctx, n_said + 3, n_slow),
            strike,
        )


def _request_started(author: Author, us: int, activity: Activity, path: str, ctx: Mapping[str, Any]) -> None:
    fields = {
        "method": activity.method,
        "path": path,
        "query_params": "",
        "client_ip": address(author.rng),
        "user_agent": f"{author.service.package}-client/0.{author.service.access_style}",
        "content_length": str(int(author.rng.random() * 900)),
        **ctx,
        "case_id": None,
    }
    text = f"Request started: {activity.method} {path} [session: {ctx['session_id']}] [user: {ctx['user_id']}]"
    author.say(us, INFO, f"{author.service.package}.api.middleware.logging", text, fields)


def _boundary(author: Author, us: int, activity: Activity, ctx: Mapping[str, Any]) -> None:
    fields = {
        "event_type": "service_boundary",
        "layer": "service",
        "operation": activity.name,
        "direction": "inbound",
        "boundary_key": f"service.boundary.{activity.name}.inbound",
        "payload_info": {"type": "dict", "size": int(author.rng.random() * 900), "keys": ["query", "case_id"]},
    }
    author.say(us, INFO, activity.logger, f"Service boundary inbound: {activity.name}", fields, ctx)


def _operation_fields(kind: str, layer: str, name: str, us: int, called: tuple[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "event_type": kind,
        "operation_key": f"{layer}.operation.{name}",
        "operation": name,
        "layer": layer,
        "start_time": iso_from_us(us)[:-1] + "+00:00",
    }
    if layer == "infrastructure":
        fields["client"], fields["service"] = called
    return fields


def _operation_done(author: Author, us: int, operation: Operation, ms: float, ctx: Mapping[str, Any]) -> int:
    fields = _operation_fields(
        "operation_start", operation.layer, operation.name, us, (operation.client, operation.target)
    )
    author.say(us, INFO, operation.logger, f"Operation started: {operation.name}", fields, ctx)
    end, limit = us + int(ms * 1000), THRESHOLD_S[operation.layer]
    is_slow = ms / 1000 > limit
    fields = {
        **fields,
        "event_type": "operation_end",
        "end_time": iso_from_us(end)[:-1] + "+00:00",
        "duration_seconds": round(ms / 1000, 4),
        "performance_violation": is_slow,
        "threshold_seconds": limit,
    }
    author.say(end, WARN if is_slow else INFO, operation.logger, f"Operation completed: {operation.name}", fields, ctx)
    return int(is_slow)


def _operation_failed(
    author: Author, us: int, activity: Activity, operation: Operation, strike: Strike, ctx: Mapping[str, Any]
) -> int:
    rng, failure = author.rng, strike.failure
    message = failure.text.fill(rng)
    called = failure.client, failure.target
    start = _operation_fields("operation_start", operation.layer, failure.operation, us, called)
    author.say(us, INFO, operation.logger, f"Operation started: {failure.operation}", start, ctx)
    at = us + int(rng.lognormvariate(3, 1) * 1000)
    for i, layer in enumerate(strike.layers):
        name = failure.operation if i == 0 else f"{activity.name}" if i == 1 else f"process_{activity.name}"
        fields = _operation_fields("operation_error", layer, name, us, called)
        fields |= {
            "error_message": message,
            "error_type": failure.error_type,
            "duration_seconds": round((at - us) / 1e6, 4),
        }
        logger = f"{author.service.package}.{layer}.{failure.client}"
        author.say(at, ERROR, logger, f"Operation failed: {name}", fields, ctx)
        at += 700
    if strike.has_trace or len(strike.layers) == 1:
        trace = failure.traceback(message) if strike.has_trace else None
        logger = f"{author.service.package}.infrastructure.{failure.client}"
        fields = {"exception_type": failure.error_type, "operation": failure.operation}
        author.say(at, ERROR, logger, failure.intro + message, fields, ctx, trace)
    return at + 400


def _metric_or_event(author: Author, us: int, activity: Activity, ctx: Mapping[str, Any]) -> None:
    pick = author.rng.random()
    if pick < 0.15:
        n = int(author.rng.random() * 40)
        name = f"{activity.name}_results"
        fields = {
            "event_type": "metric",
            "layer": "service",
            "metric_name": name,
            "metric_value": n,
            "metric_unit": "count",
            "metric_key": f"service.metric.{name}",
            "metric_tags": {"source": author.service.name},
        }
        author.say(us, INFO, activity.logger, f"Metric recorded: {name}={n} count", fields, ctx)
    elif pick < 0.3:
        _application_event(author, us, INFO, "business", "operation_completed", activity, ctx)
    elif pick < 0.303:
        _application_event(author, us, INFO, "technical", "external_call_retry", activity, ctx)


def _application_event(
    author: Author, us: int, level: int, kind: str, name: str, activity: Activity, ctx: Mapping[str, Any]
) -> None:
    fields = {
        "event_type": "application_event",
        "layer": "service",
        "app_event_type": kind,
        "event_name": name,
        "event_severity": "info",
        "event_key": f"service.event.{kind}.{name}",
        "event_data": {"operation": activity.name, "attempt": 1},
    }
    author.say(us, level, activity.logger, f"Event: {kind}.{name}", fields, ctx)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request at its end: who asked for what, how long it took, and how many operations it logged, how many slow."""

    author: Author
    us: int
    request: str
    method: str
    path: str
    took_s: float
    ctx: Mapping[str, Any]
    n_said: int
    n_slow: int

    def say(self, us: int, level: int, text: str, fields: Mapping[str, Any]) -> None:
        self.author.say(us, level, f"{self.author.service.package}.api.middleware.logging", text, fields)

    @property
    def duration(self) -> dict[str, float]:
        return {"duration_seconds": round(self.took_s, 4)}


def _request_ended(ended: _Ended, strike: Strike | None) -> None:
    if strike is not None and ended.author.rng.random() < 0.6:
        _request_failed(ended, strike)
    else:
        _request_completed(ended, ended.author.draw_status(strike))
    n_errors = 0 if strike is None else len(strike.layers) + 1
    extra = {
        "correlation_id": ended.ctx["correlation_id"],
        **ended.duration,
        "operations_logged": ended.n_said,
        "errors_encountered": n_errors,
        "performance_violations": ended.n_slow,
        "attributes": {"method": ended.method, "path": ended.path},
    }
    text, level = (
        f"Request summary: {ended.n_said} operations logged, 0 errors, {ended.n_slow} performance violations",
        INFO,
    )
    if n_errors:
        text, level = f"Failed request summary: {ended.n_said} operations logged, {n_errors} errors encountered", ERROR
    ended.say(ended.us + 500, level, text, {"extra": extra})


def _request_failed(ended: _Ended, strike: Strike) -> None:
    error = f"{strike.failure.operation} failed"
    fields = {
        "method": ended.method,
        "path": ended.path,
        **ended.duration,
        "error": error,
        "error_type": "ServiceUnavailableException" if strike.failure.status > 500 else strike.failure.error_type,
        **ended.ctx,
        "case_id": None,
    }
    ended.say(ended.us, ERROR, f"Request failed: {ended.request} after {ended.took_s:.3f}s: {error}", fields)


def _request_completed(ended: _Ended, status: int) -> None:
    limit = THRESHOLD_S["api"]
    if ended.took_s > limit:
        text = f"Slow request detected: {ended.request} took {ended.took_s:.3f}s (threshold: {limit:.3f}s)"
        ended.say(ended.us - 90, WARN, text, {**ended.duration, "threshold_seconds": limit, **ended.ctx})
    fields = {
        "method": ended.method,
        "path": ended.path,
        "status_code": status,
        **ended.duration,
        "response_size": str(int(ended.author.rng.random() * 9000)),
        **ended.ctx,
        "case_id": None,
    }
    who = f"[session: {ended.ctx['session_id']}] [user: {ended.ctx['user_id']}]"
    ended.say(ended.us, INFO, f"Request completed: {ended.request} {who} -> {status} in {ended.took_s:.3f}s", fields)
