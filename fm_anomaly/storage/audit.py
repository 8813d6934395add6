"""The audit: who did what, when, for which tenant, on what and with which outcome, as a chain of rows a tenant.

Rows are only ever added, within the transaction of what they tell of. Each holds the hash of the one before it, so that
none can be changed, dropped or moved without breaking the chain behind it; the newest hash stands with the tenant's
heads, and signed in a file beside the store (`storage.audit_head`), so that the last rows cannot be cut either. Knows
no keys, commands or HTTP.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from fm_anomaly.errors import UsageError
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.numbering import lock, save
from fm_anomaly.storage.paging import MAX_LIMIT, Page, cursor_of, read_cursor, value_of
from fm_anomaly.storage.writing import Row, clean, plain_text

DONE, REFUSED = "done", "refused"
_MAX_TEXT = 500
_FIELDS = ("tenant", "audit_no", "at_us", "actor", "action", "subject", "outcome", "details", "before")
_READ_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be noted. `at_us` is wall-clock time; `subject` the id of what it was done to."""

    at_us: int
    actor: str
    action: str
    subject: str = ""
    outcome: str = DONE
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of the audit. `details` is JSON; `hash` covers all that stands before it, `before` the row before."""

    tenant: str
    audit_no: int
    at_us: int
    actor: str
    action: str
    subject: str
    outcome: str
    details: str
    before: str
    hash: str


def note(connection: Connection, heads: Row, deeds: Sequence[Deed]) -> None:
    """Add rows to the chain of the tenant whose `heads` the transaction holds (`numbering.lock`); they are moved."""
    rows = []
    for deed in deeds:
        row: Row = {
            "tenant": heads["tenant"],
            "audit_no": heads["audit_no"] + 1,
            "at_us": deed.at_us,
            **{name: plain_text(getattr(deed, name))[:_MAX_TEXT] for name in ("actor", "action", "subject", "outcome")},
            "details": json.dumps(clean(deed.details), sort_keys=True, ensure_ascii=True, separators=(",", ":")),
            "before": heads["audit_hash"],
        }
        row["hash"] = hash_of(row)
        heads["audit_no"], heads["audit_hash"] = row["audit_no"], row["hash"]
        rows.append(row)
    if rows:
        connection.execute(tables.audit.insert(), rows)


def note_alone(store: Store, tenant: str, *deeds: Deed) -> None:
    """Add rows that tell of nothing else in the store, in a transaction of their own. Raises StoreError."""
    with store.writing() as connection:
        heads = lock(connection, tenant)
        note(connection, heads, deeds)
        save(connection, heads)


def hash_of(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row: of its fields in their order, as JSON in ASCII."""
    told = json.dumps([row[name] for name in _FIELDS], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(told.encode("ascii")).hexdigest()


def audit_page(store: Store, tenant: str, *, limit: int = 50, cursor: str | None = None) -> Page[AuditRow]:
    """Return a page of a tenant's audit, newest first. Raises UsageError on a bad argument."""
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit {limit} is not in 1 to {MAX_LIMIT}")
    table = tables.audit
    query = select(table).where(table.c.tenant == tenant)
    if cursor is not None:
        query = query.where(table.c.audit_no < read_cursor(cursor)[0])
    with store.reading() as connection:
        head = select(tables.heads.c.audit_no).where(tables.heads.c.tenant == tenant)
        first = select(table.c.audit_no).where(table.c.tenant == tenant).order_by(table.c.audit_no).limit(1)
        newest, oldest = connection.scalar(head) or 0, connection.scalar(first)
        rows = connection.execute(query.order_by(table.c.audit_no.desc()).limit(limit + 1)).all()
    following = cursor_of(rows[limit - 1].audit_no, "") if len(rows) > limit else None
    total = 0 if oldest is None else newest - oldest + 1
    return Page(tuple(value_of(AuditRow, row) for row in rows[:limit]), total, following)


def rows_of(connection: Connection, tenant: str) -> Iterator[AuditRow]:
    """Yield the rows of a tenant as they stand in the store, in the order of their numbers."""
    table = tables.audit
    last = None
    while True:
        query = select(table).where(table.c.tenant == tenant)
        if last is not None:
            query = query.where(table.c.audit_no > last)
        rows = connection.execute(query.order_by(table.c.audit_no).limit(_READ_ROWS)).all()
        yield from (value_of(AuditRow, row) for row in rows)
        if len(rows) < _READ_ROWS:
            return
        last = rows[-1].audit_no
