"""What decoders share: records of any protocol → lines that the core parses, with what the shipper says of them.

A record whose message is a whole line of some logger (a shipper that only moves lines) is passed on as that line, so
that the core reads its level, time and traceback; a record with a severity or an exception of its own stays the JSON
object that it is. This module knows the table of fields, and no protocol.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fm_anomaly.core import json_fields
from fm_anomaly.core.prefixes import shipped_header
from fm_anomaly.core.time_values import from_epoch
from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Part
from fm_anomaly.ingest.files import service_of

MAX_DEPTH = 64
"""Levels of nested values that are kept; deeper ones become "…"."""
MAX_LINES = 500_000
"""Lines of one request: a line costs some 60 bytes more than its text."""

_OWN = "fm_anomaly"
_MAX_US = 2**62
_KUBERNETES_FILE = re.compile(r"[^/_]+_[^/_]+_([^/]+)-[0-9a-f]{64}\.log$")


_Paths = tuple[tuple[str, ...], ...]


def _paths(*names: str) -> tuple[tuple[str, ...], ...]:
    """Return the key paths of dotted names: as one flat key, then nested."""
    return tuple(path for name in names for path in ((name,), tuple(name.split(".", 1)))[: 1 + ("." in name)])


_WRITERS = _paths(
    *("log.file.path", "attributes.log.file.path", "container.id", "container_id", "kubernetes.docker_id"),
    *("kubernetes.container.id", "docker.container_id", "kubernetes.pod_name", "kubernetes.pod.name"),
    *("_file", "file", "filename", "file.path", "file.name"),
)
"""Where shippers say which file or container a line comes from, first match wins."""
_FILES = _paths(
    "log.file.path", "attributes.log.file.path", "file", "filename", "file.path", "attributes.log.file.name"
)
_EVENTFUL = ("exc_type", "exc_message", "exception", "status")


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a shipper says of a record beside its text."""

    time_us: int
    """When it was written, or else when it came."""
    service: str = ""
    severity: int = 0
    """OpenTelemetry's number; 0 for none."""
    writer: str = ""
    """Whatever tells the writers of one source apart, such as a set of labels: tracebacks join within one."""
    logger: str = ""


class Lines:
    """The lines of one part while a request is decoded."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add_text(self, text: str, about: Shipped, *, is_one: bool = True) -> None:
        """Add a record that is text, maybe of several lines; lines that are not `is_one` are records of their own."""
        if about.logger.startswith(_OWN):  # the core leaves out our own records, and counts them
            self.add_object({"logger": about.logger, "message": text, "timestamp": about.time_us})
            return
        self._make_room(1 + text.count("\n"))
        time_us = min(max(about.time_us, 0), _MAX_US)
        fields = (time_us, about.severity, _lane(about.writer), about.service)
        first, *more = _split(text)
        self._lines.append((shipped_header(*fields) + first).encode("utf-8", "replace"))
        if more:
            header = shipped_header(*fields, goes_on=is_one)
            self._lines.extend((header + line).encode("utf-8", "replace") for line in more)

    def add_document(self, document: dict[str, Any], about: Shipped, raw: bytes | None = None) -> None:
        """Add a record that is an object of any logger or shipper; `raw` is its JSON in one line, if at hand.

        Raises
        ------
        DecodeError
            It is nested too deeply to be written again, or the request has too many lines (413).
        """
        self._make_room(1)
        plan = _plan(tuple(document))
        time_us = us_of(json_fields.time_of(document, plan.paths["time"]))
        text = _line_within(document, plan)
        if text is not None:
            self.add_text(text, _told_by(document, plan, time_us, about))
            return
        missing: dict[str, Any] = {}
        if time_us is None:
            missing["timestamp"] = about.time_us
        if json_fields.first_text(document, plan.paths["service"]) is None:
            service = _service_by_file(document) or about.service
            if service:
                missing["service.name"] = service
        if about.severity and not json_fields.severity_of(document, plan):
            missing["severity_number"] = about.severity
        line = encoded(document) if raw is None else raw
        if missing:
            line = encoded(missing)[:-1] + (b"," if len(document) else b"") + line[1:]
        self._lines.append(line)

    def add_object(self, record: dict[str, Any]) -> None:
        """Add a record that is complete as it is."""
        self._make_room(1)
        self._lines.append(encoded(record))

    def _make_room(self, n: int) -> None:
        if len(self._lines) + n > MAX_LINES:
            raise DecodeError(f"request has more than {MAX_LINES:,} lines; send it in parts", 413)

    def part(self, source: str, service: str) -> tuple[Part, ...]:
        """Return the lines as the one part that they are; none where there are no lines."""
        if not self._lines:
            return ()
        return (Part(source, service, b"\n".join(self._lines) + b"\n", len(self._lines)),)


def encoded(record: dict[str, Any]) -> bytes:
    """Return an object as JSON in one line.

    Raises
    ------
    DecodeError
        It is nested too deeply.
    """
    try:
        return msgspec.json.encode(record)
    except RecursionError:
        raise DecodeError(f"a record is nested deeper than {MAX_DEPTH} levels") from None
    except (UnicodeEncodeError, OverflowError, TypeError):  # lone surrogates, numbers beyond 64 bits
        return json.dumps(_tamed(record, 0), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decoded_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object that a line holds.

    Raises
    ------
    DecodeError
        It is none; the message says why.
    """
    try:
        found = _OBJECT.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError) as exc:
        raise DecodeError(f"no JSON object: {str(exc)[:200]}") from exc
    return found


