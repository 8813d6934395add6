"""What JSON lines of FaultMaven and of the common loggers say."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl
import pytest

from fm_anomaly.core.parsing import SourceParser

T_US = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z


def parse(lines: list[Any]) -> list[dict[str, Any]]:
    """Return the records of lines, objects among them encoded."""
    parser = SourceParser("app.log")
    texts = [line if isinstance(line, str) else msgspec.json.encode(line).decode() for line in lines]
    frame = pl.concat([parser.feed(("\n".join(texts) + "\n").encode()), parser.flush()])
    assert parser.counts.is_balanced
    return frame.to_dicts()


def structlog(**fields: Any) -> dict[str, Any]:
    return {"logger": "shop.pay", "level": "info", "timestamp": "2026-03-02T10:00:00Z", **fields}


def test_an_operation_is_typed_by_its_key_and_names_the_callee_only() -> None:
    """The event key tells operations apart; ``service`` of a call is the service called, not ours."""
    (record,) = parse(
        [
            structlog(
                event="Operation failed: charge",
                event_type="operation_error",
                layer="infrastructure",
                operation="charge",
                client="bank_client",
                service="Bank",
                error_type="TimeoutError",
                error_message="late\nand more",
                duration_seconds=1.5,
                level="error",
            )
        ]
    )
    assert (record["event_key"], record["operation"]) == ("operation_error|infrastructure|charge", "charge")
    assert (record["service"], record["severity"], record["duration_ms"]) == (None, 17, 1500.0)
    assert (record["exc_type"], record["exc_message"], record["exc_frame"]) == ("TimeoutError", "late", None)
    assert record["ts_us"] == T_US


def test_metrics_and_application_events_have_keys_by_their_names() -> None:
    """Where there is no operation, the metric's or event's name tells the type."""
    records = parse(
        [
            structlog(event="Metric recorded: n=3 count", event_type="metric", layer="service", metric_name="n"),
            structlog(event="Event: x.open", event_type="application_event", layer="core", event_name="open"),
            structlog(event="plain"),
        ]
    )
    assert [r["event_key"] for r in records] == ["metric|service|n", "application_event|core|open", ""]


def test_an_access_record_tells_route_status_and_error() -> None:
    """A 5xx completion is an error although its level is info; ids in the route are masked."""
    path = "/api/v1/orders/4d1c2f0e-6a1b-4a0c-9a55-0b8e2b1f7c11/lines"
    completed, slow, summary, httpx = parse(
        [
            structlog(
                event=f"Request completed: POST {path} -> 503 in 2.487s",
                method="POST",
                path=path,
                status_code=503,
                duration_seconds=2.4871,
            ),
            structlog(event=f"Slow request detected: POST {path} took 2.487s", duration_seconds=2.5, level="warning"),
            structlog(
                event="Failed request summary: 9 operations logged",
                extra={"duration_seconds": 2.0, "attributes": {"method": "GET", "path": "/orders/17"}},
                level="error",
            ),
            structlog(event='HTTP Request: POST https://bank.example/pay "HTTP/1.1 500 Internal Server Error"'),
        ]
    )
    assert (completed["operation"], completed["status"]) == ("POST /api/v1/orders/<id>/lines", 503)
    assert (completed["severity"], completed["duration_ms"]) == (17, pytest.approx(2487.1))
    assert (slow["operation"], slow["duration_ms"]) == (completed["operation"], 2500.0)
    assert (summary["operation"], summary["duration_ms"]) == ("GET /orders/<id>", 2000.0)
    assert (httpx["operation"], httpx["status"], httpx["severity"]) == (None, None, 9)


def test_a_traceback_in_a_field_gives_the_qualified_class_and_the_frame() -> None:
    """The traceback says more than ``exception_type``: its class is qualified, and it has a frame."""
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/app/shop/cache.py", line 61, in get\n    return self._client.get(key)\n'
        "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379."
    )
    (record,) = parse([structlog(event="GET failed", exception_type="ConnectionError", exception=trace, level="error")])
    assert record["exc_type"] == "redis.exceptions.ConnectionError"
    assert record["exc_frame"] == "shop/cache.py:61 in get"


def test_numbers_out_of_range_do_not_stop_the_parser() -> None:
    """A line with a number that no float holds is text where the number matters; others are read as ever."""
    lines = [b'{"message":"a","n":1e999}', b'{"message":"b"}', b'{"event":"c","n":1e999}', b'{"event":"d","extra":1}']
    parser = SourceParser("app.log")
    frame = parser.feed(b"\n".join(lines) + b"\n")
    assert frame["format"].to_list() == ["text", "json", "structlog", "structlog"]
    assert parser.counts.records == 4


def test_own_records_are_skipped() -> None:
    """What fm_anomaly logs is never taken in, and counted as that."""
    parser = SourceParser("app.log")
    lines = [structlog(event="x", logger="fm_anomaly.api"), structlog(event="y")]
    frame = parser.feed(b"\n".join(map(msgspec.json.encode, lines)) + b"\n")
    assert frame["body"].to_list() == ["y"]
    assert (parser.counts.skipped_own, parser.counts.records, parser.counts.lines) == (1, 1, 2)


LOGGERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"level": 50, "time": T_US // 1000, "pid": 1, "hostname": "h", "msg": "m", "responseTime": 12},
        {"format": "pino", "severity": 17, "duration_ms": 12.0},
    ),
    ({"level": "info", "ts": T_US / 1e6, "msg": "m", "duration": 0.5}, {"format": "zap", "duration_ms": 500.0}),
    ({"time": "2026-03-02T10:00:00Z", "level": "WARN", "msg": "m"}, {"format": "slog", "severity": 13}),
    ({"level": "fatal", "time": T_US // 10**6, "message": "m"}, {"format": "zerolog", "severity": 21}),
    ({"@t": "2026-03-02T10:00:00.0Z", "@mt": "m", "@l": "Error"}, {"format": "clef", "severity": 17}),
    (
        {
            "@timestamp": "2026-03-02T10:00:00.000Z",
            "log.level": "ERROR",
            "message": "m",
            "service": {"name": "shop"},
            "error": {"type": "java.io.IOException", "message": "reset"},
            "event": {"duration": 2_000_000},
        },
        {"format": "ecs", "service": "shop", "exc_type": "java.io.IOException", "duration_ms": 2.0},
    ),
    (
        {
            "timeUnixNano": str(T_US * 1000),
            "severityNumber": 17,
            "body": {"stringValue": "m"},
            "attributes": [{"key": "exception.type", "value": {"stringValue": "E"}}],
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        },
        {"format": "otel", "severity": 17, "service": "shop", "exc_type": "E"},
    ),
    (
        {
            "severity": "WARNING",
            "jsonPayload": {"message": "m"},
            "timestamp": "2026-03-02T10:00:00Z",
            "resource": {"labels": {"container_name": "shop"}},
        },
        {"format": "gcp", "severity": 13, "service": "shop"},
    ),
    (
        {"__REALTIME_TIMESTAMP": str(T_US), "PRIORITY": "3", "MESSAGE": "m", "SYSLOG_IDENTIFIER": "shop"},
        {"format": "journald", "severity": 17, "service": "shop"},
    ),
    (
        {
            "instant": {"epochSecond": T_US // 10**6, "nanoOfSecond": 0},
            "level": "ERROR",
            "loggerName": "a.B",
            "message": "m",
        },
        {"format": "log4j-json", "severity": 17},
    ),
    (
        {"version": "1.1", "short_message": "m", "level": 4, "timestamp": T_US / 1e6},
        {"format": "gelf", "severity": 13},
    ),
]


@pytest.mark.parametrize(("line", "expected"), LOGGERS, ids=[e["format"] for _, e in LOGGERS])
def test_the_common_loggers(line: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each logger's own names and scales are read by the table of fields."""
    (record,) = parse([line])
    assert record["body"] == "m"
    assert record["ts_us"] == T_US
    assert {name: record[name] for name in expected} == expected


