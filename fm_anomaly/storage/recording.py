"""Writes what a pipeline found, step by step, so that writing a step again changes nothing.

One transaction a step. Alerts, incidents and templates are replaced by what is known from a later event time, events
and closed buckets are added once, however the entries behind them were joined into steps; so a replay after a crash
ends in the rows of an undisturbed run. Knows the core's values and never a pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, and_, func, select, update

from fm_anomaly.core.alerts import Alert, DigestEntry
from fm_anomaly.core.category_labels import CategoryLabel, first_label
from fm_anomaly.core.changes import Changed, IncidentRow, SampleRow, TemplateRow
from fm_anomaly.core.commands import Applied
from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.notices import notices
from fm_anomaly.storage import rows, tables
from fm_anomaly.storage.commands import save_commands
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.numbering import add_events, lock, save
from fm_anomaly.storage.outbox import enqueue
from fm_anomaly.storage.writing import Row, some, upsert

__all__ = ["Changed", "IncidentRow", "Recorded", "SampleRow", "Step", "TemplateRow", "record", "recorded_seq"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one or more entries of the write-ahead log changed in a tenant's pipeline."""

    tenant: str
    seq: int
    """The last entry behind it."""
    changed: Changed
    commands: Sequence[Applied] = ()
    """What people said, in its order, with its effect; the events of effects are in `changed`."""
    labels: Mapping[str, CategoryLabel] = field(default_factory=dict)
    """What the errors of alerts are, by alert, as far as a model says so."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a step added."""

    event_no: int
    """Number of the tenant's newest event."""
    n_events: int
    n_notices: int
    """Changes that receivers may hear of, put into the outbox."""


def record(store: Store, step: Step) -> Recorded:
    """Write a step in one transaction; the same step again, or another cut of the same entries, changes nothing.

    Raises StoreError; nothing is written then.
    """
    with store.writing() as connection:
        heads = lock(connection, step.tenant)
        changed = step.changed
        _save_templates(connection, step.tenant, changed)
        _save_counts(connection, step.tenant, changed.buckets)
        fresh, told = _save_findings(connection, heads, step)
        _save_digest(connection, step.tenant, changed.digest)
        said = save_commands(connection, heads, step.commands)
        heads["seq"] = max(heads["seq"], step.seq)
        save(connection, heads)
        return Recorded(heads["event_no"], len(fresh) + said, told)


def recorded_seq(store: Store, tenant: str) -> int:
    """Return the last entry of the write-ahead log that has been recorded for a tenant; 0 where none has."""
    query = select(tables.heads.c.seq).where(tables.heads.c.tenant == tenant)
    with store.reading() as connection:
        return connection.scalar(query) or 0


def _save_templates(connection: Connection, tenant: str, changed: Changed) -> None:
    as_of_us = changed.as_of_us
    table = tables.templates
    by_id = {
        (row["service"], row["template_id"]): row
        for row in (rows.template_row(tenant, each, as_of_us) for each in changed.templates)
    }
    upsert(connection, table, list(by_id.values()), where=lambda new: new.as_of_us >= table.c.as_of_us)
    samples = {
        (row["service"], row["template_id"], row["at_us"]): row
        for row in (rows.sample_row(tenant, each) for each in changed.samples)
    }
    upsert(connection, tables.samples, list(samples.values()), sets=[])
    services = [rows.service_row(tenant, each, as_of_us) for each in changed.services]
    upsert(connection, tables.services, services, where=lambda new: new.as_of_us >= tables.services.c.as_of_us)


def _save_counts(connection: Connection, tenant: str, closed: Sequence[ClosedBucket]) -> None:
    if not closed:
        return
    table = tables.buckets
    keys = {(bucket.stream.service, bucket.start_us): bucket for bucket in closed}
    known: set[tuple[str, int]] = set()
    starts = sorted({start_us for _, start_us in keys})
    names = sorted({service for service, _ in keys})
    for services in some(names):
        query = select(table.c.service, table.c.start_us).where(
            table.c.tenant == tenant,
            table.c.service.in_(services),
            table.c.start_us.between(starts[0], starts[-1]),
        )
        known.update((service, start_us) for service, start_us in connection.execute(query))
    fresh = {key: bucket for key, bucket in keys.items() if key not in known}
    upsert(connection, table, [{"tenant": tenant, "service": s, "start_us": at} for s, at in fresh], sets=[])
    counts = tables.counts
    upsert(
        connection,
        counts,
        rows.count_rows(tenant, fresh.values()),
        sets=lambda new: {
            "count": counts.c.count + new.count,
            "errors": counts.c.errors + new.errors,
            "total": func.coalesce(counts.c.total + new.total, new.total, counts.c.total),
            "median": func.coalesce(new.median, counts.c.median),
        },
    )


