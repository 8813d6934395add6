"""The web page: every page renders, escapes what logs say, and runs nothing but its own files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fm_anomaly.api.application import create_app
from fm_anomaly.api.page.shippers import snippets
from fm_anomaly.core.changes import Changes
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.sources import SourceName
from fm_anomaly.storage import Store, incidents, open_store
from fm_anomaly.storage.catalogue import catalogue
from fm_anomaly.storage.recording import Step, record
from fm_anomaly.testing import ListIntake, outage_log
from tests.api.asking import ask
from tests.live_store import fill

PAGES = ("/incidents", "/templates", "/services", "/digest", "/silences", "/send")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} \x1b[31m \u202e reversed"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with open_store(tmp_path / "fm_anomaly.db") as opened:
        yield opened


class Browser:
    """Asks the application as a browser would."""

    def __init__(self, store: Store) -> None:
        self._app = create_app(store)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Return the answer; redirects are not followed."""
        return ask(self._app, "GET", path, **{"accept": "text/html", **headers})


def hostile(store: Store) -> None:
    """Record a log whose errors are markup."""
    pipeline = Pipeline()
    changes = Changes(pipeline)
    lines = [line.replace("price service", f"{HOSTILE} price service") for line in outage_log()]
    events = pipeline.observe(SourceName("app.log", "app"), "".join(f"{line}\n" for line in lines).encode())
    events += pipeline.flush()
    record(store, Step("default", 1, changes.take(events)))


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_server_teaches(store: Store, path: str) -> None:
    """Every page answers before anything has come in, under a policy that runs only its own files."""
    answer = Browser(store).get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert 'href="/send"' in answer.text


def test_the_first_page_says_how_to_send_a_first_line(store: Store) -> None:
    """The command names this server."""
    assert "http://127.0.0.1:8010/api/v1/logs" in Browser(store).get("/incidents").text


def test_root_is_the_page_for_people_and_an_answer_for_shippers(store: Store) -> None:
    """A browser is led to the incidents; an Elasticsearch client hears what it asks for."""
    browser = Browser(store)
    assert browser.get("/").headers["location"] == "/incidents"
    assert browser.get("/", accept="application/json").headers["x-elastic-product"] == "Elasticsearch"


def test_every_incident_and_template_has_a_page(store: Store) -> None:
    """What the store holds can be reached from the lists."""
    fill(store)
    browser = Browser(store)
    for each in incidents(store, "default").items:
        shown = browser.get(f"/incidents/{each.incident_id}")
        assert shown.status_code == 200
        assert "Timeline" in shown.text
        assert "data-series" in shown.text
    for page in PAGES:
        assert browser.get(page).status_code == 200
    for t in catalogue(store, "default").items[:10]:
        assert browser.get(f"/templates/{t.template_id}?service={t.service}").status_code == 200


def test_a_part_comes_without_its_frame(store: Store) -> None:
    """htmx asks for the part alone, and caches keep both apart."""
    part = Browser(store).get("/services", hx_request="true")
    assert "<html" not in part.text
    assert part.headers["vary"] == "HX-Request"


def test_log_text_stays_text(store: Store) -> None:
    """Markup, templates, control and bidirectional characters of a log are shown, never obeyed."""
    hostile(store)
    browser = Browser(store)
    (incident, *_) = incidents(store, "default").items
    shown = [browser.get(path).text for path in (*PAGES, f"/incidents/{incident.incident_id}")]
    for t in catalogue(store, "default").items:
        shown.append(browser.get(f"/templates/{t.template_id}?service={t.service}").text)
    whole = "".join(shown)
    assert "alert(1)" in whole
    assert "<script>alert" not in whole
    assert "<img src=x" not in whole
    assert "49" not in re.findall(r"\{\{.*?\}\}", whole)
    assert "\x1b" not in whole
    assert "\u202e" not in whole
    assert re.findall(r"<[^>]+ on\w+=", whole) == []
    assert re.findall(r"<[^>]+ style=", whole) == []


@pytest.mark.parametrize("name", ["../views.py", "%2e%2e/views.py", "vendor", "vendor/htmx.LICENSE", "nothing.js", ""])
def test_only_the_pages_own_files_are_served(store: Store, name: str) -> None:
    """No path leads elsewhere."""
    assert Browser(store).get(f"/static/{name}").status_code in (404, 405)


def test_unknown_ids_are_404(store: Store) -> None:
    """Also for people."""
    assert Browser(store).get("/incidents/nothing").status_code == 404
    assert Browser(store).get("/templates/nothing").status_code == 404


def test_snippets_name_this_server_and_routes_that_exist(store: Store) -> None:
    """A snippet is filled, and what it posts to is there."""
    app = create_app(store, intake=ListIntake())
    for each in snippets("https://logs.example:9000"):
        assert not re.search(r"\b(?:BASE|HOST|PORT|SCHEME)\b", each.text), each.name
        assert not re.search(r"[A-Z]9000|9000[A-Z]", each.text), each.name
        for path in re.findall(r"https://logs\.example:9000(/[\w/]+)", each.text):
            # Elasticsearch's and OTLP's clients add their own paths to the root
            assert ask(app, "POST", path).status_code not in (404, 405), (each.name, path)
