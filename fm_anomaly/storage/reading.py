"""Reads the store: alerts, incidents, templates and intake as plain values, one tenant at a time.

Lists come newest first, in pages; a page's cursor names the row after which the next begins, so that
rows which arrive meanwhile shift nothing. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, select

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.paging import Page, Span, in_span, page, value_of


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; None is no condition. Spans are half-open over the start, in µs."""

    state: str | None = None
    min_severity: str | None = None
    service: str | None = None
    kind: str | None = None
    incident_id: str | None = None
    category_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    is_acked: bool | None = None
    is_muted: bool | None = None


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are wanted; None is no condition. Spans are half-open over the start, in µs."""

    state: str | None = None
    min_severity: str | None = None
    kind: str | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as last saved; its history is `alert_history`."""

    alert_id: str
    incident_id: str | None
    kind: str
    service: str
    severity: str
    state: str
    title: str
    reason: str
    start_us: int
    end_us: int | None
    as_of_us: int
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    unit: str
    subject: str
    template_ids: list[str]
    labels: dict[str, str]
    evidence: list[dict[str, Any]]
    n_events: int
    is_notified: bool
    muted_by: str
    acked_by: str
    acked_us: int | None
    verdict: str
    group_id: str
    group_name: str
    category_id: str
    category_name: str
    category_model: str


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """An incident as last saved."""

    incident_id: str
    number: int
    kind: str
    severity: str
    state: str
    title: str
    reason: str
    services: list[str]
    start_us: int
    end_us: int | None
    as_of_us: int
    what: list[str]
    alert_ids: list[str]
    template_ids: list[str]
    evidence: list[dict[str, Any]]
    series: dict[str, Any] | None
    joined: list[str]
    merged_into: str | None
    acked_by: str
    acked_us: int | None
    group_id: str
    group_name: str
    category_id: str
    category_name: str
    category_model: str


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template of one source and service, with its counts there."""

    source_id: str
    service: str
    template_id: str
    event_key: str
    template: str
    count: int
    errors: int
    severity: int
    first_us: int | None
    last_us: int | None
    sample: str
    aliases: list[str]


@dataclass(frozen=True, slots=True)
class StoredIntake:
    """What came in from one source; `counts` has the names of `tables.INTAKE_COUNTS`."""

    source_id: str
    names: list[str]
    first_us: int | None
    last_us: int | None
    counts: dict[str, int]
    formats: dict[str, int]
    redacted: dict[str, int]
    rejects_by_reason: dict[str, int]
    health: list[str]
    services: list[dict[str, Any]]


def alerts(
    store: Store,
    tenant: str,
    where: AlertFilter = AlertFilter(),
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredAlert]:
    """Return a page of alerts, latest start first. Raises UsageError on a bad argument."""
    table = tables.alerts
    wanted = _conditions(table, where.min_severity, where.since_us, where.until_us)
    for name in ("state", "service", "kind", "incident_id", "category_id"):
        if (value := getattr(where, name)) is not None:
            wanted.append(table.c[name] == value)
    for is_wanted, column in ((where.is_acked, table.c.acked_by), (where.is_muted, table.c.muted_by)):
        if is_wanted is not None:
            wanted.append(column != "" if is_wanted else column == "")
    wanted.append(table.c.tenant == tenant)
    return page(store, table, "alert_id", StoredAlert, wanted, limit, cursor)


def alert(store: Store, tenant: str, alert_id: str) -> StoredAlert | None:
    """Return the alert of that id, or None where the tenant has none."""
    table = tables.alerts
    with store.reading() as connection:
        row = connection.execute(
            select(table).where(table.c.tenant == tenant, table.c.alert_id == alert_id)
        ).one_or_none()
    return None if row is None else value_of(StoredAlert, row)


def incidents(
    store: Store,
    tenant: str,
    where: IncidentFilter = IncidentFilter(),
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredIncident]:
    """Return a page of incidents, latest start first. Raises UsageError on a bad argument."""
    table = tables.incidents
    wanted = _conditions(table, where.min_severity, where.since_us, where.until_us)
    wanted.append(table.c.merged_into.is_(None))
    for name in ("state", "kind"):
        if (value := getattr(where, name)) is not None:
            wanted.append(table.c[name] == value)
    return page(store, table, "incident_id", StoredIncident, [table.c.tenant == tenant, *wanted], limit, cursor)


def incident(store: Store, tenant: str, incident_id: str) -> StoredIncident | None:
    """Return the incident of that id, or the one that took its alerts; None where the tenant has none."""
    table = tables.incidents
    seen: set[str] = set()
    with store.reading() as connection:
        while incident_id not in seen:
            seen.add(incident_id)
            is_row = and_(table.c.tenant == tenant, table.c.incident_id == incident_id)
            row = connection.execute(select(table).where(is_row)).one_or_none()
            if row is None or row.merged_into is None:
                break
            incident_id = row.merged_into
    return None if row is None else value_of(StoredIncident, row)


def templates(store: Store, tenant: str, *, errors_only: bool = False) -> tuple[StoredTemplate, ...]:
    """Return every template of the tenant, by source, service and id; one row a source it was seen in."""
    table = tables.templates
    query = select(table).where(table.c.tenant == tenant)
    if errors_only:
        query = query.where(table.c.errors > 0)
    query = query.order_by(table.c.source_id, table.c.service, table.c.template_id)
    with store.reading() as connection:
        return tuple(value_of(StoredTemplate, row) for row in connection.execute(query))


def intake(store: Store, tenant: str) -> tuple[StoredIntake, ...]:
    """Return what came in, one row a source, by source id."""
    table = tables.intake
    with store.reading() as connection:
        rows = connection.execute(select(table).where(table.c.tenant == tenant).order_by(table.c.source_id)).all()
    plain = [each.name for each in fields(StoredIntake) if each.name != "counts"]
    return tuple(
        StoredIntake(
            counts={name: row._mapping[name] for name in tables.INTAKE_COUNTS},
            **{name: row._mapping[name] for name in plain},
        )
        for row in rows
    )


def _conditions(
    table: Table, min_severity: str | None, since_us: int | None, until_us: int | None
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if min_severity is not None:
        if min_severity not in tables.SEVERITIES:
            raise UsageError(f"severity {min_severity!r} is none of {', '.join(tables.SEVERITIES)}")
        wanted.append(table.c.severity_rank >= tables.SEVERITIES.index(min_severity))
    return wanted + in_span(table, Span(None, since_us, until_us))
