"""What outlives a run: alerts, incidents, templates and intake counts in SQL; models under models/.

Sees `errors` and `core`, never a service, an API or a command line. The full store (migrations,
PostgreSQL, write-ahead segments) builds on these tables; this room holds only what is true today.
"""

from __future__ import annotations

from fm_anomaly.storage.connection import Store, default_path, open_store
from fm_anomaly.storage.reading import (
    AlertFilter,
    IncidentFilter,
    Page,
    StoredAlert,
    StoredAlertEvent,
    StoredIncident,
    StoredIntake,
    StoredTemplate,
    alert,
    alert_history,
    alerts,
    incidents,
    intake,
    templates,
)
from fm_anomaly.storage.scans import save_scan

__all__ = [
    "AlertFilter",
    "IncidentFilter",
    "Page",
    "Store",
    "StoredAlert",
    "StoredAlertEvent",
    "StoredIncident",
    "StoredIntake",
    "StoredTemplate",
    "alert",
    "alert_history",
    "alerts",
    "default_path",
    "incidents",
    "intake",
    "open_store",
    "save_scan",
    "templates",
]
