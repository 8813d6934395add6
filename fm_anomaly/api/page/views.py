"""The routes of the page: each reads the store and fills a template, whole or the part that htmx asks for.

Knows the store's readers and the templates' names; it must not change anything: forms go to the API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from fm_anomaly.api.asking import Id, Service, TheStore, TheTenant
from fm_anomaly.api.clock import now_us
from fm_anomaly.api.page.shippers import snippets
from fm_anomaly.api.page.showing import show
from fm_anomaly.api.routes.alerts import samples_of
from fm_anomaly.api.routes.categories import bodies, in_use, run_of, the_category
from fm_anomaly.api.routes.incidents import alerts_of, series_of_incident, the_incident, timeline_of
from fm_anomaly.api.routes.templates import the_template
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.service.running import Service as RunningService
from fm_anomaly.storage import AlertFilter, IncidentFilter, Store, StoredIncident, alerts, incidents, tables
from fm_anomaly.storage.catalogue import (
    CatalogueTemplate,
    StoredService,
    TemplateFilter,
    aliases,
    catalogue,
    digest,
    samples,
    services,
)
from fm_anomaly.storage.counts import SeriesKey, points, records_by_hour
from fm_anomaly.storage.people import silences
from fm_anomaly.storage.timelines import markers_near, newest_event

_STATIC = Path(__file__).parent / "static"
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_MAX_LANES = 8
_MAX_CATEGORIES = 200

Otherwise = Callable[[Request], Awaitable[Response]]
Text = Annotated[str | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=512)]


def page_router(otherwise: Otherwise) -> APIRouter:
    """Return the routes of the page; `otherwise` answers at `/` whoever does not ask for HTML: a shipper, a script."""
    router = APIRouter(include_in_schema=False)

    async def root(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/incidents", 307)
        return await otherwise(request)

    router.add_api_route("/static/{name:path}", static)
    router.add_api_route("/", root, response_model=None)
    router.add_api_route("/incidents", list_incidents)
    router.add_api_route("/incidents/{incident_id}", read_incident)
    router.add_api_route("/templates", list_templates)
    router.add_api_route("/templates/{template_id}", read_template)
    router.add_api_route("/categories", list_categories)
    router.add_api_route("/categories/{category_id}", read_category)
    router.add_api_route("/services", list_services)
    router.add_api_route("/digest", read_digest)
    router.add_api_route("/silences", list_silences)
    router.add_api_route("/send", send)
    return router


def static(name: str) -> FileResponse:
    """A file of the page's own; nothing else is reachable."""
    path = (_STATIC / name).resolve()
    if _STATIC not in path.parents or not path.is_file() or path.suffix not in _KINDS:
        raise HTTPException(404, "there is no file of this name")
    return FileResponse(path, media_type=_KINDS[path.suffix], headers={"Cache-Control": "max-age=3600"})


