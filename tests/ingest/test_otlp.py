"""OTLP logs, protobuf and JSON: what a record says is what the core reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest import otlp
from tests.ingest.wire import T_NS, T_US, records_of

RECEIVED_US = T_US + 9_000_000
TRACE = "5b8efff798038103d269b633813fc60c"


def json_body(record: dict[str, Any], **resource: str) -> bytes:
    attributes = [{"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in resource.items()]
    scoped = {"scope": {"name": "shop.cart"}, "logRecords": [record]}
    group = {"resource": {"attributes": attributes}, "scopeLogs": [scoped]}
    return msgspec.json.encode({"resourceLogs": [group]})


def protobuf_body(**fields: Any) -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    record = group.scope_logs.add().log_records.add()
    for name, value in fields.items():
        if name == "body":
            record.body.string_value = value
        elif name == "attributes":
            for key, each in value.items():
                record.attributes.add(key=key).value.string_value = each
        else:
            setattr(record, name, value)
    return bytes(request.SerializeToString())


def read(body: bytes, media: str = otlp.JSON) -> list[dict[str, Any]]:
    return records_of(otlp.decode(body, media, RECEIVED_US))


def test_protobuf_and_json_say_the_same() -> None:
    """One record in both encodings becomes one and the same line."""
    fields = {
        "timeUnixNano": str(T_NS),
        "severityNumber": 17,
        "body": {"stringValue": "no prices"},
        "traceId": TRACE,
        "attributes": [{"key": "exception.type", "value": {"stringValue": "KeyError"}}],
    }
    from_json = otlp.decode(json_body(fields, service_name="shop").replace(b'"shop.cart"', b'""'), otlp.JSON, 0)
    from_protobuf = otlp.decode(
        protobuf_body(
            time_unix_nano=T_NS,
            severity_number=17,
            body="no prices",
            trace_id=bytes.fromhex(TRACE),
            attributes={"exception.type": "KeyError"},
        ),
        otlp.PROTOBUF,
        0,
    )
    assert from_json == from_protobuf
    (record,) = records_of(from_json)
    assert (record["ts_us"], record["severity"], record["service"]) == (T_US, 17, "shop")
    assert (record["body"], record["exc_type"], record["format"]) == ("no prices", "KeyError", "otel")
    assert TRACE in record["raw"]


def test_an_exception_and_a_request_are_read_from_the_attributes() -> None:
    """Names of the semantic conventions, in attributes of the record."""
    trace = 'Traceback (most recent call last):\n  File "/app/shop/cart.py", line 7, in total\nshop.NoPrice: 991'
    said = {
        "exception.type": "NoPrice",
        "exception.stacktrace": trace,
        "http.request.method": "GET",
        "http.route": "/carts/{id}",
    }
    pairs: list[dict[str, Any]] = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    pairs.append({"key": "http.response.status_code", "value": {"intValue": "503"}})
    (record,) = read(json_body({"severityNumber": 9, "body": {"stringValue": "failed"}, "attributes": pairs}))
    assert (record["exc_type"], record["exc_frame"]) == ("shop.NoPrice", "shop/cart.py:7 in total")
    assert (record["status"], record["severity"]) == (503, 17)
    assert record["operation"].startswith("GET /carts/")


def test_time_falls_back_to_the_observed_one_then_to_receipt() -> None:
    """A record without a time was written when it was seen, or else when it came."""
    body = {"stringValue": "x"}
    times = [
        read(json_body({"body": body, "severityNumber": 9, **given}))[0]["ts_us"]
        for given in ({"observedTimeUnixNano": str(T_NS)}, {"timeUnixNano": 0, "observedTimeUnixNano": T_NS}, {})
    ]
    assert times == [T_US, T_US, RECEIVED_US]


@pytest.mark.parametrize(("text", "severity"), [("WARNING", 13), ("error", 17), ("odd", 0)])
def test_a_severity_text_stands_in_for_a_number(text: str, severity: int) -> None:
    """Where no number is given, the words of the loggers are read."""
    (record,) = read(json_body({"severityText": text, "body": {"stringValue": "x"}}))
    assert record["severity"] == severity


def test_a_line_that_was_only_moved_is_read_as_what_it_is() -> None:
    """A collector that tails files sends the line as the body, without a severity: level and traceback stand in it."""
    lines = [
        "2026-03-02 10:00:01 ERROR [cart] no prices",
        "Traceback (most recent call last):",
        '  File "/app/cart.py", line 7, in total',
        "KeyError: 'x'",
    ]
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scoped = group.scope_logs.add()
    for line in lines:
        scoped.log_records.add(observed_time_unix_nano=T_NS).body.string_value = line
    (record,) = read(bytes(request.SerializeToString()), otlp.PROTOBUF)
    assert (record["body"], record["severity"], record["exc_type"]) == ("no prices", 17, "KeyError")
    assert record["ts_us"] == T_US  # the line names no zone; the collector's time is certain


def test_an_object_as_body_is_read_by_its_own_names() -> None:
    """JSON as text and a key-value list are the same to us."""
    said = '{"event":"no prices","level":"error","logger":"shop.cart"}'
    as_text = {"stringValue": said}
    as_list = {
        "kvlistValue": {
            "values": [{"key": k, "value": {"stringValue": v}} for k, v in msgspec.json.decode(said).items()]
        }
    }
    for body in (as_text, as_list):
        (record,) = read(json_body({"timeUnixNano": str(T_NS), "body": body}, service_name="shop"))
        assert (record["body"], record["severity"], record["service"]) == ("no prices", 17, "shop")
        assert (record["ts_us"], record["format"]) == (T_US, "structlog")


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"boolValue": True}, "true"),
        ({"intValue": "-7"}, "-7"),
        ({"doubleValue": 2.5}, "2.5"),
        ({"bytesValue": "AQI="}, '"AQI="'),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "a"}]}}, '[1,"a"]'),
    ],
)
def test_a_body_may_be_any_value(value: dict[str, Any], body: str) -> None:
    """What is no text is written as JSON."""
    (record,) = read(json_body({"severityNumber": 9, "body": value}))
    assert record["body"] in (body, body.strip('"'))


def test_the_service_is_named_by_the_conventions() -> None:
    """service.name first; an SDK's unknown_service gives way to the workload's name."""
    record = {"severityNumber": 9, "body": {"stringValue": "x"}}
    named = {"service_name": "unknown_service:node", "k8s_deployment_name": "shop"}
    assert read(json_body(record, **named))[0]["service"] == "shop"
    assert read(json_body(record, service_name="unknown_service"))[0]["service"] == "unknown_service"
    assert read(json_body(record, container_name="web"))[0]["service"] == "web"
    assert read(json_body(record))[0]["service"] is None


def test_own_records_are_skipped() -> None:
    """What fm_anomaly logs through OpenTelemetry is counted and left out."""
    body = json_body({"severityNumber": 9, "body": {"stringValue": "x"}}).replace(b"shop.cart", b"fm_anomaly.api")
    assert read(body) == []


def test_a_record_that_cannot_be_read_is_told_by_its_number() -> None:
    """The others are taken; the answer tells of partial success in the encoding of the request."""
    good = {"severityNumber": 9, "body": {"stringValue": "x"}}
    body = msgspec.json.encode(
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [good, 7, {"severityNumber": "x"}, {"body": {}}, good]}]}]}
    )
    batch = otlp.decode(body, otlp.JSON, 0)
    assert (batch.n_lines, [each.at for each in batch.rejected]) == (2, [2, 3, 4])
    partial = msgspec.json.decode(otlp.answer(batch.rejected, otlp.JSON))["partialSuccess"]
    assert partial["rejectedLogRecords"] == "3"
    assert partial["errorMessage"].startswith("record 2: ")
    answer = ExportLogsServiceResponse.FromString(otlp.answer(batch.rejected, otlp.PROTOBUF))
    assert answer.partial_success.rejected_log_records == 3
    assert otlp.answer((), otlp.JSON) == b"{}"
    assert otlp.answer((), otlp.PROTOBUF) == b""


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"resourceLogs":{}}', b'{"resourceLogs":[1]}'])
def test_what_is_no_export_is_refused(body: bytes) -> None:
    """Nothing is taken of a request that cannot be read as a whole."""
    with pytest.raises(DecodeError):
        otlp.decode(body, otlp.JSON, 0)
    with pytest.raises(DecodeError):
        otlp.decode(b"\xff" + body, otlp.PROTOBUF, 0)


def test_a_status_is_googles() -> None:
    """`google.rpc.Status`: code 1, message 2; a long message has a length of two bytes."""
    assert otlp.error(3, "no", otlp.PROTOBUF) == b"\x08\x03\x12\x02no"
    assert otlp.error(3, "n" * 300, otlp.PROTOBUF)[2:5] == b"\x12\xac\x02"
    assert msgspec.json.decode(otlp.error(3, "no", otlp.JSON)) == {"code": 3, "message": "no"}
