"""What outlives a run: alerts, incidents, templates and intake counts in SQL; models under models/.

Sees `errors` and `core`, never a service, an API or a command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_HOMES = {
    "AlertFilter": "fm_anomaly.storage.reading",
    "IncidentFilter": "fm_anomaly.storage.reading",
    "Page": "fm_anomaly.storage.paging",
    "Store": "fm_anomaly.storage.connection",
    "StoredAlert": "fm_anomaly.storage.reading",
    "StoredEvent": "fm_anomaly.storage.timelines",
    "StoredIncident": "fm_anomaly.storage.reading",
    "StoredIntake": "fm_anomaly.storage.reading",
    "StoredTemplate": "fm_anomaly.storage.reading",
    "alert": "fm_anomaly.storage.reading",
    "alert_history": "fm_anomaly.storage.timelines",
    "alerts": "fm_anomaly.storage.reading",
    "default_path": "fm_anomaly.storage.connection",
    "incident": "fm_anomaly.storage.reading",
    "incidents": "fm_anomaly.storage.reading",
    "intake": "fm_anomaly.storage.reading",
    "open_store": "fm_anomaly.storage.connection",
    "save_scan": "fm_anomaly.storage.scans",
    "templates": "fm_anomaly.storage.reading",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: a model's file, or a snapshot, is read without SQLAlchemy."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found
