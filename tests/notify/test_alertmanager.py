"""Laws of what an Alertmanager is sent, and the real one from Debian at the other end."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import insert

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.notify import NotifyParams, Receiver, ReceiverKind, Sender, Target
from fm_anomaly.notify.requests import Answer, Request
from fm_anomaly.notify.testing import send_test
from fm_anomaly.storage import Store, open_store, tables
from fm_anomaly.storage.outbox import Outbox, enqueue
from fm_anomaly.storage.rows import alert_row, label_row
from tests.notice_objects import MINUTE_US, START_US, again, fired, make_alert, make_incident, resolved, rows, worse
from tests.notify.fakes import SECOND_US, Post
from tests.notify.servers import Alertmanager, Hook, alertmanager, free_port, hook, wait_until

PAGER = Receiver(
    "pager", ReceiverKind.ALERTMANAGER, "http://receiver.test", labels={"cluster": "eu-1", "bad-name": "x"}
)
A, B = make_alert("a"), make_alert("b", start_us=START_US + MINUTE_US)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def post(store: Store) -> Post:
    """An Alertmanager that takes everything."""
    return Post(store, PAGER, NotifyParams(base_url="https://logs.example"))


def test_an_alert_has_labels_annotations_times_and_a_link(post: Post) -> None:
    """What the API wants: label names of its grammar, times in RFC 3339, endsAt well beyond the next resend."""
    post.happen(fired(A), incident=make_incident(A, B))
    ((sent,),) = post.run()
    assert sent["labels"] == {
        "alertname": "fm_anomaly_new_error",
        "tenant": "default",
        "service": "api",
        "kind": "new_error",
        "severity": "high",
        "fingerprint": A.fingerprint,
        "incident": f"i-{A.alert_id}",
        "cluster": "eu-1",
        "bad_name": "x",
    }
    assert sent["annotations"]["summary"] == "api: kettle: lid stuck"
    assert sent["annotations"]["description"] == A.reason
    assert sent["annotations"]["evidence"] == "ERROR kettle: lid stuck"
    assert (sent["startsAt"], sent["endsAt"]) == ("2026-03-02T12:30:03.000Z", "2026-03-02T12:45:03.000Z")
    assert sent["generatorURL"] == f"https://logs.example/incidents/i-{A.alert_id}"


@pytest.mark.parametrize(
    ("title", "summary"),
    [("api fails", "api fails"), ("api: 5xx", "api: 5xx"), ("apiary burns", "api: apiary burns"), ("api", "api")],
)
def test_the_service_is_named_once(post: Post, title: str, summary: str) -> None:
    """A title that begins with the service says enough; one that begins alike does not."""
    post.happen(fired(make_alert("t", title=title)))
    ((sent,),) = post.run()
    assert sent["annotations"]["summary"] == summary


def test_what_fires_is_sent_again_until_it_is_over(post: Post) -> None:
    """A post a minute while it fires, endsAt moving along; after the end one more, then none."""
    post.happen(fired(A))
    sent = post.run(600)
    assert len(sent) == 11
    assert len({body[0]["endsAt"] for body in sent}) == 11
    post.restarted()
    post.happen(resolved(A, post.now_us))
    ((end,),) = post.run(10)
    assert end["endsAt"] <= "2026-03-02T12:50:13.000Z"
    assert end["labels"] == sent[0][0]["labels"]
    assert post.run(600, 10) == []


def test_what_is_sent_again_says_what_is_known_by_now(post: Post, store: Store) -> None:
    """Each post has the alert's reason and lines as the store has them; the end has the last ones."""
    post.happen(fired(A))
    post.run()
    more = replace(A, reason="420 in 9 min, expected 0 to 1", evidence=(*A.evidence, *A.evidence))
    with store.writing() as connection:
        connection.execute(insert(tables.alerts), [alert_row(more) | label_row(None)])
    ((sent,),) = post.run(60)
    assert sent["annotations"]["description"] == "420 in 9 min, expected 0 to 1"
    assert sent["annotations"]["evidence"] == "ERROR kettle: lid stuck\nERROR kettle: lid stuck"
    post.happen(resolved(replace(more, reason="500 in 10 min"), post.now_us))
    ((end,),) = post.run(5)
    assert end["annotations"]["description"] == "500 in 10 min"
    assert end["labels"] == sent["labels"]


