"""Loki's push, JSON and protobuf → lines, each as the format that it is, with the stream's labels around it.

The labels name the service and tell writers apart; labels and structured metadata may tell a level. Must not know
HTTP beyond the content type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core import severities
from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Batch, Reject
from fm_anomaly.ingest.files import service_of
from fm_anomaly.ingest.loki_messages import push_request
from fm_anomaly.ingest.shipping import Lines, Shipped, decoded_object, first_of, us_of

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_BYTES = 64 << 20
"""Of a push after decompression."""

_SERVICES = (
    *("service_name", "service.name", "service", "app", "application", "app_name", "name", "app_kubernetes_io_name"),
    *("container", "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name"),
    *("compose_service", "syslog_identifier", "unit"),
)
"""Labels that name the service: Loki's own list, in its order, then what its agents add."""
_LEVELS = ("level", "severity", "severity_text", "detected_level", "lvl", "loglevel", "log_level", "levelname")
_FILES = ("filename", "file")
_UNKNOWN = "unknown_service"
_LABEL = re.compile(r'\s*([^\s=,{}"]+)\s*=\s*("(?:[^"\\]|\\.)*")\s*(?:,|$)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Stream:
    service: str
    severity: int
    writer: str
    logger: str


def media_type(content_type: str) -> str:
    """Return `PROTOBUF` or `JSON`, by the content type of a request; none is protobuf, as for Loki itself.

    Raises DecodeError (415) where it is another one.
    """
    name = content_type.partition(";")[0].strip().lower()
    if name in ("", PROTOBUF):
        return PROTOBUF
    if name == JSON:
        return JSON
    raise DecodeError(f"content type {name[:80]!r} is not read here; send {PROTOBUF} or {JSON}", 415)


def decode(body: bytes, media: str, received_us: int, max_bytes: int = MAX_BYTES) -> Batch:
    """Return the lines of a push; entries that cannot be read are `rejected`, numbered through all streams.

    A protobuf body is a raw block of snappy, of at most `max_bytes`. Raises DecodeError where the request as a
    whole cannot be read.
    """
    entries = _from_protobuf(_unsnapped(body, max_bytes)) if media == PROTOBUF else _from_json(body)
    lines, rejected = Lines(), []
    for n, (stream, time_ns, line, metadata) in enumerate(entries, 1):
        if time_ns is None or line is None:
            rejected.append(Reject(n, "it is no array of a time in nanoseconds and a line, both as text"))
            continue
        severity = _severity(metadata) or stream.severity
        about = Shipped(time_ns // 1_000 or received_us, stream.service, severity, stream.writer, stream.logger)
        lines.add_text(line, about)
    return Batch("loki", lines.part("loki", "loki"), tuple(rejected))


_Entry = tuple[_Stream, int | None, str | None, dict[str, str]]


def _stream(labels: dict[str, str], writer: str) -> _Stream:
    service = first_of(labels, _SERVICES)
    if not service or service == _UNKNOWN:
        path = first_of(labels, _FILES)
        service = service_of(path) if path else service
    return _Stream(service, _severity(labels), writer, labels.get("logger", ""))


def _severity(values: dict[str, str]) -> int:
    return severities.from_word(first_of(values, _LEVELS)) if values else 0


def _from_json(body: bytes) -> Iterator[_Entry]:
    streams = decoded_object(body).get("streams")
    if not isinstance(streams, list):
        raise DecodeError('body has no array "streams"')
    for n, each in enumerate(streams, 1):
        if isinstance(each, dict) and "entries" in each:
            yield from _older_stream(n, each)
            continue
        labels = each.get("stream") if isinstance(each, dict) else None
        if not isinstance(labels, dict) or not isinstance(each.get("values"), list):
            raise DecodeError(f'stream {n} has no object "stream" with an array "values"')
        texts = {name: value for name, value in labels.items() if isinstance(value, str)}
        stream = _stream(texts, json.dumps(texts, sort_keys=True))
        for value in each["values"]:
            yield stream, *_json_entry(value)


def _older_stream(n: int, each: dict[str, Any]) -> Iterator[_Entry]:
    """Yield the entries of a stream as Loki before 0.4 had it: labels as a selector, times as RFC 3339."""
    selector, entries = each.get("labels"), each["entries"]
    labels = _labels(selector) if isinstance(selector, str) else None
    if labels is None or not isinstance(entries, list):
        raise DecodeError(f'stream {n} has no selector "labels" with an array "entries"')
    stream = _stream(labels, str(selector))
    for entry in entries:
        found = entry if isinstance(entry, dict) else {}
        at, line = us_of(found.get("ts")), found.get("line")
        yield stream, None if at is None else at * 1_000, line if isinstance(line, str) else None, {}


def _json_entry(value: Any) -> tuple[int | None, str | None, dict[str, str]]:
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[1], str):
        return None, None, {}
    at, metadata = value[0], value[2] if len(value) > 2 and isinstance(value[2], dict) else {}
    is_time = isinstance(at, str) and at.isascii() and at.isdigit() and len(at) < 20
    return int(at) if is_time else None, value[1], {k: v for k, v in metadata.items() if isinstance(v, str)}


def _from_protobuf(body: bytes) -> Iterator[_Entry]:
    from google.protobuf.message import DecodeError as ProtobufError

    request = push_request()()
    try:
        request.ParseFromString(body)
    except ProtobufError as exc:
        raise DecodeError(f"body is no PushRequest ({exc})") from exc
    for n, each in enumerate(request.streams, 1):
        labels = _labels(each.labels)
        if labels is None:
            raise DecodeError(f"labels of stream {n} cannot be read: {each.labels[:100]!r}")
        stream = _stream(labels, each.labels)
        for entry in each.entries:
            at = entry.timestamp
            time_ns = at.seconds * 1_000_000_000 + at.nanos
            metadata = {pair.name: pair.value for pair in entry.structuredMetadata}
            yield stream, max(time_ns, 0), entry.line.decode("utf-8", "replace"), metadata


def _unsnapped(data: bytes, max_bytes: int) -> bytes:
    """Return what a raw block of snappy holds; its first bytes say how much that is."""
    import cramjam  # only where Loki's protobuf comes in

    size = shift = 0
    for byte in data[:5]:
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if size > max_bytes:
        raise DecodeError(f"body is larger than {max_bytes:,} bytes when decompressed; send it in parts", 413)
    if size > 64 + 22 * len(data):  # three bytes stand for 64 at most
        raise DecodeError("body is no snappy block: it is shorter than it says")
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as exc:
        raise DecodeError(f"body is no snappy block ({exc})") from exc


def _labels(text: str) -> dict[str, str] | None:
    """Return the labels of a selector such as ``{app="api", level="info"}``; None where it is none."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found: dict[str, str] = {}
    at, inner = 0, text[1:-1].rstrip()
    while at < len(inner):
        pair = _LABEL.match(inner, at)
        if pair is None:
            return None
        found[pair[1]] = _unquoted(pair[2])
        at = pair.end()
    return found


def _unquoted(text: str) -> str:
    """Return what a quoted string of Go says; one that JSON does not know stays as it is."""
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return text[1:-1]
    return str(value)
