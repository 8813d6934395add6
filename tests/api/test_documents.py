"""docs/api.md and docs/schemas say what the routes do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema

from fm_anomaly.api import bundles
from fm_anomaly.api.application import create_app
from fm_anomaly.api.scopes import ACROSS, needs
from fm_anomaly.config import load_settings
from fm_anomaly.storage import open_store
from fm_anomaly.storage.keys import Scope
from tests.api.test_bundles import found
from tests.api.test_tenants import create_spec
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_route_is_on_the_page_and_nothing_else() -> None:
    """Methods and paths of the tables are those of the OpenAPI."""
    told = {(m, f"/api/v1{path}") for m, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]*)`", PAGE)}
    told -= {("GET", "/api/v1/api/v1/openapi.json")}
    real = {(m.upper(), path) for path, found in create_spec()["paths"].items() for m in found}
    assert told == real


def test_every_route_beside_the_api_is_on_the_store_page(tmp_path: Path) -> None:
    """Protocols, health and metrics: the table of docs/store-and-api.md names each, and nothing else."""
    page = (ROOT / "docs" / "store-and-api.md").read_text(encoding="utf-8")
    table = page[page.index("## HTTP") : page.index("## Models")]
    told = {path for path in re.findall(r"`(/[^`]*)`", table) if "…" not in path}
    with open_store(tmp_path / "s.db") as store:
        real = set(create_app(store).openapi()["paths"])
    assert told == {path for path in real if not path.startswith("/api/")} | {"/api/v1/logs", "/api/v1/intake"}


def test_a_bundle_keeps_its_schema() -> None:
    """Small and large bundles hold docs/schemas/incident-bundle.schema.json."""
    schema = json.loads((ROOT / "docs" / "schemas" / "incident-bundle.schema.json").read_text())
    for n in (1, 300):
        jsonschema.validate(json.loads(bundles.to_json(bundles.as_object(found(n=n)))), schema)


def test_the_page_on_security_has_the_scopes() -> None:
    """Each scope has its row, and what the row names needs that scope, by the table that access control reads."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(Scope)
    asked = {
        Scope.INGEST: ["POST /api/v1/logs", "POST /v1/logs", "PUT /_bulk"],
        Scope.READ: ["GET /api/v1/alerts", "GET /incidents", "GET /metrics"],
        Scope.OPERATE: ["POST /api/v1/silences"],
        Scope.ADMIN: ["GET /api/v1/keys", "GET /api/v1/audit", "PUT /api/v1/log-level"],
    }
    for scope, requests in asked.items():
        for method, path in (each.split() for each in requests):
            assert needs(method, path) == (scope,), path
    for path in ACROSS:
        assert f"`{path}`" in page


def test_the_settings_on_the_page_on_security_are_settings(tmp_path: Path) -> None:
    """The toml that it shows is taken as it stands."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "fm_anomaly.toml").write_text(shown)
    assert load_settings(folder=tmp_path, environ={}).tenants["shop"].retention.samples_days == 3
