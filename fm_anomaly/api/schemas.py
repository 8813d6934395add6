"""The wire models that several resources share: queries, alerts, incidents, events, series and errors.

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
    StoredIncident,
)
from fm_anomaly.storage.counts import Series
from fm_anomaly.storage.paging import MAX_LIMIT, Span
from fm_anomaly.storage.timelines import StoredEvent
from fm_anomaly.storage.timestamps import optional_iso, to_iso, to_us

AlertSeverity = Literal["low", "medium", "high", "critical"]
AlertState = Literal["firing", "resolved"]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime, AfterValidator(_utc)]


Name = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
"""A name or id in a query or a body."""


class PageQuery(BaseModel):
    """What every list takes; an unknown parameter is an error, for a filter that is ignored misleads."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=1024, description="X-Next-Cursor of the page before")


class SpanQuery(PageQuery):
    """What a list over time takes."""

    since: Moment | None = Field(default=None, description="start at or after; ISO 8601, UTC where no zone")
    until: Moment | None = Field(default=None, description="start before; ISO 8601, UTC where no zone")

    @property
    def since_us(self) -> int | None:
        """The beginning, µs."""
        return moment_us(self.since)

    @property
    def until_us(self) -> int | None:
        """The end, µs."""
        return moment_us(self.until)


class ServiceSpanQuery(SpanQuery):
    """What a list over time and services takes."""

    service: Name | None = None

    def span(self) -> Span:
        """Return the same conditions for the store."""
        return Span(self.service, self.since_us, self.until_us)


class IncidentQuery(SpanQuery):
    """What the list of incidents takes."""

    state: AlertState | None = None
    min_severity: AlertSeverity | None = None
    kind: Name | None = Field(default=None, examples=["new_error"])

    def incidents(self) -> IncidentFilter:
        """Return the same conditions for the store."""
        return IncidentFilter(self.state, self.min_severity, self.kind, self.since_us, self.until_us)


class AlertQuery(IncidentQuery):
    """What the list of alerts takes."""

    service: Name | None = None
    incident_id: Name | None = None
    category_id: Name | None = None
    acked: bool | None = None
    muted: bool | None = None

    def alerts(self) -> AlertFilter:
        """Return the same conditions for the store."""
        return AlertFilter(
            state=self.state,
            min_severity=self.min_severity,
            service=self.service,
            kind=self.kind,
            incident_id=self.incident_id,
            category_id=self.category_id,
            is_acked=self.acked,
            is_muted=self.muted,
            since_us=self.since_us,
            until_us=self.until_us,
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


class GroupRef(BaseModel):
    """The fault that an alert's error is: what an error tracker calls an issue."""

    group_id: str
    name: str


class CategoryRef(BaseModel):
    """The kind of error that it is, and the version of the model that said so."""

    category_id: str
    name: str
    model: str


class Labelled(BaseModel):
    """What carries the group and the category of its error; null where no model is in use, or it knows none."""

    group: GroupRef | None = None
    category: CategoryRef | None = Field(default=None, description="null: the next run of `categorize` will say")


class AlertBody(Labelled):
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
    n_events: int = Field(description="records of its subject while it fired, as far as told")
    is_notified: bool = Field(description="false: cut by the budget or muted, to be read in the digest")
    muted_by: str = Field(description="the silence or feedback that mutes it, else empty")
    acked_by: str
    acked: str | None = Field(description="when somebody took it on")
    verdict: str = Field(description="expected, noise or real; empty where nobody said")

    @classmethod
    def from_stored(cls, alert: StoredAlert) -> AlertBody:
        """Return the body of a stored alert."""
        return cls.model_validate(_alert_fields(alert))


class EventBody(BaseModel):
    """One thing that happened to an alert or an incident."""

    event_no: int = Field(description="its number in the tenant's events, the id on the event stream")
    action: str = Field(examples=["triggered", "updated", "resolved", "acked", "commented", "marker"])
    at: str
    alert_id: str | None
    incident_id: str | None
    severity: str
    reason: str
    actor: str = Field(description="the person, empty where it was found in the logs")

    @classmethod
    def from_stored(cls, event: StoredEvent) -> EventBody:
        """Return the body of a stored event."""
        same = {name: getattr(event, name) for name in cls.model_fields if name != "at"}
        return cls.model_validate(same | {"at": to_iso(event.at_us)})


class AlertDetailBody(AlertBody):
    """An alert asked for by its id: with its steps, oldest first."""

    history: list[EventBody]

    @classmethod
    def from_history(cls, alert: StoredAlert, history: tuple[StoredEvent, ...]) -> AlertDetailBody:
        """Return the body of a stored alert with its history."""
        steps = [EventBody.from_stored(each) for each in history]
        return cls.model_validate({**_alert_fields(alert), "history": steps})


class IncidentBody(Labelled):
    """An incident: alerts of one matter. Its group and category are those of the first alert that has some."""

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
    series: dict[str, Any] | None = Field(description="of a scan; null where `/series` has it")
    joined: list[str] = Field(description="why its alerts are of one matter")
    acked_by: str
    acked: str | None

    @classmethod
    def from_stored(cls, incident: StoredIncident) -> IncidentBody:
        """Return the body of a stored incident."""
        same = {name: getattr(incident, name) for name in cls.model_fields if name not in _MADE}
        return cls.model_validate(same | _times(incident) | _label(incident))


class HealthBody(BaseModel):
    """What `/health` and its kin answer."""

    status: Literal["healthy", "degraded"]
    service: Literal["fm-anomaly"] = "fm-anomaly"
    version: str
    checks: dict[str, str]


class SeriesBody(BaseModel):
    """A series at equal steps; null where nothing can be said."""

    name: str
    unit: str
    start: str
    step_s: int
    values: list[float | None]
    low: list[float | None] = Field(description="the band that was usual before")
    high: list[float | None]

    @classmethod
    def from_series(cls, series: Series) -> SeriesBody:
        """Return the body of a series."""
        n = len(series.values)
        return cls(
            name=series.name,
            unit=series.unit,
            start=to_iso(series.start_us),
            step_s=series.step_s,
            values=list(series.values),
            low=[series.low] * n,
            high=[series.high] * n,
        )


_MADE = ("start", "end", "acked", "group", "category")


def _alert_fields(alert: StoredAlert) -> dict[str, Any]:
    same = {name: getattr(alert, name) for name in AlertBody.model_fields if name not in _MADE}
    return same | _times(alert) | _label(alert)


def _label(found: StoredAlert | StoredIncident) -> dict[str, Any]:
    group = {"group_id": found.group_id, "name": found.group_name}
    category = {"category_id": found.category_id, "name": found.category_name, "model": found.category_model}
    return {"group": group if found.group_id else None, "category": category if found.category_id else None}


def _times(found: StoredAlert | StoredIncident) -> dict[str, str | None]:
    return {
        "start": to_iso(found.start_us),
        "end": optional_iso(found.end_us),
        "acked": optional_iso(found.acked_us),
    }


def moment_us(moment: datetime | None) -> int | None:
    """Return a moment in µs since the epoch, and None of None."""
    return None if moment is None else to_us(moment.isoformat())
