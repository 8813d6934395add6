"""What a service of a sample writes when it answers a request or runs a job: the lines of one flow, in order.

Two manners: *structured* (FaultMaven's record shapes, for JSON and console) and *prose* (everything in the message).
An `Author` renders the lines of one service and counts them. Nothing here knows how often flows happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from fm_anomaly.evaluation.failures import Failure
from fm_anomaly.evaluation.phrases import address, hex_digits, uuid4
from fm_anomaly.evaluation.rendering import ERROR, INFO, STRUCTURED, WARN, Format, Renderer
from fm_anomaly.evaluation.system import LAYERS, THRESHOLD_S, Activity, Operation, Service
from fm_anomaly.evaluation.truth import iso_from_us

_NONE: Mapping[str, Any] = {}
_CLIENT_ERRORS = (400, 401, 404, 404, 404, 409, 422, 429)


@dataclass(frozen=True, slots=True)
class Strike:
    """A failure that hits one flow: whether it shows its traceback, and the layers that log it, innermost first."""

    failure: Failure
    has_trace: bool
    layers: tuple[str, ...]


class Author:
    """Writes the records of one service: renders, orders and counts them.

    `lines` holds (order in µs, sequence number, text of one record); a share of `late_share` records reaches the file
    up to 1.5 s after its time, as writes from several threads do.
    """

    __slots__ = ("_render", "fmt", "late_share", "lines", "n_errors", "n_lines", "n_tracebacks", "rng", "service")

    def __init__(self, service: Service, fmt: Format, render: Renderer, rng: Random, late_share: float = 0.002) -> None:
        self.service, self.fmt, self.rng, self.late_share = service, fmt, rng, late_share
        self.lines: list[tuple[int, int, str]] = []
        self.n_lines = self.n_errors = self.n_tracebacks = 0
        self._render = render

    def say(
        self,
        us: int,
        level: int,
        logger: str,
        text: str,
        fields: Mapping[str, Any] = _NONE,
        ctx: Mapping[str, Any] = _NONE,
        trace: str | None = None,
    ) -> None:
        """Write one record of time `us`."""
        line = self._render(us, level, logger, text, fields, ctx, trace)
        order = us if self.rng.random() >= self.late_share else us + int(self.rng.random() * 1_500_000)
        self.lines.append((order, len(self.lines), line))
        self.n_lines += 1
        if level >= ERROR:
            self.n_errors += 1
        if trace is not None:
            self.n_tracebacks += 1
            self.n_lines += line.count("\n")

    def say_raw(self, us: int, text: str) -> None:
        """Write a line that is not a record of the format: no time, or another form."""
        self.lines.append((us, len(self.lines), text))
        self.n_lines += 1

    @property
    def is_structured(self) -> bool:
        """Whether the format carries fields."""
        return self.fmt in STRUCTURED


def write_flow(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
    """Write the lines of one request or job that starts at `us`; `slow` multiplies its durations."""
    if author.is_structured:
        _structured(author, us, activity, slow, strike)
    else:
        _prose(author, us, activity, slow, strike)


def _prose(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
    rng, service = author.rng, author.service
    took = slow * (
        activity.own_ms * rng.lognormvariate(0, 0.4)
        + sum([o.median_ms * rng.lognormvariate(0, o.sigma) for o in activity.operations])
    )
    end = us + int(took * 1000)
    step = (end - us) // (len(activity.steps) + 1)
    for i, phrase in enumerate(activity.steps if strike is None else activity.steps[:1]):
        author.say(us + i * step, INFO, activity.logger, phrase.fill(rng))
    if strike is not None:
        _prose_failure(author, end - 500, activity, strike)
    if service.is_api:
        status = 200 if strike is None else strike.failure.status
        if strike is None and rng.random() < service.client_error_share:
            status = _CLIENT_ERRORS[int(rng.random() * len(_CLIENT_ERRORS))]
        _access(author, end, activity, status, took)
    elif strike is None:
        author.say(end, INFO, activity.logger, activity.done.fill(rng, took), _duration(author, took))


def _duration(author: Author, took: float) -> Mapping[str, Any]:
    return {"duration_ms": round(took, 1)} if author.fmt is Format.LOGFMT else _NONE


def _prose_failure(author: Author, us: int, activity: Activity, strike: Strike) -> None:
    failure = strike.failure
    message = failure.text.fill(author.rng)
    for i, layer in enumerate(strike.layers):
        text = failure.intro + message if i == 0 else f"{layer}: {activity.name} failed: {message}"
        trace = failure.traceback(message) if strike.has_trace and i == 0 else None
        author.say(us + i * 120, ERROR, activity.logger, text, trace=trace)
    if not author.service.is_api and author.rng.random() < 0.4:
        text = f"giving {activity.name} another try in {1 << int(author.rng.random() * 4)}s"
        author.say(us + 400, WARN, activity.logger, text)


def _access(author: Author, us: int, activity: Activity, status: int, took: float) -> None:
    rng = author.rng
    path, level = activity.path.fill(rng), INFO if status < 500 else WARN
    if author.fmt is Format.LOGFMT:
        fields = {"method": activity.method, "path": path, "status": status, "duration_ms": round(took, 1)}
        author.say(us, level, activity.logger, "request completed", fields)
    elif author.service.access_style == 0:
        author.say(us, level, activity.logger, f"{activity.method} {path} {status} {took:.0f}ms")
    elif author.service.access_style == 1:
        text = f"request completed method={activity.method} path={path} status={status} duration_ms={took:.1f}"
        author.say(us, level, activity.logger, text)
    else:
        text = (
            f'{address(rng)} "{activity.method} {path} HTTP/1.1" {status} {int(rng.random() * 9000)} took {took:.0f}ms'
        )
        author.say(us, level, activity.logger, text)


def _structured(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
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
        _request_ended(author, us + int(took_s * 1e6), activity, path, took_s, ctx, strike, (n_said + 3, n_slow))


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


def _operation_fields(kind: str, operation: Operation, layer: str, name: str, us: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "event_type": kind,
        "operation_key": f"{layer}.operation.{name}",
        "operation": name,
        "layer": layer,
        "start_time": iso_from_us(us)[:-1] + "+00:00",
    }
    if layer == "infrastructure":
        fields["client"], fields["service"] = operation.client, operation.target
    return fields


def _operation_done(author: Author, us: int, operation: Operation, ms: float, ctx: Mapping[str, Any]) -> int:
    fields = _operation_fields("operation_start", operation, operation.layer, operation.name, us)
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
    start = _operation_fields("operation_start", operation, operation.layer, failure.operation, us)
    author.say(us, INFO, operation.logger, f"Operation started: {failure.operation}", start, ctx)
    at = us + int(rng.lognormvariate(3, 1) * 1000)
    for i, layer in enumerate(strike.layers):
        name = failure.operation if i == 0 else f"{activity.name}" if i == 1 else f"process_{activity.name}"
        fields = _operation_fields("operation_error", operation, layer, name, us)
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


def _request_ended(
    author: Author,
    us: int,
    activity: Activity,
    path: str,
    took_s: float,
    ctx: Mapping[str, Any],
    strike: Strike | None,
    said: tuple[int, int],
) -> None:
    rng, logger = author.rng, f"{author.service.package}.api.middleware.logging"
    request = f"{activity.method} {path}"
    took = {"duration_seconds": round(took_s, 4)}
    if strike is not None and rng.random() < 0.6:
        fields = {
            "method": activity.method,
            "path": path,
            **took,
            "error": "dependency unavailable",
            "error_type": "ServiceUnavailableException",
            **ctx,
            "case_id": None,
        }
        author.say(us, ERROR, logger, f"Request failed: {request} after {took_s:.3f}s: dependency unavailable", fields)
    else:
        status = 200 if strike is None else strike.failure.status
        if strike is None and rng.random() < author.service.client_error_share:
            status = _CLIENT_ERRORS[int(rng.random() * len(_CLIENT_ERRORS))]
        if took_s > THRESHOLD_S["api"]:
            text = f"Slow request detected: {request} took {took_s:.3f}s (threshold: 0.100s)"
            author.say(us - 90, WARN, logger, text, {**took, "threshold_seconds": THRESHOLD_S["api"], **ctx})
        fields = {
            "method": activity.method,
            "path": path,
            "status_code": status,
            **took,
            "response_size": str(int(rng.random() * 9000)),
            **ctx,
            "case_id": None,
        }
        who = f"[session: {ctx['session_id']}] [user: {ctx['user_id']}]"
        author.say(us, INFO, logger, f"Request completed: {request} {who} -> {status} in {took_s:.3f}s", fields)
    n_errors = 0 if strike is None else len(strike.layers) + 1
    extra = {
        "correlation_id": ctx["correlation_id"],
        **took,
        "operations_logged": said[0],
        "errors_encountered": n_errors,
        "performance_violations": said[1],
        "attributes": {"method": activity.method, "path": path},
    }
    text, level = f"Request summary: {said[0]} operations logged, 0 errors, {said[1]} performance violations", INFO
    if n_errors:
        text, level = f"Failed request summary: {said[0]} operations logged, {n_errors} errors encountered", ERROR
    author.say(us + 500, level, logger, text, {"extra": extra})


def draw_strike(rng: Random, failure: Failure, trace_share: float, n_layers: int) -> Strike:
    """Draw how one flow is hit: with a traceback or not, and logged by the `n_layers` innermost layers."""
    return Strike(failure, rng.random() < trace_share, LAYERS[:n_layers])
