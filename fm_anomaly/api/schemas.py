"""The wire models: what a client sends as a query and gets back as JSON. Nowhere else is pydantic used here.

Adding a field is no break; removing or changing one is, and would need another version of the routes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fm_anomaly.storage import (
    AlertFilter,
    IncidentFilter,
    StoredAlert,
    StoredAlertEvent,
    StoredIncident,
)
from fm_anomaly.storage.reading import MAX_LIMIT
from fm_anomaly.storage.timestamps import optional_iso, to_iso, to_us

AlertSeverity = Literal["low", "medium", "high", "critical"]
AlertState = Literal["firing", "resolved"]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime, AfterValidator(_utc)]


class Query(BaseModel):
    """What every list takes; an unknown parameter is an error, for a filter that is ignored misleads."""

    model_config = ConfigDict(extra="forbid")

    state: AlertState | None = None
    min_severity: AlertSeverity | None = None
    kind: str | None = Field(default=None, max_length=64)
    since: Moment | None = Field(default=None, description="start at or after; ISO 8601, UTC where no zone")
    until: Moment | None = Field(default=None, description="start before; ISO 8601, UTC where no zone")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=1024, description="X-Next-Cursor of the page before")

    def incidents(self) -> IncidentFilter:
        """Return the same conditions for the store."""
        return IncidentFilter(self.state, self.min_severity, self.kind, _us(self.since), _us(self.until))


class AlertQuery(Query):
    """What the list of alerts takes."""

    service: str | None = Field(default=None, max_length=256)
    incident_id: str | None = Field(default=None, max_length=128)

    def alerts(self) -> AlertFilter:
        """Return the same conditions for the store."""
        return AlertFilter(
            state=self.state,
            min_severity=self.min_severity,
            service=self.service,
            kind=self.kind,
            incident_id=self.incident_id,
            since_us=_us(self.since),
            until_us=_us(self.until),
        )


class ErrorBody(BaseModel):
    """Every answer that is not a success, in FaultMaven's shape."""

    error: str
    detail: str
    status_code: int
    correlation_id: str


class EvidenceLine(BaseModel):
    """One redacted line of a log."""

    source: str = ""
    line: int | None = None
    timestamp: str | None = None
    service: str | None = None
    text: str


class AlertBody(BaseModel):
    """An alert in a list."""

    alert_id: str
    incident_id: str | None
    kind: str
    service: str
    severity: AlertSeverity
    state: AlertState
    title: str
    reason: str
    start: str
    end: str | None
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    unit: str
    subject: str
    template_ids: list[str]
    labels: dict[str, str]
    evidence: list[EvidenceLine]

    @classmethod
    def from_stored(cls, alert: StoredAlert) -> AlertBody:
        """Return the body of a stored alert."""
        return cls.model_validate(_alert_fields(alert))


class AlertEventBody(BaseModel):
    """One step of an alert."""

    action: str
    at: str
    severity: AlertSeverity


class AlertDetailBody(AlertBody):
    """An alert asked for by its id: with its steps, oldest first."""

    history: list[AlertEventBody]

    @classmethod
    def from_history(cls, alert: StoredAlert, history: tuple[StoredAlertEvent, ...]) -> AlertDetailBody:
        """Return the body of a stored alert with its history."""
        steps = [
            AlertEventBody.model_validate({"action": each.action, "at": to_iso(each.at_us), "severity": each.severity})
            for each in history
        ]
        return cls.model_validate({**_alert_fields(alert), "history": steps})


class IncidentBody(BaseModel):
    """An incident: alerts of one matter."""

    incident_id: str
    kind: str
    severity: AlertSeverity
    state: AlertState
    title: str
    reason: str
    services: list[str]
    start: str
    end: str | None
    what: list[str]
    alert_ids: list[str]
    template_ids: list[str]
    evidence: list[EvidenceLine]
    series: dict[str, Any] | None

    @classmethod
    def from_stored(cls, incident: StoredIncident) -> IncidentBody:
        """Return the body of a stored incident."""
        same = {name: getattr(incident, name) for name in cls.model_fields if name not in ("start", "end")}
        return cls.model_validate(same | _span(incident))


class HealthBody(BaseModel):
    """What `/health` and its kin answer."""

    status: Literal["healthy", "degraded"]
    service: Literal["fm-anomaly"] = "fm-anomaly"
    version: str
    checks: dict[str, str]


def _alert_fields(alert: StoredAlert) -> dict[str, Any]:
    same = {name: getattr(alert, name) for name in AlertBody.model_fields if name not in ("start", "end")}
    return same | _span(alert)


def _span(found: StoredAlert | StoredIncident) -> dict[str, str | None]:
    return {"start": to_iso(found.start_us), "end": optional_iso(found.end_us)}


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment.isoformat())
