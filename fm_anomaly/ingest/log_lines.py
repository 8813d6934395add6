"""The plain protocol: NDJSON, a JSON array or lines of text in a request's body → whole lines for a Pipeline.

Pure. Lines stay the bytes that were sent: of NDJSON each is looked at only so far that a line which is no JSON object
is named by its number and set aside. It must not know HTTP.
"""

from __future__ import annotations

import re

import msgspec

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Batch, Part, Reject

PROTOCOL = "http"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


class _Object(msgspec.Struct):
    """Any JSON object: its members are passed over, unread."""


_lines = msgspec.json.Decoder(_Object)
_array = msgspec.json.Decoder(list[msgspec.Raw])

JSON_TYPES = frozenset({"application/json"})
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
TEXT_TYPES = frozenset({"text/plain", "application/octet-stream", "application/x-www-form-urlencoded", ""})
"""What `curl --data-binary` sends unless told otherwise is among them."""


def decode(body: bytes, content_type: str, service: str = "app") -> Batch:
    """Return the lines of a body; `service` is that of records which tell none.

    Raises DecodeError: 415 for another content type, 400 where nothing can be read, with the first line's number.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if _NAME.fullmatch(service) is None:
        raise DecodeError("service must be 1 to 100 characters, none of them a control character")
    if kind in JSON_TYPES:
        lines, rejected = _from_json(body)
    elif kind in NDJSON_TYPES:
        lines, rejected = _from_ndjson(body)
    elif kind in TEXT_TYPES:
        # each service's text is a source of its own: tracebacks are joined over lines
        return Batch(PROTOCOL, _parts(f"http/{service}", service, _ended(body)))
    else:
        raise DecodeError("send application/x-ndjson, application/json or text/plain", 415)
    if rejected and not lines:
        raise DecodeError(f"line {rejected[0].at}: {rejected[0].reason}; nothing was taken")
    return Batch(PROTOCOL, _parts(f"http/json/{service}", service, lines), rejected)


def _parts(source: str, service: str, data: bytes) -> tuple[Part, ...]:
    return (Part(source, service, data, data.count(b"\n")),) if data else ()


def _ended(body: bytes) -> bytes:
    return body if not body or body.endswith(b"\n") else body + b"\n"


def _from_json(body: bytes) -> tuple[bytes, tuple[Reject, ...]]:
    """Return the objects of an array, or a single one, as lines."""
    start = body.lstrip()[:1]
    if start == b"{":
        # one object, or NDJSON under a name that is often given to it
        if b"\n" not in body.strip():
            return _from_ndjson(body)
        try:
            _lines.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return _from_ndjson(body)
        return _one_line(body), ()
    try:
        items = _array.decode(body)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise DecodeError(f"line {_line_of(body, str(exc))}: not a JSON array of objects; nothing was taken") from exc
    lines, rejected = bytearray(), list[Reject]()
    for at, item in enumerate(items, 1):
        raw = bytes(item)
        if raw[:1] != b"{":
            rejected.append(Reject(at, "not a JSON object"))
            continue
        lines += _one_line(raw)
    return bytes(lines), tuple(rejected)


def _one_line(raw: bytes) -> bytes:
    # JSON has no raw line ends inside strings: outside of them they are white space
    return raw.replace(b"\r", b" ").replace(b"\n", b" ").strip() + b"\n"


_BYTE = re.compile(r"byte (\d+)")


def _line_of(body: bytes, message: str) -> int:
    found = _BYTE.search(message)
    end = int(found[1]) if found else len(body.rstrip())  # no place is told where the body ends too early
    return body.count(b"\n", 0, end) + 1


def _from_ndjson(body: bytes) -> tuple[bytes, tuple[Reject, ...]]:
    data = _ended(body)
    try:
        n = len(_lines.decode_lines(data))
    except (msgspec.DecodeError, RecursionError):
        return _line_by_line(data)
    return (data, ()) if n else (b"", ())


def _line_by_line(data: bytes) -> tuple[bytes, tuple[Reject, ...]]:
    """Return the lines that are JSON objects, or blank, and the numbers of the others."""
    good, rejected = list[bytes](), list[Reject]()
    n_objects = 0
    for at, line in enumerate(data[:-1].split(b"\n"), 1):
        if line.strip():
            try:
                _lines.decode(line)
            except (msgspec.DecodeError, RecursionError) as exc:
                rejected.append(Reject(at, _reason(exc)))
                continue
            n_objects += 1
        good.append(line)
    return (b"\n".join(good) + b"\n" if n_objects else b""), tuple(rejected)


def _reason(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "nested too deeply"
    if isinstance(exc, msgspec.ValidationError):
        return "not a JSON object"
    return f"not valid JSON ({str(exc).removeprefix('JSON is malformed: ')})"
