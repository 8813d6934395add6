"""Laws of the routes that change something: answered when done, seen at once, kept with who and why, reversible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.api import create_app
from fm_anomaly.api.application import create_app as create_any_app
from fm_anomaly.storage import Store, open_store
from tests.api.asking import ask, pages
from tests.live_store import LocalIntake

API = "/api/v1"


@pytest.fixture
def app(live_store: Store) -> Any:
    return create_any_app(live_store, intake=LocalIntake(live_store))


def good(app: Any, method: str, path: str, body: Any = None) -> Any:
    answer = ask(app, method, API + path, body)
    assert answer.status_code in (200, 201), answer.text
    if method == "POST" and answer.status_code == 201 and "location" in answer.headers:
        assert ask(app, "GET", answer.headers["Location"]).status_code == 200
    return answer.json()


def an_alert(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = pages(app, f"{API}/alerts")[0]
    return found


def test_acks_and_comments_stand_in_the_timeline(app: Any) -> None:
    """Who took an alert or incident on, and what was said, is there at once, in order."""
    incident = pages(app, f"{API}/incidents")[0]
    path = f"/incidents/{incident['incident_id']}"
    good(app, "POST", f"{path}/ack")
    good(app, "POST", f"{path}/comments", {"text": "looking"})
    one = good(app, "GET", path)
    assert one["acked_by"] == "anonymous"
    assert all(alert["acked_by"] == "anonymous" for alert in one["alerts"])
    assert [(e["action"], e["reason"]) for e in good(app, "GET", f"{path}/timeline")][-2:] == [
        ("acked", "anonymous has taken it on"),
        ("commented", "looking"),
    ]
    assert pages(app, f"{API}/alerts?acked=false") == [
        alert for alert in pages(app, f"{API}/alerts") if alert["incident_id"] != incident["incident_id"]
    ]
    alert = f"/alerts/{one['alert_ids'][0]}"
    good(app, "POST", f"{alert}/comments", {"text": "this one"})
    assert good(app, "GET", alert)["history"][-1]["reason"] == "this one"


def test_feedback_acts_is_told_and_is_taken_back(app: Any) -> None:
    """The answer says what is gone; the alert shows the verdict; taken back, all is as before."""
    alert = an_alert(app)
    path = f"/alerts/{alert['alert_id']}"
    told = good(app, "POST", f"{path}/feedback", {"verdict": "noise", "note": "nightly job"})
    assert "of this kind would be gone" in told["effect"]
    assert told["numbers"]["gone"] >= 1
    assert good(app, "GET", path)["verdict"] == "noise"
    (word,) = good(app, "GET", f"{path}/feedback")
    assert (word["verdict"], word["note"], word["effect"]) == ("noise", "nightly job", told["effect"])
    back = good(app, "DELETE", f"/feedback/{word['feedback_id']}")
    assert back["numbers"]["gone"] == 0
    assert good(app, "GET", path)["verdict"] == ""
    assert ask(app, "DELETE", f"{API}/feedback/{word['feedback_id']}").status_code == 409
    actions = [event["action"] for event in good(app, "GET", path)["history"]]
    assert actions[-2:] == ["feedback", "feedback_removed"]


def test_a_second_word_replaces_the_first(app: Any) -> None:
    """One verdict an alert is in force."""
    path = f"/alerts/{an_alert(app)['alert_id']}"
    good(app, "POST", f"{path}/feedback", {"verdict": "noise"})
    good(app, "POST", f"{path}/feedback", {"verdict": "real"})
    words = good(app, "GET", f"{path}/feedback")
    assert [(w["verdict"], w["removed"] is None) for w in sorted(words, key=lambda w: w["verdict"])] == [
        ("noise", False),
        ("real", True),
    ]
    assert good(app, "GET", path)["verdict"] == "real"


def test_a_silence_lives_from_its_making_to_its_end(app: Any) -> None:
    """Made, listed, changed, ended; each step is a command with owner and reason."""
    asked = {"matchers": {"service": "api"}, "reason": "re-indexing", "for_s": 3600, "until_worse": True}
    made = good(app, "POST", "/silences", asked)
    (found,) = pages(app, f"{API}/silences?active=true")
    assert found["silence_id"] == made["command_id"]
    assert (found["owner"], found["reason"], found["matchers"]) == ("anonymous", "re-indexing", {"service": "api"})
    assert found["is_active"]
    good(app, "PATCH", f"/silences/{found['silence_id']}", {"reason": "still", "for_s": 7200})
    changed = good(app, "GET", f"/silences/{found['silence_id']}")
    assert (changed["reason"], changed["start"]) == ("still", found["start"])
    assert changed["until"] > found["until"]
    good(app, "DELETE", f"/silences/{found['silence_id']}")
    assert pages(app, f"{API}/silences?active=true") == []
    (over,) = pages(app, f"{API}/silences?active=false")
    assert over["ended_by"] == "anonymous"
    for method, body in (("DELETE", None), ("PATCH", {"reason": "x"})):
        assert ask(app, method, f"{API}/silences/{found['silence_id']}", body).status_code == 409
    assert [each["action"] for each in pages(app, f"{API}/audit")] == ["unsilence", "silence", "silence"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"matchers": {}, "reason": "x", "for_s": 60}, 400),
        ({"matchers": {"service": "a"}, "reason": "", "for_s": 60}, 422),
        ({"matchers": {"service": "a"}, "reason": "x"}, 422),
        ({"matchers": {"service": "a"}, "reason": "x", "for_s": 60, "until": "2030-01-01T00:00:00Z"}, 422),
        ({"matchers": {"service": "a"}, "reason": "x", "until": "2001-01-01T00:00:00Z"}, 400),
        ({"matchers": {"service": "a"}, "reason": "x", "until": "9999-01-01T00:00:00Z"}, 400),
        ({"matchers": {"colour": "red"}, "reason": "x", "for_s": 60}, 422),
        ({"matchers": {"severity": "dire"}, "reason": "x", "for_s": 60}, 422),
    ],
)
def test_a_silence_without_sense_is_refused(app: Any, body: dict[str, Any], status: int) -> None:
    """Owner, reason, end and matchers are musts."""
    assert ask(app, "POST", f"{API}/silences", body).status_code == status
    assert pages(app, f"{API}/silences") == []


def test_a_marker_stands_in_the_timeline_of_what_came_after_it(app: Any) -> None:
    """A deploy noted for a moment before an incident is part of its story; one of another service is not."""
    incident = pages(app, f"{API}/incidents")[0]
    service = incident["services"][0]
    for name in (service, "nobody", ""):
        good(app, "POST", "/markers", {"title": f"v2 of {name}", "service": name, "at": incident["start"]})
    timeline = good(app, "GET", f"/incidents/{incident['incident_id']}/timeline")
    assert sorted(e["reason"] for e in timeline if e["action"] == "marker") == sorted(
        [f"v2 of {service} ({service})", "v2 of "]
    )
    assert len(pages(app, f"{API}/markers?limit=1")) == 3
    assert len(pages(app, f"{API}/markers?service=nobody")) == 1


def test_a_template_is_renamed_and_merged(app: Any) -> None:
    """A name is shown and searched; two become one, with the other's id as alias and both counts."""
    listed = pages(app, f"{API}/templates?order=count")
    service = listed[0]["service"]
    one, other = [t for t in listed if t["service"] == service][:2]
    path = f"/templates/{one['template_id']}"
    good(app, "POST", f"{path}/rename", {"name": "the usual", "service": service})
    assert [t["template_id"] for t in pages(app, f"{API}/templates?q=the+USUAL")] == [one["template_id"]]
    good(app, "POST", f"{path}/rename", {"name": "", "service": service})
    assert pages(app, f"{API}/templates?q=the+usual") == []
    good(app, "POST", f"{path}/merge", {"other": other["template_id"], "service": service})
    for each in (one, other):
        found = good(app, "GET", f"/templates/{each['template_id']}?service={service}")
        assert found["count"] == one["count"] + other["count"]
        assert {found["template_id"], *found["aliases"]} == {one["template_id"], other["template_id"]}
    assert len(pages(app, f"{API}/templates")) == len(listed) - 1
    assert len(pages(app, f"{API}/templates?with_merged=true")) == len(listed)
    history = good(app, "GET", f"{path}/history?step=day&service={service}")
    assert sum(point["count"] for point in history) == one["count"] + other["count"]


