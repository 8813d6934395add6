"""Laws of tenants: nothing that a key of one sends shows, changes or counts what is another's.

One application, as in service: three tenants with a key each, told apart by the key alone.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fm_anomaly.api.access import AccessParams
from fm_anomaly.api.application import create_app
from fm_anomaly.api.routes import api_router
from fm_anomaly.core.commands import Command
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.service.intake import Receipt
from fm_anomaly.storage import Store
from fm_anomaly.storage.audit import audit_page
from fm_anomaly.storage.keys import ANY, Scope, create_key
from fm_anomaly.storage.timelines import newest_event
from tests.api.asking import ask, pages
from tests.live_store import LocalIntake

LISTS = ("alerts", "incidents", "templates", "services", "digest", "markers", "silences", "patterns", "audit", "keys")
BODIES: dict[str, Any] = {
    "comments": {"text": "x"},
    "feedback": {"verdict": "real"},
    "rename": {"name": "x"},
    "merge": {"other": "x"},
    "silences": {"reason": "x"},
    "rotate": {},
    "pin": {"category_id": "x"},
}
NOT_OF_ONE = {"/alerts", "/incidents", "/templates", "/services", "/digest", "/markers", "/silences", "/patterns"}
NOT_OF_ONE |= {"/audit", "/stream", "/keys", "/log-level", "/categories", "/categories/run"}
UNPAGED = ("services", "patterns", "keys")


class NotingIntake(LocalIntake):
    """Remembers for whom batches and commands came."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.batches: list[str] = []
        self.commands: list[str] = []

    async def submit(self, tenant: str, batch: Batch, batch_id: str | None = None) -> Receipt:
        self.batches.append(tenant)
        return await super().submit(tenant, batch, batch_id)

    async def command(self, tenant: str, command: Command) -> dict[str, Any]:
        assert command.tenant == tenant
        self.commands.append(tenant)
        return await super().command(tenant, command)


@dataclass
class House:
    """An application, what came in, and a key of each tenant by scope."""

    app: Any
    store: Store
    intake: NotingIntake
    keys: dict[tuple[str, Scope], str]

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return ask(self.app, method, path, body, authorization=f"Bearer {self.keys[who, Scope.ADMIN]}", **headers)

    def list(self, who: str, name: str) -> Any:
        if name in UNPAGED:
            return self.ask(who, "GET", f"/api/v1/{name}").json()
        return pages(self.app, f"/api/v1/{name}", authorization=f"Bearer {self.keys[who, Scope.ADMIN]}")

    def made(self, who: str) -> dict[str, str]:
        """Let a tenant make one of everything; return ids by the name that a path has for them."""
        alert_id = self.list(who, "alerts")[0]["alert_id"]

        def post(path: str, body: Any, name: str = "command_id") -> str:
            answer = self.ask(who, "POST", f"/api/v1/{path}", body)
            assert answer.status_code == 201, answer.text
            return str(answer.json()[name])

        post("markers", {"title": "mine"})
        return {
            "alert_id": alert_id,
            "incident_id": self.list(who, "incidents")[0]["incident_id"],
            "template_id": self.list(who, "templates")[0]["template_id"],
            "feedback_id": post(f"alerts/{alert_id}/feedback", {"verdict": "real"}),
            "silence_id": post("silences", {"matchers": {"service": "api"}, "reason": "r", "for_s": 600}),
            "pattern_id": post("patterns", {"name": "mine", "expression": "^mine"}),
            # without a model there are none
            "category_id": "c-absent",
            "group_id": "g-absent",
            "key_id": post("keys", {"name": "mine", "scopes": ["read"]}, "key_id"),
        }


def house_of(store: Store) -> House:
    now = time.time_ns() // 1_000
    keys = {
        (tenant, scope): create_key(store, tenant, f"{tenant} {scope}", frozenset({scope}), by="t", now_us=now)[1]
        for tenant in ("default", "other", "third", ANY)
        for scope in Scope
    }
    intake = NotingIntake(store)
    return House(create_app(store, "default", intake=intake, access=AccessParams()), store, intake, keys)


@pytest.fixture
def house(live_store: Store) -> House:
    return house_of(live_store)


