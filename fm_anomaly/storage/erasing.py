"""Erases a tenant from the store: every row of every table, but that it was erased.

Its keys stay as names without a secret, revoked; its audit goes on behind one row that says what was done. Knows every
table that there is, so that one that is added is erased too.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import delete, func, select, update

from fm_anomaly.errors import StoreError
from fm_anomaly.storage import tables
from fm_anomaly.storage.audit import Deed, note
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.numbering import lock, save

_KEPT = (tables.heads, tables.api_keys)


def rows_by_table(store: Store, tenant: str) -> dict[str, int]:
    """Return how many rows each table holds of a tenant, tables without any left out."""
    with store.reading() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table).where(table.c.tenant == tenant)) or 0
            for table in tables.metadata.sorted_tables
        }
    return {name: n for name, n in counts.items() if n}


def compact(store: Store) -> None:
    """Write SQLite's file anew, so that deleted rows do not lie in its free pages; PostgreSQL's vacuum does it itself.

    Raises StoreError.
    """
    if store.is_postgresql:
        return
    raw = store.engine.raw_connection()
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement)
    except sqlite3.Error as exc:
        raise StoreError(f"the store was erased and cannot be written anew: {exc}; run VACUUM on it") from exc
    finally:
        raw.close()


def erase(store: Store, tenant: str, *, by: str, now_us: int) -> tuple[int, int, str]:
    """Delete what the store holds of a tenant, in one transaction.

    Return how many rows, and number and hash of the last row of the audit that is gone. Raises StoreError.
    """
    with store.writing() as connection:
        heads = lock(connection, tenant)
        n = 0
        for table in tables.metadata.sorted_tables:
            if table not in _KEPT:
                n += connection.execute(delete(table).where(table.c.tenant == tenant)).rowcount
        keys = tables.api_keys
        gone = {"name": "", "digest": "", "created_by": "", "revoked_us": now_us, "revoked_by": ""}
        connection.execute(update(keys).where(keys.c.tenant == tenant).values(gone))
        erased_no, erased_hash = heads["audit_no"], heads["audit_hash"]
        heads.update({"event_no": 0, "incident_no": 0})
        note(connection, heads, [Deed(now_us, by, "erased", tenant, details={"rows": n})])
        save(connection, heads)
    return n, erased_no, erased_hash