def list_incidents(
    request: Request,
    store: TheStore,
    tenant: TheTenant,
    state: Text = None,
    severity: Text = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Live incidents, latest first."""
    where = IncidentFilter(
        state=state if state in ("firing", "resolved") else None,
        min_severity=severity if severity in tables.SEVERITIES else None,
    )
    page = incidents(store, tenant, where, limit=50, cursor=cursor)
    known = services(store, tenant)
    return show(
        request,
        "incidents.html",
        page=page,
        lanes=_lanes(page.items),
        services=known,
        n_firing=incidents(store, tenant, IncidentFilter(state="firing"), limit=1).total,
        n_records=sum(each.records for each in known),
        is_empty=not known and not page.items and not where.state and not where.min_severity,
        base=_base(request),
        troubles=_troubles(request),
    )


def _troubles(request: Request) -> dict[str, str]:
    """Return what is wrong with the service itself, by part."""
    intake = request.app.state.intake
    if not isinstance(intake, RunningService):
        return {}
    found = {**intake.health(), **intake.warnings()}
    return {part: said for part, said in found.items() if said != "ok"}


def _lanes(found: Sequence[StoredIncident]) -> dict[str, Any]:
    """Return where the incidents of a page lie in their common span, a lane a service."""
    if not found:
        return {"rows": [], "start_us": 0, "end_us": 0}
    start_us = min(each.start_us for each in found)
    end_us = max(max(each.end_us or each.as_of_us, each.start_us) for each in found)
    span = max(end_us - start_us, 60_000_000)
    rows: dict[str, list[Any]] = {}
    for each in found:
        for service in each.services[:1]:
            end = each.end_us or each.as_of_us
            bar = ((each.start_us - start_us) / span, (end - start_us) / span, each.severity)
            rows.setdefault(service, []).append(bar)
    most = sorted(rows.items(), key=lambda row: (-len(row[1]), row[0]))[:_MAX_LANES]
    return {"rows": most, "start_us": start_us, "end_us": end_us}


def read_incident(request: Request, incident_id: Id, store: TheStore, tenant: TheTenant) -> HTMLResponse:
    """One incident: what, why, the series with its band, the lines, what happened and what one can do."""
    found = the_incident(store, tenant, incident_id)
    end_us = found.end_us or found.as_of_us
    members = alerts_of(store, tenant, found)
    series = series_of_incident(store, tenant, found)
    return show(
        request,
        "incident.html",
        incident=found,
        alerts=members,
        end_us=end_us,
        series=None if series is None else series.model_dump(),
        series_start_us=found.start_us,
        markers=[
            {"at_us": each.at_us, "title": each.title}
            for each in markers_near(store, tenant, found.services, found.start_us, end_us)
        ],
        samples=samples_of(store, tenant, members[0]) if members else [],
        timeline=timeline_of(store, tenant, found),
        titles={each.alert_id: each.title for each in members},
    )


def list_templates(
    request: Request,
    store: TheStore,
    tenant: TheTenant,
    q: Text = None,
    service: Service = None,
    errors: bool = False,
    order: Text = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Templates with how often they came in the last day."""
    where = TemplateFilter(text=q or None, service=service or None, errors_only=errors)
    page = catalogue(store, tenant, where, by_count=order == "count", limit=50, cursor=cursor)
    known = services(store, tenant)
    return show(
        request,
        "templates.html",
        page=page,
        services=[each.service for each in known],
        sparks=_sparks(store, tenant, page.items),
    )


def _sparks(store: Store, tenant: str, of: Sequence[CatalogueTemplate]) -> dict[tuple[str, str], list[float]]:
    """Return the counts of the day that ends with the last record of each template, in one query."""
    starts = {(t.service, t.template_id): _end_of_hour(t.last_us) - _DAY_US for t in of if t.last_us is not None}
    found = records_by_hour(store, tenant, "template", starts, min(starts.values(), default=0))
    hours = range(0, _DAY_US, _HOUR_US)
    return {
        (t.service, t.template_id): [
            float(found[key].get(starts[key] + hour, 0))
            for hour in hours
            if (key := (t.service, t.template_id)) in starts
        ]
        for t in of
    }


def _end_of_hour(at_us: int) -> int:
    return (at_us // _HOUR_US + 1) * _HOUR_US


def _hours(store: Store, tenant: str, key: SeriesKey, last_us: int, n: int = 24) -> list[float]:
    """Return the counts of the `n` hours that end with the one of `last_us`."""
    end_us = _end_of_hour(last_us)
    start_us = end_us - n * _HOUR_US
    found = {p.start_us: p.count for p in points(store, tenant, key, tables.HOUR_S, start_us, end_us)}
    return [float(found.get(start_us + i * _HOUR_US, 0)) for i in range(n)]


def read_template(
    request: Request, template_id: Id, store: TheStore, tenant: TheTenant, service: Service = None
) -> HTMLResponse:
    """One template: its history, its lines, its names."""
    found, others = the_template(store, tenant, template_id, service)
    last_us = found.last_us or 0
    key = SeriesKey(found.service, "template", found.template_id)
    return show(
        request,
        "template.html",
        template=found,
        others=others,
        aliases=aliases(store, tenant, found.service, found.template_id),
        samples=samples(store, tenant, found.service, found.template_id),
        hours=_hours(store, tenant, key, last_us, 72),
        end_us=_end_of_hour(last_us),
        related=alerts(store, tenant, AlertFilter(service=found.service), limit=20).items,
    )


def list_categories(request: Request, tenant: TheTenant) -> HTMLResponse:
    """Kinds of error as the last run found them, and what became of those before."""
    used = in_use(request, tenant)
    if used is None:
        raise HTTPException(404, "no run has categorized the errors yet: POST /api/v1/categories/run makes one")
    return show(request, "categories.html", categories=bodies(used)[:_MAX_CATEGORIES], run=run_of(request, tenant))


def read_category(request: Request, category_id: Id, store: TheStore, tenant: TheTenant) -> HTMLResponse:
    """One kind of error: examples, alerts, neighbours, and what one can say of it."""
    found = the_category(request, tenant, category_id)
    used = in_use(request, tenant)
    others = [] if used is None else [each for each in bodies(used) if each.category_id != found.category_id]
    page = alerts(store, tenant, AlertFilter(category_id=found.category_id), limit=20)
    return show(
        request,
        "category.html",
        category=found,
        alerts=page.items,
        n_alerts=page.total,
        neighbours=[each for each in others if each.category_id in found.neighbours],
        others=others[:_MAX_CATEGORIES],
    )


def list_services(request: Request, store: TheStore, tenant: TheTenant) -> HTMLResponse:
    """Services: volume, how far they are learned, health."""
    known = services(store, tenant)
    return show(
        request,
        "services.html",
        services=known,
        sparks={each.service: _volume(store, tenant, each) for each in known},
        learned={each.service: _learned(each) for each in known},
    )


def _volume(store: Store, tenant: str, service: StoredService) -> list[float]:
    return _hours(store, tenant, SeriesKey(service.service, "records"), service.as_of_us)


def _learned(service: StoredService) -> tuple[int, int]:
    """Return how many detectors are past their warm-up, and how many there are."""
    return sum(service.ready.values()), len(service.ready)


def read_digest(request: Request, store: TheStore, tenant: TheTenant, cursor: Cursor = None) -> HTMLResponse:
    """What was found and not told."""
    return show(request, "digest.html", page=digest(store, tenant, limit=50, cursor=cursor))


def list_silences(request: Request, store: TheStore, tenant: TheTenant, cursor: Cursor = None) -> HTMLResponse:
    """What is muted, by whom, why and until when."""
    now = now_us()
    return show(
        request,
        "silences.html",
        page=silences(store, tenant, now, limit=50, cursor=cursor),
        services=services(store, tenant),
        kinds=[kind.value for kind in AnomalyKind],
        now_us=now,
    )


def send(request: Request, store: TheStore, tenant: TheTenant) -> HTMLResponse:
    """How to send logs here, ready to copy, with this server's address."""
    return show(request, "send.html", snippets=snippets(_base(request)), n_events=newest_event(store, tenant))


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")
