"""Writes one scan's answer into the store, so that writing it again changes nothing.

Takes the object of `scan --json` (schema fm-anomaly/scan/1, docs/contracts.md) and nothing else: it
never sees a pipeline. An alert or incident is keyed by its id, templates and intake by their source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.timestamps import optional_us, to_us

SCHEMA = "fm-anomaly/scan/1"
"""The only schema of scans that `save_scan` takes."""

_Row = dict[str, Any]
_IDS_A_QUERY = 500


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
        _save_alerts(connection, tenant, alerts)
        _upsert(connection, tables.incidents, tenant, "incident_id", incidents)
        _replace_source(connection, intake, templates)


def source_id(names: Sequence[str], first: str | None) -> str:
    """Return the identity of a source in the store: 80 bits over its names and its first event time."""
    told = json.dumps([list(names), first], ensure_ascii=True).encode()
    return hashlib.blake2b(told, digest_size=10).hexdigest()


def _save_alerts(connection: Connection, tenant: str, rows: list[_Row]) -> None:
    before = _upsert(connection, tables.alerts, tenant, "alert_id", rows)
    events = []
    for row in rows:
        events += _events(before.get(row["alert_id"]), row)
    if not events:
        return
    known = _event_counts(connection, tenant, {each["alert_id"] for each in events})
    for each in events:
        each["seq"] = known.get(each["alert_id"], 0)
        known[each["alert_id"]] = each["seq"] + 1
    connection.execute(insert(tables.alert_events), events)


def _events(old: _Row | None, new: _Row) -> list[_Row]:
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
    same = {"tenant": new["tenant"], "alert_id": new["alert_id"], "severity": new["severity"]}
    return [{**same, "action": action, "at_us": at_us} for action, at_us in said]


def _event_counts(connection: Connection, tenant: str, ids: Iterable[str]) -> dict[str, int]:
    table = tables.alert_events
    counts: dict[str, int] = {}
    for some in _some(sorted(ids)):
        query = (
            select(table.c.alert_id, func.count())
            .where(table.c.tenant == tenant, table.c.alert_id.in_(some))
            .group_by(table.c.alert_id)
        )
        counts.update((alert_id, n) for alert_id, n in connection.execute(query))
    return counts


def _upsert(connection: Connection, table: Table, tenant: str, key: str, rows: list[_Row]) -> dict[str, _Row]:
    """Insert new `rows`, update those not older than the stored; return the stored ones of before."""
    before: dict[str, _Row] = {}
    for some in _some([row[key] for row in rows]):
        query = select(table).where(table.c.tenant == tenant, table.c[key].in_(some))
        before.update({row[key]: dict(row) for row in connection.execute(query).mappings()})
    new = [row for row in rows if row[key] not in before]
    if new:
        connection.execute(insert(table), new)
    for row in rows:
        old = before.get(row[key])
        if old is not None and old != row and row["as_of_us"] >= old["as_of_us"]:
            is_row = and_(table.c.tenant == tenant, table.c[key] == row[key])
            connection.execute(update(table).where(is_row).values(row))
    return before


def _some(ids: list[str]) -> Iterator[list[str]]:
    # a query takes a bounded number of parameters
    for at in range(0, len(ids), _IDS_A_QUERY):
        yield ids[at : at + _IDS_A_QUERY]


def _replace_source(connection: Connection, intake: _Row, templates: list[_Row]) -> None:
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


def _intake_row(tenant: str, scan: Mapping[str, Any]) -> _Row:
    source, counts = scan["source"], scan["intake"]
    row: _Row = {
        "tenant": tenant,
        "source_id": source_id(source["names"], source["first"]),
        "names": _clean(source["names"]),
        "first_us": optional_us(source["first"]),
        "last_us": optional_us(source["last"]),
        "services": _clean(scan["services"]),
    }
    row.update({name: int(counts[name]) for name in tables.INTAKE_COUNTS})
    row.update({name: _clean(counts[name]) for name in ("formats", "redacted", "rejects_by_reason", "health")})
    return row


def _incident_row(tenant: str, scan: Mapping[str, Any], incident: Mapping[str, Any]) -> _Row:
    texts = ("incident_id", "kind", "severity", "state", "title", "reason")
    structures = ("services", "what", "template_ids", "evidence", "series")
    return {
        "tenant": tenant,
        **{name: _text(incident[name]) for name in texts},
        **{name: _clean(incident[name]) for name in structures},
        **_span(scan, incident),
        "number": int(incident["number"]),
        "severity_rank": tables.SEVERITIES.index(incident["severity"]),
        "alert_ids": [_text(each["alert_id"]) for each in incident["alerts"]],
    }


def _alert_row(tenant: str, scan: Mapping[str, Any], alert: Mapping[str, Any], of: Mapping[str, Any]) -> _Row:
    texts = ("alert_id", "kind", "service", "severity", "state", "title", "reason", "unit", "subject")
    return {
        "tenant": tenant,
        "incident_id": _text(of["incident_id"]),
        **{name: _text(alert[name]) for name in texts},
        **{name: _number(alert[name]) for name in ("observed", "expected_low", "expected_high")},
        **_span(scan, alert),
        "severity_rank": tables.SEVERITIES.index(alert["severity"]),
        "template_ids": _clean(alert["template_ids"]),
        "labels": _clean(alert.get("labels") or {}),
        "evidence": _clean(alert.get("evidence") or _evidence(alert, of)),
    }


def _evidence(alert: Mapping[str, Any], of: Mapping[str, Any]) -> list[Any]:
    """Return the incident's lines of the alert's service; all of them where none names it."""
    lines: list[Any] = of["evidence"]
    return [each for each in lines if each["service"] == alert["service"]] or lines


def _span(scan: Mapping[str, Any], found: Mapping[str, Any]) -> _Row:
    start_us, end_us = to_us(found["start"]), optional_us(found["end"])
    last_us = optional_us(scan["source"]["last"])
    return {"start_us": start_us, "end_us": end_us, "as_of_us": start_us if last_us is None else last_us}


def _template_row(tenant: str, source: str, template: Mapping[str, Any]) -> _Row:
    texts = ("template_id", "service", "event_key", "template", "sample")
    return {
        "tenant": tenant,
        "source_id": source,
        **{name: _text(template[name]) for name in texts},
        **{name: int(template[name]) for name in ("count", "errors", "severity")},
        "first_us": optional_us(template["first"]),
        "last_us": optional_us(template["last"]),
        "aliases": _clean(template["aliases"]),
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _text(value: object) -> str:
    """Return `value` as text that any database takes: without NUL and lone surrogates; "" for None."""
    text = "" if value is None else str(value)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _clean(value: Any) -> Any:
    """Return JSON-like `value` with every text in it made `_text`."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
