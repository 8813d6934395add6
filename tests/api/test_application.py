"""Laws of the API: lists page like the store, errors have one shape, ids come back, nothing leaks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.api import create_app
from fm_anomaly.api.application import create_app as create_any_app
from fm_anomaly.storage import Store, open_store, save_scan
from tests.scan_objects import make_alert, make_incident, make_scan


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Five alerts of tenant default and one of another tenant."""
    severities = ("low", "medium", "high", "critical", "low")
    found = [
        make_alert(alert_id=f"a{n}", severity=each, start=f"2026-03-02T12:0{n}:00Z")
        for n, each in enumerate(severities)
    ]
    with open_store(tmp_path_factory.mktemp("store") / "s.db") as opened:
        save_scan(opened, "default", make_scan(make_incident(*found)))
        save_scan(opened, "other", make_scan(make_incident(make_alert(alert_id="theirs"))))
        yield opened


def get(app: Any, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8010") as client:
            return await client.get(path, headers={name.replace("_", "-"): each for name, each in headers.items()})

    return asyncio.run(ask())


def test_a_list_says_its_total_and_leads_through_its_pages(store: Store) -> None:
    """Following `Link: rel=next` from the first page gives every alert once, filters kept."""
    app = create_app(store)
    path: str | None = "/api/v1/alerts?limit=2&min_severity=low"
    seen = []
    while path is not None:
        answer = get(app, path)
        assert answer.status_code == 200
        assert answer.headers["X-Total-Count"] == "5"
        seen += [each["alert_id"] for each in answer.json()]
        link = answer.links.get("next")
        path = None if link is None else link["url"]
        assert path is None or "min_severity=low" in path
    assert seen == ["a4", "a3", "a2", "a1", "a0"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("min_severity=high", ["a3", "a2"]),
        ("state=firing", []),
        ("service=api&limit=1", ["a4"]),
        ("since=2026-03-02T12:03:00Z", ["a4", "a3"]),
        ("until=2026-03-02T12:01:00%2B00:00", ["a0"]),
        ("until=2026-03-02T13:01:00%2B01:00", ["a0"]),
        ("incident_id=i1&kind=new_error&min_severity=critical", ["a3"]),
    ],
)
def test_filters(store: Store, query: str, expected: list[str]) -> None:
    """Each parameter narrows the list by what it names; times may have any zone."""
    answer = get(create_app(store), f"/api/v1/alerts?{query}")
    assert [each["alert_id"] for each in answer.json()] == expected


def test_an_alert_by_id_brings_its_history(store: Store) -> None:
    """The one alert has what the list has, and its steps."""
    app = create_app(store)
    one = get(app, "/api/v1/alerts/a3").json()
    history = one.pop("history")
    assert [each["action"] for each in history] == ["triggered", "resolved"]
    assert one in get(app, "/api/v1/alerts").json()
    assert one["start"] == "2026-03-02T12:03:00Z"
    assert one["evidence"][0]["text"] == "lid stuck"


def test_incidents_name_their_alerts(store: Store) -> None:
    """An incident lists alert ids that the other route knows."""
    app = create_app(store)
    answer = get(app, "/api/v1/incidents?min_severity=low")
    (incident,) = answer.json()
    assert answer.headers["X-Total-Count"] == "1"
    for each in incident["alert_ids"]:
        assert get(app, f"/api/v1/alerts/{each}").json()["incident_id"] == incident["incident_id"]


def test_another_tenants_alert_is_not_found(store: Store) -> None:
    """An id of another tenant answers as an id of nobody."""
    theirs, nobodys = (
        get(create_app(store), f"/api/v1/alerts/{each}", X_Correlation_ID="c") for each in ("theirs", "x")
    )
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() == nobodys.json()
    assert get(create_app(store, "other"), "/api/v1/alerts/theirs").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/api/v1/alerts/none", 404, "no alert"),
        ("/api/v1/nowhere", 404, "Not Found"),
        ("/api/v1/alerts?limit=0", 422, "limit"),
        ("/api/v1/alerts?min_severity=dreadful", 422, "min_severity"),
        ("/api/v1/alerts?sevrity=high", 422, "sevrity"),
        ("/api/v1/alerts?since=soon", 422, "since"),
        ("/api/v1/incidents?cursor=%00", 400, "cursor"),
        ("/api/v1/incidents?service=api", 422, "service"),
    ],
)
def test_errors_have_one_shape(store: Store, path: str, status: int, told: str) -> None:
    """Every refusal has FaultMaven's four fields, names what was wrong, and repeats the correlation id."""
    answer = get(create_app(store), path, X_Correlation_ID="abc")
    body = answer.json()
    assert answer.status_code == body["status_code"] == status
    assert set(body) == {"error", "detail", "status_code", "correlation_id"}
    assert told in body["detail"]
    assert body["correlation_id"] == answer.headers["X-Correlation-ID"] == "abc"


def test_a_refusal_does_not_repeat_what_was_sent(store: Store) -> None:
    """A value that cannot be used is not written back: it may be a secret in the wrong place."""
    assert "hunter2" not in get(create_app(store), "/api/v1/alerts?since=hunter2").text


@given(sent=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_request_ids_come_back_or_are_made(store: Store, sent: str) -> None:
    """An id of plain characters is echoed as sent; any other is replaced by a new one, never echoed."""
    answer = get(create_app(store), "/health/live", X_Request_ID=sent)
    told = answer.headers["X-Request-ID"]
    plain = 1 <= len(sent) <= 128 and all(each.isascii() and (each.isalnum() or each in "._:-") for each in sent)
    assert told == sent if plain else uuid.UUID(told)
    assert uuid.UUID(answer.headers["X-Correlation-ID"])


def test_a_bug_answers_500_without_its_text(store: Store) -> None:
    """What an unforeseen exception says stays inside; the answer has the shape and the ids."""
    app = create_app(store)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    answer = get(app, "/broken", X_Correlation_ID="abc")
    assert answer.status_code == 500
    assert answer.json()["correlation_id"] == answer.headers["X-Correlation-ID"] == "abc"
    assert "hunter2" not in answer.text


def test_health_tells_of_a_broken_store(tmp_path: Path) -> None:
    """With its tables gone, `/health` stays 200 and says so, `/health/ready` is 503, lists are 503."""
    with open_store(tmp_path / "s.db") as store:
        app = create_app(store)
        assert get(app, "/health/ready").status_code == 200
        with store.writing() as connection:
            connection.exec_driver_sql("drop table alerts")
        told = get(app, "/health")
        assert told.status_code == 200
        assert told.json()["status"] == "degraded"
        assert get(app, "/health/live").status_code == 200
        assert get(app, "/health/ready").status_code == 503
        refused = get(app, "/api/v1/alerts")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8010", 200),
        ("localhost", 200),
        ("[::1]:8010", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example:8010", 400),
        ("", 400),
    ],
)
def test_a_loopback_service_answers_for_the_loopback_only(store: Store, host: str, status: int) -> None:
    """A page elsewhere that resolves its own name to this machine gets nothing."""
    assert get(create_any_app(store, loopback_only=True), "/api/v1/alerts", Host=host).status_code == status


def test_nothing_in_the_pages_is_stored_or_sniffed(store: Store) -> None:
    """Evidence holds lines of logs: caches are told to keep none of it."""
    answer = get(create_app(store), "/api/v1/alerts")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
