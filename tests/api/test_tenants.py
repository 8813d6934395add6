"""Law of tenants: no route shows or changes what is another's, whatever id is asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fm_anomaly.api.application import create_app
from fm_anomaly.api.routes import api_router
from fm_anomaly.storage import Store
from tests.api.asking import ask, pages
from tests.live_store import LocalIntake

LISTS = ("alerts", "incidents", "templates", "services", "digest", "markers", "silences", "patterns", "audit")
BODIES: dict[str, Any] = {
    "comments": {"text": "x"},
    "feedback": {"verdict": "real"},
    "rename": {"name": "x"},
    "merge": {"other": "x"},
    "silences": {"reason": "x"},
}
NOT_OF_ONE = {"/alerts", "/incidents", "/templates", "/services", "/digest", "/markers", "/silences", "/patterns"}
NOT_OF_ONE |= {"/audit", "/stream", "/log-level"}


def apps(store: Store) -> dict[str, Any]:
    intake = LocalIntake(store)
    return {tenant: create_app(store, tenant, intake=intake) for tenant in ("default", "other", "third")}


def made_by(app: Any) -> dict[str, str]:
    """Let a tenant make one of everything; return ids by the name that a path has for them."""
    alert_id = pages(app, "/api/v1/alerts")[0]["alert_id"]

    def post(path: str, body: Any) -> str:
        answer = ask(app, "POST", f"/api/v1/{path}", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["command_id"])

    post("markers", {"title": "mine"})
    return {
        "alert_id": alert_id,
        "incident_id": pages(app, "/api/v1/incidents")[0]["incident_id"],
        "template_id": pages(app, "/api/v1/templates")[0]["template_id"],
        "feedback_id": post(f"alerts/{alert_id}/feedback", {"verdict": "real"}),
        "silence_id": post("silences", {"matchers": {"service": "api"}, "reason": "r", "for_s": 600}),
        "pattern_id": post("patterns", {"name": "mine", "expression": "^mine"}),
    }


def routes_of_one() -> list[tuple[str, str]]:
    """Return method and path of every route that names one thing."""
    spec = create_spec()
    return [(m.upper(), path) for path, found in spec["paths"].items() for m in found if "{" in path]


def create_spec() -> dict[str, Any]:
    from fastapi import FastAPI

    app = FastAPI()
    app.include_router(api_router())
    return app.openapi()


def test_every_route_is_looked_at() -> None:
    """The list of routes that are not of one thing is complete: a new route must be thought of here."""
    paths = {path.removeprefix("/api/v1") for path in create_spec()["paths"]}
    assert {path for path in paths if "{" not in path} == NOT_OF_ONE


@pytest.mark.parametrize("database", ["sqlite"])
def test_what_is_anothers_is_404_on_every_route(database: str, filled: Any) -> None:
    """With each id of a tenant, and every method, another one gets 404 and changes nothing."""
    with filled(database, lambda: None) as store:
        by_tenant = apps(store)
        ids = made_by(by_tenant["default"])
        before = {name: pages(by_tenant["default"], f"/api/v1/{name}") for name in LISTS if name != "services"}
        for method, path in routes_of_one():
            name = path.rpartition("/")[2] if not path.endswith("}") else path.split("/")[3]
            body = BODIES.get(name) if method in ("POST", "PATCH") else None
            answer: httpx.Response = ask(by_tenant["third"], method, path.format(**ids), body)
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
            mine = ask(by_tenant["default"], "GET", path.format(**ids)) if method == "GET" else None
            assert mine is None or mine.status_code == 200, path
        assert {name: pages(by_tenant["default"], f"/api/v1/{name}") for name in before} == before


def test_lists_hold_ones_own(live_store: Store) -> None:
    """A tenant without anything sees empty lists; what one makes appears in no other's."""
    by_tenant = apps(live_store)
    made_by(by_tenant["default"])
    for name in LISTS:
        assert ask(by_tenant["third"], "GET", f"/api/v1/{name}").json() == []
    for name in ("markers", "silences", "patterns", "audit"):
        assert ask(by_tenant["other"], "GET", f"/api/v1/{name}").json() == []
    theirs = {alert["labels"]["tenant"] for alert in pages(by_tenant["other"], "/api/v1/alerts")}
    assert theirs == {"other"}
