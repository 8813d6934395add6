"""The core's values as rows of the tables, and as the plain objects that leave for receivers.

Pure: it opens nothing and queries nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import Any

from sqlalchemy import Table, case

from fm_anomaly.core.alerts import Alert, AlertAction, AlertEvent, AlertState, DigestEntry, Evidence
from fm_anomaly.core.category_labels import CategoryLabel
from fm_anomaly.core.changes import IncidentRow, SampleRow, TemplateRow
from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.storage import tables
from fm_anomaly.storage.numbering import event_key
from fm_anomaly.storage.timestamps import optional_iso
from fm_anomaly.storage.writing import Row, clean, plain_text

ACTIONS = {AlertAction.FIRE: "triggered", AlertAction.UPDATE: "updated", AlertAction.RESOLVE: "resolved"}
_MAX_SUBJECT_CHARS = 500
CountKey = tuple[int, str, str, str, int]
"""(step_s, service, name, subject, start_us)"""


def alert_row(alert: Alert) -> Row:
    """Return the row of an alert, without its incident and without what people said of it."""
    return {
        "tenant": alert.stream.tenant,
        "alert_id": alert.alert_id,
        "kind": alert.kind.value,
        "service": plain_text(alert.stream.service),
        "severity": alert.severity.value,
        "severity_rank": alert.severity.rank,
        "state": alert.state.value,
        "title": plain_text(alert.title),
        "reason": plain_text(alert.reason),
        "start_us": alert.start_us,
        "end_us": alert.end_us if alert.state is AlertState.RESOLVED else None,
        "as_of_us": alert.updated_us,
        "observed": _finite(alert.observed),
        "expected_low": _finite(alert.expected_low),
        "expected_high": _finite(alert.expected_high),
        "unit": alert.unit,
        "subject": plain_text(alert.subject),
        "template_ids": list(alert.template_ids),
        "labels": clean(alert.labels),
        "evidence": _evidence(alert.evidence),
        "fingerprint": alert.fingerprint,
        "n_events": alert.n_events,
        "score": _finite(alert.score) or 0.0,
        "is_notified": alert.is_notified,
        "muted_by": alert.muted_by,
    }


def label_row(label: CategoryLabel | None) -> Row:
    """Return the columns of a label, empty where there is none."""
    if label is None:
        return dict.fromkeys(tables.LABEL, "")
    told = (label.group_id, label.group, label.category_id, label.category, label.model)
    return dict(zip(tables.LABEL, map(plain_text, told), strict=True))


def keeps_label(table: Table, new: Any) -> dict[str, Any]:
    """Return what the columns of a label are set to: a word of later replaces, silence does not."""
    return {name: case((new.group_id != "", new[name]), else_=table.c[name]) for name in tables.LABEL}


def event_row(event: AlertEvent, incident_id: str | None) -> Row:
    """Return the row of a change of an alert; its number is given when it is written."""
    action = ACTIONS[event.action]
    return {
        "key": event_key(event.alert.alert_id, action, event.tick_us, event.reason),
        "alert_id": event.alert.alert_id,
        "incident_id": incident_id,
        "action": action,
        "at_us": event.tick_us,
        "severity": event.alert.severity.value,
        "reason": plain_text(event.reason),
        "is_notified": event.notify,
    }


def incident_row(tenant: str, row: IncidentRow, number: int) -> Row:
    """Return the row of an incident."""
    incident = row.incident
    return {
        "tenant": tenant,
        "incident_id": incident.incident_id,
        "number": number,
        "kind": incident.kind.value,
        "severity": incident.severity.value,
        "severity_rank": incident.severity.rank,
        "state": "firing" if incident.end_us is None else "resolved",
        "title": plain_text(incident.title),
        "reason": plain_text(row.reason),
        "services": clean(incident.services),
        "start_us": incident.start_us,
        "end_us": incident.end_us,
        "as_of_us": max(alert.updated_us for alert in incident.alerts),
        "what": clean(row.what),
        "alert_ids": [alert.alert_id for alert in incident.alerts],
        "template_ids": list(incident.template_ids),
        "evidence": _evidence(incident.evidence),
        "series": None,
        "joined": clean(incident.joined),
        "merged_into": None,
    }


def template_row(tenant: str, template: TemplateRow, as_of_us: int) -> Row:
    """Return the row of a template of the service."""
    return {
        "tenant": tenant,
        "source_id": tables.LIVE,
        "service": plain_text(template.service),
        "template_id": template.template_id,
        "event_key": plain_text(template.event_key),
        "template": plain_text(template.text),
        "count": template.count,
        "errors": template.errors,
        "severity": template.severity,
        # a template that only stands for records to come has no times yet
        "first_us": template.first_us if template.first_us <= template.last_us else None,
        "last_us": template.last_us if template.first_us <= template.last_us else None,
        "sample": plain_text(template.sample),
        "aliases": list(template.aliases),
        "birth_text": plain_text(template.birth_text),
        "is_coarse": template.is_coarse,
        "merged_into": template.merged_into,
        "as_of_us": as_of_us,
    }


def sample_row(tenant: str, sample: SampleRow) -> Row:
    """Return the row of a sample."""
    return {
        "tenant": tenant,
        "service": plain_text(sample.service),
        "template_id": sample.template_id,
        "at_us": sample.at_us,
        "source": plain_text(sample.line.source),
        "line": sample.line.line,
        "ts_us": sample.line.ts_us,
        "text": plain_text(sample.line.text),
    }


def service_row(tenant: str, service: dict[str, Any], as_of_us: int) -> Row:
    """Return the row of a service."""
    return {"tenant": tenant, "as_of_us": as_of_us, **clean(service)}


def digest_row(tenant: str, entry: DigestEntry) -> Row:
    """Return the row of an entry of the digest."""
    return {
        "tenant": tenant,
        "digest_id": event_key(entry.kind.value, entry.stream.service, entry.subject, entry.start_us),
        "kind": entry.kind.value,
        "service": plain_text(entry.stream.service),
        "subject": plain_text(entry.subject),
        "title": plain_text(entry.title),
        "reason": plain_text(entry.reason),
        "start_us": entry.start_us,
        "count": entry.count,
        "template_ids": list(entry.template_ids),
    }


def count_rows(tenant: str, buckets: Iterable[ClosedBucket]) -> list[Row]:
    """Return what closed buckets add to the counts of their minute, hour and day."""
    sums: dict[CountKey, Row] = {}
    for bucket in buckets:
        for name, subject, count, errors, times in _counted(bucket):
            for step_s in tables.STEPS_S:
                start_us = bucket.start_us // (step_s * US_PER_S) * (step_s * US_PER_S)
                key = (step_s, plain_text(bucket.stream.service), name, subject, start_us)
                row = sums.get(key)
                if row is None:
                    row = sums[key] = {"count": 0, "errors": 0, "total": None, "median": None}
                row["count"] += count
                row["errors"] += errors
                if times:
                    row["total"] = (row["total"] or 0.0) + sum(times)
                    row["median"] = median(times) if step_s == tables.MINUTE_S else None
    names = ("step_s", "service", "name", "subject", "start_us")
    return [{"tenant": tenant, **dict(zip(names, key, strict=True)), **row} for key, row in sums.items()]


def _counted(bucket: ClosedBucket) -> Iterable[tuple[str, str, int, int, tuple[float, ...]]]:
    """Yield (name, subject, count, errors, durations) of everything that a bucket counted."""
    yield "records", "", bucket.n_records, bucket.n_errors, ()
    if bucket.n_requests:
        yield "requests", "", bucket.n_requests, bucket.n_5xx, ()
    for template in bucket.templates:
        yield "template", template.template_id, template.count, template.n_errors, ()
    for exception in bucket.exceptions:
        yield "exception", plain_text(exception.identity)[:_MAX_SUBJECT_CHARS], exception.count, exception.count, ()
    for operation, times in bucket.durations:
        yield "latency", plain_text(operation)[:_MAX_SUBJECT_CHARS], len(times), 0, times


def _evidence(lines: Iterable[Evidence]) -> list[Row]:
    return [
        {
            "source": plain_text(line.source),
            "line": line.line,
            "timestamp": optional_iso(line.ts_us),
            "service": plain_text(line.service),
            "text": plain_text(line.text),
        }
        for line in lines
    ]


def lines_of(evidence: Iterable[Row]) -> list[Evidence]:
    """Return the lines that a row holds, without their times."""
    return [Evidence(row["source"], row["line"], None, row["service"], row["text"]) for row in evidence]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
