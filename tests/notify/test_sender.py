"""Laws of sending: nothing is lost, nothing is told twice, a receiver hears what is true now and is not flooded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.core.notices import Novelty
from fm_anomaly.notify import NotifyParams, Receiver, ReceiverKind
from fm_anomaly.notify.requests import Answer, Request
from fm_anomaly.storage import Store, open_store, tables
from tests.notice_objects import MINUTE_US, START_US, again, fired, make_alert, make_incident, resolved, worse
from tests.notify.fakes import SECOND_US, Post

HOUR_S = 3_600
A, B = make_alert("a"), make_alert("b", start_us=START_US + MINUTE_US)
HOOK = Receiver("hook", ReceiverKind.WEBHOOK, "http://receiver.test/hook", max_per_minute=600)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def post(store: Store) -> Post:
    """A webhook."""
    return Post(store, HOOK)


def told(bodies: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(body["action"], body["alert"]["alert_id"]) for body in bodies]  # type: ignore[index]


def test_an_alert_is_told_once_and_its_end_once(post: Post) -> None:
    """Fired, then over: two requests, however often the sender runs and restarts."""
    post.happen(fired(A))
    assert told(post.run(30)) == [("triggered", A.alert_id)]
    post.restarted()
    assert post.run(30) == []
    post.happen(resolved(A, post.now_us))
    post.happen(fired(A), resolved(A, post.now_us))
    assert told(post.run(30)) == [("resolved", A.alert_id)]
    post.restarted()
    assert post.run(HOUR_S, 60) == []


def test_worse_is_told_and_severity_gates(store: Store) -> None:
    """A receiver of high alerts hears of a medium one once it has become high, and of its end."""
    medium = make_alert("a", severity=AlertSeverity.MEDIUM)
    post = Post(store, Receiver("hook", ReceiverKind.WEBHOOK, "http://x.test", min_severity=AlertSeverity.HIGH))
    post.happen(fired(medium))
    assert post.run(5) == []
    high = worse(medium, AlertSeverity.HIGH, post.now_us)
    post.happen(high)
    (sent,) = post.run(5)
    assert (sent["action"], sent["alert"]["severity"], sent["alert"]["novelty"]) == ("triggered", "high", "escalating")
    post.happen(resolved(high.alert, post.now_us))
    assert told(post.run(5)) == [("resolved", medium.alert_id)]


def test_what_was_not_told_is_not_told_to_be_over(store: Store) -> None:
    """The end of an alert below the gate, or of one that is no news to this receiver, is no message."""
    post = Post(store, Receiver("hook", ReceiverKind.WEBHOOK, "http://x.test", notify=(Novelty.ESCALATING,)))
    post.happen(fired(A))
    post.happen(resolved(A, START_US + 6 * MINUTE_US))
    assert post.run(5) == []


def test_other_services_and_tenants_are_not_told(store: Store) -> None:
    """Patterns choose services; a receiver belongs to one tenant."""
    for receiver, n in [
        (Receiver("r1", ReceiverKind.WEBHOOK, "http://x.test", services=("ap*",)), 1),
        (Receiver("r2", ReceiverKind.WEBHOOK, "http://x.test", services=("worker",)), 0),
        (Receiver("r3", ReceiverKind.WEBHOOK, "http://x.test", tenant="other"), 0),
    ]:
        with store.writing() as connection:
            connection.execute(delete(tables.outbox))
        post = Post(store, receiver)
        post.happen(fired(A))
        assert len(post.run(3)) == n, receiver.name


def test_an_hour_without_the_receiver_loses_nothing_and_tells_what_is_true(post: Post) -> None:
    """What fires still is told once, what went meanwhile once as over, what was known is told to be over."""
    known, gone, stays = make_alert("k"), make_alert("g"), make_alert("s", start_us=START_US + 9 * MINUTE_US)
    post.happen(fired(known))
    post.run(5)
    post.fail()
    post.happen(fired(gone))
    post.run(600, 5)
    post.happen(resolved(gone, post.now_us), fired(stays))
    post.run(600, 5)
    post.happen(worse(stays, AlertSeverity.CRITICAL, post.now_us), resolved(known, post.now_us))
    post.run(2_400, 5)
    post.transport.taken()
    post.recover()
    sent = post.run(600, 5)
    assert sorted(told(sent)) == sorted(
        [("resolved", known.alert_id), ("resolved", gone.alert_id), ("triggered", stays.alert_id)]
    )
    by_id = {body["alert"]["alert_id"]: body["alert"] for body in sent}
    assert by_id[gone.alert_id]["was_told"] is False
    assert by_id[known.alert_id]["was_told"] is True
    assert by_id[stays.alert_id]["severity"] == "critical"
    assert post.run(HOUR_S, 60) == []


def test_a_receiver_that_is_down_is_left_alone(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """An hour of failures is a few dozen tries, whatever waits, each with a line; waits differ by chance."""
    post.fail()
    post.happen(*(fired(make_alert(f"x{n}")) for n in range(50)))
    tries = len(post.run(HOUR_S, 5))
    assert 10 <= tries <= 60
    assert caplog.messages.count("notify_failed") == post.sender.stats()["hook"].failures == tries
    assert post.sender.stats()["hook"].is_open


def test_retry_after_is_kept_to(post: Post) -> None:
    """A receiver that asks for two minutes gets them."""
    post.fail(429, retry_after_s=120.0)
    post.happen(fired(A))
    assert len(post.run(100)) == 1
    post.recover()
    assert post.run(10) == []
    assert len(post.run(20)) == 1


def test_a_message_that_is_refused_is_a_dead_letter_and_can_be_sent_again(post: Post) -> None:
    """Its fault is not the receiver's: others get through; a person sends it again, and it is told as it is by then."""
    post.transport.answer = lambda request: (
        Answer(400, "HTTP 400") if A.alert_id.encode() in request.body else Answer(200)
    )
    post.happen(fired(A), fired(B))
    assert len(post.run(60)) == 2
    (dead,) = post.outbox.dead("default")
    assert (dead.alert_id, dead.last_error) == (A.alert_id, "HTTP 400")
    assert post.sender.stats()["hook"].dead == 1
    post.happen(resolved(A, post.now_us))
    assert post.run(60) == []
    post.recover()
    post.outbox.resend("default", dead.id)
    (sent,) = post.run(60)
    assert told([sent]) == [("resolved", A.alert_id)]
    assert sent["alert"]["was_told"] is False