def _save_findings(connection: Connection, heads: Row, step: Step) -> tuple[list[Row], int]:
    """Write alerts, incidents, events and what is to be told; return the new events and the number of notices."""
    incident_of = {
        alert.alert_id: row.incident.incident_id for row in step.changed.incidents for alert in row.incident.alerts
    }
    alerts = {alert.alert_id: alert for alert in alerts_of(step.changed)}
    if not alerts:
        return [], 0
    before = _stored(connection, step.tenant, sorted(alerts))
    table = tables.alerts
    written = [rows.alert_row(alert) | rows.label_row(step.labels.get(alert.alert_id)) for alert in alerts.values()]
    _save_newer(connection, table, written)
    # where the store knows an alert from later on, a replay has not come as far yet
    stale = {row["alert_id"] for row in written if before.get(row["alert_id"], ("", 0))[1] > row["as_of_us"]}
    _save_incidents(connection, heads, step, before, stale)
    events = [rows.event_row(event, incident_of.get(event.alert.alert_id)) for event in step.changed.events]
    fresh = add_events(connection, heads, events)
    keys = {row["key"] for row in fresh}
    news = [event for row, event in zip(events, step.changed.events, strict=True) if row["key"] in keys]
    told = notices(news, [row.incident for row in step.changed.incidents], step.labels)
    return fresh, enqueue(connection, told)


def alerts_of(changed: Changed) -> list[Alert]:
    """Return the alerts that have a row to be written: those that changed, and those of one matter with them."""
    found = {alert.alert_id: alert for row in changed.incidents for alert in row.incident.alerts}
    found.update((event.alert.alert_id, event.alert) for event in changed.events)
    return list(found.values())


def _save_newer(connection: Connection, table: Table, written: Sequence[Row]) -> None:
    """Write rows of alerts or incidents that are not older than what is there; a label stays until there is another."""
    if not written:
        return
    names = [name for name in written[0] if name not in table.primary_key.columns and name not in tables.LABEL]
    upsert(
        connection,
        table,
        written,
        sets=lambda new: {name: new[name] for name in names} | rows.keeps_label(table, new),
        where=lambda new: new.as_of_us >= table.c.as_of_us,
    )


def _stored(connection: Connection, tenant: str, alert_ids: Sequence[str]) -> dict[str, tuple[str | None, int]]:
    """Return the incident and the time of the last word of the alerts that are there."""
    table = tables.alerts
    found: dict[str, tuple[str | None, int]] = {}
    for ids in some(alert_ids):
        query = select(table.c.alert_id, table.c.incident_id, table.c.as_of_us).where(
            table.c.tenant == tenant, table.c.alert_id.in_(ids)
        )
        found.update((alert_id, (incident_id, us)) for alert_id, incident_id, us in connection.execute(query))
    return found


def _save_incidents(
    connection: Connection,
    heads: Row,
    step: Step,
    before: dict[str, tuple[str | None, int]],
    stale: set[str],
) -> None:
    """Write incidents and which alert is in which; one that lost all its alerts to another is merged into it."""
    tenant = heads["tenant"]
    alerts, table = tables.alerts, tables.incidents
    new = []
    incident_of: dict[str, str] = {}
    for row in sorted(step.changed.incidents, key=lambda each: (each.incident.start_us, each.incident.incident_id)):
        ids = [alert.alert_id for alert in row.incident.alerts]
        if stale.issuperset(ids):
            continue
        incident_of.update(dict.fromkeys(set(ids) - stale, row.incident.incident_id))
        is_row = and_(table.c.tenant == tenant, table.c.incident_id == row.incident.incident_id)
        number = connection.scalar(select(table.c.number).where(is_row))
        if number is None:
            number = heads["incident_no"] = heads["incident_no"] + 1
        label = first_label([step.labels.get(alert_id) for alert_id in ids])
        new.append(rows.incident_row(tenant, row, number) | rows.label_row(label))
    _save_newer(connection, table, new)
    moved = {alert_id: into for alert_id, into in incident_of.items() if before.get(alert_id, (None,))[0] != into}
    for alert_id, into in sorted(moved.items()):
        is_row = and_(alerts.c.tenant == tenant, alerts.c.alert_id == alert_id)
        connection.execute(update(alerts).where(is_row).values(incident_id=into))
    for alert_id, into in sorted(moved.items()):
        old = before.get(alert_id, (None,))[0]
        if old is not None:
            _merge_incident(connection, tenant, old, into)


def _merge_incident(connection: Connection, tenant: str, old: str, into: str) -> None:
    alerts, table = tables.alerts, tables.incidents
    left = select(func.count()).select_from(alerts).where(alerts.c.tenant == tenant, alerts.c.incident_id == old)
    if connection.scalar(left):
        return
    is_old = and_(table.c.tenant == tenant, table.c.incident_id == old)
    is_new = and_(table.c.tenant == tenant, table.c.incident_id == into)
    connection.execute(update(table).where(is_old).values(merged_into=into, state="resolved"))
    acked = connection.execute(select(table.c.acked_by, table.c.acked_us).where(is_old)).one_or_none()
    if acked is not None and acked.acked_by:
        values = {"acked_by": acked.acked_by, "acked_us": acked.acked_us}
        connection.execute(update(table).where(is_new, table.c.acked_by == "").values(values))


def _save_digest(connection: Connection, tenant: str, digest: Sequence[DigestEntry]) -> None:
    entries = {row["digest_id"]: row for row in (rows.digest_row(tenant, entry) for entry in digest)}
    upsert(connection, tables.digest, list(entries.values()))
