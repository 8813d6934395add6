"""Writes one scan's answer into the store, so that writing it again changes nothing.

Takes the object of `scan --json` (schema fm-anomaly/scan/1, docs/contracts.md) and nothing else: it
never sees a pipeline. An alert or incident is keyed by its id, templates and intake by their source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, update

from fm_anomaly.core.category_labels import label_of
from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.numbering import add_events, event_key, lock, save
from fm_anomaly.storage.rows import label_row
from fm_anomaly.storage.timestamps import optional_us, to_us
from fm_anomaly.storage.writing import Row, clean, plain_text, some

SCHEMA = "fm-anomaly/scan/1"
"""The only schema of scans that `save_scan` takes."""


def save_scan(store: Store, tenant: str, scan: Mapping[str, Any]) -> None:
    """Save `scan`, the object that `scan --json` prints, under `tenant`, in one transaction.

    Alerts and incidents are upserted by id; what the store knows from a later event time stays.
    Templates and intake counts replace those of the same source (its names and first time): a source
    read further, with `scan --state`, is one source. Raises StoreError where the object is of
    another schema or lacks a key; nothing is written then.
    """
    if scan.get("schema") != SCHEMA:
        raise StoreError(f"scan of schema {scan.get('schema')!r} cannot be saved: this release takes {SCHEMA!r}")
    try:
        intake = _intake_row(tenant, scan)
        incidents = [_incident_row(tenant, scan, each) for each in scan["incidents"]]
        alerts = [_alert_row(tenant, scan, each, of) for of in scan["incidents"] for each in of["alerts"]]
        templates = [_template_row(tenant, intake["source_id"], each) for each in scan["templates"]]
    except (KeyError, TypeError, ValueError) as exc:
        raise StoreError(f"scan does not keep to {SCHEMA!r}: {type(exc).__name__} at {exc}") from exc
    with store.writing() as connection:
        heads = lock(connection, tenant)
        _save_alerts(connection, heads, alerts)
        _upsert(connection, tables.incidents, tenant, "incident_id", incidents)
        heads["incident_no"] = max([heads["incident_no"], *(each["number"] for each in incidents)])
        _replace_source(connection, intake, templates)
        save(connection, heads)


def source_id(names: Sequence[str], first: str | None) -> str:
    """Return the identity of a source in the store: 80 bits over its names and its first event time."""
    told = json.dumps([list(names), first], ensure_ascii=True).encode()
    return hashlib.blake2b(told, digest_size=10).hexdigest()


def _save_alerts(connection: Connection, heads: Row, rows: list[Row]) -> None:
    tenant = heads["tenant"]
    before = _upsert(connection, tables.alerts, tenant, "alert_id", rows)
    events = []
    for row in rows:
        events += _events(before.get(row["alert_id"]), row)
    add_events(connection, heads, events)


def _events(old: Row | None, new: Row) -> list[Row]:
    """Return what happened to an alert between two of its rows, oldest first; nothing if `new` is stale."""
    if old is not None and new["as_of_us"] < old["as_of_us"]:
        return []
    said: list[tuple[str, int]] = []
    was_firing = old is not None and old["state"] == "firing"
    if old is None or (new["state"] == "firing" and not was_firing):
        said.append(("triggered", new["start_us"] if old is None else new["as_of_us"]))
    elif old["severity"] != new["severity"]:
        said.append(("updated", new["as_of_us"]))
    if new["state"] == "resolved" and (old is None or was_firing):
        said.append(("resolved", new["as_of_us"] if new["end_us"] is None else new["end_us"]))
    same = {"alert_id": new["alert_id"], "severity": new["severity"]}
    as_of_us = new["as_of_us"]
    return [
        {**same, "action": action, "at_us": at_us, "key": event_key(new["alert_id"], action, at_us, as_of_us)}
        for action, at_us in said
    ]


def _upsert(connection: Connection, table: Table, tenant: str, key: str, rows: list[Row]) -> dict[str, Row]:
    """Insert new `rows`, update those not older than the stored; return the stored ones of before."""
    before: dict[str, Row] = {}
    for ids in some([row[key] for row in rows]):
        query = select(table).where(table.c.tenant == tenant, table.c[key].in_(ids))
        before.update({row[key]: dict(row) for row in connection.execute(query).mappings()})
    new = [row for row in rows if row[key] not in before]
    if new:
        connection.execute(insert(table), new)
    for row in rows:
        old = before.get(row[key])
        if old is not None and row["as_of_us"] >= old["as_of_us"] and any(old[name] != row[name] for name in row):
            is_row = and_(table.c.tenant == tenant, table.c[key] == row[key])
            # a scan beside no model says nothing of categories, and unsays nothing
            said = {name: value for name, value in row.items() if row["group_id"] or name not in tables.LABEL}
            connection.execute(update(table).where(is_row).values(said))
    return before


def _replace_source(connection: Connection, intake: Row, templates: list[Row]) -> None:
    key = {name: intake[name] for name in ("tenant", "source_id")}
    table = tables.intake
    stored = connection.scalar(select(table.c.lines).where(*(table.c[name] == value for name, value in key.items())))
    if stored is not None and stored > intake["lines"]:
        return  # an answer from before the source grew
    for each in (tables.templates, tables.intake):
        connection.execute(delete(each).where(*(each.c[name] == value for name, value in key.items())))
    connection.execute(insert(tables.intake), [intake])
    if templates:
        connection.execute(insert(tables.templates), templates)


def _intake_row(tenant: str, scan: Mapping[str, Any]) -> Row:
    source, counts = scan["source"], scan["intake"]
    row: Row = {
        "tenant": tenant,
        "source_id": source_id(source["names"], source["first"]),
        "names": clean(source["names"]),
        "first_us": optional_us(source["first"]),
        "last_us": optional_us(source["last"]),
        "services": clean(scan["services"]),
    }
    row.update({name: int(counts[name]) for name in tables.INTAKE_COUNTS})
    row.update({name: clean(counts[name]) for name in ("formats", "redacted", "rejects_by_reason", "health")})
    return row


def _incident_row(tenant: str, scan: Mapping[str, Any], incident: Mapping[str, Any]) -> Row:
    texts = ("incident_id", "kind", "severity", "state", "title", "reason")
    structures = ("services", "what", "template_ids", "evidence", "series")
    return {
        "tenant": tenant,
        **{name: plain_text(incident[name]) for name in texts},
        **{name: clean(incident[name]) for name in structures},
        **_span(scan, incident),
        "number": int(incident["number"]),
        "severity_rank": tables.SEVERITIES.index(incident["severity"]),
        "alert_ids": [plain_text(each["alert_id"]) for each in incident["alerts"]],
        **label_row(label_of(incident)),
    }


def _alert_row(tenant: str, scan: Mapping[str, Any], alert: Mapping[str, Any], of: Mapping[str, Any]) -> Row:
    texts = ("alert_id", "kind", "service", "severity", "state", "title", "reason", "unit", "subject")
    return {
        "tenant": tenant,
        "incident_id": plain_text(of["incident_id"]),
        **{name: plain_text(alert[name]) for name in texts},
        **{name: _number(alert[name]) for name in ("observed", "expected_low", "expected_high")},
        **_span(scan, alert),
        "severity_rank": tables.SEVERITIES.index(alert["severity"]),
        "template_ids": clean(alert["template_ids"]),
        "labels": clean(alert.get("labels") or {}),
        "evidence": clean(alert.get("evidence") or _evidence(alert, of)),
        **label_row(label_of(alert)),
    }


def _evidence(alert: Mapping[str, Any], of: Mapping[str, Any]) -> list[Any]:
    """Return the incident's lines of the alert's service; all of them where none names it."""
    lines: list[Any] = of["evidence"]
    return [each for each in lines if each["service"] == alert["service"]] or lines


def _span(scan: Mapping[str, Any], found: Mapping[str, Any]) -> Row:
    start_us, end_us = to_us(found["start"]), optional_us(found["end"])
    last_us = optional_us(scan["source"]["last"])
    return {"start_us": start_us, "end_us": end_us, "as_of_us": start_us if last_us is None else last_us}


def _template_row(tenant: str, source: str, template: Mapping[str, Any]) -> Row:
    texts = ("template_id", "service", "event_key", "template", "sample")
    return {
        "tenant": tenant,
        "source_id": source,
        **{name: plain_text(template[name]) for name in texts},
        **{name: int(template[name]) for name in ("count", "errors", "severity")},
        "first_us": optional_us(template["first"]),
        "last_us": optional_us(template["last"]),
        "aliases": clean(template["aliases"]),
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
