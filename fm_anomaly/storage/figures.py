"""Figures of the store for who watches the service: over all tenants, cheap enough to be asked every few seconds.

Counts only; it must not know how they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What a store holds, over all tenants."""

    tenants: tuple[str, ...]
    firing: dict[str, int]
    """Firing alerts by severity, each severity of them."""
    events: int
    """Changes of alerts and incidents, and what people did, since the store was made."""


def store_figures(store: Store) -> StoreFigures:
    """Return the figures of a store. Raises StoreError."""
    alerts, heads = tables.alerts, tables.heads
    by_severity = select(alerts.c.severity, func.count()).where(alerts.c.state == "firing").group_by(alerts.c.severity)
    with store.reading() as connection:
        rows = [(tenant, n) for tenant, n in connection.execute(select(heads.c.tenant, heads.c.event_no))]
        found = dict.fromkeys(tables.SEVERITIES, 0)
        found.update((severity, n) for severity, n in connection.execute(by_severity))
    return StoreFigures(
        tuple(sorted(tenant for tenant, _ in rows if tenant != tables.ANY)), found, sum(n for _, n in rows)
    )
