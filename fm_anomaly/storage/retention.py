"""Forgets what is old, by class, a few rows at a time, so that nobody waits for it.

What still fires, is in force or waits to be sent is kept whatever its age; the outbox looks after itself
(`storage.outbox`). Knows ages, never what a row says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from fm_anomaly.core.retention import RetentionParams
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store

_DAY_US = 86_400 * 1_000_000
_IDS_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class _Rule:
    table: Table
    before_us: int
    time: str
    conditions: tuple[ColumnElement[bool], ...] = ()


def sweep(
    store: Store,
    now_us: int,
    params: RetentionParams | None = None,
    limit: int = 2_000,
    by_tenant: Mapping[str, RetentionParams] | None = None,
) -> int:
    """Delete at most `limit` rows that are too old at `now_us`; return how many, fewer when nothing is left to do.

    Each table of each tenant in a transaction of its own, oldest rows first; a tenant in `by_tenant` by its own
    params. Raises StoreError.
    """
    with store.reading() as connection:
        tenants = list(connection.scalars(select(tables.heads.c.tenant).order_by(tables.heads.c.tenant)))
    n = 0
    for tenant in tenants:
        for rule in _rules(now_us, (by_tenant or {}).get(tenant) or params or RetentionParams()):
            if n >= limit:
                return n
            n += _forget(store, tenant, rule, limit - n)
    return n


def _forget(store: Store, tenant: str, rule: _Rule, limit: int) -> int:
    table = rule.table
    key = list(table.primary_key)
    old = (table.c.tenant == tenant, table.c[rule.time] < rule.before_us, *rule.conditions)
    # looking first keeps the write lock free where there is nothing to do
    with store.reading() as connection:
        rows = connection.execute(select(*key).where(*old).order_by(table.c[rule.time]).limit(limit)).all()
    for at in range(0, len(rows), _IDS_A_STATEMENT):
        some = [tuple(row) for row in rows[at : at + _IDS_A_STATEMENT]]
        with store.writing() as connection:
            connection.execute(delete(table).where(tuple_(*key).in_(some)))
    return len(rows)


def _rules(now_us: int, params: RetentionParams) -> Iterator[_Rule]:
    def before(days: int) -> int:
        return now_us - days * _DAY_US

    counts = tables.counts
    kept = {
        tables.MINUTE_S: params.minutes_days,
        tables.HOUR_S: params.hours_days,
        tables.DAY_S: params.days_days,
    }
    for step_s, days in kept.items():
        yield _Rule(counts, before(days), "start_us", (counts.c.step_s == step_s,))
    # as long as hours, so that a bucket which comes again is known and not added to its hour or day
    yield _Rule(tables.buckets, before(params.hours_days), "start_us")
    yield _Rule(tables.samples, before(params.samples_days), "at_us")
    yield _Rule(tables.digest, before(params.digest_days), "start_us")
    for table in (tables.alerts, tables.incidents):
        yield _Rule(table, before(params.alerts_days), "start_us", (table.c.state == "resolved",))
    yield _Rule(tables.events, before(params.alerts_days), "at_us")
    yield _Rule(tables.feedback, before(params.alerts_days), "removed_us")
    yield _Rule(tables.commands, before(params.audit_days), "at_us")
    yield _Rule(tables.markers, before(params.audit_days), "at_us")
    yield _Rule(tables.silences, before(params.audit_days), "until_us")
    yield _Rule(tables.patterns, before(params.audit_days), "removed_us")
    yield _Rule(tables.templates, before(params.templates_days), "last_us")
