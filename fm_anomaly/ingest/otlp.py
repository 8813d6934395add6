"""OTLP/HTTP logs, protobuf and JSON → lines: one JSON object a record, by OpenTelemetry's log model.

Follows opentelemetry-proto 1.x and its JSON mapping (camelCase, hexadecimal ids, base64 bytes, 64-bit numbers as
strings). Also makes the answers, in the encoding of the request. Must not know HTTP beyond the content type.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from fm_anomaly.core import severities
from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Batch, Reject
from fm_anomaly.ingest.shipping import MAX_DEPTH, Lines, Shipped, decoded_object, first_of

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_SERVICES = (
    *("service.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name"),
    *("k8s.job.name", "k8s.container.name", "container.name", "faas.name", "process.executable.name"),
)
_UNKNOWN_SERVICE = "unknown_service"
"""What SDKs call a service that was given no name, maybe with `:` and the executable."""
_WRITERS = ("service.instance.id", "k8s.pod.uid", "k8s.pod.name", "container.id", "host.name", "process.pid")
_US_NS = 1_000


@dataclass(frozen=True, slots=True)
class _Resource:
    """What all records of one resource share."""

    service: str
    writer: str


@dataclass(frozen=True, slots=True)
class _Record:
    """One log record in Python's values, whatever it was encoded in."""

    time_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    event_name: str
    trace_id: str
    span_id: str


def media_type(content_type: str) -> str:
    """Return `PROTOBUF` or `JSON`, by the content type of a request.

    Raises DecodeError (415) where it is neither.
    """
    name = content_type.partition(";")[0].strip().lower()
    if name in (PROTOBUF, JSON):
        return name
    raise DecodeError(f"content type {name[:80]!r} is not read here; send {PROTOBUF} or {JSON}", 415)


def decode(body: bytes, media: str, received_us: int) -> Batch:
    """Return the lines of an `ExportLogsServiceRequest`; records that cannot be read are counted in `rejected`.

    Raises DecodeError where the request as a whole is none.
    """
    records = _from_protobuf(body) if media == PROTOBUF else _from_json(body)
    lines, rejected = Lines(), []
    for n, (resource, scope, record) in enumerate(records, 1):
        try:
            if isinstance(record, str):
                raise DecodeError(record)
            _add(lines, resource, scope, record, received_us)
        except DecodeError as exc:
            if exc.status == 413:
                raise
            rejected.append(Reject(n, str(exc)))
    return Batch("otlp", lines.part("otlp", "otlp"), tuple(rejected))


def answer(rejected: tuple[Reject, ...], media: str) -> bytes:
    """Return the `ExportLogsServiceResponse`, with partial success where records were rejected."""
    told = f"record {rejected[0].at}: {rejected[0].reason}" if rejected else ""
    if media == JSON:
        partial = {"partialSuccess": {"rejectedLogRecords": str(len(rejected)), "errorMessage": told}}
        return msgspec.json.encode(partial if rejected else {})
    response = _messages().ExportLogsServiceResponse()
    if rejected:
        response.partial_success.rejected_log_records = len(rejected)
        response.partial_success.error_message = told
    return bytes(response.SerializeToString())