def test_bad_json_is_text() -> None:
    """A line that only looks like JSON is a record of text, whole, and does not hurt its neighbours."""
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    records = parse(['{"a": NaN}', structlog(event="x"), '{"event": "\\ud800"}', deep, '{"a":1}{"b":2}'])
    assert len(records) == 5
    assert [r["format"] for r in records][:2] == ["text", "structlog"]
    assert records[0]["body"] == '{"a": NaN}'


def test_values_of_any_type_are_harmless() -> None:
    """Fields of unexpected types are no fields; numbers as text are numbers."""
    odd: list[Any] = [None, True, 1, 2.5, "", "x", [], {}, [1], {"a": 1}]
    lines = [
        structlog(**{"event": "e", **dict.fromkeys(("level", "timestamp", "operation", "status_code", "service"), v)})
        for v in odd
    ]
    lines += [structlog(event="e", event_type=v, layer=v, operation=v, duration_seconds=v, exception=v) for v in odd]
    lines += [{"msg": "m", "level": v, "time": v, "error": v, "service": v, "duration": v, "logger": v} for v in odd]
    records = parse(lines)
    assert len(records) == len(lines)
    (record,) = parse([structlog(event="e", duration_seconds="0.5")])
    assert record["duration_ms"] == 500.0


def test_escape_sequences_in_messages_are_stripped() -> None:
    """What JSON writes as an escaped ESC is no more part of the message than in plain text."""
    told = "\x1b[32mserved\x1b[0m page 3"
    records = parse([{"message": told}, structlog(event=told), structlog(event="plain"), '{"log":"x"}'])
    assert [r["body"] for r in records] == ["served page 3", "served page 3", "plain", "x"]


@pytest.mark.parametrize("order", [(1, True), (True, 1)])
def test_what_a_level_means_does_not_depend_on_what_came_before(order: tuple[Any, Any]) -> None:
    """1 and true are equal to Python; the one is syslog's alert, the other is no level."""
    found = {str(r["body"]): r["severity"] for r in parse([structlog(event=repr(v), level=v) for v in order])}
    assert found == {"1": 22, "True": 0}


def test_a_service_field_is_the_writer_but_for_calls() -> None:
    """Of one call site, the records that have a client name the service that was called, and no other."""
    records = parse([structlog(event="sent", service="shop", client=client) for client in (None, "bank", None)])
    assert [r["service"] for r in records] == ["shop", None, "shop"]
