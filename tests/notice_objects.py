"""Alerts, their changes and notices, for tests of those who keep or send them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fm_anomaly.core.alert_values import Alert, AlertAction, AlertEvent, AlertSeverity, AlertState, Evidence
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.incidents import Incident
from fm_anomaly.core.notices import FIRES_AGAIN, NoticeRow, notices

START_US = 1_772_454_603_000_000
"""2026-03-02T12:30:03Z"""
MINUTE_US = 60_000_000


def make_alert(name: str = "a", **changes: Any) -> Alert:
    """Return a firing alert of the service api, with `changes`."""
    start_us = changes.get("start_us", START_US)
    alert = Alert(
        alert_id=f"{name:0>16}-{start_us // 1_000_000}",
        fingerprint=f"{name:0>16}",
        state=AlertState.FIRING,
        severity=AlertSeverity.HIGH,
        kind=AnomalyKind.NEW_ERROR,
        stream=StreamKey("default", "api"),
        subject="aaaabbbbccccdddd",
        start_us=start_us,
        end_us=start_us + MINUTE_US,
        updated_us=start_us + MINUTE_US,
        title="kettle: lid stuck",
        reason="135 in 3 min, expected 0 to 1, never seen in 2 h of history",
        observed=46.0,
        expected_low=0.0,
        expected_high=1.0,
        unit="per minute",
        score=9.0,
        strength=46.0,
        n_events=135,
        n_anomalies=1,
        templates=(1,),
        template_ids=("aaaabbbbccccdddd",),
        text="kettle: lid <*>",
        evidence=(Evidence("app.log", 7, start_us, "api", "ERROR kettle: lid stuck"),),
    )
    return replace(alert, **changes)


def fired(alert: Alert, at_us: int | None = None) -> AlertEvent:
    """Return the event of an alert that has begun."""
    return AlertEvent(AlertAction.FIRE, alert, alert.updated_us if at_us is None else at_us, True, "new")


def worse(alert: Alert, severity: AlertSeverity, at_us: int) -> AlertEvent:
    """Return the event of an alert that has become more severe."""
    new = replace(alert, severity=severity, updated_us=at_us, end_us=at_us)
    return AlertEvent(AlertAction.UPDATE, new, at_us, True, f"severity {alert.severity} → {severity}")


def again(alert: Alert, at_us: int) -> AlertEvent:
    """Return the event of an alert that fires again shortly after its resolution."""
    new = replace(alert, state=AlertState.FIRING, updated_us=at_us, end_us=at_us)
    return AlertEvent(AlertAction.UPDATE, new, at_us, False, FIRES_AGAIN)


def resolved(alert: Alert, at_us: int) -> AlertEvent:
    """Return the event of an alert that is over."""
    new = replace(alert, state=AlertState.RESOLVED, updated_us=at_us)
    return AlertEvent(AlertAction.RESOLVE, new, at_us, True, "quiet for 300 s")


def make_incident(*alerts: Alert, end_us: int | None = None) -> Incident:
    """Return an incident of these alerts."""
    lead = alerts[0]
    return Incident(
        incident_id=f"i-{lead.alert_id}",
        severity=max((a.severity for a in alerts), key=lambda s: s.rank),
        services=tuple(dict.fromkeys(a.stream.service for a in alerts)),
        kind=lead.kind,
        title=lead.title,
        reason=lead.reason,
        start_us=lead.start_us,
        end_us=end_us,
        last_us=max(a.end_us for a in alerts),
        alerts=alerts,
        template_ids=lead.template_ids,
        evidence=lead.evidence,
        joined=(),
    )


def rows(*events: AlertEvent, incident: Incident | None = None) -> list[NoticeRow]:
    """Return what receivers hear of `events`."""
    return notices(events, [] if incident is None else [incident])
