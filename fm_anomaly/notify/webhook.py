"""Requests to a webhook in FaultMaven's shape: one alert a request, signed where a key is configured.

The signature is HMAC-SHA256 over the time of sending, a dot and the body, so that a recorded request is worth nothing
later. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from fm_anomaly.core.category_labels import plain_label
from fm_anomaly.core.notices import Notice
from fm_anomaly.core.outbox_rows import OutboxRow
from fm_anomaly.notify.planning import Change, Says
from fm_anomaly.notify.receivers import NotifyParams, Target
from fm_anomaly.notify.requests import Message, Request, iso, json_request, permalink

SIGNATURE = "X-FM-Anomaly-Signature"
TIMESTAMP = "X-FM-Anomaly-Timestamp"

RULES = {
    "new_error": "an error that its service's history does not know",
    "error_spike": "more errors than expected",
    "silence": "a service that writes nothing although it should",
    "volume_drop": "fewer records than expected",
    "volume_spike": "more records than expected",
    "latency": "an operation that takes longer than usual",
    "sequence": "sessions that miss a step, or do what sessions did not do before",
    "new_template": "a message that its service's history does not know",
}
"""What each kind of alert means, in words."""


def messages(
    target: Target, changes: Sequence[Change], told: Mapping[str, OutboxRow], params: NotifyParams, now_us: int
) -> list[Message]:
    """Return one request for each alert of which there is something to tell, the most severe first where they fire."""
    worth = [each for each in changes if each.is_worth_telling]
    worth.sort(key=lambda each: (not each.notice.is_firing, -each.notice.severity.rank))
    return [Message(_request(target, each, params, now_us), each.rows) for each in worth]


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of the signature's header: ``v1=`` and HMAC-SHA256 of ``<timestamp>.<body>`` in hexadecimal.

    >>> signature("key", 0, b"{}")[:12]
    'v1=7314351dd'
    """
    signed = f"{timestamp_s}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def body(change: Change, base_url: str) -> dict[str, Any]:
    """Return what is posted about a change."""
    notice = change.notice
    return {
        "action": "triggered" if notice.is_firing else "resolved",
        "alert": _alert(change, base_url),
        "rule": {"id": notice.kind, "name": notice.kind.replace("_", " "), "description": RULES.get(notice.kind, "")},
        "timestamp": iso(notice.at_us),
    }


def _request(target: Target, change: Change, params: NotifyParams, now_us: int) -> Request:
    plain = json_request(target, target.url, body(change, params.base_url))
    timestamp_s = now_us // 1_000_000
    headers = {
        **plain.headers,
        # the same for the same change, so that a receiver can tell that it has it
        "Idempotency-Key": change.row.id,
        TIMESTAMP: str(timestamp_s),
    }
    if target.secret:
        headers[SIGNATURE] = signature(target.secret, timestamp_s, plain.body)
    return Request(plain.url, headers, plain.body)


def _alert(change: Change, base_url: str) -> dict[str, Any]:
    notice = change.notice
    return {
        "alert_id": notice.alert_id,
        "fingerprint": notice.fingerprint,
        "tenant": notice.tenant,
        "service": notice.service,
        "kind": notice.kind,
        "severity": notice.severity.value,
        "state": notice.state.value,
        "novelty": change.novelty.value,
        # false: it fired and went before it could be told
        "was_told": change.says is not Says.PASSED,
        "title": notice.title,
        "reason": notice.reason,
        "start": iso(notice.start_us),
        "end": None if notice.is_firing else iso(notice.end_us),
        "observed": notice.observed,
        "expected_low": notice.expected_low,
        "expected_high": notice.expected_high,
        "unit": notice.unit,
        "n_events": notice.n_events,
        "template_ids": list(notice.template_ids),
        "evidence": [
            {
                "source": line.source,
                "line": line.line,
                "timestamp": None if line.ts_us is None else iso(line.ts_us),
                "service": line.service,
                "text": line.text,
            }
            for line in notice.evidence
        ],
        **plain_label(notice.label),
        "incident": _incident(notice),
        "url": permalink(base_url, notice) or None,
    }


def _incident(notice: Notice) -> dict[str, Any] | None:
    incident = notice.incident
    if incident is None:
        return None
    return {
        "incident_id": incident.incident_id,
        "title": incident.title,
        "severity": incident.severity.value,
        "services": list(incident.services),
        "alert_ids": list(incident.alert_ids),
    }
