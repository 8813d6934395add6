"""Numbers a tenant's events and incidents: 1, 2, 3 …, in the order in which they become visible.

Whoever takes numbers holds the tenant's row until the transaction ends, so a reader that has seen number n has seen
all before it. Knows nothing of what is numbered.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from sqlalchemy import Connection, select, update

from fm_anomaly.storage import tables
from fm_anomaly.storage.writing import Row, some, upsert


def lock(connection: Connection, tenant: str) -> Row:
    """Return the tenant's heads, locked against other writers until the transaction ends; made where absent."""
    upsert(connection, tables.heads, [{"tenant": tenant}], sets=[])
    query = select(tables.heads).where(tables.heads.c.tenant == tenant).with_for_update()
    return dict(connection.execute(query).mappings().one())


def event_key(*parts: object) -> str:
    """Return the key of an event: a digest of what makes it the one that it is."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def add_events(connection: Connection, heads: Row, rows: Sequence[Row]) -> list[Row]:
    """Insert those events whose `key` is new, numbered on from `heads`, which is moved; return them."""
    tenant = heads["tenant"]
    table = tables.events
    known: set[str] = set()
    for keys in some([row["key"] for row in rows]):
        known.update(connection.scalars(select(table.c.key).where(table.c.tenant == tenant, table.c.key.in_(keys))))
    fresh: list[Row] = []
    for row in rows:
        if row["key"] not in known:
            known.add(row["key"])
            heads["event_no"] += 1
            fresh.append({**_EMPTY, **row, "tenant": tenant, "event_no": heads["event_no"]})
    if fresh:
        connection.execute(table.insert(), fresh)
    return fresh


def save(connection: Connection, heads: Row) -> None:
    """Write the heads back."""
    values = {name: value for name, value in heads.items() if name != "tenant"}
    connection.execute(update(tables.heads).where(tables.heads.c.tenant == heads["tenant"]).values(values))


_EMPTY: Row = {
    "alert_id": None,
    "incident_id": None,
    "severity": "",
    "reason": "",
    "actor": "",
    "is_notified": False,
}