def test_a_new_severity_ends_the_old_alert_and_begins_another(post: Post) -> None:
    """Labels are identity there: the old ones are ended in the post that begins the new ones."""
    post.happen(fired(A))
    post.run()
    post.happen(worse(A, AlertSeverity.CRITICAL, post.now_us))
    old, new = post.run(1)[0]
    assert (old["labels"]["severity"], new["labels"]["severity"]) == ("high", "critical")
    assert old["endsAt"] < new["endsAt"]
    post.happen(resolved(replace(A, severity=AlertSeverity.CRITICAL), post.now_us + 1))
    ((end,),) = post.run(2)
    assert end["labels"]["severity"] == "critical"


def test_what_comes_back_fires_again(post: Post) -> None:
    """An alert that fires again after its end is firing there too; grouping and waiting are the Alertmanager's."""
    post.happen(fired(A))
    post.run()
    post.happen(resolved(A, post.now_us))
    post.run(5)
    post.happen(again(A, post.now_us))
    ((sent,),) = post.run(1)
    assert sent["endsAt"] > sent["startsAt"]
    assert len(post.run(120)) == 2


def test_a_thousand_alerts_are_a_few_posts(post: Post) -> None:
    """Posts hold a hundred alerts each."""
    post.happen(*(fired(make_alert(f"x{n}")) for n in range(250)))
    assert sorted(len(body) for body in post.run()) == [50, 100, 100]


def test_one_alert_that_is_refused_does_not_hold_up_the_others(post: Post) -> None:
    """A post refused for one alert is sent again alert by alert; the one is a dead letter."""
    bad = make_alert("bad")
    refused = bad.alert_id.encode()

    def answer(request: Request) -> Answer:
        return Answer(400, "HTTP 400") if refused in request.body else Answer(200)

    post.transport.answer = answer
    post.happen(fired(A), fired(bad), fired(B))
    assert [len(body) for body in post.run()] == [3, 1, 1, 1]
    assert [row.alert_id for row in post.outbox.dead("default")] == [bad.alert_id]
    assert [len(body) for body in post.run(60)] == [2]


# -- the real one ------------------------------------------------------------------------------------------------------


@pytest.fixture
def people() -> Iterator[Hook]:
    """Whom the Alertmanager tells."""
    with hook() as kept:
        yield kept


@pytest.fixture
def real(tmp_path: Path, people: Hook) -> Iterator[Alertmanager]:
    """Debian's Alertmanager, not started."""
    with alertmanager(tmp_path / "am", people.url) as one:
        yield one


def now_us() -> int:
    return time.time_ns() // 1_000


def sender_for(store: Store, url: str) -> Sender:
    receiver = Receiver("pager", ReceiverKind.ALERTMANAGER, url)
    params = NotifyParams(resend_s=1, base_url="https://logs.example")
    return Sender(Outbox(store), [Target(receiver, url)], params, rng=Random(1))


def happen(store: Store, *events: object, incident: object = None) -> None:
    with store.writing() as connection:
        enqueue(connection, rows(*events, incident=incident))  # type: ignore[arg-type]


def told(people: Hook) -> list[tuple[str, str, int]]:
    """Return what people were told: status, group and number of alerts of each message."""
    bodies = [got.json() for got in people.got]
    return [(body["status"], body["groupLabels"]["incident"], len(body["alerts"])) for body in bodies]