def test_a_day_of_failures_makes_dead_letters(store: Store) -> None:
    """What could not be told for `give_up_s`, the receiver failing all the while, is given up and can be seen."""
    post = Post(store, HOOK, NotifyParams(give_up_s=600))
    post.fail(503)
    post.happen(fired(A))
    post.run(1_500, 5)
    assert [row.last_error for row in post.outbox.dead("default")] == ["failed with 503"]


def test_what_comes_and_goes_is_not_told_each_time(post: Post) -> None:
    """An alert that is back after its end was told is told to be back; its next end waits for half an hour of quiet."""
    post.happen(fired(A))
    post.run(5)
    sent = []
    for _ in range(6):
        post.happen(resolved(A, post.now_us))
        sent += post.run(300, 5)
        post.happen(again(A, post.now_us))
        sent += post.run(300, 5)
    assert told(sent) == [("resolved", A.alert_id), ("triggered", A.alert_id)]
    assert sent[1]["alert"]["novelty"] == "regressed"
    post.happen(resolved(A, post.now_us))
    assert post.run(1_700, 10) == []
    assert told(post.run(200, 10)) == [("resolved", A.alert_id)]


def test_the_rate_is_capped_and_nothing_is_dropped(store: Store) -> None:
    """Forty alerts at once at 20 a minute: some now, the others within the minutes after."""
    post = Post(store, Receiver("hook", ReceiverKind.WEBHOOK, "http://x.test", max_per_minute=20))
    post.happen(*(fired(make_alert(f"x{n}")) for n in range(40)))
    assert len(post.run(1)) <= 6
    assert len(post.run(60)) <= 21
    post.run(120)
    assert post.outbox.counts() == ()


def test_the_most_severe_goes_first(store: Store) -> None:
    """What is critical does not wait behind what is not."""
    post = Post(store, Receiver("hook", ReceiverKind.WEBHOOK, "http://x.test", max_per_minute=4))
    post.happen(fired(A), fired(make_alert("c", severity=AlertSeverity.CRITICAL)))
    (first,) = post.run(0)
    assert first["alert"]["severity"] == "critical"