def error(code: int, message: str, media: str) -> bytes:
    """Return a `google.rpc.Status`; `code` is gRPC's: 3 invalid argument, 8 resource exhausted, 14 unavailable."""
    if media == JSON:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode("utf-8", "replace")
    return b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _add(lines: Lines, resource: _Resource, scope: str, record: _Record, received_us: int) -> None:
    number = record.severity_number if 1 <= record.severity_number <= 24 else severities.from_word(record.severity_text)
    about = Shipped(record.time_ns // _US_NS or received_us, resource.service, number, resource.writer, scope)
    body = record.body
    if body is None or body == "":
        body = record.event_name or record.attributes
    if not body and not isinstance(body, bool | int | float):
        raise DecodeError("it has no body, no event name and no attributes")
    if isinstance(body, str) and body.startswith("{") and body.endswith("}"):
        body = _object_or_text(body)
    if isinstance(body, dict):
        extra = {"attributes": record.attributes} if record.attributes and body is not record.attributes else {}
        lines.add_document({**extra, **body}, about)
        return
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    document = _as_object(record, resource, scope, number, text, about.time_us)
    if number:
        lines.add_object(document)
    else:
        lines.add_document(document, about)


def _object_or_text(text: str) -> Any:
    try:
        return decoded_object(text.encode("utf-8", "replace"))
    except DecodeError:
        return text


def _as_object(
    record: _Record, resource: _Resource, scope: str, number: int, text: str, time_us: int
) -> dict[str, Any]:
    """Return the record under the names of OpenTelemetry's log model, in the order in which people read it."""
    found: dict[str, Any] = {"timestamp": time_us}
    if number:
        found["severity_number"] = number
    found["body"] = text
    if resource.service:
        found["service.name"] = resource.service
    if scope:
        found["scope.name"] = scope
    if record.event_name:
        found["event_name"] = record.event_name
    if record.trace_id:
        found["trace_id"] = record.trace_id
    if record.span_id:
        found["span_id"] = record.span_id
    if record.attributes:
        found["attributes"] = record.attributes
    return found


def _resource(attributes: dict[str, Any]) -> _Resource:
    named = {key: value for key, value in attributes.items() if isinstance(value, str)}
    service = first_of(named, _SERVICES)
    if service.startswith(_UNKNOWN_SERVICE):
        service = first_of(named, _SERVICES[1:]) or service
    writer = "|".join(str(attributes.get(name, "")) for name in _WRITERS)
    return _Resource(service, f"{service}|{writer}")


# -- protobuf --------------------------------------------------------------------------------------------------------


@functools.cache
def _messages() -> Any:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # only where OTLP comes in

    return logs_service_pb2


def _from_protobuf(body: bytes) -> Iterator[tuple[_Resource, str, _Record | str]]:
    from google.protobuf.message import DecodeError as ProtobufError

    request = _messages().ExportLogsServiceRequest()
    try:
        request.ParseFromString(body)
    except ProtobufError as exc:
        raise DecodeError(f"body is no ExportLogsServiceRequest ({exc})") from exc
    for group in request.resource_logs:
        resource = _resource(_values(group.resource.attributes))
        for scoped in group.scope_logs:
            scope = scoped.scope.name
            for each in scoped.log_records:
                yield resource, scope, _record_of(each)


def _record_of(message: Any) -> _Record:
    return _Record(
        message.time_unix_nano or message.observed_time_unix_nano,
        message.severity_number,
        message.severity_text,
        _value(message.body),
        _values(message.attributes),
        message.event_name,
        message.trace_id.hex(),
        message.span_id.hex(),
    )


def _values(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any, depth: int = 0) -> Any:
    """Return the Python value of an `AnyValue`."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(each, depth + 1) for each in value.array_value.values] if depth < MAX_DEPTH else "…"
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values
        return {pair.key: _value(pair.value, depth + 1) for pair in pairs} if depth < MAX_DEPTH else "…"
    found = getattr(value, kind)
    return base64.b64encode(found).decode() if kind == "bytes_value" else found


# -- JSON ------------------------------------------------------------------------------------------------------------


def _from_json(body: bytes) -> Iterator[tuple[_Resource, str, _Record | str]]:
    request = decoded_object(body)
    for group in _list(request, "resourceLogs"):
        resource = _resource(_json_values(_object(group, "resource").get("attributes")))
        for scoped in _list(group, "scopeLogs"):
            scope = _object(scoped, "scope").get("name")
            for each in _list(scoped, "logRecords"):
                yield resource, scope if isinstance(scope, str) else "", _json_record(each)


def _list(holder: Any, name: str) -> list[Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if found is None and isinstance(holder, dict):
        return []
    if not isinstance(found, list):
        raise DecodeError(f"{name} is not an array of objects; the body follows opentelemetry-proto's JSON mapping")
    return found


def _object(holder: Any, name: str) -> dict[str, Any]:
    if not isinstance(holder, dict):
        raise DecodeError(f"what should hold {name!r} is no object")
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _json_record(each: Any) -> _Record | str:
    """Return a record, or why it is none."""
    if not isinstance(each, dict):
        return "it is no object"
    try:
        time_ns = _int(each.get("timeUnixNano")) or _int(each.get("observedTimeUnixNano"))
        return _Record(
            time_ns if 0 <= time_ns < 2**63 else 0,
            _int(each.get("severityNumber")),
            _text(each.get("severityText")),
            _json_value(each.get("body")),
            _json_values(each.get("attributes")),
            _text(each.get("eventName")),
            _id(each.get("traceId"), 16),
            _id(each.get("spanId"), 8),
        )
    except (DecodeError, ValueError, TypeError, OverflowError) as exc:
        return f"it has a value that cannot be read ({str(exc)[:100]})"


def _int(value: Any) -> int:
    return 0 if value is None or value == "" else int(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _id(value: Any, n_bytes: int) -> str:
    """Return an id in lower hexadecimal; base64, which some senders write against the specification, is read too."""
    text = _text(value)
    try:
        raw = bytes.fromhex(text) if len(text) == 2 * n_bytes else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return ""
    return raw.hex() if len(raw) == n_bytes else ""


def _json_values(pairs: Any) -> dict[str, Any]:
    if pairs is None:
        return {}
    if not isinstance(pairs, list):
        raise TypeError("attributes are no array of key and value")
    return {
        pair["key"]: _json_value(pair.get("value"))
        for pair in pairs
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


def _json_value(value: Any, depth: int = 0) -> Any:
    """Return the Python value of an `AnyValue` in JSON."""
    if not isinstance(value, dict) or depth >= MAX_DEPTH:
        return None
    for kind, found in value.items():
        if kind in ("stringValue", "boolValue", "bytesValue"):
            return found if isinstance(found, str | bool) else None
        if kind == "intValue":
            return _int(found)
        if kind == "doubleValue":
            return float(found)
        if kind == "arrayValue":
            return [_json_value(each, depth + 1) for each in _list(found, "values")]
        if kind == "kvlistValue":
            pairs = _list(found, "values")
            return {str(p.get("key")): _json_value(p.get("value"), depth + 1) for p in pairs if isinstance(p, dict)}
    return None
