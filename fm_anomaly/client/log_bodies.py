"""Log lines as request bodies: NDJSON or text, cut to a size, compressed, each with its own batch id.

The same lines and the same id give the same bodies and ids, so that sending them again takes nothing in twice. Pure.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fm_anomaly.client.calls import Call
from fm_anomaly.client.values import LineError, SentLogs
from fm_anomaly.errors import UsageError

MAX_BYTES = 1 << 20
MAX_LINES = 5_000
_MIN_GZIP_BYTES = 1_000
_TOLD_ERRORS = 20

Line = str | bytes | Mapping[str, Any]
"""A line of text, with or without its end, or the fields of a record."""


class Kept(msgspec.Struct):
    """What the service answers to one body."""

    accepted: int = 0
    rejected: int = 0
    errors: list[LineError] = []
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class LogBody:
    """One request, and how many of the given lines came before it."""

    call: Call[Kept]
    n_before: int


def log_bodies(lines: Iterable[Line], batch_id: str, service: str) -> Iterator[LogBody]:
    """Yield the requests for `lines`. Raises UsageError where text and fields are mixed."""
    n = n_before = size = 0
    some: list[bytes] = []
    is_fields: bool | None = None
    for line in lines:
        if is_fields is None:
            is_fields = isinstance(line, Mapping)
        elif is_fields != isinstance(line, Mapping):
            raise UsageError("lines of text and records of fields cannot be sent in one call")
        data = _bytes(line)
        if some and (size + len(data) > MAX_BYTES or len(some) >= MAX_LINES):
            yield _body(some, batch_id, n, n_before, service, is_fields=is_fields)
            n, n_before, some, size = n + 1, n_before + len(some), [], 0
        some.append(data)
        size += len(data)
    if some:
        yield _body(some, batch_id, n, n_before, service, is_fields=bool(is_fields))


def added(sent: SentLogs, body: LogBody, kept: Kept) -> SentLogs:
    """Return the sum of what was sent before and one more answer."""
    errors = [replace(error, line=error.line + body.n_before) for error in kept.errors]
    return SentLogs(
        accepted=sent.accepted + kept.accepted,
        rejected=sent.rejected + kept.rejected,
        duplicates=sent.duplicates + kept.duplicate,
        requests=sent.requests + 1,
        errors=(*sent.errors, *errors)[:_TOLD_ERRORS],
    )


def _bytes(line: Line) -> bytes:
    if isinstance(line, Mapping):
        return msgspec.json.encode(line) + b"\n"
    data = line.encode("utf-8", "replace") if isinstance(line, str) else line
    return data if data.endswith(b"\n") else data + b"\n"


def _body(some: list[bytes], batch_id: str, n: int, n_before: int, service: str, *, is_fields: bool) -> LogBody:
    data = b"".join(some)
    headers = {
        "Content-Type": "application/x-ndjson" if is_fields else "text/plain; charset=utf-8",
        "X-Batch-ID": f"{batch_id}-{n}" if n else batch_id,
    }
    if len(data) >= _MIN_GZIP_BYTES:
        # without a time in its head, so that the same lines are the same bytes
        data = gzip.compress(data, 3, mtime=0)
        headers["Content-Encoding"] = "gzip"
    params = {"service": service} if service else {}
    return LogBody(Call("POST", "/api/v1/logs", Kept, params, data, headers, is_repeatable=True), n_before)