def test_a_pattern_is_given_and_removed(app: Any) -> None:
    """It is in force from its making on; a broken one is refused with the reason."""
    told = good(app, "POST", "/patterns", {"name": "mine", "expression": "^mine \\d+"})
    (found,) = good(app, "GET", "/patterns")
    assert (found["pattern_id"], found["expression"]) == (told["command_id"], "^mine \\d+")
    refused = ask(app, "POST", f"{API}/patterns", {"name": "bad", "expression": "(?<=a)b"})
    assert refused.status_code == 400
    assert "look-around" in refused.json()["detail"]
    good(app, "DELETE", f"/patterns/{found['pattern_id']}")
    assert good(app, "GET", "/patterns") == []
    assert ask(app, "DELETE", f"{API}/patterns/{found['pattern_id']}").status_code == 404


def test_resolving_says_how_many(app: Any) -> None:
    """What is over already is nothing to resolve; the word stands in the timeline."""
    alert = an_alert(app)
    told = good(app, "POST", f"/alerts/{alert['alert_id']}/resolve")
    assert told["numbers"] == {"resolved": 0}
    assert good(app, "GET", f"/alerts/{alert['alert_id']}")["history"][-1]["action"] == "closed"


def test_a_service_without_intake_only_reads(tmp_path: Path) -> None:
    """Over a store alone every change is 503, with the way out."""
    with open_store(tmp_path / "s.db") as store:
        answer = ask(create_app(store), "POST", f"{API}/markers", {"title": "v2"})
    assert answer.status_code == 503
    assert "only reads" in answer.json()["detail"]