def test_a_real_alertmanager_shows_groups_and_resolves(store: Store, people: Hook, real: Alertmanager) -> None:
    """Two alerts of one matter are one message; resent they stay one; at their end one more; amtool agrees."""
    start_us = now_us()
    one, two = make_alert("a", start_us=start_us - 2 * MINUTE_US), make_alert("b", start_us=start_us - 2 * MINUTE_US)
    incident = make_incident(one, two)
    real.start()
    sender = sender_for(store, real.url)
    sender.start(start_us)
    happen(store, fired(one, start_us), fired(two, start_us), incident=incident)
    assert sender.run_once(now_us()) == 1
    assert len(people.wait_for(1)) == 1
    assert told(people) == [("firing", incident.incident_id, 2)]
    body = people.got[0].json()
    assert {alert["labels"]["fingerprint"] for alert in body["alerts"]} == {one.fingerprint, two.fingerprint}
    assert body["alerts"][0]["generatorURL"].startswith("https://logs.example/incidents/i-")
    shown = amtool(real, "alert", "query", "--output=extended")
    assert shown.count("fm_anomaly_new_error") == 2
    for _ in range(3):
        time.sleep(1.05)
        assert sender.run_once(now_us()) == 1
    assert len(people.got) == 1
    happen(store, resolved(one, now_us()), resolved(two, now_us()), incident=incident)
    sender.run_once(now_us() + SECOND_US // 100)
    assert wait_until(lambda: len(people.got) >= 2, 20)
    assert told(people)[1] == ("resolved", incident.incident_id, 2)
    assert real.alerts() == []
    sender.close()


def test_a_real_alertmanager_that_was_away_for_an_hour(store: Store, people: Hook, real: Alertmanager) -> None:
    """Away for an hour by the sender's clock: then what still fires arrives, once; what went meanwhile does not."""
    hour_us = 60 * MINUTE_US
    end_us = now_us()
    start_us = end_us - hour_us
    gone = make_alert("g", start_us=start_us)
    stays = make_alert("s", start_us=start_us + 10 * MINUTE_US)
    worsens = make_alert("w", start_us=start_us + 20 * MINUTE_US, severity=AlertSeverity.MEDIUM)
    sender = sender_for(store, real.url)
    sender.start(start_us)
    story = {
        0: [fired(gone, start_us)],
        10: [fired(stays, start_us + 10 * MINUTE_US)],
        20: [fired(worsens, start_us + 20 * MINUTE_US), resolved(gone, start_us + 20 * MINUTE_US)],
        40: [worse(worsens, AlertSeverity.CRITICAL, start_us + 40 * MINUTE_US)],
    }
    for minute in range(60):
        for event in story.get(minute, []):
            happen(store, event, incident=make_incident(event.alert))
        assert sender.run_once(start_us + minute * MINUTE_US) == 0
    assert sender.stats()["pager"].failures <= 60
    real.start()
    for _ in range(12):
        # five minutes on, so that the wait after the last failure is over
        sender.run_once(max(now_us(), end_us) + 5 * MINUTE_US)
        time.sleep(0.1)
    assert len(people.wait_for(2)) == 2
    time.sleep(1.5)
    assert sorted(told(people)) == sorted([("firing", f"i-{a.alert_id}", 1) for a in (stays, worsens)])
    severities = {alert["labels"]["fingerprint"]: alert["labels"]["severity"] for alert in real.alerts()}
    assert severities == {stays.fingerprint: "high", worsens.fingerprint: "critical"}
    sender.close()


def test_a_test_alert_reaches_a_real_alertmanager(people: Hook, real: Alertmanager) -> None:
    """`notify test` is taken, people are told, and it needs nobody to end it."""
    real.start()
    target = Target(Receiver("pager", ReceiverKind.ALERTMANAGER, real.url), real.url)
    answers = send_test(target, NotifyParams(), now_us())
    assert [(said, answer.is_ok) for said, answer in answers] == [("it fires", True)]
    assert len(people.wait_for(1)) == 1


def test_amtool_finds_the_documented_configuration_good(tmp_path: Path) -> None:
    """The Alertmanager configuration that docs/notify.md shows is valid."""
    if shutil.which("amtool") is None:
        pytest.skip("no amtool: it comes with Debian's prometheus-alertmanager")
    text = (Path(__file__).parents[2] / "docs" / "notify.md").read_text()
    config = text.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "alertmanager.yml").write_text(config)
    done = subprocess.run(
        ["amtool", "check-config", str(tmp_path / "alertmanager.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def amtool(real: Alertmanager, *words: str) -> str:
    if shutil.which("amtool") is None:
        pytest.skip("no amtool: it comes with Debian's prometheus-alertmanager")
    done = subprocess.run(
        ["amtool", f"--alertmanager.url={real.url}", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_nobody_listens(store: Store) -> None:
    """A refused connection is a failure with a reason, nothing more."""
    sender = sender_for(store, f"http://127.0.0.1:{free_port()}")
    happen(store, fired(A))
    assert sender.run_once(START_US + 10 * MINUTE_US) == 0
    assert sender.stats()["pager"].failures == 1
    sender.close()
