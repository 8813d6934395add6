"""The FastAPI application: routes over the store, each a query and its wire model.

Knows the store's readers and nothing of how alerts come about.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, FastAPI, Response

from fm_anomaly import __version__
from fm_anomaly.api import elasticsearch, intake_routes, loki, metrics, otlp, scopes, splunk
from fm_anomaly.api.access import AccessParams, Gate
from fm_anomaly.api.bodies import BodyReader
from fm_anomaly.api.conventions import Conventions, add_error_handlers, is_loopback_host_header
from fm_anomaly.api.feed import Feed
from fm_anomaly.api.page import page_router, sign_in_router, to_sign_in
from fm_anomaly.api.refusals import Refusals
from fm_anomaly.api.routes import api_router
from fm_anomaly.api.schemas import HealthBody
from fm_anomaly.api.sessions import Sessions
from fm_anomaly.api.timing import RequestTimings, Timed
from fm_anomaly.errors import StoreError
from fm_anomaly.service.intake import Intake
from fm_anomaly.service.running import Service
from fm_anomaly.service.tracing import Span, off
from fm_anomaly.storage import Store, alerts


def create_app(
    store: Store,
    tenant: str = "default",
    *,
    intake: Intake | None = None,
    access: AccessParams | None = None,
    loopback_only: bool = False,
    span: Span = off,
) -> FastAPI:
    """Return the application that reads `tenant`'s part of `store`, and hands what is sent to `intake`.

    Routes find the intake as `request.app.state.intake`, and read bodies by `request.app.state.bodies`. Without
    one it only reads. `access` says who may ask, beside the keys in the store; with `loopback_only` and no `access`,
    whoever asks for a loopback host. There is no `/docs` page: its scripts would come from elsewhere. The schema is at
    `/api/v1/openapi.json`.
    """
    if access is None:
        access = AccessParams(tenant=tenant, is_host_allowed=is_loopback_host_header if loopback_only else None)
    app = FastAPI(
        title="fm_anomaly",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.store, app.state.intake, app.state.bodies, app.state.tenant = store, intake, BodyReader(), tenant
    app.state.feed = Feed(store)
    app.state.categories = intake.labelling if isinstance(intake, Service) else None
    app.state.category_runs = None
    gate = app.state.gate = Gate(access, store)
    refusals = app.state.refusals = Refusals(store)
    sessions = Sessions()
    gate.open_session = sessions.opened
    # first, for it is asked most
    app.include_router(intake_routes.routes())
    app.include_router(api_router())
    app.include_router(sign_in_router(sessions))
    app.include_router(page_router(otherwise=elasticsearch.about))
    for protocol in (otlp, loki, elasticsearch, splunk, metrics):
        app.include_router(protocol.routes())
    app.include_router(_health_routes(store, tenant, intake))
    add_error_handlers(app)
    app.add_middleware(Conventions, gate=gate, refusals=refusals, to_sign_in=to_sign_in)
    app.state.timings = RequestTimings()
    app.add_middleware(Timed, timings=app.state.timings, span=span)
    _describe_access(app)
    return app


def _describe_access(app: FastAPI) -> None:
    plain = app.openapi
    app.openapi = lambda: scopes.describe(plain())  # type: ignore[method-assign]


def _health_routes(store: Store, tenant: str, intake: Intake | None) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    def health() -> HealthBody:
        """Always 200; `status` and `checks` say what is wrong, or needs somebody to look."""
        return _health(store, tenant, intake, is_whole=True)

    @router.get("/health/live")
    def live() -> HealthBody:
        """Always 200: the process answers."""
        return HealthBody(status="healthy", version=__version__, checks={})

    @router.get("/health/ready", responses={503: {"model": HealthBody}})
    def ready(response: Response) -> HealthBody:
        """200 where requests can be answered, else 503; what needs a person later is in `/health`."""
        told = _health(store, tenant, intake, is_whole=False)
        if told.status != "healthy":
            response.status_code = 503
        return told

    return router


def _health(store: Store, tenant: str, intake: Intake | None, *, is_whole: bool) -> HealthBody:
    checks = intake.health() if isinstance(intake, Service) else {}
    if is_whole and isinstance(intake, Service):
        checks.update(intake.warnings())
    try:
        alerts(store, tenant, limit=1)
        checks["store"] = "ok"
    except StoreError as exc:
        checks["store"] = str(exc)
    status: Literal["healthy", "degraded"] = "healthy" if set(checks.values()) == {"ok"} else "degraded"
    return HealthBody(status=status, version=__version__, checks=checks)