@pytest.fixture(scope="module")
def shared(shared_live_store: Store) -> Iterator[tuple[House, dict[str, str]]]:
    """One for many requests that must not change anything."""
    found = house_of(shared_live_store)
    yield found, found.made("default")


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


def test_lists_hold_ones_own(house: House) -> None:
    """A tenant without anything sees empty lists; what one makes appears in no other's."""
    house.made("default")
    for name in LISTS:
        if name not in ("keys", "audit"):
            assert house.list("third", name) == []
    for name in ("markers", "silences", "patterns"):
        assert house.list("other", name) == []
    for who in ("third", "other"):
        assert {key["tenant"] for key in house.list(who, "keys")} == {who}
        assert {row["action"] for row in house.list(who, "audit")} == {"key_created"}
        assert len(house.list(who, "audit")) == len(Scope)
    theirs = {alert["labels"]["tenant"] for alert in house.list("other", "alerts")}
    assert theirs == {"other"}


# -- crafted requests --------------------------------------------------------------------------------------------------


def crafted(ids: dict[str, str], cursors: dict[str, str]) -> Iterator[tuple[str, str, Any, dict[str, str]]]:
    """Yield method, path, body and headers of requests that try to reach what `ids` names."""
    for method, path in routes_of_one():
        name = path.rpartition("/")[2] if not path.endswith("}") else path.split("/")[3]
        if name == "undo":
            continue  # it takes any id: one's own edits are taken back, and there are none
        body = BODIES.get(name) if method in ("POST", "PATCH") else None
        whole = path.format(**ids)
        yield method, whole, body, {}
        # a header that chooses is for others
        yield method, whole, body, {"x_tenant_id": "default"}
        yield method, whole, body, {"x_scope_orgid": "default", "x_forwarded_user": "default", "x_tenant": "default"}
        if method == "GET":
            yield method, f"{whole}?tenant=default", None, {}
            yield method, whole, None, {"cookie": "fm_session=fma_x.1.y; tenant=default"}
    for name, value in ids.items():
        if name != "template_id":
            for twisted in (f"{value}%00", f"%20{value}", value.upper(), f"{value}/", f"x/../{value}", f"{value};a"):
                yield "GET", f"/api/v1/{name.removesuffix('_id')}s/{twisted}", None, {}
    for beginning in (ids["template_id"][:4], f"t:{ids['template_id']}", "%25", "_", ""):
        yield "GET", f"/api/v1/templates/{beginning}/history", None, {}
        yield "GET", f"/api/v1/templates?q={beginning}", None, {}
    for name, cursor in cursors.items():
        yield "GET", f"/api/v1/{name}?cursor={cursor}", None, {}
    for filters in (f"incident_id={ids['incident_id']}", "service=api", "service=api&tenant=default", "kind=new_error"):
        yield "GET", f"/api/v1/alerts?{filters}", None, {}
    for page in ("incidents", "templates"):
        yield "GET", f"/{page}/{ids[page[:-1] + '_id']}", None, {"accept": "text/html"}
        yield "GET", f"/{page}", None, {"accept": "text/html", "x_tenant_id": "default"}
    yield "POST", "/api/v1/keys", {"name": "x", "scopes": ["admin"], "any_tenant": True}, {}
    yield "POST", "/api/v1/keys", {"name": "x", "scopes": ["admin"], "tenant": "default"}, {}
    yield "POST", "/api/v1/silences", {"matchers": {"tenant": "default"}, "reason": "r", "for_s": 60}, {}
    yield "GET", "/metrics", None, {}
    for path in (
        "/api/v1/../v1/alerts",
        "//api/v1/alerts",
        "/api/v1//alerts",
        "/api/v1/alerts/..%2f",
        "/API/v1/alerts",
    ):
        yield "GET", path, None, {"x_original_url": "/api/v1/alerts", "x_tenant_id": "default"}
    for path in ("/static/../templates", "/static/..%2f..%2ftables.py", "/elasticsearch/../api/v1/alerts"):
        yield "GET", path, None, {}


MINE = {"/api/v1/audit": tuple(Scope)}
"""What the asking tenant has itself: that its keys were made."""


