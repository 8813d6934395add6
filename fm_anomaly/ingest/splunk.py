"""Splunk's HTTP Event Collector → lines: events as JSON objects, one after the other, and raw text.

Codes and texts of the answers are Splunk's. Must not know HTTP.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core import severities
from fm_anomaly.core.time_values import from_epoch
from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.ingest.files import service_of
from fm_anomaly.ingest.shipping import Lines, Shipped, first_of

_SERVICES = ("service.name", "service_name", "service", "app", "application", "container_name", "k8s.container.name")
_LEVELS = ("severity", "level", "severity_text", "otel.log.severity.text", "loglevel")
_GENERIC = ("", "_json", "httpevent", "generic_single_line", "text", "log", "logs", "splunk_connect", "json")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


class EventError(DecodeError):
    """An event cannot be read; nothing of the request has been taken, as with Splunk."""

    def __init__(self, message: str, code: int, at: int) -> None:
        super().__init__(message)
        self.code = code
        """Splunk's: 5 no data, 6 invalid data format, 12 event field required, 13 event field blank."""
        self.at = at
        """0-based number of the event, as Splunk's `invalid-event-number`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What Splunk calls metadata: of the query for raw text, of each event else."""

    source: str = ""
    sourcetype: str = ""
    host: str = ""

    @property
    def service(self) -> str:
        """The service that the metadata names: a source that is no path to a file, or the file's name."""
        name = self.source.removeprefix("http:")
        if name and ("/" in name or "\\" in name):
            name = service_of(name.replace("\\", "/"))
        return name or ("" if self.sourcetype in _GENERIC else self.sourcetype)


def decode_events(body: bytes, received_us: int, default: Origin) -> Batch:
    """Return the events of a body: JSON objects one after the other, or in an array.

    Raises EventError at the first event that cannot be read.
    """
    lines = Lines()
    for n, event in enumerate(_events(body)):
        _add(lines, event, n, received_us, default)
    return Batch("splunk", lines.part("splunk", "splunk"))


def decode_raw(body: bytes, received_us: int, origin: Origin) -> Batch:
    """Return the lines of a body of text. Raises EventError where there is none."""
    text = body.decode("utf-8", "replace")
    if not text.strip():
        raise EventError("No data", 5, 0)
    lines = Lines()
    lines.add_text(text, Shipped(received_us, origin.service, 0, f"{origin.host}|{origin.source}"), is_one=False)
    return Batch("splunk", lines.part("splunk", "splunk"))


def _events(body: bytes) -> list[Any]:
    text = body.decode("utf-8", "replace").lstrip("\ufeff")
    found: list[Any] = []
    at = 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text):
            break
        try:
            event, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as exc:
            raise EventError("Invalid data format", 6, len(found)) from exc
        found.extend(event if isinstance(event, list) else [event])
    if not found:
        raise EventError("No data", 5, 0)
    return found


def _add(lines: Lines, event: Any, n: int, received_us: int, default: Origin) -> None:
    if not isinstance(event, dict):
        raise EventError("Invalid data format", 6, n)
    said = event.get("event")
    if said is None:
        raise EventError("Event field is required", 12, n)
    if said == "":
        raise EventError("Event field cannot be blank", 13, n)
    about = _about(event, n, received_us, default)
    if isinstance(said, dict) and isinstance(line := said.get("line"), str | dict):
        about = _in_container(said, about)  # Docker's own driver
        said = line
    if isinstance(said, dict):
        try:
            lines.add_document(said, about)
        except DecodeError as exc:
            if exc.status == 413:
                raise
            raise EventError("Invalid data format", 6, n) from exc
    else:
        lines.add_text(said if isinstance(said, str) else json.dumps(said), about)


def _about(event: dict[str, Any], n: int, received_us: int, default: Origin) -> Shipped:
    fields = event.get("fields")
    texts = {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}
    own = Origin(*(_text(event, name) for name in ("source", "sourcetype", "host")))
    origin = Origin(own.source or default.source, own.sourcetype or default.sourcetype, own.host or default.host)
    return Shipped(
        _time_us(event.get("time"), n, received_us),
        first_of(texts, _SERVICES) or origin.service,
        severities.from_word(first_of(texts, _LEVELS)),
        f"{origin.host}|{origin.source}|{origin.sourcetype}",
    )


def _in_container(said: dict[str, Any], about: Shipped) -> Shipped:
    attributes = said.get("attrs")
    labels = {k: v for k, v in attributes.items() if isinstance(v, str)} if isinstance(attributes, dict) else {}
    tag, stream = _text(said, "tag"), _text(said, "source")
    service = first_of(labels, ("com.docker.compose.service", *_SERVICES)) or about.service or tag
    return Shipped(about.time_us, service, about.severity, f"{about.writer}|{tag}|{stream}")


def _time_us(value: Any, n: int, received_us: int) -> int:
    """Return the time of an event: seconds since the epoch, a number or text; the receipt's where it has none."""
    if value is None or value == "":
        return received_us
    if isinstance(value, str):
        seconds, _, fraction = value.strip().partition(".")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 20 and (fraction or "0").isdigit()):
            raise EventError("Invalid data format", 6, n)
        value = int(seconds) if not fraction else int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    elif isinstance(value, float):
        value = round(value * 1_000_000) if 1e9 <= value < 3e9 else value
    found = from_epoch(value)
    return received_us if found is None else found


def _text(values: dict[str, Any], name: str) -> str:
    found = values.get(name)
    return found if isinstance(found, str) else ""
