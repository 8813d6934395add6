"""What outlives a run: alerts, incidents, templates and intake counts in SQL; models under models/.

Sees `errors` and `core`, never a service, an API or a command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fm_anomaly.lazy import lazily

if TYPE_CHECKING:
    from fm_anomaly.storage.connection import Store, default_path, open_store
    from fm_anomaly.storage.paging import Page
    from fm_anomaly.storage.reading import (
        AlertFilter,
        IncidentFilter,
        StoredAlert,
        StoredIncident,
        StoredIntake,
        StoredTemplate,
        alert,
        alerts,
        incident,
        incidents,
        intake,
        templates,
    )
    from fm_anomaly.storage.scans import save_scan
    from fm_anomaly.storage.timelines import StoredEvent, alert_history

__all__ = [
    "AlertFilter",
    "IncidentFilter",
    "Page",
    "Store",
    "StoredAlert",
    "StoredEvent",
    "StoredIncident",
    "StoredIntake",
    "StoredTemplate",
    "alert",
    "alert_history",
    "alerts",
    "default_path",
    "incident",
    "incidents",
    "intake",
    "open_store",
    "save_scan",
    "templates",
]

# a model's file, or a snapshot, is read without SQLAlchemy
__getattr__ = lazily(
    __name__,
    {
        "fm_anomaly.storage.connection": ("Store", "default_path", "open_store"),
        "fm_anomaly.storage.paging": ("Page",),
        "fm_anomaly.storage.reading": (
            "AlertFilter",
            "IncidentFilter",
            "StoredAlert",
            "StoredIncident",
            "StoredIntake",
            "StoredTemplate",
            "alert",
            "alerts",
            "incident",
            "incidents",
            "intake",
            "templates",
        ),
        "fm_anomaly.storage.scans": ("save_scan",),
        "fm_anomaly.storage.timelines": ("StoredEvent", "alert_history"),
    },
)