def shown(answer: httpx.Response) -> str:
    """Return what was told, without the tenant's own refusals: they repeat the path that it sent."""
    if not str(answer.url.path).startswith("/api/v1/audit") or answer.status_code != 200:
        return answer.text
    return json.dumps([row for row in answer.json() if row["action"] != "refused"])


def test_crafted_requests_reach_nothing(shared: tuple[House, dict[str, str]]) -> None:
    """Ids guessed, headers forged, cursors of another, path tricks: nothing of another tenant is told, counted or
    changed, and no command in its name comes about."""
    house, ids = shared
    cursors = {}
    for name in ("alerts", "incidents", "templates", "audit"):
        page = house.ask("default", "GET", f"/api/v1/{name}?limit=1")
        cursors[name] = page.headers["X-Next-Cursor"]
    # others' refused requests may still come into the audit
    before = {name: house.list("default", name) for name in LISTS if name != "audit"}
    newest = newest_event(house.store, "default")
    secrets = [value for name, value in ids.items() if name != "template_id"] + ["kafka", "redis", "mine"]
    n = 0
    house.intake.commands.clear()
    for method, path, body, headers in crafted(ids, cursors):
        n += 1
        answer = house.ask("third", method, path, body, **headers)
        assert answer.status_code < 500, f"{method} {path} {headers}"
        asked = f"{path}{json.dumps(body)}"
        told = [each for each in secrets if each in shown(answer) and each not in asked]
        assert not told, f"{method} {path} {headers}: {told}"
        if answer.status_code == 200 and path.startswith("/api/v1/") and method == "GET":
            assert len(json.loads(shown(answer))) <= len(MINE.get(path.partition("?")[0], "")), (
                f"{method} {path} {headers}"
            )
            total = answer.headers.get("X-Total-Count", "none")
            assert total == "0" or path.startswith("/api/v1/audit"), f"{method} {path}: {total}"
        else:
            assert answer.status_code in (200, 303, 307, 400, 403, 404, 405, 422), (
                f"{method} {path}: {answer.status_code}"
            )
    assert n > 150
    assert set(house.intake.commands) <= {"third"}
    assert {name: house.list("default", name) for name in before} == before
    assert newest_event(house.store, "default") == newest


@pytest.mark.parametrize("scope", [Scope.INGEST, Scope.READ, Scope.OPERATE])
def test_keys_of_another_scope_change_nothing(shared: tuple[House, dict[str, str]], scope: Scope) -> None:
    """One's own key without the scope, on every route of one's own things: 403, and nothing is done."""
    house, ids = shared
    house.intake.commands.clear()
    key = house.keys["default", scope]
    for method, path in routes_of_one():
        is_open = method == "GET" and "/keys/" not in path and scope is not Scope.INGEST
        if is_open or (scope is Scope.OPERATE and "/keys/" not in path):
            continue
        body = {} if method in ("POST", "PATCH") else None
        answer = ask(house.app, method, path.format(**ids), body, authorization=f"Bearer {key}")
        assert answer.status_code == 403, f"{method} {path}"
    done = {row.action for row in audit_page(house.store, "default", limit=500).items if row.outcome == "done"}
    assert house.intake.commands == []
    assert not done & {"key_rotated", "key_revoked", "ack", "rename"}


JSON = "application/json"
SHIPPED = [
    ("/api/v1/logs", b"ERROR x\n", "text/plain"),
    ("/api/v1/logs?service=api&tenant=default", b'{"tenant": "default", "message": "x"}\n', "application/x-ndjson"),
    (
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}',
        JSON,
    ),
    ("/loki/api/v1/push", b'{"streams":[{"stream":{"tenant":"default"},"values":[["1","x"]]}]}', "application/json"),
    ("/_bulk", b'{"create":{"_index":"default"}}\n{"message":"x"}\n', "application/x-ndjson"),
    ("/default/_bulk", b'{"create":{}}\n{"message":"x"}\n', "application/x-ndjson"),
    ("/services/collector", b'{"event":"x","index":"default"}', "application/json"),
    ("/services/collector/raw?index=default", b"x\n", "text/plain"),
]


