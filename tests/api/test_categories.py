"""Laws of categories over HTTP: none before a run, a run disturbs nobody, what it found is read, named and followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fm_anomaly.api import create_app
from fm_anomaly.storage import Store
from tests.api.asking import ask
from tests.api.server import Server, eventually
from tests.service.logs import minute

API = "/api/v1"
N_BEFORE = 58


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that has seen an outage and has categorized it once, while logs went on coming in.

    One process for all tests here: it takes some seconds, for the run starts another one.
    """
    with Server(tmp_path_factory.mktemp("categories")) as one:
        send(one, range(N_BEFORE))
        eventually(lambda: "firing" in {each["state"] for each in one.get(f"{API}/alerts").json()})
        assert one.get(f"{API}/categories").json() == []
        assert one.get("/categories").status_code == 404
        assert "/categories" not in one.get("/incidents").text
        assert one.client.post(f"{API}/categories/run", json={}).status_code == 202
        at = N_BEFORE
        while one.get(f"{API}/categories/run").json()["is_running"]:
            send(one, range(at, at + 1))
            at += 1
        eventually(lambda: bool(one.get(f"{API}/categories").json()))
        eventually(lambda: one.get(f"{API}/intake").json()["total"]["lines"] == at * 60)
        yield one
        assert one.stop() == 0


def send(server: Server, numbers: range, outage: range = range(50, 54)) -> None:
    for number in numbers:
        answer = server.post(f"{API}/logs", minute(number, outage=outage), "application/x-ndjson")
        assert answer.is_success, answer.text


def categories(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(f"{API}/categories").json()
    return found


def test_a_run_says_what_it_found(server: Server) -> None:
    """The kind of error, how often, where and how it reads; the run's model and hours; the page has an entry."""
    (one,) = categories(server)
    assert one["count"] == 80
    assert one["services"] == ["cart"]
    assert "refused item" in one["examples"][0]
    run = server.get(f"{API}/categories/run").json()
    assert (run["model"], run["errors"], run["trouble"]) == ("0001", 80, "")
    assert run["next"].endswith("T03:00:00Z")
    for path in ("/categories", f"/categories/{one['category_id']}", f"/categories/{one['category_id'][:6]}"):
        page = server.get(path)
        assert page.status_code == 200
        assert 'href="/categories" aria-current="page"' in page.text


def test_an_alert_of_the_next_outage_has_its_category(server: Server) -> None:
    """At once, and its incident too; the list of alerts is filtered by it."""
    (one,) = categories(server)
    send(server, range(300, 400), outage=range(390, 394))
    path = f"{API}/alerts?category_id={one['category_id']}&since=2026-03-02T16:00:00Z"
    eventually(lambda: bool(server.get(path).json()))
    alert = server.get(path).json()[-1]
    assert alert["category"] == {"category_id": one["category_id"], "name": alert["category"]["name"], "model": "0001"}
    incident = server.get(f"{API}/incidents/{alert['incident_id']}").json()
    assert incident["category"]["category_id"] == one["category_id"]


def test_a_name_shows_at_once_and_is_taken_back(server: Server) -> None:
    """By command, so in the audit; a name is shown as text and never as markup; unknown ids are 404."""
    (one,) = categories(server)
    path = f"{API}/categories/{one['category_id']}"
    assert server.client.post(f"{path}/rename", json={"name": "prices <b>down</b>"}).status_code == 200
    assert [(each["name"], each["is_named"]) for each in categories(server)] == [("prices <b>down</b>", True)]
    assert "<b>down" not in server.get("/categories").text
    assert server.get(f"{API}/audit").json()[0]["action"] == "rename_category"
    assert server.client.post(f"{path}/undo", json={}).status_code == 200
    assert categories(server)[0]["name"] == one["name"]
    assert server.client.post(f"{path}/merge", json={"into": one["category_id"]}).status_code == 409
    assert server.client.post(f"{API}/categories/zzzz/rename", json={"name": "x"}).status_code == 404
    pinned = server.client.post(f"{API}/groups/g1/pin", json={"category_id": one["category_id"]})
    assert pinned.json()["effect"].startswith(f"its errors are of {one['category_id']}")


def test_a_server_that_only_reads_makes_no_runs(live_store: Store) -> None:
    """It has no categories to show, and says so where one is asked for."""
    app = create_app(live_store)
    assert ask(app, "GET", f"{API}/categories").json() == []
    assert ask(app, "GET", f"{API}/categories/run").json()["is_possible"] is False
    assert ask(app, "POST", f"{API}/categories/run", {}).status_code in (400, 405, 503)