def test_a_payload_of_another_release_is_a_dead_letter(post: Post) -> None:
    """What cannot be read stops nothing and can be seen."""
    post.happen(fired(A), fired(B))
    with post.store.writing() as connection:
        connection.execute(
            tables.outbox.update().where(tables.outbox.c.alert_id == A.alert_id).values(payload={"schema": "x"})
        )
    assert told(post.run(5)) == [("triggered", B.alert_id)]
    assert len(post.outbox.dead("default")) == 1


# -- Slack: one message an incident ------------------------------------------------------------------------------------

CHAT = Receiver("chat", ReceiverKind.SLACK, "http://receiver.test/hook", max_per_minute=600)


def test_alerts_of_one_incident_are_one_message_and_its_end_is_one(store: Store) -> None:
    """Two alerts of a matter: one message; that one of them is over is none; the end of both is one."""
    post = Post(store, CHAT)
    post.happen(fired(A), fired(B), incident=make_incident(A, B))
    assert len(post.run(5)) == 1
    post.happen(resolved(A, post.now_us), incident=make_incident(A, B))
    assert post.run(5) == []
    post.happen(resolved(B, post.now_us), incident=make_incident(A, B, end_us=post.now_us))
    (sent,) = post.run(5)
    assert "over" in sent["text"]


def test_a_flood_is_a_few_messages_and_a_list(store: Store) -> None:
    """Sixty matters after an hour's absence: five messages, the last a list, the worst first."""
    post = Post(store, CHAT)
    post.fail()
    post.run(1)
    for n in range(60):
        severity = AlertSeverity.CRITICAL if n == 41 else AlertSeverity.HIGH
        alert = make_alert(f"x{n}", title=f"trouble {n}", severity=severity)
        post.happen(fired(alert), incident=make_incident(alert))
    post.recover()
    sent = post.run(600, 5)
    assert len(sent) == 5
    assert "trouble 41" in sent[0]["text"]
    assert sent[-1]["text"] == "56 more incidents"
    assert post.outbox.counts() == ()


# -- the law, over any story -------------------------------------------------------------------------------------------

_STEPS = st.lists(st.sampled_from(["fire", "worse", "end", "again", "down", "up", "wait", "restart"]), max_size=25)


@given(steps=_STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_receiver_comes_to_believe_what_is_true(store: Store, steps: list[str]) -> None:
    """Whatever happens and fails, in the end a webhook knows whether the alert fires; it never hears the same twice."""
    with store.writing() as connection:
        connection.execute(delete(tables.outbox))
    post = Post(store, HOOK)
    alert, state = A, "none"
    heard: list[Request] = []
    is_up = True
    for step in steps:
        post.now_us += 7 * SECOND_US
        if step == "fire" and state == "none":
            post.happen(fired(alert, post.now_us))
            state = "firing"
        elif step == "worse" and state == "firing" and alert.severity is AlertSeverity.HIGH:
            event = worse(alert, AlertSeverity.CRITICAL, post.now_us)
            alert = event.alert
            post.happen(event)
        elif step == "end" and state == "firing":
            post.happen(resolved(alert, post.now_us))
            state = "resolved"
        elif step == "again" and state == "resolved":
            post.happen(again(alert, post.now_us))
            state = "firing"
        elif step in ("down", "up"):
            is_up = step == "up"
            post.recover() if is_up else post.fail()
        elif step == "restart":
            post.restarted()
        heard += _delivered(post, 5 if step == "wait" else 1, is_up=is_up)
    post.recover()
    heard += _delivered(post, 2 * HOUR_S, is_up=True)
    told_of = [(body["action"], body["alert"]["severity"]) for body in (json.loads(r.body) for r in heard)]
    believed = told_of[-1][0] if told_of else "nothing"
    assert believed == {"none": "nothing", "firing": "triggered", "resolved": "resolved"}[state]
    assert all(before != after for before, after in pairwise(told_of))
    if told_of:
        assert told_of[-1][1] == alert.severity.value


def _delivered(post: Post, seconds: int, *, is_up: bool) -> list[Request]:
    step_us = 10 * SECOND_US if seconds < 60 else 300 * SECOND_US
    end_us = post.now_us + seconds * SECOND_US
    found: list[Request] = []
    while post.now_us < end_us:
        post.now_us += step_us
        post.sender.run_once(post.now_us)
        found += post.transport.requests if is_up else []
        post.transport.requests.clear()
    return found
