"""Reads what people said: silences, feedback and own patterns.

Knows nothing of HTTP, nor of what any of it mutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.paging import Page, page, value_of


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """A silence, in force or over."""

    silence_id: str
    matchers: dict[str, str]
    owner: str
    reason: str
    start_us: int
    until_us: int
    until_worse: bool
    ended_us: int | None
    ended_by: str

    def is_active(self, now_us: int) -> bool:
        """Return whether it is in force."""
        return self.ended_us is None and now_us < self.until_us


@dataclass(frozen=True, slots=True)
class StoredFeedback:
    """One word about one alert, in force where it was not removed."""

    feedback_id: str
    alert_id: str
    verdict: str
    actor: str
    note: str
    at_us: int
    effect: str
    removed_us: int | None
    removed_by: str


@dataclass(frozen=True, slots=True)
class StoredPattern:
    """An own pattern, in force where it was not removed; service "" is all of them."""

    pattern_id: str
    service: str
    name: str
    expression: str
    actor: str
    at_us: int
    removed_us: int | None
    removed_by: str


def silences(
    store: Store,
    tenant: str,
    now_us: int,
    *,
    is_active: bool | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredSilence]:
    """Return a page of silences, latest start first. Raises UsageError on a bad argument."""
    table = tables.silences
    wanted: list[ColumnElement[bool]] = [table.c.tenant == tenant]
    if is_active is not None:
        active = and_(table.c.ended_us.is_(None), table.c.until_us > now_us)
        over = or_(table.c.ended_us.is_not(None), table.c.until_us <= now_us)
        wanted.append(active if is_active else over)
    return page(store, table, "silence_id", StoredSilence, wanted, limit, cursor)


def silence(store: Store, tenant: str, silence_id: str) -> StoredSilence | None:
    """Return the silence of that id, None where the tenant has none."""
    table = tables.silences
    query = select(table).where(table.c.tenant == tenant, table.c.silence_id == silence_id)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else value_of(StoredSilence, row)


def feedback_on(store: Store, tenant: str, alert_id: str) -> tuple[StoredFeedback, ...]:
    """Return what was said of an alert, newest first, what was removed included."""
    table = tables.feedback
    query = select(table).where(table.c.tenant == tenant, table.c.alert_id == alert_id)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(table.c.at_us.desc(), table.c.feedback_id).limit(100))
        return tuple(value_of(StoredFeedback, row) for row in rows)


def feedback(store: Store, tenant: str, feedback_id: str) -> StoredFeedback | None:
    """Return the feedback of that id, None where the tenant has none."""
    table = tables.feedback
    query = select(table).where(table.c.tenant == tenant, table.c.feedback_id == feedback_id)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else value_of(StoredFeedback, row)


def patterns(store: Store, tenant: str, *, with_removed: bool = False) -> tuple[StoredPattern, ...]:
    """Return the own patterns, in the order in which they were given, at most 1,000."""
    table = tables.patterns
    query = select(table).where(table.c.tenant == tenant)
    if not with_removed:
        query = query.where(table.c.removed_us.is_(None))
    with store.reading() as connection:
        rows = connection.execute(query.order_by(table.c.at_us, table.c.pattern_id).limit(1_000))
        return tuple(value_of(StoredPattern, row) for row in rows)
