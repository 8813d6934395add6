"""Laws of Slack messages: whatever a log says, it is shown as text, mentions nobody, and keeps to Slack's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.alert_values import AlertSeverity, AlertState, Evidence
from fm_anomaly.core.frames import StreamKey
from fm_anomaly.core.notices import NoticeRow, Novelty
from fm_anomaly.core.outbox_rows import OutboxRow
from fm_anomaly.notify import NotifyParams, Receiver, ReceiverKind, Target
from fm_anomaly.notify.planning import Change, Says, changes
from fm_anomaly.notify.slack import MAX_SINGLE, body, messages
from fm_anomaly.storage import Store, open_store
from tests.notice_objects import MINUTE_US, START_US, again, fired, make_alert, make_incident, resolved, rows, worse
from tests.notify.fakes import Post
from tests.notify.servers import hook

NOW_US = START_US + 10 * MINUTE_US
CHAT = Receiver("chat", ReceiverKind.SLACK, "http://chat.test")
A = make_alert("a")
_TOKEN = re.compile(r"<[^>]*>|&(?!amp;|lt;|gt;)")


def row_of(kept: NoticeRow, state: str = "pending") -> OutboxRow:
    """Return a row of the outbox."""
    notice = kept.notice
    return OutboxRow(
        tenant="default",
        id=f"{kept.id}.chat",
        receiver="chat",
        alert_id=notice.alert_id,
        action=notice.action.value,
        payload=dict(kept.payload),
        created_us=notice.at_us,  # type: ignore[arg-type]
        state=state,
        attempts=0,
        next_us=0,
        last_error="",  # type: ignore[arg-type]
    )


def change(*events: Any, told: Any = None, incident: Any = None) -> Change:
    """Return what these events come down to."""
    known = [row_of(each, "sent") for each in rows(*([told] if told else []), incident=incident)]
    waiting = [row_of(each) for each in rows(*events, incident=incident)]
    (found,) = changes(waiting, {row.alert_id: row for row in known})
    return found


def texts(sent: dict[str, Any]) -> Iterator[str]:
    """Yield every text of a message."""
    yield sent["text"]
    for block in sent["blocks"]:
        for text in [block.get("text"), *block.get("elements", [])]:
            if text:
                yield text["text"]


def assert_within_limits(sent: dict[str, Any]) -> None:
    assert len(sent["blocks"]) <= 50
    for block in sent["blocks"]:
        if block["type"] == "header":
            assert block["text"]["type"] == "plain_text"
            assert 1 <= len(block["text"]["text"]) <= 150
        for text in [block.get("text"), *block.get("elements", [])]:
            if text and text["type"] == "mrkdwn":
                assert 1 <= len(text["text"]) <= 3_000
                assert text["verbatim"] is True


@given(text=st.one_of(st.text(min_size=1, max_size=400), st.sampled_from(["<!channel>", "&" * 3_000, "`" * 2_000])))
def test_no_text_of_a_log_means_anything(text: str) -> None:
    """No mention, no link, no open quotation, no control character, within all limits."""
    hostile = replace(
        A,
        title=text,
        reason=text,
        stream=StreamKey("default", text),
        evidence=tuple(Evidence("s", n, None, "api", text) for n in range(3)),
    )
    found = change(fired(hostile), incident=make_incident(hostile, replace(make_alert("b"), title=text)))
    sent = body([found, found], "")
    assert_within_limits(sent)
    for shown in texts(sent):
        assert not _TOKEN.search(shown)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b]", shown)
        assert shown.count("```") in (0, 2)


def test_a_message_says_what_why_since_when_and_where() -> None:
    """Headline with severity and service, the sentence with numbers, lines in quotation, times, a link."""
    sent = body([change(fired(A), incident=make_incident(A))], "https://logs.example")
    assert sent["text"] == "🟠 HIGH api · kettle: lid stuck"
    shown = "\n".join(texts(sent))
    assert A.reason in shown
    assert "```ERROR kettle: lid stuck```" in shown
    assert "since 2026-03-02 12:30:03 UTC" in shown
    assert f"<https://logs.example/incidents/i-{A.alert_id}|open>" in shown


@pytest.mark.parametrize(
    ("found", "says", "begins"),
    [
        (change(fired(A)), Says.FIRES, "🟠 HIGH api"),
        (change(worse(A, AlertSeverity.CRITICAL, NOW_US), told=fired(A)), Says.WORSE, "🔴 CRITICAL worse: api"),
        (change(again(A, NOW_US), told=resolved(A, NOW_US - 1)), Says.FIRES, "🟠 HIGH back: api"),
        (change(resolved(A, NOW_US), told=fired(A)), Says.OVER, "✅ over: api"),
        (change(fired(A), resolved(A, NOW_US)), Says.PASSED, "✅ over: api"),
    ],
)
def test_how_it_stands_is_in_the_first_words(found: Change, says: Says, begins: str) -> None:
    """New, worse, back, over; what was over before it could be told says so."""
    assert found.says is says
    sent = body([found], "")
    assert sent["text"].startswith(begins)
    assert ("before it could be told" in "\n".join(texts(sent))) == (says is Says.PASSED)


def test_many_at_once_end_in_one_list() -> None:
    """The worst are told each, the rest by their headlines; what cannot be listed is counted."""
    found = []
    for n in range(60):
        alert = make_alert(f"x{n:02}", title=f"trouble {n} <b>", severity=list(AlertSeverity)[n % 4])
        found.append(change(fired(alert), incident=make_incident(alert)))
    sent = messages(Target(CHAT, "http://chat.test"), found, {}, NotifyParams(), NOW_US)
    assert len(sent) == MAX_SINGLE
    assert sum(len(message.rows) for message in sent) == 60
    bodies = [json.loads(message.request.body) for message in sent]
    assert all("CRITICAL" in each["text"] for each in bodies[:-1])
    assert_within_limits(bodies[-1])
    shown = "\n".join(texts(bodies[-1]))
    assert "56 more incidents" in shown
    assert "and 26 more" in shown
    assert "&lt;b&gt;" in shown


def test_the_lead_of_an_incident_makes_the_headline() -> None:
    """Of several alerts the one that fires, then the most severe; the others are listed below."""
    worst = make_alert("w", title="worst", severity=AlertSeverity.CRITICAL, start_us=START_US + MINUTE_US)
    incident = make_incident(A, worst)
    over = change(fired(A), resolved(A, NOW_US), incident=incident)
    sent = body([over, change(fired(worst), incident=incident)], "")
    assert "worst" in sent["text"]
    assert "• ✅ over: api · kettle" in "\n".join(texts(sent))


def test_states_are_what_was_made() -> None:
    """The test's own stories are what they say."""
    found = change(again(A, NOW_US), told=resolved(A, NOW_US - 1))
    assert found.novelty is Novelty.REGRESSED
    assert found.notice.state is AlertState.FIRING


def test_over_a_real_server(tmp_path: Path) -> None:
    """The request is a POST of JSON to the whole address."""
    with hook() as server, open_store(tmp_path / "s.db") as store:
        post = chat_at(store, f"{server.url}/services/T0/B0/x")
        post.happen(fired(A), incident=make_incident(A))
        assert post.sender.run_once(NOW_US) == 1
        (got,) = server.got
        assert got.path == "/services/T0/B0/x"
        assert got.headers["content-type"] == "application/json"
        assert got.json()["blocks"][0]["type"] == "header"


def chat_at(store: Store, url: str) -> Post:
    receiver = Receiver("chat", ReceiverKind.SLACK, url)
    return Post(store, receiver, target=Target(receiver, url))
