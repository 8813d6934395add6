"""Groups and categories of alerts that had none when they were written: found by a later run, and put beside them.

Only what is empty is filled; what an alert was labelled with at once stays. Knows labels, not how they come about.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update

from fm_anomaly.core.category_labels import CategoryLabel, first_label
from fm_anomaly.storage import tables
from fm_anomaly.storage.connection import Store
from fm_anomaly.storage.paging import value_of
from fm_anomaly.storage.reading import StoredAlert
from fm_anomaly.storage.rows import label_row

_A, _I = tables.alerts, tables.incidents


def unlabelled(store: Store, tenant: str, since_us: int, limit: int = 1_000) -> list[StoredAlert]:
    """Return alerts without a category that began since a time, the latest first."""
    query = (
        select(_A)
        .where(_A.c.tenant == tenant, _A.c.category_id == "", _A.c.start_us >= since_us)
        .order_by(_A.c.start_us.desc(), _A.c.alert_id)
        .limit(limit)
    )
    with store.reading() as connection:
        return [value_of(StoredAlert, row) for row in connection.execute(query)]


def fill_labels(store: Store, tenant: str, labels: Mapping[str, CategoryLabel]) -> None:
    """Put labels, by alert, where there is no category yet, and beside the alerts' incidents. Raises StoreError."""
    if not labels:
        return
    with store.writing() as connection:
        touched = set()
        for alert_id, label in sorted(labels.items()):
            is_row = (_A.c.tenant == tenant, _A.c.alert_id == alert_id)
            connection.execute(update(_A).where(*is_row, _A.c.category_id == "").values(label_row(label)))
            touched.add(connection.scalar(select(_A.c.incident_id).where(*is_row)))
        for incident_id in sorted(each for each in touched if each is not None):
            is_row = (_I.c.tenant == tenant, _I.c.incident_id == incident_id)
            of = connection.scalar(select(_I.c.alert_ids).where(*is_row)) or []
            label_of = first_label([labels.get(alert_id) for alert_id in of])
            if label_of is not None:
                connection.execute(update(_I).where(*is_row, _I.c.category_id == "").values(label_row(label_of)))
