"""Values between a receiver's module and the sender: a request, a message with the rows it settles, an answer.

Values and what every receiver writes alike. It must not know how a request is sent.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from fm_anomaly.core.notices import Notice
from fm_anomaly.core.outbox_rows import OutboxRow
from fm_anomaly.notify.receivers import Target

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A request, and the rows that are done with once it is accepted."""

    request: Request
    rows: tuple[OutboxRow, ...]
    held: frozenset[str] = frozenset()
    """Ids of those rows that are sent again and again until their alert is over."""
    parts: tuple[Message, ...] = ()
    """The same in pieces, for a receiver that refuses the whole because of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered; status 0: it did not."""

    status: int
    error: str = ""
    retry_after_s: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the message was taken."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether it is the message's fault, so that sending it again is no use."""
        return self.status in (400, 413, 422)


def json_request(target: Target, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Request:
    """Return a POST of `body` as JSON, with the target's credentials."""
    sent = {"Content-Type": "application/json", "User-Agent": "fm-anomaly", **(headers or {})}
    if target.token:
        sent["Authorization"] = f"Bearer {target.token}"
    elif target.basic:
        sent["Authorization"] = f"Basic {base64.b64encode(target.basic.encode()).decode()}"
    return Request(url, sent, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def permalink(base_url: str, notice: Notice) -> str:
    """Return where a person finds what a notice is about: the incident's page, or else what the API says of the alert.

    "" where it is not known at which address people reach this service.
    """
    if not base_url:
        return ""
    incident = notice.incident
    path = f"api/v1/alerts/{_part(notice.alert_id)}" if incident is None else f"incidents/{_part(incident.incident_id)}"
    return f"{base_url.rstrip('/')}/{path}"


def _part(value: str) -> str:
    return quote(value, safe="")


def iso(us: int) -> str:
    """Return microseconds since the epoch in RFC 3339, UTC.

    >>> iso(1_500_000)
    '1970-01-01T00:00:01.500Z'
    """
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
