"""Laws of the routes that read a live store: what is told adds up, pages are whole, ids lead on."""

from __future__ import annotations

from typing import Any

import pytest

from fm_anomaly.api import create_app
from fm_anomaly.storage import Store
from tests.api.asking import ask, pages
from tests.live_store import changes_of


@pytest.fixture
def app(shared_live_store: Store) -> Any:
    return create_app(shared_live_store)


def get(app: Any, path: str) -> Any:
    answer = ask(app, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_incident_leads_to_everything_about_it(app: Any) -> None:
    """From the list to one incident, its alerts, timeline, evidence and series."""
    first = pages(app, "/api/v1/incidents")[0]
    path = f"/api/v1/incidents/{first['incident_id']}"
    one = get(app, path)
    assert {alert["alert_id"] for alert in one["alerts"]} == set(one["alert_ids"])
    assert {alert["incident_id"] for alert in one["alerts"]} == {first["incident_id"]}
    timeline = get(app, f"{path}/timeline")
    assert [event["at"] for event in timeline] == sorted(event["at"] for event in timeline)
    assert {event["alert_id"] for event in timeline} == set(one["alert_ids"])
    assert timeline[0]["action"] == "triggered"
    evidence = get(app, f"{path}/evidence")
    assert evidence["evidence"]
    assert all(lines["lines"] for lines in evidence["samples"])
    series = get(app, f"{path}/series")
    assert len(series["values"]) == len(series["low"]) == len(series["high"])
    assert any(value for value in series["values"])


def test_an_alerts_series_stands_out_of_its_band(app: Any) -> None:
    """The series of an alert with a rise has values above what was usual."""
    rises = [a for a in pages(app, "/api/v1/alerts") if a["kind"] in ("new_error", "error_spike")]
    assert rises
    for alert in rises:
        series = get(app, f"/api/v1/alerts/{alert['alert_id']}/series")
        assert max(value for value in series["values"] if value is not None) > (series["high"][0] or 0)


def test_templates_of_all_pages_are_those_that_were_counted(app: Any) -> None:
    """Every standing template once, and their counts are the records of the services."""
    newest = pages(app, "/api/v1/templates?limit=7")
    frequent = pages(app, "/api/v1/templates?limit=9&order=count")
    key = [(t["service"], t["template_id"]) for t in newest]
    assert len(set(key)) == len(key)
    assert sorted(key) == sorted((t["service"], t["template_id"]) for t in frequent)
    assert [t["count"] for t in frequent] == sorted((t["count"] for t in frequent), reverse=True)
    assert [t["first"] for t in newest] == sorted((t["first"] for t in newest), reverse=True)
    errors = pages(app, "/api/v1/templates?errors_only=true")
    assert {t["template_id"] for t in errors} == {t["template_id"] for t in newest if t["errors"]}


def test_a_template_is_found_by_words_and_by_the_beginning_of_its_id(app: Any) -> None:
    """`q` looks into texts without caring for case and takes % as a character; an id may be cut short."""
    template = max(pages(app, "/api/v1/templates"), key=lambda t: t["count"])
    word = max(template["template"].split(), key=len)
    assert template in pages(app, f"/api/v1/templates?q={word.upper()}&service={template['service']}")
    assert template in pages(app, f"/api/v1/templates?q={template['template_id'][:10]}")
    assert pages(app, "/api/v1/templates?q=%25%25") == []
    one = get(app, f"/api/v1/templates/t:{template['template_id'][:12]}?service={template['service']}")
    assert one["count"] == template["count"]
    assert one["samples"]


def test_a_templates_history_sums_up_to_its_count(app: Any) -> None:
    """By the minute, hour or day: the points are the records of the template (none of the sample is late)."""
    template = max(pages(app, "/api/v1/templates"), key=lambda t: t["count"])
    path = f"/api/v1/templates/{template['template_id']}/history?service={template['service']}&step="
    for step in ("minute", "hour", "day"):
        assert sum(point["count"] for point in get(app, path + step)) == template["count"]


def test_services_tell_what_they_have_learned(app: Any) -> None:
    """Each service of the closed buckets is there, with totals and the state of each detector."""
    services = get(app, "/api/v1/services")
    expected = {b.stream.service for each in changes_of("default") for b in each.buckets}
    assert {s["service"] for s in services} == expected
    assert all(s["records"] > 0 and s["learned_s"] > 0 and "new_error" in s["ready"] for s in services)


def test_the_digest_pages(app: Any) -> None:
    """Entries come once over all pages, latest first."""
    entries = pages(app, "/api/v1/digest?limit=2")
    assert len({(e["kind"], e["service"], e["subject"], e["start"]) for e in entries}) == len(entries)
    assert [e["start"] for e in entries] == sorted((e["start"] for e in entries), reverse=True)


@pytest.mark.parametrize(
    "path",
    [
        "alerts/no",
        "alerts/no/timeline",
        "alerts/no/evidence",
        "alerts/no/series",
        "incidents/no",
        "incidents/no/timeline",
        "incidents/no/evidence",
        "incidents/no/series",
        "templates/no",
        "templates/no/history",
    ],
)
def test_what_is_not_there_is_404(app: Any, path: str) -> None:
    """An id that the tenant does not have is 404 in the error's one shape."""
    answer = ask(app, "GET", f"/api/v1/{path}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "detail", "status_code", "correlation_id"}


@pytest.mark.parametrize("path", ["alerts", "incidents", "templates", "digest", "markers"])
@pytest.mark.parametrize("query", ["nonsense=1", "limit=0", "limit=501", "since=yesterday"])
def test_a_query_that_means_nothing_is_refused(app: Any, path: str, query: str) -> None:
    """Unknown parameters and values out of range are errors: a filter that is ignored misleads."""
    assert ask(app, "GET", f"/api/v1/{path}?{query}").status_code == 422


@pytest.mark.parametrize("path", ["alerts", "incidents", "templates", "digest", "markers"])
@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwgImIiXQ"])
def test_a_cursor_that_no_page_gave_is_refused(app: Any, path: str, cursor: str) -> None:
    """A cursor is checked before it reaches the database."""
    assert ask(app, "GET", f"/api/v1/{path}?cursor={cursor}").status_code == 400
