"""Reads the store: alerts, incidents, templates and intake as plain values, one tenant at a time.

Lists come newest first, in pages; a page's cursor names the row after which the next begins, so that
rows which arrive meanwhile shift nothing. Knows nothing of HTTP.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Table, and_, func, or_, select

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store

MAX_LIMIT = 500
"""Most rows in one page."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; None is no condition. Spans are half-open over the start, in µs."""

    state: str | None = None
    min_severity: str | None = None
    service: str | None = None
    kind: str | None = None
    incident_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are wanted; None is no condition. Spans are half-open over the start, in µs."""

    state: str | None = None
    min_severity: str | None = None
    kind: str | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[_Value]):
    """Some rows of a list; `total` counts the whole list, `next_cursor` is None on the last page."""

    items: tuple[_Value, ...]
    total: int
    next_cursor: str | None


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


@dataclass(frozen=True, slots=True)
class StoredAlertEvent:
    """One step of an alert: triggered, updated, resolved, or what a person did with it."""

    event_no: int
    action: str
    at_us: int
    severity: str
    reason: str
    actor: str


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
    for name in ("state", "service", "kind", "incident_id"):
        if (value := getattr(where, name)) is not None:
            wanted.append(table.c[name] == value)
    wanted.append(table.c.tenant == tenant)
    return _page(store, table, "alert_id", StoredAlert, wanted, limit, cursor)


def alert(store: Store, tenant: str, alert_id: str) -> StoredAlert | None:
    """Return the alert of that id, or None where the tenant has none."""
    table = tables.alerts
    with store.reading() as connection:
        row = connection.execute(
            select(table).where(table.c.tenant == tenant, table.c.alert_id == alert_id)
        ).one_or_none()
    return None if row is None else _value(StoredAlert, row)


def alert_history(store: Store, tenant: str, alert_id: str) -> tuple[StoredAlertEvent, ...]:
    """Return the steps of an alert, oldest first; none where the tenant has no such alert."""
    table = tables.events
    query = select(table).where(table.c.tenant == tenant, table.c.alert_id == alert_id).order_by(table.c.event_no)
    with store.reading() as connection:
        return tuple(_value(StoredAlertEvent, row) for row in connection.execute(query))


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
    for name in ("state", "kind"):
        if (value := getattr(where, name)) is not None:
            wanted.append(table.c[name] == value)
    return _page(store, table, "incident_id", StoredIncident, [table.c.tenant == tenant, *wanted], limit, cursor)


def templates(store: Store, tenant: str, *, errors_only: bool = False) -> tuple[StoredTemplate, ...]:
    """Return every template of the tenant, by source, service and id; one row a source it was seen in."""
    table = tables.templates
    query = select(table).where(table.c.tenant == tenant)
    if errors_only:
        query = query.where(table.c.errors > 0)
    query = query.order_by(table.c.source_id, table.c.service, table.c.template_id)
    with store.reading() as connection:
        return tuple(_value(StoredTemplate, row) for row in connection.execute(query))


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
    if since_us is not None:
        wanted.append(table.c.start_us >= since_us)
    if until_us is not None:
        wanted.append(table.c.start_us < until_us)
    return wanted


def _page(
    store: Store,
    table: Table,
    key: str,
    kind: type[_Value],
    wanted: Sequence[ColumnElement[bool]],
    limit: int,
    cursor: str | None,
) -> Page[_Value]:
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit {limit} is not in 1 to {MAX_LIMIT}")
    query = select(table).where(*wanted)
    if cursor is not None:
        start_us, last = _read_cursor(cursor)
        same_start = and_(table.c.start_us == start_us, table.c[key] > last)
        query = query.where(or_(table.c.start_us < start_us, same_start))
    query = query.order_by(table.c.start_us.desc(), table.c[key]).limit(limit + 1)
    with store.reading() as connection:
        total = connection.scalar(select(func.count()).select_from(table).where(*wanted)) or 0
        rows = connection.execute(query).all()
    more = len(rows) > limit
    rows = rows[:limit]
    following = _cursor(rows[-1]._mapping["start_us"], rows[-1]._mapping[key]) if more else None
    return Page(tuple(_value(kind, row) for row in rows), total, following)


def _value(kind: type[_Value], row: Row[Any]) -> _Value:
    columns = row._mapping
    return kind(**{each.name: columns[each.name] for each in fields(kind)})  # type: ignore[arg-type]


def _cursor(start_us: int, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([start_us, key]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        start_us, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as exc:
        raise UsageError("cursor cannot be read: give next_cursor of the page before, unchanged") from exc
    if type(start_us) is not int or type(key) is not str or abs(start_us) >= 2**63:
        raise UsageError("cursor cannot be read: give next_cursor of the page before, unchanged")
    return start_us, key
