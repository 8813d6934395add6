"""Reads what happened: the numbered events of a tenant, of one alert or of one incident, and markers beside them.

Knows nothing of HTTP, nor of who listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.paging import ALWAYS, Page, Span, in_span, page, value_of
from fm_anomaly.storage.reading import StoredIncident
from fm_anomaly.storage.writing import some

_BEFORE_US = 3_600 * 1_000_000
MAX_EVENTS = 1_000
"""Most events of one timeline: the first and the last half of them."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One thing that happened, under its number in the tenant's events."""

    event_no: int
    alert_id: str | None
    incident_id: str | None
    action: str
    at_us: int
    severity: str
    reason: str
    actor: str
    is_notified: bool


@dataclass(frozen=True, slots=True)
class StoredMarker:
    """A deploy or change that somebody noted; service "" is all of them."""

    marker_id: str
    at_us: int
    service: str
    title: str
    actor: str


def newest_event(store: Store, tenant: str) -> int:
    """Return the number of the tenant's newest event; 0 where there is none."""
    query = select(tables.heads.c.event_no).where(tables.heads.c.tenant == tenant)
    with store.reading() as connection:
        return connection.scalar(query) or 0


def events_after(store: Store, tenant: str, event_no: int, limit: int = 500) -> tuple[StoredEvent, ...]:
    """Return the events behind a number, oldest first, at most `limit`."""
    table = tables.events
    query = select(table).where(table.c.tenant == tenant, table.c.event_no > event_no)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(table.c.event_no).limit(limit))
        return tuple(value_of(StoredEvent, row) for row in rows)


def alert_history(store: Store, tenant: str, alert_id: str) -> tuple[StoredEvent, ...]:
    """Return what happened to an alert, oldest first; nothing where the tenant has no such alert."""
    table = tables.events
    query = select(table).where(table.c.tenant == tenant, table.c.alert_id == alert_id).order_by(table.c.event_no)
    with store.reading() as connection:
        return tuple(value_of(StoredEvent, row) for row in connection.execute(query.limit(MAX_EVENTS)))


def incident_events(store: Store, tenant: str, incident: StoredIncident) -> tuple[StoredEvent, ...]:
    """Return the events of an incident and of its alerts, by time and number."""
    table = tables.events
    found: dict[int, StoredEvent] = {}
    with store.reading() as connection:
        for ids in some(incident.alert_ids):
            mine = or_(table.c.incident_id == incident.incident_id, table.c.alert_id.in_(ids))
            query = select(table).where(table.c.tenant == tenant, mine)
            found.update((row.event_no, value_of(StoredEvent, row)) for row in connection.execute(query))
    ordered = sorted(found.values(), key=lambda event: (event.at_us, event.event_no))
    if len(ordered) > MAX_EVENTS:
        ordered = ordered[: MAX_EVENTS // 2] + ordered[-MAX_EVENTS // 2 :]
    return tuple(ordered)


def markers_near(
    store: Store, tenant: str, services: Sequence[str], start_us: int, end_us: int
) -> tuple[StoredMarker, ...]:
    """Return the markers of these services or of all, from an hour before `start_us` to `end_us`, oldest first."""
    table = tables.markers
    query = select(table).where(
        table.c.tenant == tenant,
        table.c.service.in_([*services, ""]),
        table.c.at_us >= start_us - _BEFORE_US,
        table.c.at_us <= end_us,
    )
    with store.reading() as connection:
        rows = connection.execute(query.order_by(table.c.at_us, table.c.marker_id).limit(MAX_EVENTS))
        return tuple(value_of(StoredMarker, row) for row in rows)


def markers(
    store: Store, tenant: str, span: Span = ALWAYS, *, limit: int = 50, cursor: str | None = None
) -> Page[StoredMarker]:
    """Return a page of markers, newest first. Raises UsageError on a bad argument."""
    table = tables.markers
    wanted = [table.c.tenant == tenant, *in_span(table, span, by="at_us")]
    return page(store, table, "marker_id", StoredMarker, wanted, limit, cursor, by="at_us")
