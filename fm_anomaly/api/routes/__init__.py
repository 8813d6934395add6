"""The routes under /api/v1, one file a resource: each a query or a command, and its wire model."""

from __future__ import annotations

from fastapi import APIRouter

from fm_anomaly.api.routes import (
    alerts,
    audit,
    categories,
    feedback,
    incidents,
    keys,
    log_level,
    markers,
    patterns,
    services,
    silences,
    stream,
    templates,
)

RESOURCES = (
    *(alerts, feedback, incidents, silences, markers, templates, categories, patterns, services, stream),
    *(keys, audit, log_level),
)


def api_router() -> APIRouter:
    """Return all routes of the alert API."""
    router = APIRouter(prefix="/api/v1")
    for each in RESOURCES:
        router.include_router(each.router)
    return router