def us_of(value: Any) -> int | None:
    """Return microseconds since the epoch of ISO 8601 or an epoch number in any unit; None where it is no time."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return from_epoch(int(value)) if value.isascii() and value.isdigit() and len(value) < 20 else None
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return from_epoch(value)


def first_of(values: dict[str, Any], names: Iterable[str]) -> str:
    """Return the first of the named values that is text; "" for none."""
    return next((value for name in names if isinstance(value := values.get(name), str) and value), "")


_OBJECT = msgspec.json.Decoder(dict[str, Any])


@lru_cache(maxsize=4096)
def _plan(keys: tuple[str, ...]) -> json_fields.Plan:
    return json_fields.plan_for(keys)


@lru_cache(maxsize=4096)
def _origins(keys: tuple[str, ...]) -> tuple[_Paths, _Paths]:
    """Return which of `_WRITERS` and of `_FILES` may stand in an object with these keys."""
    have = frozenset(keys)
    return tuple(path for path in _WRITERS if path[0] in have), tuple(path for path in _FILES if path[0] in have)


@lru_cache(maxsize=4096)
def _lane(writer: str) -> str:
    return f"{zlib.crc32(writer.encode('utf-8', 'replace')):08x}" if writer else ""


def _split(text: str) -> list[str]:
    """Return the lines of a text, without blank ones at its ends."""
    if "\n" not in text:
        return [text]
    return [line.removesuffix("\r") for line in text.strip("\r\n").split("\n")]


def _line_within(document: dict[str, Any], plan: json_fields.Plan) -> str | None:
    """Return the line that a shipper has only moved: the message of a record that says nothing else of itself."""
    if isinstance(document.get("event"), str):
        return None  # structlog's own
    text = json_fields.first_text(document, plan.paths["message"])
    if text is None or json_fields.severity_of(document, plan):
        return None
    if any(json_fields.first_text(document, plan.paths[role]) is not None for role in _EVENTFUL):
        return None
    return text if json_fields.duration_of(document, plan) is None else None


def _told_by(document: dict[str, Any], plan: json_fields.Plan, time_us: int | None, about: Shipped) -> Shipped:
    first = json_fields.first_text
    return Shipped(
        about.time_us if time_us is None else time_us,
        first(document, plan.paths["service"]) or _service_by_file(document) or about.service,
        about.severity,
        f"{about.writer}|{first(document, _origins(tuple(document))[0]) or ''}",
        about.logger or first(document, plan.paths["logger"]) or "",
    )


def _service_by_file(document: dict[str, Any]) -> str:
    path = json_fields.first_text(document, _origins(tuple(document))[1])
    return "" if path is None else _service_of_path(path)


@lru_cache(maxsize=4096)
def _service_of_path(path: str) -> str:
    in_kubernetes = _KUBERNETES_FILE.search(path)
    return in_kubernetes[1] if in_kubernetes else service_of(path)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _tamed(value: Any, depth: int) -> Any:
    """Return a value that JSON can hold, whatever it was."""
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {str(key): _tamed(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_tamed(each, depth + 1) for each in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if isinstance(value, str | int) or value is None else str(value)
