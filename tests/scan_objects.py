"""Objects as `scan --json` prints them, for tests of those who take them."""

from __future__ import annotations

from typing import Any

TEMPLATE_ID = "aaaabbbbccccdddd"


def make_alert(**changes: Any) -> dict[str, Any]:
    """Return an alert as `scan --json` has it, with `changes`."""
    return {
        "alert_id": "a1",
        "kind": "new_error",
        "service": "api",
        "severity": "high",
        "title": "kettle: lid stuck",
        "reason": "135 in 3 min, expected 0 to 1, never seen in 2 h of history",
        "start": "2026-03-02T12:30:03Z",
        "end": "2026-03-02T12:32:58Z",
        "state": "resolved",
        "observed": 46.0,
        "expected_low": 0.0,
        "expected_high": 1.0,
        "unit": "per minute",
        "subject": TEMPLATE_ID,
        "template_ids": [TEMPLATE_ID],
    } | changes


def make_incident(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an incident as `scan --json` has it, of `alerts`, with `changes`."""
    same = ("kind", "severity", "title", "reason", "start", "end", "state")
    lead = alerts[0]
    line = {"source": "app.log", "line": 7, "timestamp": lead["start"], "service": "api", "text": "lid stuck"}
    return {
        **{name: lead[name] for name in same},
        "incident_id": "i1",
        "number": 1,
        "services": ["api"],
        "what": ['135 × "lid stuck"'],
        "alerts": list(alerts),
        "template_ids": [TEMPLATE_ID],
        "evidence": [line],
        "series": {
            "name": "errors",
            "unit": "per minute",
            "start": lead["start"],
            "step_s": 60,
            "values": [0, 46],
            "low": [0, 0],
            "high": [1, 1],
        },
    } | changes


def make_scan(*incidents: dict[str, Any], lines: int = 10, last: str = "2026-03-02T12:59:59Z") -> dict[str, Any]:
    """Return what `scan --json` prints for one small log with `incidents`."""
    counts = dict.fromkeys(("continuations", "blanks", "rejects", "skipped_own", "late", "truncated"), 0)
    template = {
        "template_id": TEMPLATE_ID,
        "service": "api",
        "event_key": "",
        "template": "lid <num> stuck",
        "count": lines,
        "errors": lines,
        "severity": 17,
        "first": "2026-03-02T10:00:00Z",
        "last": last,
        "sample": "lid 4 stuck",
        "aliases": [],
    }
    return {
        "schema": "fm-anomaly/scan/1",
        "tool": {"name": "fm-anomaly", "version": "0.1.0"},
        "source": {
            "names": ["app.log"],
            "first": "2026-03-02T10:00:00Z",
            "last": last,
            "bytes": 100,
            "elapsed_s": 0.2,
            "lines_per_s": 1.1e5,
            "zone": {"name": "UTC", "assumed": True},
        },
        "intake": {
            "lines": lines,
            "records": lines,
            "counted": lines,
            "bytes": 100,
            "tracebacks": 0,
            **counts,
            "formats": {"plain": lines},
            "redacted": {},
            "rejects_by_reason": {},
            "health": [],
        },
        "services": [
            {
                "service": "api",
                "records": lines,
                "errors": lines,
                "templates": 1,
                "learned_s": 1,
                "health": "good",
            }
        ],
        "templates": [template],
        "exception_types": [],
        "incidents": list(incidents),
        "known": [],
        "digest": [],
    }