def test_logs_go_to_the_keys_tenant(house: House) -> None:
    """By every protocol, whatever the body, the query or foreign headers say; the number of an entry, which counts
    everybody's, is told only to those who may choose."""

    def send(key: str, path: str, body: bytes, kind: str, **headers: str) -> httpx.Response:
        async def request() -> httpx.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://x") as client:
                sent = {"Content-Type": kind, "Authorization": f"Bearer {key}", **named}
                return await client.post(path, content=body, headers=sent)

        return asyncio.run(request())

    mine, chooser = house.keys["third", Scope.INGEST], house.keys[ANY, Scope.INGEST]
    for path, body, kind in SHIPPED:
        answer = send(mine, path, body, kind, x_scope_orgid="default", x_splunk_request_channel="c")
        assert answer.status_code in (200, 204), f"{path}: {answer.text}"
        for name in ("seq", "ackId", "_seq_no"):
            assert f'"{name}":1' not in answer.text.replace(" ", "")
        assert send(mine, path, body, kind, x_tenant_id="default").status_code == 403
    assert set(house.intake.batches) == {"third"}
    house.intake.batches.clear()
    assert send(chooser, *SHIPPED[0], x_tenant_id="other").json()["seq"] > 0
    assert send(chooser, *SHIPPED[0]).status_code == 200
    assert send(chooser, *SHIPPED[0], x_tenant_id="nobody").status_code == 404
    assert house.intake.batches == ["other", "default"]


@pytest.mark.parametrize("last_event_id", ["0", "5", "999999"])
def test_the_stream_of_one_tells_nothing_of_another(house: House, last_event_id: str) -> None:
    """With the event ids of another tenant it holds nothing of it: numbers count one's own events."""

    async def read() -> bytes:
        house.app.state.feed.params = type(house.app.state.feed.params)(heartbeat_s=0.05)
        got = b""
        done = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await done.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal got
            got += message.get("body", b"")
            if b"nothing new" in got:
                done.set()

        headers = [
            (b"host", b"x"),
            (b"authorization", f"Bearer {house.keys['third', Scope.READ]}".encode()),
            (b"last-event-id", last_event_id.encode()),
        ]
        scope = {"type": "http", "method": "GET", "path": "/api/v1/stream", "headers": headers, "query_string": b""}
        await asyncio.wait_for(house.app(scope, receive, send), 30)
        return got

    assert newest_event(house.store, "default") > 5
    assert b"event:" not in asyncio.run(read())


def test_without_a_key_all_is_closed(shared: tuple[House, dict[str, str]]) -> None:
    """A scan of the whole OpenAPI without credentials, and with wrong ones: 401, but for health."""
    house, ids = shared
    document = house.app.openapi()
    scanned = 0
    for path, operations in document["paths"].items():
        for method in operations:
            for headers in ({}, {"authorization": "Bearer fma_" + "x" * 61}, {"authorization": "Basic eDp4"}):
                answer = ask(house.app, method.upper(), path.format(**ids), {} if method != "get" else None, **headers)
                is_health = path.startswith("/health")
                assert answer.status_code == (200 if is_health else 401), f"{method} {path}"
                assert is_health or answer.headers["WWW-Authenticate"] == "Bearer"
                scanned += 1
    assert scanned > 150
    for path in ("/", "/incidents", "/ready", "/services/collector/health", "/_license", "/nothing", "/api/v1/nothing"):
        assert ask(house.app, "GET", path).status_code == 401


def test_the_document_says_which_scope_opens_what(shared: tuple[House, dict[str, str]]) -> None:
    """Each operation names its scope, as the table has it; health names none."""
    document = shared[0].app.openapi()
    told = {
        (method.upper(), path): operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert told["GET", "/health"] == []
    assert told["POST", "/api/v1/keys"][0] == {"bearer": ["admin"]}
    assert told["POST", "/api/v1/alerts/{alert_id}/ack"][0] == {"bearer": ["operate"]}
    assert told["GET", "/api/v1/alerts"][0] == {"bearer": ["read"]}
    assert told["POST", "/v1/logs"][0] == {"bearer": ["ingest"]}
    assert "bearer" in document["components"]["securitySchemes"]
